# -*- test-case-name: ler.test.test_main -*-
"""
Tests for L{ler.__main__}; it becomes a router in L{ler.test.test_live_wizard}.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout

from twisted.trial.unittest import SynchronousTestCase

from ler.__main__ import main


class MainTests(SynchronousTestCase):
    """
    C{engine-router}
    """

    def setUp(self) -> None:
        """
        There is no configuration.
        """
        self.ran: list[Sequence[str]] = []
        self.environ = {"ROUTER_CONFIG": "/nowhere/config.yaml"}

    def command(self, *argv: str) -> int:
        """
        @return: the exit status.
        """
        with redirect_stderr(io.StringIO()) as err:
            status = main(argv, environ=self.environ, run=self.ran.append)
        self.err = err.getvalue()
        return status

    def test_service(self) -> None:
        """The service runs in the foreground."""
        self.assertEqual(0, self.command("-c", "x.yaml"))
        self.assertEqual(
            [["--nodaemon", "--pidfile=", "engine-router", "--config=x.yaml"]], self.ran
        )

    def test_found(self) -> None:
        """Its configuration may be found."""
        path = self.mktemp()
        with open(path, "w"):
            self.environ["ROUTER_CONFIG"] = path
        self.assertEqual(0, self.command())
        self.assertEqual(f"--config={path}", self.ran[0][-1])

    def test_missing(self) -> None:
        """Without one it is told what helps."""
        self.assertEqual(1, self.command())
        self.assertIn("(/nowhere/config.yaml); engine-router init writes one", self.err)
        self.assertEqual([], self.ran)

    def test_flags(self) -> None:
        """What only tells something goes the same way."""
        self.command("--check-config", "--config=x.yaml")
        self.command("--print-schema")
        self.assertEqual(["--config=x.yaml", "--check-config"], self.ran[0][3:])
        self.assertEqual(["--print-schema"], self.ran[1][3:])

    def test_init(self) -> None:
        """The wizard has a command line of its own."""
        with redirect_stdout(io.StringIO()) as out:
            self.assertRaises(SystemExit, main, ["init", "--help"])
        self.assertIn("usage: engine-router init", out.getvalue())
