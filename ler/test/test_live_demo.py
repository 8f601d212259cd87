# -*- test-case-name: ler.test.test_live_demo -*-
"""
Live tests for L{ler.demo}: a real llama.cpp server, and the whole demo.
"""

from __future__ import annotations

import signal
from pathlib import Path

import psutil

from ler.demo.__main__ import TINY_MODELS
from ler.test.demo_case import DemoCase
from ler.test.live import PATIENCE, Server, wait_for

BIRDS = TINY_MODELS["tiny-birds"]


class LlamaServerTests(DemoCase):
    """
    L{ler.demo.llama_server}
    """

    def start_server(self) -> Server:
        """
        @return: a server of a new model.
        """
        from ler.demo.tiny_gguf import write_model

        path = Path(self.mktemp())
        write_model(path, "birds", BIRDS.split())
        server = self.start("ler.demo.llama_server", "--model", str(path), "--alias", "birds")
        wait_for(lambda: "served" in self.output.read_text())
        return server

    def test_answers(self) -> None:
        """It lists the model, and the model speaks in its own words."""
        server = self.start_server()
        self.assertEqual(["birds"], [model["id"] for model in server.get("/v1/models")["data"]])
        self.assert_says(BIRDS, self.answer(server, "birds"))

    def test_stream(self) -> None:
        """It streams events, and ends with the end mark."""
        self.assert_says(BIRDS, self.streamed_answer(self.start_server(), "birds"))

    def test_term(self) -> None:
        """On SIGTERM it exits, having said nothing but where it listened."""
        server = self.start_server()
        self.assertEqual(0, server.stop())
        self.assertEqual(
            [f"birds is served at http://127.0.0.1:{server.port}"],
            self.output.read_text().splitlines(),
        )

    def test_no_model(self) -> None:
        """Without a model it fails and says why."""
        server = self.start("ler.demo.llama_server", "--model", "nowhere", "--alias", "birds")
        self.assertEqual(1, server.process.wait(PATIENCE))
        self.assertIn("cannot serve nowhere", self.output.read_text())


class DemoTests(DemoCase):
    """
    C{python -m ler.demo}
    """

    def test_swaps(self) -> None:
        """Each model answers for itself, in turns, and nothing is left running at the end."""
        router = self.start_demo()
        for model in (*TINY_MODELS, *TINY_MODELS):
            self.assert_says(TINY_MODELS[model], self.answer(router, model))
        engines = router.get("/status")["engines"].values()
        [pid] = (engine["pid"] for engine in engines if engine["pid"])
        # twistd ends by the signal that it was sent; older ones exit.
        self.assertIn(router.stop(), (0, -signal.SIGTERM))
        self.assertFalse(psutil.pid_exists(pid))
