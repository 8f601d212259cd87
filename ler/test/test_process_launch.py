# -*- test-case-name: ler.test.test_process_launch -*-
"""
Tests for L{ler.engines.launch}.
"""

from __future__ import annotations

import os
import sys

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ler.engines.guardian import Spec
from ler.engines.launch import launch
from ler.engines.process import Ending, GuardedProcess, ILink
from ler.test.fakeprocess import FakeProcessReactor, FakeTable, environment, no_threads

SPEC = Spec(["server"], None, [], 15, False, 30.0, "/f", "/l")


class LaunchTests(SynchronousTestCase):
    """
    L{launch} and what is said over the pipes.
    """

    def setUp(self) -> None:
        """
        Launch a guardian.
        """
        self.reactor = FakeProcessReactor()
        self.table = FakeTable()
        self.process = GuardedProcess(
            "a", "i:a", 30.0, table=self.table, clock=self.reactor, threads=no_threads
        )
        self.printed: list[bytes] = []
        self.link = launch(
            self.process, {b"A": b"1"}, reactor=self.reactor, output=self.printed.append
        )
        (self.guardian,) = self.reactor.guardians

    def test_interface(self) -> None:
        """
        The pipes are a link.
        """
        verifyObject(ILink, self.link)

    def test_command(self) -> None:
        """
        A bare interpreter runs the guardian, in the engine's environment.
        """
        arguments = self.guardian.arguments
        self.assertEqual(sys.executable, arguments["executable"])
        self.assertEqual([sys.executable, "-I", "-S", "-c"], arguments["args"][:4])
        self.assertEqual("a", arguments["args"][-1])
        self.assertEqual({b"A": b"1"}, environment(self.guardian))
        self.assertEqual({0: "w", 1: "r", 2: "r", 3: "r"}, arguments["childFDs"])
        self.assertTrue(os.path.isdir(os.path.join(arguments["args"][5], "ler")))

    def test_begin(self) -> None:
        """
        Nothing is launched before it is told what.
        """
        self.assertEqual(b"", self.guardian.said)
        self.link.begin(SPEC)
        self.assertEqual(SPEC, Spec(**self.guardian.spec))

    def test_output(self) -> None:
        """
        What the engine prints comes through.
        """
        self.guardian.prints("one\ntw")
        self.assertEqual([b"one\ntw"], self.printed)

    def test_events(self) -> None:
        """
        Events are told however the pipe cuts them.
        """
        ended = self.process.when_ended()
        for piece in (b"pid ", b"42\nexi", b"ted -9\n"):
            self.link.childDataReceived(3, piece)
        self.assertEqual(42, self.process.pid)
        self.reactor.advance(0)
        self.assertEqual(Ending(code=-9), self.successResultOf(ended))

    def test_exec_failed(self) -> None:
        """
        A failure to launch is told with its reason.
        """
        ended = self.process.when_ended()
        self.guardian.reports("exec-failed server: No such file or directory")
        self.reactor.advance(0)
        self.assertEqual(
            "could not be launched (server: No such file or directory)",
            str(self.successResultOf(ended)),
        )

    def test_last_words(self) -> None:
        """
        Output that arrives in the same turn as the end is there when the end
        is told.
        """
        seen: list[list[bytes]] = []
        self.process.when_ended().addCallback(lambda _: seen.append(list(self.printed)))
        self.guardian.reports("exited 1")
        self.guardian.prints("last words\n")
        self.reactor.advance(0)
        self.assertEqual([[b"last words\n"]], seen)

    def test_gone(self) -> None:
        """
        When the guardian has exited, everything is gone.
        """
        gone = self.process.when_gone()
        self.guardian.reports("exited 0")
        self.assertNoResult(gone)
        self.guardian.exits()
        self.successResultOf(gone)
        self.assertTrue(self.process.gone)
        self.reactor.advance(0)
        self.assertEqual([], self.table.signals)

    def test_killed(self) -> None:
        """
        When the guardian was killed, what it left is killed first, and looked
        for until there is nothing.
        """
        self.table.add(43, "i:a")
        self.table.add(44, session=42)
        self.table.immortal.add(43)
        self.guardian.reports("pid 42")
        gone = self.process.when_gone()
        self.guardian.is_killed()
        self.assertEqual([43], list(self.table.running))
        self.assertNoResult(gone)
        self.table.immortal.clear()
        self.reactor.advance(0.1)
        self.assertNoResult(gone)
        self.reactor.advance(0.1)
        self.successResultOf(gone)
        self.assertEqual(Ending(), self.process.ending)
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_leave(self) -> None:
        """
        The guardian says whether it lets go.
        """
        left = self.process.leave()
        self.assertEqual(b"leave\n", self.guardian.said)
        self.assertNoResult(left)
        self.guardian.reports("left")
        self.assertIs(True, self.successResultOf(left))
        kept = self.process.leave()
        self.guardian.reports("kept no space")
        self.assertIs(False, self.successResultOf(kept))
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_gone_while_leaving(self) -> None:
        """
        A guardian that ends meanwhile does not let go.
        """
        left = self.process.leave()
        self.guardian.exits()
        self.assertIs(False, self.successResultOf(left))
        self.reactor.advance(0)
