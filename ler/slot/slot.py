# -*- test-case-name: ler.test.test_slot -*-
"""
The slot: one place in memory, and what it does about requests, orders and
losses.

L{ler.slot.states} holds the whole machine as a table; here are the methods it
names.  The work that takes time (probing, freeing, settling, starting) belongs
to a state, and its end is an input like any other.  What is wanted of the slot,
and what speaks against it, is told by L{ler.slot.demand}.

The slot owns its swaps.  A request holds a ticket, then a lease, and may leave
at any time; what others wait for goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from ler.errors import CutByDrain, EngineDied, EngineStuck, RouterError, ShuttingDown, Withdrawn
from ler.interfaces import IEngine, IEngineWatcher, IMemory, IPolicy, Residency
from ler.slot.adoption import adopt
from ler.slot.closing import CUT_GRACE_S, wind_up
from ler.slot.demand import Demand
from ler.slot.gathering import free_all
from ler.slot.leases import Lease, Leases, cut
from ler.slot.machine import Machine
from ler.slot.policy import EVERYONE, SlotView
from ler.slot.states import TABLE, Input, State
from ler.slot.swap import Swap, Swapper
from ler.slot.tickets import Order, Ticket
from ler.slot.token import LoadingToken

BLOCKED_RETRY_S = 5.0
"""How often an engine that would not stop is looked at again."""

LOST_GRACE_S = 0.2
"""How long the leases of a lost engine may read what it sent before its end."""

MEMORY_MOVES = frozenset({State.FREEING, State.SETTLING, State.STARTING})


@dataclass(frozen=True)
class SlotOptions:
    """
    The settings of a slot.

    @ivar drain_timeout: seconds that running answers may take once a swap is
        due; L{None} for as long as they like.
    @ivar orphan_grace: seconds that a start goes on unwanted while another
        model is wanted.
    @ivar max_queue: how many requests may wait.
    @ivar restore: whether a failed start brings the previous engine back.
    """

    drain_timeout: float | None = 300.0
    orphan_grace: float = 30.0
    max_queue: int = 10000
    restore: bool = False


@implementer(IEngineWatcher)
class Slot:
    """
    Guards one place in memory for a family of rivals.
    """

    _log = Logger()

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
        self._policy = policy
        self._clock = clock
        self._options = options
        self._machine: Machine[State, Input] = Machine(
            f"slot {name}", State.ADOPTING, TABLE, self, clock
        )
        self._swapper = Swapper(engines, memory, token, clock, swapped, wall)
        self._demand = Demand(engines, options.max_queue, clock)
        self._leases = Leases()
        self._gone_at_boot: dict[str, RouterError] = {}

        self._resident: Residency | None = None
        self._restore: Residency | None = None
        self._unwanted_since: float | None = None
        self._closed: Deferred[None] | None = None
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

    def close(self, leave: bool = False) -> Deferred[None]:
        """
        Let running answers end, briefly, and stop every engine.  Called once,
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
        return self._resident

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
        counts = self._leases.by_engine()
        return {key: counts[key] for key in self._engines}

    def describe(self) -> dict[str, Any]:
        """
        @return: the slot as C{/status} shows it.
        """
        now = self._clock.seconds()
        swap, last_swaps = self._swapper.describe()
        return {
            "slot": self.name,
            "state": self.state.value,
            "for_s": round(now - self._machine.since, 3),
            "resident": None if self._resident is None else str(self._resident),
            "paused": self._demand.paused,
            "stuck": str(self._demand.shut) if self.state is State.BLOCKED else None,
            "in_flight": len(self._leases),
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

    # Tickets and leases.

    def _arrive(self, ticket: Ticket) -> None:
        """
        A request wants in: it waits, unless something speaks against it.
        """
        self._demand.line_up(ticket, self._resident)
        self._demand.limit(ticket)

    def _arrive_now(self, ticket: Ticket) -> None:
        """
        A request wants in, and may be served at once.
        """
        self._demand.line_up(ticket, self._resident)
        self._consider()
        self._demand.limit(ticket)

    def _arrive_starting(self, ticket: Ticket) -> None:
        self._arrive(ticket)
        self._mind_orphan()

    def _left_draining(self) -> None:
        incoming = self._swapper.swap.incoming
        if incoming is not None and not self._demand.wants(incoming):
            self._stay("nobody wants the switch any more")

    def _let_in(self, target: Residency, before: float = EVERYONE) -> None:
        """
        Grant a lease to those who wait for C{target}, the resident, and have
        a lower number than C{before}.
        """
        for ticket in self._demand.queue.take(target, before):
            lease = Lease(
                self._engines[target.engine],
                target,
                lambda lease: self._machine.feed(Input.RELEASE, lease),
            )
            self._leases.add(lease)
            ticket.grant(lease)

    def _ended(self, lease: Lease) -> None:
        self._leases.ended(lease)

    def _ended_ready(self, lease: Lease) -> None:
        self._leases.ended(lease)
        self._consider()

    def _ended_draining(self, lease: Lease) -> None:
        self._leases.ended(lease)
        if not self._leases:
            self._free("drained")

    # Deciding.

    def _consider(self) -> None:
        """
        The resident is ready, or there is none: ask the operator's order
        first, then the policy, what to do.
        """
        self._machine.forget()
        order, queue = self._demand.order, self._demand.queue
        if order is not None:
            if order.target != self._resident:
                self._commit(order.target, "operator")
                return
            self._demand.fulfil()
        if not queue:
            return
        decision = self._policy.decide(
            SlotView(self._clock.seconds(), self._resident, len(self._leases), queue.lines())
        )
        if self._resident is not None:
            self._let_in(self._resident, decision.admit_before)
        # Those who wanted the switch may have left in answer to who was let in.
        if decision.switch is not None and queue.wanted(decision.switch):
            self._commit(decision.switch, "request")
        elif decision.look_again is not None:
            self._machine.remind(decision.look_again - self._clock.seconds(), Input.TICK)

    def _commit(self, target: Residency | None, cause: str) -> None:
        """
        Begin the swap to C{target}; from here on nobody is admitted.
        """
        outgoing = self._resident
        shortfall = None if target is None else self._swapper.shortfall(outgoing, target)
        if target is not None and shortfall is not None:
            self._demand.give_up(target, shortfall)
            self._consider()
            return
        self._swapper.begin(outgoing, target, cause)
        if outgoing is None:
            self._settle(cause)
            return
        self._enter(State.DRAINING, cause)
        self._swapper.draining()
        if not self._leases:
            self._free("nothing runs")
        elif self._options.drain_timeout is not None:
            self._machine.remind(self._options.drain_timeout, Input.DRAIN_EXPIRED)

    def _stay(self, cause: str) -> None:
        """
        Take a committed switch back; nothing has been stopped yet.
        """
        self._swapper.undo()
        self._enter(State.READY, cause)
        self._consider()

    def _enter(self, state: State, cause: str) -> None:
        self._machine.enter(state, cause)
        if state not in MEMORY_MOVES:
            self._swapper.rest()

    # Orders.

    def _ordered(self, order: Order) -> None:
        """
        Take the order; it is considered when the work in hand is done.
        """
        self._restore = None
        self._demand.replace_order(order)

    def _ordered_now(self, order: Order) -> None:
        self._ordered(order)
        self._consider()

    def _ordered_draining(self, order: Order) -> None:
        self._ordered(order)
        if order.target != self._swapper.swap.incoming:
            self._stay("the operator wants something else")

    def _ordered_starting(self, order: Order) -> None:
        self._ordered(order)
        if order.target == self._swapper.swap.incoming:
            self._mind_orphan()
        else:
            self._abandon_start("the operator wants something else")

    def _ordered_in_vain(self, order: Order) -> None:
        order.fulfil(self._demand.shut)

    # Draining and freeing.

    def _drain_expired(self) -> None:
        self._log.warn(
            "slot {slot}: {count} answers outlast the drain and are cut",
            slot=self.name,
            count=len(self._leases),
        )
        self._machine.remind(CUT_GRACE_S, Input.CUT_EXPIRED)
        reason = "the answer outlasted drain_timeout_s while another model was due"
        self._leases.cut(CutByDrain(reason, retry_after=5.0))

    def _cut_expired(self) -> None:
        self._leases.give_up()
        self._free("cut")

    def _free(self, cause: str) -> None:
        if self._resident is not None:
            self._demand.stopped(self._resident.engine)
        self._resident = None
        self._enter(State.FREEING, cause)
        self._machine.perform(self._swapper.free(), Input.FREED, Input.FREE_FAILED)

    def _freed(self, _: object) -> None:
        self._settle("freed")

    def _block(self, reason: RouterError) -> None:
        """
        Something does not go: nothing exclusive may start beside it.
        """
        self._log.error("slot {slot}: {reason}", slot=self.name, reason=reason.message)
        if self._swapper.current is not None:
            self._swapper.end(reason)
        self._enter(State.BLOCKED, "stuck")
        stuck = self._still_blocked(reason)
        self._demand.refuse_all(stuck)
        self._demand.fulfil(stuck)

    def _still_blocked(self, reason: RouterError) -> EngineStuck:
        stuck = self._demand.shut = EngineStuck(reason.message, retry_after=BLOCKED_RETRY_S)
        self._machine.remind(BLOCKED_RETRY_S, Input.RETRY)
        return stuck

    def _retry(self) -> None:
        self._machine.perform(free_all(self._engines.values()), Input.FREED, Input.FREE_FAILED)

    def _unblocked(self, _: object) -> None:
        self._demand.shut = None
        self._swapper.begin(None, None, "unstuck")
        self._settle("unstuck")

    # Settling.

    def _settle(self, cause: str) -> None:
        self._enter(State.SETTLING, cause)
        self._machine.perform(self._swapper.settle(), Input.SETTLED, Input.SETTLE_FAILED)

    def _settled(self, _: object) -> None:
        swap = self._swapper.swap
        if swap.incoming is not None and self._wanted(swap.incoming, swap.cause):
            self._start()
        else:
            self._swapper.end()
            self._rest("settled")

    def _settle_failed(self, reason: RouterError) -> None:
        target = self._swapper.swap.incoming
        self._swapper.end(reason)
        if target is not None:
            self._demand.give_up(target, reason)
        self._rest("no room")

    def _wanted(self, target: Residency, cause: str) -> bool:
        """
        @return: whether to go on and start C{target}.
        """
        nothing_else = self._demand.order is None and not self._demand.queue
        return self._demand.wants(target) or (cause == "restore" and nothing_else)

    def _rest(self, cause: str) -> None:
        """
        The slot is empty; see what is wanted now.
        """
        self._enter(State.EMPTY, cause)
        self._consider()
        restore, self._restore = self._restore, None
        if self.state is State.EMPTY and restore is not None and self._demand.paused is None:
            self._commit(restore, "restore")

    # Starting.

    def _start(self) -> None:
        self._enter(State.STARTING, "room")
        self._unwanted_since = None
        self._machine.perform(self._swapper.start(), Input.STARTED, Input.START_FAILED)
        self._mind_orphan()

    def _started(self, _: object) -> None:
        target = self._resident = self._swapper.swap.incoming
        assert target is not None
        self._demand.started(target.engine)
        self._swapper.end()
        self._enter(State.READY, "ready")
        # The turn was paid for: all who waited for it are served before a
        # policy may end it.
        self._let_in(target)
        self._consider()

    def _start_failed(self, reason: RouterError) -> None:
        swap = self._swapper.swap
        target = swap.incoming
        assert target is not None
        self._log.error(
            "slot {slot}: {engine} did not start: {reason}",
            slot=self.name,
            engine=target.engine,
            reason=reason.message,
        )
        if self._options.restore:
            self._restore = swap.outgoing
        self._swapper.end(reason)
        self._demand.start_failed(target, reason)
        self._swapper.begin(target, None, "failed")
        self._free("start failed")

    def _mind_orphan(self) -> None:
        """
        A start that nobody waits for goes on, unless another model has been
        wanted, and this one not, for long enough.
        """
        target = self._swapper.swap.incoming
        assert target is not None
        self._machine.forget()
        if self._demand.wants(target):
            self._unwanted_since = None
            return
        now = self._clock.seconds()
        if self._unwanted_since is None:
            self._unwanted_since = now
        if self._demand.queue:
            due = self._unwanted_since + self._options.orphan_grace
            self._machine.remind(due - now, Input.ORPHANED)

    def _orphaned(self) -> None:
        self._abandon_start("nobody waits for it any more")

    def _abandon_start(self, cause: str) -> None:
        target = self._swapper.swap.incoming
        self._machine.abandon()
        self._swapper.end(Withdrawn(cause))
        self._swapper.begin(target, None, "abandoned")
        self._free(cause)

    # Losing an engine.

    def _lost_at_boot(self, key: str, reason: RouterError) -> None:
        self._gone_at_boot[key] = reason

    def _lost_ready(self, key: str, reason: RouterError) -> None:
        if self._is_resident(key):
            self._mourn(key, reason)
            self._swapper.begin(self._resident, None, "lost")
            self._free("lost")

    def _lost_draining(self, key: str, reason: RouterError) -> None:
        if self._is_resident(key):
            self._mourn(key, reason)
            self._free("lost")

    def _is_resident(self, key: str) -> bool:
        return self._resident is not None and self._resident.engine == key

    def _mourn(self, key: str, reason: RouterError) -> None:
        self._log.error(
            "slot {slot}: engine {engine} is lost: {reason}",
            slot=self.name,
            engine=key,
            reason=reason.message,
        )
        self._demand.lost(key, reason)
        if self._leases:
            doomed = self._leases.give_up()
            self._clock.callLater(LOST_GRACE_S, cut, doomed, EngineDied(reason.message))

    # The beginning and the end.

    def _probed(self, resident: Residency | None) -> None:
        if resident is None:
            self._rest("nothing runs")
            return
        self._resident = resident
        gone = self._gone_at_boot.get(resident.engine)
        if gone is not None:
            self._lost_ready(resident.engine, gone)
        else:
            self._enter(State.READY, "adopted")
            self._consider()

    def _close(self, leave: bool, closed: Deferred[None]) -> None:
        self._closed = closed
        self._machine.abandon()
        self._swapper.undo()
        self._enter(State.CLOSING, "the router stops")
        reason = self._demand.shut = ShuttingDown("the router is stopping", retry_after=5.0)
        self._demand.refuse_all(reason)
        self._demand.fulfil(reason)
        kept = self._resident.engine if leave and self._resident is not None else None
        self._machine.perform(
            wind_up(self._engines, kept, self._leases, reason, self._clock),
            Input.CLOSED,
            Input.CLOSED,
        )

    def _all_closed(self, error: RouterError | None) -> None:
        if error is not None:
            self._log.error(
                "slot {slot}: not everything stopped: {reason}",
                slot=self.name,
                reason=error.message,
            )
        assert self._closed is not None
        self._closed.callback(None)

    def _ignore(self, *details: object) -> None:
        """
        Foreseen, and of no consequence in this state.
        """
