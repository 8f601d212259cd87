# -*- test-case-name: ler.test.test_memory -*-
"""
The memory of this machine, as a slot sees it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel
from zope.interface import implementer

from ler.errors import InsufficientMemory
from ler.interfaces import IMemory, IMemoryChannel, IStateStore, SettleReport
from ler.memory.hidden import HiddenMemory
from ler.memory.ledger import Ledger
from ler.memory.probes import AVAILABLE, FREE
from ler.memory.release import Release, Terms
from ler.memory.report import LINE, breakdown, line
from ler.memory.settle import (
    ALREADY_FREE,
    FROM_FREE,
    SETTLED,
    SETTLED_SHORT,
    TARGET_MET,
    TIMEOUT,
)
from ler.memory.tuning import DEFAULT_TUNING, GIB, Tuning

T = TypeVar("T")

#: Curves of past releases that are kept for C{/status}.
CURVES_KEPT = 20


@implementer(IMemory)
class Memory:
    """
    Looks at memory, keeps account of it, and waits for it.
    """

    _log = Logger()

    def __init__(
        self,
        channels: Sequence[IMemoryChannel],
        clock: IReactorTime,
        store: IStateStore,
        *,
        needs: Mapping[str, int],
        sizing: Mapping[str, str],
        timeout: float,
        assist: HiddenMemory,
        observe: Callable[[str | None, str | None, SettleReport], None],
        tuning: Tuning = DEFAULT_TUNING,
    ) -> None:
        """
        @param channels: the measures of free memory, that of the host first.
        @param needs: bytes that engines, and models of them, are configured to
            need, by key: C{engine} or C{engine/model}.  What is not said of a
            model is as for its engine.
        @param sizing: how engines size themselves, by key, likewise.
        @param timeout: seconds to wait for memory that is not on its way.
        @param assist: the hidden free memory, and what may be done about it.
        @param observe: called with outgoing, incoming and report at the end
            of each wait.
        """
        self._channels = channels
        self._clock = clock
        self._ledger = Ledger(store)
        self._needs = needs
        self._sizing = sizing
        self._timeout = timeout
        self._assist = assist
        self._observe = observe
        self._tuning = tuning
        self._curves: deque[dict[str, object]] = deque(maxlen=CURVES_KEPT)
        #: The engine whose release was begun and not seen to its end.
        self._owing: str | None = None
        #: What was still on its way when the last wait ended, by channel.
        self._coming: dict[str, int] = {}

    def reload(
        self, *, needs: Mapping[str, int], sizing: Mapping[str, str], timeout: float
    ) -> None:
        """
        The configuration has changed.  What is waited for goes on by the old
        one.

        @see: L{__init__}
        """
        self._needs, self._sizing, self._timeout = needs, sizing, timeout

    def shortfall(self, outgoing: str | None, incoming: str) -> InsufficientMemory | None:
        """
        @see: L{IMemory.shortfall}
        """
        need = _said_of(incoming, self._needs)
        if need is None:
            return None
        outgoing = outgoing or self._owing
        free = self._free()
        for name, found in self._accounted(free).items():
            held = 0 if outgoing is None else self._ledger.holds(outgoing, name, found)
            if held is not None and found + held < need:
                detail = breakdown(
                    available=free[name], holder=outgoing, held=held, hidden=found - free[name]
                )
                return InsufficientMemory(incoming, need, found + held, detail)
        return None

    def begin(
        self,
        outgoing: str | None,
        incoming: str | None,
        alive: Callable[[], bool | None],
    ) -> Release:
        """
        @see: L{IMemory.begin}
        """
        source = self._owing = outgoing or self._owing
        self._coming = {}
        needs, firm = self._needs_of(incoming)
        terms = Terms(
            outgoing=source,
            expect=lambda name, free: self._expected(source, name, free),
            needs=needs,
            firm=firm,
            sizing=self._sizing_of(incoming),
            timeout=self._timeout,
            alive=alive,
        )

        def ended(release: Release, report: SettleReport) -> None:
            self._ended(release, source, incoming, report)

        return Release(
            terms, self._channels, self._clock, self._assist, ended=ended, tuning=self._tuning
        )

    def starting(self, engine: str) -> None:
        """
        @see: L{IMemory.starting}
        """
        free = self._free()
        accounted = self._accounted(free)
        needs, _ = self._needs_of(engine)
        for name in accounted:
            found, need = free[name], needs.get(name, 0)
            if found < need - max(self._tuning.all_back, self._tuning.all_back_share * need):
                self._log.warn(
                    "engine {engine} starts with {free:.1f} GiB free, and needs {need:.1f} GiB: "
                    "something else has taken memory meanwhile",
                    engine=engine,
                    free=found / GIB,
                    need=need / GIB,
                )
        self._ledger.starting(
            engine, {name: found + self._coming.get(name, 0) for name, found in accounted.items()}
        )
        self._owing = None
        self._coming = {}

    def started(self, engine: str) -> None:
        """
        @see: L{IMemory.started}
        """
        self._ledger.started(engine, self._accounted(self._free()))

    def describe(self) -> dict[str, object]:
        """
        @see: L{IMemory.describe}
        """
        return {
            "free": self._free(),
            "hidden": self._assist.look(),
            "ledger": self._ledger.describe(),
            "curves": list(self._curves),
        }

    # Figures.

    def _free(self) -> dict[str, int]:
        """
        @return: free bytes now, by channel, of those that can be read.
        """
        readings = {channel.name: channel.read() for channel in self._channels}
        return {name: value for name, value in readings.items() if value is not None}

    def _accounted(self, free: Mapping[str, int]) -> dict[str, int]:
        """
        @return: of C{free} what accounts are kept of: with the bytes in
            hiding, of which an engine may take some and leave others; without
            the channel whose readings depend on the page cache.
        """
        hidden = self._assist.look()
        return {
            name: value + (hidden if name == AVAILABLE else 0)
            for name, value in free.items()
            if name != FREE
        }

    def _expected(self, outgoing: str | None, name: str, free: Mapping[str, int]) -> int | None:
        """
        @return: bytes that should come back in channel C{name}, of which
            C{free} says what is free now; L{None} when nobody knows.
        """
        if outgoing is None:
            return 0
        name = AVAILABLE if name == FREE else name
        held = self._ledger.holds(outgoing, name, free[name]) if name in free else None
        return None if held is None else int(held * self._ledger.ratio(outgoing, name))

    def _needs_of(self, incoming: str | None) -> tuple[dict[str, int], bool]:
        """
        @return: bytes that C{incoming} needs, by channel, and whether that
            was configured.  What an engine took that fills whatever is free
            says nothing of what it needs.
        """
        names = [channel.name for channel in self._channels]
        if incoming is None:
            return {}, False
        configured = _said_of(incoming, self._needs)
        if configured is not None:
            return dict.fromkeys(names, configured), True
        if self._sizing_of(incoming) == FROM_FREE:
            return {}, False
        learned = {
            name: self._ledger.learned_need(incoming, AVAILABLE if name == FREE else name)
            for name in names
        }
        return {name: need for name, need in learned.items() if need is not None}, False

    def _sizing_of(self, incoming: str | None) -> str:
        return _said_of(incoming or "", self._sizing) or FROM_FREE

    # The end of a wait.

    def _ended(
        self, release: Release, outgoing: str | None, incoming: str | None, report: SettleReport
    ) -> None:
        early = report.verdict in (ALREADY_FREE, TARGET_MET)
        ended = all(watch.verdict for watch in release.watches)
        if ended and not early and report.verdict != TIMEOUT:
            self._owing = None
        for watch in release.watches:
            found, name = watch.detector, watch.channel.name
            recovered: int | None = None
            if watch.verdict == SETTLED_SHORT:
                recovered = found.recovered
            elif watch.verdict == SETTLED:
                # What is missing is within the tolerance, and may be on its
                # way.  Taken for lost it would be lost again each time.
                recovered = found.recovered + found.missing
            if early or watch.verdict == SETTLED:
                self._coming[name] = found.missing
            if outgoing is not None and name != FREE:
                base = found.goal.base + found.goal.hidden
                self._ledger.stopped(outgoing, name, base, recovered)
        self._curves.extend(
            {
                "from": outgoing,
                "to": incoming,
                "verdict": report.verdict,
                "channel": watch.channel.name,
                "points": watch.curve.points(),
            }
            for watch in release.watches
        )
        good = early or report.verdict == SETTLED
        self._log.emit(
            LogLevel.info if good else LogLevel.warn, LINE, **line(outgoing, incoming, report)
        )
        if not report.fields.get("firm", True) and (report.need or 0) > (report.available or 0):
            self._log.warn(
                "engine {engine} may want {need:.1f} GiB, by its last life, and "
                "{free:.1f} GiB are free",
                engine=incoming,
                need=(report.need or 0) / GIB,
                free=(report.available or 0) / GIB,
            )
        self._observe(outgoing, incoming, report)


def _said_of(name: str, settings: Mapping[str, T]) -> T | None:
    """
    @param name: C{engine} or C{engine/model}.
    @return: what C{settings} say of it, or else of its engine.
    """
    return settings.get(name, settings.get(name.partition("/")[0]))
