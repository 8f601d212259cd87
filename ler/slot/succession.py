# -*- test-case-name: ler.test.test_succession -*-
"""
Engines that take the place of others of the same key: none of them starts
before those before it are gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger
from twisted.python.failure import Failure

from ler.errors import RouterError
from ler.interfaces import IEngine
from ler.waiters import Waiters


class Succession:
    """
    The engines of all slots that go, and those that come.
    """

    _log = Logger()

    def __init__(self) -> None:
        self._leaving: list[IEngine] = []
        self._ending: list[IEngine] = []
        self._joining: list[IEngine] = []
        self._left: Waiters[None] = Waiters()
        self._locks: defaultdict[str, DeferredLock] = defaultdict(DeferredLock)
        self._held = False

    @contextmanager
    def together(self) -> Iterator[None]:
        """
        While it lasts L{begin} waits: one change concerns several slots.
        """
        self._held = True
        try:
            yield
        finally:
            self._held = False
            self.begin()

    # What slots tell.

    def leaves(self, engine: IEngine) -> None:
        """
        C{engine} is in use still, and goes when its slot has drained and freed
        it.
        """
        self._leaving.append(engine)

    def stays(self, engine: IEngine) -> None:
        """
        C{engine} does not go, or has gone.
        """
        if engine in self._leaving:
            self._leaving.remove(engine)
            self._left.fire(None)

    def ends(self, engine: IEngine) -> None:
        """
        C{engine} is in no slot any more: it is closed.
        """
        self._ending.append(engine)
        if engine in self._joining:
            self._joining.remove(engine)
        self.stays(engine)

    def joins(self, engine: IEngine) -> None:
        """
        C{engine} has come: what it holds, unasked, is freed.
        """
        self._joining.append(engine)

    def begin(self) -> None:
        """
        Close and free what is to be, behind the scenes.  What fails is tried
        again when one of that key starts.
        """
        if self._held:
            return
        for engine in {each.key: each for each in (*self._ending, *self._joining)}.values():
            clearing = Deferred.fromCoroutine(self.clear(engine))
            clearing.addErrback(self._failed, engine.key)

    # What they ask.

    def awaits(self, engine: IEngine) -> bool:
        """
        @return: whether L{departed} waits.
        """
        return any(other.key == engine.key and other is not engine for other in self._leaving)

    async def departed(self, engine: IEngine) -> None:
        """
        Wait until no slot has another one of the key of C{engine} in use that
        goes.
        """
        while self.awaits(engine):
            await self._left.wait()

    async def tidy(self, key: str) -> None:
        """
        Wait until the engines of C{key} that have left are closed, and those
        that have come hold nothing.

        @raise EngineStuck: when one of them does not go.
        """
        async with self._locks[key]:
            await self._end(key)
            for engine in _of(key, self._joining):
                if await engine.loaded():
                    await engine.free()
                if engine in self._joining:
                    self._joining.remove(engine)

    async def clear(self, engine: IEngine) -> None:
        """
        Wait until nothing is left of those before C{engine}.

        @see: L{departed} and L{tidy}
        """
        await self.departed(engine)
        await self.tidy(engine.key)

    async def finish(self) -> None:
        """
        The router goes: close all that have left.  What does not go is logged.
        """
        for key in dict.fromkeys(engine.key for engine in self._ending):
            try:
                async with self._locks[key]:
                    await self._end(key)
            except RouterError:
                self._failed(Failure(), key)

    async def _end(self, key: str) -> None:
        for engine in _of(key, self._ending):
            await engine.close()
            if engine in self._ending:
                self._ending.remove(engine)

    def _failed(self, failure: Failure, key: str) -> None:
        if failure.check(RouterError):
            self._log.error(
                "engine {key} was reconfigured, and {reason}",
                key=key,
                reason=failure.getErrorMessage(),
            )
        else:
            self._log.failure("engine {key} was reconfigured", failure, key=key)


def _of(key: str, engines: list[IEngine]) -> list[IEngine]:
    return [engine for engine in engines if engine.key == key]
