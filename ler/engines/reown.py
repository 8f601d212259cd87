# -*- test-case-name: ler.test.test_process_reown -*-
"""
Taking back a guardian that an earlier router launched.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from zope.interface import implementer

from ler.engines.identity import Identity, ProcessTable, open_pidfd
from ler.engines.process import GuardedProcess, ILink
from ler.engines.records import Record

POLL_S = 0.25
"""How often to look for a process where the system does not tell of its end."""


def reown(process: GuardedProcess, record: Record, *, reactor: Any, table: ProcessTable) -> bool:
    """
    Take over what was recorded of C{process}.

    @param reactor: an C{IReactorFDSet} and C{IReactorTime}.
    @return: whether the engine goes on, its guardian having let go of the last
        router.  If not, the guardian has lost that router and is stopping the
        engine, or is gone itself and what it left behind is killed.
    """

    def gone() -> None:
        process.guardian_gone(clean=False)

    watch = ExitWatch(record.identity, table, reactor)
    runs = watch.start(gone)
    link = FifoLink(record, watch, table)
    process.linked(link)
    if not runs:
        gone()
    return link.owned


@implementer(ILink)
class FifoLink:
    """
    The FIFO of a guardian that is not our child.  As with the pipe of the
    router that launched it, its closing means stop.
    """

    def __init__(self, record: Record, watch: ExitWatch, table: ProcessTable) -> None:
        self._identity = record.identity
        self._watch = watch
        self._table = table
        self._fifo: int | None = None
        with contextlib.suppress(OSError):
            self._fifo = os.open(record.fifo, os.O_WRONLY | os.O_NONBLOCK)
            os.write(self._fifo, b"own\n")

    @property
    def owned(self) -> bool:
        """
        Whether the guardian had let go, and is ours now.
        """
        return self._fifo is not None

    def ask_to_stop(self) -> None:
        """
        @see: L{ILink.ask_to_stop}
        """
        self._table.terminate(self._identity)

    def ask_to_leave(self) -> Deferred[bool]:
        """
        @see: L{ILink.ask_to_leave}
        """
        if self._fifo is None:
            return succeed(False)
        try:
            os.write(self._fifo, b"leave\n")
        except OSError:
            return succeed(False)
        self.drop()
        return succeed(True)

    def drop(self) -> None:
        """
        @see: L{ILink.drop}
        """
        self._watch.stop()
        if self._fifo is not None:
            os.close(self._fifo)
            self._fifo = None


@implementer(IReadDescriptor)
class ExitWatch:
    """
    Tells of the end of a process that is not our child.
    """

    def __init__(self, identity: Identity, table: ProcessTable, reactor: Any) -> None:
        """
        @param reactor: an C{IReactorFDSet} and C{IReactorTime}.
        """
        self._identity = identity
        self._table = table
        self._reactor = reactor
        self._ended: Callable[[], None] = lambda: None
        self._pidfd: int | None = None
        self._loop = LoopingCall(self._look)
        self._loop.clock = reactor

    def start(self, ended: Callable[[], None]) -> bool:
        """
        @param ended: called once when the process has ended.
        @return: whether it runs.
        """
        self._pidfd = open_pidfd(self._identity.pid)
        if not self._table.is_alive(self._identity):
            self._close()
            return False
        self._ended = ended
        if self._pidfd is None:
            self._loop.start(POLL_S, now=False)
        else:
            self._reactor.addReader(self)
        return True

    def stop(self) -> None:
        """
        Stop watching.  Idempotent.
        """
        if self._loop.running:
            self._loop.stop()
        if self._pidfd is not None:
            self._reactor.removeReader(self)
            self._close()

    def _close(self) -> None:
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    def _look(self) -> None:
        if not self._table.is_alive(self._identity):
            self.doRead()

    # IReadDescriptor, of the pidfd.

    def fileno(self) -> int:
        """
        @return: the descriptor that becomes readable at the end.
        """
        return -1 if self._pidfd is None else self._pidfd

    def doRead(self) -> None:
        """
        It has ended.
        """
        self.stop()
        self._ended()

    def connectionLost(self, reason: Failure) -> None:
        """
        The reactor ends, and we with it.
        """
        self._close()

    def logPrefix(self) -> str:
        """
        @return: what the reactor calls us in its log.
        """
        return "guardian"
