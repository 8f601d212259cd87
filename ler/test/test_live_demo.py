# -*- test-case-name: ler.test.test_live_demo -*-
"""
Live tests for L{ler.demo}: a real llama.cpp server, and the whole demo.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
from twisted.trial.unittest import SkipTest, TestCase

from ler.demo.__main__ import TINY_MODELS
from ler.test.live import PATIENCE, Server, free_port, wait_for

BIRDS = TINY_MODELS["tiny-birds"].split()


class DemoCase(TestCase):
    """
    What the tests here share.
    """

    def setUp(self) -> None:
        """Skip where the demo's extra is not installed."""
        for name in "gguf", "xllamacpp":
            if importlib.util.find_spec(name) is None:
                raise SkipTest(f"{name} is not installed")

    def start(self, module: str, *options: str, **environ: str) -> Server:
        """
        @return: the module, started as a program that listens on some port.
        """
        port = free_port()
        command = [sys.executable, "-m", module, "--port", str(port), *options]
        with open(self.mktemp(), "wb") as output:
            server = Server(
                command,
                port,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environ},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.output = Path(output.name)
        self.addCleanup(server.stop)
        return server

    def words(self, server: Server, model: str) -> set[str]:
        """
        @return: the words that C{model} answers with.
        """
        with server.chat(model) as response:
            answer = json.load(response)
        return set(answer["choices"][0]["message"]["content"].split())


class LlamaServerTests(DemoCase):
    """
    L{ler.demo.llama_server}
    """

    def start_server(self) -> Server:
        """
        @return: a server of a new model.
        """
        from ler.demo.tiny_model import write_model

        path = self.mktemp()
        write_model(path, "birds", BIRDS)
        server = self.start("ler.demo.llama_server", "--model", path, "--alias", "birds")
        wait_for(lambda: "served" in self.output.read_text())
        return server

    def test_answers(self) -> None:
        """It lists the model, and the model speaks in its own words."""
        server = self.start_server()
        self.assertEqual(["birds"], [model["id"] for model in server.get("/v1/models")["data"]])
        words = self.words(server, "birds")
        self.assertTrue(words)
        self.assertEqual(set(), words - set(BIRDS))

    def test_stream(self) -> None:
        """It streams events, and ends with the end mark."""
        with self.start_server().chat("birds", stream=True, max_tokens=4) as response:
            *events, end = (line[6:] for line in response.read().split(b"\n\n") if line)
        deltas = [json.loads(event)["choices"][0]["delta"] for event in events]
        self.assertTrue("".join(delta.get("content") or "" for delta in deltas))
        self.assertEqual(b"[DONE]", end)

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
        router = self.start("ler.demo", XDG_CACHE_HOME=os.path.abspath(self.mktemp()))
        router.wait_until_ready()
        for model in (*TINY_MODELS, *TINY_MODELS):
            words = self.words(router, model)
            self.assertTrue(words)
            self.assertEqual(set(), words - set(TINY_MODELS[model].split()))
        engines = router.get("/status")["engines"].values()
        [pid] = (engine["pid"] for engine in engines if engine["pid"])
        # twistd ends by the signal that it was sent; older ones exit.
        self.assertIn(router.stop(), (0, -signal.SIGTERM))
        self.assertFalse(psutil.pid_exists(pid))
