# -*- test-case-name: ler.test.test_translation_to_ollama_tools -*-
"""
The tools that the model may call, from OpenAI's dialect to Ollama's.
"""

from __future__ import annotations

from typing import Any

from ler.errors import BadRequest
from ler.web.translation.chat_requests import function
from ler.web.translation.fields import Fields


def tools(body: Fields) -> list[dict[str, Any]]:
    """
    Ollama cannot be told to call a tool.  The nearest is to offer it the ones
    that are wanted, and no others.

    @param body: of a chat completion.
    @return: Ollama's C{tools}.
    @raise BadRequest: when there is a tool that Ollama cannot call.
    """
    offered = {}
    for tool in body.each("tools"):
        if tool.value("type") not in (None, "function"):
            raise tool.wrong("type", "function: the engine of this model knows no other tools")
        offered[tool.fields("function").required("name")] = tool.value("function")
    wanted = _wanted(body)
    for name in wanted or ():
        if name not in offered:
            raise BadRequest(f"'tool_choice' names {name!r}, which is none of the 'tools'")
    return [
        function(described)
        for name, described in offered.items()
        if wanted is None or name in wanted
    ]


def _wanted(body: Fields) -> set[str] | None:
    """
    @return: the names of the tools that may be called, L{None} for all.
    """
    choice = body.value("tool_choice")
    if choice is None or isinstance(choice, str):
        return set() if choice == "none" else None
    chosen = body.fields("tool_choice")
    if chosen.value("type") != "allowed_tools":
        return {chosen.fields("function").required("name")}
    allowed = chosen.fields("allowed_tools").each("tools")
    return {tool.fields("function").required("name") for tool in allowed}
