# -*- test-case-name: ler.test.test_translation_ollama -*-
"""
Ollama's clients of engines that speak OpenAI's API: chats and generations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.logger import Logger
from zope.interface import implementer

from ler.errors import BadRequest
from ler.web.translation.chat_requests import CHAT, function, streaming
from ler.web.translation.contract import Circumstances, ITranslation
from ler.web.translation.fields import Fields
from ler.web.translation.ollama.answers import Listener, Said
from ler.web.translation.ollama.conversation import content, messages
from ler.web.translation.ollama.figures import Figures, timestamp
from ler.web.translation.ollama.options import logprobs, settings, thinking

COMPLETIONS = "/v1/completions"


class _Generation:
    """
    What chats and generations have in common: nearly everything.
    """

    def __init__(
        self, body: Fields, circumstances: Circumstances, path: str, asked: dict[str, Any]
    ) -> None:
        """
        @param path: where the engine takes the request.
        @param asked: what is said there about the prompt.
        """
        self.path = path
        self.streams = body.flag("stream") is not False
        self._circumstances = circumstances
        self._figures = Figures(circumstances.now)
        tops = logprobs(body)
        self._listener = Listener(circumstances.new_id, self._figures, tops or 0)
        self._request = {**asked, **settings(body)}
        if path == CHAT:
            self._request.update(thinking(body))
        if tops is not None:
            # llama.cpp takes 0 alternatives for no probabilities at all.
            count = max(1, tops)
            chosen = {"logprobs": True, "top_logprobs": count}
            self._request.update(chosen if path == CHAT else {"logprobs": count})

    def request(self, model: str) -> dict[str, Any]:
        """
        @see: L{ITranslation.request}
        """
        stream = streaming() if self.streams else {"stream": False}
        return {"model": model, **self._request, **stream}

    def sent(self) -> None:
        """
        @see: L{ITranslation.sent}
        """
        self._figures.sent()

    def document(self, answer: object) -> dict[str, Any]:
        """
        @see: L{ITranslation.document}
        """
        return self._last(self._listener.hear_all(answer))

    def event(self, event: object) -> list[dict[str, Any]]:
        """
        @see: L{ITranslation.event}
        """
        said = self._listener.hear(event)
        return [self._line(said, {"done": False})] if said else []

    def end(self) -> list[dict[str, Any]]:
        """
        @see: L{ITranslation.end}
        """
        rest = self._listener.rest()
        lines = [self._line(rest, {"done": False})] if rest else []
        return [*lines, self._last(Said())]

    def _last(self, said: Said) -> dict[str, Any]:
        return self._line(said, {"done": True, **self._listener.ending()})

    def _line(self, said: Said, state: dict[str, Any]) -> dict[str, Any]:
        line = {
            "model": self._circumstances.model,
            "created_at": timestamp(self._circumstances.wall()),
            **self._members(said),
            **state,
        }
        if said.logprobs:
            line["logprobs"] = said.logprobs
        return line

    def _members(self, said: Said) -> dict[str, Any]:
        """
        @return: the members that hold what was said.
        """
        raise NotImplementedError


@implementer(ITranslation)
class OllamaChat(_Generation):
    """
    C{/api/chat} to C{/v1/chat/completions}.
    """

    def __init__(self, body: Mapping[str, Any], circumstances: Circumstances) -> None:
        """
        @raise BadRequest: when the body is wrong.
        """
        fields = Fields(body, BadRequest)
        asked: dict[str, Any] = {"messages": messages(fields)}
        tools = [_tool(tool) for tool in fields.each("tools")]
        if tools:
            asked["tools"] = tools
        super().__init__(fields, circumstances, CHAT, asked)

    def _members(self, said: Said) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": said.text}
        if said.thinking:
            message["thinking"] = said.thinking
        if said.calls:
            message["tool_calls"] = said.calls
        return {"message": message}


def _tool(tool: Fields) -> dict[str, Any]:
    tool.fields("function").required("name")
    return function(tool.object("function"))


@implementer(ITranslation)
class OllamaGenerate(_Generation):
    """
    C{/api/generate} to C{/v1/chat/completions}; to C{/v1/completions} where
    the model is to continue a text, or to fill a gap in it.
    """

    _log = Logger()

    def __init__(self, body: Mapping[str, Any], circumstances: Circumstances) -> None:
        """
        @raise BadRequest: when the body is wrong.
        """
        fields = Fields(body, BadRequest)
        raw = bool(fields.flag("raw"))
        if raw:
            _refuse_beside_raw(fields)
        for name in ("template", "context"):
            if fields.value(name):
                self._log.warn(
                    "ignored the {name} of a request for {model}: its engine takes none",
                    name=name,
                    model=circumstances.model,
                )
        if raw or fields.text("suffix"):
            super().__init__(fields, circumstances, COMPLETIONS, _text(fields))
        else:
            super().__init__(fields, circumstances, CHAT, {"messages": _messages(fields)})

    def _members(self, said: Said) -> dict[str, Any]:
        body = {"response": said.text}
        if said.thinking:
            body["thinking"] = said.thinking
        return body


def _refuse_beside_raw(body: Fields) -> None:
    for name in ("template", "system", "context", "images"):
        if body.value(name):
            raise BadRequest(f"'raw' takes the prompt as it is: leave out '{name}', or 'raw'")


def _text(body: Fields) -> dict[str, Any]:
    """
    @return: the prompt of a plain completion.
    """
    asked = {"prompt": body.text("prompt") or ""}
    suffix = body.text("suffix")
    if suffix:
        asked["suffix"] = suffix
    return asked


def _messages(body: Fields) -> list[dict[str, Any]]:
    """
    @return: the prompt of a chat completion.
    """
    user = {"role": "user", "content": content(body, "prompt")}
    system = body.text("system")
    return [{"role": "system", "content": system}, user] if system else [user]
