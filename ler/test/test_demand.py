# -*- test-case-name: ler.test.test_demand -*-
"""
Tests of L{ler.slot.demand}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ler.errors import (
    EngineDied,
    EngineStartFailed,
    EngineStuck,
    EngineUnavailable,
    Paused,
    QueueFull,
    RouterError,
    Withdrawn,
    WouldSwap,
)
from ler.interfaces import Residency
from ler.slot.cooldown import FIRST_S, STABLE_S
from ler.slot.demand import PAUSED_RETRY_S, Demand
from ler.slot.estimates import Estimates
from ler.slot.options import SlotOptions
from ler.slot.tickets import Order, Ticket
from ler.slot.wish import ORDINARY, Wish
from ler.test.slot_case import A, B

A2 = Residency("a", "large")

FAILED = EngineStartFailed("exit status 1")
KILLED = EngineDied("killed by SIGKILL")


class DemandTests(SynchronousTestCase):
    """
    L{Demand} knows who wants what, and what speaks against it.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.estimates = Estimates()
        options = SlotOptions(max_queue=3, max_queue_of={"b": 1})
        self.demand = Demand(options, self.estimates, self.clock)

    def ask(
        self, target: Residency, resident: Residency | None = None, wish: Wish = ORDINARY
    ) -> Ticket:
        """
        @return: a ticket that has come.
        """
        ticket = self.demand.issue(target, wish, lambda: None)
        self.demand.line_up(ticket, resident)
        return ticket

    def assert_refused(self, error: type[RouterError], *tickets: Ticket) -> None:
        """
        All C{tickets} were turned away with an C{error}.
        """
        for ticket in tickets:
            self.failureResultOf(ticket.granted, error)

    def test_nothing_speaks_against_it(self) -> None:
        """
        A request stands in line, with the time of its arrival, and counts as
        one that has come.
        """
        self.assertEqual(self.estimates.wanted_lately(3), [])
        self.clock.advance(3)
        ticket = self.ask(A)
        self.assertTrue(ticket.open)
        self.assertEqual(ticket.since, 3)
        self.assertEqual(len(self.demand.queue), 1)
        self.assertEqual(self.estimates.wanted_lately(3), [A])

    def test_wish_that_cannot_be_met(self) -> None:
        """
        A request whose wish cannot be met is told so, after what is told to
        everybody, and counts for nothing.
        """
        ticket = self.demand.issue(A, ORDINARY, lambda: None)
        self.demand.line_up(ticket, None, lambda ticket: WouldSwap("no"))
        self.assert_refused(WouldSwap, ticket)
        self.demand.paused = "gaming"
        ticket = self.demand.issue(A, ORDINARY, lambda: None)
        self.demand.line_up(ticket, None, lambda ticket: WouldSwap("no"))
        self.assert_refused(Paused, ticket)
        self.assertEqual(self.estimates.wanted_lately(3), [])

    def test_left_before_it_stood_in_line(self) -> None:
        """
        A request that has left by the time it is looked at does not stand in
        line.
        """
        ticket = self.demand.issue(A, ORDINARY, lambda: None)
        ticket.granted.addErrback(lambda _: None)
        ticket.granted.cancel()
        self.demand.line_up(ticket, None)
        self.assertEqual(len(self.demand.queue), 0)

    def test_shut(self) -> None:
        """
        While nobody can be served all who come are told why, before anything
        else.
        """
        self.demand.pause("gaming")
        self.demand.shut = EngineStuck("process 42 survives SIGKILL")
        self.assert_refused(EngineStuck, self.ask(A, resident=A))
        self.demand.shut = None
        self.assert_refused(Paused, self.ask(A))

    def test_pause(self) -> None:
        """
        A pause turns away those who wait and those who come, also for the
        resident.
        """
        waiting = self.ask(A)
        self.demand.pause("gaming")
        error = self.failureResultOf(waiting.granted, Paused).value
        self.assertEqual((str(error), error.retry_after), ("gaming", PAUSED_RETRY_S))
        self.assert_refused(Paused, self.ask(A, resident=A), self.ask(B))
        self.demand.paused = None
        self.assertTrue(self.ask(A).open)

    def limit(self, ticket: Ticket) -> str | None:
        """
        @return: what the last in line is told when the queue is too long.
        """
        self.demand.limit(ticket, lambda target: 7.0)
        if ticket.open:
            return None
        error = self.failureResultOf(ticket.granted, QueueFull).value
        self.assertEqual(error.retry_after, 7.0)
        return str(error)

    def test_limit(self) -> None:
        """
        The last in line is turned away when the queue is too long, and told
        when to try again.
        """
        tickets = [self.ask(A), self.ask(A), self.ask(A2)]
        self.assertIsNone(self.limit(tickets[-1]))
        self.assertEqual(
            self.limit(self.ask(A)), "the queue is full: 3 wait already (scheduler.max_queue)"
        )
        self.assertTrue(all(ticket.open for ticket in tickets))
        self.assertEqual(len(self.demand.queue), 3)

    def test_limit_of_an_engine(self) -> None:
        """
        So it is when too many wait for one engine.
        """
        self.assertIsNone(self.limit(self.ask(A)))
        self.assertIsNone(self.limit(self.ask(B)))
        self.assertEqual(
            self.limit(self.ask(B)),
            "the queue for engine b is full: 1 wait already (its max_queue)",
        )

    def test_refuse_no_swap(self) -> None:
        """
        Those who want no swap, and would need one, are turned away.
        """
        stay = Wish(no_swap=True)
        mine, other = self.ask(A, wish=stay), self.ask(B, wish=stay)
        self.demand.refuse_no_swap(A)
        self.assertIn("b is not in memory", str(self.failureResultOf(other.granted, WouldSwap)))
        self.assertTrue(mine.open)

    def test_refuse_all(self) -> None:
        """
        Everybody can be turned away.
        """
        tickets = [self.ask(A), self.ask(B)]
        self.demand.refuse_all(FAILED)
        self.assert_refused(EngineStartFailed, *tickets)
        self.assertEqual(len(self.demand.queue), 0)

    def test_refuse_others(self) -> None:
        """
        Those who want another engine can be turned away.
        """
        first, second, other = self.ask(A), self.ask(A2), self.ask(B)
        self.demand.refuse_others("a", FAILED)
        self.assert_refused(EngineStartFailed, other)
        self.assertTrue(first.open and second.open)

    def test_still(self) -> None:
        """
        What was to come for somebody still is as long as it is wanted; what
        was to come unasked, also as long as nothing else is.
        """
        self.assertFalse(self.demand.still(A, "request"))
        self.assertTrue(self.demand.still(A, "preload"))
        self.assertTrue(self.demand.still(A, "restore"))
        self.ask(B)
        self.assertFalse(self.demand.still(A, "preload"))
        self.ask(A)
        self.assertTrue(self.demand.still(A, "request"))
        self.demand.replace_order(Order(None))
        self.assertFalse(self.demand.still(A, "preload"))

    def test_wants(self) -> None:
        """
        What somebody waits for is wanted, unless an order says otherwise.
        """
        self.ask(A)
        self.assertTrue(self.demand.wants(A))
        self.assertFalse(self.demand.wants(B))
        self.demand.replace_order(Order(B))
        self.assertFalse(self.demand.wants(A))
        self.assertTrue(self.demand.wants(B))
        self.demand.fulfil()
        self.demand.replace_order(Order(None))
        self.assertFalse(self.demand.wants(A))

    def test_replace_order(self) -> None:
        """
        A later order takes the place of an unfinished one, whose giver is
        told.
        """
        first, second = Order(A), Order(B)
        self.demand.replace_order(first)
        self.demand.replace_order(second)
        self.failureResultOf(first.done, Withdrawn)
        self.assertNoResult(second.done)

    def test_fulfil(self) -> None:
        """
        A fulfilled order is one no more; without one, nothing happens.
        """
        order = Order(A)
        self.demand.replace_order(order)
        self.demand.fulfil()
        self.successResultOf(order.done)
        self.assertIsNone(self.demand.order)
        self.demand.fulfil(FAILED)

    def test_give_up(self) -> None:
        """
        When something cannot be had, all who want it are told, and the order
        for it, too; another model of the same engine may do.
        """
        mine, other = [self.ask(A), self.ask(A)], self.ask(A2)
        order = Order(A)
        self.demand.replace_order(order)
        self.demand.give_up(A, FAILED)
        self.assert_refused(EngineStartFailed, *mine)
        self.failureResultOf(order.done, EngineStartFailed)
        self.assertTrue(other.open)

    def test_give_up_beside_an_order(self) -> None:
        """
        An order for something else stands.
        """
        for target in (B, None):
            order = Order(target)
            self.demand.replace_order(order)
            self.demand.give_up(A, FAILED)
            self.assertNoResult(order.done)
            self.demand.fulfil()

    def test_start_failed(self) -> None:
        """
        A failed start is told to those who wait, and answered from memory for
        a while to those who come.
        """
        waiting = self.ask(A)
        self.demand.start_failed(A, FAILED)
        self.assert_refused(EngineStartFailed, waiting)
        self.assert_refused(EngineUnavailable, self.ask(A))
        self.assertTrue(self.ask(A2).open)
        self.assertTrue(self.ask(B).open)
        self.clock.advance(FIRST_S)
        self.assertTrue(self.ask(A).open)

    def test_resident_has_proven_itself(self) -> None:
        """
        What is in the slot is not refused for what was before.
        """
        self.demand.start_failed(A, FAILED)
        self.assertTrue(self.ask(A, resident=A).open)

    def test_lost(self) -> None:
        """
        The first loss refuses nobody, a second one those who wait and those
        who come.
        """
        waiting = self.ask(A)
        self.demand.started(A)
        self.demand.lost(A, KILLED)
        self.assertTrue(waiting.open)
        self.demand.started(A)
        self.demand.lost(A, KILLED)
        self.assert_refused(EngineUnavailable, waiting, self.ask(A))

    def test_stopped(self) -> None:
        """
        A long time of being ready is remembered when the engine is stopped.
        """
        self.demand.start_failed(A, FAILED)
        self.demand.started(A)
        self.clock.advance(STABLE_S)
        self.demand.stopped(A)
        self.demand.start_failed(A, FAILED)
        error = self.failureResultOf(self.ask(A).granted, EngineUnavailable).value
        self.assertEqual(error.retry_after, FIRST_S)
