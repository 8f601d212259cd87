# -*- test-case-name: ler.test.test_ctl_terminal -*-
"""
What is shown to people: colours, tables, and one line that changes while
something goes on.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from typing import TextIO

STYLES = {"bold": "1", "dim": "2", "good": "32", "busy": "33", "bad": "31"}

_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")

# Text from elsewhere may hold what a terminal obeys.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


def wants_colour(choice: str, is_terminal: bool, environ: Mapping[str, str]) -> bool:
    """
    @param choice: C{always}, C{never} or C{auto}.
    @return: whether to write in colour.
    """
    if choice != "auto":
        return choice == "always"
    return is_terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def plain(text: str) -> str:
    """
    @return: C{text} without what a terminal would obey.
    """
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


class Terminal:
    """
    Where a command writes what it has to say.

    @ivar is_live: whether somebody watches, so that a line may change.
    """

    def __init__(self, out: TextIO, environ: Mapping[str, str], colour: str = "auto") -> None:
        """
        @param colour: as of L{wants_colour}.
        """
        self.is_live = out.isatty() and environ.get("TERM") != "dumb"
        self._out = out
        self._is_coloured = wants_colour(colour, out.isatty(), environ)
        self._pending = False

    def style(self, text: str, *names: str) -> str:
        """
        @param names: of L{STYLES}.
        @return: C{text}, in colour where that is wanted.
        """
        if not self._is_coloured or not text:
            return text
        return f"\x1b[{';'.join(STYLES[name] for name in names)}m{text}\x1b[0m"

    def say(self, line: str = "") -> None:
        """
        Write a line.
        """
        self.clear()
        self._out.write(f"{line}\n")
        self._out.flush()

    def progress(self, line: str) -> None:
        """
        Show how it goes, in place of what was shown before; nothing, where
        nobody watches.
        """
        if self.is_live:
            width = shutil.get_terminal_size().columns
            self._out.write(f"\r\x1b[K{_cut(line, width - 1)}")
            self._out.flush()
            self._pending = True

    def clear(self) -> None:
        """
        Take away what L{progress} has shown.
        """
        if self._pending:
            self._out.write("\r\x1b[K")
            self._out.flush()
            self._pending = False

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """
        Write rows under a head, each column as wide as it must be.
        """
        widths = [max(map(_width, column)) for column in zip(head, *rows, strict=True)]
        self.say(self.style(_row(head, widths), "dim"))
        for row in rows:
            self.say(_row(row, widths))


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True)
    )
    return "  ".join(padded).rstrip()


def _width(text: str) -> int:
    return len(_ESCAPE.sub("", text))


def _cut(line: str, width: int) -> str:
    """
    @return: C{line}, plain if it is too long: half an escape would colour all
        that follows.
    """
    return line if _width(line) <= width else f"{_ESCAPE.sub('', line)[: width - 1]}…"


def duration(seconds: float | None) -> str:
    """
    @return: a time as people say it: C{0.4 s}, C{42 s}, C{12 min}, C{3.5 h}.
    """
    if seconds is None:
        return "-"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
