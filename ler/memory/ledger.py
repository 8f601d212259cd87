# -*- test-case-name: ler.test.test_memory_ledger -*-
"""
What each engine took, as measured: free before its start, less free now.

Nothing here is an estimate of size.  What an engine maps, shares or pins says
little of what its end will give back; what vanished when it came does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import median

from twisted.logger import Logger

from ler.interfaces import IStateStore
from ler.memory.tuning import MIB

SECTION = "ledger"

#: Swaps that the ratio is taken from, and how far it may go.
SHARES_KEPT = 5
LEAST_RATIO = 0.80

#: Less than this is noise, of which no share is taken.
LEAST_HELD = 256 * MIB


def with_margin(took: int) -> int:
    """
    @param took: bytes that an engine took.
    @return: bytes to have free before it starts the next time.
    """
    return took + max(512 * MIB, took // 50)


@dataclass(frozen=True)
class Entry:
    """
    One engine's account in one channel.

    @ivar before: bytes free before its last start.
    @ivar took: bytes that it took since, once it was ready; L{None} before
        its first full start.
    @ivar shares: the returned share of what it took, at its last stops.
    """

    before: int
    took: int | None = None
    shares: tuple[float, ...] = ()

    @property
    def ratio(self) -> float:
        """
        The share of what the engine takes that tends to come back.
        """
        return min(1.0, max(LEAST_RATIO, median(self.shares))) if self.shares else 1.0

    def as_json(self) -> dict[str, object]:
        """
        @return: this entry as L{from_json} reads it.
        """
        return {"before": self.before, "took": self.took, "shares": list(self.shares)}

    @classmethod
    def from_json(cls, value: object) -> Entry:
        """
        @raise ValueError: when C{value} is none that L{as_json} made.
        """
        if not isinstance(value, dict):
            raise ValueError(f"{value!r} is no entry")
        before, took, shares = value.get("before"), value.get("took"), value.get("shares")
        if (
            type(before) is int
            and before >= 0
            and (took is None or (type(took) is int and took >= 0))
            and isinstance(shares, list)
            and all(type(share) in (int, float) and share >= 0 for share in shares)
        ):
            return cls(before, took, tuple(shares[-SHARES_KEPT:]))
        raise ValueError(f"{value!r} is no entry")


class Ledger:
    """
    The accounts of all engines, in all channels, kept over restarts.

    It advises and never decides: whatever of it is damaged is forgotten.
    """

    _log = Logger()

    def __init__(self, store: IStateStore) -> None:
        self._store = store
        self._entries: dict[str, dict[str, Entry]] = {}
        kept = store.get(SECTION)
        try:
            for engine, channels in ({} if kept is None else kept).items():
                self._entries[engine] = {
                    name: Entry.from_json(value) for name, value in channels.items()
                }
        except (AttributeError, ValueError) as e:
            self._entries = {}
            self._log.warn(
                "what was kept of the engines' memory is damaged and forgotten: {error}",
                error=str(e),
            )

    def starting(self, engine: str, free: Mapping[str, int]) -> None:
        """
        C{engine} is about to start.

        @param free: settled free bytes, by channel.
        """
        account = self._entries.setdefault(engine, {})
        for channel, before in free.items():
            old = account.get(channel)
            account[channel] = replace(old, before=before) if old else Entry(before)
        self._save()

    def started(self, engine: str, free: Mapping[str, int]) -> None:
        """
        C{engine} is ready; what is missing since L{starting} is its.
        """
        account = self._entries.get(engine, {})
        for channel, now in free.items():
            if channel in account:
                entry = account[channel]
                account[channel] = replace(entry, took=max(0, entry.before - now))
        self._save()

    def stopped(self, engine: str, channel: str, base: int, recovered: int | None) -> None:
        """
        C{engine} has stopped, and the wait for its memory has ended.

        @param base: bytes that were free when it was told to stop.  What it
            took in its whole life counts; but an engine that died by itself,
            or never got ready, had little left to show.
        @param recovered: bytes that have come back since, or L{None} when the
            wait ended before that could be known.
        """
        entry = self._entries.get(engine, {}).get(channel)
        if entry is None:
            return
        held = entry.before - base
        if entry.took is not None:
            entry = replace(entry, took=max(entry.took, held))
        if recovered is not None and held >= LEAST_HELD:
            entry = replace(entry, shares=(*entry.shares, recovered / held)[-SHARES_KEPT:])
        self._entries[engine][channel] = entry
        self._save()

    def holds(self, engine: str, channel: str, now: int) -> int | None:
        """
        @param now: bytes free now, in C{channel}.
        @return: bytes that C{engine} holds, or L{None} when its start was not
            seen.
        """
        entry = self._entries.get(engine, {}).get(channel)
        return None if entry is None else max(0, entry.before - now)

    def ratio(self, engine: str, channel: str) -> float:
        """
        @return: the share of what it holds that C{engine} tends to return.
        """
        entry = self._entries.get(engine, {}).get(channel)
        return 1.0 if entry is None else entry.ratio

    def learned_need(self, engine: str, channel: str) -> int | None:
        """
        @return: bytes to have free before C{engine} starts, going by its last
            life, or L{None} for one that was never ready.
        """
        entry = self._entries.get(engine, {}).get(channel)
        return None if entry is None or not entry.took else with_margin(entry.took)

    def describe(self) -> dict[str, object]:
        """
        @return: all accounts, as L{IStateStore} keeps them.
        """
        return {
            engine: {channel: entry.as_json() for channel, entry in account.items()}
            for engine, account in self._entries.items()
        }

    def _save(self) -> None:
        self._store.put(SECTION, self.describe())
