# -*- test-case-name: ler.test.test_process_reown -*-
"""
Tests for L{ler.engines.reown}.
"""

from __future__ import annotations

import os
import signal

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyClass

from ler.engines.process import GuardedProcess, ILink
from ler.engines.records import Record
from ler.engines.reown import POLL_S, ExitWatch, FifoLink, reown
from ler.test.fakeprocess import FakeTable, no_threads

NOBODY = 2**22 + 1
"""A pid that no process has: the system cannot tell of its end."""


class ReownTests(SynchronousTestCase):
    """
    L{reown}
    """

    def setUp(self) -> None:
        """
        Record a guardian that has let go.
        """
        self.reactor = MemoryReactorClock()
        self.table = FakeTable()
        self.process = GuardedProcess(
            "a", "i:a", 30.0, table=self.table, clock=self.reactor, threads=no_threads
        )
        self.fifo = self.mktemp()
        os.mkfifo(self.fifo)
        self.control = os.open(self.fifo, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(lambda: os.close(self.control))

    def tearDown(self) -> None:
        """
        Nothing is watched any more.
        """
        self.reactor.advance(0)
        self.assertEqual([], self.reactor.getDelayedCalls())
        self.assertEqual([], self.reactor.getReaders())

    def reown(self, pid: int) -> bool:
        """
        Take over the guardian with this pid.
        """
        record = Record(pid, pid * 10, "i:a", self.fifo, "/l")
        return reown(self.process, record, reactor=self.reactor, table=self.table)

    def end(self) -> None:
        """
        The system tells of the guardian's end.
        """
        self.table.running.clear()
        (watch,) = self.reactor.getReaders()
        watch.doRead()

    def test_interfaces(self) -> None:
        """
        The FIFO is a link, the watch something that a reactor can read.
        """
        verifyClass(ILink, FifoLink)
        verifyClass(IReadDescriptor, ExitWatch)

    def test_owned(self) -> None:
        """
        A guardian that has let go is owned by opening its FIFO, and gone when
        the system tells of its end.
        """
        self.table.add(os.getpid(), "i:a")
        self.assertTrue(self.reown(os.getpid()))
        self.assertEqual(b"own\n", os.read(self.control, 99))
        gone = self.process.when_gone()
        self.end()
        self.successResultOf(gone)
        self.assertEqual(b"", os.read(self.control, 1))

    def test_polled(self) -> None:
        """
        Where the system cannot tell, it is looked at.
        """
        self.table.add(NOBODY, "i:a")
        self.assertTrue(self.reown(NOBODY))
        gone = self.process.when_gone()
        self.reactor.advance(POLL_S)
        self.assertNoResult(gone)
        self.table.running.clear()
        self.reactor.advance(POLL_S)
        self.successResultOf(gone)

    def test_stop(self) -> None:
        """
        It is stopped by SIGTERM, which is sent to nobody else.
        """
        self.table.add(os.getpid(), "i:a")
        self.reown(os.getpid())
        stopped = self.process.stop()
        self.assertEqual([(os.getpid(), signal.SIGTERM)], self.table.signals)
        self.table.add(os.getpid(), "i:other")
        again = self.process.stop()
        self.assertEqual(1, len(self.table.signals))
        self.end()
        self.successResultOf(stopped)
        self.successResultOf(again)

    def test_leave(self) -> None:
        """
        It can be left again, and is not watched any more.
        """
        self.table.add(os.getpid(), "i:a")
        self.reown(os.getpid())
        self.assertIs(True, self.successResultOf(self.process.leave()))
        self.assertEqual(b"own\nleave\n", os.read(self.control, 99))
        self.assertEqual(b"", os.read(self.control, 99))
        self.assertIs(False, self.successResultOf(self.process.leave()))

    def test_stopping(self) -> None:
        """
        A guardian that has not let go lost its router; it is waited for.
        """
        os.remove(self.fifo)
        self.table.add(os.getpid(), "i:a")
        self.assertFalse(self.reown(os.getpid()))
        gone = self.process.when_gone()
        self.assertNoResult(gone)
        self.assertIs(False, self.successResultOf(self.process.leave()))
        self.end()
        self.successResultOf(gone)

    def test_gone(self) -> None:
        """
        What a guardian that was killed left behind is killed.
        """
        os.remove(self.fifo)
        self.table.add(7, "i:a")
        self.assertFalse(self.reown(NOBODY))
        self.assertEqual([(7, signal.SIGKILL)], self.table.signals)
        self.assertFalse(self.process.gone)
        self.reactor.advance(0.1)
        self.assertTrue(self.process.gone)

    def test_reused_pid(self) -> None:
        """
        A stranger who has the guardian's pid is not touched.
        """
        os.remove(self.fifo)
        self.table.add(os.getpid(), "i:a", start_time=1)
        self.table.markers[os.getpid()] = "something else"
        self.assertFalse(self.reown(os.getpid()))
        self.assertTrue(self.process.gone)
        self.assertEqual([], self.table.signals)

    def test_reactor_stops(self) -> None:
        """
        A reactor that closes everything closes the watch.
        """
        self.table.add(os.getpid(), "i:a")
        self.reown(os.getpid())
        (watch,) = self.reactor.getReaders()
        descriptor = watch.fileno()
        self.reactor.removeReader(watch)
        watch.connectionLost(Failure(Exception()))
        self.assertRaises(OSError, os.fstat, descriptor)
        self.assertEqual("guardian", watch.logPrefix())
        self.successResultOf(self.process.leave())
