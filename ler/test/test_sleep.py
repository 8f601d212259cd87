# -*- test-case-name: ler.test.test_sleep -*-
"""
Tests for L{ler.engines.sleep}.
"""

from __future__ import annotations

from contextlib import ExitStack

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from ler.engines.control import Control
from ler.engines.sleep import LOOK_S, Sleeper, why_not
from ler.test.played_server import PlayedServer


class SleeperCase(SynchronousTestCase):
    """
    A sleeper whose server the test plays.

    @ivar events: what was logged.
    """

    def setUp(self) -> None:
        """
        Play the server, and read the log.
        """
        self.clock = Clock()
        self.server = PlayedServer("http://127.0.0.1:8000")
        capture = ExitStack()
        self.addCleanup(capture.close)
        self.events = capture.enter_context(capturedLogs())

    def make(self, level: int = 1, model: str | None = "m") -> Sleeper:
        """
        @return: a sleeper of that level.
        """
        control = Control("http://127.0.0.1:8000", self.server.agent, self.clock, {})
        return Sleeper("a", control, level, 60.0, model)

    def obeyed(self, order: Deferred[bool]) -> None:
        """
        The order was carried out, and nothing is left to happen.
        """
        self.assertIs(True, self.successResultOf(order))
        self.assertEqual([], self.clock.getDelayedCalls())

    def disobeyed(self, order: Deferred[bool], reason: str) -> None:
        """
        The order was not carried out, which the log explains.
        """
        self.assertIs(False, self.successResultOf(order))
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertIn(reason, [event.get("reason") for event in self.events])


class SleepTests(SleeperCase):
    """
    L{Sleeper.sleep}
    """

    def test_sleeps(self) -> None:
        """
        The level is in the query, and the server is asked whether it sleeps.
        """
        asleep = self.make(2).sleep()
        self.assertIsNone(self.server.answer("POST /sleep?level=2&mode=abort"))
        self.assertNoResult(asleep)
        self.server.answer("GET /is_sleeping", {"is_sleeping": True})
        self.obeyed(asleep)

    def test_awake_after_all(self) -> None:
        """
        A server that agrees and stays awake has not obeyed.
        """
        asleep = self.make().sleep()
        self.server.answer("POST /sleep?level=1&mode=abort")
        self.server.answer("GET /is_sleeping", {"is_sleeping": False})
        self.disobeyed(asleep, '/is_sleeping: HTTP 200: {"is_sleeping": false}')

    def test_no_sleep_mode(self) -> None:
        """
        A server without the route is told of with what it lacks.
        """
        asleep = self.make().sleep()
        self.server.answer("POST /sleep?level=1&mode=abort", status=404)
        self.disobeyed(
            asleep, "it was started without --enable-sleep-mode or VLLM_SERVER_DEV_MODE=1"
        )

    def test_silence(self) -> None:
        """
        A server that does not say whether it sleeps is not waited for.
        """
        asleep = self.make().sleep()
        self.server.answer("POST /sleep?level=1&mode=abort")
        self.clock.advance(LOOK_S)
        self.disobeyed(asleep, f"/is_sleeping: no answer within {LOOK_S:g} s")

    def test_gone(self) -> None:
        """
        A server that has ended does not sleep.
        """
        asleep = self.make().sleep()
        self.server.fail("POST /sleep?level=1&mode=abort", ConnectionRefusedError())
        self.assertIs(False, self.successResultOf(asleep))


class WakeTests(SleeperCase):
    """
    L{Sleeper.wake}
    """

    def test_level_1(self) -> None:
        """
        One order wakes it, and a completion proves it.
        """
        awake = self.make(1).wake()
        self.server.answer("POST /wake_up")
        self.server.answer("GET /is_sleeping", {"is_sleeping": False})
        question = self.server.answer("POST /v1/chat/completions")
        self.assertEqual(("m", 1), (question["model"], question["max_tokens"]))
        self.obeyed(awake)

    def test_level_2(self) -> None:
        """
        Weights that were dropped are loaded again before there is a cache.
        """
        awake = self.make(2).wake()
        self.server.answer("POST /wake_up?tags=weights")
        self.assertEqual(
            {"method": "reload_weights"},
            self.server.answer("POST /collective_rpc"),
        )
        self.server.answer("POST /wake_up?tags=kv_cache")
        self.server.answer("POST /reset_prefix_cache")
        self.server.answer("GET /is_sleeping", {"is_sleeping": False})
        self.server.answer("POST /v1/chat/completions")
        self.obeyed(awake)

    def test_other_tasks(self) -> None:
        """
        A model that does not chat proves itself by what it does do.
        """
        awake = self.make(1, model=None).wake()
        self.server.answer("POST /wake_up")
        self.server.answer("GET /is_sleeping", {"is_sleeping": False})
        self.server.answer("POST /v1/chat/completions", status=404)
        self.server.answer("POST /v1/completions", status=404)
        self.assertEqual({"input": "hi"}, self.server.answer("POST /v1/embeddings"))
        self.obeyed(awake)

    def test_still_asleep(self) -> None:
        """
        A server that agrees and sleeps on has not obeyed.
        """
        awake = self.make().wake()
        self.server.answer("POST /wake_up")
        self.server.answer("GET /is_sleeping", ["what?"])
        self.disobeyed(awake, '/is_sleeping: HTTP 200: ["what?"]')

    def test_half_awake(self) -> None:
        """
        No step is taken after one that failed.
        """
        awake = self.make(2).wake()
        self.server.answer("POST /wake_up?tags=weights")
        self.server.answer("POST /collective_rpc", {"error": "no such file"}, 500)
        self.disobeyed(awake, '/collective_rpc: HTTP 500: {"error": "no such file"}')
        self.server.is_quiet()

    def test_cannot_generate(self) -> None:
        """
        A server that is awake and does not generate is of no use.
        """
        awake = self.make().wake()
        self.server.answer("POST /wake_up")
        self.server.answer("GET /is_sleeping", {"is_sleeping": False})
        self.server.answer("POST /v1/chat/completions", {"error": "illegal memory access"}, 500)
        self.disobeyed(awake, '/v1/chat/completions: HTTP 500: {"error": "illegal memory access"}')

    def test_hangs(self) -> None:
        """
        All steps together have one time limit.
        """
        awake = self.make(2).wake()
        self.clock.advance(40)
        self.server.answer("POST /wake_up?tags=weights")
        self.clock.advance(20)
        self.server.is_given_up("POST /collective_rpc")
        self.disobeyed(awake, "/collective_rpc: no answer within 20 s")


class WhyNotTests(SynchronousTestCase):
    """
    L{why_not}
    """

    def test_unified(self) -> None:
        """
        Where there is one memory for all, weights must be dropped.
        """
        self.assertIn("use sleep_level 2", why_not(1, unified=True) or "")
        self.assertIsNone(why_not(2, unified=True))
        self.assertIsNone(why_not(1, unified=False))
        self.assertIsNone(why_not(2, unified=False))
