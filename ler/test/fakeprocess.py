# -*- test-case-name: ler.test.test_process -*-
"""
Guardians that a test plays.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from ler.engines.guardian import CONTROL, EVENTS, OUTPUT
from ler.engines.identity import MARKER, ProcessTable
from ler.engines.procfs import Stat


def no_threads(function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
    """
    Call a function at once.
    """
    return maybeDeferred(function, *arguments)


class FakeGuardian:
    """
    The transport of a guardian that was launched, and what a test makes of it.

    @ivar said: what it was told.
    """

    def __init__(self, pid: int, protocol: ProcessProtocol, **arguments: Any) -> None:
        self.pid = pid
        self.arguments = arguments
        self.said = b""
        self._protocol = protocol
        protocol.makeConnection(self)

    # The transport.

    def writeToChild(self, childFD: int, data: bytes) -> None:
        """
        @see: L{IProcessTransport.writeToChild}
        """
        assert childFD == CONTROL
        self.said += data

    # The test.

    @property
    def orders(self) -> list[str]:
        """
        What it was told after the spec.
        """
        return self.said.decode().splitlines()[1:]

    @property
    def spec(self) -> dict[str, Any]:
        """
        What it was told to launch.
        """
        spec: dict[str, Any] = json.loads(self.said.splitlines()[0])
        return spec

    def prints(self, text: str) -> None:
        """
        The engine prints something.
        """
        self._protocol.childDataReceived(OUTPUT, text.encode())

    def reports(self, event: str) -> None:
        """
        The guardian reports an event.
        """
        self._protocol.childDataReceived(EVENTS, f"{event}\n".encode())

    def exits(self) -> None:
        """
        The guardian has nothing left to guard.
        """
        self._protocol.childConnectionLost(CONTROL)
        self._protocol.processEnded(Failure(ProcessDone(0)))

    def is_killed(self) -> None:
        """
        Somebody kills the guardian.
        """
        self._protocol.childConnectionLost(CONTROL)
        self._protocol.processEnded(Failure(ProcessTerminated(None, signal.SIGKILL)))


class FakeProcessReactor(MemoryReactorClock):
    """
    A reactor in memory that launches L{FakeGuardian}s.

    @ivar guardians: all of them.
    @ivar refuses: an error for the next launch to raise.
    """

    def __init__(self) -> None:
        super().__init__()
        self.guardians: list[FakeGuardian] = []
        self.refuses: OSError | None = None

    def spawnProcess(
        self, processProtocol: ProcessProtocol, executable: str, args: list[str], **more: Any
    ) -> FakeGuardian:
        """
        @see: L{IReactorProcess.spawnProcess}
        """
        if self.refuses is not None:
            raise self.refuses
        # The test's own pid, so that there is such a process.
        guardian = FakeGuardian(
            os.getpid(), processProtocol, executable=executable, args=args, **more
        )
        self.guardians.append(guardian)
        return guardian


class FakeTable(ProcessTable):
    """
    A table of processes that do not exist.

    @ivar running: the processes, by pid.
    @ivar markers: the marker that each carries, by pid.
    @ivar signals: the signals sent, as (pid, signal).
    @ivar immortal: pids that survive SIGKILL.
    """

    def __init__(self) -> None:
        self.running: dict[int, Stat] = {}
        self.markers: dict[int, str] = {}
        self.signals: list[tuple[int, int]] = []
        self.immortal: set[int] = set()

    def add(self, pid: int, marker: str = "", **changes: Any) -> None:
        """
        A process starts.
        """
        base = Stat(pid=pid, state="S", parent=1, group=pid, session=pid, start_time=pid * 10)
        self.running[pid] = base._replace(**changes)
        self.markers[pid] = marker

    def stat(self, pid: int) -> Stat | None:
        """
        @see: L{ProcessTable.stat}
        """
        return self.running.get(pid)

    def processes(self) -> list[Stat]:
        """
        @see: L{ProcessTable.processes}
        """
        return list(self.running.values())

    def environ(self, pid: int) -> list[bytes]:
        """
        @see: L{ProcessTable.environ}
        """
        return [f"{MARKER}={self.markers[pid]}".encode()] if pid in self.running else []

    def _signal(self, pid: int, start_time: int, signum: int) -> None:
        self.signals.append((pid, signum))
        if signum == signal.SIGKILL and pid not in self.immortal:
            del self.running[pid]


def environment(guardian: FakeGuardian) -> Mapping[bytes, bytes]:
    """
    @return: the environment that a guardian was launched with.
    """
    environ: Mapping[bytes, bytes] = guardian.arguments["env"]
    return environ
