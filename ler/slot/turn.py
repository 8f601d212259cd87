# -*- test-case-name: ler.test.test_turn -*-
"""
A turn: the time between two swaps, who is let in, and what ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from twisted.internet.interfaces import IReactorTime

from ler.errors import SlotPinned
from ler.interfaces import IEngine, IPolicy, Residency
from ler.slot.demand import Demand
from ler.slot.estimates import Estimates
from ler.slot.leases import Admission, Lease, Leases
from ler.slot.options import SlotOptions
from ler.slot.states import Input
from ler.slot.view import Decision, SlotView, Tenure
from ler.slot.wish import NEVER

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

    @ivar tenure: how the turn has gone so far.
    @ivar policy: what decides.
    @ivar options: the settings of the slot.
    """

    def __init__(
        self,
        engines: Mapping[str, IEngine],
        demand: Demand,
        leases: Leases,
        policy: IPolicy,
        estimates: Estimates,
        clock: IReactorTime,
        options: SlotOptions,
        released: Callable[[Lease], None],
        answered: Callable[[Admission, float], None],
    ) -> None:
        """
        @param released: called with each L{Lease} that is given back.
        @param answered: called with each L{Admission} that has ended as it
            should, and the seconds of the swap before it.
        """
        self.tenure = Tenure()
        self._engines = engines
        self._demand = demand
        self._leases = leases
        self.policy = policy
        self._estimates = estimates
        self._clock = clock
        self.options = options
        self._released = released
        self._answered = answered
        self._keep = NEVER

    def begin(self, resident: Residency, paid: float) -> None:
        """
        C{resident} is there.

        @param paid: the seconds that it took to bring it in.
        """
        now = self._clock.seconds()
        queued = self._demand.queue.waiting_for(resident)
        self.tenure = Tenure(since=now, paid=paid, queued=queued, idle_since=now)
        self._keep = NEVER

    def keep(self, seconds: float) -> None:
        """
        Free the resident when it has been without requests for that long, in
        this turn, if not before.
        """
        self._keep = seconds

    def view(self, resident: Residency | None, *others: Residency) -> SlotView:
        """
        @param resident: what is there, or will be.
        @param others: what nobody waits for, but shall be seen.
        @return: the slot as a policy sees it.
        """
        now, lines = self._clock.seconds(), self._demand.queue.lines()
        seen = {line.target for line in lines}.union(others)
        if resident is not None:
            seen.add(resident)
        return SlotView(
            now,
            resident,
            len(self._leases),
            lines,
            self.tenure,
            {
                target: self._estimates.costs(target, now, self.options.places(target))
                for target in seen
            },
        )

    def consider(self, resident: Residency | None) -> Switch | Reminder | None:
        """
        Ask the operator's order first, then the policy, what to do.

        @param resident: what is there to answer, if anything.
        @return: what to do now or later.
        """
        order = self._demand.order
        if order is not None:
            if order.target != resident:
                return Switch(order.target, "operator")
            self._demand.fulfil()
        if resident is not None and resident.engine in self.options.pinned:
            self._demand.refuse_others(resident.engine, _pinned(resident.engine))
        decision = self._decide(resident)
        if not self._demand.queue:
            return self._idle(resident)
        if decision.switch is not None:
            return Switch(decision.switch, "request")
        if decision.look_again < NEVER:
            return Reminder(decision.look_again, Input.TICK)
        return None

    def _decide(self, resident: Residency | None) -> Decision:
        """
        Let in whoever may be.  They may do anything in answer to that, so the
        policy is asked again.

        @return: what it says when nobody can be let in any more.
        """
        while True:
            decision: Decision = self.policy.decide(self.view(resident))
            if resident is None or not self._let_in(resident, decision.admit_before):
                return decision

    def _let_in(self, target: Residency, before: float) -> int:
        """
        Grant a lease to those who wait for C{target}, the resident, and have
        a lower number than C{before}, as far as there are places.

        @return: how many they were.
        """
        free = self.options.places(target) - len(self._leases)
        admitted = 0
        for ticket in self._demand.queue.take(target, before, free):
            lease = Lease(self._engines[target.engine], target, self._released)
            now = self._clock.seconds()
            self._leases.add(lease, Admission(target, ticket.wish.priority, ticket.since, now))
            admitted += 1
            self.tenure = replace(self.tenure, served=self.tenure.served + 1)
            ticket.grant(lease)
        return admitted

    def take_back(self, lease: Lease) -> None:
        """
        C{lease} was given back; it may have been given up before.
        """
        admission = self._leases.ended(lease)
        if admission is None:
            return
        now = self._clock.seconds()
        self._estimates.answered(admission.target, now - admission.begun)
        if not self._leases:
            self.tenure = replace(self.tenure, idle_since=now)
            if not self._demand.queue.wanted(admission.target):
                self._estimates.unused(admission.target, now)
        self._answered(admission, self.tenure.paid)

    def _idle(self, resident: Residency | None) -> Reminder | None:
        """
        @return: when a resident that nobody uses has been idle for too long.
        """
        if resident is None or self._leases:
            return None
        limit = self.options.idle_unload.get(resident.engine, NEVER)
        if resident.engine not in self.options.pinned:
            limit = min(limit, self._keep)
        return None if limit == NEVER else Reminder(self.tenure.idle_since + limit, Input.IDLE)


def _pinned(engine: str) -> SlotPinned:
    return SlotPinned(
        f"engine {engine} is pinned and holds the memory; an operator may unload it",
        retry_after=PINNED_RETRY_S,
    )
