# -*- test-case-name: ler.test.test_swap -*-
"""
One swap: its phases, done one by one when the slot says so, and its record.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.interfaces import IReactorTime

from ler.errors import InsufficientMemory, RouterError
from ler.interfaces import IEngine, IMemory, IRelease, Residency, SettleReport
from ler.slot.succession import Succession
from ler.slot.token import LoadingToken

HISTORY = 50
"""How many finished swaps are remembered."""


class Swap:
    """
    The record of one change of what is in the slot.

    @ivar outgoing: what goes, or L{None} when the slot is empty.
    @ivar incoming: what comes, or L{None} when the slot is only emptied.
    @ivar cause: why, in a word: C{request}, C{operator}, C{idle}, C{lost},
        C{failed}, C{abandoned}, C{restore}, C{preload}, C{crowded},
        C{reload} or C{unstuck}.
    @ivar phases: seconds by name: C{drain}, C{free}, C{settle}, C{start}.
    @ivar report: how the memory settled, once it has.
    @ivar error: the L{RouterError} for which the swap failed, or L{None}.
    @ivar seconds: how long it took, once it is over.
    """

    def __init__(
        self,
        outgoing: Residency | None,
        incoming: Residency | None,
        cause: str,
        now: float,
        wall: float,
    ) -> None:
        self.outgoing = outgoing
        self.incoming = incoming
        self.cause = cause
        self.phases: dict[str, float] = {}
        self.report: SettleReport | None = None
        self.error: RouterError | None = None
        self.seconds: float | None = None
        self._began = now
        self._wall = wall
        self._phase: str | None = None
        self._phase_began = now

    def enter(self, phase: str | None, now: float) -> None:
        """
        Begin C{phase}, which ends the one before.
        """
        if self._phase is not None:
            spent = now - self._phase_began
            self.phases[self._phase] = self.phases.get(self._phase, 0.0) + spent
        self._phase = phase
        self._phase_began = now

    def end(self, now: float, error: RouterError | None) -> None:
        """
        The swap is over.
        """
        self.enter(None, now)
        self.seconds = now - self._began
        self.error = error

    def spent(self, now: float) -> dict[str, float]:
        """
        @return: the phases so far, with that under way.
        """
        phases = dict(self.phases)
        if self._phase is not None:
            phases[self._phase] = phases.get(self._phase, 0.0) + now - self._phase_began
        return phases

    @property
    def paid(self) -> float:
        """
        @return: what it cost: the phases in which nobody could be answered.
        """
        return sum(spent for phase, spent in self.phases.items() if phase != "drain")

    def describe(self, now: float) -> dict[str, Any]:
        """
        @return: the record as C{/status} shows it.
        """
        return {
            "from": None if self.outgoing is None else str(self.outgoing),
            "to": None if self.incoming is None else str(self.incoming),
            "cause": self.cause,
            "at": round(self._wall, 3),
            "duration_s": round(now - self._began if self.seconds is None else self.seconds, 4),
            "phase": self._phase,
            "phases": {name: round(spent, 4) for name, spent in self.spent(now).items()},
            "ok": None if self.seconds is None else self.error is None,
            "error": None if self.error is None else self.error.message,
            "settle": None if self.report is None else self.report.verdict,
        }


class Swapper:
    """
    Does the phases of the swaps of one slot, one swap at a time.

    Every phase that moves memory holds the loading token; L{rest} gives it
    back.

    @ivar current: the L{Swap} that is under way, or L{None}.
    @ivar moved: called when a phase has begun.
    """

    def __init__(
        self,
        engines: Mapping[str, IEngine],
        memory: IMemory,
        token: LoadingToken,
        clock: IReactorTime,
        swapped: Callable[[Swap], None],
        wall: Callable[[], float] = time.time,
        succession: Succession | None = None,
    ) -> None:
        """
        @param token: the one loading token of all slots.
        @param swapped: called with every finished L{Swap}.
        @param wall: the time of day, for the record.
        @param succession: that of all slots.
        """
        self.current: Swap | None = None
        self.moved: Callable[[], None] = lambda: None
        self._engines = engines
        self._memory = memory
        self._token = token
        self._clock = clock
        self._swapped = swapped
        self._wall = wall
        self._succession = Succession() if succession is None else succession
        self._history: deque[Swap] = deque(maxlen=HISTORY)
        self._release: IRelease | None = None
        self._has_token = False

    @property
    def swap(self) -> Swap:
        """
        @return: the swap that is known to be under way.
        """
        assert self.current is not None
        return self.current

    def begin(self, outgoing: Residency | None, incoming: Residency | None, cause: str) -> None:
        """
        Open the record of a swap, and watch the memory from now on.
        """
        self._drop_release()
        self.current = Swap(outgoing, incoming, cause, self._clock.seconds(), self._wall())
        self._release = self._memory.begin(
            _account(outgoing),
            _account(incoming),
            self._engines[outgoing.engine].alive if outgoing else lambda: False,
        )

    def shortfall(self, outgoing: Residency | None, incoming: Residency) -> RouterError | None:
        """
        @see: L{IMemory.shortfall}
        """
        error: RouterError | None = self._memory.shortfall(_account(outgoing), str(incoming))
        return error

    def draining(self) -> None:
        """
        The slot waits for running answers.
        """
        self._enter("drain")

    async def free(self) -> None:
        """
        Stop the outgoing engine.

        @raise EngineStuck: when it does not go.
        """
        await self._hold_token()
        self._enter("free")
        outgoing = self.swap.outgoing
        if outgoing is not None:
            if self._release is not None:
                self._release.stopping()
            await self._engines[outgoing.engine].free()

    async def settle(self) -> None:
        """
        Wait until the memory has come back.

        @raise InsufficientMemory: when it is clear that the incoming engine's
            configured need will not be free.
        """
        release, swap = self._release, self.swap
        incoming = None if swap.incoming is None else self._engines.get(swap.incoming.engine)
        if incoming is not None and self._succession.awaits(incoming):
            # Another slot frees the one before it, for which it needs the token.
            self.rest()
            await self._succession.departed(incoming)
        await self._hold_token()
        self._enter("settle")
        assert release is not None
        report: SettleReport = await release.wait()
        self._release = None
        swap.report = report
        if report.verdict == "insufficient" and swap.incoming is not None:
            raise InsufficientMemory(
                str(swap.incoming),
                report.need or 0,
                report.available or 0,
                str(report.fields.get("detail", "")),
            )

    async def start(self) -> None:
        """
        Bring the incoming engine up.

        @raise RouterError: when it does not come.
        """
        await self._hold_token()
        self._enter("start")
        incoming = self.swap.incoming
        assert incoming is not None
        await self._succession.tidy(incoming.engine)
        self._memory.starting(str(incoming))
        await self._engines[incoming.engine].bring_up(incoming.model)
        self._memory.started(str(incoming))

    def end(self, error: RouterError | None = None) -> None:
        """
        The swap is over; it goes into the history.
        """
        swap, self.current = self.swap, None
        self._drop_release()
        swap.end(self._clock.seconds(), error)
        self._history.append(swap)
        self._swapped(swap)

    def undo(self) -> None:
        """
        The swap was taken back before anything happened.
        """
        self.current = None
        self._drop_release()

    def rest(self) -> None:
        """
        Nothing moves memory now: others may.
        """
        if self._has_token:
            self._has_token = False
            self._token.release()

    def describe(self) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
        """
        @return: the current swap and the finished ones, newest first.
        """
        now = self._clock.seconds()
        current = None if self.current is None else self.current.describe(now)
        return current, [swap.describe(now) for swap in reversed(self._history)]

    def _enter(self, phase: str) -> None:
        self.swap.enter(phase, self._clock.seconds())
        self.moved()

    async def _hold_token(self) -> None:
        if not self._has_token:
            await self._token.acquire()
            self._has_token = True

    def _drop_release(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            release.cancel()


def _account(residency: Residency | None) -> str | None:
    """
    @return: how the memory calls C{residency}.
    """
    return None if residency is None else str(residency)
