# -*- test-case-name: ler.test.test_turn -*-
"""
A turn: the time between two swaps, who is let in, and what ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from ler.errors import SlotPinned
from ler.interfaces import IEngine, IPolicy, Residency
from ler.slot.demand import Demand
from ler.slot.leases import Lease, Leases
from ler.slot.options import SlotOptions
from ler.slot.policy import EVERYONE, SlotView
from ler.slot.states import Input

PINNED_RETRY_S = 60.0
"""When to try again beside a pinned engine, whose end nobody knows."""


@dataclass(frozen=True)
class Switch:
    """
    The turn is over.

    @ivar target: what comes next, or L{None} to leave the slot empty.
    @ivar cause: as L{Swap.cause<ler.slot.swap.Swap>}.
    """

    target: Residency | None
    cause: str


@dataclass(frozen=True)
class Reminder:
    """
    The turn goes on, and something is due though nothing happens.

    @ivar at: when, by the slot's clock.
    @ivar event: the input that it will be.
    """

    at: float
    event: Input


class Turn:
    """
    Decides who is let in to the resident, and how long it stays.
    """

    def __init__(
        self,
        engines: Mapping[str, IEngine],
        demand: Demand,
        leases: Leases,
        policy: IPolicy,
        clock: IReactorTime,
        options: SlotOptions,
        released: Callable[[Lease], None],
    ) -> None:
        """
        @param released: called with each L{Lease} that is given back.
        """
        self._engines = engines
        self._demand = demand
        self._leases = leases
        self._policy = policy
        self._clock = clock
        self._options = options
        self._released = released

    def let_in(self, target: Residency, before: float = EVERYONE) -> None:
        """
        Grant a lease to those who wait for C{target}, the resident, and have
        a lower number than C{before}.
        """
        for ticket in self._demand.queue.take(target, before):
            lease = Lease(self._engines[target.engine], target, self._released)
            self._leases.add(lease)
            ticket.grant(lease)

    def consider(self, resident: Residency | None, quiet_since: float) -> Switch | Reminder | None:
        """
        Ask the operator's order first, then the policy, what to do.

        @param resident: what is there to answer, if anything.
        @param quiet_since: how long it has been without a request, if it is.
        @return: what to do now or later.
        """
        order, queue = self._demand.order, self._demand.queue
        if order is not None:
            if order.target != resident:
                return Switch(order.target, "operator")
            self._demand.fulfil()
        if resident is not None and resident.engine in self._options.pinned:
            self._demand.refuse_others(resident.engine, _pinned(resident.engine))
        if not queue:
            return self._idle(resident, quiet_since)
        decision = self._policy.decide(
            SlotView(self._clock.seconds(), resident, len(self._leases), queue.lines())
        )
        if resident is not None:
            self.let_in(resident, decision.admit_before)
        # Those who wanted the switch may have left in answer to who was let in.
        if decision.switch is not None and queue.wanted(decision.switch):
            return Switch(decision.switch, "request")
        if decision.look_again is not None:
            return Reminder(decision.look_again, Input.TICK)
        return None

    def _idle(self, resident: Residency | None, since: float) -> Reminder | None:
        """
        @return: when a resident that nobody uses has been idle for too long.
        """
        if resident is None or self._leases:
            return None
        limit = self._options.idle_unload.get(resident.engine)
        return None if limit is None else Reminder(since + limit, Input.IDLE)


def _pinned(engine: str) -> SlotPinned:
    return SlotPinned(
        f"engine {engine} is pinned and holds the memory; an operator may unload it",
        retry_after=PINNED_RETRY_S,
    )
