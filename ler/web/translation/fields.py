# -*- test-case-name: ler.test.test_translation_fields -*-
"""
Members of a JSON object that somebody else wrote, each checked as it is taken:
a client's, or an engine's, which may be an error.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from ler.errors import RouterError, UpstreamError

_LONGEST = 500
"""How many characters of an engine's error are told."""


class Fields:
    """
    A JSON object.  A member that is null counts as absent, as clients and
    engines mean it.

    @ivar place: where it stands, such as C{messages[0]}; empty for the whole.
    """

    def __init__(self, value: Any, mistake: Callable[[str], RouterError], place: str = "") -> None:
        """
        @param value: what should be the object.
        @param mistake: makes a sentence into the error that is raised for
            whatever is not what it should be, by each method.
        """
        if not isinstance(value, dict):
            raise mistake(f"{_quoted(place)} must be an object")
        self.place = place
        self._members = value
        self._mistake = mistake

    def name(self, key: str) -> str:
        """
        @return: the full name of a member.
        """
        return f"{self.place}.{key}" if self.place else key

    def value(self, key: str) -> Any:
        """
        @return: any JSON value, L{None} when it is absent.
        """
        return self._members.get(key)

    def text(self, key: str) -> str | None:
        """
        @return: a string, or L{None}.
        """
        value = self.value(key)
        if value is None or isinstance(value, str):
            return value
        raise self.wrong(key, "a string")

    def required(self, key: str) -> str:
        """
        @return: a string that is not empty.
        """
        value = self.value(key)
        if isinstance(value, str) and value:
            return value
        raise self.wrong(key, "a string that is not empty")

    def number(self, key: str) -> float | None:
        """
        @return: a finite number, an integer as such, or L{None}.
        """
        return self._finite(key, "a number")

    def integer(self, key: str) -> int | None:
        """
        @return: an integer, or L{None}.
        """
        value = self._finite(key, "an integer")
        if value is None:
            return None
        if value != int(value):
            raise self.wrong(key, "an integer")
        return int(value)

    def flag(self, key: str) -> bool | None:
        """
        @return: true, false, or L{None}.
        """
        value = self.value(key)
        if value is None or isinstance(value, bool):
            return value
        raise self.wrong(key, "true or false")

    def texts(self, key: str) -> list[str]:
        """
        @return: a list of strings, empty when it is absent; a string alone is
            a list of it.
        """
        value = self.value(key)
        if isinstance(value, str):
            return [value]
        texts = self.items(key)
        if not all(isinstance(text, str) for text in texts):
            raise self.wrong(key, "a string, or a list of strings")
        return texts

    def items(self, key: str) -> list[Any]:
        """
        @return: a list of anything, empty when it is absent.
        """
        value = self.value(key)
        if value is None:
            return []
        if isinstance(value, list):
            return value
        raise self.wrong(key, "a list")

    def object(self, key: str) -> dict[str, Any]:
        """
        @return: an object as it is, empty when it is absent.
        """
        value = self.value(key)
        if value is None:
            return {}
        if isinstance(value, dict):
            return value
        raise self.wrong(key, "an object")

    def written(self, key: str) -> str:
        """
        @return: an object as its text, empty when it is absent; what is a text
            already stays as it is.
        """
        value = self.value(key)
        if value is None or isinstance(value, str):
            return value or ""
        try:
            if isinstance(value, dict):
                return json.dumps(value, ensure_ascii=False, allow_nan=False)
        except (ValueError, RecursionError):
            pass
        raise self.wrong(key, "a JSON object")

    def fields(self, key: str) -> Fields:
        """
        @return: an object whose members are to be taken, empty when it is
            absent.
        """
        return Fields(self.object(key), self._mistake, self.name(key))

    def each(self, key: str) -> list[Fields]:
        """
        @return: a list of objects, empty when it is absent.
        """
        name = self.name(key)
        return [
            Fields(item, self._mistake, f"{name}[{index}]")
            for index, item in enumerate(self.items(key))
        ]

    def wrong(self, key: str, wanted: str) -> RouterError:
        """
        @param wanted: what the member must be.
        @return: the error to raise.
        """
        return self._mistake(f"{_quoted(self.name(key))} must be {wanted}")

    def _finite(self, key: str, wanted: str) -> float | None:
        value = self.value(key)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        if isinstance(value, float) and math.isfinite(value):
            return value
        raise self.wrong(key, wanted)


def readable(answer: object) -> Fields:
    """
    @param answer: an engine's, a whole one or an event of a stream.
    @return: its members, each of which L{unreadable} complains of.
    @raise UpstreamError: when it tells of an error, with the engine's words,
        or is no object.
    """
    fields = Fields(answer, unreadable)
    error = answer if fields.value("object") == "error" else fields.value("error")
    # Some say with each answer that there is none.
    if error in (None, False, ""):
        return fields
    raise UpstreamError(_words(error))


def unreadable(reason: str) -> UpstreamError:
    """
    @param reason: a sentence about a part of an engine's answer.
    @return: the error to raise for it.
    """
    return UpstreamError(f"the engine's answer cannot be read: {reason}")


def _words(error: Any) -> str:
    """
    @return: an engine's own words, no more of them than anyone reads.
    """
    words = (error.get("message") or error) if isinstance(error, dict) else error
    if not isinstance(words, str):
        try:
            words = json.dumps(words)
        except RecursionError:
            words = "the engine told of an error that cannot be read"
    return words[:_LONGEST]


def _quoted(place: str) -> str:
    return f"'{place}'" if place else "the whole"
