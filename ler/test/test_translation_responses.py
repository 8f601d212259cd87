# -*- test-case-name: ler.test.test_translation_responses -*-
"""
Tests of L{ler.web.translation.responses}: what is asked of the engine, and
whole answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import BadRequest, UpstreamError
from ler.web.translation.contract import Circumstances
from ler.web.translation.responses import ResponsesToChat

CODEX: dict[str, Any] = {
    "model": "local",
    "instructions": "You are a coding agent running in the Codex CLI.",
    "input": [
        {
            "type": "message",
            "role": "developer",
            "content": [{"type": "input_text", "text": "<permissions>read-only</permissions>"}],
        },
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "<environment>/src</environment>"}],
        },
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "Add a file."}],
        },
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Look first."}],
            "encrypted_content": "engine-router:Look first.",
        },
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "I look."}],
            "phase": "commentary",
        },
        {
            "type": "function_call",
            "name": "exec_command",
            "arguments": '{"cmd": "ls"}',
            "call_id": "call_1",
        },
        {"type": "function_call_output", "call_id": "call_1", "output": "README"},
        {
            "type": "custom_tool_call",
            "status": "completed",
            "name": "apply_patch",
            "input": "*** Begin Patch\n",
            "call_id": "call_2",
        },
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": "Done!"},
    ],
    "tools": [
        {
            "type": "function",
            "name": "exec_command",
            "description": "Runs a command.",
            "strict": False,
            "parameters": {
                "type": "object",
                "properties": {"cmd": {"type": "string"}},
                "required": ["cmd"],
                "additionalProperties": False,
            },
        },
        {
            "type": "custom",
            "name": "apply_patch",
            "description": "Edits files.",
            "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/s"},
        },
        {
            "type": "namespace",
            "name": "mcp__docs",
            "description": "Documentation.",
            "tools": [
                {
                    "type": "function",
                    "name": "find",
                    "description": "Finds a page.",
                    "strict": False,
                    "parameters": {"type": "object", "properties": {}},
                }
            ],
        },
        {"type": "web_search", "external_web_access": False},
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"effort": "medium", "summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "019f5f4e-ed9f-70d3-b218-db900fe2ea92",
    "text": {"verbosity": "medium"},
    "client_metadata": {"x-codex-installation-id": "1"},
}
"""A request as Codex makes it in the midst of a turn."""

ANSWER: dict[str, Any] = {
    "id": "chatcmpl-7",
    "object": "chat.completion",
    "created": 1795538754,
    "model": "served",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "logprobs": None,
            "message": {
                "role": "assistant",
                "content": "On it.",
                "reasoning_content": "Patch it.",
                "tool_calls": [
                    {
                        "id": "call_a",
                        "type": "function",
                        "function": {"name": "apply_patch", "arguments": '{"input": "*** Begin"}'},
                    },
                    {
                        "id": "call_b",
                        "type": "function",
                        "function": {"name": "mcp__docs__find", "arguments": "{}"},
                    },
                ],
            },
        }
    ],
    "usage": {
        "prompt_tokens": 25,
        "completion_tokens": 9,
        "total_tokens": 34,
        "prompt_tokens_details": {"cached_tokens": 24},
        "completion_tokens_details": {"reasoning_tokens": 4},
    },
}
"""A whole answer of an engine."""


def translation(body: Mapping[str, Any]) -> ResponsesToChat:
    """
    @return: one for C{body}, a request, whose times and identifiers are known.
    """
    numbers = count(1)
    times = count(1700000000)
    circumstances = Circumstances(
        "local", wall=lambda: next(times) + 0.5, new_id=lambda: str(next(numbers))
    )
    return ResponsesToChat(body, circumstances)


def asked(**body: Any) -> dict[str, Any]:
    """
    @return: what the engine is asked for a request with C{body}, whose input
        is a greeting unless it says otherwise.
    """
    return translation({"input": "hi", **body}).request("served")


def chunk(finish_reason: str | None = None, **delta: Any) -> dict[str, Any]:
    """
    @return: an event of an engine's stream.
    """
    return {
        "id": "chatcmpl-7",
        "object": "chat.completion.chunk",
        "created": 1795538754,
        "model": "served",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }


STREAM = [
    chunk(role="assistant", content=None),
    chunk(reasoning_content="Patch it."),
    chunk(content="On it."),
    chunk(
        tool_calls=[
            {"index": 0, "id": "call_a", "function": {"name": "apply_patch", "arguments": ""}},
            {"index": 1, "id": "call_b", "function": {"name": "mcp__docs__find"}},
        ]
    ),
    chunk(tool_calls=[{"index": 0, "function": {"arguments": '{"input": "*** Be'}}]),
    chunk(tool_calls=[{"index": 1, "function": {"arguments": "{}"}}]),
    chunk(tool_calls=[{"index": 0, "function": {"arguments": 'gin"}'}}]),
    chunk("tool_calls"),
    {**chunk(), "choices": [], "usage": ANSWER["usage"]},
]
"""L{ANSWER}, as a stream."""


class RequestTests(SynchronousTestCase):
    """
    What L{ResponsesToChat} asks an engine.
    """

    def test_text(self) -> None:
        """A text alone is what the user says, and nothing is added to it."""
        self.assertEqual(
            {"model": "served", "messages": [{"role": "user", "content": "hi"}]}, asked()
        )

    def test_codex(self) -> None:
        """A request of Codex comes out whole, but for what only OpenAI runs or keeps."""
        request = translation(CODEX).request("served")
        patch = {"type": "string", "description": "The whole input of the tool, as plain text."}
        self.assertEqual(
            {
                "model": "served",
                "messages": [
                    {
                        "role": "system",
                        "content": "You are a coding agent running in the Codex CLI.\n\n"
                        "<permissions>read-only</permissions>",
                    },
                    {
                        "role": "user",
                        "content": "<environment>/src</environment>\n\nAdd a file.",
                    },
                    {
                        "role": "assistant",
                        "content": "I look.",
                        "reasoning_content": "Look first.",
                        "reasoning": "Look first.",
                        "tool_calls": [
                            {
                                "id": "call_1",
                                "type": "function",
                                "function": {
                                    "name": "exec_command",
                                    "arguments": '{"cmd": "ls"}',
                                },
                            }
                        ],
                    },
                    {"role": "tool", "content": "README", "tool_call_id": "call_1"},
                    {
                        "role": "assistant",
                        "content": "",
                        "tool_calls": [
                            {
                                "id": "call_2",
                                "type": "function",
                                "function": {
                                    "name": "apply_patch",
                                    "arguments": '{"input": "*** Begin Patch\\n"}',
                                },
                            }
                        ],
                    },
                    {"role": "tool", "content": "Done!", "tool_call_id": "call_2"},
                ],
                "reasoning_effort": "medium",
                "tools": [
                    {
                        "type": "function",
                        "function": {
                            "name": "exec_command",
                            "parameters": CODEX["tools"][0]["parameters"],
                            "description": "Runs a command.",
                            "strict": False,
                        },
                    },
                    {
                        "type": "function",
                        "function": {
                            "name": "apply_patch",
                            "description": "Edits files.\n\nGrammar of the input (lark):\n\n"
                            "start: /.+/s",
                            "parameters": {
                                "type": "object",
                                "properties": {"input": patch},
                                "required": ["input"],
                                "additionalProperties": False,
                            },
                        },
                    },
                    {
                        "type": "function",
                        "function": {
                            "name": "mcp__docs__find",
                            "parameters": {"type": "object", "properties": {}},
                            "description": "Finds a page.",
                            "strict": False,
                        },
                    },
                ],
                "tool_choice": "auto",
                "parallel_tool_calls": True,
                "stream": True,
                "stream_options": {"include_usage": True},
            },
            request,
        )

    def test_streams(self) -> None:
        """Who wants a stream gets one, and nobody else."""
        self.assertFalse(translation({"input": "hi"}).streams)
        self.assertFalse(translation({"input": "hi", "stream": None}).streams)
        self.assertTrue(translation({"input": "hi", "stream": True}).streams)

    def test_sampling(self) -> None:
        """How to choose words goes on, under the chat's own names."""
        same = {"temperature": 0.5, "top_p": 0.9, "top_k": 20, "seed": 7, "stop": ["x"]}
        request = asked(**same, max_output_tokens=99, min_p=None)
        del request["model"], request["messages"]
        self.assertEqual({**same, "max_tokens": 99}, request)

    def test_logprobs(self) -> None:
        """Probabilities are asked for with their alternatives, or without any."""
        alternatives = asked(top_logprobs=3)
        self.assertEqual((True, 3), (alternatives["logprobs"], alternatives["top_logprobs"]))
        alone = asked(include=["message.output_text.logprobs"])
        self.assertTrue(alone["logprobs"])
        self.assertNotIn("top_logprobs", alone)
        self.assertNotIn("logprobs", asked(top_logprobs=0, include=[]))

    def test_effort(self) -> None:
        """How hard to think goes on as it is, save for not at all and hardly."""
        for effort, expected in (
            ("high", {"reasoning_effort": "high"}),
            ("xhigh", {"reasoning_effort": "xhigh"}),
            (None, {}),
            ("none", {"chat_template_kwargs": {"enable_thinking": False}}),
            (
                "minimal",
                {"chat_template_kwargs": {"enable_thinking": False}, "reasoning_effort": "low"},
            ),
        ):
            request = asked(reasoning={"effort": effort})
            del request["model"], request["messages"]
            self.assertEqual(expected, request)

    def test_template(self) -> None:
        """What the client says to the chat template goes on, and counts for more."""
        kwargs = {"enable_thinking": True, "custom": 1}
        request = asked(reasoning={"effort": "none"}, chat_template_kwargs=kwargs)
        self.assertEqual(kwargs, request["chat_template_kwargs"])

    def test_schema(self) -> None:
        """A schema of the answer is put where chats have it."""
        schema = {"type": "object", "properties": {"a": {"type": "string"}}}
        wanted = {"type": "json_schema", "name": "a", "schema": schema, "strict": True}
        self.assertEqual(
            {
                "type": "json_schema",
                "json_schema": {"name": "a", "schema": schema, "strict": True},
            },
            asked(text={"format": wanted})["response_format"],
        )

    def test_json(self) -> None:
        """An answer in JSON is asked for; one in text needs no asking."""
        self.assertEqual(
            {"type": "json_object"},
            asked(text={"format": {"type": "json_object"}})["response_format"],
        )
        self.assertNotIn("response_format", asked(text={"format": {"type": "text"}}))

    def test_idle(self) -> None:
        """Without tools, how to choose among them is not said."""
        request = asked(
            tools=[{"type": "web_search"}], tool_choice="auto", parallel_tool_calls=True
        )
        self.assertEqual({"model", "messages"}, request.keys())

    def test_kept(self) -> None:
        """What needs a service that keeps things is refused, with what to do instead."""
        for body, message in (
            (
                {"previous_response_id": "resp_1"},
                "'previous_response_id' cannot be used: the router keeps no earlier answers; "
                "send the whole input",
            ),
            (
                {"conversation": {"id": "conv_1"}},
                "'conversation' cannot be used: the router keeps no conversations; send the "
                "whole input",
            ),
            (
                {"prompt": {"id": "pmpt_1"}},
                "'prompt' cannot be used: the router keeps no templates; send the text as "
                "'instructions'",
            ),
            (
                {"background": True},
                "'background' cannot be used: the router keeps no answers to be fetched later; "
                "leave it out, and wait for the answer",
            ),
        ):
            error = self.assertRaises(BadRequest, asked, **body)
            self.assertEqual(message, error.message)
            self.assertTrue(asked(**dict.fromkeys(body)))

    def test_wrong(self) -> None:
        """A wrong value is refused by its name."""
        for body, message in (
            ({"max_output_tokens": "9"}, "'max_output_tokens' must be an integer"),
            ({"temperature": "hot"}, "'temperature' must be a number"),
            ({"stream": 1}, "'stream' must be true or false"),
            ({"tools": {}}, "'tools' must be a list"),
            ({"reasoning": "low"}, "'reasoning' must be an object"),
            (
                {"text": {"format": {"type": "xml"}}},
                "'text.format.type' must be text, json_object or json_schema",
            ),
            (
                {"text": {"format": {"type": "json_schema"}}},
                "'text.format.name' must be a string that is not empty",
            ),
        ):
            error = self.assertRaises(BadRequest, asked, **body)
            self.assertEqual(message, error.message)


class DocumentTests(SynchronousTestCase):
    """
    Whole answers.
    """

    def test_document(self) -> None:
        """An answer becomes a response, with the settings of the request."""
        made = translation({**CODEX, "stream": False, "metadata": {"a": "b"}, "temperature": 0.5})
        made.sent()
        self.assertEqual(
            {
                "id": "resp_1",
                "object": "response",
                "created_at": 1700000000,
                "completed_at": 1700000001,
                "status": "completed",
                "model": "local",
                "error": None,
                "incomplete_details": None,
                "output": [
                    {
                        "type": "reasoning",
                        "id": "rs_2",
                        "status": "completed",
                        "summary": [{"type": "summary_text", "text": "Patch it."}],
                        "encrypted_content": "engine-router:Patch it.",
                    },
                    {
                        "type": "message",
                        "id": "msg_3",
                        "status": "completed",
                        "role": "assistant",
                        "content": [
                            {
                                "type": "output_text",
                                "text": "On it.",
                                "annotations": [],
                                "logprobs": [],
                            }
                        ],
                    },
                    {
                        "type": "custom_tool_call",
                        "id": "ctc_4",
                        "status": "completed",
                        "call_id": "call_a",
                        "name": "apply_patch",
                        "input": "*** Begin",
                    },
                    {
                        "type": "function_call",
                        "id": "fc_5",
                        "status": "completed",
                        "call_id": "call_b",
                        "name": "find",
                        "namespace": "mcp__docs",
                        "arguments": "{}",
                    },
                ],
                "usage": {
                    "input_tokens": 25,
                    "input_tokens_details": {"cached_tokens": 24, "cache_write_tokens": 0},
                    "output_tokens": 9,
                    "output_tokens_details": {"reasoning_tokens": 4},
                    "total_tokens": 34,
                },
                "background": False,
                "instructions": CODEX["instructions"],
                "max_output_tokens": None,
                "metadata": {"a": "b"},
                "parallel_tool_calls": True,
                "previous_response_id": None,
                "reasoning": {"effort": "medium", "summary": "auto"},
                "store": False,
                "temperature": 0.5,
                "text": {"verbosity": "medium", "format": {"type": "text"}},
                "tool_choice": "auto",
                "tools": CODEX["tools"],
                "top_logprobs": 0,
                "top_p": None,
                "truncation": "disabled",
            },
            made.document(ANSWER),
        )

    def test_thoughts(self) -> None:
        """Thoughts come as they are to a client that did not ask for a summary."""
        for reasoning in (None, {}, {"effort": "low"}, {"summary": None}, {"summary": "none"}):
            made = translation({"input": "hi", "reasoning": reasoning})
            self.assertEqual(
                {
                    "type": "reasoning",
                    "id": "rs_2",
                    "status": "completed",
                    "summary": [],
                    "content": [{"type": "reasoning_text", "text": "Patch it."}],
                    "encrypted_content": "engine-router:Patch it.",
                },
                made.document(ANSWER)["output"][0],
            )

    def test_cut(self) -> None:
        """An answer that was too long is incomplete, and says why."""
        choice = {"message": {"content": "On"}, "finish_reason": "length"}
        response = translation({"input": "hi"}).document({"choices": [choice]})
        self.assertEqual("incomplete", response["status"])
        self.assertEqual({"reason": "max_output_tokens"}, response["incomplete_details"])
        self.assertEqual("incomplete", response["output"][0]["status"])
        self.assertNotIn("completed_at", response)

    def test_uncounted(self) -> None:
        """An engine that counts nothing used nothing."""
        response = translation({"input": "hi"}).document({"choices": [{"message": {}}]})
        self.assertEqual([], response["output"])
        self.assertEqual(0, response["usage"]["total_tokens"])

    def test_senseless(self) -> None:
        """What is no chat completion is the engine's fault."""
        for answer, message in (
            ({}, "'choices' must be a list that holds an answer"),
            ({"choices": 1}, "'choices' must be a list"),
            (
                {"choices": [{"message": {"content": 1}}]},
                "'choices[0].message.content' must be a string",
            ),
        ):
            error = self.assertRaises(UpstreamError, translation({"input": "hi"}).document, answer)
            self.assertEqual(f"the engine's answer cannot be read: {message}", error.message)

    def test_error(self) -> None:
        """An error is told in the engine's words."""
        answer = {"error": {"message": "no room", "code": 500}}
        error = self.assertRaises(UpstreamError, translation({"input": "hi"}).document, answer)
        self.assertEqual("no room", error.message)

    def test_nameless(self) -> None:
        """A call of no tool is the engine's fault."""
        message = {"tool_calls": [{"id": "a", "function": {"arguments": "{}"}}]}
        answer = {"choices": [{"message": message}]}
        error = self.assertRaises(UpstreamError, translation({"input": "hi"}).document, answer)
        self.assertEqual("the model called a tool without naming it; ask again", error.message)
