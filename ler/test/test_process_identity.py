# -*- test-case-name: ler.test.test_process_identity -*-
"""
Tests for L{ler.engines.identity}.
"""

from __future__ import annotations

import os
import signal
import sys

from twisted.trial.unittest import SynchronousTestCase

from ler.engines.identity import (
    MARKER,
    Identity,
    ProcessTable,
    PsutilTable,
    engine_environ,
    process_table,
)
from ler.test.fakeprocess import FakeTable


class EngineEnvironTests(SynchronousTestCase):
    """
    L{engine_environ}
    """

    def test_service_variables(self) -> None:
        """
        What a service manager tells the router does not reach an engine.
        """
        names = "NOTIFY_SOCKET WATCHDOG_USEC WATCHDOG_PID LISTEN_FDS LISTEN_PID INVOCATION_ID"
        own = dict.fromkeys([*names.split(), "JOURNAL_STREAM", "SYSTEMD_EXEC_PID"], "x")
        self.assertEqual({MARKER.encode(): b"i:a"}, engine_environ(own, {}, "i:a"))

    def test_configured(self) -> None:
        """
        What is configured is added to the router's own environment.
        """
        environ = engine_environ({"PATH": "/bin", "A": "1"}, {"A": "2", "LISTEN_ON": "x"}, "i:a")
        del environ[MARKER.encode()]
        self.assertEqual({b"PATH": b"/bin", b"A": b"2", b"LISTEN_ON": b"x"}, environ)

    def test_any_bytes(self) -> None:
        """
        Values that are no text in any encoding stay what they are.
        """
        environ = engine_environ({"A": os.fsdecode(b"\xff")}, {}, "i:a")
        self.assertEqual(b"\xff", environ[b"A"])


class ProcessTableTests(SynchronousTestCase):
    """
    What L{ProcessTable} makes of the processes that it sees.
    """

    def setUp(self) -> None:
        """
        Let a process of ours run.
        """
        self.table = FakeTable()
        self.table.add(7, "i:a")
        self.identity = Identity(7, 70, "i:a")

    def test_alive(self) -> None:
        """
        A process with the right pid, start time and marker is ours.
        """
        self.assertTrue(self.table.is_alive(self.identity))

    def test_reused_pid(self) -> None:
        """
        A stranger who got the pid is not ours and is not signalled, be it by
        its start time or by its marker.
        """
        for stranger in [Identity(7, 71, "i:a"), Identity(7, 70, "i:b"), Identity(8, 80, "i:a")]:
            self.assertFalse(self.table.is_alive(stranger))
            self.table.terminate(stranger)
        self.assertEqual([], self.table.signals)

    def test_zombie(self) -> None:
        """
        A zombie is not alive.
        """
        self.table.add(7, "i:a", state="Z")
        self.assertFalse(self.table.is_alive(self.identity))

    def test_terminate(self) -> None:
        """
        A process of ours gets SIGTERM.
        """
        self.table.terminate(self.identity)
        self.assertEqual([(7, signal.SIGTERM)], self.table.signals)

    def test_kill_marked(self) -> None:
        """
        Every process with the marker is killed, and no other.
        """
        self.table.add(8, "i:a")
        self.table.add(9, "i:ab")
        self.table.add(10, "i:a", state="Z")
        self.assertEqual(2, self.table.kill_marked("i:a", None))
        self.assertEqual([(7, signal.SIGKILL), (8, signal.SIGKILL)], self.table.signals)

    def test_kill_session(self) -> None:
        """
        A process that lost its marker is known by its session.
        """
        self.table.add(8, session=7)
        self.table.add(9)
        self.assertEqual(2, self.table.kill_marked("i:a", 7))
        self.assertEqual([9], list(self.table.running))

    def test_not_oneself(self) -> None:
        """
        A router that was itself started by an engine does not kill itself.
        """
        self.table.add(os.getpid(), "i:a")
        self.assertEqual(1, self.table.kill_marked("i:a", None))


class RealTableTests(SynchronousTestCase):
    """
    The tables of real processes, as far as the test itself shows it.
    """

    def test_platform(self) -> None:
        """
        Linux has a table of its own.
        """
        expected = ProcessTable if sys.platform == "linux" else PsutilTable
        self.assertIs(expected, type(process_table()))

    def test_same_answers(self) -> None:
        """
        Both tables see the test, with an environment, and nobody else for it.
        """
        for table in {type(process_table()), PsutilTable}:
            found = table().stat(os.getpid())
            assert found is not None
            self.assertEqual((os.getppid(), os.getpgid(0)), (found.parent, found.group))
            self.assertEqual(found.start_time, table().start_time(os.getpid()))
            self.assertIn(os.getpid(), [process.pid for process in table().processes()])
            environ = table().environ(os.getpid())
            self.assertTrue(any(entry.startswith(b"PATH=") for entry in environ))
            self.assertIsNone(table().stat(2**22 + 1))

    def test_not_signalled(self) -> None:
        """
        A signal for an earlier process does not reach the one that has its pid.
        """
        table = process_table()
        start_time = table.start_time(os.getpid())
        assert start_time is not None
        table.terminate(Identity(os.getpid(), start_time - 1, "i:a"))
        table.terminate(Identity(os.getpid(), start_time, "i:a"))
