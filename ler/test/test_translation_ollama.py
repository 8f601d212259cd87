# -*- test-case-name: ler.test.test_translation_ollama -*-
"""
Tests of L{ler.web.translation.ollama.generations}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from ler.errors import BadRequest, UpstreamError
from ler.test.ollama_case import (
    CREATED_AT,
    LLAMA_STREAM,
    MODEL,
    VLLM_COMPLETION,
    VLLM_DOCUMENT,
    VLLM_STREAM,
    call,
    choice,
    chunk,
    circumstances,
)
from ler.web.translation.ollama import OllamaChat, OllamaGenerate

HELLO = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


def line(said: dict[str, Any], **more: Any) -> dict[str, Any]:
    """
    @return: a line that is not the last.
    """
    return {"model": MODEL, "created_at": CREATED_AT, **said, "done": False, **more}


def message(content: str = "", **more: Any) -> dict[str, Any]:
    """
    @return: what a line of a chat holds.
    """
    return {"message": {"role": "assistant", "content": content, **more}}


class ChatRequestTests(SynchronousTestCase):
    """
    What L{OllamaChat} asks of an engine.
    """

    def test_least(self) -> None:
        """A chat that says nothing else is streamed, and its tokens are counted."""
        chat = OllamaChat(HELLO, circumstances())
        self.assertEqual("/v1/chat/completions", chat.path)
        self.assertTrue(chat.streams)
        self.assertEqual(
            {
                "model": "Qwen/Qwen3-8B",
                "messages": [{"role": "user", "content": "Hello"}],
                "stream": True,
                "stream_options": {"include_usage": True},
            },
            chat.request("Qwen/Qwen3-8B"),
        )

    def test_most(self) -> None:
        """Each thing that a chat can say finds its place."""
        chat = OllamaChat(
            {
                **HELLO,
                "stream": False,
                "tools": [WEATHER],
                "format": {"type": "object"},
                "think": "max",
                "options": {"num_ctx": 8192, "num_predict": 100, "temperature": 0, "top_k": 40},
                "logprobs": True,
                "top_logprobs": 2,
                "keep_alive": "5m",
                "truncate": True,
                "shift": True,
            },
            circumstances(),
        )
        self.assertFalse(chat.streams)
        self.assertEqual(
            {
                "model": "m",
                "messages": [{"role": "user", "content": "Hello"}],
                "tools": [WEATHER],
                "temperature": 0,
                "top_k": 40,
                "max_tokens": 100,
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {
                        "name": "response",
                        "schema": {"type": "object"},
                        "strict": True,
                    },
                },
                "reasoning_effort": "high",
                "logprobs": True,
                "top_logprobs": 2,
                "stream": False,
            },
            chat.request("m"),
        )

    def test_probability_of_the_token_alone(self) -> None:
        """One alternative is asked for, and not handed on, where none is wanted:
        llama.cpp would give no probabilities."""
        chat = OllamaChat({**HELLO, "logprobs": True}, circumstances())
        self.assertEqual(1, chat.request("m")["top_logprobs"])
        said = [line for event in LLAMA_STREAM for line in chat.event(event)]
        self.assertEqual(
            [{"token": " crane", "logprob": -2.62, "bytes": [32, 99, 114, 97, 110, 101]}],
            said[0]["logprobs"],
        )

    def test_tool_without_type(self) -> None:
        """A tool is a function, whether it says so or not."""
        tools = [{"function": WEATHER["function"]}]
        chat = OllamaChat({**HELLO, "tools": tools}, circumstances())
        self.assertEqual([WEATHER], chat.request("m")["tools"])

    def test_wrong(self) -> None:
        """A mistake is named, with its place."""
        for body, place in [
            ({**HELLO, "stream": "yes"}, "'stream' must be true or false"),
            ({**HELLO, "messages": "Hello"}, "'messages' must be a list"),
            ({**HELLO, "messages": ["Hello"]}, "'messages[0]' must be an object"),
            ({**HELLO, "tools": {}}, "'tools' must be a list"),
            ({**HELLO, "tools": [{"type": "function"}]}, "'tools[0].function.name' must be"),
            ({**HELLO, "options": []}, "'options' must be an object"),
        ]:
            error = self.assertRaises(BadRequest, OllamaChat, body, circumstances())
            self.assertIn(place, error.message)


class ChatAnswerTests(SynchronousTestCase):
    """
    What becomes of an engine's answer to L{OllamaChat}.
    """

    def test_llama(self) -> None:
        """A stream of llama.cpp becomes lines, with its own figures at the end."""
        clock = Clock()
        chat = OllamaChat({**HELLO, "logprobs": True, "top_logprobs": 1}, circumstances(clock))
        clock.advance(3)
        chat.sent()
        clock.advance(1)
        said = [line for event in LLAMA_STREAM for line in chat.event(event)]
        crane = {"token": " crane", "logprob": -2.62, "bytes": [32, 99, 114, 97, 110, 101]}
        finch = {"token": " finch", "logprob": -1.56, "bytes": [32, 102, 105, 110, 99, 104]}
        self.assertEqual(
            [
                line(message(" crane"), logprobs=[{**crane, "top_logprobs": [finch]}]),
                line(message(" kestrel")),
            ],
            said,
        )
        self.assertEqual(
            [
                {
                    "model": MODEL,
                    "created_at": CREATED_AT,
                    "message": {"role": "assistant", "content": ""},
                    "done": True,
                    "done_reason": "length",
                    "total_duration": 4_000_000_000,
                    "load_duration": 3_000_000_000,
                    "prompt_eval_count": 25,
                    "prompt_eval_duration": 1_610_000,
                    "eval_count": 2,
                    "eval_duration": 470_000,
                }
            ],
            chat.end(),
        )

    def test_vllm(self) -> None:
        """A stream of vLLM with thinking and tools becomes lines, with measured figures."""
        clock = Clock()
        chat = OllamaChat({**HELLO, "tools": [WEATHER]}, circumstances(clock))
        chat.sent()
        said = []
        for event in VLLM_STREAM:
            clock.advance(0.5)
            said += chat.event(event)
        self.assertEqual(
            [
                line(message(thinking="Two cities")),
                line(message("Let me look.")),
                line(
                    message(
                        tool_calls=[
                            {
                                "id": "chatcmpl-tool-9f0c",
                                "function": {
                                    "index": 0,
                                    "name": "get_weather",
                                    "arguments": {"city": "Köln"},
                                },
                            },
                            {
                                "id": "chatcmpl-tool-b771",
                                "function": {
                                    "index": 1,
                                    "name": "get_weather",
                                    "arguments": {"city": "Bonn"},
                                },
                            },
                        ]
                    )
                ),
            ],
            said,
        )
        [last] = chat.end()
        self.assertEqual(
            {
                "model": MODEL,
                "created_at": CREATED_AT,
                "message": {"role": "assistant", "content": ""},
                "done": True,
                "done_reason": "stop",
                "total_duration": 4_500_000_000,
                "load_duration": 0,
                "prompt_eval_count": 174,
                "prompt_eval_duration": 1_000_000_000,
                "eval_count": 24,
                "eval_duration": 3_000_000_000,
            },
            last,
        )

    def test_document(self) -> None:
        """An answer in one piece is one object, with all that a stream would have had."""
        clock = Clock()
        chat = OllamaChat({**HELLO, "stream": False}, circumstances(clock))
        clock.advance(1)
        chat.sent()
        clock.advance(2)
        self.assertEqual(
            {
                "model": MODEL,
                "created_at": CREATED_AT,
                "message": {
                    "role": "assistant",
                    "content": "",
                    "thinking": "Two cities",
                    "tool_calls": [
                        {
                            "id": "chatcmpl-tool-9f0c",
                            "function": {
                                "index": 0,
                                "name": "get_weather",
                                "arguments": {"city": "Bonn"},
                            },
                        }
                    ],
                },
                "done": True,
                "done_reason": "stop",
                "total_duration": 3_000_000_000,
                "load_duration": 1_000_000_000,
                "prompt_eval_count": 174,
                "prompt_eval_duration": 1,
                "eval_count": 24,
                "eval_duration": 2_000_000_000,
            },
            chat.document(VLLM_DOCUMENT),
        )

    def test_nothing_said(self) -> None:
        """Events without news make no lines, and a stream without any still ends."""
        chat = OllamaChat(HELLO, circumstances())
        self.assertEqual([], chat.event(LLAMA_STREAM[0]))
        [last] = chat.end()
        self.assertEqual((True, "stop"), (last["done"], last["done_reason"]))

    def test_call_without_id(self) -> None:
        """A call that the engine gave no id has one for the client."""
        chat = OllamaChat(HELLO, circumstances())
        chat.event(call(0, name="get_weather", arguments="{}"))
        [said] = chat.event(choice({}, "tool_calls"))
        function = {"index": 0, "name": "get_weather", "arguments": {}}
        self.assertEqual([{"id": "000000001", "function": function}], said["message"]["tool_calls"])

    def test_calls_without_an_end(self) -> None:
        """Calls that no reason to finish came after are told of at the end."""
        chat = OllamaChat(HELLO, circumstances())
        for event in VLLM_STREAM[:-2]:
            chat.event(event)
        calls, last = chat.end()
        self.assertEqual(2, len(calls["message"]["tool_calls"]))
        self.assertEqual((False, True), (calls["done"], last["done"]))

    def test_error(self) -> None:
        """An error in the stream is raised, in the engine's words."""
        chat = OllamaChat(HELLO, circumstances())
        event = {"error": {"message": "out of pages", "type": "internal", "code": 500}}
        error = self.assertRaises(UpstreamError, chat.event, event)
        self.assertEqual("out of pages", error.message)

    def test_no_answer(self) -> None:
        """A document without a choice is no answer."""
        chat = OllamaChat({**HELLO, "stream": False}, circumstances())
        self.assertRaises(UpstreamError, chat.document, chunk(choices=[]))


class GenerateTests(SynchronousTestCase):
    """
    L{OllamaGenerate}.
    """

    def test_prompt(self) -> None:
        """A prompt is a chat of one message, after the system's, if any."""
        generation = OllamaGenerate(
            {
                "model": MODEL,
                "prompt": "Why?",
                "system": "Be brief.",
                "suffix": "",
                "think": False,
                "options": {"stop": ["."]},
            },
            circumstances(),
        )
        self.assertEqual("/v1/chat/completions", generation.path)
        self.assertEqual(
            {
                "model": "m",
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "Why?"},
                ],
                "chat_template_kwargs": {"enable_thinking": False},
                "stop": ["."],
                "stream": True,
                "stream_options": {"include_usage": True},
            },
            generation.request("m"),
        )

    def test_images(self) -> None:
        """Images go with the prompt."""
        generation = OllamaGenerate({"prompt": "What?", "images": ["R0lGODlh"]}, circumstances())
        [user] = generation.request("m")["messages"]
        self.assertEqual(["text", "image_url"], [part["type"] for part in user["content"]])

    def test_raw(self) -> None:
        """A raw prompt is a plain completion, where no thinking is switched."""
        generation = OllamaGenerate(
            {
                "prompt": "<|user|>Why?",
                "raw": True,
                "stream": False,
                "think": True,
                "logprobs": True,
                "system": "",
            },
            circumstances(),
        )
        self.assertEqual("/v1/completions", generation.path)
        self.assertEqual(
            {"model": "m", "prompt": "<|user|>Why?", "logprobs": 1, "stream": False},
            generation.request("m"),
        )

    def test_suffix(self) -> None:
        """A gap is filled by a plain completion."""
        generation = OllamaGenerate({"prompt": "def f():", "suffix": "\n"}, circumstances())
        self.assertEqual("/v1/completions", generation.path)
        request = generation.request("m")
        self.assertEqual(("def f():", "\n"), (request["prompt"], request["suffix"]))

    def test_beside_raw(self) -> None:
        """What needs a template does not go with a raw prompt."""
        for name, value in [
            ("system", "Be brief."),
            ("template", "{{ .Prompt }}"),
            ("context", [1, 2]),
            ("images", ["R0lGODlh"]),
        ]:
            body = {"prompt": "x", "raw": True, name: value}
            error = self.assertRaises(BadRequest, OllamaGenerate, body, circumstances())
            self.assertIn(f"'{name}'", error.message)

    def test_ignored(self) -> None:
        """A template or a context of Ollama's own is ignored, and the log tells so."""
        body = {"prompt": "x", "template": "{{ .Prompt }}", "context": [1, 2]}
        with capturedLogs() as events:
            request = OllamaGenerate(body, circumstances()).request("m")
        self.assertEqual({"model", "messages", "stream", "stream_options"}, set(request))
        self.assertEqual(["template", "context"], [event["name"] for event in events])

    def test_stream(self) -> None:
        """A stream becomes lines with a response, and thinking beside it."""
        generation = OllamaGenerate({"prompt": "x"}, circumstances())
        said = [line for event in VLLM_STREAM[:3] for line in generation.event(event)]
        self.assertEqual(
            [
                line({"response": "", "thinking": "Two cities"}),
                line({"response": "Let me look."}),
            ],
            said,
        )
        [last] = generation.end()
        self.assertEqual(("", True), (last["response"], last["done"]))
        self.assertNotIn("context", last)

    def test_completion(self) -> None:
        """A plain completion becomes a response, with probabilities of either form."""
        clock = Clock()
        generation = OllamaGenerate(
            {"prompt": "x", "raw": True, "stream": False, "logprobs": True, "top_logprobs": 2},
            circumstances(clock),
        )
        generation.sent()
        clock.advance(1)
        self.assertEqual(
            {
                "model": MODEL,
                "created_at": CREATED_AT,
                "response": " return a",
                "done": True,
                "done_reason": "stop",
                "total_duration": 1_000_000_000,
                "load_duration": 0,
                "prompt_eval_count": 9,
                "prompt_eval_duration": 1,
                "eval_count": 2,
                "eval_duration": 1_000_000_000,
                "logprobs": [
                    {
                        "token": " return",
                        "logprob": -0.5,
                        "top_logprobs": [
                            {"token": " return", "logprob": -0.5},
                            {"token": " yield", "logprob": -1.5},
                        ],
                    },
                    {
                        "token": " a",
                        "logprob": -0.25,
                        "top_logprobs": [{"token": " a", "logprob": -0.25}],
                    },
                ],
            },
            generation.document(VLLM_COMPLETION),
        )

    def test_lines_are_json(self) -> None:
        """Each line can be written as JSON."""
        generation = OllamaGenerate({"prompt": "x"}, circumstances())
        said = [line for event in LLAMA_STREAM for line in generation.event(event)]
        self.assertEqual(3, len([json.dumps(line) for line in (*said, *generation.end())]))
