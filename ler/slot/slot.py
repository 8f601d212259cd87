# -*- test-case-name: ler.test.test_slot -*-
"""
The slot: one place in memory, as requests, the operator and reports see it.

Whatever is asked of a slot becomes an input of its machine; what it does about
each is told by L{ler.slot.conduct}.  A request holds a ticket, then a lease,
and may leave at any time; what others wait for goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from ler.errors import DeadlineMissed, RouterError
from ler.interfaces import IEngine, IEngineWatcher, IMemory, IPolicy, IStateStore, Residency
from ler.slot.adoption import adopt
from ler.slot.conduct import Conduct
from ler.slot.estimates import Estimates
from ler.slot.forecast import Expectation
from ler.slot.leases import Admission, Lease
from ler.slot.options import SlotOptions
from ler.slot.record import Answered
from ler.slot.roster import Reload, Roster
from ler.slot.states import Input, State
from ler.slot.succession import Succession
from ler.slot.swap import Swap, Swapper
from ler.slot.tickets import Order
from ler.slot.token import LoadingToken
from ler.slot.wish import ORDINARY, Priority, Wish

SECTION = "slots"
"""Where the state store keeps what the slots have learned, by their names."""


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
        store: IStateStore | None = None,
        swapped: Callable[[Swap], None] = lambda swap: None,
        answered: Callable[[Answered], None] = lambda answered: None,
        wall: Callable[[], float] = time.time,
        succession: Succession | None = None,
        replaced: Callable[[str], None] = lambda key: None,
    ) -> None:
        """
        @param name: how logs and metrics call the slot.
        @param engines: the rivals, by key.
        @param token: the one loading token of all slots.
        @param store: keeps what was learned over a restart, if anything does.
        @param swapped: called with every finished L{Swap}.
        @param answered: called with every request that was let in and has
            ended, other than by the loss of its engine.
        @param wall: the time of day, for the history.
        @param succession: that of all slots.
        @param replaced: called with the key of an engine when another one, or
            none, has taken its place.
        """
        self.name = name
        self._succession = Succession() if succession is None else succession
        self._roster = Roster(engines, self._succession, self._take_over)
        self._replaced = replaced
        self._policy = policy
        self._clock = clock
        self._options = options
        self._store = store
        self._swapped = swapped
        self._answered = answered
        self._wall = wall
        self._estimates = Estimates()
        self._estimates.restore(self._kept().get(name), engines)
        conduct = self._conduct = Conduct(
            name,
            self._roster,
            Swapper(
                self._roster.engines, memory, token, clock, self._learn, wall, self._succession
            ),
            policy,
            self._estimates,
            clock,
            options,
            self._note,
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
        self._machine.perform(self._adopt(), Input.PROBED, Input.PROBE_FAILED)

    async def _adopt(self) -> Sequence[Residency]:
        for engine in tuple(self._roster.engines.values()):
            await self._succession.clear(engine)
        # One that goes before it was ever looked at is none of ours.
        return await adopt(
            {
                key: engine
                for key, engine in self._roster.engines.items()
                if not self._roster.is_going(key)
            }
        )

    def acquire(self, target: Residency, wish: Wish = ORDINARY) -> Deferred[Lease]:
        """
        Ask to be let in to C{target}.

        @param wish: how the request would like to be treated.
        @return: a L{Deferred} firing with a L{Lease}, or failing with a
            L{RouterError}.  Cancelling it withdraws the request.
        """
        if wish.deadline is None:
            wish = replace(wish, deadline=self._options.deadline)
        ticket = self._demand.issue(target, wish, lambda: self._machine.feed(Input.WITHDRAW))
        self._machine.feed(Input.ACQUIRE, ticket)
        if wish.deadline is not None:
            ticket.granted.addTimeout(
                wish.deadline, self._clock, lambda _, deadline: self._missed(target, deadline)
            )
        return ticket.granted

    def _missed(self, target: Residency, deadline: float) -> NoReturn:
        raise DeadlineMissed(
            f"{target} was not there within the {deadline:g} s that the request allows; ask "
            "again, or allow more",
            retry_after=self._conduct.outlook.retry_after(target),
        )

    def keep(self, target: Residency, seconds: float) -> None:
        """
        A client of C{target} tells how long it will want it.  In this turn the
        memory is given back after that many seconds without a request, if it
        is not given back sooner anyway.

        @param seconds: 0 for as soon as nothing runs and nobody waits,
            L{NEVER<ler.slot.wish.NEVER>} for as it is configured.
        """
        self._machine.feed(Input.KEEP, target, seconds)

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

    def reload(self, reload: Reload) -> None:
        """
        The configuration has changed.  Requests that run go on, and those that
        wait do, unless there is an objection.
        """
        self._policy, self._options = reload.policy, reload.options
        self._machine.feed(Input.RELOADED, reload)

    def close(self, leave: bool = False) -> Deferred[None]:
        """
        Let running answers end, briefly, and close every engine.  Called once,
        last.

        @param leave: whether a ready resident is left running instead.
        @return: a L{Deferred} firing with L{None} when all is done.
        """
        self._save()
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
        return (
            self.state is State.READY
            and self.resident == target
            and not self.waiting
            and len(self._conduct.leases) < self._options.places(target)
        )

    def expect(self, target: Residency, priority: Priority = Priority.INTERACTIVE) -> Expectation:
        """
        @return: what a request for C{target} may expect that would come now.
        """
        return self._conduct.outlook.expect(target, priority)

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
        return {key: counts[key] for key in self._roster.engines}

    @property
    def spent(self) -> bool:
        """
        @return: whether it has no engine any more, and nothing is left of those
            that it had.
        """
        return self.state is State.EMPTY and not self._roster.engines

    def is_stale(self, engine: str) -> bool:
        """
        @return: whether C{engine} is in use here, though it is configured
            otherwise by now, or not at all.
        """
        return self._roster.is_stale(engine)

    def describe(self) -> dict[str, Any]:
        """
        @return: the slot as C{/status} shows it.
        """
        swap, last_swaps = self._conduct.swapper.describe()
        return {
            "slot": self.name,
            "state": self.state.value,
            "for_s": round(self._clock.seconds() - self._machine.since, 3),
            "resident": None if self.resident is None else str(self.resident),
            "paused": self._demand.paused,
            "stuck": str(self._demand.shut) if self.state is State.BLOCKED else None,
            "in_flight": len(self._conduct.leases),
            "policy": self._policy.name,
            **self._conduct.outlook.describe(),
            "swap": swap,
            "last_swaps": last_swaps,
        }

    def _take_over(self, key: str, engine: IEngine | None) -> None:
        if engine is not None:
            engine.watch(self)
        self._demand.forget(key)
        self._replaced(key)

    # What is learned.

    def _learn(self, swap: Swap) -> None:
        self._estimates.swapped(swap)
        self._save()
        self._swapped(swap)

    def _note(self, admission: Admission, paid: float) -> None:
        now = self._clock.seconds()
        self._answered(
            Answered(
                at=self._wall() - (now - admission.arrived),
                slot=self.name,
                target=admission.target,
                priority=admission.priority,
                waited=admission.begun - admission.arrived,
                service=now - admission.begun,
                swap=paid or None,
            )
        )

    def _save(self) -> None:
        if self._store is not None:
            self._store.put(SECTION, {**self._kept(), self.name: self._estimates.as_json()})

    def _kept(self) -> dict[str, Any]:
        """
        @return: what the store keeps of all slots.
        """
        kept = None if self._store is None else self._store.get(SECTION)
        return kept if isinstance(kept, dict) else {}

    def _moved(self) -> None:
        for moved in self._watchers:
            moved()
