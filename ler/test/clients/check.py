# -*- test-case-name: ler.test.test_live_clients -*-
"""
What the scripts that drive clients share: where the routers are, what the
engines say, and how to tell what came of a check.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

ROUTER = os.environ.get("ROUTER", "http://127.0.0.1:8077")
"""A router that wants no key."""

GUARDED = os.environ.get("GUARDED", "")
"""One that wants L{KEY}."""

KEY = "sk-sesame"

BIRDS = "crane finch heron kestrel lark owl plover raven robin swift thrush wren"
"""The words of the model tiny-birds."""

TREES = "alder ash beech birch cedar elm hazel larch maple oak pine willow"
"""The words of the model tiny-trees."""

SENTENCE = "The magpie steals \u201cthree\u201d spoons."
"""What the model recorded says."""

CITY = "Z\u00fcrich"
"""Whose weather it asks for."""

ANSWERED = "It says: sunny"
"""What it makes of sunny weather."""

PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
"""The schema of what the tool get_weather takes."""

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Say what the weather is like.",
        "parameters": PARAMETERS,
    },
}
"""The tool, as OpenAI and Ollama have it."""

HELLO: Any = [{"role": "user", "content": "Hello"}]

FAILURES = {
    "refuse": "context size",
    "fail": "Failed to parse",
    "complain": "failed to decode",
    "cut": "in the middle of its answer",
}
"""What is told of engines with which something is wrong, by model."""

SLOW = "wait"
"""The check that takes long: it is run when it is asked for."""

T = TypeVar("T")


def run(name: str, version: str, *checks: Callable[[], object]) -> None:
    """
    Run checks, or those that the command line names, and print lines of JSON:
    first what was checked, then of each check what went wrong, if anything
    did.

    @param name: of the client.
    """
    wanted = sys.argv[1:] or [check.__name__ for check in checks if check.__name__ != SLOW]
    report(client=name, version=version)
    for check in checks:
        if check.__name__ in wanted:
            perform(check)


def perform(check: Callable[[], object]) -> None:
    """
    Run one check, and print what came of it.
    """
    began, wrong = time.monotonic(), None
    try:
        check()
    except Exception as e:
        wrong = f"{type(e).__name__}: {e}"
    report(check=check.__name__, wrong=wrong, seconds=round(time.monotonic() - began, 1))


def report(**what: object) -> None:
    """
    Print a line for the program that runs the script.
    """
    print(json.dumps(what), flush=True)


def expect(condition: object, seen: object = None) -> None:
    """
    @raise AssertionError: unless C{condition} holds.
    """
    if not condition:
        raise AssertionError(f"unexpected: {seen!r}")


def says(text: str | Iterable[str | None] | None, expected: str) -> None:
    """
    Check what was said.

    @param text: the text, or its parts.
    @param expected: L{BIRDS} or L{TREES} for some of these words, or else the
        text itself.
    @raise AssertionError: when it is something else.
    """
    said = text if isinstance(text, str) else "".join(part or "" for part in text or ())
    if expected in (BIRDS, TREES):
        words = said.split()
        expect(words and set(words) <= set(expected.split()), said)
    else:
        expect(said == expected, said)


def raised(
    kind: type[T], words: str, call: Callable[..., object], *arguments: Any, **more: Any
) -> T:
    """
    @param kind: what C{call} must raise.
    @param words: what this must tell.
    @param arguments: of the call.
    @return: what it raised.
    @raise AssertionError: when it is something else.
    """
    try:
        value = call(*arguments, **more)
    except Exception as e:
        if not isinstance(e, kind):
            raise
        expect(words in str(e), str(e))
        return e
    raise AssertionError(f"nothing was raised, but returned: {value!r}")


def each(kinds: Iterable[str], check: Callable[[str], object]) -> None:
    """
    Check the same of several kinds of a client.

    @raise AssertionError: with all that went wrong.
    """
    wrong = list(_failures(kinds, check))
    expect(not wrong, "; ".join(wrong))


def _failures(kinds: Iterable[str], check: Callable[[str], object]) -> Iterator[str]:
    for kind in kinds:
        try:
            check(kind)
        except Exception as e:
            yield f"{kind}: {type(e).__name__}: {e}"
