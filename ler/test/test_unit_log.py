"""
Tests for L{ler.engines.unit_log}.
"""

from __future__ import annotations

from pathlib import Path

from twisted.internet.error import ProcessExitedAlready
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ler.engines.unit import READ_S
from ler.engines.unit_log import UnitLog
from ler.interfaces import ILog
from ler.redaction import REDACTED, Redaction
from ler.test.test_unit import FakeReactor


class UnitLogTests(SynchronousTestCase):
    """
    L{UnitLog}
    """

    def setUp(self) -> None:
        """
        There is a program that the test plays.
        """
        self.reactor = FakeReactor()
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        self.program = folder / "journalctl"
        self.program.touch(0o755)
        self.environ = {"PATH": str(folder), "HOME": "/root"}
        self.log = self.make()
        self.heard: list[str] = []

    def tearDown(self) -> None:
        """
        Nothing is left to happen.
        """
        self.assertEqual([], self.reactor.getDelayedCalls())

    def make(self, user: bool = False) -> UnitLog:
        """
        @return: the log of a unit.
        """
        return UnitLog(
            "a.service",
            user,
            reactor=self.reactor,
            environ=self.environ,
            redact=Redaction(["hunter22"]),
        )

    def test_interface(self) -> None:
        """It is the log of an engine."""
        self.assertTrue(verifyObject(ILog, self.log))

    def test_last_lines(self) -> None:
        """The journal is asked for its last lines, which are shown without secrets."""
        lines = self.log.last_lines(7)
        [program] = self.reactor.programs
        self.assertIn("--unit=a.service", program.argv)
        self.assertIn("--lines=7", program.argv)
        self.assertEqual("/root", program.env["HOME"])
        program.ends(out="one\nit is hunter22\n")
        self.assertEqual(["one", f"it is {REDACTED}"], self.successResultOf(lines))

    def test_user(self) -> None:
        """The user's units are in the user's journal."""
        self.make(user=True).last_lines(1)
        [program] = self.reactor.programs
        self.assertIn("--user-unit=a.service", program.argv)
        self.assertIn("XDG_RUNTIME_DIR", program.env)
        program.ends()

    def test_late(self) -> None:
        """A journal that takes too long is left, and what it said so far is shown."""
        lines = self.log.last_lines(7)
        [program] = self.reactor.programs
        program.prints("one\n")
        self.reactor.advance(READ_S)
        self.assertEqual(["one"], self.successResultOf(lines))
        self.assertTrue(program.killed)
        program.ends()

    def test_follow(self) -> None:
        """Further lines are told as they come, until that is ended."""
        end = self.log.follow(self.heard.append, 3)
        [program] = self.reactor.programs
        self.assertIn("--follow", program.argv)
        self.assertIn("--lines=3", program.argv)
        program.prints("one\ntw")
        program.prints("o hunter22\n")
        end()
        self.assertTrue(program.killed)
        program.prints("three\n")
        self.assertEqual(["one", f"two {REDACTED}"], self.heard)

    def test_follow_ended(self) -> None:
        """It does no harm when the program has ended before."""
        end = self.log.follow(self.heard.append, 3)
        [program] = self.reactor.programs
        program.ends(1)
        program.immune = ProcessExitedAlready()
        end()

    def test_no_journal(self) -> None:
        """Without such a program, or room for it, there are no lines."""
        self.reactor.refuses = OSError("Resource temporarily unavailable")
        self.assertEqual([], self.successResultOf(self.log.last_lines(1)))
        self.program.unlink()
        self.assertEqual([], self.successResultOf(self.log.last_lines(1)))
        self.log.follow(self.heard.append, 3)()
        self.assertEqual([], self.reactor.programs)
