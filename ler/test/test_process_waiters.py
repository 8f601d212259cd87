# -*- test-case-name: ler.test.test_process_waiters -*-
"""
Tests for L{ler.waiters}.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from ler.waiters import Waiters


class WaitersTests(SynchronousTestCase):
    """
    L{Waiters}
    """

    def setUp(self) -> None:
        """
        Let two wait.
        """
        self.waiters: Waiters[str] = Waiters()
        self.first, self.second = self.waiters.wait(), self.waiters.wait()

    def test_fire(self) -> None:
        """
        Everyone who waits gets the outcome, once.
        """
        self.waiters.fire("done")
        self.assertEqual("done", self.successResultOf(self.first))
        self.assertEqual("done", self.successResultOf(self.second))
        self.waiters.fire("again")
        self.assertEqual(0, len(self.waiters))

    def test_cancel(self) -> None:
        """
        One who no longer wants to know does not disturb the others.
        """
        self.first.cancel()
        self.failureResultOf(self.first, CancelledError)
        self.assertEqual(1, len(self.waiters))
        self.waiters.fire("done")
        self.assertEqual("done", self.successResultOf(self.second))

    def test_cancelled_by_another(self) -> None:
        """
        One who is told may cancel another who is not told yet.
        """
        self.first.addCallback(lambda _: self.second.cancel())
        self.waiters.fire("done")
        self.failureResultOf(self.second, CancelledError)

    def test_waits_again(self) -> None:
        """
        One who waits again when told waits for the next outcome.
        """
        self.first.addCallback(lambda _: self.waiters.wait())
        self.waiters.fire("done")
        self.assertNoResult(self.first)
        self.waiters.fire("again")
        self.assertEqual("again", self.successResultOf(self.first))
