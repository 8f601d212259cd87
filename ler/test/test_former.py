# -*- test-case-name: ler.test.test_former -*-
"""
Tests for L{ler.engines.former}.
"""

from __future__ import annotations

import os
import signal

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ler.engines.former import PATIENCE_S, FormerEngine
from ler.engines.process import MARGIN_S
from ler.engines.records import Record, Records
from ler.errors import EngineStartFailed, EngineStuck
from ler.interfaces import IEngine
from ler.test.fakeprocess import FakeTable, no_threads
from ler.testing import FakeStateStore


class FormerEngineTests(SynchronousTestCase):
    """
    L{FormerEngine}
    """

    def setUp(self) -> None:
        """
        Make an engine with the record of a guardian that has let go.
        """
        self.reactor = MemoryReactorClock()
        self.table = FakeTable()
        self.records = Records(FakeStateStore())
        fifo = self.mktemp()
        os.mkfifo(fifo)
        control = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, control)
        self.pid = os.getpid()
        self.records.put("a", Record(self.pid, self.pid * 10, "i:a", fifo, "/l"))
        self.engine = FormerEngine(
            "a",
            reactor=self.reactor,
            records=self.records,
            threads=no_threads,
            table=self.table,
        )

    def end(self) -> None:
        """
        The system tells of the guardian's end.
        """
        self.table.running.clear()
        [watch] = self.reactor.getReaders()
        watch.doRead()
        self.reactor.advance(0)

    def test_interface(self) -> None:
        """It is an engine."""
        self.assertTrue(verifyObject(IEngine, self.engine))

    def test_runs(self) -> None:
        """When it is looked at, its guardian is asked to stop it; it holds nothing once that is
        gone, and is forgotten."""
        self.table.add(self.pid, "i:a")
        loaded = self.engine.loaded()
        self.assertNoResult(loaded)
        self.assertTrue(self.engine.alive())
        self.assertEqual({"type": "former", "process_running": True}, self.engine.describe())
        self.assertEqual([(self.pid, signal.SIGTERM)], self.table.signals)
        self.end()
        self.assertEqual((), self.successResultOf(loaded))
        self.assertFalse(self.engine.alive())
        self.assertIsNone(self.records.get("a"))
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_gone(self) -> None:
        """If its guardian is gone there is nothing to wait for."""
        self.assertEqual((), self.successResultOf(self.engine.loaded()))
        self.assertIsNone(self.records.get("a"))
        self.assertEqual((), self.successResultOf(self.engine.loaded()))
        self.reactor.advance(0)
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_stuck(self) -> None:
        """If it does not stop that is told, and it is tried again."""
        self.table.add(self.pid, "i:a")
        loaded = self.engine.loaded()
        self.reactor.advance(PATIENCE_S + MARGIN_S)
        self.failureResultOf(loaded, EngineStuck)
        freed = self.engine.free()
        self.assertEqual(2, len(self.table.signals))
        self.end()
        self.successResultOf(freed)

    def test_cannot_start(self) -> None:
        """It cannot be started, and nothing is to be left of it."""
        self.failureResultOf(self.engine.bring_up(None), EngineStartFailed)
        self.successResultOf(self.engine.leave())
