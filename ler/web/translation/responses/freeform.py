# -*- test-case-name: ler.test.test_translation_responses_freeform -*-
"""
The input of a tool of free form, which a chat has as a function's argument.
"""

from __future__ import annotations

import json
import re

from ler.web.translation.responses.tools import INPUT

_OPENING = re.compile(rf'\s*\{{\s*"{INPUT}"\s*:\s*"')

_WHOLE = re.compile(
    r"""(?: [^"\\]
          | \\ ["\\/bfnrt]
          | \\ u (?![dD][89abAB]) [0-9a-fA-F]{4}
          | \\ u [dD][89abAB] [0-9a-fA-F]{2} \\ u [dD][c-fC-F] [0-9a-fA-F]{2}
        )*""",
    re.VERBOSE,
)
"""Characters of a JSON string, none of them cut: half of a pair is held back."""


def wrapped(text: str) -> str:
    """
    @return: the arguments of the function that stands for the tool.
    """
    return json.dumps({INPUT: text}, ensure_ascii=False)


class FreeformReader:
    """
    Reads the input out of the arguments while the model writes them: that
    takes minutes at times, and clients give up on a model that is so silent.
    """

    def __init__(self) -> None:
        self._written: list[str] = []
        self._read: list[str] = []
        self._rest = ""
        self._opened = False

    def feed(self, fragment: str) -> str:
        """
        @param fragment: the next piece of the arguments.
        @return: what it adds to the input.
        """
        self._written.append(fragment)
        self._rest += fragment
        if not self._opened:
            opening = _OPENING.match(self._rest)
            if opening is None:
                return ""
            self._opened = True
            self._rest = self._rest[opening.end() :]
        whole = _WHOLE.match(self._rest)
        length = 0 if whole is None else whole.end()
        text, self._rest = self._rest[:length], self._rest[length:]
        added: str = json.loads(f'"{text}"', strict=False)
        self._read.append(added)
        return added

    def finish(self) -> tuple[str, str]:
        """
        @return: the whole input, and what it adds to what was read before.
            Arguments of another form, from a model that heeds no schema, are
            the input as they are.
        """
        read, written = "".join(self._read), "".join(self._written)
        try:
            text = json.loads(written, strict=False)[INPUT]
        except (ValueError, LookupError, TypeError, RecursionError):
            text = None
        if not isinstance(text, str):
            text = read or written
        return text, text[len(read) :] if text.startswith(read) else ""
