# -*- test-case-name: ler.test.test_model_server,ler.test.test_live_model_servers -*-
"""
An engine made of a server that is told over HTTP which models to hold: one
lifecycle for all L{IModelServer}s.

A L{Host<ler.engines.model_host.Host>} stands for the server itself, and a
L{ModelFace} for what of it belongs to one slot: all models but some, or one of
those that may live beside others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.python.failure import Failure
from zope.interface import implementer

from ler.config.model import Server
from ler.engines.health import NotReady
from ler.engines.model_host import Host
from ler.engines.output import lacks_memory
from ler.errors import EngineStartFailed, EngineStartTimeout, EngineStuck, RouterError
from ler.interfaces import (
    IEngine,
    IEngineWatcher,
    IModelLister,
    IModelServer,
    IServiceUnit,
    Residency,
)


@implementer(IEngine)
class ModelFace:
    """
    What of a server belongs to one slot.

    @ivar wanted: the model that it is to hold, from the start of a L{bring_up}
        until it is freed or lost; else L{None}.
    """

    def __init__(self, host: Host, is_mine: Callable[[str], bool]) -> None:
        """
        @param is_mine: whether a model, by its name, belongs to this slot.
        """
        self.key = host.config.key
        self.base_url = host.base_url
        self.wanted: str | None = None
        self._host = host
        self._is_mine = is_mine
        self._starting: Deferred[None] | None = None
        self._watchers: list[IEngineWatcher] = []
        host.faces.append(self)

    # IEngine

    def bring_up(self, model: str | None) -> Deferred[None]:
        """
        @see: L{IEngine.bring_up}
        """
        assert model is not None, "a server holds models"
        self.wanted = model
        starting = self._starting = Deferred.fromCoroutine(self._bring_up(model))

        def over(result: Any) -> Any:
            if self._starting is starting:
                self._starting = None
                if isinstance(result, Failure):
                    self.wanted = None
            return result

        return starting.addBoth(over)

    def free(self) -> Deferred[None]:
        """
        @see: L{IEngine.free}
        """
        return Deferred.fromCoroutine(self._free(closing=False))

    def close(self) -> Deferred[None]:
        """
        @see: L{IEngine.close}
        """
        self._host.look_away()
        return Deferred.fromCoroutine(self._free(closing=True))

    def leave(self) -> Deferred[None]:
        """
        @see: L{IEngine.leave}
        """
        if self._starting is not None:
            return self.close()
        self._host.look_away()
        return succeed(None)

    def loaded(self) -> Deferred[tuple[Residency, ...]]:
        """
        @see: L{IEngine.loaded}
        @return: as there; it waits while the server loads something.
        """
        return Deferred.fromCoroutine(self._loaded())

    def watch(self, watcher: IEngineWatcher) -> None:
        """
        @see: L{IEngine.watch}
        """
        self._watchers.append(watcher)

    def alive(self) -> bool | None:
        """
        @see: L{IEngine.alive}
        """
        return None

    def describe(self) -> dict[str, Any]:
        """
        @see: L{IEngine.describe}
        """
        return self._host.describe()

    def lost(self, reason: RouterError) -> None:
        """
        The server gave the model up by itself.
        """
        self.wanted = None
        for watcher in self._watchers:
            watcher.engine_lost(self.key, reason)

    # What they do.

    async def _bring_up(self, model: str) -> None:
        host = self._host
        host.watch_over()
        try:
            async with host.change():
                await host.be_up()
                await host.load(model)
        except CancelledError:
            # Cancelled by the caller, or by free(), which took the start away.
            if self._starting is None:
                raise EngineStartFailed(f"the start of {model} was abandoned") from None
            raise
        except (EngineStartFailed, EngineStartTimeout):
            raise
        except (RouterError, NotReady) as e:
            failed = EngineStartFailed(
                f"{host} did not load {model}: {e}", retry_after=getattr(e, "retry_after", None)
            )
            failed.lacked_memory = lacks_memory([str(e)])
            raise failed from e

    async def _free(self, closing: bool) -> None:
        self.wanted = None
        starting, self._starting = self._starting, None
        if starting is not None:
            starting.cancel()
        host = self._host
        async with host.change():
            # First, since it helps where the server hears nothing any more.
            # What runs in spite of it is not the unit's, and still asked.
            await host.stop_if_unused(closing)
            if closing:
                # Who ends the router does not wait until a server recovers.
                await host.be_heard()
            await host.clear(self._is_mine)

    async def _loaded(self) -> tuple[Residency, ...]:
        host = self._host
        host.watch_over()
        async with host.lock:
            try:
                held = await host.held_at_last()
            except NotReady as e:
                raise EngineStuck(f"nobody knows what {host} holds: {e}") from None
        names = dict.fromkeys(model.name for model in held if self._is_mine(model.name))
        if self.wanted is None:
            self.wanted = next(iter(names), None)
        return tuple(Residency(self.key, name) for name in names)


@implementer(IModelLister)
class ModelServerEngine(ModelFace):
    """
    One configured server: the face of all its models but those that live
    beside others.
    """

    def __init__(
        self, config: Server, server: IModelServer, *, unit: IServiceUnit | None, clock: Any
    ) -> None:
        """
        @param unit: what is started when the server does not answer.
        @param clock: an C{IReactorTime}.
        """
        self._server = server
        self._beside: dict[str, ModelFace] = {}
        host = Host(config, server, unit, clock)
        super().__init__(host, lambda name: name not in self._beside)

    def beside(self, model: str) -> ModelFace:
        """
        @return: the face of one model that may live beside others, as the
            server calls it.
        """
        if model not in self._beside:
            self._beside[model] = ModelFace(self._host, lambda name: name == model)
        return self._beside[model]

    def list_models(self) -> Deferred[list[str] | None]:
        """
        @see: L{IModelLister.list_models}
        """
        listing: Deferred[Any] = self._server.list_models()
        return listing.addErrback(lambda failure: failure.trap(RouterError) and None)
