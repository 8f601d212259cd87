# -*- test-case-name: ler.test.test_systemd,ler.test.test_live_systemd -*-
"""
An engine that is a unit of systemd.

systemd owns its processes; the router owns the decision whether it runs.  A
run that ends is lost, also when systemd restarts the unit by itself: what the
next run loads was not settled with anybody, so it is stopped, and started again
when it is wanted.  An exclusive unit that somebody else starts is stopped, too.

The end of the first process is noticed at once, by its pidfd.  For all else the
unit is looked at every few seconds: that starts a program, which is no work for
every second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IAgent
from zope.interface import implementer

from ler.config.model import Engine, GenericProcess, Systemd
from ler.engines.control import Control
from ler.engines.generic_process import GenericProcessEngine
from ler.engines.health import OK, HTTPHealthCheck, NotReady, until_ready
from ler.engines.identity import Identity, ProcessTable
from ler.engines.listing import listed
from ler.engines.port import Port
from ler.engines.process import Threads
from ler.engines.reown import ExitWatch
from ler.engines.unit import ISystemdUnit, SystemdUnit
from ler.engines.unit_start import UnitStart
from ler.engines.unit_status import UnitStatus, story
from ler.errors import (
    EngineDied,
    EngineStartFailed,
    EngineStartTimeout,
    RouterError,
    Unreachable,
)
from ler.interfaces import IEngine, IEngineWatcher, IModelLister, IStateStore, Residency

LOOK_S = 5.0
"""How often a unit is looked at."""

NOTICE_S = 0.1
"""How long systemd may take to notice that a process has ended."""


class AnyProcess(ProcessTable):
    """
    The processes of this machine, which carry no marker of ours.
    """

    def is_marked(self, pid: int, marker: str) -> bool:
        """
        @see: L{ProcessTable.is_marked}
        """
        return True


@implementer(IEngine, IModelLister)
class SystemdEngine:
    """
    One configured C{systemd} whose C{control} is one.
    """

    _log = Logger()

    def __init__(
        self,
        config: Systemd,
        *,
        unit: ISystemdUnit,
        reactor: Any,
        agent: IAgent,
        threads: Threads,
        model_name: str | None = None,
        table: ProcessTable | None = None,
    ) -> None:
        """
        @param reactor: an C{IReactorTime}, C{IReactorTCP} and
            C{IReactorFDSet}.
        @param agent: for our own questions, with one connection kept warm.
        @param model_name: the name that the server has for its model, for the
            completions that we ask for.
        @param table: the processes of this machine.
        """
        self.key = config.key
        self.base_url = config.base_url.rstrip("/")
        self._config = config
        self._unit = unit
        self._reactor = reactor
        self._table = AnyProcess() if table is None else table
        self._port = Port(self.base_url, reactor, threads)
        self._check = HTTPHealthCheck(
            self.base_url,
            config.health_path,
            config.ready_check,
            agent=agent,
            clock=reactor,
            timeout=config.ready_timeout_s,
            headers=config.control_headers,
            model=model_name,
        )
        self._control = Control(self.base_url, agent, reactor, config.control_headers)
        self._watchers: list[IEngineWatcher] = []
        self._lock = DeferredLock()
        self._starting: Deferred[None] | None = None
        self._run: UnitStatus | None = None
        self._ready_since = 0.0
        self._has_port = False
        self._main: ExitWatch | None = None
        self._notice: IDelayedCall | None = None
        self._loop = LoopingCall(self._inspect)
        self._loop.clock = reactor

    # IEngine

    def bring_up(self, model: str | None) -> Deferred[None]:
        """
        @see: L{IEngine.bring_up}
        """
        starting = self._starting = Deferred.fromCoroutine(self._bring_up())

        def over(result: Any) -> Any:
            if self._starting is starting:
                self._starting = None
            return result

        return starting.addBoth(over)

    def free(self) -> Deferred[None]:
        """
        @see: L{IEngine.free}
        """
        return Deferred.fromCoroutine(self._free())

    def close(self) -> Deferred[None]:
        """
        @see: L{IEngine.close}
        """
        self._look_away()
        return self.free()

    def leave(self) -> Deferred[None]:
        """
        @see: L{IEngine.leave}
        """
        return Deferred.fromCoroutine(self._leave())

    def loaded(self) -> Deferred[tuple[Residency, ...]]:
        """
        @see: L{IEngine.loaded}
        @return: as there; it waits for a server that is loading.
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
        seen: UnitStatus = self._unit.seen
        return seen.populated

    def describe(self) -> dict[str, Any]:
        """
        @see: L{IEngine.describe}
        """
        seen: UnitStatus = self._unit.seen
        return {
            "type": "systemd",
            "base_url": self.base_url,
            "unit": self._unit.name,
            "state": seen.state,
            "sub_state": seen.sub,
            "result": seen.result,
            "restarts": seen.restarts,
            "process_running": seen.populated,
            "pid": seen.main_pid,
            "uptime_s": None if self._run is None else self._reactor.seconds() - self._ready_since,
        }

    # IModelLister

    def list_models(self) -> Deferred[list[str] | None]:
        """
        @see: L{IModelLister.list_models}
        """
        return Deferred.fromCoroutine(self._list_models())

    async def _list_models(self) -> list[str] | None:
        if self._run is None:
            return None
        timeout = self._config.ready_timeout_s
        try:
            reply = await self._control.ask("GET", "/v1/models", timeout=timeout)
        except Unreachable:
            return None
        return listed(reply.json) if reply.status == OK else None

    # Up.

    async def _bring_up(self) -> None:
        self._watch_over()
        began = self._reactor.seconds()
        try:
            async with self._lock:
                await self._start()
                spent = self._reactor.seconds() - began
                await self._become_ready(max(self._config.start_timeout_s - spent, 0.0))
        except CancelledError:
            # Cancelled by the caller, or by free(), which took the start away.
            if self._starting is None:
                raise EngineStartFailed(f"the start of engine {self.key} was abandoned") from None
            raise
        except Unreachable as e:
            raise EngineStartFailed(f"engine {self.key} cannot start: {e.message}") from e

    async def _start(self) -> None:
        if not (await self._unit.look()).runs and await self._port.is_open():
            raise EngineStartFailed(
                f"engine {self.key} cannot start: {await self._port.holder()} listens on "
                f"{self._port} already; stop that, or give the engine another port"
            )
        self._has_port = True
        await self._unit.start()
        self._log.info("engine {key}: {unit} was started", key=self.key, unit=self._unit.name)

    async def _become_ready(self, timeout: float) -> None:
        """
        Wait until the unit, which somebody started, can answer.
        """
        begun = await self._unit.look()
        start = UnitStart(self.key, self._unit, self._check, begun, self._reactor)
        await start.judge(begun)
        try:
            await until_ready(start, self._reactor, timeout)
        except NotReady as e:
            lines = await self._unit.last_lines()
            raise EngineStartTimeout(
                f"engine {self.key} was not ready within {self._config.start_timeout_s:g} s ({e}); "
                f"{self._unit.name} {story(self._unit.seen, lines)}"
            ) from None
        # Another's server may have answered on the port of one that failed.
        status = await self._unit.look()
        await start.judge(status)
        self._run, self._ready_since = status, self._reactor.seconds()
        self._follow(status.main_pid)
        self._log.info("engine {key} is ready", key=self.key)

    # Down.

    async def _free(self) -> None:
        self._retire()
        starting, self._starting = self._starting, None
        if starting is not None:
            starting.cancel()
        async with self._lock:
            await self._end()

    def _retire(self) -> None:
        """
        It serves no more.
        """
        self._run = None
        if self._main is not None:
            self._main.stop()
            self._main = None
        if self._notice is not None and self._notice.active():
            self._notice.cancel()

    async def _end(self) -> None:
        await self._unit.stop()
        if self._has_port:
            await self._port.closed(f"{self._unit.name} is stopped")
            self._has_port = False

    async def _leave(self) -> None:
        self._look_away()
        if self._run is None:
            await self._free()
        self._retire()

    # Back.

    async def _loaded(self) -> tuple[Residency, ...]:
        self._watch_over()
        if self._starting is None and self._run is None:
            async with self._lock:
                await self._take_over()
        return () if self._run is None else (Residency(self.key),)

    async def _take_over(self) -> None:
        """
        Keep the unit if it runs and comes to answer; else nothing stays of it.
        """
        try:
            if (await self._unit.look()).runs:
                self._has_port = True
                await self._become_ready(self._config.start_timeout_s)
                return
        except (Unreachable, EngineStartFailed, EngineStartTimeout) as e:
            self._log.warn("engine {key}: {reason}", key=self.key, reason=e.message)
        await self._end()

    # What happens behind our back.

    def _watch_over(self) -> None:
        if not self._loop.running:
            self._loop.start(LOOK_S, now=False).addErrback(self._bug)

    def _look_away(self) -> None:
        if self._loop.running:
            self._loop.stop()

    def _bug(self, failure: Failure) -> None:
        self._log.failure("engine {key}", failure, key=self.key)

    def _follow(self, pid: int | None) -> None:
        """
        Hear of the end of the first process at once.
        """
        if pid is None:
            return
        identity = Identity(pid, self._table.start_time(pid) or 0, "")
        self._main = ExitWatch(identity, self._table, self._reactor)
        # One that has ended already is found when the unit is looked at next.
        self._main.start(lambda: self._main_ended(pid))

    def _main_ended(self, pid: int) -> None:
        self._notice = self._reactor.callLater(NOTICE_S, self._inspect, pid)

    def _inspect(self, ended: int | None = None) -> Deferred[None]:
        """
        @param ended: the first process, which is known to have ended.
        """
        return Deferred.fromCoroutine(self._compare(ended)).addErrback(self._bug)

    async def _compare(self, ended: int | None) -> None:
        if self._lock.locked:
            return
        run = self._run
        status: UnitStatus | None = None
        try:
            status = await self._unit.look()
        except Unreachable:
            if ended is None:
                return
        if self._lock.locked or self._run is not run or not self._loop.running:
            return  # The answer is of another time.
        if run is None:
            if status is not None and status.runs and self._config.exclusive:
                await self._send_away()
        elif status is None or not status.runs or status.run != run.run:
            await self._mourn(run, status)
        elif ended is not None and status.main_pid == ended:
            await self._mourn(run, None)
        elif ended is not None:
            # The unit lives on with another first process.
            self._follow(status.main_pid)

    async def _mourn(self, run: UnitStatus, status: UnitStatus | None) -> None:
        lines = await self._unit.last_lines()
        if self._run is not run:
            return
        self._retire()
        reason = EngineDied(
            f"engine {self.key} ended by itself; {self._unit.name} {story(status, lines)}"
        )
        self._log.info("{reason}", reason=reason.message)
        for watcher in self._watchers:
            watcher.engine_lost(self.key, reason)

    async def _send_away(self) -> None:
        self._log.warn(
            "{unit} runs, but engine {key} was not asked for: it is stopped",
            unit=self._unit.name,
            key=self.key,
        )
        try:
            async with self._lock:
                await self._unit.stop()
        except RouterError as e:
            self._log.warn("engine {key}: {reason}", key=self.key, reason=e.message)


def make_systemd_engine(
    config: Systemd,
    *,
    reactor: Any,
    agent: IAgent,
    store: IStateStore,
    state_dir: str,
    instance: str,
    environ: Mapping[str, str],
    threads: Threads,
    model_name: str | None = None,
    redact: Callable[[str], str] = str,
) -> SystemdEngine | GenericProcessEngine:
    """
    @param reactor: also an C{IReactorProcess}.
    @return: an engine of a unit; or, with C{control: process}, one that the
        router launches itself.  The arguments are as L{GenericProcessEngine}'s.
    """
    if config.control == "process":
        return GenericProcessEngine(
            as_process(config),
            reactor=reactor,
            agent=agent,
            store=store,
            state_dir=state_dir,
            instance=instance,
            environ=environ,
            threads=threads,
            model_name=model_name,
            redact=redact,
        )
    assert config.unit_name is not None, "the configuration was not checked"
    unit = SystemdUnit(
        config.unit_name,
        "user" if config.control == "systemd-user" else "system",
        reactor=reactor,
        environ=environ,
        threads=threads,
        start_timeout=config.start_timeout_s,
        stop_timeout=config.stop_timeout_s,
    )
    return SystemdEngine(
        config, unit=unit, reactor=reactor, agent=agent, threads=threads, model_name=model_name
    )


def as_process(config: Systemd) -> GenericProcess:
    """
    @return: what C{config} says of its script, in the words of the other type.
    """
    common = {field.name: getattr(config, field.name) for field in fields(Engine)}
    return GenericProcess(
        **common,
        start_cmd=config.serve_script,
        ready_path=config.health_path,
        ready_check=config.ready_check,
        ready_timeout_s=config.ready_timeout_s,
        start_timeout_s=config.start_timeout_s,
        stop_timeout_s=config.stop_timeout_s,
        log_file=config.log_file,
    )
