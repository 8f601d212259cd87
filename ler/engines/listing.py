# -*- test-case-name: ler.test.test_listing -*-
"""
Keeps the catalog up to date with the models that engines say they have.

Engines are asked behind the scenes, never while a client waits: what one said
last is what clients see, however slow it is now, and after a restart, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from ler.engines.catalog import Catalog, Right
from ler.errors import RouterError
from ler.interfaces import IModelLister, IStateStore

SECTION = "seen"

LIMIT_S = 10.0
"""How long an engine may take to say what it has."""

STAMP_S = 3600.0
"""How old a list on record may be before it is written again unchanged."""


@dataclass(frozen=True)
class Seen:
    """
    What an engine said, and when.

    @ivar ids: the models that it had.
    @ivar at: when it said so last, to within L{STAMP_S}, in seconds since the
        epoch.
    """

    ids: tuple[str, ...]
    at: float


def recorded(section: Any, engines: Iterable[str], oldest: float) -> dict[str, Seen]:
    """
    @param section: what an earlier router wrote, or anything.
    @param engines: the engines that count.
    @param oldest: when a list must have been given to count.
    @return: what each engine said.
    """
    found: dict[str, Seen] = {}
    for engine in engines:
        match section.get(engine) if isinstance(section, dict) else None:
            case {"ids": [*ids], "at": int() | float() as at} if at >= oldest:
                found[engine] = Seen(tuple(id for id in ids if isinstance(id, str)), at)
    return found


class Listing:
    """
    The lists of those engines that have one.
    """

    _log = Logger()

    def __init__(
        self,
        catalog: Catalog,
        listers: Mapping[str, IModelLister],
        *,
        store: IStateStore,
        clock: IReactorTime,
        interval: float,
        keep: float,
    ) -> None:
        """
        Tell the catalog what the engines said to an earlier router.

        @param listers: whom to ask, by engine.
        @param clock: what also tells the time of day.
        @param interval: how often they are asked, in seconds; 0 for never.
        @param keep: how long the list of an engine that does not answer is
            remembered over restarts, in seconds; 0 for ever.
        """
        self._catalog = catalog
        self._listers = listers
        self._store = store
        self._clock = clock
        self._interval = interval
        self._asking: dict[str, Deferred[list[str] | None]] = {}
        self._loop = LoopingCall(self._ask_all)
        self._loop.clock = clock
        oldest = clock.seconds() - keep if keep else float("-inf")
        self._seen = recorded(store.get(SECTION), listers, oldest)
        for engine, seen in self._seen.items():
            catalog.claim(engine, Right.SEEN, seen.ids)

    def start(self) -> None:
        """
        Ask everyone, and again from time to time.
        """
        if self._interval:
            self._loop.start(self._interval).addErrback(self._bug)
        else:
            self._ask_all()

    def stop(self) -> None:
        """
        Ask nobody any more.
        """
        if self._loop.running:
            self._loop.stop()
        for asking in tuple(self._asking.values()):
            asking.cancel()

    def came_up(self, engine: str) -> None:
        """
        Ask C{engine} now: what it says may differ from what it would have said
        a moment ago.
        """
        if engine in self._listers:
            if engine in self._asking:
                self._asking[engine].cancel()
            self._ask(engine)

    def ask(self) -> Deferred[dict[str, list[str] | None]]:
        """
        Ask everyone now.

        @return: a L{Deferred} firing with what each engine said; L{None} where
            it does not run or does not answer in time.
        """
        asking = [Deferred.fromCoroutine(self._refresh(engine)) for engine in self._listers]
        return gatherResults(asking, consumeErrors=True).addCallback(
            lambda said: dict(zip(self._listers, said, strict=True))
        )

    def _ask_all(self) -> None:
        for engine in self._listers:
            if engine not in self._asking:
                self._ask(engine)

    def _ask(self, engine: str) -> None:
        asking = self._asking[engine] = Deferred.fromCoroutine(self._refresh(engine))

        def over(result: object) -> object:
            if self._asking.get(engine) is asking:
                del self._asking[engine]
            return result

        asking.addBoth(over)
        asking.addErrback(self._bug)

    async def _refresh(self, engine: str) -> list[str] | None:
        listing: Deferred[list[str] | None] = self._listers[engine].list_models()
        try:
            ids = await listing.addTimeout(LIMIT_S, self._clock)
        except (RouterError, TimeoutError):
            ids = None
        if ids is not None:
            self._learn(engine, tuple(dict.fromkeys(ids)))
        return ids

    def _learn(self, engine: str, ids: tuple[str, ...]) -> None:
        self._catalog.claim(engine, Right.LIVE, ids)
        self._catalog.claim(engine, Right.SEEN, ())
        now = self._clock.seconds()
        known = self._seen.get(engine)
        if known is None or known.ids != ids or now - known.at >= STAMP_S:
            self._seen[engine] = Seen(ids, now)
            self._store.put(
                SECTION,
                {key: {"ids": list(seen.ids), "at": seen.at} for key, seen in self._seen.items()},
            )

    def _bug(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._log.failure("an engine could not be asked for its models", failure)


def listed(document: object) -> list[str] | None:
    """
    @param document: an answer of C{/v1/models}, parsed.
    @return: the ids in it, or L{None} when it is no list of models.
    """
    entries = document.get("data") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        return None
    ids = (entry.get("id") for entry in entries if isinstance(entry, dict))
    return [id for id in ids if isinstance(id, str) and id]
