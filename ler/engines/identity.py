# -*- test-case-name: ler.test.test_process_identity -*-
"""
Which process is whose, beyond its pid.

A pid is reused.  A process is ours if it started when the one that we recorded
did and carries our marker in its environment; no other is ever signalled.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil

from ler.engines import procfs
from ler.engines.procfs import Stat

MARKER = "ENGINE_ROUTER_INSTANCE"
"""The environment variable that tells to which engine a process belongs."""

SERVICE_VARIABLES = frozenset(
    {"INVOCATION_ID", "JOURNAL_STREAM", "NOTIFY_SOCKET", "SYSTEMD_EXEC_PID"}
)
NOT_INHERITED = ("LISTEN_", "WATCHDOG_", "LLAMA_ARG_")
"""Prefixes of variables that talk to the router itself, or would change every
llama-server behind the back of its command line."""


def engine_environ(
    own: Mapping[str, str], extra: Mapping[str, str], marker: str
) -> dict[bytes, bytes]:
    """
    @param own: the router's own environment.
    @param extra: what the configuration adds to it.
    @param marker: the value of L{MARKER}.
    @return: the environment of an engine: without the variables by which a
        service manager talks to the router, and without options for engines
        that the configuration does not name.
    """
    environ = {
        name: value
        for name, value in own.items()
        if name not in SERVICE_VARIABLES and not name.startswith(NOT_INHERITED)
    }
    environ.update(extra)
    environ[MARKER] = marker
    return {os.fsencode(name): os.fsencode(value) for name, value in environ.items()}


def open_pidfd(pid: int) -> int | None:
    """
    @return: a descriptor that stays with the process that has the pid now, so
        that what is found true of the pid later is true of that process; or
        L{None} where there is no such process, or no such descriptors.
    """
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


@dataclass(frozen=True)
class Identity:
    """
    One process among all that ever had its pid.

    @ivar pid: its pid.
    @ivar start_time: when it started, as L{ProcessTable.start_time} says.
    @ivar marker: the value of L{MARKER} in its environment.
    """

    pid: int
    start_time: int
    marker: str


class ProcessTable:
    """
    The processes of this machine, as Linux shows them.
    """

    # What the system shows.

    def stat(self, pid: int) -> Stat | None:
        """
        @return: the process with this pid, or L{None}.
        """
        return procfs.stat(pid)

    def processes(self) -> Iterable[Stat]:
        """
        @return: all of them.
        """
        return procfs.processes()

    def environ(self, pid: int) -> list[bytes]:
        """
        @return: the environment of one as C{NAME=value} each, or nothing.
        """
        return procfs.environ(pid)

    # What it means.

    def start_time(self, pid: int) -> int | None:
        """
        @return: when the process started, in a unit of this table, or L{None}
            when no such process runs.
        """
        found = self.stat(pid)
        return None if found is None or found.state == "Z" else found.start_time

    def is_marked(self, pid: int, marker: str) -> bool:
        """
        @return: whether the process carries this value of L{MARKER}.
        """
        return os.fsencode(f"{MARKER}={marker}") in self.environ(pid)

    def is_alive(self, identity: Identity) -> bool:
        """
        @return: whether this very process runs.
        """
        return self.start_time(identity.pid) == identity.start_time and self.is_marked(
            identity.pid, identity.marker
        )

    def terminate(self, identity: Identity) -> None:
        """
        Send SIGTERM to this very process, if it runs.
        """
        if self.is_alive(identity):
            self._signal(identity.pid, identity.start_time, signal.SIGTERM)

    def kill_marked(self, marker: str, session: int | None) -> int:
        """
        Kill every process that carries a marker.  Looks at all processes, so
        it is a matter for a thread.

        @param marker: the value of L{MARKER}.
        @param session: a session known to be the engine's, or L{None}.  Its
            members are killed too: programs that write their own title may
            write it over the environment that they were started with.
        @return: how many were found.
        """
        count = 0
        for process in self.processes():
            if process.state == "Z" or process.pid == os.getpid():
                continue
            if process.session == session or self.is_marked(process.pid, marker):
                count += 1
                self._signal(process.pid, process.start_time, signal.SIGKILL)
        return count

    def _signal(self, pid: int, start_time: int, signum: int) -> None:
        pidfd = open_pidfd(pid)
        same = self.start_time(pid) == start_time
        with contextlib.suppress(OSError):
            if same and pidfd is not None:
                signal.pidfd_send_signal(pidfd, signum)
            elif same:
                os.kill(pid, signum)
        if pidfd is not None:
            os.close(pidfd)


class PsutilTable(ProcessTable):
    """
    The processes of this machine, as other systems show them.  Written for
    macOS, and not tested there.
    """

    def stat(self, pid: int) -> Stat | None:
        """
        @see: L{ProcessTable.stat}
        """
        with contextlib.suppress(psutil.Error, OSError):
            process = psutil.Process(pid)
            return Stat(
                pid=pid,
                state="Z" if process.status() == psutil.STATUS_ZOMBIE else "R",
                parent=process.ppid(),
                group=os.getpgid(pid),
                session=os.getsid(pid),
                start_time=int(process.create_time() * 1000),
            )
        return None

    def processes(self) -> Iterable[Stat]:
        """
        @see: L{ProcessTable.processes}
        """
        return filter(None, map(self.stat, psutil.pids()))

    def environ(self, pid: int) -> list[bytes]:
        """
        @see: L{ProcessTable.environ}
        """
        with contextlib.suppress(psutil.Error, OSError):
            environ = psutil.Process(pid).environ()
            return [os.fsencode(f"{name}={value}") for name, value in environ.items()]
        return []


def process_table() -> ProcessTable:
    """
    @return: the table of this system.
    """
    return ProcessTable() if sys.platform == "linux" else PsutilTable()
