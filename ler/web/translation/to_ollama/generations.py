# -*- test-case-name: ler.test.test_translation_to_ollama -*-
"""
OpenAI's clients of engines that speak Ollama's API alone: chats and completions.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from zope.interface import implementer

from ler.errors import BadRequest
from ler.web.translation.chat_requests import call
from ler.web.translation.contract import Circumstances, ITranslation
from ler.web.translation.fields import Fields
from ler.web.translation.to_ollama.answers import Call, Said, chatted, generated
from ler.web.translation.to_ollama.conversation import messages
from ler.web.translation.to_ollama.options import refuse_lost, settings
from ler.web.translation.to_ollama.tools import tools


@implementer(ITranslation)
class _Generation(abc.ABC):
    """
    What chats and completions have in common: how the pieces of an answer are
    wrapped, and how a stream ends.

    @cvar _id_prefix: what the ids of answers begin with.
    @cvar _answer_object: what OpenAI calls a whole answer.
    @cvar _event_object: what it calls an event of a stream.
    """

    path: str
    _id_prefix: str
    _answer_object: str
    _event_object: str

    def __init__(self, body: Mapping[str, Any], circumstances: Circumstances) -> None:
        """
        @raise BadRequest: when the body is wrong, or wants what Ollama cannot
            do.
        """
        fields = Fields(body, BadRequest)
        refuse_lost(fields)
        self.streams = fields.flag("stream") is True
        self._circumstances = circumstances
        self._request = {**self._prompt(fields), **settings(fields), "stream": self.streams}
        self._tells_usage = fields.fields("stream_options").flag("include_usage") is True
        self._id = self._id_prefix + circumstances.new_id()
        self._created = 0
        self._last = Said()

    def request(self, model: str) -> dict[str, Any]:
        """
        @see: L{ITranslation.request}
        """
        return {"model": model, **self._request}

    def sent(self) -> None:
        """
        @see: L{ITranslation.sent}
        """
        self._created = int(self._circumstances.wall())

    def document(self, answer: object) -> dict[str, Any]:
        """
        @see: L{ITranslation.document}
        """
        said = self._read(answer)
        return self._wrapped(self._answer_object, [self._choice(said)], usage=_usage(said))

    def event(self, event: object) -> list[dict[str, Any]]:
        """
        @see: L{ITranslation.event}
        """
        self._last = said = self._read(event)
        return [self._wrapped(self._event_object, [choice]) for choice in self._pieces(said)]

    def end(self) -> list[dict[str, Any]]:
        """
        @see: L{ITranslation.end}
        """
        events = [self._wrapped(self._event_object, [self._end(self._last)])]
        if self._tells_usage:
            events.append(self._wrapped(self._event_object, [], usage=_usage(self._last)))
        return events

    def _wrapped(self, kind: str, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._circumstances.model,
            "choices": choices,
            **more,
        }

    @abc.abstractmethod
    def _prompt(self, body: Fields) -> dict[str, Any]:
        """
        @return: what is to be answered, in Ollama's words.
        """

    @abc.abstractmethod
    def _read(self, answer: object) -> Said:
        """
        @return: what the engine says.
        """

    @abc.abstractmethod
    def _choice(self, said: Said) -> dict[str, Any]:
        """
        @return: the one choice of a whole answer.
        """

    @abc.abstractmethod
    def _pieces(self, said: Said) -> list[dict[str, Any]]:
        """
        @return: the choice of each event that says this, none where nothing
            is said.
        """

    @abc.abstractmethod
    def _end(self, said: Said) -> dict[str, Any]:
        """
        @return: the choice of the event that ends the stream, after this.
        """


class ChatToOllama(_Generation):
    """
    C{/v1/chat/completions} to C{/api/chat}.
    """

    path = "/api/chat"
    _id_prefix = "chatcmpl-"
    _answer_object = "chat.completion"
    _event_object = "chat.completion.chunk"

    _begun = False
    _calls = 0

    def _prompt(self, body: Fields) -> dict[str, Any]:
        prompt: dict[str, Any] = {"messages": messages(body)}
        offered = tools(body)
        if offered:
            prompt["tools"] = offered
        if body.flag("logprobs"):
            prompt.update(logprobs=True, top_logprobs=body.integer("top_logprobs") or 0)
        return prompt

    def _read(self, answer: object) -> Said:
        return chatted(answer)

    def _choice(self, said: Said) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": said.text}
        if said.thinking:
            message["reasoning_content"] = said.thinking
        if said.calls:
            message["content"] = said.text or None
            message["tool_calls"] = self._called(said.calls)
        choice = {"index": 0, "message": message, "finish_reason": self._finish(said)}
        if said.logprobs:
            choice["logprobs"] = {"content": said.logprobs}
        return choice

    def _pieces(self, said: Said) -> list[dict[str, Any]]:
        deltas: list[dict[str, Any]] = []
        if not self._begun:
            self._begun = True
            deltas.append({"role": "assistant", "content": ""})
        if said.thinking:
            deltas.append({"reasoning_content": said.thinking})
        if said.text:
            deltas.append({"content": said.text})
        if said.calls:
            first = self._calls
            calls = self._called(said.calls)
            deltas.append(
                {"tool_calls": [{"index": first + i, **one} for i, one in enumerate(calls)]}
            )
        if said.logprobs and not deltas:
            deltas.append({})
        choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
        if said.logprobs:
            choices[-1]["logprobs"] = {"content": said.logprobs}
        return choices

    def _end(self, said: Said) -> dict[str, Any]:
        return {"index": 0, "delta": {}, "finish_reason": self._finish(said)}

    def _called(self, calls: list[Call]) -> list[dict[str, Any]]:
        self._calls += len(calls)
        new_id = self._circumstances.new_id
        return [
            call(called.id or f"call_{new_id()}", called.name, called.arguments) for called in calls
        ]

    def _finish(self, said: Said) -> str:
        # Ollama gives no call away that is not complete.
        if self._calls:
            return "tool_calls"
        return "length" if said.cut else "stop"


class CompletionToOllama(_Generation):
    """
    C{/v1/completions} to C{/api/generate}.
    """

    path = "/api/generate"
    _id_prefix = "cmpl-"
    _answer_object = _event_object = "text_completion"

    _length = 0

    def _prompt(self, body: Fields) -> dict[str, Any]:
        prompt: dict[str, Any] = {"prompt": _one_text(body)}
        suffix = body.text("suffix")
        if suffix:
            # The model's template says how it is filled in.
            prompt["suffix"] = suffix
        else:
            prompt["raw"] = True
        if body.value("logprobs") not in (None, False):
            prompt.update(logprobs=True, top_logprobs=body.integer("logprobs"))
        return prompt

    def _read(self, answer: object) -> Said:
        return generated(answer)

    def _choice(self, said: Said) -> dict[str, Any]:
        return {**self._spoken(said), "finish_reason": "length" if said.cut else "stop"}

    def _pieces(self, said: Said) -> list[dict[str, Any]]:
        if not (said.text or said.logprobs):
            return []
        return [{**self._spoken(said), "finish_reason": None}]

    def _end(self, said: Said) -> dict[str, Any]:
        finish = "length" if said.cut else "stop"
        return {"index": 0, "text": "", "logprobs": None, "finish_reason": finish}

    def _spoken(self, said: Said) -> dict[str, Any]:
        logprobs = self._listed(said.logprobs) if said.logprobs else None
        return {"index": 0, "text": said.text, "logprobs": logprobs}

    def _listed(self, logprobs: list[dict[str, Any]]) -> dict[str, Any]:
        """
        @return: C{logprobs} in the older form that completions have.
        """
        tokens = [token["token"] for token in logprobs]
        *offsets, self._length = accumulate(map(len, tokens), initial=self._length)
        return {
            "tokens": tokens,
            "token_logprobs": [token["logprob"] for token in logprobs],
            "top_logprobs": [
                {other["token"]: other["logprob"] for other in token["top_logprobs"]}
                for token in logprobs
            ],
            "text_offset": offsets,
        }


def _usage(said: Said) -> dict[str, int]:
    return {
        "prompt_tokens": said.read,
        "completion_tokens": said.written,
        "total_tokens": said.read + said.written,
    }


def _one_text(body: Fields) -> str:
    """
    @return: the prompt.  An empty one would only load the model.
    """
    prompt = body.value("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str) or not prompt:
        raise body.wrong(
            "prompt",
            "one text that is not empty: the engine of this model takes neither tokens nor more "
            "than one",
        )
    return prompt
