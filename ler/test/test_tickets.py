# -*- test-case-name: ler.test.test_tickets -*-
"""
Tests of L{ler.slot.tickets}: tickets, their queue, and orders.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from ler.errors import Paused, QueueFull
from ler.interfaces import Residency
from ler.slot.leases import Lease
from ler.slot.tickets import Order, Queue, Ticket
from ler.slot.view import Line
from ler.slot.wish import NEVER, ORDINARY, Priority, Terms, Wish
from ler.testing import FakeEngine

A, B = Residency("a"), Residency("b", "small")

MAX_WAIT = {Priority.INTERACTIVE: 60.0, Priority.BACKGROUND: 300.0, Priority.BATCH: NEVER}
WEIGHT = {Priority.INTERACTIVE: 1.0, Priority.BACKGROUND: 0.5, Priority.BATCH: 0.1}
BACKGROUND, BATCH = Wish(Priority.BACKGROUND), Wish(Priority.BATCH)
STAY = Wish(no_swap=True)


def terms(target: Residency, priority: Priority) -> Terms:
    """
    @return: what is promised; for C{b} half of it.
    """
    return Terms(MAX_WAIT[priority] / (2 if target.engine == "b" else 1), WEIGHT[priority])


class QueueTestCase(SynchronousTestCase):
    """
    A queue, and a count of the tickets that were withdrawn from it.
    """

    def setUp(self) -> None:
        self.queue = Queue(terms)
        self.withdrawn: list[Residency] = []

    def add(self, target: Residency, since: float = 0.0, wish: Wish = ORDINARY) -> Ticket:
        """
        @return: a ticket at the end of its line.
        """
        ticket = self.queue.issue(target, since, lambda: self.withdrawn.append(target), wish)
        self.queue.add(ticket)
        return ticket


class TicketTests(QueueTestCase):
    """
    A L{Ticket} is granted, refused or withdrawn: once.
    """

    def test_granted(self) -> None:
        """
        A granted ticket gives its lease and waits no more.
        """
        ticket = self.add(A)
        self.assertTrue(ticket.open)
        lease = Lease(FakeEngine(), A, lambda lease: None)
        ticket.grant(lease)
        self.assertIs(self.successResultOf(ticket.granted), lease)
        self.assertFalse(ticket.open)

    def test_refused(self) -> None:
        """
        A refused ticket fails with the reason.
        """
        ticket, reason = self.add(A), QueueFull("too many")
        ticket.refuse(reason)
        self.assertIs(self.failureResultOf(ticket.granted, QueueFull).value, reason)
        self.assertFalse(ticket.open)

    def test_refused_after_leaving(self) -> None:
        """
        A request that has left is not told why it would have been refused.
        """
        ticket = self.add(A)
        ticket.granted.cancel()
        ticket.refuse(QueueFull("too many"))
        self.failureResultOf(ticket.granted, CancelledError)

    def test_withdrawn(self) -> None:
        """
        Cancelling takes the ticket out of the queue, and then says so.
        """
        lengths = []
        ticket = self.queue.issue(A, 0.0, lambda: lengths.append(len(self.queue)))
        self.queue.add(ticket)
        ticket.granted.cancel()
        self.failureResultOf(ticket.granted, CancelledError)
        self.assertEqual(lengths, [0])

    def test_withdrawn_before_it_stood_in_line(self) -> None:
        """
        A ticket may be withdrawn before it was added.
        """
        ticket = self.queue.issue(A, 0.0, lambda: self.withdrawn.append(A))
        ticket.granted.cancel()
        self.failureResultOf(ticket.granted, CancelledError)
        self.assertEqual(self.withdrawn, [A])


class QueueTests(QueueTestCase):
    """
    A L{Queue} keeps one line a target, in order of arrival.
    """

    def test_empty(self) -> None:
        """
        An empty queue has no lines, and nobody wants anything.
        """
        self.assertEqual(len(self.queue), 0)
        self.assertEqual(self.queue.lines(), [])
        self.assertFalse(self.queue.wanted(A))
        self.assertEqual(list(self.queue.take(A)), [])

    def test_lines(self) -> None:
        """
        A line tells its target, its length, and the number and arrival of its
        oldest ticket.
        """
        self.add(A, 1.0)
        self.add(B, 2.0)
        self.add(A, 3.0)
        lines = [Line(A, 2, 1, 1.0, 61.0, 2.0), Line(B, 1, 2, 2.0, 32.0, 1.0)]
        self.assertEqual(self.queue.lines(), lines)
        self.assertEqual(len(self.queue), 3)
        self.assertTrue(self.queue.wanted(B))

    def test_numbers_are_of_arrival(self) -> None:
        """
        Numbers are given when a ticket is issued, and never twice.
        """
        first = self.add(A)
        self.queue.remove(first)
        self.assertEqual([self.add(A).number, self.add(B).number], [2, 3])

    def test_remove(self) -> None:
        """
        Removing the last of a line ends the line; removing again does
        nothing.
        """
        ticket = self.add(A)
        self.queue.remove(ticket)
        self.queue.remove(ticket)
        self.assertEqual(len(self.queue), 0)
        self.assertFalse(self.queue.wanted(A))

    def test_remove_from_a_line_that_goes_on(self) -> None:
        """
        A ticket that is not in its line any more is not removed from it twice.
        """
        ticket, other = self.add(A), self.add(A)
        self.queue.remove(ticket)
        self.queue.remove(ticket)
        self.assertEqual(len(self.queue), 1)
        self.assertEqual(list(self.queue.take(A)), [other])

    def test_head_leaves(self) -> None:
        """
        When the head of a line leaves, the next one is its oldest.
        """
        head = self.add(A, 1.0)
        self.add(A, 5.0)
        head.granted.cancel()
        self.failureResultOf(head.granted, CancelledError)
        self.assertEqual(self.queue.lines(), [Line(A, 1, 2, 5.0, 65.0, 1.0)])

    def test_take(self) -> None:
        """
        Taking a line empties it, oldest first, and leaves the others.
        """
        first, other, second = self.add(A), self.add(B), self.add(A)
        self.assertEqual(list(self.queue.take(A)), [first, second])
        self.assertEqual(list(self.queue.take(B)), [other])
        self.assertEqual(len(self.queue), 0)

    def test_take_before(self) -> None:
        """
        Only tickets with lower numbers are taken.
        """
        first, _, second = self.add(A), self.add(B), self.add(A)
        self.assertEqual(list(self.queue.take(A, before=second.number)), [first])
        self.assertEqual(list(self.queue.take(A, before=0)), [])
        self.assertEqual(len(self.queue), 2)

    def test_take_while_the_line_changes(self) -> None:
        """
        Between one ticket and the next, others may come and go.
        """
        self.add(A)
        leaver, last = self.add(A), self.add(A)
        taking = self.queue.take(A)
        next(taking)
        leaver.granted.cancel()
        self.failureResultOf(leaver.granted, CancelledError)
        late = self.add(A)
        self.assertEqual(list(taking), [last, late])

    def test_take_where(self) -> None:
        """
        Every ticket of the chosen targets is taken, in order of arrival across
        the lines.
        """
        other = Residency("b", "large")
        first, second, kept, third = self.add(B), self.add(other), self.add(A), self.add(B)
        taken = self.queue.take_where(lambda target: target.engine == "b")
        self.assertEqual(taken, [first, second, third])
        self.assertEqual(list(self.queue.take(A)), [kept])


class ClassTests(QueueTestCase):
    """
    In a line whoever is due first is let in first.
    """

    def test_line(self) -> None:
        """
        A line tells how much those in it count, who came first, and when the
        first of them is due, which may be another one.
        """
        self.add(A, 1.0, BATCH)
        self.add(A, 2.0, BACKGROUND)
        self.add(A, 3.0)
        self.assertEqual(self.queue.lines(), [Line(A, 3, 1, 1.0, 63.0, 1.6)])

    def test_no_bound(self) -> None:
        """
        A line of those who are never due is never due.
        """
        self.add(A, 1.0, BATCH)
        self.assertEqual(self.queue.lines()[0].due, NEVER)

    def test_due_first(self) -> None:
        """
        Of the heads of the classes that is taken which is due first; of a
        class, the oldest.
        """
        batch, patient, late = self.add(A, 0.0, BATCH), self.add(A, 0.0, BACKGROUND), self.add(A)
        later = self.add(A, 300.0)
        self.assertEqual(list(self.queue.take(A)), [late, patient, later, batch])

    def test_before(self) -> None:
        """
        Of those with lower numbers whoever is due first is taken first.
        """
        batch, first, last = self.add(A, 0.0, BATCH), self.add(A), self.add(A)
        self.assertEqual(list(self.queue.take(A, before=last.number)), [first, batch])

    def test_most(self) -> None:
        """
        No more are taken than there are places.
        """
        first, second, _ = self.add(A), self.add(A), self.add(A)
        self.assertEqual(list(self.queue.take(A, most=0)), [])
        self.assertEqual(list(self.queue.take(A, most=2)), [first, second])
        self.assertEqual(len(self.queue), 1)

    def test_counts(self) -> None:
        """
        It tells how many wait for a target, or for all of an engine.
        """
        self.add(A)
        self.add(B)
        self.add(Residency("b"), 0.0, BATCH)
        self.assertEqual([self.queue.waiting_for(target) for target in (A, B)], [1, 1])
        self.assertEqual([self.queue.length_of(key) for key in "abc"], [1, 2, 0])
        self.assertEqual(self.queue.waiting_for(Residency("c")), 0)

    def test_ahead(self) -> None:
        """
        Before a newcomer are those of its class, and of more urgent ones.
        """
        for wish in (ORDINARY, ORDINARY, BACKGROUND, BATCH):
            self.add(A, 0.0, wish)
        ahead = [self.queue.ahead_of(A, priority) for priority in Priority]
        self.assertEqual(ahead, [2, 3, 4])
        self.assertEqual(self.queue.ahead_of(B, Priority.BATCH), 0)

    def test_no_swap(self) -> None:
        """
        Those who want no swap are taken when they wait for anything but what
        is there.
        """
        stays, first, second = (
            self.add(A, 0.0, STAY),
            self.add(B, 0.0, STAY),
            self.add(B, 0.0, STAY),
        )
        self.add(B)
        self.assertEqual(self.queue.take_no_swap(A), [first, second])
        self.assertEqual(len(self.queue), 2)
        self.assertEqual(self.queue.take_no_swap(A), [])
        self.assertEqual(self.queue.take_no_swap(None), [stays])

    def test_no_swap_any_more(self) -> None:
        """
        One that has left is not taken again.
        """
        self.queue.remove(self.add(A, 0.0, STAY))
        self.assertEqual(self.queue.take_no_swap(None), [])


class OrderTests(SynchronousTestCase):
    """
    An L{Order} is fulfilled once.
    """

    def test_fulfilled(self) -> None:
        """
        A fulfilled order fires with nothing.
        """
        order = Order(A)
        order.fulfil()
        self.assertIsNone(self.successResultOf(order.done))

    def test_not_possible(self) -> None:
        """
        An order that cannot be fulfilled fails with the reason.
        """
        order = Order(A)
        order.fulfil(Paused("lunch"))
        self.failureResultOf(order.done, Paused)

    def test_once(self) -> None:
        """
        Only the first outcome counts.
        """
        order = Order(None)
        order.fulfil()
        order.fulfil(Paused("lunch"))
        self.successResultOf(order.done)

    def test_not_watched_any_more(self) -> None:
        """
        Whoever gave the order may stop watching it.
        """
        order = Order(A)
        order.done.cancel()
        self.failureResultOf(order.done, CancelledError)
        order.fulfil()
