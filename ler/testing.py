# -*- test-case-name: ler.test.test_testing -*-
"""
Verified fakes of the contracts, for our tests and for those of others.

A fake that drifts from its contract breaks at import: the last lines of this
module check every one against its interface.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure
from zope.interface import Interface, implementer
from zope.interface.verify import verifyClass

from ler.errors import InsufficientMemory, Refused, RouterError
from ler.interfaces import (
    IEngine,
    IEngineWatcher,
    IHealthCheck,
    IMemory,
    IMemoryChannel,
    IModelServer,
    IRelease,
    IServiceUnit,
    IStateStore,
    LoadedModel,
    Residency,
    SettleReport,
)

T = TypeVar("T")


@implementer(IEngine)
class FakeEngine:
    """
    An engine whose starts and stops end when the test says so.

    @ivar events: what was asked of it, in order: C{bring_up MODEL}, C{free},
        C{abandoned}, C{close}, C{leave}.  Give several engines one list to
        see the order between them.
    @ivar holding: what L{loaded} answers: residencies, or an error to fail
        with.
    @ivar prompt: whether starts and stops succeed at once.
    """

    def __init__(
        self,
        key: str = "a",
        base_url: str = "http://127.0.0.1:1",
        *,
        prompt: bool = False,
        events: list[str] | None = None,
    ) -> None:
        self.key = key
        self.base_url = base_url
        self.prompt = prompt
        self.events: list[str] = [] if events is None else events
        self.holding: tuple[Residency, ...] | RouterError = ()
        self.running = False
        self._starting: Deferred[None] | None = None
        self._freeing: list[Deferred[None]] = []
        self._watchers: list[Any] = []

    def _record(self, event: str) -> None:
        self.events.append(f"{self.key} {event}")

    def bring_up(self, model: str | None) -> Deferred[None]:
        """
        @see: L{IEngine.bring_up}
        """
        self._record("bring_up" if model is None else f"bring_up {model}")
        self.running = True
        if self.prompt:
            return succeed(None)
        started = self._starting = Deferred(lambda _: self._record("abandoned"))
        return started

    def started(self) -> None:
        """
        The pending start succeeds.
        """
        starting, self._starting = self._starting, None
        assert starting is not None, "no start is pending"
        starting.callback(None)

    def start_failed(self, reason: Exception) -> None:
        """
        The pending start fails.
        """
        starting, self._starting = self._starting, None
        assert starting is not None, "no start is pending"
        starting.errback(Failure(reason))

    def free(self) -> Deferred[None]:
        """
        @see: L{IEngine.free}
        """
        return self._give_back("free")

    def close(self) -> Deferred[None]:
        """
        @see: L{IEngine.close}
        """
        return self._give_back("close")

    def _give_back(self, how: str) -> Deferred[None]:
        self._record(how)
        self._starting = None
        if self.prompt or not self.running:
            self.running = False
            return succeed(None)
        freeing: Deferred[None] = Deferred()
        self._freeing.append(freeing)
        return freeing

    def freed(self) -> None:
        """
        Every pending stop succeeds.
        """
        self.running = False
        pending, self._freeing = self._freeing, []
        assert pending, "no stop is pending"
        for freeing in pending:
            freeing.callback(None)

    def free_failed(self, reason: Exception) -> None:
        """
        Every pending stop fails.
        """
        pending, self._freeing = self._freeing, []
        assert pending, "no stop is pending"
        for freeing in pending:
            freeing.errback(Failure(reason))

    def leave(self) -> Deferred[None]:
        """
        @see: L{IEngine.leave}
        """
        self._record("leave")
        return succeed(None)

    def loaded(self) -> Deferred[tuple[Residency, ...]]:
        """
        @see: L{IEngine.loaded}
        """
        answer: Deferred[tuple[Residency, ...]] = Deferred()
        if isinstance(self.holding, RouterError):
            answer.errback(Failure(self.holding))
        else:
            self.running = bool(self.holding)
            answer.callback(self.holding)
        return answer

    def watch(self, watcher: Any) -> None:
        """
        @see: L{IEngine.watch}
        """
        self._watchers.append(watcher)

    def lose(self, reason: RouterError) -> None:
        """
        The engine ends by itself.
        """
        self.running = False
        for watcher in self._watchers:
            watcher.engine_lost(self.key, reason)

    def alive(self) -> bool:
        """
        @see: L{IEngine.alive}
        """
        return self.running

    def describe(self) -> dict[str, Any]:
        """
        @see: L{IEngine.describe}
        """
        return {"type": "fake", "base_url": self.base_url, "process_running": self.running}


@implementer(IModelServer)
class FakeModelServer:
    """
    A server whose loads and unloads end when the test says so.

    @ivar events: what was asked of it, in order: C{load MODEL}, C{given up},
        C{unload ID}.
    @ivar up: whether it answers.
    @ivar holding: what it holds.
    @ivar silent: why L{loaded} fails, or L{None}.
    @ivar models: what L{list_models} answers.
    @ivar prompt: whether what is loaded is there, and what is unloaded gone,
        at once.
    """

    def __init__(
        self,
        models: Iterable[str] = (),
        *,
        up: bool = True,
        prompt: bool = False,
        events: list[str] | None = None,
    ) -> None:
        self.models = list(models)
        self.up = up
        self.prompt = prompt
        self.events: list[str] = [] if events is None else events
        self.holding: list[LoadedModel] = []
        self.silent: RouterError | None = None
        self._loading: tuple[str, Deferred[None]] | None = None
        self._leaving: list[LoadedModel] = []

    def is_up(self) -> Deferred[bool]:
        """
        @see: L{IModelServer.is_up}
        """
        return succeed(self.up)

    def loaded(self) -> Deferred[list[LoadedModel]]:
        """
        @see: L{IModelServer.loaded}
        """
        return self._answer(list(self.holding), self.silent)

    def load(self, model: str) -> Deferred[None]:
        """
        @see: L{IModelServer.load}
        """
        self.events.append(f"load {model}")
        if self.prompt or not self.up:
            if self.up:
                self._hold(model)
            return self._answer(None)
        loading: Deferred[None] = Deferred(lambda _: self.events.append("given up"))
        self._loading = (model, loading)
        return loading

    def load_ended(self) -> None:
        """
        The pending load succeeds; also when nobody waits for it any more.
        """
        model, loading = self._take_loading()
        self._hold(model)
        if not loading.called:
            loading.callback(None)

    def load_failed(self, reason: RouterError) -> None:
        """
        The pending load fails.
        """
        _, loading = self._take_loading()
        loading.errback(Failure(reason))

    def unload(self, loaded: LoadedModel) -> Deferred[None]:
        """
        @see: L{IModelServer.unload}
        """
        self.events.append(f"unload {loaded.id}")
        if self.up:
            self._leaving.append(loaded)
            if self.prompt:
                self.unloads_ended()
        return self._answer(None)

    def unloads_ended(self) -> None:
        """
        What was asked to go is gone.
        """
        self.holding = [held for held in self.holding if held not in self._leaving]
        self._leaving = []

    def list_models(self) -> Deferred[list[str]]:
        """
        @see: L{IModelServer.list_models}
        """
        return self._answer(list(self.models))

    def _hold(self, model: str) -> None:
        held = LoadedModel(model, model)
        if held not in self.holding:
            self.holding.append(held)

    def _take_loading(self) -> tuple[str, Deferred[None]]:
        loading, self._loading = self._loading, None
        assert loading is not None, "no load is pending"
        return loading

    def _answer(self, value: T, error: RouterError | None = None) -> Deferred[T]:
        if not self.up:
            error = Refused("the fake server does not answer")
        return succeed(value) if error is None else fail(error)


@implementer(IServiceUnit)
class FakeServiceUnit:
    """
    A unit that does what it is told, at once.

    @ivar events: what was asked of it, in order: C{start}, C{stop}.
    @ivar now: what L{state} answers.
    @ivar broken: why L{start} fails, or L{None}.
    @ivar stuck: why L{stop} fails, or L{None}.
    """

    def __init__(
        self,
        name: str = "fake.service",
        *,
        active: bool = False,
        events: list[str] | None = None,
    ) -> None:
        self.name = name
        self.events: list[str] = [] if events is None else events
        self.now = "active" if active else "inactive"
        self.broken: RouterError | None = None
        self.stuck: RouterError | None = None

    def start(self) -> Deferred[None]:
        """
        @see: L{IServiceUnit.start}
        """
        self.events.append("start")
        self.now = "active" if self.broken is None else "failed"
        return succeed(None) if self.broken is None else fail(self.broken)

    def stop(self) -> Deferred[None]:
        """
        @see: L{IServiceUnit.stop}
        """
        self.events.append("stop")
        if self.stuck is not None:
            return fail(self.stuck)
        self.now = "inactive"
        return succeed(None)

    def state(self) -> Deferred[str]:
        """
        @see: L{IServiceUnit.state}
        """
        return succeed(self.now)


@implementer(IEngineWatcher)
class FakeEngineWatcher:
    """
    @ivar lost: the (key, reason) pairs that it heard of.
    """

    def __init__(self) -> None:
        self.lost: list[tuple[str, RouterError]] = []

    def engine_lost(self, key: str, reason: RouterError) -> None:
        """
        @see: L{IEngineWatcher.engine_lost}
        """
        self.lost.append((key, reason))


@implementer(IHealthCheck)
class FakeHealthCheck:
    """
    A check that gives its answers one after the other, and the last for ever.
    """

    def __init__(self, answers: Iterable[str | None] = (None,)) -> None:
        self._answers = list(answers)
        self.checks = 0

    def check(self) -> Deferred[str | None]:
        """
        @see: L{IHealthCheck.check}
        """
        self.checks += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return succeed(answer)


@implementer(IStateStore)
class FakeStateStore:
    """
    A store in memory.

    @ivar sections: everything in it.
    """

    def __init__(self, sections: dict[str, Any] | None = None) -> None:
        self.sections: dict[str, Any] = {} if sections is None else sections

    def get(self, section: str) -> Any:
        """
        @see: L{IStateStore.get}
        """
        return self.sections.get(section)

    def put(self, section: str, value: Any) -> None:
        """
        @see: L{IStateStore.put}
        """
        self.sections[section] = value


@implementer(IMemoryChannel)
class FakeMemoryChannel:
    """
    A channel that reads what a function says.
    """

    name = "mem"

    def __init__(self, reading: Callable[[], int | None], interval: float = 0.005) -> None:
        self._reading = reading
        self.interval = interval
        self.reads = 0

    def read(self) -> int | None:
        """
        @see: L{IMemoryChannel.read}
        """
        self.reads += 1
        return self._reading()


@implementer(IRelease)
class FakeRelease:
    """
    A watch whose verdict comes when the test says so, unless it was given one.
    """

    def __init__(self, report: SettleReport | None) -> None:
        self._report = report
        self.stopped = False
        self.cancelled = False
        self._verdict: Deferred[SettleReport] | None = None

    def stopping(self) -> None:
        """
        @see: L{IRelease.stopping}
        """
        self.stopped = True

    def wait(self) -> Deferred[SettleReport]:
        """
        @see: L{IRelease.wait}
        """
        if self._report is not None:
            return succeed(self._report)
        self._verdict = Deferred()
        return self._verdict

    def settle(self, report: SettleReport) -> None:
        """
        The verdict is in.
        """
        verdict, self._verdict = self._verdict, None
        assert verdict is not None, "nobody waits for a verdict"
        verdict.callback(report)

    def cancel(self) -> None:
        """
        @see: L{IRelease.cancel}
        """
        self.cancelled = True


@implementer(IMemory)
class FakeMemory:
    """
    Memory that comes back as the test says.

    @ivar report: the verdict of every release, or L{None} to let the test
        call L{FakeRelease.settle}.
    @ivar short: by incoming engine, what L{shortfall} answers.
    @ivar releases: the releases that were begun, with outgoing and incoming.
    @ivar events: C{starting KEY} and C{started KEY}, in order.
    """

    def __init__(self, report: SettleReport | None = None) -> None:
        self.report = report
        self.short: dict[str, InsufficientMemory] = {}
        self.releases: list[tuple[str | None, str | None, FakeRelease]] = []
        self.events: list[str] = []

    def shortfall(self, outgoing: str | None, incoming: str) -> InsufficientMemory | None:
        """
        @see: L{IMemory.shortfall}
        """
        return self.short.get(incoming)

    def begin(
        self, outgoing: str | None, incoming: str | None, alive: Callable[[], bool | None]
    ) -> FakeRelease:
        """
        @see: L{IMemory.begin}
        """
        release = FakeRelease(self.report)
        self.releases.append((outgoing, incoming, release))
        return release

    def starting(self, engine: str) -> None:
        """
        @see: L{IMemory.starting}
        """
        self.events.append(f"starting {engine}")

    def started(self, engine: str) -> None:
        """
        @see: L{IMemory.started}
        """
        self.events.append(f"started {engine}")

    def describe(self) -> dict[str, Any]:
        """
        @see: L{IMemory.describe}
        """
        return {}


_FAKES: list[tuple[type[Interface], type]] = [
    (IEngine, FakeEngine),
    (IEngineWatcher, FakeEngineWatcher),
    (IModelServer, FakeModelServer),
    (IServiceUnit, FakeServiceUnit),
    (IHealthCheck, FakeHealthCheck),
    (IStateStore, FakeStateStore),
    (IMemoryChannel, FakeMemoryChannel),
    (IRelease, FakeRelease),
    (IMemory, FakeMemory),
]

for _interface, _fake in _FAKES:
    verifyClass(_interface, _fake)
