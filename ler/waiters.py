# -*- test-case-name: ler.test.test_process_waiters -*-
"""
One outcome, many waiters.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from twisted.internet.defer import Deferred

T = TypeVar("T")


class Waiters(Generic[T]):
    """
    Gives everyone who waits for the same outcome a L{Deferred} of their own.
    """

    def __init__(self) -> None:
        self._waiting: dict[Deferred[T], None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def wait(self) -> Deferred[T]:
        """
        @return: a L{Deferred} for the next outcome.  Cancelling it concerns
            nobody else.
        """
        waiter: Deferred[T] = Deferred(self._waiting.pop)
        self._waiting[waiter] = None
        return waiter

    def fire(self, outcome: T) -> None:
        """
        Give C{outcome} to everyone who waits now.
        """
        for waiter in tuple(self._waiting):
            # One who was told before may have cancelled another.
            if waiter in self._waiting:
                del self._waiting[waiter]
                waiter.callback(outcome)
