# -*- test-case-name: ler.test.test_translation -*-
"""
Every translation keeps to the contract of L{ler.web.translation.contract}.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.test.ollama_case import (
    EMBEDDINGS,
    LLAMA_STREAM,
    VLLM_COMPLETION,
    VLLM_DOCUMENT,
    VLLM_STREAM,
)
from ler.test.test_translation_anthropic import ANSWER, CHUNKS, CLAUDE_CODE
from ler.test.test_translation_responses import ANSWER as CODEX_ANSWER
from ler.test.test_translation_responses import CODEX, STREAM
from ler.test.test_translation_to_ollama import LOGPROBS, chat_line, text_line, tool_call
from ler.test.translation_contract import (
    AnthropicContract,
    EmbeddingsContract,
    OllamaClientsContract,
    OpenAIClientsContract,
    ResponsesContract,
)
from ler.web.translation.anthropic import AnthropicMessages
from ler.web.translation.chain import Chain
from ler.web.translation.ollama import OllamaChat, OllamaEmbed, OllamaEmbedding, OllamaGenerate
from ler.web.translation.responses import ResponsesToChat
from ler.web.translation.to_ollama import ChatToOllama, CompletionToOllama, EmbeddingsToOllama

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}

WEATHER = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}

OLLAMA_CHAT: dict[str, Any] = {
    "model": "name",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What?", "images": ["R0lGODlh"]},
        {
            "role": "assistant",
            "content": "",
            "thinking": "Hm",
            "tool_calls": [
                {"id": "1", "function": {"index": 0, "name": "weather", "arguments": {"a": 1}}},
                {"function": {"name": "time", "arguments": {}}},
            ],
        },
        {"role": "tool", "tool_name": "time", "content": "11"},
        {"role": "tool", "tool_call_id": "1", "content": "12"},
    ],
    "tools": [WEATHER],
    "format": SCHEMA,
    "think": True,
    "options": {
        "temperature": 0.5,
        "seed": 1,
        "num_predict": 10,
        "repeat_penalty": 1.1,
        "stop": ["END"],
    },
    "logprobs": True,
    "top_logprobs": 2,
    "keep_alive": "5m",
}

OLLAMA_GENERATE: dict[str, Any] = {
    "model": "name",
    "prompt": "What?",
    "suffix": "!",
    "system": "",
    "template": "",
    "context": [],
    "raw": True,
    "images": [],
    "options": {"top_k": 10},
    "logprobs": True,
    "top_logprobs": 3,
    "keep_alive": 0,
}

OLLAMA_EMBED: dict[str, Any] = {
    "model": "name",
    "input": ["a", "b"],
    "dimensions": 2,
    "truncate": True,
    "keep_alive": -1,
}

OLLAMA_EMBEDDING = {"model": "name", "prompt": "a"}

ONE_EMBEDDING = {"data": [{"index": 0, "embedding": [1, 2]}]}

OPENAI_SETTINGS: dict[str, Any] = {
    "model": "name",
    "temperature": 0.7,
    "seed": 1,
    "max_tokens": 100,
    "stop": ["END"],
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "x", "schema": SCHEMA, "strict": True},
    },
    "chat_template_kwargs": {"enable_thinking": True},
    "reasoning_effort": "low",
    "stream_options": {"include_usage": True},
}

OPENAI_CHAT: dict[str, Any] = {
    **OPENAI_SETTINGS,
    "messages": [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look:"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
                {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "Hm",
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city": "Bern"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "11"},
    ],
    "tools": [WEATHER],
    "tool_choice": {"type": "function", "function": {"name": "weather"}},
    "logprobs": True,
    "top_logprobs": 2,
}

OPENAI_COMPLETION = {**OPENAI_SETTINGS, "prompt": "a", "suffix": "x", "logprobs": 2}

OPENAI_EMBEDDINGS: dict[str, Any] = {
    "model": "name",
    "input": ["a", "b"],
    "dimensions": 2,
    "encoding_format": "base64",
    "user": "ann",
}

CALLS = [tool_call("weather", {"city": "Bern"}, id="call_1")]

OLLAMA_WHOLE = {
    **chat_line("stop", content="Rayleigh", thinking="Hm", tool_calls=CALLS),
    "logprobs": LOGPROBS,
}

OLLAMA_LINES = (
    chat_line(thinking="Hm"),
    {**chat_line(content="Ray"), "logprobs": LOGPROBS},
    chat_line(tool_calls=CALLS),
    chat_line("stop"),
)

OLLAMA_EMBEDDINGS = {
    "model": "served",
    "embeddings": [[0.5, 0.5], [1, 0]],
    "prompt_eval_count": 8,
}


class OllamaChatTests(OllamaClientsContract, SynchronousTestCase):
    """
    L{OllamaChat}.
    """

    make = OllamaChat
    path = "/v1/chat/completions"
    body = OLLAMA_CHAT
    whole = VLLM_DOCUMENT
    events = (*VLLM_STREAM[:-1], *LLAMA_STREAM)


class OllamaGenerateTests(OllamaClientsContract, SynchronousTestCase):
    """
    L{OllamaGenerate}.
    """

    make = OllamaGenerate
    path = "/v1/completions"
    body = OLLAMA_GENERATE
    whole = VLLM_COMPLETION
    events = (VLLM_COMPLETION, LLAMA_STREAM[-1])


class OllamaEmbedTests(EmbeddingsContract, SynchronousTestCase):
    """
    L{OllamaEmbed}.
    """

    make = OllamaEmbed
    path = "/v1/embeddings"
    body = OLLAMA_EMBED
    whole = EMBEDDINGS


class OllamaEmbeddingTests(EmbeddingsContract, SynchronousTestCase):
    """
    L{OllamaEmbedding}.
    """

    make = OllamaEmbedding
    path = "/v1/embeddings"
    body = OLLAMA_EMBEDDING
    whole = ONE_EMBEDDING


class AnthropicMessagesTests(AnthropicContract, SynchronousTestCase):
    """
    L{AnthropicMessages}.
    """

    make = AnthropicMessages
    path = "/v1/chat/completions"
    body = CLAUDE_CODE
    whole = ANSWER
    events = CHUNKS


class ResponsesToChatTests(ResponsesContract, SynchronousTestCase):
    """
    L{ResponsesToChat}.
    """

    make = ResponsesToChat
    path = "/v1/chat/completions"
    body = CODEX
    whole = CODEX_ANSWER
    events = STREAM


class ChatToOllamaTests(OpenAIClientsContract, SynchronousTestCase):
    """
    L{ChatToOllama}.
    """

    make = ChatToOllama
    path = "/api/chat"
    body = OPENAI_CHAT
    whole = OLLAMA_WHOLE
    events = OLLAMA_LINES


class CompletionToOllamaTests(OpenAIClientsContract, SynchronousTestCase):
    """
    L{CompletionToOllama}.
    """

    make = CompletionToOllama
    path = "/api/generate"
    body = OPENAI_COMPLETION
    whole = text_line("a", "stop", logprobs=LOGPROBS)
    events = (text_line("a", logprobs=LOGPROBS), text_line("", "stop"))


class EmbeddingsToOllamaTests(EmbeddingsContract, SynchronousTestCase):
    """
    L{EmbeddingsToOllama}.
    """

    make = EmbeddingsToOllama
    path = "/api/embed"
    body = OPENAI_EMBEDDINGS
    whole = OLLAMA_EMBEDDINGS


class AnthropicByOllamaTests(AnthropicContract, SynchronousTestCase):
    """
    A L{Chain} of L{AnthropicMessages} and L{ChatToOllama}.
    """

    make = partial(Chain, AnthropicMessages, ChatToOllama)
    path = "/api/chat"
    body = CLAUDE_CODE
    whole = OLLAMA_WHOLE
    events = OLLAMA_LINES


class ResponsesByOllamaTests(ResponsesContract, SynchronousTestCase):
    """
    A L{Chain} of L{ResponsesToChat} and L{ChatToOllama}.
    """

    make = partial(Chain, ResponsesToChat, ChatToOllama)
    path = "/api/chat"
    body = CODEX
    whole = OLLAMA_WHOLE
    events = OLLAMA_LINES
