# -*- test-case-name: ler.test.test_swap -*-
"""
Tests of L{ler.slot.swap}.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ler.errors import EngineStartFailed, EngineStuck, InsufficientMemory
from ler.interfaces import Residency, SettleReport
from ler.slot.swap import HISTORY, Swap, Swapper
from ler.slot.token import LoadingToken
from ler.test.slot_case import INSUFFICIENT, SETTLED
from ler.testing import FakeEngine, FakeMemory

A, B = Residency("a"), Residency("b", "large")


class SwapTests(SynchronousTestCase):
    """
    L{Swap} is the record of one swap.
    """

    def test_phases(self) -> None:
        """
        Each phase is timed; one that is entered twice is summed up.
        """
        swap = Swap(A, B, "request", 100.0, 1e9)
        for phase, now in (("drain", 101.0), ("free", 103.0), ("drain", 107.0)):
            swap.enter(phase, now)
        swap.end(115.0, None)
        self.assertEqual(swap.phases, {"drain": 10.0, "free": 4.0})
        self.assertEqual(swap.seconds, 15.0)

    def test_describe_under_way(self) -> None:
        """
        A swap that is under way tells its phase, and how long that has taken.
        """
        swap = Swap(None, B, "operator", 100.0, 1234.56789)
        swap.enter("settle", 101.0)
        self.assertEqual(
            swap.describe(103.0),
            {
                "from": None,
                "to": "b/large",
                "cause": "operator",
                "at": 1234.568,
                "duration_s": 3.0,
                "phase": "settle",
                "phases": {"settle": 2.0},
                "ok": None,
                "error": None,
                "settle": None,
            },
        )

    def test_describe_failed(self) -> None:
        """
        A swap that failed tells why, and its time stands still.
        """
        swap = Swap(A, None, "lost", 100.0, 0.0)
        swap.enter("free", 100.0)
        swap.report = SettleReport("timeout", 25.0)
        swap.end(102.0, EngineStuck("process 42 survives SIGKILL"))
        self.assertEqual(
            swap.describe(900.0),
            {
                "from": "a",
                "to": None,
                "cause": "lost",
                "at": 0.0,
                "duration_s": 2.0,
                "phase": None,
                "phases": {"free": 2.0},
                "ok": False,
                "error": "process 42 survives SIGKILL",
                "settle": "timeout",
            },
        )


class SwapperTests(SynchronousTestCase):
    """
    L{Swapper} does the phases of a swap when it is told to.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.engines = {key: FakeEngine(key) for key in "ab"}
        self.memory = FakeMemory()
        self.token = LoadingToken()
        self.swaps: list[Swap] = []
        self.swapper = Swapper(
            self.engines,
            self.memory,
            self.token,
            self.clock,
            self.swaps.append,
            wall=lambda: 1e9,
        )

    def do(self, phase: Coroutine[Any, Any, None]) -> Deferred[None]:
        """
        @return: a L{Deferred} for the end of C{phase}.
        """
        return Deferred.fromCoroutine(phase)

    def token_is_free(self) -> bool:
        """
        @return: whether another slot could have the token now.
        """
        waiting = self.token.acquire()
        if waiting.called:
            self.token.release()
            return True
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        return False

    def test_free(self) -> None:
        """
        Freeing takes the base line of the memory, then stops the outgoing
        engine.
        """
        self.engines["a"].running = True
        self.swapper.begin(A, B, "request")
        freed = self.do(self.swapper.free())
        outgoing, incoming, release = self.memory.releases[0]
        self.assertEqual((outgoing, incoming, release.stopped), ("a", "b/large", True))
        self.assertEqual(self.engines["a"].events, ["a free"])
        self.assertNoResult(freed)
        self.engines["a"].freed()
        self.successResultOf(freed)

    def test_free_nothing(self) -> None:
        """
        With nothing outgoing, there is nothing to free.
        """
        self.swapper.begin(None, B, "request")
        self.successResultOf(self.do(self.swapper.free()))

    def test_stuck(self) -> None:
        """
        An outgoing engine that does not go is an error.
        """
        self.engines["a"].running = True
        self.swapper.begin(A, B, "request")
        freed = self.do(self.swapper.free())
        self.engines["a"].free_failed(EngineStuck("process 42 survives SIGKILL"))
        self.failureResultOf(freed, EngineStuck)

    def test_settle(self) -> None:
        """
        Settling ends with the verdict, which is noted.
        """
        self.swapper.begin(None, B, "request")
        settled = self.do(self.swapper.settle())
        self.assertNoResult(settled)
        self.memory.releases[0][2].settle(SETTLED)
        self.successResultOf(settled)
        self.assertIs(self.swapper.swap.report, SETTLED)

    def test_any_other_verdict_will_do(self) -> None:
        """
        Only C{insufficient} speaks against the start.
        """
        for verdict in (
            "already_free",
            "target_met",
            "settled",
            "settled_short",
            "timeout",
            "unreadable",
        ):
            self.memory.report = SettleReport(verdict, 1.0)
            self.swapper.begin(A, B, "request")
            self.successResultOf(self.do(self.swapper.settle()))
            self.swapper.end()

    def test_insufficient(self) -> None:
        """
        A need that will not be met is an error with the figures, and with what
        the report adds to them.
        """
        self.memory.report = INSUFFICIENT
        self.swapper.begin(A, B, "request")
        error = self.failureResultOf(self.do(self.swapper.settle()), InsufficientMemory).value
        self.assertEqual((error.engine, error.need, error.room), ("b/large", 3 << 30, 1 << 30))
        self.assertIn("(2 GiB are elsewhere)", error.message)

    def test_insufficient_without_figures(self) -> None:
        """
        Figures that could not be read are left out.
        """
        self.memory.report = SettleReport("insufficient", 1.0)
        self.swapper.begin(A, B, "request")
        error = self.failureResultOf(self.do(self.swapper.settle()), InsufficientMemory).value
        self.assertEqual((error.need, error.room), (0, 0))
        self.assertTrue(error.message.endswith("lower the setting"))

    def test_insufficient_for_nobody(self) -> None:
        """
        When nothing is to come, nothing is missing.
        """
        self.memory.report = INSUFFICIENT
        self.swapper.begin(A, None, "operator")
        self.successResultOf(self.do(self.swapper.settle()))

    def test_start(self) -> None:
        """
        Starting brings the model up, and tells the memory when it begins and
        when it has ended.
        """
        self.swapper.begin(None, B, "request")
        started = self.do(self.swapper.start())
        self.assertEqual(self.engines["b"].events, ["b bring_up large"])
        self.assertEqual(self.memory.events, ["starting b/large"])
        self.engines["b"].started()
        self.successResultOf(started)
        self.assertEqual(self.memory.events, ["starting b/large", "started b/large"])

    def test_start_failed(self) -> None:
        """
        What does not start has taken no memory that could be learned from.
        """
        self.swapper.begin(None, B, "request")
        started = self.do(self.swapper.start())
        self.engines["b"].start_failed(EngineStartFailed("exit status 1"))
        self.failureResultOf(started, EngineStartFailed)
        self.assertEqual(self.memory.events, ["starting b/large"])

    def test_abandoned(self) -> None:
        """
        Cancelling abandons the start.
        """
        self.swapper.begin(None, B, "request")
        started = self.do(self.swapper.start())
        started.cancel()
        self.failureResultOf(started, CancelledError)
        self.assertEqual(self.engines["b"].events, ["b bring_up large", "b abandoned"])

    def test_token(self) -> None:
        """
        The first phase that moves memory takes the token, the next ones hold
        it, and resting gives it back, once.
        """
        self.memory.report = SETTLED
        self.swapper.begin(A, B, "request")
        self.swapper.draining()
        self.assertTrue(self.token_is_free())
        for phase in (self.swapper.free, self.swapper.settle, self.swapper.start):
            self.do(phase())
            self.assertFalse(self.token_is_free())
        self.swapper.rest()
        self.swapper.rest()
        self.assertTrue(self.token_is_free())

    def test_waits_for_the_token(self) -> None:
        """
        Nothing is stopped before the token is there.
        """
        self.engines["a"].running = True
        self.token.acquire()
        self.swapper.begin(A, B, "request")
        self.do(self.swapper.free())
        self.assertEqual(self.engines["a"].events, [])
        self.token.release()
        self.assertEqual(self.engines["a"].events, ["a free"])

    def test_settling_waits_for_the_token(self) -> None:
        """
        Nor is the memory waited for while somebody else moves it.
        """
        self.memory.report = SETTLED
        self.token.acquire()
        self.swapper.begin(None, B, "request")
        settled = self.do(self.swapper.settle())
        self.assertNoResult(settled)
        self.token.release()
        self.successResultOf(settled)

    def test_wait_for_the_token_is_given_up(self) -> None:
        """
        A phase that is cancelled while it waits for the token never had it.
        """
        self.token.acquire()
        self.swapper.begin(A, B, "request")
        freed = self.do(self.swapper.free())
        freed.cancel()
        self.failureResultOf(freed, CancelledError)
        self.swapper.rest()
        self.token.release()
        self.assertTrue(self.token_is_free())

    def test_shortfall(self) -> None:
        """
        The memory is asked with the names of both.
        """
        self.assertIsNone(self.swapper.shortfall(None, B))
        error = self.memory.short["b/large"] = InsufficientMemory("b/large", 2, 1)
        self.assertIs(self.swapper.shortfall(A, B), error)

    def test_end(self) -> None:
        """
        A finished swap is reported, and kept in the history, newest first.
        """
        for incoming, error in ((A, None), (B, EngineStuck("stuck"))):
            self.swapper.begin(None, incoming, "request")
            self.clock.advance(1)
            self.swapper.end(error)
        self.assertEqual([swap.incoming for swap in self.swaps], [A, B])
        current, finished = self.swapper.describe()
        self.assertIsNone(current)
        self.assertEqual([swap["ok"] for swap in finished], [False, True])
        self.assertEqual([swap["at"] for swap in finished], [1e9, 1e9])

    def test_end_before_the_verdict(self) -> None:
        """
        A swap that ends before the memory has settled stops watching it.
        """
        self.swapper.begin(A, B, "request")
        self.swapper.end()
        self.assertTrue(self.memory.releases[0][2].cancelled)

    def test_end_after_the_verdict(self) -> None:
        """
        A verdict ends the watch by itself.
        """
        self.memory.report = SETTLED
        self.swapper.begin(A, B, "request")
        self.do(self.swapper.settle())
        self.swapper.end()
        self.assertFalse(self.memory.releases[0][2].cancelled)

    def test_undo(self) -> None:
        """
        A swap that was taken back leaves no trace.
        """
        self.swapper.begin(A, B, "request")
        current, _ = self.swapper.describe()
        assert current is not None
        self.assertEqual(current["to"], "b/large")
        self.swapper.undo()
        self.assertEqual(self.swapper.describe(), (None, []))
        self.assertEqual(self.swaps, [])
        self.assertTrue(self.memory.releases[0][2].cancelled)

    def test_history_is_bounded(self) -> None:
        """
        Only the last swaps are remembered.
        """
        for number in range(HISTORY + 5):
            self.swapper.begin(None, None, str(number))
            self.swapper.end()
        finished = self.swapper.describe()[1]
        self.assertEqual(len(finished), HISTORY)
        self.assertEqual(finished[0]["cause"], str(HISTORY + 4))
