# -*- test-case-name: ler.test.test_slot -*-
"""
How a slot behaves: what it does about requests, orders and losses.

L{ler.slot.states} holds the whole machine as a table; here are the methods it
names.  The work that takes time (probing, freeing, settling, starting) belongs
to a state, and its end is an input like any other.  What is wanted of the slot,
and what speaks against it, is told by L{ler.slot.demand}.

The slot owns its swaps, never a request.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel

from ler.errors import (
    CutByDrain,
    EngineDied,
    EngineStuck,
    ModelUnloaded,
    RouterError,
    ShuttingDown,
    Withdrawn,
)
from ler.interfaces import IPolicy, Residency
from ler.slot.closing import CUT_GRACE_S, wind_up
from ler.slot.demand import Demand
from ler.slot.estimates import Estimates
from ler.slot.gathering import free_all
from ler.slot.leases import Admission, Lease, Leases
from ler.slot.machine import Machine
from ler.slot.options import SlotOptions
from ler.slot.orphan import Orphan
from ler.slot.outlook import Outlook
from ler.slot.roster import Reload, Roster
from ler.slot.states import MEMORY_MOVES, TABLE, Input, State
from ler.slot.swap import Swapper
from ler.slot.tickets import Order, Ticket
from ler.slot.turn import Switch, Turn

BLOCKED_RETRY_S = 5.0
"""How often an engine that would not stop is looked at again."""


class Conduct:
    """
    What one slot does about each input.

    @ivar machine: where the slot stands; inputs are fed to it.
    @ivar demand: what is wanted of it.
    @ivar leases: the requests that run.
    @ivar swapper: the swap that is under way, and those before.
    @ivar outlook: what requests may expect.
    @ivar resident: what is there to answer, or L{None}.
    """

    _log = Logger()

    def __init__(
        self,
        name: str,
        roster: Roster,
        swapper: Swapper,
        policy: IPolicy,
        estimates: Estimates,
        clock: IReactorTime,
        options: SlotOptions,
        answered: Callable[[Admission, float], None],
    ) -> None:
        """
        @param name: how logs call the slot.
        @param roster: the rivals.
        @param answered: as of L{Turn}.
        """
        self.machine: Machine[State, Input] = Machine(
            f"slot {name}", State.ADOPTING, TABLE, self, clock
        )
        self.demand = Demand(options, estimates, clock)
        self.leases = Leases()
        self.swapper = swapper
        self.resident: Residency | None = None
        self._name = name
        self._roster = roster
        self._turn = Turn(
            roster.engines,
            self.demand,
            self.leases,
            policy,
            estimates,
            clock,
            options,
            lambda lease: self.machine.feed(Input.RELEASE, lease),
            answered,
        )
        self.outlook = Outlook(
            lambda: self.resident,
            self.demand.queue,
            self._turn,
            swapper,
            estimates,
            options,
            clock,
        )
        self._orphan = Orphan(self.demand, clock, options.orphan_grace)
        self._clock = clock
        self._options = options
        self._gone_at_boot: dict[str, RouterError] = {}
        self._standby: tuple[Residency, str] | None = None
        self._closed: Deferred[None] | None = None

    # Tickets and leases.

    def _arrive_adopting(self, ticket: Ticket) -> None:
        """
        A request wants in; nobody knows yet what it may expect.
        """
        self.demand.line_up(ticket, None)
        self.demand.limit(ticket, self.outlook.retry_after)

    def _arrive(self, ticket: Ticket) -> None:
        """
        A request wants in: it waits, unless something speaks against it.
        """
        self.demand.line_up(ticket, self.resident, self.outlook.unmet)
        self.demand.limit(ticket, self.outlook.retry_after)

    def _arrive_now(self, ticket: Ticket) -> None:
        """
        A request wants in, and may be served at once.
        """
        self.demand.line_up(ticket, self.resident, self.outlook.unmet)
        self._consider()
        self.demand.limit(ticket, self.outlook.retry_after)

    def _arrive_starting(self, ticket: Ticket) -> None:
        self._arrive(ticket)
        self._mind_orphan()

    def _left_draining(self) -> None:
        incoming = self.swapper.swap.incoming
        if incoming is not None and not self.demand.wants(incoming):
            self._stay("nobody wants the switch any more")

    def _ended(self, lease: Lease) -> None:
        self._turn.take_back(lease)

    def _ended_ready(self, lease: Lease) -> None:
        self._turn.take_back(lease)
        self._consider()

    def _ended_draining(self, lease: Lease) -> None:
        self._turn.take_back(lease)
        if not self.leases:
            self._free("drained")

    # Deciding.

    def _consider(self) -> None:
        """
        The resident is ready, or there is none: see what is to be done.
        """
        self.machine.forget()
        if self.resident is not None and self._roster.is_going(self.resident.engine):
            self._commit(None, "reload")
            return
        step = self._turn.consider(self.resident)
        if isinstance(step, Switch):
            self._commit(step.target, step.cause)
        elif step is not None:
            self.machine.remind(step.at - self._clock.seconds(), step.event)

    def _idle(self) -> None:
        self._commit(None, "idle")

    def _keep(self, target: Residency, seconds: float) -> None:
        if target == self.resident:
            self._turn.keep(seconds)
            self._consider()

    def _commit(self, target: Residency | None, cause: str) -> None:
        """
        Begin the swap to C{target}; from here on nobody is admitted.
        """
        outgoing = self.resident
        shortfall = None if target is None else self.swapper.shortfall(outgoing, target)
        if target is not None and shortfall is not None:
            self._log.warn("slot {slot}: {reason}", slot=self._name, reason=shortfall.message)
            self.demand.give_up(target, shortfall)
            self._consider()
            return
        self.swapper.begin(outgoing, target, cause)
        if outgoing is None:
            self._settle(cause)
            return
        self._enter(State.DRAINING, cause)
        self.swapper.draining()
        if not self.leases:
            self._free("nothing runs")
        elif self._options.drain_timeout is not None:
            self.machine.remind(self._options.drain_timeout, Input.DRAIN_EXPIRED)

    def _stay(self, cause: str) -> None:
        """
        Take a committed switch back; nothing has been stopped yet.
        """
        self.swapper.undo()
        self._enter(State.READY, cause)
        self._consider()

    def _enter(self, state: State, cause: str) -> None:
        self.machine.enter(state, cause)
        self._roster.succeed(self._busy())
        if state not in MEMORY_MOVES:
            self.swapper.rest()
        self.demand.refuse_no_swap(self.resident if state is State.READY else None)

    # Orders.

    def _ordered(self, order: Order) -> None:
        """
        Take the order; it is considered when the work in hand is done.
        """
        self._standby = None
        self.demand.replace_order(order)

    def _ordered_now(self, order: Order) -> None:
        self._ordered(order)
        self._consider()

    def _ordered_draining(self, order: Order) -> None:
        self._ordered(order)
        if order.target != self.swapper.swap.incoming:
            self._stay("the operator wants something else")

    def _ordered_starting(self, order: Order) -> None:
        self._ordered(order)
        if order.target == self.swapper.swap.incoming:
            self._mind_orphan()
        else:
            self._abandon_start("the operator wants something else")

    def _ordered_in_vain(self, order: Order) -> None:
        order.fulfil(self.demand.shut)

    # Draining and freeing.

    def _drain_expired(self) -> None:
        self._log.warn(
            "slot {slot}: {count} answers outlast the drain and are cut",
            slot=self._name,
            count=len(self.leases),
        )
        self.machine.remind(CUT_GRACE_S, Input.CUT_EXPIRED)
        reason = "the answer outlasted drain_timeout_s while another model was due"
        self.leases.cut(CutByDrain(reason, retry_after=5.0))

    def _cut_expired(self) -> None:
        self.leases.give_up()
        self._free("cut")

    def _give_back(self, cause: str) -> None:
        """
        Begin a swap to nothing in which there is nothing to drain.
        """
        self.swapper.begin(self.resident, None, cause)
        self._free(cause)

    def _free(self, cause: str) -> None:
        if self.resident is not None:
            self.demand.stopped(self.resident)
        self.resident = None
        self._enter(State.FREEING, cause)
        self.machine.perform(self.swapper.free(), Input.FREED, Input.FREE_FAILED)

    def _freed(self, _: object) -> None:
        self._settle("freed")

    def _block(self, reason: RouterError) -> None:
        """
        Something does not go: nothing exclusive may start beside it.
        """
        self._log.error("slot {slot}: {reason}", slot=self._name, reason=reason.message)
        if self.swapper.current is not None:
            self.swapper.end(reason)
        self._enter(State.BLOCKED, "stuck")
        stuck = self._still_blocked(reason)
        self.demand.refuse_all(stuck)
        self.demand.fulfil(stuck)

    def _still_blocked(self, reason: RouterError) -> EngineStuck:
        stuck = self.demand.shut = EngineStuck(reason.message, retry_after=BLOCKED_RETRY_S)
        self.machine.remind(BLOCKED_RETRY_S, Input.RETRY)
        return stuck

    def _retry(self) -> None:
        self.machine.perform(
            free_all(self._roster.engines.values()), Input.FREED, Input.FREE_FAILED
        )

    def _unblocked(self, _: object) -> None:
        self.demand.shut = None
        self.swapper.begin(None, None, "unstuck")
        self._settle("unstuck")

    # Settling.

    def _settle(self, cause: str) -> None:
        self._enter(State.SETTLING, cause)
        self.machine.perform(self.swapper.settle(), Input.SETTLED, Input.SETTLE_FAILED)

    def _settled(self, _: object) -> None:
        swap = self.swapper.swap
        incoming = swap.incoming
        belongs = incoming is not None and incoming.engine in self._roster.engines
        if incoming is not None and belongs and self.demand.still(incoming, swap.cause):
            self._start()
        else:
            self.swapper.end()
            self._rest("settled")

    def _settle_failed(self, reason: RouterError) -> None:
        target = self.swapper.swap.incoming
        self.swapper.end(reason)
        if target is not None:
            self.demand.give_up(target, reason)
        self._rest("no room")

    def _rest(self, cause: str) -> None:
        """
        The slot is empty; see what is wanted now.
        """
        self._enter(State.EMPTY, cause)
        self._consider()
        self._call_standby()

    def _call_standby(self) -> None:
        """
        Bring in what stands by, unless something else is there or wanted.
        """
        standby, self._standby = self._standby, None
        if standby is None:
            return
        target, cause = standby
        if target.engine not in self._roster.engines:
            return
        if self.machine.state is State.EMPTY and self.demand.paused is None:
            self._commit(target, cause)
        else:
            self._preload_in_vain(target)

    def _preload(self, target: Residency) -> None:
        if self._standby is None:
            self._standby = (target, "preload")
        else:
            self._preload_in_vain(target)

    def _preload_now(self, target: Residency) -> None:
        self._preload(target)
        self._call_standby()

    def _preload_in_vain(self, target: Residency) -> None:
        if target != self.resident:
            self._log.info(
                "slot {slot}: {target} does not come unasked: something else is there or wanted",
                slot=self._name,
                target=str(target),
            )

    # Starting.

    def _start(self) -> None:
        self._enter(State.STARTING, "room")
        self._orphan.begin()
        self.machine.perform(self.swapper.start(), Input.STARTED, Input.START_FAILED)
        self._mind_orphan()

    def _started(self, _: object) -> None:
        swap = self.swapper.swap
        target = self.resident = swap.incoming
        assert target is not None
        self.demand.started(target)
        self.swapper.end()
        self._turn.begin(target, swap.paid)
        self._enter(State.READY, "ready")
        self._consider()

    def _start_failed(self, reason: RouterError) -> None:
        swap = self.swapper.swap
        target = swap.incoming
        assert target is not None
        self._log.error(
            "slot {slot}: {target} did not start: {reason}",
            slot=self._name,
            target=str(target),
            reason=reason.message,
        )
        if self._options.restore and swap.outgoing is not None:
            self._standby = (swap.outgoing, "restore")
        self.swapper.end(reason)
        self.demand.start_failed(target, reason)
        self.swapper.begin(target, None, "failed")
        self._free("start failed")

    def _mind_orphan(self) -> None:
        target = self.swapper.swap.incoming
        assert target is not None
        self.machine.forget()
        due = self._orphan.due(target)
        if due is not None:
            self.machine.remind(due, Input.ORPHANED)

    def _orphaned(self) -> None:
        self._abandon_start("nobody waits for it any more")

    def _abandon_start(self, cause: str) -> None:
        target = self.swapper.swap.incoming
        self.machine.abandon()
        self.swapper.end(Withdrawn(cause))
        self.swapper.begin(target, None, "abandoned")
        self._free(cause)

    # Another configuration.

    def _reloaded(self, reload: Reload) -> None:
        """
        Take the new settings.  What is here, or comes, stays as it is until
        it goes; the rest is replaced now.
        """
        self._options = reload.options
        for part in (self.demand, self._turn, self.outlook):
            part.options = reload.options
        self._turn.policy = reload.policy
        self._orphan.grace = reload.options.orphan_grace
        self._roster.reload(reload.engines, reload.at_once, self._busy())
        self.demand.disclaim(reload.objection)

    def _reloaded_now(self, reload: Reload) -> None:
        self._reloaded(reload)
        self._consider()

    def _reloaded_starting(self, reload: Reload) -> None:
        self._reloaded(reload)
        incoming = self.swapper.swap.incoming
        assert incoming is not None
        if self._roster.is_going(incoming.engine):
            self._abandon_start("it is configured otherwise now")
        else:
            self._mind_orphan()

    def _reloaded_draining(self, reload: Reload) -> None:
        self._reloaded(reload)
        self._left_draining()

    def _busy(self) -> Collection[str]:
        """
        @return: the keys of the engines that are in use.
        """
        state, swap = self.machine.state, self.swapper.current
        if state in (State.ADOPTING, State.BLOCKED, State.CLOSING):
            return tuple(self._roster.engines)
        used = [self.resident]
        if swap is not None and state is State.STARTING:
            used.append(swap.incoming)
        if swap is not None and state is State.FREEING:
            used.append(swap.outgoing)
        return {residency.engine for residency in used if residency is not None}

    # Losing an engine.

    def _lost_at_boot(self, key: str, reason: RouterError) -> None:
        self._gone_at_boot[key] = reason

    def _lost_ready(self, key: str, reason: RouterError) -> None:
        resident = self.resident
        if resident is not None and resident.engine == key:
            self._mourn(resident, reason)
            self._give_back("lost")

    def _lost_draining(self, key: str, reason: RouterError) -> None:
        resident = self.resident
        if resident is not None and resident.engine == key:
            self._mourn(resident, reason)
            self._free("lost")

    def _mourn(self, resident: Residency, reason: RouterError) -> None:
        # A server that gave its model up has not failed: it may be asked again at once.
        failed = not isinstance(reason, ModelUnloaded)
        self._log.emit(
            LogLevel.error if failed else LogLevel.info,
            "slot {slot}: {resident} is lost: {reason}",
            slot=self._name,
            resident=str(resident),
            reason=reason.message,
        )
        if failed:
            self.demand.lost(resident, reason)
        self.leases.lose(EngineDied(reason.message), self._clock)

    # The beginning and the end.

    def _probed(self, held: Sequence[Residency]) -> None:
        """
        @param held: what is there: nothing, one resident, or several models
            of one engine, which goes, since none of them can go alone.
        """
        if not held:
            self._rest("nothing runs")
            return
        self.resident = held[0]
        gone = self._gone_at_boot.get(self.resident.engine)
        if gone is not None:
            self._lost_ready(self.resident.engine, gone)
        elif len(held) > 1:
            self._give_back("crowded")
        else:
            self._turn.begin(self.resident, 0.0)
            self._enter(State.READY, "adopted")
            self._consider()
            self._call_standby()

    def _close(self, leave: bool, closed: Deferred[None]) -> None:
        self._closed = closed
        self.machine.abandon()
        self.swapper.undo()
        self._enter(State.CLOSING, "the router stops")
        reason = self.demand.shut = ShuttingDown("the router is stopping", retry_after=5.0)
        self.demand.refuse_all(reason)
        self.demand.fulfil(reason)
        kept = self.resident.engine if leave and self.resident is not None else None
        self.machine.perform(
            wind_up(self._roster.engines, kept, self.leases, reason, self._clock),
            Input.CLOSED,
            Input.CLOSED,
        )

    def _all_closed(self, error: RouterError | None) -> None:
        if error is not None:
            self._log.error(
                "slot {slot}: not everything stopped: {reason}",
                slot=self._name,
                reason=error.message,
            )
        assert self._closed is not None
        self._closed.callback(None)

    def _ignore(self, *details: object) -> None:
        """
        Foreseen, and of no consequence in this state.
        """
