# -*- test-case-name: ler.test.test_journal -*-
"""
What happened lately, as long as the router runs: the requests that are under
way, the last ones that ended, and the last swaps.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.interfaces import IReactorTime

from ler.errors import RouterError

ENDED = 200
"""How many requests are remembered after their end."""

SWAPS = 200
"""How many swaps are remembered."""


class RequestEntry:
    """
    One request, as its journal tells of it.

    @ivar id: as in answers and logs.
    @ivar cancel: ends the request, for the L{RouterError} that it is given.
    """

    def __init__(
        self,
        journal: Journal,
        id: str,
        *,
        engine: str,
        model: str,
        path: str,
        key: str | None,
        cancel: Callable[[RouterError], None],
    ) -> None:
        self.id = id
        self.cancel = cancel
        self._journal = journal
        self._engine = engine
        self._model = model
        self._path = path
        self._key = key
        self._began = journal.clock.seconds()
        self._at = journal.wall()
        self._waited: float | None = None
        self._seconds: float | None = None
        self._status: int | None = None
        self._outcome: str | None = None
        self._sent = 0

    def admitted(self) -> None:
        """
        Its engine may be asked now.
        """
        self._waited = self._age()
        self._journal.moved(self)

    def ended(self, *, status: int, outcome: str, sent: int) -> None:
        """
        It is over.

        @param status: what was sent, 499 for a client that left before.
        @param outcome: C{ok}, an error code, or how the client left.
        @param sent: how many bytes the client was sent.
        """
        self._seconds = self._age()
        self._status, self._outcome, self._sent = status, outcome, sent
        self._journal.close(self)

    def describe(self) -> dict[str, Any]:
        """
        @return: the request as JSON shows it.
        """
        seconds = self._age() if self._seconds is None else self._seconds
        return {
            "id": self.id,
            "at": round(self._at, 3),
            "engine": self._engine,
            "model": self._model,
            "path": self._path,
            "key": self._key,
            "state": self._state(),
            "waited_s": None if self._waited is None else round(self._waited, 3),
            "seconds": round(seconds, 3),
            "status": self._status,
            "outcome": self._outcome,
            "bytes": self._sent,
        }

    def _age(self) -> float:
        return self._journal.clock.seconds() - self._began

    def _state(self) -> str:
        if self._seconds is not None:
            return "ended"
        return "waiting" if self._waited is None else "running"


class Journal:
    """
    Is told of requests and swaps by those who see to them.

    @ivar moved: called with each L{RequestEntry} that begins, is let in, or
        ends; it only takes note of that.
    @ivar swapped: called with each swap that ended, as C{/events} tells it;
        likewise.
    """

    def __init__(self, clock: IReactorTime, wall: Callable[[], float] = time.time) -> None:
        """
        @param wall: the time of day.
        """
        self.clock = clock
        self.wall = wall
        self.moved: Callable[[RequestEntry], None] = lambda entry: None
        self.swapped: Callable[[dict[str, Any]], None] = lambda swap: None
        self._open: dict[str, RequestEntry] = {}
        self._ended: deque[RequestEntry] = deque(maxlen=ENDED)
        self._swaps: deque[dict[str, Any]] = deque(maxlen=SWAPS)

    def begin(
        self,
        id: str,
        *,
        engine: str,
        model: str,
        path: str,
        key: str | None,
        cancel: Callable[[RouterError], None],
    ) -> RequestEntry:
        """
        A request has come.

        @param model: the name that the client used.
        @param key: what the key that it shows is called, if anything.
        @param cancel: ends it early, for the L{RouterError} that it is given.
        @return: its entry, which is to be told how it goes on.
        """
        entry = RequestEntry(
            self, id, engine=engine, model=model, path=path, key=key, cancel=cancel
        )
        self._open[id] = entry
        self.moved(entry)
        return entry

    def close(self, entry: RequestEntry) -> None:
        """
        C{entry} has ended.
        """
        del self._open[entry.id]
        self._ended.append(entry)
        self.moved(entry)

    def swap_ended(self, slot: str, swap: dict[str, Any]) -> None:
        """
        @param slot: the name of the slot.
        @param swap: as C{/status} describes it.
        """
        told = {"slot": slot, **swap}
        self._swaps.append(told)
        self.swapped(told)

    def get(self, id: str) -> RequestEntry | None:
        """
        @return: the request of that id, if it is under way.
        """
        return self._open.get(id)

    @property
    def under_way(self) -> int:
        """
        @return: how many requests are under way.
        """
        return len(self._open)

    def requests(self, most: int) -> list[RequestEntry]:
        """
        @param most: how many of those that are under way, the oldest first.
        @return: those, and after them the ones that ended, the newest first.
        """
        oldest = [entry for _, entry in zip(range(most), self._open.values(), strict=False)]
        return [*oldest, *reversed(self._ended)]

    def swaps(self) -> Sequence[dict[str, Any]]:
        """
        @return: the swaps that are remembered, the newest first.
        """
        return list(reversed(self._swaps))
