# -*- test-case-name: ler.test.test_translation_anthropic_conversation -*-
"""
What was said so far: Anthropic's turns of content blocks, as the messages of a
chat completion.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
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

# Claude Code puts this before its instructions.  It is for Anthropic's books,
# and differs in each request: no engine could reuse what it has read before.
_ATTRIBUTION = re.compile(r"\Ax-anthropic-billing-header:(?:\s*\w+=[^;\s]*;)*\s*")

_IMAGE = "[image, shown below]"


def messages(body: Fields) -> list[Message]:
    """
    @param body: the request.
    @return: its instructions and messages.  Turns of the same side that follow
        each other are one, as they are to Anthropic's own models: the
        templates of many others insist on a change of sides.
    @raise BadRequest: when a message cannot be read, or holds what no chat
        completion can.
    """
    instructions = _texts(_blocks(body, "system"))
    turns: list[_User | _Assistant] = []
    for message in body.each("messages"):
        role = message.required("role")
        blocks = _blocks(message, "content")
        if role == "system":
            # Many templates take instructions at the beginning only.
            if turns:
                _turn(turns, _User).instruct(joined(_texts(blocks)))
            else:
                instructions += _texts(blocks)
        elif role in _SIDES:
            turn = _turn(turns, _SIDES[role])
            for block in blocks:
                turn.add(block)
        else:
            raise message.wrong("role", "'user', 'assistant' or 'system'")
    said = [message for turn in turns for message in turn.messages()]
    if not said:
        raise BadRequest("'messages' must hold a message of the user")
    if text := joined(instructions):
        return [{"role": "system", "content": text}, *said]
    return said


class _User:
    """
    A turn of the user: what the tools gave, and then what the user says.
    """

    def __init__(self) -> None:
        self._results: list[Message] = []
        self._parts: list[Part] = []

    def add(self, block: Fields) -> None:
        """
        @param block: the next one of the turn.
        """
        if block.text("type") == "tool_result":
            self._add_result(block)
        else:
            self._parts += _parts(block)

    def instruct(self, text: str) -> None:
        """
        @param text: instructions that stand in mid-conversation.
        """
        if not text:
            return
        if self._results and not self._parts:
            # A turn of the user would end the work with the tools, and many
            # templates forget then what the model thought about it.
            last = self._results[-1]
            last["content"] = joined([last["content"], text])
        else:
            self._parts.append(text_part(text))

    def messages(self) -> list[Message]:
        """
        @return: the turn: the results first, which must follow their calls.
        """
        if self._results and not self._parts:
            return self._results
        return [*self._results, {"role": "user", "content": content(self._parts)}]

    def _add_result(self, block: Fields) -> None:
        texts = []
        for inner in _blocks(block, "content"):
            for part in _parts(inner):
                if part["type"] == "text":
                    texts.append(part["text"])
                else:
                    # Only users can show images in a chat completion.
                    texts.append(_IMAGE)
                    self._parts.append(part)
        text = joined(texts)
        if block.flag("is_error"):
            text = f"Error: {text}"
        self._results.append(
            {"role": "tool", "tool_call_id": block.required("tool_use_id"), "content": text}
        )


class _Assistant:
    """
    A turn of the model.
    """

    def __init__(self) -> None:
        self._text = ""
        self._thinking = ""
        self._calls: list[dict[str, Any]] = []

    def add(self, block: Fields) -> None:
        """
        @param block: the next one of the turn.  What this engine cannot have
            made, such as encrypted thinking or a search that Anthropic ran, is
            left out: the conversation may have begun with another model.
        """
        kind = block.required("type")
        if kind == "text":
            self._text += block.text("text") or ""
        elif kind == "thinking":
            self._thinking += block.text("thinking") or ""
        elif kind == "tool_use":
            # It is no text, which would pass for one that is written already.
            block.object("input")
            arguments = block.written("input")
            self._calls.append(call(block.required("id"), block.required("name"), arguments))

    def messages(self) -> list[Message]:
        """
        @return: the turn, as one message, or none when nothing is left of it.
        """
        message: Message = {"role": "assistant", "content": self._text, **thought(self._thinking)}
        if self._calls:
            message["tool_calls"] = self._calls
        return [message] if self._text or self._thinking or self._calls else []


_SIDES: dict[str, type[_User] | type[_Assistant]] = {"user": _User, "assistant": _Assistant}


def _turn(turns: list[Any], side: type[Any]) -> Any:
    """
    @return: the last of C{turns} if it is of C{side}, else a new one.
    """
    if not turns or type(turns[-1]) is not side:
        turns.append(side())
    return turns[-1]


def _blocks(holder: Fields, key: str) -> list[Fields]:
    """
    @return: the blocks of a content; a string is one of text.
    """
    value = holder.value(key)
    if isinstance(value, str):
        return [Fields({"type": "text", "text": value}, BadRequest, holder.name(key))]
    return holder.each(key)


def _texts(blocks: Iterable[Fields]) -> list[str]:
    """
    @return: the texts of instructions.
    """
    texts = []
    for block in blocks:
        if block.text("type") != "text":
            raise block.wrong("type", "'text': instructions are nothing else")
        texts.append(_ATTRIBUTION.sub("", block.text("text") or ""))
    return texts


def _parts(block: Fields) -> list[Part]:
    """
    @return: a block of the user, or of a tool, as parts of a content.
    """
    kind = block.required("type")
    if kind not in _KINDS:
        raise BadRequest(
            f"'{block.name('type')}': this engine cannot be given '{kind}' blocks; leave them out, "
            "or write them as text"
        )
    return _KINDS[kind](block)


def _text(block: Fields) -> list[Part]:
    text = block.text("text")
    return [text_part(text)] if text else []


def _image(block: Fields) -> list[Part]:
    source = block.fields("source")
    kind = source.text("type")
    if kind == "base64":
        url = f"data:{source.required('media_type')};base64,{source.required('data')}"
    elif kind == "url":
        url = source.required("url")
    else:
        raise source.wrong("type", "'base64' or 'url': the router keeps no files")
    return [image_part(url)]


def _document(block: Fields) -> list[Part]:
    source = block.fields("source")
    kind = source.text("type")
    if kind == "text":
        said = [text_part(source.required("data"))]
    elif kind == "content":
        said = [part for inner in _blocks(source, "content") for part in _parts(inner)]
    else:
        raise source.wrong("type", "'text' or 'content': this engine reads no PDF and no files")
    head = joined([block.text("title"), block.text("context")])
    return [text_part(head), *said] if head else said


def _search_result(block: Fields) -> list[Part]:
    head = joined([block.text("title"), block.text("source")])
    said = [part for inner in _blocks(block, "content") for part in _parts(inner)]
    return [text_part(head), *said] if head else said


def _tool_reference(block: Fields) -> list[Part]:
    return [text_part(f"The tool {block.required('tool_name')} can be called.")]


_KINDS: dict[str, Callable[[Fields], list[Part]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "tool_reference": _tool_reference,
}
