# -*- test-case-name: ler.test.test_tickets -*-
"""
A ticket is a request that waits for the slot; an order is what the operator
asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import count

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from ler.errors import RouterError
from ler.interfaces import Residency
from ler.slot.leases import Lease
from ler.slot.view import EVERYONE, Line
from ler.slot.wish import ORDINARY, TERMS, Priority, Terms, Wish


class Ticket:
    """
    One request that waits.

    @ivar target: what it waits for.
    @ivar wish: how it would like to be treated.
    @ivar number: its place in the order of arrival.
    @ivar since: when it arrived.
    @ivar granted: fires with a L{Lease}, or fails with a L{RouterError}.
    """

    def __init__(
        self,
        target: Residency,
        wish: Wish,
        number: int,
        since: float,
        withdraw: Callable[[Ticket], None],
    ) -> None:
        self.target = target
        self.wish = wish
        self.number = number
        self.since = since
        self.granted: Deferred[Lease] = Deferred(lambda _: withdraw(self))

    @property
    def open(self) -> bool:
        """
        @return: whether it still waits.
        """
        return not self.granted.called

    def grant(self, lease: Lease) -> None:
        """
        Let the request in.
        """
        self.granted.callback(lease)

    def refuse(self, reason: RouterError) -> None:
        """
        Turn the request away, unless it has left.
        """
        if self.open:
            self.granted.errback(Failure(reason))


class _Crowd:
    """
    The tickets for one target, by class: within a class whoever came first is
    due first.
    """

    def __init__(self, terms: Callable[[Priority], Terms]) -> None:
        self._terms = terms
        self._tickets: dict[Priority, OrderedDict[int, Ticket]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._tickets.values()))

    def add(self, ticket: Ticket) -> None:
        """
        C{ticket} comes last in its class.
        """
        self._tickets.setdefault(ticket.wish.priority, OrderedDict())[ticket.number] = ticket

    def remove(self, ticket: Ticket) -> bool:
        """
        @return: whether C{ticket} was there.
        """
        peers = self._tickets.get(ticket.wish.priority)
        if peers is None or peers.pop(ticket.number, None) is None:
            return False
        if not peers:
            del self._tickets[ticket.wish.priority]
        return True

    def ahead_of(self, priority: Priority) -> int:
        """
        @return: how many would be let in before a newcomer of that class.
        """
        mine = self._terms(priority).max_wait
        return sum(
            len(tickets)
            for other, tickets in self._tickets.items()
            if self._terms(other).max_wait <= mine
        )

    def first(self, before: float) -> Ticket | None:
        """
        @return: who is due first of those with a lower number than C{before}.
        """
        heads = [ticket for ticket in self._heads() if ticket.number < before]
        return min(heads, key=lambda ticket: (self._due(ticket), ticket.number), default=None)

    def line(self, target: Residency) -> Line:
        """
        @return: all of them, as a policy sees them.
        """
        heads = list(self._heads())
        oldest = min(heads, key=lambda ticket: ticket.number)
        return Line(
            target,
            len(self),
            oldest.number,
            oldest.since,
            min(map(self._due, heads)),
            sum(self._terms(priority).weight * len(t) for priority, t in self._tickets.items()),
        )

    def _heads(self) -> Iterator[Ticket]:
        return (next(iter(peers.values())) for peers in self._tickets.values())

    def _due(self, ticket: Ticket) -> float:
        return ticket.since + self._terms(ticket.wish.priority).max_wait


class Queue:
    """
    The tickets of one slot, by what they wait for.
    """

    def __init__(
        self,
        terms: Callable[[Residency, Priority], Terms] = lambda target, priority: TERMS[priority],
    ) -> None:
        """
        @param terms: what the requests of a class are promised.
        """
        self._terms = terms
        self._crowds: dict[Residency, _Crowd] = {}
        self._no_swap: dict[int, Ticket] = {}
        self._numbers = count(1)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def issue(
        self,
        target: Residency,
        since: float,
        withdrawn: Callable[[], None],
        wish: Wish = ORDINARY,
    ) -> Ticket:
        """
        @param withdrawn: called when the ticket's holder has cancelled it,
            and it is no longer in the queue.
        @return: a new L{Ticket}, which does not stand in line yet.
        """

        def withdraw(ticket: Ticket) -> None:
            self.remove(ticket)
            withdrawn()

        return Ticket(target, wish, next(self._numbers), since, withdraw)

    def add(self, ticket: Ticket) -> None:
        """
        Put C{ticket}, which was issued here, at the end of its line.
        """
        crowd = self._crowds.get(ticket.target)
        if crowd is None:
            target = ticket.target
            crowd = self._crowds[target] = _Crowd(lambda priority: self._terms(target, priority))
        crowd.add(ticket)
        if ticket.wish.no_swap:
            self._no_swap[ticket.number] = ticket
        self._length += 1

    def remove(self, ticket: Ticket) -> None:
        """
        Take one ticket out, if it is still there.
        """
        crowd = self._crowds.get(ticket.target)
        if crowd is None or not crowd.remove(ticket):
            return
        if not crowd:
            del self._crowds[ticket.target]
        self._no_swap.pop(ticket.number, None)
        self._length -= 1

    def wanted(self, target: Residency) -> bool:
        """
        @return: whether anybody waits for C{target}.
        """
        return target in self._crowds

    def waiting_for(self, target: Residency) -> int:
        """
        @return: how many wait for C{target}.
        """
        return len(self._crowds.get(target, ()))

    def ahead_of(self, target: Residency, priority: Priority) -> int:
        """
        @return: how many of those who wait for C{target} would be let in
            before a newcomer of that class.
        """
        crowd = self._crowds.get(target)
        return 0 if crowd is None else crowd.ahead_of(priority)

    def length_of(self, engine: str) -> int:
        """
        @return: how many wait for models of C{engine}.
        """
        return sum(len(crowd) for target, crowd in self._crowds.items() if target.engine == engine)

    def lines(self) -> list[Line]:
        """
        @return: one L{Line} a target.
        """
        return [crowd.line(target) for target, crowd in self._crowds.items()]

    def take(
        self, target: Residency, before: float = EVERYONE, most: float = EVERYONE
    ) -> Iterator[Ticket]:
        """
        Take out the tickets for C{target} with a number below C{before}, one
        by one: whoever is due first, or else the oldest.

        @param most: how many to take.
        """
        taken = 0
        while taken < most and (crowd := self._crowds.get(target)) is not None:
            ticket = crowd.first(before)
            if ticket is None:
                return
            self.remove(ticket)
            taken += 1
            yield ticket

    def take_where(self, chosen: Callable[[Residency], bool]) -> list[Ticket]:
        """
        Take out every ticket whose target is C{chosen}, in order of arrival.
        """
        taken: list[Ticket] = []
        for target in [target for target in self._crowds if chosen(target)]:
            taken.extend(self.take(target))
        return sorted(taken, key=lambda ticket: ticket.number)

    def take_no_swap(self, resident: Residency | None) -> list[Ticket]:
        """
        Take out every ticket that wants no swap, and now would need one, since
        it waits for something else than C{resident}.
        """
        taken = [ticket for ticket in self._no_swap.values() if ticket.target != resident]
        for ticket in taken:
            self.remove(ticket)
        return taken


class Order:
    """
    What the operator asked for; it goes before every policy.

    @ivar target: what to bring up, or L{None} to leave the slot empty.
    @ivar done: fires with L{None} when it is so, or fails with a
        L{RouterError}.  Cancelling it stops the watching only.
    """

    def __init__(self, target: Residency | None) -> None:
        self.target = target
        self.done: Deferred[None] = Deferred()

    def fulfil(self, error: RouterError | None = None) -> None:
        """
        It is so, or cannot be.
        """
        if self.done.called:
            return
        if error is None:
            self.done.callback(None)
        else:
            self.done.errback(Failure(error))
