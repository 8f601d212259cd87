# -*- test-case-name: ler.test.test_translation_chat_requests -*-
"""
What requests for chat completions consist of, in the words that engines of
every kind understand.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

CHAT = "/v1/chat/completions"

NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}
"""The parameters of a function that has none."""

Message = dict[str, Any]
Part = dict[str, Any]


def streaming() -> dict[str, Any]:
    """
    @return: what asks for a stream that tells how many tokens there were.
    """
    return {"stream": True, "stream_options": {"include_usage": True}}


def text_part(text: str) -> Part:
    """
    @return: a part of a content that is text.
    """
    return {"type": "text", "text": text}


def image_part(url: str, detail: str | None = None) -> Part:
    """
    @param url: of the image, or the image itself as a C{data:} URL.
    @param detail: how closely it is to be looked at.
    @return: a part of a content that is an image.
    """
    image = {"url": url} if detail is None else {"url": url, "detail": detail}
    return {"type": "image_url", "image_url": image}


def joined(texts: Iterable[str | None]) -> str:
    """
    @return: what is left of C{texts} without those that say nothing, each a
        paragraph.
    """
    return "\n\n".join(text for text in texts if text)


def content(parts: list[Part]) -> str | list[Part]:
    """
    @return: C{parts} as the content of a message: as text where they are
        nothing else, for some engines and many templates know nothing else.
    """
    if all(part["type"] == "text" for part in parts):
        return joined(part["text"] for part in parts)
    return parts


def thought(text: str | None) -> dict[str, str]:
    """
    @param text: what the assistant thought in an earlier turn.
    @return: the members of its message that say so.  vLLM reads the one name,
        the other engines the other.
    """
    return {"reasoning_content": text, "reasoning": text} if text else {}


def function(described: dict[str, Any]) -> dict[str, Any]:
    """
    @param described: a function that is offered, chosen or called.
    @return: it, as a tool.
    """
    return {"type": "function", "function": described}


def call(id: str, name: str, arguments: str) -> dict[str, Any]:
    """
    @param arguments: a JSON object, as text; nothing for none.
    @return: a call of a tool that the assistant made.
    """
    return {"id": id, **function({"name": name, "arguments": arguments or "{}"})}


def in_schema(schema: dict[str, Any], name: str = "response", **more: Any) -> dict[str, Any]:
    """
    @param more: what else is said of the schema.
    @return: the form of an answer that keeps to it.
    """
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema, **more}}
