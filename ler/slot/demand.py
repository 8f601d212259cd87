# -*- test-case-name: ler.test.test_demand -*-
"""
What is wanted of a slot, and what speaks against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.interfaces import IReactorTime

from ler.errors import Paused, QueueFull, RouterError, Withdrawn
from ler.interfaces import Residency
from ler.slot.cooldown import Cooldown
from ler.slot.tickets import Order, Queue, Ticket

PAUSED_RETRY_S = 60.0
"""When to try again during a pause, whose end nobody knows."""


class Demand:
    """
    The requests that wait for one slot, and the operator's order.

    @ivar queue: those who wait.
    @ivar order: what the operator asked for and has not got yet, or L{None}.
    @ivar paused: why the operator took the memory back, or L{None}.
    @ivar shut: what everybody is told while nobody can be served, or L{None}.
    """

    def __init__(self, engines: Iterable[str], max_queue: int, clock: IReactorTime) -> None:
        """
        @param engines: the keys of the engines that can be wanted.
        @param max_queue: how many requests may wait.
        """
        self.queue = Queue()
        self.order: Order | None = None
        self.paused: str | None = None
        self.shut: RouterError | None = None
        self._cooldowns = {key: Cooldown() for key in engines}
        self._max_queue = max_queue
        self._clock = clock

    def issue(self, target: Residency, withdrawn: Callable[[], None]) -> Ticket:
        """
        @see: L{Queue.issue}
        """
        return self.queue.issue(target, self._clock.seconds(), withdrawn)

    def wants(self, target: Residency) -> bool:
        """
        @return: whether C{target} is what should be in the slot: the order
            says so or, without one, somebody waits for it.
        """
        if self.order is not None:
            return self.order.target == target
        return self.queue.wanted(target)

    # Requests.

    def line_up(self, ticket: Ticket, resident: Residency | None) -> None:
        """
        Let a request that has come stand in line, unless something speaks
        against it.

        @param resident: what is in the slot: it has proven that it works.
        """
        refusal = self._refusal(ticket.target, resident)
        if refusal is not None:
            ticket.refuse(refusal)
        elif ticket.open:
            self.queue.add(ticket)

    def limit(self, ticket: Ticket) -> None:
        """
        Turn the last in line away when the queue is too long.
        """
        if len(self.queue) > self._max_queue:
            self.queue.remove(ticket)
            ticket.refuse(
                QueueFull(
                    f"{self._max_queue} requests wait already (scheduler.max_queue)",
                    retry_after=10.0,
                )
            )

    def refuse_all(self, reason: RouterError) -> None:
        """
        Turn everybody away.
        """
        self._refuse_where(lambda target: True, reason)

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
        return self._cooldowns[target.engine].refusal(target.engine, self._clock.seconds())

    def _refuse_where(self, chosen: Callable[[Residency], bool], reason: RouterError) -> None:
        for ticket in self.queue.take_where(chosen):
            ticket.refuse(reason)

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

    # What becomes of the engines that are wanted.

    def give_up(self, target: Residency, reason: RouterError) -> None:
        """
        The engine of C{target} cannot be had: tell all who want it.
        """
        self._refuse_where(lambda wanted: wanted.engine == target.engine, reason)
        if self.order is not None and self.order.target == target:
            self.fulfil(reason)

    def started(self, engine: str) -> None:
        """
        C{engine} is ready.
        """
        self._cooldowns[engine].started(self._clock.seconds())

    def stopped(self, engine: str) -> None:
        """
        C{engine} was ready, and is asked to go.
        """
        self._cooldowns[engine].stopped(self._clock.seconds())

    def start_failed(self, target: Residency, reason: RouterError) -> None:
        """
        C{target} could not be started: those who want it are told, and its
        engine cools down.
        """
        self._cooldowns[target.engine].start_failed(self._clock.seconds(), reason)
        self.give_up(target, reason)

    def lost(self, engine: str, reason: RouterError) -> None:
        """
        C{engine} was ready, and ended by itself; when it does so often it
        cools down, and those who wait for it are told.
        """
        cooldown, now = self._cooldowns[engine], self._clock.seconds()
        cooldown.lost(now, reason)
        refusal = cooldown.refusal(engine, now)
        if refusal is not None:
            self._refuse_where(lambda wanted: wanted.engine == engine, refusal)


def _paused(reason: str) -> Paused:
    return Paused(reason, retry_after=PAUSED_RETRY_S)
