# -*- test-case-name: ler.test.test_translation_ollama -*-
"""
What the tests of Ollama's clients share: a request's circumstances, and what
real engines answered.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from twisted.internet.task import Clock

from ler.errors import BadRequest, UpstreamError
from ler.web.translation.contract import Circumstances
from ler.web.translation.fields import Fields

MODEL = "qwen3:latest"

WALL = 1767323045.25

CREATED_AT = "2026-01-02T03:04:05.250000Z"


def circumstances(clock: Clock | None = None) -> Circumstances:
    """
    @return: of a request at L{CREATED_AT}, whose ids are numbers.
    """
    numbers = itertools.count(1)
    return Circumstances(
        MODEL,
        now=(clock or Clock()).seconds,
        wall=lambda: WALL,
        new_id=lambda: f"{next(numbers):09}" + 23 * "0",
    )


def asked(body: Mapping[str, Any]) -> Fields:
    """
    @return: a client's body.
    """
    return Fields(body, BadRequest)


def answered(body: Mapping[str, Any]) -> Fields:
    """
    @return: an engine's body.
    """
    return Fields(body, UpstreamError)


def chunk(**members: Any) -> dict[str, Any]:
    """
    @return: an event of a streamed chat completion.
    """
    return {
        "id": "chatcmpl-5c4e",
        "object": "chat.completion.chunk",
        "created": 1767323040,
        "model": "Qwen/Qwen3-8B",
        **members,
    }


def choice(delta: Mapping[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    """
    @return: an event with a choice.
    """
    return chunk(choices=[{"index": 0, "delta": delta, "finish_reason": finish, **more}])


def call(index: int, **function: str) -> dict[str, Any]:
    """
    @return: an event with a fragment of a tool's call.
    """
    return choice({"tool_calls": [{"index": index, "function": function}]})


# llama.cpp, asked for two tokens, with probabilities and usage.
LLAMA_STREAM = (
    choice({"role": "assistant", "content": None}),
    choice(
        {"content": " crane"},
        logprobs={
            "content": [
                {
                    "id": 259,
                    "token": " crane",
                    "bytes": [32, 99, 114, 97, 110, 101],
                    "logprob": -2.62,
                    "top_logprobs": [
                        {
                            "id": 260,
                            "token": " finch",
                            "bytes": [32, 102, 105, 110, 99, 104],
                            "logprob": -1.56,
                        }
                    ],
                }
            ]
        },
    ),
    choice({"content": " kestrel"}),
    choice({}, "length"),
    chunk(
        choices=[],
        usage={
            "completion_tokens": 2,
            "prompt_tokens": 25,
            "total_tokens": 27,
            "prompt_tokens_details": {"cached_tokens": 4},
        },
        timings={
            "cache_n": 4,
            "prompt_n": 21,
            "prompt_ms": 1.61,
            "predicted_n": 2,
            "predicted_ms": 0.47,
        },
    ),
)

# vLLM, with thinking and two calls of tools at once.
VLLM_STREAM = (
    choice({"role": "assistant", "content": ""}, logprobs=None),
    choice({"reasoning": "Two cities", "reasoning_content": "Two cities"}, logprobs=None),
    choice({"content": "Let me look."}, logprobs=None),
    choice(
        {
            "tool_calls": [
                {
                    "id": "chatcmpl-tool-9f0c",
                    "type": "function",
                    "index": 0,
                    "function": {"name": "get_weather"},
                }
            ]
        },
        logprobs=None,
    ),
    call(0, arguments='{"city": "K'),
    call(0, arguments='\\u00f6ln"}'),
    choice(
        {
            "tool_calls": [
                {
                    "id": "chatcmpl-tool-b771",
                    "type": "function",
                    "index": 1,
                    "function": {"name": "get_weather", "arguments": '{"city": "Bonn"}'},
                }
            ]
        },
        logprobs=None,
    ),
    choice({"content": ""}, "tool_calls", logprobs=None, stop_reason=None),
    chunk(choices=[], usage={"prompt_tokens": 174, "total_tokens": 198, "completion_tokens": 24}),
)

# vLLM's answer to the same in one piece.
VLLM_DOCUMENT = {
    "id": "chatcmpl-77aa",
    "object": "chat.completion",
    "created": 1767323040,
    "model": "Qwen/Qwen3-8B",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "reasoning_content": "Two cities",
                "content": None,
                "tool_calls": [
                    {
                        "id": "chatcmpl-tool-9f0c",
                        "type": "function",
                        "function": {"name": "get_weather", "arguments": '{"city": "Bonn"}'},
                    }
                ],
            },
            "logprobs": None,
            "finish_reason": "tool_calls",
            "stop_reason": None,
        }
    ],
    "usage": {"prompt_tokens": 174, "total_tokens": 198, "completion_tokens": 24},
    "prompt_logprobs": None,
}

# vLLM's plain completion, with probabilities in the older form.
VLLM_COMPLETION = {
    "id": "cmpl-31d8",
    "object": "text_completion",
    "created": 1767323040,
    "model": "Qwen/Qwen3-8B",
    "choices": [
        {
            "index": 0,
            "text": " return a",
            "logprobs": {
                "text_offset": [0, 7],
                "token_logprobs": [-0.5, -0.25],
                "tokens": [" return", " a"],
                "top_logprobs": [{" return": -0.5, " yield": -1.5}, {" a": -0.25}],
            },
            "finish_reason": "stop",
            "stop_reason": None,
        }
    ],
    "usage": {"prompt_tokens": 9, "total_tokens": 11, "completion_tokens": 2},
}

# llama.cpp's, without the greater part of the numbers.
EMBEDDINGS = {
    "model": "nomic",
    "object": "list",
    "usage": {"prompt_tokens": 12, "total_tokens": 12},
    "data": [
        {"embedding": [0.0, 3.0, 4.0], "index": 1, "object": "embedding"},
        {"embedding": [3.0, 4.0, 12.0], "index": 0, "object": "embedding"},
    ],
}
