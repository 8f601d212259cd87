# -*- test-case-name: ler.test.test_process_launch -*-
"""
Launching a guardian, and talking to it over its pipes.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

import ler
from ler.engines.guardian import CONTROL, ERRORS, EVENTS, OUTPUT, Spec
from ler.engines.process import Ending, GuardedProcess, ILink
from ler.waiters import Waiters

# Isolated and without site-packages, it starts in 20 ms.  Ours may be below
# those, or not: it is told where, after the standard library.
PROGRAM = (
    "import sys; sys.path.append(sys.argv[1]); from ler.engines import guardian as g; g.main()"
)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(ler.__file__)))


def launch(
    process: GuardedProcess,
    environ: Mapping[bytes, bytes],
    *,
    reactor: Any,
    output: Callable[[bytes], None],
) -> PipeLink:
    """
    Launch a guardian, which waits to be told what to launch in its turn.

    @param process: what hears of it.
    @param environ: the environment of guardian and engine.
    @param reactor: an C{IReactorProcess}.
    @param output: called with what the engine prints, as L{bytes}.
    @raise OSError: the system cannot run another process.
    """
    link = PipeLink(process, output)
    process.linked(link)
    reactor.spawnProcess(
        link,
        sys.executable,
        [sys.executable, "-I", "-S", "-c", PROGRAM, ROOT, process.key],
        env=environ,
        childFDs={CONTROL: "w", OUTPUT: "r", ERRORS: "r", EVENTS: "r"},
    )
    return link


@implementer(ILink)
class PipeLink(ProcessProtocol):
    """
    The pipes to a guardian that is our child.
    """

    _log = Logger()

    def __init__(self, process: GuardedProcess, output: Callable[[bytes], None]) -> None:
        self._process = process
        self._output = output
        self._events = b""
        self._listened_to = True
        self._answer: Waiters[bool] = Waiters()

    @property
    def guardian_pid(self) -> int:
        """
        The pid of the guardian.
        """
        assert self.transport is not None
        pid: int = self.transport.pid
        return pid

    def begin(self, spec: Spec) -> None:
        """
        Tell the guardian what to launch.
        """
        self._say(json.dumps(spec._asdict()))

    def _say(self, line: str) -> None:
        if self._listened_to:
            assert self.transport is not None
            self.transport.writeToChild(CONTROL, f"{line}\n".encode())

    # ILink

    def ask_to_stop(self) -> None:
        """
        @see: L{ILink.ask_to_stop}
        """
        self._say("stop")

    def ask_to_leave(self) -> Deferred[bool]:
        """
        @see: L{ILink.ask_to_leave}
        """
        answer = self._answer.wait()
        self._say("leave")
        return answer

    def drop(self) -> None:
        """
        @see: L{ILink.drop}
        """
        self._answer.fire(False)

    # ProcessProtocol

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """
        The guardian passes output on, or reports an event.
        """
        if childFD != EVENTS:
            self._output(data)
            return
        *events, self._events = (self._events + data).split(b"\n")
        for event in events:
            name, _, detail = event.decode(errors="replace").partition(" ")
            self._happened(name, detail)

    def _happened(self, name: str, detail: str) -> None:
        if name == "pid":
            self._process.pid = int(detail)
        elif name == "exited":
            self._process.engine_ended(Ending(code=int(detail)))
        elif name == "exec-failed":
            self._process.engine_ended(Ending(error=detail))
        elif name == "left":
            self._answer.fire(True)
        elif name == "kept":
            self._log.error(
                "engine {key} cannot be left running: {reason}",
                key=self._process.key,
                reason=detail,
            )
            self._answer.fire(False)

    def childConnectionLost(self, childFD: int) -> None:
        """
        The guardian has closed one end.
        """
        if childFD == CONTROL:
            self._listened_to = False

    def processEnded(self, reason: Failure) -> None:
        """
        The guardian is gone, and all that it wrote has been read.
        """
        self._listened_to = False
        self._process.guardian_gone(clean=reason.check(ProcessDone) is not None)
