# -*- test-case-name: ler.test.test_model_server -*-
"""
A server that is told over HTTP which models to hold, and who wants what of it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred, DeferredLock, TimeoutError, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from ler.config.model import ENGINE_TYPES, Server
from ler.engines.health import NotReady, until_ready
from ler.errors import (
    EngineDied,
    EngineStartFailed,
    EngineStartTimeout,
    EngineStuck,
    ModelUnloaded,
    Refused,
    RouterError,
    Unavailable,
    Unreachable,
    UpstreamError,
)
from ler.interfaces import IHealthCheck, IModelServer, IServiceUnit, LoadedModel

CONFIRM_S = 5.0
"""How long a server that has loaded a model may take to list it."""


@implementer(IHealthCheck)
class _Look:
    """
    A check that is a coroutine; what fails in it is a complaint.
    """

    def __init__(self, look: Callable[[], Coroutine[Any, Any, str | None]]) -> None:
        self._look = look

    def check(self) -> Deferred[str | None]:
        """
        @see: L{IHealthCheck.check}
        """
        return Deferred.fromCoroutine(self._look()).addErrback(_message)


def _message(failure: Failure) -> str:
    failure.trap(RouterError)
    return failure.getErrorMessage()


class Face(Protocol):
    """
    One who may want a model.

    @ivar wanted: which, or L{None}.
    """

    wanted: str | None

    def lost(self, reason: RouterError) -> None:
        """
        Hear that the server gave up by itself what was wanted.
        """


class Host:
    """
    A server, and who wants what of it.

    @ivar lock: held while the server changes, or must not.
    @ivar faces: everyone who may want a model of it.
    """

    _log = Logger()

    def __init__(
        self, config: Server, server: IModelServer, unit: IServiceUnit | None, clock: Any
    ) -> None:
        self.config = config
        self.base_url = config.base_url.rstrip("/")
        self.lock = DeferredLock()
        self.faces: list[Face] = []
        self._server = server
        self._unit = unit
        self._clock = clock
        self._started_unit = False
        self._is_up: bool | None = None
        self._held: list[str] | None = None
        self._changes = 0
        self._loop = LoopingCall(self._reconcile)
        self._loop.clock = clock
        self._reconciling: Deferred[None] = succeed(None)

    def __str__(self) -> str:
        return f"engine {self.config.key} at {self.base_url}"

    def describe(self) -> dict[str, Any]:
        """
        @see: L{IEngine.describe}
        """
        kind = type(self.config)
        return {
            "type": next(name for name, known in ENGINE_TYPES.items() if known is kind),
            "base_url": self.base_url,
            "server_up": self._is_up,
            "loaded": self._held,
            "unit": None if self._unit is None else self._unit.name,
        }

    def change(self) -> DeferredLock:
        """
        @return: the lock under which one changes what the server holds.
        """
        self._changes += 1
        return self.lock

    # What it holds.

    async def held(self) -> list[LoadedModel]:
        """
        @return: what the server says that it holds.
        @raise RouterError: when it does not say.
        """
        try:
            models: list[LoadedModel] = await self._server.loaded()
            self._is_up = True
        except Refused:
            self._is_up, models = False, []
        except RouterError:
            self._held = None
            raise
        self._held = [model.name for model in models]
        return models

    async def held_at_last(self) -> list[LoadedModel]:
        """
        @return: as L{held}, once the server says it: while it loads it may not.
        @raise NotReady: when that takes longer than any load may.
        """
        models: list[LoadedModel] = []

        async def look() -> None:
            models[:] = await self.held()

        await self._until(look, self.config.load_timeout_s)
        return models

    def _until(self, look: Callable[[], Coroutine[Any, Any, Any]], limit: float) -> Deferred[None]:
        return until_ready(_Look(look), self._clock, limit)

    # Up.

    async def be_up(self) -> None:
        """
        See that the server answers.

        @raise RouterError: when it does not.
        """

        async def look() -> str | None:
            self._is_up = await self._server.is_up()
            return None if self._is_up else f"nothing answers at {self.base_url} as it should"

        complaint = await _Look(look).check()
        if complaint is None:
            return
        if self._unit is None:
            raise EngineStartFailed(
                f"engine {self.config.key} cannot start: {complaint}; start the server, or name "
                "its systemd_unit"
            )
        self._log.info("{unit} is started for {host}", unit=self._unit.name, host=str(self))
        await self._unit.start()
        self._started_unit = True
        limit = self.config.server_start_timeout_s
        try:
            await self._until(look, limit)
        except NotReady as e:
            raise EngineStartTimeout(
                f"engine {self.config.key}: {self._unit.name} was started, but within "
                f"{limit:g} s {e}"
            ) from None

    async def load(self, model: str) -> None:
        """
        See that the server holds C{model} and can answer for it.

        @raise RouterError: when it does not.
        @raise NotReady: when it does not say what it holds.
        """
        if model in (held.name for held in await self.held_at_last()):
            return
        limit, began = self.config.load_timeout_s, self._clock.seconds()
        try:
            await self._server.load(model).addTimeout(limit, self._clock)
        except (RouterError, TimeoutError) as e:
            if self._clock.seconds() - began >= limit:
                raise EngineStartTimeout(
                    f"{self} did not load {model} within {limit:g} s ({e})"
                ) from e
            raise

        async def look() -> str | None:
            names = [held.name for held in await self.held()]
            return None if model in names else f"it lists {', '.join(names) or 'nothing'}"

        try:
            await self._until(look, CONFIRM_S)
        except NotReady as e:
            raise EngineStartFailed(f"{self} said that it loaded {model}, but {e}") from None

    # Down.

    async def be_heard(self) -> None:
        """
        See that the server says what it holds, or that it is busy.

        @raise EngineStuck: when it does neither, so that waiting may not help.
        """
        try:
            await self.held()
        except (Unreachable, UpstreamError) as e:
            raise EngineStuck(f"nobody knows what {self} holds: {e}; stop it by hand") from None
        except Unavailable:
            pass

    async def clear(self, is_mine: Callable[[str], bool]) -> None:
        """
        Unload all models whose names C{is_mine} accepts.

        @raise EngineStuck: when they do not go, or nobody knows.
        """
        told: set[str] = set()

        async def look() -> str | None:
            models = [model for model in await self.held() if is_mine(model.name)]
            new = [model for model in models if model.id not in told]
            for model in new:
                await self._server.unload(model)
                told.add(model.id)
            if new:
                models = [model for model in await self.held() if is_mine(model.name)]
            names = ", ".join(model.name for model in models)
            return f"it still holds {names}" if models else None

        limit = self.config.unload_timeout_s
        try:
            await self._until(look, limit)
        except NotReady as e:
            raise EngineStuck(
                f"{self} did not give its memory back within {limit:g} s: {e}; unload its "
                "models, or stop it, by hand"
            ) from None

    async def stop_if_unused(self, closing: bool) -> None:
        """
        Stop the server if it is ours to stop and nobody wants anything of it.

        @raise EngineStuck: when it does not stop.
        """
        ours = self.config.on_free == "stop" or (closing and self._started_unit)
        if self._unit is None or not ours or any(face.wanted for face in self.faces):
            return
        await self._unit.stop()
        self._started_unit = False

    # What changes behind our back.

    def watch_over(self) -> None:
        """
        Look from now on whether the server holds what it should.
        """
        interval = self.config.tags_cache_ttl_s
        if interval and not self._loop.running:
            self._loop.start(interval, now=False)

    def look_away(self) -> None:
        """
        The router goes.
        """
        if self._loop.running:
            self._loop.stop()
        self._reconciling.cancel()

    def _reconcile(self) -> Deferred[None]:
        looking = self._reconciling = Deferred.fromCoroutine(self._compare())

        def failed(failure: Failure) -> None:
            if not failure.check(CancelledError):
                self._log.failure("{host}", failure, host=str(self))

        return looking.addErrback(failed)

    async def _compare(self) -> None:
        if self.lock.locked:
            return
        changes = self._changes
        try:
            held = await self.held()
        except RouterError:
            return
        if self.lock.locked or changes != self._changes:
            return  # The answer is of another time.
        names = {model.name for model in held}
        for face in self.faces:
            if face.wanted is not None and face.wanted not in names:
                face.lost(self._loss(face.wanted))
        strangers = names.difference(face.wanted for face in self.faces)
        if not strangers or self.lock.locked:
            return  # Who was told may change things already.
        async with self.lock:
            for model in held:
                if model.name in strangers:
                    await self._send_away(model)

    def _loss(self, model: str) -> RouterError:
        if self._is_up:
            return ModelUnloaded(f"{self} does not hold {model} any more")
        return EngineDied(f"{self} does not answer any more")

    async def _send_away(self, model: LoadedModel) -> None:
        self._log.info(
            "{host} holds {model}, which nobody here asked for: it is unloaded",
            host=str(self),
            model=model.name,
        )
        try:
            await self._server.unload(model)
        except RouterError as e:
            self._log.warn("{host}: {reason}", host=str(self), reason=e.message)
