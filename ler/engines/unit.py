# -*- test-case-name: ler.test.test_unit,ler.test.test_live_systemd -*-
"""
A unit of systemd, started, stopped and looked at by C{systemctl}.

The program is run as a child process, which takes a few milliseconds and needs
no further library.  Orders wait for systemd's job to end, since only that
tells why a start failed; each has a time limit of its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from shutil import which
from typing import Any, Literal

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from zope.interface import Attribute, implementer

from ler.engines.output import lacks_memory
from ler.engines.process import Threads
from ler.engines.unit_status import ENDED, PROPERTIES, UnitStatus, is_populated, parse_status, story
from ler.errors import EngineStartFailed, EngineStartTimeout, EngineStuck, Unreachable
from ler.interfaces import IServiceUnit

ASK_S = 10.0
"""How long systemd may take to answer a question."""

LINGER_S = 2.0
KILL_S = 10.0
PAUSE_S = 0.1
"""How long the processes of a unit may outlive it, and outlive SIGKILL, and how
often to look."""

STOP_S = 45.0
"""How long a unit may take to stop."""

READ_LINES = 50
READ_S = 3.0
"""Lines of the journal that are read, and how long that may take: what happened
is told without them rather than late."""

MAX_OUTPUT = 64 << 10

KEPT_VARIABLES = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"}
)

DENIED = re.compile(
    r"access denied|authentication (is )?required|not permitted|permission denied", re.IGNORECASE
)


def program_environ(environ: Mapping[str, str], user: bool) -> dict[str, str]:
    """
    @param environ: the router's own environment.
    @param user: whether the user's systemd is meant.
    @return: that of systemd's programs.
    """
    kept = {name: environ[name] for name in KEPT_VARIABLES & environ.keys()}
    kept.setdefault("PATH", os.defpath)
    # What they say is read, and shown.
    kept["LC_ALL"] = "C"
    if user:
        kept.setdefault("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    return kept


class ISystemdUnit(IServiceUnit):
    """
    A unit of which more is known than of other services.
    """

    seen = Attribute("What was seen when it was last looked at, as L{UnitStatus}.")

    def look() -> Deferred[UnitStatus]:
        """
        @return: a L{Deferred} firing with a L{UnitStatus}, or failing with
            L{Unreachable}.
        """

    def last_lines() -> Deferred[list[str]]:
        """
        @return: a L{Deferred} firing with the last lines of its log, since it
            was started here if it was; empty when they cannot be had.
        """


@dataclass(frozen=True)
class Outcome:
    """
    How a command ended.

    @ivar code: its exit code, or minus the signal that killed it.
    """

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """
        What it said, on one line.
        """
        return " ".join(self.err.split()) or f"exit code {self.code}"


class Command(ProcessProtocol):
    """
    A child process that answers.

    @ivar ended: a L{Deferred} firing with an L{Outcome}.  Cancelling it kills
        the process, which it does not wait for.
    """

    def __init__(self) -> None:
        self.ended: Deferred[Outcome] = Deferred(self._kill)
        self._output = {1: bytearray(), 2: bytearray()}

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.closeStdin()

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        output = self._output[childFD]
        output += data[: MAX_OUTPUT - len(output)]

    def processEnded(self, reason: Failure) -> None:
        if not self.ended.called:
            end: Any = reason.value
            code = -end.signal if end.exitCode is None else end.exitCode
            out, err = (text.decode("utf-8", "replace") for text in self._output.values())
            self.ended.callback(Outcome(code, out, err))

    def _kill(self, _: object) -> None:
        assert self.transport is not None
        # One that sudo made root's is not ours to kill.
        with suppress(ProcessExitedAlready, PermissionError):
            self.transport.signalProcess("KILL")


@implementer(ISystemdUnit)
class SystemdUnit:
    """
    One unit of the system's systemd, or of the user's.
    """

    def __init__(
        self,
        name: str,
        scope: Literal["system", "user"],
        *,
        reactor: Any,
        environ: Mapping[str, str],
        threads: Threads,
        start_timeout: float,
        stop_timeout: float = STOP_S,
        cgroups: str = "/sys/fs/cgroup",
    ) -> None:
        """
        @param name: the unit, as C{systemctl} takes it.
        @param reactor: an C{IReactorProcess} and C{IReactorTime}, which tells
            the time of day.
        @param environ: the router's own environment.
        @param start_timeout: seconds that systemd may take to start it.
        @param stop_timeout: seconds after which its processes are killed.
        @param cgroups: where control groups are mounted.
        """
        self.name = name
        self.seen = UnitStatus()
        self._reactor = reactor
        self._threads = threads
        self._start_timeout = start_timeout
        self._stop_timeout = stop_timeout
        self._cgroups = cgroups
        self._user = scope == "user"
        self._environ = program_environ(environ, self._user)
        self._began: float | None = None
        self._group = ""
        self._may_run = False

    # IServiceUnit

    def start(self) -> Deferred[None]:
        """
        @see: L{IServiceUnit.start}
        """
        return Deferred.fromCoroutine(self._start())

    async def _start(self) -> None:
        self._began = self._reactor.seconds()
        # Also after success: it forgets how often the unit was started lately,
        # of which systemd allows little.  There may be nothing to forget.
        await self._order("reset-failed", timeout=ASK_S)
        self._may_run = True
        try:
            outcome = await self._order("start", timeout=self._start_timeout)
        except Unreachable as e:
            raise EngineStartTimeout(f"{self.name} was not started: {e.message}") from None
        if outcome.code == 0:
            return
        # What runs in spite of that is seen when it is looked at.
        self._may_run = False
        status: UnitStatus | None = None
        with suppress(Unreachable):
            status = await self.look()
        lines = await self.last_lines()
        text = f"{self.name} was not started: {outcome.complaint}"
        if status is not None and (lines or status.result != "success"):
            text += f"; it {story(status, lines)}"
        failed = EngineStartFailed(text)
        failed.lacked_memory = lacks_memory(lines)
        raise failed

    def stop(self) -> Deferred[None]:
        """
        @see: L{IServiceUnit.stop}
        @return: as there.  Processes that outlive the time that the unit may
            take are killed.
        """
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        try:
            status = await self.look()
        except Unreachable as e:
            if self._may_run:
                raise self._stuck(e.message) from None
            return
        # A start that was given up may be about to happen yet.
        if status.gone and not self._may_run:
            return
        try:
            await self._end()
        except Unreachable as e:
            raise self._stuck(e.message) from None

    async def _end(self) -> None:
        complaint = ""
        try:
            outcome = await self._order("stop", timeout=self._stop_timeout)
            if outcome.code:
                complaint = outcome.complaint
            elif await self._gone_within(LINGER_S):
                return
        except Unreachable as e:
            complaint = e.message
        killed = await self._order("kill", "--signal=SIGKILL", timeout=ASK_S)
        # Whom systemd does not obey need not be waited for.
        if not await self._gone_within(0.0 if killed.code else KILL_S):
            raise self._stuck("; ".join(filter(None, (complaint, f"it is {self.seen}"))))

    async def _gone_within(self, limit: float) -> bool:
        give_up = self._reactor.seconds() + limit
        while not (await self.look()).gone:
            if self._reactor.seconds() >= give_up:
                return False
            await deferLater(self._reactor, PAUSE_S)
        self._may_run = False
        return True

    def _stuck(self, why: str) -> EngineStuck:
        user = "--user " if self._user else ""
        return EngineStuck(
            f"{self.name} does not stop: {why}; look at 'systemctl {user}status {self.name}'"
        )

    def state(self) -> Deferred[str]:
        """
        @see: L{IServiceUnit.state}
        """
        return self.look().addCallbacks(
            lambda status: status.state,
            lambda failure: failure.trap(Unreachable) and "unknown",
        )

    # ISystemdUnit

    def look(self) -> Deferred[UnitStatus]:
        """
        @see: L{ISystemdUnit.look}
        """
        return Deferred.fromCoroutine(self._look())

    async def _look(self) -> UnitStatus:
        wanted = f"--property={','.join(PROPERTIES)}"
        outcome = await self._run(self._systemctl("show", wanted), ASK_S)
        if outcome.code:
            raise Unreachable(f"{self.name} cannot be looked at: {outcome.complaint}")
        status = parse_status(outcome.out)
        # A unit that has ended names no group, but may have left some in it.
        self._group = status.control_group or self._group
        populated = None
        if self._group:
            populated = await self._threads(is_populated, self._cgroups, self._group)
        if populated is None and status.state in ENDED:
            populated = False
        if status.runs or populated:
            self._may_run = True
        self.seen = replace(status, populated=populated)
        return self.seen

    def last_lines(self) -> Deferred[list[str]]:
        """
        @see: L{ISystemdUnit.last_lines}
        """
        return Deferred.fromCoroutine(self._last_lines())

    async def _last_lines(self) -> list[str]:
        unit = f"--user-unit={self.name}" if self._user else f"--unit={self.name}"
        argv = ["journalctl", unit, f"--lines={READ_LINES}", "--output=cat", "--no-pager", "-q"]
        if self._began is not None:
            argv.append(f"--since=@{int(self._began)}")
        try:
            outcome = await self._run(argv, READ_S)
        except Unreachable:
            return []
        return [line for line in map(str.strip, outcome.out.splitlines()) if line]

    # Commands.

    def _systemctl(self, verb: str, *options: str) -> list[str]:
        scope = ["--user"] if self._user else []
        return ["systemctl", *scope, "--no-ask-password", "--no-pager", verb, *options, self.name]

    async def _order(self, verb: str, *options: str, timeout: float) -> Outcome:
        """
        Have systemd do something, by C{sudo} if we may not ourselves.
        """
        outcome = await self._run(self._systemctl(verb, *options), timeout)
        if self._user or outcome.code == 0 or not DENIED.search(outcome.err):
            return outcome
        try:
            # Without further options, so that a rule can name the command.
            again = await self._run(["sudo", "-n", "systemctl", verb, *options, self.name], timeout)
        except Unreachable as e:
            again = Outcome(1, "", f"sudo: {e.message}")
        if again.err.startswith("sudo:"):
            return replace(outcome, err=f"{outcome.complaint} {again.complaint}")
        return again

    def _run(self, argv: Sequence[str], timeout: float) -> Deferred[Outcome]:
        return Deferred.fromCoroutine(self._outcome(argv, timeout))

    async def _outcome(self, argv: Sequence[str], timeout: float) -> Outcome:
        program = which(argv[0], path=self._environ["PATH"])
        if program is None:
            raise Unreachable(f"there is no program {argv[0]}")
        command = Command()
        try:
            self._reactor.spawnProcess(command, program, argv, self._environ)
        except OSError as e:
            raise Unreachable(f"{argv[0]} could not be run ({e})") from e

        def too_late(result: object, timeout: float) -> Outcome:
            raise Unreachable(f"{argv[0]} did not end within {timeout:g} s")

        return await command.ended.addTimeout(timeout, self._reactor, onTimeoutCancel=too_late)
