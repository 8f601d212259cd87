# -*- test-case-name: ler.test.test_feed -*-
"""
What goes on, as a row of numbered events: what changed is told as it is then,
so that nobody needs to have heard what was told before.

Nothing is done while nobody listens.  C{docs/events.rst} describes the events.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ler.interfaces import IMemory
from ler.journal import Journal, RequestEntry
from ler.slot.slot import Slot
from ler.slot.slots import Slots
from ler.slot.states import State
from ler.web.engine_logs import Logs
from ler.web.event_stream import frame

SOON_S = 0.1
"""How long changes are gathered before they are told."""

MEMORY_S = {State.FREEING: 0.1, State.SETTLING: 0.1, State.STARTING: 0.5}
"""How often memory is looked at while it moves."""

STILL_S = 5.0
"""How often it is looked at otherwise."""

RESUME_S = 60.0
"""How long the feed goes on when nobody listens any more, for those who come
back."""

KEPT = 256 << 10
"""How many bytes of events are kept for listeners that fell behind."""

REQUESTS = 250
"""How many of the requests that are under way are told of."""

DIGITS = 18
"""The most that an event's number has: int() fails on absurd ones."""


class Feed:
    """
    Gathers what changes, and has it told.
    """

    def __init__(
        self,
        document: Callable[[], Mapping[str, Any]],
        slots: Slots,
        journal: Journal,
        memory: IMemory,
        logs: Logs,
        clock: IReactorTime,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """
        @param document: the status, as of L{Status.document
            <ler.web.status.Status.document>}.
        @param memory: that of the machine.
        @param logs: those that there are.
        @param wall: the time of day.
        """
        self._document = document
        self._slots = slots
        self._journal = journal
        self._memory = memory
        self._logs = logs
        self._clock = clock
        self._wall = wall
        # Numbers begin anew with each router.
        self._run = f"{int(wall() * 1000):x}"
        self._number = 0
        self._events: deque[tuple[int, bytes]] = deque()
        self._size = 0
        self._moved: dict[str, Slot] = {}
        self._requests: dict[str, RequestEntry] = {}
        self._swaps: list[Mapping[str, Any]] = []
        self._looked_at_memory = 0.0
        self._audience: list[Callable[[], None]] = []
        self._left_at = 0.0
        self._next: IDelayedCall | None = None
        slots.watch(self._slot_moved)
        journal.moved = self._request_moved
        journal.swapped = self._swap_ended

    # Those who listen.

    def join(self, news: Callable[[], None]) -> Callable[[], None]:
        """
        @param news: called whenever there is more to L{tell}.
        @return: ends that; called once.
        """
        self._audience.append(news)
        if self._next is None:
            self.renew()
            self._looked_at_memory = self._clock.seconds()
            self._next = self._clock.callLater(self._pace(), self._look)

        def leave() -> None:
            self._audience.remove(news)
            self._left_at = self._clock.seconds()

        return leave

    def tell(self, after: str | None) -> tuple[bytes, str]:
        """
        @param after: the id of the last event that the listener has, if any.
        @return: the events after that, or if they are not known any more a
            snapshot; and the id of the last of them.
        """
        self._publish()
        last = self._id()
        if after == last:
            return b"", last
        run, _, text = (after or "").partition("-")
        if run == self._run and text.isdecimal() and len(text) < DIGITS:
            number = int(text)
            if self._events and self._events[0][0] <= number + 1:
                return b"".join(told for n, told in self._events if n > number), last
        return frame("snapshot", self._snapshot(), last), last

    def renew(self) -> None:
        """
        More has changed than can be told, such as what is configured:
        everybody gets a snapshot next.
        """
        self._events.clear()
        self._size = 0
        # Whoever has the last event lacks the next.
        self._number += 2
        self._moved.clear()
        self._requests.clear()
        self._swaps.clear()

    # What happens.

    def _slot_moved(self, slot: Slot) -> None:
        if self._next is not None:
            self._moved[slot.name] = slot
            self._hurry()

    def _request_moved(self, entry: RequestEntry) -> None:
        if self._next is not None:
            self._requests[entry.id] = entry
            self._hurry()

    def _swap_ended(self, swap: Mapping[str, Any]) -> None:
        if self._next is not None:
            self._swaps.append(swap)
            self._hurry()

    def _hurry(self) -> None:
        assert self._next is not None
        if self._next.getTime() > self._clock.seconds() + SOON_S:
            self._next.reset(SOON_S)

    # Telling it.

    def _look(self) -> None:
        now = self._clock.seconds()
        self._next = None
        if not self._audience and now - self._left_at >= RESUME_S:
            return
        pace = self._pace()
        self._next = self._clock.callLater(pace, self._look)
        self._publish()
        # A timer may be early by a hair.
        if now - self._looked_at_memory > pace * 0.9:
            self._look_at_memory()
        for news in tuple(self._audience):
            news()

    def _pace(self) -> float:
        return min(MEMORY_S.get(slot.state, STILL_S) for slot in self._slots.all)

    def _publish(self) -> None:
        moved, self._moved = self._moved, {}
        requests, self._requests = self._requests, {}
        swaps, self._swaps = self._swaps, []
        for slot in moved.values():
            self._add("slot", {"slot": _without(slot.describe(), "last_swaps")})
        for swap in swaps:
            self._add("swap", {"swap": swap, "curves": self._curves_of(swap)})
        if len(requests) > REQUESTS:
            self._add("requests", self._all_requests())
        elif requests:
            changed = [entry.describe() for entry in requests.values()]
            self._add("requests", self._told(changed, False))

    def _look_at_memory(self) -> None:
        self._looked_at_memory = self._clock.seconds()
        self._add("memory", {"free": self._memory.describe().get("free", {})})

    def _curves_of(self, swap: Mapping[str, Any]) -> dict[str, Any]:
        """
        @param swap: the last one of all.
        @return: how the memory came back, by channel: pairs of seconds since
            its engine was told to stop, and free bytes.
        """
        curves: dict[str, Any] = {}
        for curve in reversed(self._memory.describe().get("curves", [])):
            ends = (curve["from"], curve["to"])
            if ends != (swap["from"], swap["to"]) or curve["channel"] in curves:
                break
            curves[curve["channel"]] = curve["points"]
        return curves

    def _add(self, event: str, data: Mapping[str, Any]) -> None:
        self._number += 1
        told = frame(event, {"at": self._now(), **data}, self._id())
        self._events.append((self._number, told))
        self._size += len(told)
        while self._size > KEPT:
            self._size -= len(self._events.popleft()[1])

    def _id(self) -> str:
        return f"{self._run}-{self._number}"

    def _now(self) -> float:
        return round(self._wall(), 3)

    def _all_requests(self) -> dict[str, Any]:
        entries = self._journal.requests(REQUESTS)
        return self._told([entry.describe() for entry in entries], True)

    def _told(self, requests: Sequence[Mapping[str, Any]], all: bool) -> dict[str, Any]:
        return {"under_way": self._journal.under_way, "all": all, "requests": requests}

    def _snapshot(self) -> dict[str, Any]:
        document = dict(self._document())
        swaps = self._journal.swaps()
        return {
            "at": self._now(),
            **{name: document[name] for name in ("version", "models", "aliases")},
            "engines": {
                # There are better ways to read a log.
                key: {**_without(engine, "last_lines"), "log": key in self._logs}
                for key, engine in document["engines"].items()
            },
            "slots": [_without(slot, "last_swaps") for slot in document["slots"]],
            "swaps": swaps,
            "curves": self._curves_of(swaps[0]) if swaps else {},
            "memory": _without(document["memory"], "curves"),
            **self._all_requests(),
        }


def _without(said: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {each: value for each, value in said.items() if each != name}
