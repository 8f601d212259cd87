# -*- test-case-name: ler.test.test_token -*-
"""
One token for all slots: whoever frees, settles or loads holds it, so that
every change of free memory has one author.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed


class LoadingToken:
    """
    A lock whose waiters can leave, first come first served.
    """

    def __init__(self) -> None:
        self._held = False
        self._waiting: list[Deferred[None]] = []

    def acquire(self) -> Deferred[None]:
        """
        @return: a L{Deferred} firing with L{None} when the caller holds the
            token.  Cancelling it leaves the queue.
        """
        if not self._held:
            self._held = True
            return succeed(None)
        waiter: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiter)
        return waiter

    def release(self) -> None:
        """
        Hand the token to the next; called by its holder, once.
        """
        if self._waiting:
            self._waiting.pop(0).callback(None)
        else:
            self._held = False
