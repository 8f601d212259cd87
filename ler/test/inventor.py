# -*- test-case-name: ler.test.test_translation_roundtrip -*-
"""
Requests and answers that nobody ever sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

WORDS = ("sky", " is", "\n", " blue", "größe", "\u2028", "🦆", '"', "\\", "{", "data: x", " ")

SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}

SAME_OPTIONS: dict[str, tuple[Any, ...]] = {
    "temperature": (0, 0.7),
    "top_p": (0.9, 1),
    "min_p": (0.05,),
    "typical_p": (0.5,),
    "presence_penalty": (-1.5, 0),
    "frequency_penalty": (1.5,),
    "mirostat_tau": (5.0,),
    "mirostat_eta": (0.1,),
    "seed": (0, 42),
    "top_k": (40,),
    "repeat_last_n": (64,),
    "mirostat": (2,),
    "stop": (["END"], ["a", "b"]),
}
"""Options that have one name in both dialects."""


@dataclass
class Answer:
    """
    What an engine says, in no dialect.

    @ivar calls: ids, names, and arguments.
    """

    thinking: str = ""
    text: str = ""
    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    finish: str = "stop"
    read: int = 0
    written: int = 0


class Inventor:
    """
    Makes up requests and answers.  What it makes up comes from its seed alone.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self._numbers = count(1)

    def maybe(self, **members: Any) -> dict[str, Any]:
        """
        @return: some of the members.
        """
        return {key: value for key, value in members.items() if self.random.random() < 0.5}

    def text(self, least: int = 0) -> str:
        """
        @return: some words, at least so many.
        """
        return "".join(self.random.choices(WORDS, k=self.random.randint(least, 8)))

    def arguments(self) -> dict[str, Any]:
        """
        @return: what a tool may be called with.
        """
        return self.maybe(city=self.text(), days=3, exact=1.5, units=["C", None], more={"a": True})

    def call(self) -> tuple[str, str, dict[str, Any]]:
        """
        @return: an id that no other call has, a name, and arguments.
        """
        name = self.random.choice(("weather", "time"))
        return f"call_{next(self._numbers)}", name, self.arguments()

    def calls(self) -> list[tuple[str, str, dict[str, Any]]]:
        """
        @return: a few.
        """
        return [self.call() for _ in range(self.random.randint(1, 3))]

    def options(self) -> dict[str, Any]:
        """
        @return: some of those that are the same in both dialects.
        """
        choices = {key: self.random.choice(values) for key, values in SAME_OPTIONS.items()}
        return self.maybe(**choices)

    def tools(self) -> list[dict[str, Any]]:
        """
        @return: those that can be called, which are the same in both dialects.
        """
        return [
            {
                "type": "function",
                "function": {"name": name, "description": name, "parameters": SCHEMA},
            }
            for name in ("weather", "time")
        ]

    def answer(self) -> Answer:
        """
        @return: anything that can be said.
        """
        calls = self.calls() if self.random.random() < 0.4 else []
        return Answer(
            thinking=self.text(),
            text=self.text(),
            calls=calls,
            finish="tool_calls" if calls else self.random.choice(("stop", "length")),
            read=self.random.randint(0, 99),
            written=self.random.randint(0, 99),
        )

    def pieces(self, text: str) -> Iterator[str]:
        """
        @return: the text, cut anywhere.
        """
        while text:
            size = self.random.randint(1, len(text))
            yield text[:size]
            text = text[size:]
