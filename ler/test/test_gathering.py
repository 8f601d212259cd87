# -*- test-case-name: ler.test.test_gathering -*-
"""
Tests of L{ler.slot.gathering}.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from ler.errors import EngineStuck
from ler.slot.gathering import free_all, wait_for_all
from ler.testing import FakeEngine

STUCK = EngineStuck("process 42 survives SIGKILL")


class WaitForAllTests(SynchronousTestCase):
    """
    L{wait_for_all} ends with the last.
    """

    def setUp(self) -> None:
        self.waiting: list[Deferred[int]] = [Deferred(), Deferred()]
        self.all = Deferred.fromCoroutine(wait_for_all(self.waiting))

    def test_results(self) -> None:
        """
        It gives the results, in the order in which they were asked for.
        """
        self.waiting[1].callback(2)
        self.assertNoResult(self.all)
        self.waiting[0].callback(1)
        self.assertEqual(self.successResultOf(self.all), [1, 2])

    def test_failure(self) -> None:
        """
        A failure is told when all have ended.
        """
        self.waiting[0].errback(STUCK)
        self.assertNoResult(self.all)
        self.waiting[1].callback(2)
        self.assertIs(self.failureResultOf(self.all, EngineStuck).value, STUCK)

    def test_first_failure(self) -> None:
        """
        Of several failures the first in order is told.
        """
        self.waiting[1].errback(ValueError("second"))
        self.waiting[0].errback(STUCK)
        self.failureResultOf(self.all, EngineStuck)

    def test_cancel(self) -> None:
        """
        Cancelling cancels what has not ended.
        """
        self.waiting[0].callback(1)
        self.all.cancel()
        self.failureResultOf(self.all, CancelledError)
        self.assertTrue(self.waiting[1].called)

    def test_nothing(self) -> None:
        """
        Nothing to wait for is over at once.
        """
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(wait_for_all([]))), [])


class FreeAllTests(SynchronousTestCase):
    """
    L{free_all} stops engines side by side.
    """

    def test_one_is_stuck(self) -> None:
        """
        One that does not go is told of when the others are gone.
        """
        engines = [FakeEngine("a"), FakeEngine("b")]
        for engine in engines:
            engine.running = True
        freed = Deferred.fromCoroutine(free_all(engines))
        self.assertEqual([engine.events for engine in engines], [["a free"], ["b free"]])
        engines[0].free_failed(STUCK)
        self.assertNoResult(freed)
        engines[1].freed()
        self.failureResultOf(freed, EngineStuck)
