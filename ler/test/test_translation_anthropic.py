# -*- test-case-name: ler.test.test_translation_anthropic -*-
"""
Tests of L{ler.web.translation.anthropic.messages}, with what clients and engines
really say.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import BadRequest, UpstreamError
from ler.web.translation.anthropic import AnthropicMessages
from ler.web.translation.contract import Circumstances

PLAIN: dict[str, Any] = {
    "model": "claude",
    "max_tokens": 1024,
    "messages": [{"role": "user", "content": "Which bird is it?"}],
}

READ_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"file_path": {"type": "string"}},
    "required": ["file_path"],
    "additionalProperties": False,
}

CLAUDE_CODE: dict[str, Any] = {
    "model": "claude-sonnet-4-6",
    "messages": [
        {
            "role": "user",
            "content": [
                {
                    "type": "text",
                    "text": "<system-reminder>\nThe date is today.\n</system-reminder>",
                },
                {
                    "type": "text",
                    "text": "What is in bird.txt and bird.png?",
                    "cache_control": {"type": "ephemeral"},
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "I read both.", "signature": ""},
                {"type": "text", "text": "I will look."},
                {
                    "type": "tool_use",
                    "id": "call_1",
                    "name": "Read",
                    "input": {"file_path": "/birds/bird.txt"},
                    "caller": {"type": "direct"},
                },
                {
                    "type": "tool_use",
                    "id": "call_2",
                    "name": "Read",
                    "input": {"file_path": "/birds/bird.png"},
                },
            ],
        },
        {
            "role": "user",
            "content": [
                {"tool_use_id": "call_1", "type": "tool_result", "content": "     1\twren"},
                {
                    "tool_use_id": "call_2",
                    "type": "tool_result",
                    "content": [
                        {
                            "type": "image",
                            "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"},
                        }
                    ],
                    "cache_control": {"type": "ephemeral"},
                },
            ],
        },
        {"role": "system", "content": "The user is in plan mode."},
    ],
    "system": [
        {
            "type": "text",
            "text": "x-anthropic-billing-header: cc_version=2.1.197.a1b; cc_entrypoint=cli; "
            "cch=0f3a9;",
        },
        {
            "type": "text",
            "text": "You are Claude Code, Anthropic's official CLI for Claude.",
            "cache_control": {"type": "ephemeral"},
        },
        {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},
    ],
    "tools": [
        {"name": "Read", "description": "Reads a file.", "input_schema": READ_SCHEMA},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 8},
    ],
    "metadata": {"user_id": "user_0_account__session_0"},
    "max_tokens": 32000,
    "thinking": {"type": "adaptive"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "output_config": {"effort": "medium"},
    "stream": True,
}

CLAUDE_CODE_TRANSLATED: dict[str, Any] = {
    "model": "qwen3",
    "messages": [
        {
            "role": "system",
            "content": "You are Claude Code, Anthropic's official CLI for Claude.\n\nBe brief.",
        },
        {
            "role": "user",
            "content": "<system-reminder>\nThe date is today.\n</system-reminder>\n\n"
            "What is in bird.txt and bird.png?",
        },
        {
            "role": "assistant",
            "content": "I will look.",
            "reasoning_content": "I read both.",
            "reasoning": "I read both.",
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "Read", "arguments": '{"file_path": "/birds/bird.txt"}'},
                },
                {
                    "id": "call_2",
                    "type": "function",
                    "function": {"name": "Read", "arguments": '{"file_path": "/birds/bird.png"}'},
                },
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "     1\twren"},
        {"role": "tool", "tool_call_id": "call_2", "content": "[image, shown below]"},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
                {"type": "text", "text": "The user is in plan mode."},
            ],
        },
    ],
    "max_tokens": 32000,
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "Read",
                "description": "Reads a file.",
                "parameters": READ_SCHEMA,
            },
        }
    ],
    "chat_template_kwargs": {"enable_thinking": True},
    "reasoning_effort": "medium",
    "stream": True,
    "stream_options": {"include_usage": True},
}

# Of vLLM.
ANSWER: dict[str, Any] = {
    "id": "chatcmpl-8f2c",
    "object": "chat.completion",
    "created": 1767225600,
    "model": "qwen3",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "I look again.",
                "refusal": None,
                "annotations": None,
                "audio": None,
                "function_call": None,
                "tool_calls": [
                    {
                        "id": "chatcmpl-tool-1",
                        "type": "function",
                        "function": {"name": "Read", "arguments": '{"file_path": "/birds/b.txt"}'},
                    },
                    {
                        "id": "chatcmpl-tool-2",
                        "type": "function",
                        "function": {"name": "Read", "arguments": '{"file_path": "/birds/c.txt"}'},
                    },
                ],
                "reasoning": "Hm, a wren.",
                "reasoning_content": "Hm, a wren.",
            },
            "logprobs": None,
            "finish_reason": "tool_calls",
            "stop_reason": None,
            "token_ids": None,
        }
    ],
    "service_tier": None,
    "system_fingerprint": None,
    "usage": {
        "prompt_tokens": 1200,
        "total_tokens": 1240,
        "completion_tokens": 40,
        "prompt_tokens_details": {"cached_tokens": 1168},
    },
    "prompt_logprobs": None,
    "kv_transfer_params": None,
}

MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [
        {"type": "thinking", "thinking": "Hm, a wren.", "signature": ""},
        {"type": "text", "text": "I look again."},
        {
            "type": "tool_use",
            "id": "chatcmpl-tool-1",
            "name": "Read",
            "input": {"file_path": "/birds/b.txt"},
        },
        {
            "type": "tool_use",
            "id": "chatcmpl-tool-2",
            "name": "Read",
            "input": {"file_path": "/birds/c.txt"},
        },
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 32,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 1168,
        "output_tokens": 40,
    },
}


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    """
    @return: an event of an engine.
    """
    return {
        "id": "chatcmpl-8f2c",
        "object": "chat.completion.chunk",
        "created": 1767225600,
        "model": "qwen3",
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
        **more,
    }


def piece(index: int, arguments: str, name: str | None = None) -> dict[str, Any]:
    """
    @return: a delta of a call.
    """
    if name is None:
        return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}
    call = {
        "id": f"chatcmpl-tool-{index + 1}",
        "type": "function",
        "index": index,
        "function": {"name": name, "arguments": arguments},
    }
    return {"tool_calls": [call]}


# The same answer, as a stream.
CHUNKS: list[dict[str, Any]] = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning": "Hm, ", "reasoning_content": "Hm, "}),
    chunk({"reasoning": "a wren.", "reasoning_content": "a wren."}),
    chunk({"content": "I look"}),
    chunk({"content": " again."}),
    chunk(piece(0, "", "Read")),
    chunk(piece(0, '{"file_path": ')),
    chunk(piece(0, '"/birds/b.txt"}')),
    chunk(piece(1, "", "Read")),
    chunk(piece(1, '{"file_path": "/birds/c.txt"}')),
    chunk({"content": ""}, "tool_calls"),
    {**chunk({}), "choices": [], "usage": ANSWER["usage"]},
]

NOTHING_COUNTED = {
    "input_tokens": 0,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 0,
}


def block(index: int, content: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    """
    @return: the events of a block.
    """
    return [
        {"type": "content_block_start", "index": index, "content_block": content},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def read(index: int, *pieces: str) -> list[dict[str, Any]]:
    """
    @return: the events of a call.
    """
    call = {"type": "tool_use", "id": f"chatcmpl-tool-{index - 1}", "name": "Read", "input": {}}
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return block(index, call, *deltas)


EVENTS: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {**MESSAGE, "content": [], "stop_reason": None, "usage": NOTHING_COUNTED},
    },
    *block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "Hm, "},
        {"type": "thinking_delta", "thinking": "a wren."},
        {"type": "signature_delta", "signature": ""},
    ),
    *block(
        1,
        {"type": "text", "text": ""},
        {"type": "text_delta", "text": "I look"},
        {"type": "text_delta", "text": " again."},
    ),
    *read(2, '{"file_path": ', '"/birds/b.txt"}'),
    *read(3, '{"file_path": "/birds/c.txt"}'),
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": MESSAGE["usage"],
    },
    {"type": "message_stop"},
]


def translation(body: dict[str, Any]) -> AnthropicMessages:
    """
    @return: a translation that makes up the ids 1, 2, ...
    """
    ids = count(1)
    return AnthropicMessages(body, Circumstances("claude", new_id=lambda: str(next(ids))))


def translated(given: AnthropicMessages, chunks: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """
    @return: the events that C{given} makes of a whole stream.
    """
    return [*(event for chunk in chunks for event in given.event(chunk)), *given.end()]


class AnthropicMessagesTests(SynchronousTestCase):
    """
    Tests of L{AnthropicMessages}.
    """

    def test_plain(self) -> None:
        """The simplest request has what it needs, and the name that the engine knows."""
        given = translation(PLAIN)
        self.assertFalse(given.streams)
        self.assertEqual({**PLAIN, "model": "qwen3"}, given.request("qwen3"))

    def test_claude_code(self) -> None:
        """A request of Claude Code becomes one for any engine."""
        given = translation(CLAUDE_CODE)
        self.assertTrue(given.streams)
        self.assertEqual(CLAUDE_CODE_TRANSLATED, given.request("qwen3"))

    def test_streams(self) -> None:
        """Only true asks for a stream, and only false does not."""
        for value in (False, None):
            given = translation({**PLAIN, "stream": value})
            self.assertFalse(given.streams)
            self.assertNotIn("stream", given.request("qwen3"))
        error = self.assertRaises(BadRequest, translation, {**PLAIN, "stream": 1})
        self.assertEqual("'stream' must be true or false", error.message)

    def test_mistake(self) -> None:
        """What cannot be read is refused at once."""
        error = self.assertRaises(BadRequest, translation, {**PLAIN, "messages": "Hi"})
        self.assertEqual("'messages' must be a list", error.message)

    def test_document(self) -> None:
        """A whole answer becomes a message."""
        given = translation(PLAIN)
        given.sent()
        self.assertEqual(MESSAGE, given.document(ANSWER))

    def test_no_answer(self) -> None:
        """An answer must hold one."""
        error = self.assertRaises(UpstreamError, translation(PLAIN).document, {"choices": []})
        self.assertEqual(
            "the engine's answer cannot be read: 'choices' must be a list that holds an answer",
            error.message,
        )

    def test_error_document(self) -> None:
        """An error of status 200 is one all the same."""
        answer = {"error": {"message": "out of memory"}}
        error = self.assertRaises(UpstreamError, translation(PLAIN).document, answer)
        self.assertEqual("out of memory", error.message)

    def test_stop_sequence(self) -> None:
        """A text that ended the answer is told, if the engine tells it."""
        for stop, expected in (("END", ("stop_sequence", "END")), ("<eos>", ("end_turn", None))):
            choice = {
                "message": {"content": "A wren."},
                "finish_reason": "stop",
                "stop_reason": stop,
            }
            given = translation({**PLAIN, "stop_sequences": ["END"]})
            message = given.document({"choices": [choice]})
            self.assertEqual(expected, (message["stop_reason"], message["stop_sequence"]))

    def test_cut_call(self) -> None:
        """A call that the limit of tokens cut short is empty, and the reason says so."""
        call = {"id": "c", "function": {"name": "Read", "arguments": '{"file_'}}
        choice = {"message": {"content": None, "tool_calls": [call]}, "finish_reason": "length"}
        message = translation(PLAIN).document({"choices": [choice]})
        self.assertEqual("max_tokens", message["stop_reason"])
        self.assertEqual({}, message["content"][0]["input"])

    def test_begun(self) -> None:
        """Of an answer that the client began only the rest comes, though llama.cpp repeats it."""
        said = [*PLAIN["messages"], {"role": "assistant", "content": "["}]
        for text, more in (("[[1], 2]", {"timings": {"prompt_n": 1}}), ("[1], 2]", {})):
            choice = {"message": {"content": text}, "finish_reason": "stop"}
            given = translation({**PLAIN, "messages": said})
            message = given.document({"choices": [choice], **more})
            self.assertEqual([{"type": "text", "text": "[1], 2]"}], message["content"])

    def test_stream(self) -> None:
        """A stream becomes the events of a message."""
        given = translation({**PLAIN, "stream": True})
        given.sent()
        self.assertEqual(EVENTS, translated(given, CHUNKS))

    def test_early_start(self) -> None:
        """The message begins with the engine's first event, whatever that is."""
        first = [event["type"] for event in translation(PLAIN).event(CHUNKS[0])]
        self.assertEqual(["message_start"], first)
        progress = {**chunk({}), "choices": [], "prompt_progress": {"total": 100, "processed": 50}}
        first = [event["type"] for event in translation(PLAIN).event(progress)]
        self.assertEqual(["message_start"], first)

    def test_early_usage(self) -> None:
        """What is counted at the beginning is told at the beginning."""
        [event] = translation(PLAIN).event({**CHUNKS[0], "usage": {"prompt_tokens": 12}})
        self.assertEqual({**NOTHING_COUNTED, "input_tokens": 12}, event["message"]["usage"])

    def test_usage_beside(self) -> None:
        """The usage may come with the last choice; without one nothing is counted."""
        usage = {"prompt_tokens": 12, "completion_tokens": 3}
        last = chunk({}, "stop", usage=usage)
        events = translated(translation(PLAIN), [*CHUNKS[:1], last])
        self.assertEqual(
            {**NOTHING_COUNTED, "input_tokens": 12, "output_tokens": 3}, events[-2]["usage"]
        )
        events = translated(translation(PLAIN), [*CHUNKS[:1], chunk({}, "stop")])
        self.assertEqual(NOTHING_COUNTED, events[-2]["usage"])

    def test_empty_stream(self) -> None:
        """A stream that says nothing is a message all the same."""
        self.assertEqual(
            ["message_start", "message_delta", "message_stop"],
            [event["type"] for event in translation(PLAIN).end()],
        )

    def test_stream_stop_sequence(self) -> None:
        """The text that ended a stream is told."""
        last = chunk({}, "stop")
        last["choices"][0]["matched_stop"] = "END"
        given = translation({**PLAIN, "stop_sequences": ["END"]})
        expected = {"stop_reason": "stop_sequence", "stop_sequence": "END"}
        self.assertEqual(expected, translated(given, [*CHUNKS[:1], last])[-2]["delta"])

    def test_error_event(self) -> None:
        """An error in a stream is told in the engine's words."""
        given = translation(PLAIN)
        given.event(CHUNKS[0])
        event = {"error": {"message": "out of memory", "type": "server_error", "code": 500}}
        error = self.assertRaises(UpstreamError, given.event, event)
        self.assertEqual("out of memory", error.message)

    def test_no_name(self) -> None:
        """A call of no tool is a mistake, and left out where the engine does not say that it is
        done."""
        nameless = chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"arguments": "{}"}}]})
        given = translation(PLAIN)
        given.event(nameless)
        error = self.assertRaises(UpstreamError, given.event, chunk({}, "tool_calls"))
        self.assertEqual("the model called a tool without naming it; ask again", error.message)
        for last in ([], [chunk({}, "length")]):
            events = translated(translation(PLAIN), [nameless, *last])
            self.assertEqual(
                ["message_start", "message_delta", "message_stop"],
                [event["type"] for event in events],
            )
            self.assertNotEqual("tool_use", events[-2]["delta"]["stop_reason"])

    def test_strange_event(self) -> None:
        """So is that it cannot be read."""
        error = self.assertRaises(
            UpstreamError, translation(PLAIN).event, {"choices": [{"delta": 1}]}
        )
        self.assertEqual(
            "the engine's answer cannot be read: 'choices[0].delta' must be an object",
            error.message,
        )
