# -*- test-case-name: ler.test.test_live_standin -*-
"""
Live tests for L{ler.test.standin}: it runs as a process and is spoken to.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from twisted.trial.unittest import TestCase

from ler.test import standin
from ler.test.live import PATIENCE, Server, free_port, wait_for


class StandInTests(TestCase):
    """
    The stand-in, started as engines are.
    """

    def start(self, *options: str) -> Server:
        """
        @return: a stand-in that has just been started.
        """
        self.log = Path(self.mktemp())
        port = free_port()
        command = [sys.executable, "-I", "-S", standin.__file__, "--port", str(port)]
        command += ["--model", "some", "--log", str(self.log), *options]
        server = Server(command, port, stderr=subprocess.PIPE)
        self.addCleanup(server.process.wait)
        self.addCleanup(server.process.kill)
        assert server.process.stderr is not None
        self.addCleanup(server.process.stderr.close)
        return server

    def events(self) -> list[str]:
        """
        @return: the events in the log, in their order.
        """
        lines = [line.split() for line in self.log.read_text().splitlines()]
        times = [float(moment) for moment, _, _ in lines]
        self.assertEqual(sorted(times), times)
        return [event for _, _, event in lines]

    def test_life(self) -> None:
        """It starts, loads, is ready, and exits on SIGTERM."""
        server = self.start()
        server.wait_until_ready()
        self.assertEqual(["some"], [model["id"] for model in server.get("/v1/models")["data"]])
        self.assertEqual(0, server.stop())
        self.assertEqual(["start", "loaded", "term", "exit"], self.events())

    def test_loading(self) -> None:
        """While it loads it says so, and it can be stopped."""
        server = self.start("--load-s", "60")
        server.wait_until_ready(503)
        with server.chat("some") as response:
            self.assertEqual(503, response.status)
        self.assertEqual(0, server.stop())
        self.assertEqual(["start", "term", "exit"], self.events())

    def test_chat(self) -> None:
        """It answers with the tokens that it has, or with as many as are asked for."""
        server = self.start("--tokens", "3")
        server.wait_until_ready()
        for limit, content in (None, " 0 1 2"), (1, " 0"):
            with server.chat("some", max_tokens=limit) as response:
                answer = json.load(response)
            self.assertEqual(content, answer["choices"][0]["message"]["content"])

    def test_stream(self) -> None:
        """It streams one event a token, and ends with the end mark."""
        server = self.start("--tokens", "2")
        server.wait_until_ready()
        with server.chat("some", stream=True) as response:
            self.assertEqual("text/event-stream", response.headers["Content-Type"])
            *events, end = (line[6:] for line in response.read().split(b"\n\n") if line)
        deltas = [json.loads(event)["choices"][0]["delta"] for event in events]
        self.assertEqual([{"content": " 0"}, {"content": " 1"}, {}], deltas)
        self.assertEqual(b"[DONE]", end)

    def test_abandoned(self) -> None:
        """It stops generating when the client hangs up."""
        server = self.start("--token-interval-ms", "60000")
        server.wait_until_ready()
        with server.chat("some", stream=True):
            pass
        wait_for(lambda: "gone" in self.events())
        self.assertEqual(["request", "gone"], self.events()[-2:])

    def test_places(self) -> None:
        """It answers no more at once than it has places for."""
        server = self.start("--places", "1", "--tokens", "1", "--token-interval-ms", "200")
        server.wait_until_ready()
        began = time.monotonic()
        with server.chat("some") as first, server.chat("some") as second:
            self.assertEqual([200, 200], [first.status, second.status])
        self.assertGreaterEqual(time.monotonic() - began, 0.4)

    def test_ignores_term(self) -> None:
        """With --ignore-term only SIGKILL ends it."""
        server = self.start("--ignore-term")
        server.wait_until_ready()
        server.process.terminate()
        server.wait_until_ready()
        server.process.kill()
        self.assertEqual(-signal.SIGKILL, server.process.wait(PATIENCE))

    def test_aborts(self) -> None:
        """With too little memory available it says so and fails."""
        server = self.start("--abort-below-mib", "999999999")
        _, errors = server.process.communicate(timeout=PATIENCE)
        self.assertIn(b"999999999 needed", errors)
        self.assertEqual(1, server.process.returncode)
        self.assertEqual(["start", "abort"], self.events())

    def test_takes_memory(self) -> None:
        """It holds memory, and has children until it exits."""
        server = self.start("--hold-mib", "64", "--workers", "2")
        server.wait_until_ready()
        process = psutil.Process(server.process.pid)
        self.assertGreater(process.memory_info().rss, 64 << 20)
        workers = process.children()
        self.assertEqual(2, len(workers))
        self.assertEqual(0, server.stop())
        self.assertEqual([], [worker for worker in workers if worker.is_running()])
