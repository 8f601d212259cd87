# -*- test-case-name: ler.test.test_translation_ollama_answers -*-
"""
What an engine of OpenAI's kind says, taken out of its answer: a whole one, or
one event of a stream; of a chat, or of a plain completion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

from ler.web.translation.chat_answers import (
    first_choice,
    message_of,
    only_choice,
    text_of,
    thinking_of,
)
from ler.web.translation.fields import Fields, readable, unreadable
from ler.web.translation.ollama.figures import Figures
from ler.web.translation.tool_calls import Calls

# Reasons that are all the same to Ollama; it calls no other by another name.
_STOPPED = ("stop", "tool_calls", "function_call", "content_filter")


@dataclass(frozen=True)
class Said:
    """
    One piece of an answer.

    @ivar text: what is for the user to read.
    @ivar thinking: what is not.
    @ivar calls: calls of tools, in Ollama's form.
    @ivar logprobs: the probabilities of the tokens, in Ollama's form.
    """

    text: str = ""
    thinking: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    logprobs: list[dict[str, Any]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.text or self.thinking or self.calls or self.logprobs)


class Listener:
    """
    Listens to one answer, in one piece or many.
    """

    def __init__(self, new_id: Callable[[], str], figures: Figures, tops: int) -> None:
        """
        @param new_id: makes up the id of a call that has none.
        @param tops: how many alternatives of a token the client wants.
        """
        self._new_id = new_id
        self._figures = figures
        self._tops = tops
        self._calls = Calls()
        self._finish: str | None = None

    def hear(self, answer: object) -> Said:
        """
        Take the next piece.

        @return: what is new in it.
        @raise UpstreamError: when it tells of an error, or is not what such
            an engine says.
        """
        fields = readable(answer)
        self._figures.told(fields)
        choice = first_choice(fields)
        return Said() if choice is None else self._said(choice)

    def hear_all(self, answer: object) -> Said:
        """
        Take an answer that is in one piece.

        @raise UpstreamError: as L{hear} does, and when there is no answer in
            it.
        """
        fields = readable(answer)
        self._figures.told(fields)
        said = self._said(only_choice(fields))
        return replace(said, calls=[*said.calls, *self.rest().calls])

    def rest(self) -> Said:
        """
        @return: what the engine left without an end.
        """
        return Said(calls=self._taken(cut=True))

    def _said(self, choice: Fields) -> Said:
        message = message_of(choice)
        heard = self._calls.hear(message)
        self._finish = choice.text("finish_reason") or self._finish
        said = Said(
            # A plain completion has its text beside where a chat has its message.
            text=text_of(message) or choice.text("text") or "",
            thinking=thinking_of(message),
            # Fragments of several calls may come mixed: none is whole before the end.
            calls=self._taken(cut=self._finish == "length") if self._finish else [],
            logprobs=_logprobs(choice.fields("logprobs"), self._tops),
        )
        if said or heard:
            self._figures.token()
        return said

    def _taken(self, *, cut: bool) -> list[dict[str, Any]]:
        """
        @param cut: whether the answer was cut off, and perhaps the last call
            with it: such a call is left out.
        @return: the calls that have come since the last time, in Ollama's form.
        @raise UpstreamError: when nobody can make one of them.
        """
        calls, self._calls = self._calls, Calls()
        taken = []
        for call in calls.all():
            arguments = call.arguments
            if arguments is not None and call.name:
                # Some templates insist on ids of nine characters.
                id = call.id or self._new_id()[:9]
                function = {"index": call.index, "name": call.name, "arguments": arguments}
                taken.append({"id": id, "function": function})
            elif not cut:
                raise call.mistake()
        return taken

    def ending(self) -> dict[str, Any]:
        """
        @return: what Ollama says at the end: the reason for it, and figures.
        """
        reason = self._finish or "stop"
        return {
            "done_reason": "stop" if reason in _STOPPED else reason,
            **self._figures.all(),
        }


def _logprobs(found: Fields, tops: int) -> list[dict[str, Any]]:
    """
    @param found: of a chat, or of a completion, which may have an older form.
    """
    tokens = found.each("content") or _older_logprobs(found)
    said = []
    for token in tokens:
        entry = _token(token)
        others = [_token(other) for other in token.each("top_logprobs")[:tops]]
        if others:
            entry["top_logprobs"] = others
        said.append(entry)
    return said


def _token(token: Fields) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "token": token.text("token") or "",
        "logprob": token.number("logprob") or 0.0,
    }
    if token.items("bytes"):
        entry["bytes"] = token.items("bytes")
    return entry


def _older_logprobs(found: Fields) -> list[Fields]:
    """
    @return: three parallel lists as one.
    """
    columns = (found.items("tokens"), found.items("token_logprobs"), found.items("top_logprobs"))
    rows = [
        {
            "token": token,
            "logprob": logprob,
            "top_logprobs": [
                {"token": other, "logprob": value}
                for other, value in (top.items() if isinstance(top, dict) else ())
            ],
        }
        for token, logprob, top in zip_longest(*columns)
    ]
    return Fields({"rows": rows}, unreadable).each("rows")
