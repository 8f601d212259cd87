# -*- test-case-name: ler.test.test_generic_process,ler.test.test_live_process -*-
"""
An engine that the router launches and owns.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredLock, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IAgent
from zope.interface import implementer

from ler.config.model import GenericProcess
from ler.engines.control import Control
from ler.engines.guardian import Spec
from ler.engines.health import OK, HTTPHealthCheck, NotReady, until_ready
from ler.engines.identity import ProcessTable, engine_environ, process_table
from ler.engines.launch import launch
from ler.engines.listing import listed
from ler.engines.output import Output, lacks_memory, tail
from ler.engines.port import Port
from ler.engines.process import Ending, GuardedProcess, Threads
from ler.engines.records import Record, Records
from ler.engines.reown import reown
from ler.engines.sleep import Sleeper, why_not
from ler.errors import EngineDied, EngineStartFailed, EngineStartTimeout, Unreachable
from ler.interfaces import (
    IEngine,
    IEngineWatcher,
    ILog,
    IModelLister,
    IStateStore,
    Residency,
)

LAST_LINES = 5
LAST_WIDTH = 200
"""Lines of output that an error shows, and characters of each."""

ADOPT_PROBES = 2
"""How many probes an engine that an earlier router left may need to answer."""


@implementer(IEngine, ILog, IModelLister)
class GenericProcessEngine:
    """
    One configured C{generic_process}.
    """

    _log = Logger()

    def __init__(
        self,
        config: GenericProcess,
        *,
        reactor: Any,
        agent: IAgent,
        store: IStateStore,
        state_dir: str,
        instance: str,
        environ: Mapping[str, str],
        threads: Threads,
        model_name: str | None = None,
        unified: bool = False,
        redact: Callable[[str], str] = str,
        table: ProcessTable | None = None,
    ) -> None:
        """
        @param reactor: an C{IReactorProcess}, C{IReactorTime}, C{IReactorTCP}
            and C{IReactorFDSet}.
        @param agent: for our own questions, with one connection kept warm.
        @param store: where guardians are recorded.
        @param state_dir: the router's state folder.
        @param instance: what tells this router's processes from another's; the
            same after a restart.
        @param environ: the router's own environment.
        @param model_name: the name that the engine has for its model, for the
            completions that we ask for.
        @param unified: whether the GPU shares the memory of the host.
        @param redact: takes secrets out of what the engine prints.
        """
        self.key = config.key
        self.base_url = config.base_url.rstrip("/")
        self._config = config
        self._reactor = reactor
        self._folder = os.path.abspath(os.path.join(state_dir, "guardians"))
        self._marker = f"{instance}:{config.key}"
        self._environ = engine_environ(environ, config.env, self._marker)
        self._threads = threads
        self._table = process_table() if table is None else table
        self._records = Records(store)
        self._redact = redact
        self._output = Output(config.log_file, redact)
        self._left_log: str | None = None
        self._port = Port(self.base_url, reactor, threads)
        self._check = HTTPHealthCheck(
            self.base_url,
            config.ready_path,
            config.ready_check,
            agent=agent,
            clock=reactor,
            timeout=config.ready_timeout_s,
            headers=config.control_headers,
            model=model_name,
        )
        self._control = Control(self.base_url, agent, reactor, config.control_headers)
        self._sleeper = self._make_sleeper(model_name, unified)
        self._asleep = False
        self._dozing = DeferredLock()
        self._watchers: list[IEngineWatcher] = []
        self._process: GuardedProcess | None = None
        self._starting: Deferred[None] | None = None
        self._ready_since: float | None = None
        self._ending: Ending | None = None
        self._has_port = False
        self._taken_back = False
        self._looking = DeferredLock()

    def _make_sleeper(self, model: str | None, unified: bool) -> Sleeper | None:
        config = self._config
        if config.on_free != "sleep":
            return None
        reason = why_not(config.sleep_level, unified)
        if reason is not None:
            self._log.warn(
                "engine {key} will be stopped instead of sleeping: {reason}",
                key=self.key,
                reason=reason,
            )
            return None
        return Sleeper(self.key, self._control, config.sleep_level, config.start_timeout_s, model)

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
        return Deferred.fromCoroutine(self._close())

    def leave(self) -> Deferred[None]:
        """
        @see: L{IEngine.leave}
        @return: a L{Deferred} firing with L{None} when the engine no longer
            depends on this router, or is stopped because it does.
        """
        return Deferred.fromCoroutine(self._leave())

    def loaded(self) -> Deferred[tuple[Residency, ...]]:
        """
        @see: L{IEngine.loaded}
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
        @return: L{None} also while it sleeps: its processes are there, and
            hold next to nothing.
        """
        return None if self._asleep else self._process is not None

    def describe(self) -> dict[str, Any]:
        """
        @see: L{IEngine.describe}
        """
        since = self._ready_since
        return {
            "type": "generic_process",
            "base_url": self.base_url,
            "process_running": self._process is not None,
            "asleep": self._asleep,
            "pid": None if self._process is None else self._process.pid,
            "uptime_s": None if since is None else self._reactor.seconds() - since,
            "exit": None if self._ending is None else str(self._ending),
            "last_lines": list(self._output.lines()),
        }

    # ILog

    def last_lines(self, count: int) -> Deferred[list[str]]:
        """
        @see: L{ILog.last_lines}
        """
        if self._left_log is None:
            return succeed(list(self._output.lines(count)))
        return Deferred.fromCoroutine(self._left_lines(self._left_log, count))

    async def _left_lines(self, path: str, count: int) -> list[str]:
        written = Output(redact=self._redact)
        written.remember(await self._threads(tail, path))
        return list(written.lines(count))

    def follow(self, told: Callable[[str], None], count: int) -> Callable[[], None]:
        """
        @see: L{ILog.follow}
        @return: as there.  Of an engine that an earlier router left running
            there are no further lines: it writes to a file.
        """
        return self._output.follow(told, count)

    # IModelLister

    def list_models(self) -> Deferred[list[str] | None]:
        """
        @see: L{IModelLister.list_models}
        """
        return Deferred.fromCoroutine(self._list_models())

    async def _list_models(self) -> list[str] | None:
        if self._ready_since is None:
            return None
        timeout = self._config.ready_timeout_s
        try:
            reply = await self._control.ask("GET", "/v1/models", timeout=timeout)
        except Unreachable:
            return None
        return listed(reply.json) if reply.status == OK else None

    # Up.

    async def _bring_up(self) -> None:
        try:
            if await self._wakes():
                return
            assert self._process is None, "it was not freed"
            if await self._port.is_open():
                raise EngineStartFailed(
                    f"engine {self.key} cannot start: {await self._port.holder()} listens on "
                    f"{self._port} already; stop that, or give the engine another port"
                )
            await self._become_ready(self._launch(), self._config.start_timeout_s)
        except CancelledError:
            # Cancelled by the caller, or by free(), which took the start away.
            if self._starting is None:
                raise EngineStartFailed(f"the start of engine {self.key} was abandoned") from None
            raise

    async def _wakes(self) -> bool:
        """
        @return: whether it slept, and can answer now.  If not, nothing is left
            of it.
        """
        if self._sleeper is None:
            return False
        process = self._process
        if self._asleep and process is not None:
            self._asleep = False
            if await self._sleeper.wake() and process.ending is None:
                self._is_ready("awake")
                return True
        await self._end()
        return False

    def _launch(self) -> GuardedProcess:
        self._output.forget()
        self._ending = None
        process = self._guarded(self._marker)
        fifo, log = self._let_go_paths()
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            link = launch(process, self._environ, reactor=self._reactor, output=self._output.feed)
        except OSError as e:
            raise EngineStartFailed(f"engine {self.key} could not be launched ({e})") from e
        self._own(process)
        self._taken_back = True  # The record that is found from now on is ours.
        pid = link.guardian_pid
        start_time = self._table.start_time(pid) or 0
        # Before there is an engine: one without a record could not be found
        # again after a crash.
        self._records.put(self.key, Record(pid, start_time, self._marker, fifo, log))
        link.begin(
            Spec(
                argv=list(self._config.start_cmd),
                cwd=self._config.cwd,
                stop_cmd=list(self._config.stop_cmd),
                stop_signal=signal_number(self._config.stop_signal),
                stop_group=self._config.stop_scope == "group",
                stop_timeout=self._config.stop_timeout_s,
                fifo=fifo,
                log=log,
            )
        )
        self._has_port = True
        self._log.info("engine {key} launched, guardian {pid}", key=self.key, pid=pid)
        return process

    def _let_go_paths(self) -> tuple[str, str]:
        """
        @return: the paths of the control FIFO and of the log file of an engine
            that was left.
        """
        path = os.path.join(self._folder, self.key)
        return f"{path}.fifo", os.path.abspath(self._config.log_file or f"{path}.log")

    async def _become_ready(self, process: GuardedProcess, timeout: float) -> None:
        ready = until_ready(self._check, self._reactor, timeout)
        ended = process.when_ended()
        ended.addCallbacks(lambda _: ready.cancel(), lambda _: None)
        try:
            await ready
        except NotReady as e:
            raise EngineStartTimeout(
                self._story(f"was not ready within {timeout:g} s ({e})")
            ) from None
        except CancelledError:
            if process.ending is None:
                raise
        finally:
            ended.cancel()
        if process.ending is not None:
            failed = EngineStartFailed(self._story(f"{process.ending} before it was ready"))
            failed.lacked_memory = lacks_memory(self._output.lines())
            raise failed
        self._is_ready("ready")

    def _is_ready(self, word: str) -> None:
        self._ready_since = self._reactor.seconds()
        self._log.info("engine {key} is {word}", key=self.key, word=word)

    def _story(self, what: str) -> str:
        """
        @return: what happened, with what the engine said of it.
        """
        text = f"engine {self.key} {what}"
        lines = [line for line in map(str.strip, self._output.lines()) if line]
        if lacks_memory(lines):
            text += "; the memory that it asks for was not back yet, or is too small"
        if lines:
            last = [line[:LAST_WIDTH] for line in lines[-LAST_LINES:]]
            text += f"; its last output: {' | '.join(last)}"
        return text

    # Owning processes.

    def _guarded(self, marker: str) -> GuardedProcess:
        config = self._config
        return GuardedProcess(
            self.key,
            marker,
            config.stop_timeout_s * (2 if config.stop_cmd else 1),
            table=self._table,
            clock=self._reactor,
            threads=self._threads,
        )

    def _own(self, process: GuardedProcess, log: str | None = None) -> None:
        """
        @param log: where its output goes if it does not come to us.
        """
        self._process = process
        self._left_log = log
        process.when_ended().addCallback(self._ended, log).addErrback(self._bug)
        process.when_gone().addCallback(self._vanished).addErrback(self._bug)

    def _bug(self, failure: Failure) -> None:
        self._log.failure("engine {key}", failure, key=self.key)

    def _ended(self, ending: Ending, log: str | None) -> Deferred[None]:
        return Deferred.fromCoroutine(self._mourn(ending, log))

    async def _mourn(self, ending: Ending, log: str | None) -> None:
        self._ending = ending
        self._log.info("engine {key} {ending}", key=self.key, ending=str(ending))
        was_ready, self._ready_since = self._ready_since is not None, None
        self._asleep = False
        if log is not None:
            self._output.remember(await self._threads(tail, log))
        if was_ready:
            reason = EngineDied(self._story(str(ending)))
            for watcher in self._watchers:
                watcher.engine_lost(self.key, reason)

    def _vanished(self, _: None) -> None:
        self._process = None
        self._left_log = None
        self._output.close()
        self._records.remove(self.key)

    # Down.

    async def _free(self) -> None:
        was_ready = self._retire()
        if self._sleeper is not None:
            # Who frees it again meanwhile waits, and does not stop it.
            async with self._dozing:
                if was_ready:
                    await self._fall_asleep(self._sleeper)
                if self._asleep:
                    return
        await self._end()

    async def _close(self) -> None:
        self._sleeper = None
        self._retire()
        await self._end()

    def _retire(self) -> bool:
        """
        It shall serve no more: a start that is under way is abandoned.

        @return: whether it did serve.
        """
        was_ready, self._ready_since = self._ready_since is not None, None
        starting, self._starting = self._starting, None
        if starting is not None:
            starting.cancel()
        return was_ready

    async def _fall_asleep(self, sleeper: Sleeper) -> None:
        process = self._process
        assert process is not None
        # It may have ended since it said so, or be ended for good.
        if await sleeper.sleep() and process.ending is None and self._sleeper is not None:
            self._asleep = True
            self._log.info("engine {key} sleeps", key=self.key)

    async def _end(self) -> None:
        """
        Stop it wholly.
        """
        self._asleep = False
        if self._process is not None:
            await self._process.stop()
        if self._has_port:
            await self._port.closed(f"every process of engine {self.key} is gone")
            self._has_port = False

    async def _leave(self) -> None:
        process = self._process if self._ready_since is not None else None
        if process is not None and await process.leave():
            self._log.info("engine {key} is left running", key=self.key)
        else:
            await self._close()

    # Back.

    async def _loaded(self) -> tuple[Residency, ...]:
        async with self._looking:
            if not self._taken_back:
                self._taken_back = True
                await self._take_back()
            if self._ready_since is not None:
                return (Residency(self.key),)
            if self._starting is None:
                # Nothing, or something of no use, such as what an earlier
                # router was about to stop.
                await self._free()
            return ()

    async def _take_back(self) -> None:
        record = self._records.get(self.key)
        if record is None:
            if not await self._threads(self._table.kill_marked, self._marker, None):
                return
            # The records were lost, and nothing is known of what we killed.
            record = Record(0, 0, self._marker, "", "")
        process = self._guarded(record.marker)
        self._own(process, record.log)
        owned = reown(process, record, reactor=self._reactor, table=self._table)
        # If its guardian is gone, who listens there now is somebody else.
        self._has_port = process.ending is None
        if not owned:
            self._log.info("engine {key} was not left running: it is stopped", key=self.key)
            return
        try:
            await self._become_ready(process, ADOPT_PROBES * self._config.ready_timeout_s)
        except (EngineStartFailed, EngineStartTimeout) as e:
            self._log.warn("what an earlier router left: {reason}", reason=e.message)


def signal_number(name: str) -> int:
    """
    @param name: a signal's name, such as C{SIGTERM}, or its number.
    """
    return int(name) if name.isdigit() else signal.Signals[name].value
