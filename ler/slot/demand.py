# -*- test-case-name: ler.test.test_demand -*-
"""
What is wanted of a slot, and what speaks against it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from ler.errors import Paused, QueueFull, RouterError, Withdrawn, WouldSwap
from ler.interfaces import Residency
from ler.slot.cooldown import Cooldown
from ler.slot.estimates import Estimates
from ler.slot.options import SlotOptions
from ler.slot.tickets import Order, Queue, Ticket
from ler.slot.wish import Priority, Terms, Wish

UNASKED = frozenset({"restore", "preload"})
"""The causes of swaps that nobody need wait for."""

PAUSED_RETRY_S = 60.0
"""When to try again during a pause, whose end nobody knows."""


class Demand:
    """
    The requests that wait for one slot, and the operator's order.

    @ivar queue: those who wait.
    @ivar order: what the operator asked for and has not got yet, or L{None}.
    @ivar paused: why the operator took the memory back, or L{None}.
    @ivar shut: what everybody is told while nobody can be served, or L{None}.
    @ivar options: the settings of the slot.
    """

    def __init__(self, options: SlotOptions, estimates: Estimates, clock: IReactorTime) -> None:
        self.options = options
        self.queue = Queue(self._terms_of)
        self.order: Order | None = None
        self.paused: str | None = None
        self.shut: RouterError | None = None
        self._cooldowns: defaultdict[Residency, Cooldown] = defaultdict(Cooldown)
        self._estimates = estimates
        self._clock = clock

    def _terms_of(self, target: Residency, priority: Priority) -> Terms:
        return self.options.terms_of(target, priority)

    def issue(self, target: Residency, wish: Wish, withdrawn: Callable[[], None]) -> Ticket:
        """
        @see: L{Queue.issue}
        """
        return self.queue.issue(target, self._clock.seconds(), withdrawn, wish)

    def wants(self, target: Residency) -> bool:
        """
        @return: whether C{target} is what should be in the slot: the order
            says so or, without one, somebody waits for it.
        """
        if self.order is not None:
            return self.order.target == target
        return self.queue.wanted(target)

    def still(self, target: Residency, cause: str) -> bool:
        """
        @param cause: why C{target} was to come.
        @return: whether to go on with it.
        """
        unasked = cause in UNASKED and self.order is None and not self.queue
        return unasked or self.wants(target)

    # Requests.

    def line_up(
        self,
        ticket: Ticket,
        resident: Residency | None,
        unmet: Callable[[Ticket], RouterError | None] = lambda ticket: None,
    ) -> None:
        """
        Let a request that has come stand in line, unless something speaks
        against it.

        @param resident: what is in the slot: it has proven that it works.
        @param unmet: tells what wish of a request cannot be met.
        """
        refusal = self._refusal(ticket.target, resident) or unmet(ticket)
        if refusal is not None:
            ticket.refuse(refusal)
        elif ticket.open:
            self.queue.add(ticket)
            self._estimates.arrived(ticket.target, self._clock.seconds())

    def limit(self, ticket: Ticket, retry_after: Callable[[Residency], float]) -> None:
        """
        Turn the last in line away when the queue is too long.

        @param retry_after: tells when to try again for a target.
        """
        full = self._full(ticket.target.engine)
        if full is not None:
            self.queue.remove(ticket)
            ticket.refuse(QueueFull(full, retry_after=retry_after(ticket.target)))

    def _full(self, engine: str) -> str | None:
        """
        @return: which limit of the queue is passed.
        """
        limit = self.options.max_queue
        if len(self.queue) > limit:
            return f"the queue is full: {limit} wait already (scheduler.max_queue)"
        mine = self.options.max_queue_of.get(engine)
        if mine is not None and self.queue.length_of(engine) > mine:
            return f"the queue for engine {engine} is full: {mine} wait already (its max_queue)"
        return None

    def refuse_no_swap(self, resident: Residency | None) -> None:
        """
        Turn those away who want no swap, and wait for anything but
        C{resident}.
        """
        for ticket in self.queue.take_no_swap(resident):
            ticket.refuse(would_swap(ticket.target))

    def refuse_all(self, reason: RouterError) -> None:
        """
        Turn everybody away.
        """
        self._refuse_where(lambda target: True, reason)

    def refuse_others(self, engine: str, reason: RouterError) -> None:
        """
        Turn those away who wait for anything but models of C{engine}.
        """
        self._refuse_where(lambda target: target.engine != engine, reason)

    def pause(self, reason: str) -> None:
        """
        Turn everybody away, also those who come, until L{paused} is reset.
        """
        self.paused = reason
        self.refuse_all(_paused(reason))

    def _refusal(self, target: Residency, resident: Residency | None) -> RouterError | None:
        if self.shut is not None:
            return self.shut
        if self.paused is not None:
            return _paused(self.paused)
        if target == resident:
            return None
        return self._cooldowns[target].refusal(str(target), self._clock.seconds())

    def _refuse_where(self, chosen: Callable[[Residency], bool], reason: RouterError) -> None:
        for ticket in self.queue.take_where(chosen):
            ticket.refuse(reason)

    def forget(self, engine: str) -> None:
        """
        C{engine} is another one than before: what failed may work now.
        """
        for target in [target for target in self._cooldowns if target.engine == engine]:
            del self._cooldowns[target]

    def disclaim(self, objection: Callable[[Residency], RouterError | None]) -> None:
        """
        Turn those away, and the order, that want what does not belong here any
        more.

        @param objection: tells why a target does not, or L{None}.
        """
        for ticket in self.queue.take_where(lambda target: objection(target) is not None):
            reason = objection(ticket.target)
            assert reason is not None
            ticket.refuse(reason)
        if self.order is not None and self.order.target is not None:
            reason = objection(self.order.target)
            if reason is not None:
                self.fulfil(reason)

    # The order.

    def replace_order(self, order: Order) -> None:
        """
        C{order} takes the place of an unfinished one.
        """
        self.fulfil(Withdrawn("another order took the place of this one"))
        self.order = order

    def fulfil(self, error: RouterError | None = None) -> None:
        """
        The order, if there is one, is carried out, or cannot be.
        """
        order, self.order = self.order, None
        if order is not None:
            order.fulfil(error)

    # What becomes of what is wanted.

    def give_up(self, target: Residency, reason: RouterError) -> None:
        """
        C{target} cannot be had: tell all who want it.
        """
        self._refuse_where(lambda wanted: wanted == target, reason)
        if self.order is not None and self.order.target == target:
            self.fulfil(reason)

    def started(self, target: Residency) -> None:
        """
        C{target} is ready.
        """
        self._cooldowns[target].started(self._clock.seconds())

    def stopped(self, target: Residency) -> None:
        """
        C{target} was ready, and is asked to go.
        """
        self._cooldowns[target].stopped(self._clock.seconds())

    def start_failed(self, target: Residency, reason: RouterError) -> None:
        """
        C{target} could not be started: those who want it are told, and it
        cools down.
        """
        self._cooldowns[target].start_failed(self._clock.seconds(), reason)
        self.give_up(target, reason)

    def lost(self, target: Residency, reason: RouterError) -> None:
        """
        C{target} was ready, and ended by itself; when it does so often it
        cools down, and those who wait for it are told.
        """
        cooldown, now = self._cooldowns[target], self._clock.seconds()
        cooldown.lost(now, reason)
        refusal = cooldown.refusal(str(target), now)
        if refusal is not None:
            self._refuse_where(lambda wanted: wanted == target, refusal)


def _paused(reason: str) -> Paused:
    return Paused(reason, retry_after=PAUSED_RETRY_S)


def would_swap(target: Residency) -> WouldSwap:
    """
    @return: what to tell a request that wants no swap.
    """
    return WouldSwap(
        f"{target} is not in memory, and the request asks for no swap; ask without that, or "
        "for what is there"
    )
