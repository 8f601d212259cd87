# -*- test-case-name: ler.test.test_live_clients -*-
"""
LiteLLM, with five of its providers.
"""

from __future__ import annotations

import json
from functools import partial
from importlib.metadata import version
from threading import Thread
from typing import Any

import litellm

from ler.test.clients import check
from ler.test.clients.check import HELLO, expect, raised, says

PATHS = {"openai": "/v1", "hosted_vllm": "/v1", "anthropic": "", "ollama": "", "ollama_chat": ""}
"""What follows the router's URL, by provider."""

CALLING = [provider for provider in PATHS if provider != "ollama"]
"""Those that can call tools."""


def ask(provider: str, model: str, base: str = check.ROUTER, key: str = "any", **more: Any) -> Any:
    """Ask for a completion."""
    return litellm.completion(
        f"{provider}/{model}",
        api_base=base + PATHS[provider],
        api_key=key,
        **{"messages": HELLO, "max_tokens": 20, **more},
    )


def streamed(provider: str, model: str, expected: str, **more: Any) -> None:
    """Check a completion that is streamed."""
    chunks = ask(provider, model, stream=True, **more)
    says([chunk.choices[0].delta.content for chunk in chunks if chunk.choices], expected)


def chat() -> None:
    """A chat completion comes in one piece."""

    def one(provider: str) -> None:
        says(ask(provider, "tiny-birds").choices[0].message.content, check.BIRDS)

    check.each(PATHS, one)


def stream() -> None:
    """A chat completion comes as a stream."""
    check.each(PATHS, lambda provider: streamed(provider, "tiny-birds", check.BIRDS))


def swap() -> None:
    """Streams wait for the engines to change places."""
    check.each(PATHS, lambda provider: streamed(provider, "tiny-trees", check.TREES))
    check.each(PATHS, lambda provider: streamed(provider, "tiny-birds", check.BIRDS))


def tools() -> None:
    """A tool is called, and its result understood."""

    def one(provider: str) -> None:
        told: dict[str, Any] = {"tools": [check.TOOL]}
        message = ask(provider, "recorded", **told).choices[0].message
        [call] = message.tool_calls
        expect(json.loads(call.function.arguments) == {"city": check.CITY}, call)
        result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
        more = [message.model_dump(), {**result, "name": "get_weather"}]
        streamed(provider, "recorded", check.ANSWERED, messages=[*HELLO, *more], **told)
        chunks = list(ask(provider, "recorded", stream=True, **told))
        [call] = litellm.stream_chunk_builder(chunks).choices[0].message.tool_calls
        expect(json.loads(call.function.arguments) == {"city": check.CITY}, call)

    check.each(CALLING, one)


def embed() -> None:
    """Texts become vectors."""

    def one(provider: str) -> None:
        answer = litellm.embedding(
            f"{provider}/tiny-embed",
            input=["lark"],
            api_base=check.ROUTER + PATHS[provider],
            api_key="any",
        )
        expect(len(answer.data[0]["embedding"]) == 64, answer)

    check.each(["openai", "ollama"], one)


def fails(model: str, kind: type[Exception], words: str) -> None:
    """Check that all providers are told of a failure."""
    check.each(PATHS, lambda provider: raised(kind, words, ask, provider, model))


def unknown() -> None:
    """A model that nobody has is not found."""
    fails("nothing", litellm.NotFoundError, "nothing")


def refused() -> None:
    """What the engine says against a request is heard."""
    fails("refuse", litellm.BadRequestError, check.FAILURES["refuse"])


def failed() -> None:
    """An engine that cannot answer is an error of a server."""
    fails("fail", litellm.InternalServerError, check.FAILURES["fail"])


def midstream() -> None:
    """An answer that is broken off is an error."""

    def one(provider: str) -> None:
        for model in ("complain", "cut"):
            chunks = ask(provider, model, stream=True)
            raised(Exception, check.FAILURES[model], list, chunks)

    check.each(PATHS, one)


def auth() -> None:
    """Keys count."""

    def one(provider: str) -> None:
        answer = partial(ask, provider, "recorded", check.GUARDED)
        raised(litellm.AuthenticationError, "API key", answer, "wrong")
        says(answer(check.KEY).choices[0].message.content, check.SENTENCE)

    check.each(PATHS, one)


def wait() -> None:
    """Streams wait for an engine that starts slowly, all at once."""
    wrong = []

    def one(provider: str) -> None:
        try:
            streamed(provider, "slow", check.SENTENCE)
        except Exception as e:
            wrong.append(f"{provider}: {e}")

    threads = [Thread(target=one, args=[provider]) for provider in PATHS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect(not wrong, wrong)


if __name__ == "__main__":
    litellm.suppress_debug_info = True
    check.run(
        "LiteLLM",
        version("litellm"),
        *(chat, stream, swap, tools, embed),
        *(unknown, refused, failed, midstream, auth, wait),
    )
