# -*- test-case-name: ler.test.test_translation_to_ollama_conversation -*-
"""
What was said so far, from OpenAI's dialect to Ollama's.
"""

from __future__ import annotations

from typing import Any

from ler.errors import BadRequest
from ler.web.translation.chat_answers import thinking_of
from ler.web.translation.fields import Fields
from ler.web.translation.tool_calls import decoded


def messages(body: Fields) -> list[dict[str, Any]]:
    """
    @param body: of a chat completion.
    @return: Ollama's C{messages}.
    @raise BadRequest: when one of them cannot be said to Ollama.
    """
    names: dict[str, str] = {}
    result = [_message(message, names) for message in body.each("messages")]
    if not result:
        raise BadRequest("'messages' must not be empty: there is nothing to answer")
    return result


def _message(message: Fields, names: dict[str, str]) -> dict[str, Any]:
    """
    @param names: the names of the tools called so far, by the ids of the
        calls; those of this message are added.
    """
    role = message.required("role").lower()
    content, images = _content(message)
    result: dict[str, Any] = {
        # Few templates know developers.
        "role": "system" if role == "developer" else role,
        "content": content,
    }
    if images:
        result["images"] = images
    thinking = thinking_of(message)
    if thinking:
        result["thinking"] = thinking
    calls = [_call(call, names) for call in message.each("tool_calls")]
    if calls:
        result["tool_calls"] = calls
    if role == "tool":
        call_id = message.text("tool_call_id") or ""
        name = names.get(call_id) or message.text("name")
        if name:
            result["tool_name"] = name
        if call_id:
            result["tool_call_id"] = call_id
    return result


def _call(call: Fields, names: dict[str, str]) -> dict[str, Any]:
    function = call.fields("function")
    name = function.required("name")
    result: dict[str, Any] = {"function": {"name": name, "arguments": _arguments(function)}}
    call_id = call.text("id")
    if call_id:
        names[call_id] = name
        result["id"] = call_id
    return result


def _arguments(function: Fields) -> dict[str, Any]:
    arguments = decoded(function.text("arguments") or "{}")
    if arguments is None:
        raise function.wrong("arguments", "a JSON object, written as a string")
    return arguments


def _content(message: Fields) -> tuple[str, list[str]]:
    """
    @return: the text, and the images and sounds, in base64.
    """
    content = message.value("content")
    if content is None or isinstance(content, str):
        return content or "", []
    texts, images = [], []
    for part in message.each("content"):
        kind = part.value("type")
        if kind in ("text", "refusal"):
            texts.append(part.text(kind) or "")
        elif kind == "image_url":
            images.append(_image(part))
        elif kind == "input_audio":
            # Ollama looks at the data to learn what they are.
            images.append(part.fields("input_audio").required("data"))
        else:
            raise part.wrong(
                "type", "text, image_url or input_audio: the engine of this model takes no other"
            )
    return "\n".join(texts), images


def _image(part: Fields) -> str:
    bare = isinstance(part.value("image_url"), str)
    holder, key = (part, "image_url") if bare else (part.fields("image_url"), "url")
    kind, _, data = holder.required(key).partition(",")
    kind = kind.lower()
    if not (kind.startswith("data:") and kind.endswith(";base64") and data):
        raise holder.wrong(
            key,
            "the image itself, as in data:image/png;base64,iVBORw0...: the engine of this model "
            "fetches none",
        )
    return data
