# -*- test-case-name: ler.test.test_leases -*-
"""
A lease is a request that was let in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ler.errors import RouterError
from ler.interfaces import IEngine, Residency
from ler.slot.wish import Priority

LOST_GRACE_S = 0.2
"""How long the leases of a lost engine may read what it sent before its end."""


class Lease:
    """
    The right to send one request to the resident.

    @ivar engine: the L{IEngine} that answers it.
    @ivar residency: what the request was admitted to.
    """

    _log = Logger()

    def __init__(
        self, engine: IEngine, residency: Residency, released: Callable[[Lease], None]
    ) -> None:
        self.engine = engine
        self.residency = residency
        self._released: Callable[[Lease], None] | None = released
        self._on_cut: Callable[[RouterError], None] | None = None
        self._reason: RouterError | None = None

    def on_cut(self, callback: Callable[[RouterError], None]) -> None:
        """
        @param callback: called, at most once, with the reason when the slot
            cannot let the request go on: it ends its answer and releases the
            lease.  At once if that happened before.
        """
        if self._reason is not None:
            callback(self._reason)
        else:
            self._on_cut = callback

    def cut(self, reason: RouterError) -> None:
        """
        Ask the holder to end now.
        """
        if self._released is None or self._reason is not None:
            return
        self._reason = reason
        callback, self._on_cut = self._on_cut, None
        if callback is None:
            return
        try:
            callback(reason)
        except Exception:
            # A bug of one holder keeps nobody else from being cut.
            self._log.failure("a request broke when it was cut")

    def release(self) -> None:
        """
        Give the lease back.  Only the first call counts.
        """
        released, self._released = self._released, None
        self._on_cut = None
        if released is not None:
            released(self)


@dataclass(frozen=True)
class Admission:
    """
    How a request was let in.

    @ivar target: to what.
    @ivar priority: its class.
    @ivar arrived: when it came.
    @ivar begun: when it was let in.
    """

    target: Residency
    priority: Priority
    arrived: float
    begun: float


class Leases:
    """
    The leases of one slot that are out.
    """

    def __init__(self) -> None:
        self._out: dict[Lease, Admission] = {}
        self._drained: Deferred[None] | None = None

    def __len__(self) -> int:
        return len(self._out)

    def add(self, lease: Lease, admission: Admission) -> None:
        """
        C{lease} is out.
        """
        self._out[lease] = admission

    def ended(self, lease: Lease) -> Admission | None:
        """
        C{lease} was given back.

        @return: how its request had been let in, or L{None} when the lease was
            given up before.
        """
        admission = self._out.pop(lease, None)
        if not self._out and self._drained is not None:
            drained, self._drained = self._drained, None
            drained.callback(None)
        return admission

    def give_up(self) -> tuple[Lease, ...]:
        """
        Count on the return of those that are out no longer.

        @return: them.
        """
        given_up = tuple(self._out)
        self._out.clear()
        return given_up

    def cut(self, reason: RouterError) -> None:
        """
        Ask all holders to end now.
        """
        _cut(tuple(self._out), reason)

    def lose(self, reason: RouterError, clock: IReactorTime) -> None:
        """
        The engine is lost: count on nobody's return, and ask all to end once
        they have read what it sent before its end.
        """
        if self._out:
            clock.callLater(LOST_GRACE_S, _cut, self.give_up(), reason)

    def drained(self) -> Deferred[None]:
        """
        Wait for the last; for one waiter at a time.

        @return: a L{Deferred} firing with L{None} when none is out.
        """
        drained: Deferred[None] = Deferred(self._forget_waiter)
        if self._out:
            self._drained = drained
        else:
            drained.callback(None)
        return drained

    def by_engine(self) -> Counter[str]:
        """
        @return: how many are out for each engine.
        """
        return Counter(lease.residency.engine for lease in self._out)

    def _forget_waiter(self, _: object) -> None:
        self._drained = None


def _cut(leases: Iterable[Lease], reason: RouterError) -> None:
    for lease in leases:
        lease.cut(reason)
