# -*- test-case-name: ler.test.test_usage -*-
"""
How many tokens an answer took, by what the engine says of it, in whichever
dialect, as it passes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HEAD = 4 << 10
"""Bytes at the beginning of an answer that are kept: Anthropic's streams say
there what was read."""

TAIL = 8 << 10
"""Bytes at its end that are kept: everything else is said there."""

# Not within a text of the model: there the quotation marks are escaped.
_READ = re.compile(
    rb'"(?:prompt_tokens|input_tokens|prompt_eval_count)"\s*:\s*(\d{1,15})(?![\d.eE])'
)
_WRITTEN = re.compile(
    rb'"(?:completion_tokens|output_tokens|eval_count)"\s*:\s*(\d{1,15})(?![\d.eE])'
)


@dataclass(frozen=True)
class Tokens:
    """
    Counts of tokens.

    @ivar read: those of the prompt.
    @ivar written: those of the answer.
    """

    read: int
    written: int


class Usage:
    """
    Watches one answer.  It is not parsed: most of it is of no interest, and
    all of it may be large.
    """

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""

    def arrived(self, data: bytes) -> None:
        """
        The next bytes of the answer are here.
        """
        if len(self._head) < HEAD:
            self._head += data[: HEAD - len(self._head)]
        self._tail = (self._tail + data)[-TAIL:]

    def tokens(self) -> Tokens | None:
        """
        @return: what the engine has said; L{None} when it said nothing.
        """
        read, written = self._last(_READ), self._last(_WRITTEN)
        if read is None and written is None:
            return None
        return Tokens(read or 0, written or 0)

    def _last(self, pattern: re.Pattern[bytes]) -> int | None:
        """
        @return: the number that was said last, since streams count up.
        """
        found = pattern.findall(self._tail) or pattern.findall(self._head)
        return int(found[-1]) if found else None
