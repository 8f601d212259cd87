# -*- test-case-name: ler.test.test_lines -*-
"""
The last lines of a text that goes on, and those who follow it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

LINES = 200
TOTAL = 64 << 10
"""Bounds of what is kept: lines, and characters of all of them."""


class Lines:
    """
    Keeps lines, and passes them on.
    """

    def __init__(self, redact: Callable[[str], str] = str) -> None:
        """
        @param redact: takes secrets out of a line.
        """
        self.redact = redact
        self._lines: deque[str] = deque()
        self._size = 0
        self._followers: list[Callable[[str], None]] = []

    def add(self, line: str) -> None:
        """
        There is a further line.
        """
        line = self.redact(line)
        self._lines.append(line)
        self._size += len(line)
        while len(self._lines) > LINES or self._size > TOTAL:
            self._size -= len(self._lines.popleft())
        for told in tuple(self._followers):
            told(line)

    def last(self, count: int) -> list[str]:
        """
        @return: the last C{count} lines, as far as they are kept, the newest
            last.
        """
        return list(self._lines)[-count:] if count else []

    def follow(self, told: Callable[[str], None], count: int) -> Callable[[], None]:
        """
        @param told: called with the last C{count} lines at once, and then with
            each further one.
        @return: ends that.  Only the first call counts.
        """
        for line in self.last(count):
            told(line)
        followers = self._followers
        followers.append(told)

        def stop() -> None:
            if told in followers:
                followers.remove(told)

        return stop

    def clear(self) -> None:
        """
        Forget the lines.
        """
        self._lines.clear()
        self._size = 0
