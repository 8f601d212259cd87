# -*- test-case-name: ler.test.test_slot -*-
"""
The slot: one place in memory, as requests, the operator and reports see it.

Whatever is asked of a slot becomes an input of its machine; what it does about
each is told by L{ler.slot.conduct}.  A request holds a ticket, then a lease,
and may leave at any time; what others wait for goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from ler.errors import RouterError
from ler.interfaces import IEngine, IEngineWatcher, IMemory, IPolicy, Residency
from ler.slot.adoption import adopt
from ler.slot.conduct import Conduct
from ler.slot.leases import Lease
from ler.slot.options import SlotOptions
from ler.slot.states import Input, State
from ler.slot.swap import Swap, Swapper
from ler.slot.tickets import Order
from ler.slot.token import LoadingToken


@implementer(IEngineWatcher)
class Slot:
    """
    Guards one place in memory for a family of rivals.
    """

    def __init__(
        self,
        name: str,
        engines: Mapping[str, IEngine],
        *,
        policy: IPolicy,
        memory: IMemory,
        token: LoadingToken,
        clock: IReactorTime,
        options: SlotOptions,
        swapped: Callable[[Swap], None] = lambda swap: None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """
        @param name: how logs and metrics call the slot.
        @param engines: the rivals, by key.
        @param token: the one loading token of all slots.
        @param swapped: called with every finished L{Swap}.
        @param wall: the time of day, for the history.
        """
        self.name = name
        self._engines = engines
        self._clock = clock
        conduct = self._conduct = Conduct(
            name,
            engines,
            Swapper(engines, memory, token, clock, swapped, wall),
            policy,
            clock,
            options,
        )
        self._machine, self._demand = conduct.machine, conduct.demand
        self._watchers: list[Callable[[], None]] = []
        conduct.machine.moved = conduct.swapper.moved = self._moved
        for engine in engines.values():
            engine.watch(self)

    # What others may ask of a slot.

    def adopt(self) -> None:
        """
        Find out what the engines hold already; until that is known, requests
        wait.  Called once, first.
        """
        self._machine.perform(adopt(self._engines), Input.PROBED, Input.PROBE_FAILED)

    def acquire(self, target: Residency) -> Deferred[Lease]:
        """
        Ask to be let in to C{target}.

        @return: a L{Deferred} firing with a L{Lease}, or failing with a
            L{RouterError}.  Cancelling it withdraws the request.
        """
        ticket = self._demand.issue(target, lambda: self._machine.feed(Input.WITHDRAW))
        self._machine.feed(Input.ACQUIRE, ticket)
        return ticket.granted

    def order(self, target: Residency | None) -> Deferred[None]:
        """
        Bring C{target} into the slot now, or empty it, whatever the policy
        says.  A later order takes the place of an unfinished one.

        @return: L{Order.done}.
        """
        order = Order(target)
        self._machine.feed(Input.ORDER, order)
        return order.done

    def pause(self, reason: str) -> Deferred[None]:
        """
        Give the memory back, and refuse every request with C{reason} until
        L{resume}.

        @return: as L{order}.
        """
        self._demand.pause(reason)
        return self.order(None)

    def resume(self) -> None:
        """
        End a pause.  What comes next is decided by the next request.
        """
        self._demand.paused = None
        self._moved()

    def preload(self, target: Residency) -> None:
        """
        Bring C{target} up, unless something is there or somebody waits: what
        is asked for goes first.  Before the slot has found that out, the
        first call counts.
        """
        self._machine.feed(Input.PRELOAD, target)

    def close(self, leave: bool = False) -> Deferred[None]:
        """
        Let running answers end, briefly, and close every engine.  Called once,
        last.

        @param leave: whether a ready resident is left running instead.
        @return: a L{Deferred} firing with L{None} when all is done.
        """
        closed: Deferred[None] = Deferred()
        self._machine.feed(Input.CLOSE, leave, closed)
        return closed

    def engine_lost(self, key: str, reason: RouterError) -> None:
        """
        @see: L{IEngineWatcher.engine_lost}
        """
        self._machine.feed(Input.LOST, key, reason)

    # What others may see of a slot.

    def watch(self, moved: Callable[[], None]) -> None:
        """
        @param moved: called whenever the slot may look different: with every
            request.  It only takes note of that.
        """
        self._watchers.append(moved)

    @property
    def state(self) -> State:
        """
        @return: the state, for reports; whoever wants something says so and
            does not branch on this.
        """
        return self._machine.state

    @property
    def resident(self) -> Residency | None:
        """
        @return: what is there to answer, or L{None}.
        """
        return self._conduct.resident

    def serves_at_once(self, target: Residency) -> bool:
        """
        @return: whether a request for C{target} neither waits nor makes another
            wait.
        """
        return self.state is State.READY and self.resident == target and not self.waiting

    @property
    def waiting(self) -> int:
        """
        @return: how many requests wait.
        """
        return len(self._demand.queue)

    @property
    def running(self) -> Mapping[str, int]:
        """
        @return: how many requests each engine is answering.
        """
        counts = self._conduct.leases.by_engine()
        return {key: counts[key] for key in self._engines}

    def describe(self) -> dict[str, Any]:
        """
        @return: the slot as C{/status} shows it.
        """
        now = self._clock.seconds()
        swap, last_swaps = self._conduct.swapper.describe()
        return {
            "slot": self.name,
            "state": self.state.value,
            "for_s": round(now - self._machine.since, 3),
            "resident": None if self.resident is None else str(self.resident),
            "paused": self._demand.paused,
            "stuck": str(self._demand.shut) if self.state is State.BLOCKED else None,
            "in_flight": len(self._conduct.leases),
            "queue": [
                {
                    "target": str(line.target),
                    "waiting": line.length,
                    "oldest_s": round(now - line.since, 3),
                }
                for line in self._demand.queue.lines()
            ],
            "swap": swap,
            "last_swaps": last_swaps,
        }

    def _moved(self) -> None:
        for moved in self._watchers:
            moved()
