# -*- test-case-name: ler.test.test_translation_responses_tools -*-
"""
The tools that a client of the Responses API offers, as functions of a chat.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ler.errors import BadRequest
from ler.web.translation.chat_requests import NO_PARAMETERS, function
from ler.web.translation.fields import Fields

INPUT = "input"
"""The one argument of the function that stands for a tool of free form."""

_COMMON = "functions"
"""The namespace of the tools that are in no other."""


@dataclass(frozen=True)
class Tool:
    """
    One tool, as the client calls it.

    @ivar namespace: the group that it is in, or L{None}.
    @ivar freeform: whether it takes text, instead of arguments.
    """

    name: str
    namespace: str | None = None
    freeform: bool = False


def function_name(name: str, namespace: str | None) -> str:
    """
    @return: what the engine calls a tool, for chats have no namespaces.
    """
    if namespace in (None, _COMMON):
        return name
    joint = "" if namespace.endswith("_") or name.startswith("_") else "__"
    return f"{namespace}{joint}{name}"


class Offer:
    """
    The tools of one request.

    Those that OpenAI's own service runs (for the web, files, code, images) are
    left out, as no engine here has them.  Clients such as Codex offer some in
    every request, and can do without.

    @ivar functions: the tools as the chat has them.
    """

    def __init__(self, listed: Iterable[Fields]) -> None:
        """
        @param listed: the tools as the client has them.
        @raise BadRequest: when one of them makes no sense.
        """
        self.functions: list[dict[str, Any]] = []
        self._tools: dict[str, Tool] = {}
        for tool in listed:
            if tool.required("type") == "namespace":
                for member in tool.each("tools"):
                    self._add(member, tool.required("name"))
            else:
                self._add(tool, None)

    def tool(self, called: str) -> Tool:
        """
        @param called: what the engine calls.
        @return: what that is to the client.
        """
        return self._tools.get(called) or Tool(called)

    def choose(self, body: Fields) -> str | dict[str, Any] | None:
        """
        Heed which tools may be called, and which must be.

        @param body: the request.
        @return: the chat's C{tool_choice}, or L{None}.
        @raise BadRequest: when it makes no sense.
        """
        if isinstance(body.value("tool_choice"), dict):
            chosen = body.fields("tool_choice")
            if chosen.text("type") != "allowed_tools":
                return function({"name": self._find(chosen)})
            self._keep(chosen.each("tools"))
            choice = chosen.text("mode")
        else:
            choice = body.text("tool_choice")
        if choice not in (None, "auto", "none", "required"):
            raise body.wrong("tool_choice", "auto, none, required, or an object naming a tool")
        if choice == "required" and not self.functions:
            raise BadRequest(
                "'tool_choice' is required, but none of the 'tools' is a function or a custom "
                "tool, and no engine here has others"
            )
        return choice

    def _add(self, tool: Fields, namespace: str | None) -> None:
        kind = tool.required("type")
        if kind not in ("function", "custom"):
            return
        freeform = kind == "custom"
        name = tool.required("name")
        called = function_name(name, namespace)
        if called in self._tools:
            return
        self._tools[called] = Tool(name, namespace, freeform)
        described = _freeform(tool) if freeform else _function(tool)
        self.functions.append(function({"name": called, **described}))

    def _find(self, chosen: Fields) -> str:
        wanted = (chosen.text("name"), chosen.text("namespace"))
        for called, tool in self._tools.items():
            if wanted in ((tool.name, tool.namespace), (tool.name, None)):
                return called
        raise BadRequest(
            "'tool_choice' names none of the functions and custom tools in 'tools', and no engine "
            "here has others"
        )

    def _keep(self, allowed: list[Fields]) -> None:
        names = {
            self._find(tool) for tool in allowed if tool.text("type") in ("function", "custom")
        }
        self.functions = [f for f in self.functions if f["function"]["name"] in names]


def _function(tool: Fields) -> Mapping[str, Any]:
    described: dict[str, Any] = {"parameters": tool.object("parameters") or NO_PARAMETERS}
    for key, value in (("description", tool.text("description")), ("strict", tool.flag("strict"))):
        if value is not None:
            described[key] = value
    return described


def _freeform(tool: Fields) -> Mapping[str, Any]:
    description = tool.text("description") or ""
    form = tool.fields("format")
    grammar = form.text("definition")
    if grammar:
        description += f"\n\nGrammar of the input ({form.text('syntax') or 'lark'}):\n\n{grammar}"
    text = {"type": "string", "description": "The whole input of the tool, as plain text."}
    return {
        "description": description,
        "parameters": {
            "type": "object",
            "properties": {INPUT: text},
            "required": [INPUT],
            "additionalProperties": False,
        },
    }
