# -*- test-case-name: ler.test.test_live_adoption -*-
"""
Live tests of what a router finds when it starts.
"""

from __future__ import annotations

import os
import socket

from ler.test.backends import localai, ollama
from ler.test.live import Server, wait_for
from ler.test.live_router import PROMPT, Call, Stopwatch, url_of
from ler.test.test_live_servers import ServerCase, held, tell

QWEN, LLAMA = ollama.MODELS
GEMMA = localai.MODELS[1]


def load(server: Server, *models: str) -> None:
    """
    Have an Ollama hold models, one after the other.
    """
    for model in models:
        tell(server, "/api/generate", model=model, keep_alive=-1)


class AdoptionTests(ServerCase):
    """
    Engines that run before the router does.
    """

    def test_one_is_kept(self) -> None:
        """Of two servers with a model the first keeps it, and answers without a load."""
        first, second = self.ollama(), self.serve("localai")
        load(first, QWEN)
        tell(second, "/backend/load", model=GEMMA)
        router = self.start()
        self.wait_for_resident(router, f"ollama/{QWEN}")
        self.assertEqual([], held(second))
        self.assert_serves(router, QWEN)
        self.assertEqual(1, first.get("/debug")["loads"])
        self.assert_serves(router, GEMMA)
        self.assertEqual([], held(first))

    def test_all_are_freed(self) -> None:
        """Where no server holds a single model all of them give all up."""
        first, second = self.ollama(), self.serve("localai")
        load(first, QWEN, LLAMA)
        for model in localai.MODELS:
            tell(second, "/backend/load", model=model)
        router = self.start()
        self.wait_for_resident(router, None)
        self.assertEqual(([], []), (held(first), held(second)))
        self.assert_serves(router, GEMMA)

    def test_still_loading(self) -> None:
        """Who asks for a model that is being loaded waits, and it is not loaded twice."""
        server = self.ollama("--load-s=2")
        loading = Call(server.port, QWEN)
        self.addCleanup(loading.hang_up)
        self.wait_for_event(QWEN, "start")
        router = self.start()
        asking = self.call(QWEN)
        wait_for(lambda: self.waiting(router) == 1)
        self.assertEqual("adopting", self.slot(router)["state"])
        with loading.answer() as answer:
            self.assertEqual(200, answer.status)
        with asking.answer() as answer:
            self.assertEqual(200, answer.status)
        self.assertEqual(1, server.get("/debug")["loads"])
        self.assertEqual(f"ollama/{QWEN}", self.slot(router)["resident"])

    def test_left(self) -> None:
        """An engine that the last router left is kept, a model beside it is unloaded."""
        self.engine("a")
        server = self.ollama()
        router = self.start(on_exit="leave")
        self.assert_serves(router, "a")
        router.stop()
        leader = self.leader("a")
        load(server, QWEN)
        router = self.start()
        self.wait_for_resident(router, "a")
        self.assertEqual([], held(server))
        self.assert_serves(router, "a")
        self.assertEqual(leader, self.leader("a"))

    def test_other_server(self) -> None:
        """While something else answers in an Ollama's place nothing starts, and all are told."""
        stranger = self.serve("tabbyapi")
        self.forget_engine("tabbyapi")
        self.engine("p")
        self.configure(
            "ollama", stranger.port, type="ollama", load_timeout_s=0.5, systemd_unit=None
        )
        router = self.start()
        with Stopwatch() as watch, router.chat("p") as answer:
            message = self.assert_fails(answer, 503, "engine_stuck")
        self.assertLess(watch.seconds, PROMPT)
        self.assertIn(f"nobody knows what engine ollama at {url_of(stranger.port)} holds", message)
        self.assertEqual("blocked", self.slot(router)["state"])
        with Stopwatch() as watch:
            router.stop()
        self.assertLess(watch.seconds, PROMPT)
        self.assertIsNone(stranger.process.poll())

    def test_stranger(self) -> None:
        """Who has an engine's port is named, and left alone; other engines are served."""
        port = self.engine("a")
        self.engine("b")
        with socket.create_server(("127.0.0.1", port)):
            router = self.start()
            with Stopwatch() as watch, router.chat("a") as answer:
                message = self.assert_fails(answer, 502, "engine_start_failed")
            self.assertLess(watch.seconds, PROMPT)
            self.assertIn(f"(pid {os.getpid()}) listens on port {port}", message)
            self.assert_serves(router, "b")
