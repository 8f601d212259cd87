# -*- test-case-name: ler.test.test_live_clients -*-
"""
Live tests of a router whose clients are many, slow, or gone, or libraries that
people use.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from threading import Event, Thread
from typing import Any, TypeVar

import psutil

from ler.test.clients import check, fleet
from ler.test.live import PATIENCE, Server, wait_for
from ler.test.live_router import ENDLESS, RouterCase, read_events, url_of

MIB = 1 << 20

T = TypeVar("T")


def needs(library: str) -> Callable[[T], T]:
    """
    @return: a decorator of tests that cannot run without C{library}.
    """

    def mark(test: Any) -> Any:
        if find_spec(library) is None:
            test.skip = f"needs {library}"
        return test

    return mark


class HangUpTests(RouterCase):
    """
    A client leaves.
    """

    def test_waiting(self) -> None:
        """If it was waiting, the engine goes on to start, and answers nobody."""
        self.engine("a", "--load-s=0.5")
        router = self.start()
        calls = [self.call("a", stream=stream) for stream in (False, True)]
        self.wait_for_event("a", "start")
        wait_for(lambda: self.waiting(router) == 2)
        for call in calls:
            call.hang_up()
        wait_for(lambda: self.waiting(router) == 0)
        self.wait_for_event("a", "loaded")
        self.assert_serves(router, "a")
        self.assertEqual(["start", "loaded", "request"], self.events("a"))

    def test_answering(self) -> None:
        """If it was being answered, the engine hears of it, and its place is free again."""
        # The pause before the first token is the prefill.
        self.engine("slow", "--token-interval-ms=60000")
        self.engine("fast", *ENDLESS)
        router = self.start()
        for model, stream, count in (
            ("slow", False, 1),
            ("slow", True, 2),
            ("fast", False, 1),
            ("fast", True, 2),
        ):
            call = self.call(model, stream=stream)
            self.wait_for_event(model, "request", count)
            if (model, stream) == ("fast", True):
                next(read_events(call.answer()))
            self.assertEqual(1, self.slot(router)["in_flight"])
            call.hang_up()
            self.wait_for_event(model, "gone", count)
            wait_for(lambda: self.slot(router)["in_flight"] == 0)


class CrowdTests(RouterCase):
    """
    Clients are many.
    """

    def test_one_swap(self) -> None:
        """Five hundred streams that come at once wait for one swap, and all are served by one
        start, in little memory."""
        self.engine("a", *ENDLESS)
        self.engine("b", "--load-s=1")
        router = self.start(swap_keepalive_grace_s=0.1, swap_keepalive_interval_s=0.2)
        running = self.call("a", stream=True)
        next(read_events(running.answer()))
        # Not even a router that is busy makes them try a second time.
        router.process.send_signal(signal.SIGSTOP)
        calls = [self.call("b", stream=True) for _ in range(500)]
        router.process.send_signal(signal.SIGCONT)
        wait_for(lambda: self.waiting(router) == len(calls))
        running.hang_up()
        for call in calls:
            *tokens, _, end = read_events(call.answer())
            self.assertEqual((8, "[DONE]"), (len(tokens), end))
        self.assertEqual(1, self.events("b").count("start"))
        self.assertLess(peak(router), 150 * MIB)

    def test_stalled(self) -> None:
        """Clients that never read hold the engine up, and cost little memory."""
        count = 6
        self.engine("a", "--tokens=100000000")
        router = self.start()
        self.assert_serves(router, "a")
        before = peak(router)
        for _ in range(count):
            self.call("a", stream=True)
        self.wait_for_event("a", "request", count + 1)
        wait_for_rest(self.leader("a"))
        self.assertLess(peak(router) - before, count * 5 * MIB)
        self.assert_serves(router, "a")

    def test_alternating(self) -> None:
        """Requests that alternate between two models cost one start of each."""
        self.engine("a")
        self.engine("b")
        self.start()
        for call in [self.call(model) for model in "ab" * 8]:
            self.assertEqual(200, call.answer().status)
        self.assertEqual(1, self.events("a").count("start"))
        self.assertEqual(1, self.events("b").count("start"))

    def test_fair(self) -> None:
        """One that wants another model than four who never pause is served once C{max_wait_s}
        is over, and they are after that."""
        self.engine("a", "--token-interval-ms=5")
        self.engine("b")
        router = self.start(scheduler={"max_wait_s": 0.5})
        over = Event()
        statuses = set()

        def insist() -> None:
            while not over.is_set():
                with router.chat("a") as answer:
                    statuses.add(answer.status)

        crowd = [Thread(target=insist, daemon=True) for _ in range(4)]
        for thread in crowd:
            thread.start()
        self.addCleanup(over.set)
        self.wait_for_event("a", "request", 20)
        self.assert_serves(router, "b")
        self.wait_for_event("a", "start", 2)
        over.set()
        for thread in crowd:
            thread.join()
        self.assertEqual({200}, statuses)
        swaps = self.slot(router)["last_swaps"]
        self.assertEqual(["a", "b", "a"], [swap["to"] for swap in swaps])


class LibraryTests(RouterCase):
    """
    Libraries for Python are used as L{ler.test.clients} does, with engines
    whose answers are recorded.
    """

    def drive(self, name: str, *checks: str) -> None:
        """
        Run C{checks} with a library, and expect that nothing goes wrong.
        """
        # Streams begin before the engines do, and get heartbeats.
        load = "--load-s=0.5"
        engines = {
            "tiny-birds": fleet.player("tiny-birds", load, says=check.BIRDS),
            "tiny-trees": fleet.player("tiny-trees", load, says=check.TREES),
            "tiny-embed": fleet.player("tiny-embed"),
            **fleet.players(0),
        }
        soon = {"swap_keepalive_grace_s": 0.1, "swap_keepalive_interval_s": 0.1}
        router = self.start(**fleet.configuration(engines), **soon)
        ran = subprocess.run(
            [sys.executable, "-m", f"ler.test.clients.drive_{name}", *checks],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(sys.path),
                "ROUTER": url_of(router.port),
            },
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=3 * PATIENCE,
        )
        self.assertEqual(0, ran.returncode, ran.stdout)
        _, *results = map(json.loads, ran.stdout.splitlines())
        wrong = {result["check"]: result["wrong"] for result in results}
        self.assertEqual(dict.fromkeys(checks), wrong)

    @needs("openai")
    def test_openai(self) -> None:
        """OpenAI's asks for chats and responses, and hears of failures."""
        self.drive(
            "openai",
            *("listing", "chat", "completion", "stream", "swap", "tools", "responses"),
            *("embed", "unknown", "refused", "midstream"),
        )

    @needs("anthropic")
    def test_anthropic(self) -> None:
        """Anthropic's asks engines of OpenAI's kind, and hears of failures."""
        self.drive(
            "anthropic",
            *("listing", "chat", "stream", "swap", "tools", "unknown", "refused", "midstream"),
        )

    @needs("ollama")
    def test_ollama(self) -> None:
        """Ollama's asks engines of OpenAI's kind, and hears of failures."""
        self.drive(
            "ollama",
            *("listing", "chat", "stream", "generate", "load", "swap", "tools", "embed"),
            *("unknown", "refused", "midstream"),
        )


def peak(router: Server) -> int:
    """
    @return: the most memory that the router ever had, in bytes.
    """
    with open(f"/proc/{router.process.pid}/status", encoding="ascii") as status:
        kib = next(line.split()[1] for line in status if line.startswith("VmHWM:"))
    return int(kib) << 10


def wait_for_rest(process: psutil.Process) -> None:
    """
    Return once a process does nothing for a while.
    """
    spent = [0.0]

    def rests() -> bool:
        time.sleep(0.2)
        spent.append(sum(process.cpu_times()[:2]))
        return spent[-1] - spent[-2] < 0.02

    wait_for(rests)
