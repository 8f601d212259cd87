# -*- test-case-name: ler.test.test_ctl_terminal -*-
"""
Tests for L{ler.ctl.terminal}.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from ler.ctl.terminal import Terminal, duration, plain, wants_colour
from ler.test.ctl_case import Screen


class ColourTests(SynchronousTestCase):
    """
    When there are colours.
    """

    def test_wanted(self) -> None:
        """Colours are for terminals that can show them, unless somebody says otherwise."""
        for choice, is_terminal, environ, wanted in (
            ("auto", True, {}, True),
            ("auto", False, {}, False),
            ("auto", True, {"NO_COLOR": "1"}, False),
            ("auto", True, {"NO_COLOR": ""}, True),
            ("auto", True, {"TERM": "dumb"}, False),
            ("always", False, {"NO_COLOR": "1"}, True),
            ("never", True, {}, False),
        ):
            self.assertEqual(wanted, wants_colour(choice, is_terminal, environ))

    def test_style(self) -> None:
        """A style ends with the text that it is for; no text has none."""
        coloured = Terminal(Screen(False), {}, "always")
        self.assertEqual("\x1b[32;1mready\x1b[0m", coloured.style("ready", "good", "bold"))
        self.assertEqual("", coloured.style("", "good"))
        self.assertEqual("ready", Terminal(Screen(False), {}).style("ready", "good"))

    def test_plain(self) -> None:
        """Text of others cannot steer the terminal."""
        self.assertEqual("\ufffd[31m\ufffdx\ufffd\tcaf\u00e9", plain("\x1b[31m\rx\x9b\tcaf\u00e9"))


class LinesTests(SynchronousTestCase):
    """
    What is written.
    """

    def test_table(self) -> None:
        """Columns are as wide as they must be, whatever their colours."""
        screen = Screen(False)
        terminal = Terminal(screen, {}, "always")
        terminal.table(("A", "B"), [(terminal.style("long", "bad"), "x"), ("", "y")])
        self.assertEqual(
            ["\x1b[2mA     B\x1b[0m", "\x1b[31mlong\x1b[0m  x", "      y"],
            screen.getvalue().splitlines(),
        )

    def test_empty_table(self) -> None:
        """A table may have no rows."""
        screen = Screen(False)
        Terminal(screen, {}).table(("A", "B"), [])
        self.assertEqual("A  B\n", screen.getvalue())

    def test_progress(self) -> None:
        """A line changes in place, and gives way to the next that stays."""
        screen = Screen(True)
        terminal = Terminal(screen, {})
        terminal.progress("1 s")
        terminal.progress("2 s")
        terminal.say("done")
        terminal.clear()
        self.assertEqual("\r\x1b[K1 s\r\x1b[K2 s\r\x1b[Kdone\n", screen.getvalue())

    def test_long_progress(self) -> None:
        """A line that would not fit is cut, and loses its colours."""
        self.patch(os, "environ", {**os.environ, "COLUMNS": "10"})
        screen = Screen(True)
        terminal = Terminal(screen, {})
        terminal.progress(terminal.style("0123456789", "bad"))
        self.assertEqual("\r\x1b[K01234567…", screen.getvalue())

    def test_nobody_watches(self) -> None:
        """Where nobody watches nothing changes."""
        for screen, environ in ((Screen(False), {}), (Screen(True), {"TERM": "dumb"})):
            terminal = Terminal(screen, environ)
            terminal.progress("1 s")
            terminal.say("done")
            self.assertEqual("done\n", screen.getvalue())


class DurationTests(SynchronousTestCase):
    """
    L{duration}
    """

    def test_units(self) -> None:
        """A time is told in the unit that suits it."""
        for seconds, told in (
            (None, "-"),
            (0, "0.0 s"),
            (9.94, "9.9 s"),
            (9.96, "10 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7199, "120 min"),
            (7200, "2.0 h"),
        ):
            self.assertEqual(told, duration(seconds))
