# -*- test-case-name: ler.test.test_body -*-
"""
What the router needs to know of a JSON body, and how it changes one: only the
bytes of a value are replaced, all others go on as they came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import IO, Any

from ler.errors import InvalidJSON, MissingModel
from ler.upstream import FileSpan

_SPACE = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(rb'"[^"]*"?')
_NO_MARKS = bytes(set(range(256)) - set(b'"[]{}'))
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}

MAX_MEMBERS = 1000
"""How many members the top-level object may have; no API knows a tenth of it."""


def _no_constants(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constants)


@dataclass(frozen=True)
class Member:
    """
    One member of the top-level object.

    @ivar value: its value.
    @ivar start: the offset of the value's first byte.
    @ivar end: the offset behind its last.
    """

    value: Any
    start: int
    end: int


class JSONBody:
    """
    A request body that is a JSON object.

    @ivar model: the name of the model that it asks for.
    @ivar stream: what it says of streams: a value of any kind, or L{None}.
    """

    def __init__(self, content: IO[bytes], max_depth: int, model: str | None = None) -> None:
        """
        @param content: the whole body.
        @param model: the model, where something else names it.
        @raise InvalidJSON: when it is no JSON object, or nested deeper than
            C{max_depth}.
        @raise MissingModel: when it names no model, or two.
        """
        content.seek(0)
        data = content.read()
        self._content = content
        self._length = len(data)
        members = self._members = _members(data, max_depth)
        self._named = members.get("model")
        self.model = _model_in(self._named) if model is None else model
        self.stream = members["stream"].value if "stream" in members else None
        self._first = data.index(b"{") + 1

    @property
    def document(self) -> dict[str, Any]:
        """
        @return: the body, decoded.
        """
        return {key: member.value for key, member in self._members.items()}

    def rewritten(self, model: str, thinking_floor: int | None = None) -> list[bytes | FileSpan]:
        """
        @param model: the name that the engine expects.
        @param thinking_floor: budgets below this switch thinking off, unless
            the client says something about it itself.
        @return: the body for the engine, in parts.
        """
        edits: list[tuple[int, int, bytes]] = []
        if self._named is None or self._named.value != model:
            edits.append(self._set("model", model))
        kwargs = unthinking(self.document, thinking_floor)
        if kwargs is not None:
            edits.append(self._set("chat_template_kwargs", kwargs))
        return self._spliced(sorted(edits))

    def _set(self, key: str, value: Any) -> tuple[int, int, bytes]:
        said = json.dumps(value).encode()
        member = self._members.get(key)
        if member is not None:
            return member.start, member.end, said
        comma = b", " if self._members else b""
        return self._first, self._first, b'"%s": %s%s' % (key.encode(), said, comma)

    def _spliced(self, edits: Sequence[tuple[int, int, bytes]]) -> list[bytes | FileSpan]:
        parts: list[bytes | FileSpan] = []
        at = 0
        for start, end, new in edits:
            parts.append(FileSpan(self._content, at, start))
            parts.append(new)
            at = end
        parts.append(FileSpan(self._content, at, self._length))
        return parts


def unthinking(document: Mapping[str, Any], floor: int | None) -> dict[str, Any] | None:
    """
    @param document: a request for a chat.
    @param floor: token budgets below this switch thinking off, unless the
        client says something about it itself; L{None} for never.
    @return: the C{chat_template_kwargs} that do so, or L{None} to leave it as
        it is.
    """
    keys = ("max_completion_tokens", "max_tokens")
    budget = next((document[key] for key in keys if document.get(key) is not None), None)
    if floor is None or isinstance(budget, bool) or not isinstance(budget, int | float):
        return None
    if budget >= floor:
        return None
    kwargs = document.get("chat_template_kwargs")
    if kwargs is None:
        return {"enable_thinking": False}
    if not isinstance(kwargs, dict) or "enable_thinking" in kwargs:
        return None
    return {**kwargs, "enable_thinking": False}


def _model_in(member: Member | None) -> str:
    """
    @param member: the C{model} of a body.
    @return: its name.
    """
    if member is None:
        raise MissingModel("the body must name a 'model'")
    model = member.value
    if not isinstance(model, str) or not model.strip():
        raise MissingModel("'model' must be a string that is not empty")
    if any("\ud800" <= char <= "\udfff" for char in model):
        raise MissingModel("'model' holds half a character (a lone surrogate)")
    return model


def _members(data: bytes, max_depth: int) -> dict[str, Member]:
    """
    @return: the members of the top-level object in C{data}.
    """
    if not data.strip():
        raise InvalidJSON("the body is empty; it must be a JSON object")
    _check_depth(data, max_depth)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as e:
        raise InvalidJSON(f"the body is not UTF-8 (byte {e.start})") from e
    offset = _Offsets(text, len(data))
    members: dict[str, Member] = {}
    count = 0
    try:
        at = _skip(text, 0)
        if text[at : at + 1] != "{":
            raise InvalidJSON("the body must be a JSON object")
        at = _skip(text, at + 1)
        while text[at : at + 1] != "}":
            if text[at : at + 1] != '"':
                raise json.JSONDecodeError("Expecting a member", text, at)
            count += 1
            if count > MAX_MEMBERS:
                raise InvalidJSON(f"the body has more than {MAX_MEMBERS} members")
            key, at = _DECODER.raw_decode(text, at)
            at = _expect(text, at, ":")
            start = at
            value, at = _DECODER.raw_decode(text, start)
            if key == "model" and key in members:
                raise MissingModel("the body names 'model' twice")
            members[key] = Member(value, offset.of(start), offset.of(at))
            at = _skip(text, at)
            if text[at : at + 1] == ",":
                at = _skip(text, at + 1)
                if text[at : at + 1] == "}":
                    raise json.JSONDecodeError("Expecting a member", text, at)
            elif text[at : at + 1] != "}":
                raise json.JSONDecodeError("Expecting ',' or '}'", text, at)
        if text[at + 1 :].strip(" \t\n\r"):
            raise json.JSONDecodeError("Extra data", text, at + 1)
    except (ValueError, RecursionError) as e:
        raise InvalidJSON(f"the body is not valid JSON: {e}") from e
    return members


class _Offsets:
    """
    Byte offsets of ever later characters in a text.
    """

    def __init__(self, text: str, size: int) -> None:
        self._text = text
        self._ascii = len(text) == size
        self._char = 0
        self._byte = 0

    def of(self, char: int) -> int:
        """
        @return: how many bytes stand before the character at C{char}.
        """
        if self._ascii:
            return char
        self._byte += len(self._text[self._char : char].encode("utf-8"))
        self._char = char
        return self._byte


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()


def _expect(text: str, at: int, mark: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != mark:
        raise json.JSONDecodeError(f"Expecting '{mark}'", text, at)
    return _skip(text, at + 1)


def _check_depth(data: bytes, max_depth: int) -> None:
    """
    Refuse what would make a parser recurse for ever.
    """
    if data.count(b"{") + data.count(b"[") <= max_depth:
        return
    # Twice as many bytes take twice as long, whatever they are: the loops are
    # in C, and without escapes no search for the end of a string steps back.
    marks = data.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NO_MARKS)
    brackets = _STRING.sub(b"", marks)
    if max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > max_depth:
        raise InvalidJSON(f"the body is nested deeper than {max_depth} levels")
