# -*- test-case-name: ler.test.test_cooldown -*-
"""
Tests of L{ler.slot.cooldown}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import EngineDied, EngineStartFailed, EngineUnavailable
from ler.slot.cooldown import FIRST_S, LONGEST_S, STABLE_S, Cooldown

DIED = EngineDied("killed by SIGKILL")


class CooldownTests(SynchronousTestCase):
    """
    L{Cooldown} remembers the failures of one engine.
    """

    def setUp(self) -> None:
        self.cooldown = Cooldown()
        self.failed = EngineStartFailed("exit status 1: no such file: model.gguf")

    def rest(self, now: float) -> float:
        """
        @return: for how long from C{now} the engine is left alone.
        """
        refusal = self.cooldown.refusal("a", now)
        if refusal is None:
            return 0.0
        assert refusal.retry_after is not None
        return refusal.retry_after

    def test_healthy(self) -> None:
        """
        An engine that never failed is not refused.
        """
        self.assertIsNone(self.cooldown.refusal("a", 0.0))

    def test_failed_start(self) -> None:
        """
        After a failed start the engine is refused for ten seconds.
        """
        self.cooldown.start_failed(100.0, self.failed)
        self.assertEqual(self.rest(100.0), FIRST_S)
        self.assertAlmostEqual(self.rest(109.9), 0.1)
        self.assertIsNone(self.cooldown.refusal("a", 110.0))

    def test_refusal_tells_why(self) -> None:
        """
        The refusal names the engine, repeats what it said at its end and says
        when to try again.
        """
        self.cooldown.start_failed(0.0, self.failed)
        refusal = self.cooldown.refusal("a", 4.0)
        assert refusal is not None
        self.assertIsInstance(refusal, EngineUnavailable)
        self.assertEqual(refusal.retry_after, 6.0)
        self.assertEqual(
            refusal.message,
            "engine a failed and is not started again for 6 s: "
            "exit status 1: no such file: model.gguf",
        )

    def test_reason_tells_when(self) -> None:
        """
        Those who hear the reason itself hear when to try again, too, unless it
        says so already.
        """
        self.cooldown.start_failed(0.0, self.failed)
        self.assertEqual(self.failed.retry_after, FIRST_S)
        self.cooldown.start_failed(0.0, self.failed)
        self.assertEqual(self.failed.retry_after, FIRST_S)

    def test_longer_each_time(self) -> None:
        """
        Each further failure doubles the time, up to a minute.
        """
        rests = []
        for _ in range(5):
            self.cooldown.start_failed(0.0, self.failed)
            rests.append(self.rest(0.0))
        self.assertEqual(rests, [10.0, 20.0, 40.0, LONGEST_S, LONGEST_S])

    def test_failing_for_days(self) -> None:
        """
        An engine that never comes up is left alone for a minute each time,
        however often it fails.
        """
        for _ in range(3000):
            self.cooldown.start_failed(0.0, self.failed)
        self.assertEqual(self.rest(0.0), LONGEST_S)

    def test_lost_once(self) -> None:
        """
        A ready engine that is lost may be started again at once.
        """
        self.cooldown.started(0.0)
        self.cooldown.lost(1.0, DIED)
        self.assertIsNone(self.cooldown.refusal("a", 1.0))

    def test_lost_again(self) -> None:
        """
        An engine that is lost again soon after is left alone.
        """
        self.cooldown.started(0.0)
        self.cooldown.lost(1.0, DIED)
        self.cooldown.started(2.0)
        self.cooldown.lost(3.0, DIED)
        self.assertEqual(self.rest(3.0), 2 * FIRST_S)

    def test_lost_after_a_stable_time(self) -> None:
        """
        A minute of being ready wipes the slate: the loss after it is the
        first.
        """
        self.cooldown.start_failed(0.0, self.failed)
        self.cooldown.started(20.0)
        self.cooldown.lost(20.0 + STABLE_S, DIED)
        self.assertIsNone(self.cooldown.refusal("a", 20.0 + STABLE_S))

    def test_stopped_after_a_stable_time(self) -> None:
        """
        A minute of being ready wipes the slate also when a swap ended it.
        """
        self.cooldown.start_failed(0.0, self.failed)
        self.cooldown.started(20.0)
        self.cooldown.stopped(20.0 + STABLE_S)
        self.cooldown.start_failed(1000.0, self.failed)
        self.assertEqual(self.rest(1000.0), FIRST_S)

    def test_stopped_soon(self) -> None:
        """
        A short time of being ready wipes nothing, however long ago it was.
        """
        self.cooldown.start_failed(0.0, self.failed)
        self.cooldown.started(20.0)
        self.cooldown.stopped(25.0)
        self.cooldown.start_failed(1000.0, self.failed)
        self.assertEqual(self.rest(1000.0), 2 * FIRST_S)

    def test_started_after_all(self) -> None:
        """
        An engine that came up, as on an operator's order, is not refused any
        more.
        """
        self.cooldown.start_failed(0.0, self.failed)
        self.cooldown.started(1.0)
        self.assertIsNone(self.cooldown.refusal("a", 1.0))
