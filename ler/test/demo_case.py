# -*- test-case-name: ler.test.test_live_demo,ler.test.test_live_mlx -*-
"""
What the live tests of the demo have in common.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

from twisted.trial.unittest import SkipTest, TestCase

from ler.test.live import Server, free_port


class DemoCase(TestCase):
    """
    Tests of real engines, which the demo's extras bring.

    @cvar needs: the packages without which a test is skipped.
    """

    needs: ClassVar[tuple[str, ...]] = ("gguf", "xllamacpp")

    def setUp(self) -> None:
        """Skip where the extra is not installed."""
        for name in self.needs:
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

    def start_demo(self, *options: str) -> Server:
        """
        @return: the router of the demo, with files of its own.
        """
        router = self.start("ler.demo", *options, XDG_CACHE_HOME=os.path.abspath(self.mktemp()))
        router.wait_until_ready()
        return router

    def answer(self, server: Server, model: str) -> str:
        """
        @return: what C{model} says.
        """
        with server.chat(model) as response:
            text: str = json.load(response)["choices"][0]["message"]["content"]
        return text

    def streamed_answer(self, server: Server, model: str) -> str:
        """
        @return: what C{model} says in a stream, which has its end mark.
        """
        with server.chat(model, stream=True) as response:
            frames = response.read().split(b"\n\n")
        *events, end = (frame[6:] for frame in frames if frame.startswith(b"data: "))
        self.assertEqual(b"[DONE]", end)
        deltas = [json.loads(event)["choices"][0]["delta"] for event in events]
        return "".join(delta.get("content") or "" for delta in deltas)

    def assert_says(self, words: str, answer: str) -> None:
        """
        Some of C{words}, and nothing else, are in the answer.
        """
        said = set(answer.split())
        self.assertTrue(said)
        self.assertEqual(set(), said - set(words.split()))
