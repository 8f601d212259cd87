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
from ler.slot.policy import EVERYONE, Line


class Ticket:
    """
    One request that waits.

    @ivar target: what it waits for.
    @ivar number: its place in the order of arrival.
    @ivar since: when it arrived.
    @ivar granted: fires with a L{Lease}, or fails with a L{RouterError}.
    """

    def __init__(
        self, target: Residency, number: int, since: float, withdraw: Callable[[Ticket], None]
    ) -> None:
        self.target = target
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


class Queue:
    """
    The tickets of one slot, by what they wait for.
    """

    def __init__(self) -> None:
        self._lines: dict[Residency, OrderedDict[int, Ticket]] = {}
        self._numbers = count(1)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def issue(self, target: Residency, since: float, withdrawn: Callable[[], None]) -> Ticket:
        """
        @param withdrawn: called when the ticket's holder has cancelled it,
            and it is no longer in the queue.
        @return: a new L{Ticket}, which does not stand in line yet.
        """

        def withdraw(ticket: Ticket) -> None:
            self.remove(ticket)
            withdrawn()

        return Ticket(target, next(self._numbers), since, withdraw)

    def add(self, ticket: Ticket) -> None:
        """
        Put C{ticket}, which was issued here, at the end of its line.
        """
        self._lines.setdefault(ticket.target, OrderedDict())[ticket.number] = ticket
        self._length += 1

    def remove(self, ticket: Ticket) -> None:
        """
        Take one ticket out, if it is still there.
        """
        line = self._lines.get(ticket.target)
        if line is None or line.pop(ticket.number, None) is None:
            return
        if not line:
            del self._lines[ticket.target]
        self._length -= 1

    def wanted(self, target: Residency) -> bool:
        """
        @return: whether anybody waits for C{target}.
        """
        return target in self._lines

    def lines(self) -> list[Line]:
        """
        @return: one L{Line} a target.
        """
        lines = []
        for target, tickets in self._lines.items():
            first = next(iter(tickets.values()))
            lines.append(Line(target, len(tickets), first.number, first.since))
        return lines

    def take(self, target: Residency, before: float = EVERYONE) -> Iterator[Ticket]:
        """
        Take out the tickets for C{target} with a number below C{before}, one
        by one, oldest first.
        """
        while (line := self._lines.get(target)) is not None:
            ticket = next(iter(line.values()))
            if ticket.number >= before:
                return
            self.remove(ticket)
            yield ticket

    def take_where(self, chosen: Callable[[Residency], bool]) -> list[Ticket]:
        """
        Take out every ticket whose target is C{chosen}, in order of arrival.
        """
        taken: list[Ticket] = []
        for target in [target for target in self._lines if chosen(target)]:
            taken.extend(self.take(target))
        return sorted(taken, key=lambda ticket: ticket.number)


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
