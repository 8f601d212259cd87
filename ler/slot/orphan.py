# -*- test-case-name: ler.test.test_slot_swaps -*-
"""
How long a start goes on that nobody waits for.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from ler.interfaces import Residency
from ler.slot.demand import Demand


class Orphan:
    """
    A start that nobody waits for goes on, unless another model has been
    wanted, and this one not, for long enough.

    @ivar grace: how long that is, in seconds.
    """

    def __init__(self, demand: Demand, clock: IReactorTime, grace: float) -> None:
        self._demand = demand
        self._clock = clock
        self.grace = grace
        self._since: float | None = None

    def begin(self) -> None:
        """
        A new start begins.
        """
        self._since = None

    def due(self, target: Residency) -> float | None:
        """
        @param target: what starts.
        @return: in how many seconds to abandon the start if nothing changes,
            or L{None}.
        """
        if self._demand.wants(target):
            self._since = None
            return None
        now = self._clock.seconds()
        if self._since is None:
            self._since = now
        return self._since + self.grace - now if self._demand.queue else None
