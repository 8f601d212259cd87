# -*- test-case-name: ler.test.test_unit_log -*-
"""
What a unit of systemd prints, as the journal has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from shutil import which
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from ler.engines.output import Output
from ler.engines.unit import READ_S, program_environ
from ler.interfaces import ILog


@implementer(ILog)
class UnitLog:
    """
    The log of one unit, read by C{journalctl}; empty where that is missing.
    """

    def __init__(
        self,
        name: str,
        user: bool,
        *,
        reactor: Any,
        environ: Mapping[str, str],
        redact: Callable[[str], str],
    ) -> None:
        """
        @param name: the unit.
        @param user: whether it is one of the user's.
        @param reactor: an C{IReactorProcess} and C{IReactorTime}.
        @param environ: the router's own environment.
        @param redact: takes secrets out of a line.
        """
        unit = f"--user-unit={name}" if user else f"--unit={name}"
        self._argv = ["journalctl", unit, "--output=cat", "--no-pager", "--quiet"]
        self._reactor = reactor
        self._environ = program_environ(environ, user)
        self._redact = redact

    def last_lines(self, count: int) -> Deferred[list[str]]:
        """
        @see: L{ILog.last_lines}
        """
        output = Output(redact=self._redact)
        reader = _Reader(output)
        if not self._run(reader, f"--lines={count}"):
            return succeed([])
        # Rather what has come by then than nothing.
        reader.ended.addTimeout(READ_S, self._reactor, onTimeoutCancel=lambda *_: None)
        return reader.ended.addCallback(lambda _: list(output.lines(count)))

    def follow(self, told: Callable[[str], None], count: int) -> Callable[[], None]:
        """
        @see: L{ILog.follow}
        """
        output = Output(redact=self._redact)
        stop = output.follow(told, 0)
        reader = _Reader(output)
        runs = self._run(reader, f"--lines={count}", "--follow")

        def end() -> None:
            stop()
            if runs:
                reader.kill()

        return end

    def _run(self, reader: _Reader, *options: str) -> bool:
        """
        @return: whether there is such a program, and room for it.
        """
        program = which(self._argv[0], path=self._environ["PATH"])
        if program is None:
            return False
        try:
            self._reactor.spawnProcess(reader, program, [*self._argv, *options], self._environ)
        except OSError:
            return False
        return True


class _Reader(ProcessProtocol):
    """
    Reads what a program prints.

    @ivar ended: a L{Deferred} firing with L{None} when it has ended.
        Cancelling it kills the program, which it does not wait for.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self.ended: Deferred[None] = Deferred(lambda _: self.kill())

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.closeStdin()

    def outReceived(self, data: bytes) -> None:
        self._output.remember(data)

    def processEnded(self, reason: Failure) -> None:
        if not self.ended.called:
            self.ended.callback(None)

    def kill(self) -> None:
        """
        End the program, if it runs.
        """
        assert self.transport is not None
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")
