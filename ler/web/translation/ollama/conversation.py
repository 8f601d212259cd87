# -*- test-case-name: ler.test.test_translation_ollama_conversation -*-
"""
The messages of Ollama's clients, as OpenAI's API wants them.
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Any

from ler.web.translation.chat_requests import call, image_part, text_part, thought
from ler.web.translation.fields import Fields

_HEAD = 64
"""Characters of base64 that tell what a picture or a sound is."""

_MEDIA = (
    (re.compile(rb"\x89PNG"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"BM"), "image/bmp"),
    (re.compile(rb"RIFF....WAVE", re.DOTALL), "audio/wav"),
    (re.compile(rb"ID3|\xff[\xf2\xf3\xfb]"), "audio/mp3"),
    (re.compile(rb"fLaC"), "audio/flac"),
    (re.compile(rb"OggS"), "audio/ogg"),
)

# Engines look at the data themselves; they want some name for it.
_UNKNOWN_MEDIUM = "image/jpeg"


def messages(body: Fields) -> list[dict[str, Any]]:
    """
    @param body: a request with C{messages}.
    @return: the messages of a chat completion.
    @raise BadRequest: when one is wrong.
    """
    calls = _Calls()
    return [_message(message, calls) for message in body.each("messages")]


def content(message: Fields, key: str) -> str | list[dict[str, Any]]:
    """
    @param message: what may have C{images}.
    @param key: the name of its text.
    @return: the text, or it and the images in parts.
    @raise BadRequest: when one is wrong.
    """
    text = message.text(key) or ""
    parts = [text_part(text)] if text else []
    images = message.items("images")
    for index, data in enumerate(images):
        medium = _medium(data)
        if medium is None:
            raise message.wrong(f"images[{index}]", "a picture or a sound in base64")
        parts.append(medium)
    return parts if images else text


def _medium(data: object) -> dict[str, Any] | None:
    """
    @return: a picture or a sound as a part; L{None} when it is neither.
    """
    if not isinstance(data, str):
        return None
    # Tools of the command line wrap base64 into lines.
    data = data.replace("\r", "").replace("\n", "")
    try:
        head = b64decode(data[:_HEAD], validate=True)
    except ValueError:
        return None
    medium = next((name for magic, name in _MEDIA if magic.match(head)), _UNKNOWN_MEDIUM)
    kind, _, form = medium.partition("/")
    if kind == "audio":
        return {"type": "input_audio", "input_audio": {"data": data, "format": form}}
    return image_part(f"data:{medium};base64,{data}")


def _message(message: Fields, calls: _Calls) -> dict[str, Any]:
    role = message.required("role").lower()
    said: dict[str, Any] = {"role": role, "content": content(message, "content")}
    if role == "assistant":
        said.update(thought(message.text("thinking")))
        made = [calls.made(called) for called in message.each("tool_calls")]
        if made:
            said["tool_calls"] = made
    elif role == "tool":
        # The older of its two names is the one that OpenAI's API has, too.
        name = message.text("tool_name") or message.text("name") or ""
        said["tool_call_id"] = calls.answered(message.text("tool_call_id") or "", name)
        if name:
            said["name"] = name
    else:
        calls.forget()
    return said


class _Calls:
    """
    The calls of tools in a conversation, which for Ollama need no ids, as its
    results name the tool that they are from.
    """

    def __init__(self) -> None:
        self._count = 0
        # Names of those that have no result yet, by id, in order.
        self._open: dict[str, str] = {}

    def made(self, called: Fields) -> dict[str, Any]:
        """
        @return: a call that the assistant made.
        """
        function = called.fields("function")
        name = function.required("name")
        id = called.text("id") or self._new_id()
        self._open[id] = name
        return call(id, name, function.written("arguments"))

    def answered(self, id: str, name: str) -> str:
        """
        @param id: of the call that has a result now, if the result tells.
        @param name: of the tool, if the result tells.
        @return: the id of the call: the first with that name, else the first.
        """
        if not id:
            by_name = (open_id for open_id, of in self._open.items() if of == name)
            id = next(by_name, "") or next(iter(self._open), "") or self._new_id()
        self._open.pop(id, None)
        return id

    def forget(self) -> None:
        """
        The talk went on: there will be no more results.
        """
        self._open.clear()

    def _new_id(self) -> str:
        # The same in each turn, so that engines find the conversation in their
        # caches; and of nine letters and digits, as some templates insist.
        self._count += 1
        return f"call{self._count:05}"
