# -*- test-case-name: ler.test.test_token -*-
"""
Tests of L{ler.slot.token}.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from ler.slot.token import LoadingToken


class LoadingTokenTests(SynchronousTestCase):
    """
    L{LoadingToken} has one holder at a time.
    """

    def setUp(self) -> None:
        self.token = LoadingToken()

    def test_free(self) -> None:
        """
        A free token is had at once.
        """
        self.assertIsNone(self.successResultOf(self.token.acquire()))

    def test_held(self) -> None:
        """
        A held token is waited for, and handed on when it is released.
        """
        self.token.acquire()
        second = self.token.acquire()
        self.assertNoResult(second)
        self.token.release()
        self.successResultOf(second)

    def test_order(self) -> None:
        """
        Those who wait get the token one by one, in order.
        """
        self.token.acquire()
        second, third = self.token.acquire(), self.token.acquire()
        self.token.release()
        self.successResultOf(second)
        self.assertNoResult(third)
        self.token.release()
        self.successResultOf(third)

    def test_released(self) -> None:
        """
        A token that nobody waits for is free after its release.
        """
        self.token.acquire()
        self.token.release()
        self.successResultOf(self.token.acquire())

    def test_leave(self) -> None:
        """
        Cancelling leaves the queue, and the next in it is served.
        """
        self.token.acquire()
        second, third = self.token.acquire(), self.token.acquire()
        second.cancel()
        self.failureResultOf(second, CancelledError)
        self.token.release()
        self.successResultOf(third)

    def test_handed_on_at_once(self) -> None:
        """
        A holder that releases as soon as it gets the token hands it on.
        """
        self.token.acquire()
        second = self.token.acquire()
        second.addCallback(lambda _: self.token.release())
        third = self.token.acquire()
        self.token.release()
        self.successResultOf(second)
        self.successResultOf(third)
