# -*- test-case-name: ler.test.test_translation_anthropic_request -*-
"""
A request for a message, as one for a chat completion.
"""

from __future__ import annotations

from typing import Any

from ler.errors import BadRequest
from ler.web.translation.anthropic.conversation import messages
from ler.web.translation.chat_requests import NO_PARAMETERS, Message, function, in_schema
from ler.web.translation.fields import Fields

_THINKING = {"enabled": True, "adaptive": True, "disabled": False}

# Engines know three efforts.
_EFFORTS = {"low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}

_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def chat_request(body: Fields) -> dict[str, Any]:
    """
    @param body: the request.
    @return: the body for the engine, without the model and what is said of
        streaming.
    @raise BadRequest: when it cannot be read, or asks for what no engine has.
    """
    said = messages(body)
    request: dict[str, Any] = {"messages": said}
    for key in ("max_tokens", "temperature", "top_p", "top_k"):
        if (number := body.number(key)) is not None:
            request[key] = number
    if stops := body.texts("stop_sequences"):
        request["stop"] = stops
    request.update(_tools(body))
    request.update(_response_format(body))
    begun = bool(begun_by(said))
    if begun:
        # vLLM and SGLang would open a new turn; llama.cpp goes on by itself.
        request.update(add_generation_prompt=False, continue_final_message=True)
    request.update(_reasoning(body, begun))
    return request


def begun_by(said: list[Message]) -> str:
    """
    @param said: the messages of the chat completion.
    @return: what the client began the answer with, which the model is to go
        on with.
    """
    last = said[-1]
    begun: str = last["content"] if last["role"] == "assistant" else ""
    return "" if "tool_calls" in last else begun


def _tools(body: Fields) -> dict[str, Any]:
    """
    Some tools are no more than a name that Anthropic's models and servers know:
    C{web_search_20250305}, C{bash_20250124}.  Where there are others, the model
    does without them, as it may always do.  But a request that is about such a
    tool, as the web searches of Claude Code are, would get an answer made up.

    @return: the tools that are offered, and how they may be used.
    """
    given = body.each("tools")
    tools = [_tool(tool) for tool in given if _is_described(tool)]
    if given and not tools:
        raise BadRequest(
            "'tools' holds only tools that Anthropic's own models and servers know; this engine "
            "can be given tools that are described by an 'input_schema'"
        )
    choice = body.fields("tool_choice")
    kind = choice.text("type")
    if kind is not None and kind != "tool" and kind not in _CHOICES:
        raise choice.wrong("type", "'auto', 'any', 'tool' or 'none'")
    if not tools:
        if kind in ("any", "tool"):
            raise BadRequest("'tool_choice' asks for a tool, but 'tools' offers none")
        return {}
    request: dict[str, Any] = {"tools": tools}
    if kind == "tool":
        name = choice.required("name")
        if name not in [tool["function"]["name"] for tool in tools]:
            raise BadRequest(
                f"'tool_choice' asks for '{name}', but 'tools' does not describe it by an "
                "'input_schema', so this engine cannot be given it"
            )
        request["tool_choice"] = function({"name": name})
    elif kind is not None:
        request["tool_choice"] = _CHOICES[kind]
    if choice.flag("disable_parallel_tool_use"):
        request["parallel_tool_calls"] = False
    return request


def _is_described(tool: Fields) -> bool:
    return tool.value("input_schema") is not None or tool.text("type") in (None, "custom")


def _tool(tool: Fields) -> dict[str, Any]:
    described: dict[str, Any] = {"name": tool.required("name")}
    if description := tool.text("description"):
        described["description"] = description
    described["parameters"] = tool.object("input_schema") or NO_PARAMETERS
    if tool.flag("strict"):
        described["strict"] = True
    return function(described)


def _response_format(body: Fields) -> dict[str, Any]:
    """
    @return: the form that the answer must have, which has had two names.
    """
    wanted = body.fields("output_config").fields("format")
    if wanted.value("type") is None:
        wanted = body.fields("output_format")
    kind = wanted.text("type")
    if kind is None:
        return {}
    if kind != "json_schema":
        raise wanted.wrong("type", "'json_schema'")
    schema = wanted.value("schema")
    if not isinstance(schema, dict):
        raise wanted.wrong("schema", "an object")
    return {"response_format": in_schema(schema, strict=True)}


def _reasoning(body: Fields, begun: bool) -> dict[str, Any]:
    """
    @param begun: whether the answer is: it is too late to think then.
    @return: whether the model thinks, and how hard.  Nothing where the client
        says nothing: engines and models have their own defaults.
    """
    request: dict[str, Any] = {}
    thinks = _THINKING.get(body.fields("thinking").text("type") or "")
    if begun:
        thinks = False
    if thinks is not None:
        request["chat_template_kwargs"] = {"enable_thinking": thinks}
    effort = _EFFORTS.get(body.fields("output_config").text("effort") or "")
    if effort is not None and thinks is not False:
        request["reasoning_effort"] = effort
    return request
