# -*- test-case-name: ler.test.test_translation_responses_conversation -*-
"""
The input of a response, as the messages of a chat.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ler.errors import BadRequest
from ler.web.translation.chat_requests import (
    Message,
    Part,
    call,
    content,
    image_part,
    joined,
    text_part,
    thought,
)
from ler.web.translation.fields import Fields
from ler.web.translation.responses.freeform import wrapped
from ler.web.translation.responses.items import KEPT
from ler.web.translation.responses.tools import function_name


@dataclass
class Turn:
    """
    One message.

    @ivar parts: texts and images, as a chat has them.
    @ivar thoughts: what an assistant thought.
    @ivar calls: of tools, by an assistant.
    @ivar call_id: of the call whose result a tool's message is.
    """

    role: str
    parts: list[Part] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    call_id: str | None = None

    def message(self) -> Message:
        """
        @return: it, as a chat has it.
        """
        message: Message = {
            "role": self.role,
            "content": content(self.parts),
            **thought(joined(self.thoughts)),
        }
        if self.calls:
            message["tool_calls"] = self.calls
        if self.call_id is not None:
            message["tool_call_id"] = self.call_id
        return message


class Script:
    """
    A conversation.

    Items are smaller than messages: a model's thoughts, words and calls are an
    item each, and what a user says to Codex comes in several.  Chat templates
    insist on turns, so what one side says on end becomes one message.
    """

    def __init__(self) -> None:
        self._turns: list[Turn] = []
        self._shown: list[Part] = []

    def turn(self, role: str) -> Turn:
        """
        @return: the turn that is C{role}'s now.
        """
        self._show()
        if not self._turns or self._turns[-1].role != role:
            self._turns.append(Turn(role))
        return self._turns[-1]

    def instruct(self, parts: list[Part]) -> None:
        """
        Add what neither side said.  Chat templates know one such message, the
        first, and refuse or lose others: what comes later is put into the
        user's mouth.
        """
        begun = any(turn.role != "system" for turn in self._turns)
        self.turn("user" if begun else "system").parts += parts

    def result(self, call_id: str, parts: list[Part]) -> None:
        """
        Add what a tool returned.  Its images come after it, from the user: in
        a tool's message few engines look for any.
        """
        texts = [part for part in parts if part["type"] == "text"]
        self._shown += [part for part in parts if part["type"] != "text"]
        self._turns.append(Turn("tool", parts=texts, call_id=call_id))

    def messages(self) -> list[Message]:
        """
        @return: the messages.
        """
        self._show()
        # Thoughts that led to nothing are no message.
        return [
            turn.message()
            for turn in self._turns
            if turn.role != "assistant" or turn.parts or turn.calls
        ]

    def _show(self) -> None:
        shown, self._shown = self._shown, []
        if shown:
            self.turn("user").parts += shown


def messages(body: Fields) -> list[Message]:
    """
    @param body: the request.
    @return: its instructions and its input.
    @raise BadRequest: when something in them makes no sense, or cannot be had
        in a chat.
    """
    script = Script()
    instructions = body.text("instructions")
    if instructions:
        script.instruct([text_part(instructions)])
    if isinstance(body.value("input"), str):
        script.turn("user").parts.append(text_part(body.value("input")))
    else:
        for item in body.each("input"):
            kind = item.text("type") or "message"
            if kind in _BEYOND:
                raise BadRequest(f"'{item.place}' {_BEYOND[kind]}")
            _READERS.get(kind, _ignore)(script, item)
    result = script.messages()
    if not result:
        raise BadRequest("'input' must not be empty: there is nothing to answer")
    return result


def offered(body: Fields) -> list[Fields]:
    """
    @param body: the request.
    @return: the tools that it offers, some clients do so within the input.
    """
    tools = body.each("tools")
    if isinstance(body.value("input"), list):
        for item in body.each("input"):
            if item.text("type") == "additional_tools":
                tools += item.each("tools")
    return tools


_BEYOND: Mapping[str, str] = {
    "item_reference": "refers to something that the router did not keep: send the item itself "
    "(clients do when 'store' is false)",
    **dict.fromkeys(
        ("compaction", "compaction_summary", "compaction_trigger"),
        "is about a summary that only OpenAI's own service can write and read: begin a new "
        "conversation",
    ),
}


def _message(script: Script, item: Fields) -> None:
    role = item.required("role")
    if role in ("system", "developer"):
        script.instruct(_parts(item, "content"))
    elif role in ("user", "assistant"):
        script.turn(role).parts += _parts(item, "content")
    else:
        raise item.wrong("role", "user, assistant, system or developer")


def _agent_message(script: Script, item: Fields) -> None:
    script.turn("user").parts += _parts(item, "content")


def _reasoning(script: Script, item: Fields) -> None:
    texts = [part.text("text") or "" for part in item.each("content")]
    kept = item.text("encrypted_content") or ""
    if not texts and kept.startswith(KEPT):
        texts = [kept.removeprefix(KEPT)]
    if not texts:
        texts = [part.text("text") or "" for part in item.each("summary")]
    script.turn("assistant").thoughts += texts


def _function_call(script: Script, item: Fields) -> None:
    _call(script, item, item.written("arguments"))


def _custom_tool_call(script: Script, item: Fields) -> None:
    _call(script, item, wrapped(item.text("input") or ""))


def _call(script: Script, item: Fields, arguments: str) -> None:
    name = function_name(item.required("name"), item.text("namespace"))
    script.turn("assistant").calls.append(call(item.required("call_id"), name, arguments))


def _output(script: Script, item: Fields) -> None:
    if isinstance(item.value("output"), dict):
        parts = [text_part(item.written("output"))]
    else:
        parts = _parts(item, "output")
    script.result(item.required("call_id"), parts)


def _ignore(script: Script, item: Fields) -> None:
    """
    Leave out what is not for the model, and what tools have done that it does
    not have.
    """


_READERS: Mapping[str, Callable[[Script, Fields], None]] = {
    "message": _message,
    "agent_message": _agent_message,
    "reasoning": _reasoning,
    "function_call": _function_call,
    "function_call_output": _output,
    "custom_tool_call": _custom_tool_call,
    "custom_tool_call_output": _output,
}


def _parts(item: Fields, key: str) -> list[Part]:
    if isinstance(item.value(key), str):
        return [text_part(item.value(key))]
    return [_part(part) for part in item.each(key)]


def _part(part: Fields) -> Part:
    kind = part.required("type")
    if kind in _TEXTS:
        return text_part(part.text(_TEXTS[kind]) or "")
    if kind == "input_image":
        return _image(part)
    if kind == "input_file":
        raise BadRequest(
            f"'{part.place}' is a file, which no engine here can read: send its text as input_text"
        )
    raise part.wrong("type", "input_text, output_text or input_image")


_TEXTS: Mapping[str, str] = {
    "input_text": "text",
    "output_text": "text",
    "text": "text",
    "refusal": "refusal",
    # What one of Codex's agents tells another; with us nobody has encrypted it.
    "encrypted_content": "encrypted_content",
}


def _image(part: Fields) -> Part:
    url = part.text("image_url")
    if not url:
        raise BadRequest(
            f"'{part.place}' has no 'image_url', and the router keeps no files: send the image as "
            "a data: URL"
        )
    detail = part.value("detail")
    return image_part(url, detail if detail in ("auto", "low", "high") else None)
