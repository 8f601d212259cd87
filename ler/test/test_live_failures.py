# -*- test-case-name: ler.test.test_live_failures -*-
"""
Live tests of a router whose engines fail, die, and will not go.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from typing import Any

from ler.test import misbehaving
from ler.test.live import PATIENCE, wait_for
from ler.test.live_router import ENDLESS, PROMPT, RouterCase, Stopwatch, read_events


class DeathTests(RouterCase):
    """
    An engine dies that was ready.
    """

    def setUp(self) -> None:
        """
        Configure two engines.
        """
        super().setUp()
        self.engine("a", "--workers=3", *ENDLESS)
        self.engine("b")

    def assert_told(self, events: Iterator[Any]) -> str:
        """
        @return: the message of the error that ends a stream in time.
        """
        with Stopwatch() as stopwatch:
            *_, last, end = events
        self.assertLess(stopwatch.seconds, PROMPT)
        self.assertEqual("[DONE]", end)
        self.assertEqual("engine_died", last["error"]["code"], last)
        message: str = last["error"]["message"]
        return message

    def test_idle(self) -> None:
        """If nobody was asking it, the next request starts it again."""
        router = self.start()
        self.assert_serves(router, "a")
        first = self.leader("a")
        first.kill()
        first.wait(PATIENCE)
        self.assert_serves(router, "a")
        self.assertNotEqual(first.pid, self.leader("a").pid)

    def test_stream(self) -> None:
        """A stream that it was sending ends with an error that names the cause."""
        router = self.start()
        with router.chat("a", stream=True) as answer:
            events = read_events(answer)
            next(events)
            self.leader("a").kill()
            self.assertIn("SIGKILL", self.assert_told(events))
        self.assert_serves(router, "b")

    def test_answer(self) -> None:
        """An answer that it had not begun is a 502 that names the cause."""
        router = self.start()
        call = self.call("a")
        self.wait_for_event("a", "request")
        self.leader("a").kill()
        with Stopwatch() as stopwatch:
            message = self.assert_fails(call.answer(), 502, "engine_died")
        self.assertLess(stopwatch.seconds, PROMPT)
        self.assertIn("SIGKILL", message)
        self.assert_serves(router, "b")

    def test_worker(self) -> None:
        """The death of a worker is the engine's affair."""
        router = self.start()
        self.assert_serves(router, "a")
        self.tree("a")[-1].kill()
        self.assert_serves(router, "a")
        self.assert_serves(router, "b")
        self.assertEqual([], self.tree("a"))

    def test_guardian(self) -> None:
        """If its guardian dies, the engine goes too, and all of its workers."""
        router = self.start()
        with router.chat("a", stream=True) as answer:
            events = read_events(answer)
            next(events)
            self.guardian("a").kill()
            self.assert_told(events)
        wait_for(lambda: not self.tree("a"))
        self.assert_serves(router, "b")


class StopTests(RouterCase):
    """
    An engine does not stop when it is asked to.
    """

    def test_ignores_sigterm(self) -> None:
        """With all of its workers it is killed after C{stop_timeout_s}."""
        self.engine("a", "--workers=3", "--ignore-term", stop_timeout_s=0.3)
        self.engine("b")
        router = self.start()
        self.assert_serves(router, "a")
        self.assertEqual(4, len(self.tree("a")))
        self.assert_serves(router, "b")
        self.assertEqual([], self.tree("a"))
        self.assert_serves(router, "a")


class StartTests(RouterCase):
    """
    An engine does not start.
    """

    def refused(
        self, status: int, code: str, path: str = "/v1/chat/completions"
    ) -> tuple[str, Any]:
        """
        Ask for C{bad}.

        @return: the message that says, in time, why it cannot be had; and the
            headers.
        """
        call = self.call("bad", path)
        with Stopwatch() as stopwatch:
            answer = call.answer()
            message = self.assert_fails(answer, status, code)
        self.assertLess(stopwatch.seconds, PROMPT)
        return message, answer.headers

    def test_killed(self) -> None:
        """If it is killed while it loads, all who wait are told: some by a status, and in the
        stream those who have got their headers, and a heartbeat, already."""
        self.engine("bad", "--load-s=60")
        self.engine("b")
        router = self.start(swap_keepalive_grace_s=0.1)
        plain, stream = self.call("bad"), self.call("bad", stream=True)
        answer = stream.answer()
        self.assertTrue(answer.readline().startswith(b": keep-alive"))
        self.wait_for_event("bad", "start")
        self.leader("bad").kill()
        with Stopwatch() as stopwatch:
            [last, end] = read_events(answer)
            message = self.assert_fails(plain.answer(), 502, "engine_start_failed")
        self.assertLess(stopwatch.seconds, PROMPT)
        self.assertIn("SIGKILL", message)
        self.assertEqual(message, last["error"]["message"])
        self.assertEqual("[DONE]", end)
        self.assert_serves(router, "b")

    def test_missing(self) -> None:
        """A program that does not exist is named."""
        self.engine("bad", command=["/nowhere/llama-server"])
        self.engine("b")
        router = self.start()
        message, _ = self.refused(502, "engine_start_failed")
        self.assertIn("/nowhere/llama-server: No such file or directory", message)
        self.assert_serves(router, "b")

    def test_exits(self) -> None:
        """One that exits is quoted, and is left alone for a while: the next request is
        answered from memory."""
        command = [sys.executable, misbehaving.__file__, "--say=no such model file", "--exit=3"]
        self.engine("bad", command=command)
        self.engine("b")
        router = self.start()
        message, headers = self.refused(502, "engine_start_failed")
        self.assertIn("exited with code 3", message)
        self.assertIn("no such model file", message)
        self.assertEqual("false", headers["x-should-retry"])

        message, headers = self.refused(503, "engine_unavailable")
        self.assertIn("no such model file", message)
        self.assertTrue(1 <= int(headers["Retry-After"]) <= 10)
        swaps = self.slot(router)["last_swaps"]
        self.assertEqual(1, sum(swap["to"] == "bad" for swap in swaps))
        self.assert_serves(router, "b")

    def test_anthropic(self) -> None:
        """Clients of the Anthropic API are told in its words."""
        self.engine("bad", command=["/nowhere/llama-server"])
        self.start()
        with self.call("bad", "/v1/messages", stream=True).answer() as answer:
            document = json.load(answer)
        self.assertEqual("error", document["type"])
        self.assertEqual("api_error", document["error"]["type"])
        self.assertIn("No such file or directory", document["error"]["message"])

    def test_port_taken(self) -> None:
        """A stranger on the engine's port is named, and left alone."""
        port = self.engine("bad")
        self.engine("b")
        router = self.start()
        with socket.create_server(("127.0.0.1", port)):
            message, _ = self.refused(502, "engine_start_failed")
        self.assertIn(f"(pid {os.getpid()}) listens on port {port}", message)
        self.assert_serves(router, "b")

    def test_restore(self) -> None:
        """With C{on_start_failure: restore} the engine that had to go comes back by itself."""
        self.engine("a")
        self.engine("bad", command=["/nowhere/llama-server"])
        router = self.start(on_start_failure="restore")
        self.assert_serves(router, "a")
        self.refused(502, "engine_start_failed")
        self.wait_for_event("a", "loaded", 2)
        self.assert_serves(router, "a")
        self.assertEqual(2, self.events("a").count("start"))
