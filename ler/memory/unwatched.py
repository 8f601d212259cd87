# -*- test-case-name: ler.test.test_memory_unwatched -*-
"""
The memory of engines that live beside others: nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from ler.interfaces import IMemory, IRelease, SettleReport


@implementer(IRelease)
class NoRelease:
    """
    A release that is over at once.
    """

    def stopping(self) -> None:
        """
        @see: L{IRelease.stopping}
        """

    def wait(self) -> Deferred[SettleReport]:
        """
        @see: L{IRelease.wait}
        """
        return succeed(SettleReport("already_free", 0.0))

    def cancel(self) -> None:
        """
        @see: L{IRelease.cancel}
        """


@implementer(IMemory)
class UnwatchedMemory:
    """
    Memory of which there is always enough.
    """

    def shortfall(self, outgoing: str | None, incoming: str) -> None:
        """
        @see: L{IMemory.shortfall}
        """
        return None

    def begin(
        self, outgoing: str | None, incoming: str | None, alive: Callable[[], bool | None]
    ) -> NoRelease:
        """
        @see: L{IMemory.begin}
        """
        return NoRelease()

    def starting(self, engine: str) -> None:
        """
        @see: L{IMemory.starting}
        """

    def started(self, engine: str) -> None:
        """
        @see: L{IMemory.started}
        """

    def describe(self) -> dict[str, Any]:
        """
        @see: L{IMemory.describe}
        """
        return {}
