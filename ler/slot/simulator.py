# -*- test-case-name: ler.test.test_simulator -*-
"""
What a policy would make of a trace: one slot, played through event by event,
with no engines and in no time.

The policies, the queue and the estimates are the real ones.  The resident
answers as many requests at once as it has places for.  A switch lets nobody
else in, waits for running answers, and then takes the seconds of the swap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import count
from math import ceil

from ler.interfaces import IPolicy, Residency
from ler.slot.estimates import Estimates
from ler.slot.swap import Swap
from ler.slot.tickets import Queue, Ticket
from ler.slot.traces import Trace
from ler.slot.view import SlotView, Tenure
from ler.slot.wish import NEVER, TERMS, Priority, Terms, Wish


@dataclass(frozen=True)
class Outcome:
    """
    What became of a trace.

    @ivar swaps: how many there were.
    @ivar makespan: when the last answer ended.
    @ivar waits: how long each request waited, the shortest first.
    """

    swaps: int
    makespan: float
    waits: tuple[float, ...]

    def percentile(self, share: float) -> float:
        """
        @return: what that share of the requests waited at most.
        """
        return self.waits[max(0, ceil(share * len(self.waits)) - 1)]

    @property
    def longest(self) -> float:
        """
        @return: the longest wait.
        """
        return self.waits[-1]


@dataclass(frozen=True)
class _Request:
    """
    @ivar then: what its client does after the answer.
    """

    ticket: Ticket
    service: float
    then: Iterator[tuple[float, float]]


class Simulation:
    """
    One slot, one trace, one policy.
    """

    def __init__(
        self,
        trace: Trace,
        policy: IPolicy,
        terms: Callable[[Residency, Priority], Terms] = lambda target, priority: TERMS[priority],
    ) -> None:
        """
        @param terms: what the requests of a class are promised.
        """
        self._trace = trace
        self._policy = policy
        self._queue = Queue(terms)
        self._requests: dict[Ticket, _Request] = {}
        self._estimates = Estimates()
        self._now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._resident = trace.resident
        self._incoming: Residency | None = None
        self._tenure = Tenure()
        self._running = 0
        self._reminder = 0
        self._swaps = 0
        self._waits: list[float] = []
        self._ended = 0.0
        for arrival in trace.arrivals:
            self._ask(arrival.target, arrival.priority, arrival.at, arrival.service)
        for agent in trace.agents:
            self._go_on(agent.target, agent.priority, iter(agent.steps))

    def run(self) -> Outcome:
        """
        @return: what became of the trace, when all of it is answered.
        """
        while self._events:
            self._now, _, happen = heappop(self._events)
            happen()
        return Outcome(self._swaps, self._ended, tuple(sorted(self._waits)))

    def _at(self, time: float, happen: Callable[[], None]) -> None:
        heappush(self._events, (time, next(self._order), happen))

    # Clients.

    def _ask(
        self,
        target: Residency,
        priority: Priority,
        at: float,
        service: float,
        then: Iterable[tuple[float, float]] = (),
    ) -> None:
        def arrive() -> None:
            ticket = self._queue.issue(target, at, lambda: None, Wish(priority))
            self._requests[ticket] = _Request(ticket, service, iter(then))
            self._queue.add(ticket)
            self._estimates.arrived(target, at)
            self._consider()

        self._at(at, arrive)

    def _go_on(
        self, target: Residency, priority: Priority, steps: Iterator[tuple[float, float]]
    ) -> None:
        for gap, service in steps:
            self._ask(target, priority, self._now + gap, service, steps)
            return

    # The slot.

    def _consider(self) -> None:
        if self._incoming is not None:
            return
        self._reminder += 1
        decision = self._policy.decide(self._view())
        while self._let_in(decision.admit_before):
            decision = self._policy.decide(self._view())
        if decision.switch is not None:
            self._incoming = decision.switch
            self._swap_if_drained()
        elif decision.look_again < NEVER:
            self._remind(decision.look_again, self._reminder)

    def _remind(self, at: float, reminder: int) -> None:
        def look() -> None:
            if reminder == self._reminder:
                self._consider()

        self._at(max(at, self._now), look)

    def _view(self) -> SlotView:
        lines = self._queue.lines()
        return SlotView(
            self._now,
            self._resident,
            self._running,
            lines,
            self._tenure,
            {
                target: self._estimates.costs(target, self._now, self._trace.places[target])
                for target in (self._resident, *(line.target for line in lines))
            },
        )

    def _let_in(self, before: float) -> int:
        """
        @return: how many were let in.
        """
        free = self._trace.places[self._resident] - self._running
        admitted = 0
        for ticket in self._queue.take(self._resident, before, free):
            self._begin(self._requests.pop(ticket))
            admitted += 1
        return admitted

    def _begin(self, request: _Request) -> None:
        self._running += 1
        self._tenure = replace(self._tenure, served=self._tenure.served + 1)
        self._waits.append(self._now - request.ticket.since)
        self._at(self._now + request.service, lambda: self._end(request))

    def _end(self, request: _Request) -> None:
        target = request.ticket.target
        self._running -= 1
        self._ended = self._now
        self._estimates.answered(target, request.service)
        if not self._running:
            self._tenure = replace(self._tenure, idle_since=self._now)
            if not self._queue.wanted(target):
                self._estimates.unused(target, self._now)
        self._go_on(target, request.ticket.wish.priority, request.then)
        if self._incoming is None:
            self._consider()
        else:
            self._swap_if_drained()

    def _swap_if_drained(self) -> None:
        if self._running or self._incoming is None:
            return
        self._swaps += 1
        swap = Swap(self._resident, self._incoming, "request", self._now, 0.0)
        swap.enter("free", self._now)
        swap.enter("start", self._now)
        self._at(self._now + self._trace.swap[self._incoming], lambda: self._swapped(swap))

    def _swapped(self, swap: Swap) -> None:
        swap.end(self._now, None)
        self._estimates.swapped(swap)
        assert swap.incoming is not None
        self._resident, self._incoming = swap.incoming, None
        self._tenure = Tenure(
            since=self._now,
            paid=swap.paid,
            queued=self._queue.waiting_for(self._resident),
            idle_since=self._now,
        )
        self._consider()
