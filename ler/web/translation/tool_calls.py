# -*- test-case-name: ler.test.test_translation_tool_calls -*-
"""
The calls of tools in chat completions: whole ones, and the fragments of them in
streams.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ler.errors import UpstreamError
from ler.web.translation.fields import Fields


@dataclass
class Call:
    """
    One call, as far as it has come.

    @ivar index: its place among the calls of its answer, which no other has.
    @ivar id: the engine's name for it, empty while there is none.
    @ivar name: the tool, empty while it is not known.
    """

    index: int
    id: str = ""
    name: str = ""
    _pieces: list[str] = field(default_factory=list)

    def add(self, id: str, name: str, piece: str) -> None:
        """
        Take the next fragment.  Some engines repeat id and name in each, and
        some the id with changes: the first ones count.
        """
        self.id = self.id or id
        self.name = self.name or name
        self._pieces.append(piece)

    @property
    def text(self) -> str:
        """
        @return: what has come of the arguments.
        """
        return "".join(self._pieces)

    @property
    def is_whole(self) -> bool:
        """
        @return: whether the arguments are there, and complete.
        """
        return decoded(self.text) is not None

    @property
    def arguments(self) -> dict[str, Any] | None:
        """
        @return: the arguments, of which there may be none; L{None} when they
            make no sense.
        """
        text = self.text.strip()
        return {} if text in ("", "null") else decoded(text)

    def mistake(self) -> UpstreamError:
        """
        @return: the error to raise for a call that nobody can make.
        """
        if not self.name:
            return UpstreamError("the model called a tool without naming it; ask again")
        return UpstreamError(
            f"the model called the tool {self.name} with arguments that are no JSON object; ask "
            "again"
        )


class Calls:
    """
    Tells the calls of one answer apart, in whatever order their fragments come.
    """

    def __init__(self) -> None:
        # Of the calls that one engine's number had, the latest may go on.
        self._latest: dict[int, Call] = {}
        self._calls: dict[int, Call] = {}

    def hear(self, message: Fields) -> list[tuple[Call, str]]:
        """
        @param message: a whole one, or what is new of one.
        @return: each call that it holds something of, and what that adds to
            the arguments.
        @raise UpstreamError: when that is nothing of the kind.
        """
        return [
            self._heard(fragment, position)
            for position, fragment in enumerate(message.each("tool_calls"))
        ]

    def all(self) -> list[Call]:
        """
        @return: the calls, in order.
        """
        return [call for _, call in sorted(self._calls.items())]

    def complete(self) -> None:
        """
        The engine is done with them.

        @raise UpstreamError: when one calls nothing.
        """
        for call in self._calls.values():
            if not call.name:
                raise call.mistake()

    def _heard(self, fragment: Fields, position: int) -> tuple[Call, str]:
        function = fragment.fields("function")
        id, name = fragment.text("id") or "", function.text("name") or ""
        number = fragment.integer("index")
        key = position if number is None else number
        call = self._latest.get(key)
        if call is None or _is_another(call, id, name, counted=number is not None):
            call = self._latest[key] = self._begun(key)
        # Some engines have decoded the arguments.
        piece = function.written("arguments")
        call.add(id, name, piece)
        return call, piece

    def _begun(self, key: int) -> Call:
        index = key if key not in self._calls else max(self._calls) + 1
        call = self._calls[index] = Call(index)
        return call


def _is_another(call: Call, id: str, name: str, *, counted: bool) -> bool:
    """
    @param call: the one that the last fragment with the same number was of.
    @param counted: whether the engine gives numbers.
    @return: whether a fragment with this id and name begins another.  Some
        engines give no numbers, or all calls the same one.
    """
    if not name or not call.name or (id and id == call.id):
        return False
    if name != call.name:
        return True
    return call.is_whole and (bool(id) or not counted)


def decoded(text: str) -> dict[str, Any] | None:
    """
    @return: a JSON object that was written as a text; L{None} when it is none,
        or not complete.
    """
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
