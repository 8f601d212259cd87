# -*- test-case-name: ler.test.test_live_clients -*-
"""
LangChain, with its packages for OpenAI, Anthropic and Ollama.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage
from langchain_core.tools import StructuredTool
from langchain_ollama import ChatOllama, OllamaEmbeddings
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from ler.test.clients import check
from ler.test.clients.check import expect, raised, says

KINDS = ("openai", "responses", "anthropic", "ollama")


def get_weather(city: str) -> str:
    """Say what the weather is like."""
    return f"sunny in {city}"


TOOL = StructuredTool.from_function(get_weather)


def made(kind: str, model: str, base: str = check.ROUTER, key: str = "any") -> Any:
    """Make a chat model."""
    if kind == "anthropic":
        return ChatAnthropic(model=model, base_url=base, api_key=key, max_tokens=20)
    if kind == "ollama":
        headers = {"Authorization": f"Bearer {key}"}
        client = {"headers": headers}
        return ChatOllama(model=model, base_url=base, num_predict=20, client_kwargs=client)
    return ChatOpenAI(
        model=model,
        base_url=f"{base}/v1",
        api_key=key,
        max_tokens=20,
        use_responses_api=kind == "responses",
    )


def streamed(kind: str, model: str, expected: str) -> None:
    """Check an answer that is streamed."""
    says([chunk.text for chunk in made(kind, model).stream("Hello")], expected)


async def gathered(kind: str, model: str) -> str:
    """Have an answer streamed to a coroutine."""
    return "".join([chunk.text async for chunk in made(kind, model).astream("Hello")])


async def gathered_of_all(model: str) -> Sequence[str]:
    """Have the answers to all kinds streamed to coroutines, at once."""
    return await asyncio.gather(*[gathered(kind, model) for kind in KINDS])


def chat() -> None:
    """An answer comes in one piece."""
    check.each(KINDS, lambda kind: says(made(kind, "tiny-birds").invoke("Hello").text, check.BIRDS))


def stream() -> None:
    """An answer comes as a stream, also to coroutines."""
    check.each(KINDS, lambda kind: streamed(kind, "tiny-birds", check.BIRDS))
    for said in asyncio.run(gathered_of_all("tiny-birds")):
        says(said, check.BIRDS)


def swap() -> None:
    """Streams wait for the engines to change places."""
    check.each(KINDS, lambda kind: streamed(kind, "tiny-trees", check.TREES))
    check.each(KINDS, lambda kind: streamed(kind, "tiny-birds", check.BIRDS))


def tools() -> None:
    """A tool is called, and its result understood."""

    def one(kind: str) -> None:
        model = made(kind, "recorded").bind_tools([TOOL])
        answer = model.invoke("Hello")
        [call] = answer.tool_calls
        expect(call["args"] == {"city": check.CITY}, call)
        told = [HumanMessage("Hello"), answer, TOOL.invoke(call)]
        says([chunk.text for chunk in model.stream(told)], f"{check.ANSWERED} in {check.CITY}")
        first, *rest = model.stream("Hello")
        [call] = sum(rest, first).tool_calls
        expect(call["args"] == {"city": check.CITY}, call)

    check.each(KINDS, one)


def embed() -> None:
    """Texts become vectors."""
    openai = OpenAIEmbeddings(
        model="tiny-embed",
        base_url=f"{check.ROUTER}/v1",
        api_key="any",
        check_embedding_ctx_length=False,
    )
    for client in (openai, OllamaEmbeddings(model="tiny-embed", base_url=check.ROUTER)):
        vector = client.embed_query("lark")
        expect(len(vector) == 64, vector)


def fails(model: str, words: str) -> None:
    """Check that all kinds are told of a failure."""
    check.each(KINDS, lambda kind: raised(Exception, words, made(kind, model).invoke, "Hello"))


def unknown() -> None:
    """A model that nobody has is not found."""
    fails("nothing", "no engine has a model")


def refused() -> None:
    """What the engine says against a request is heard."""
    fails("refuse", check.FAILURES["refuse"])


def failed() -> None:
    """What an engine says that cannot answer is heard."""
    fails("fail", check.FAILURES["fail"])


def midstream() -> None:
    """An answer that is broken off is an error."""

    def one(kind: str) -> None:
        for model in ("complain", "cut"):
            raised(Exception, check.FAILURES[model], list, made(kind, model).stream("Hello"))

    check.each(KINDS, one)


def auth() -> None:
    """Keys count."""

    def one(kind: str) -> None:
        wrong = made(kind, "recorded", check.GUARDED, "wrong")
        raised(Exception, "API key", wrong.invoke, "Hello")
        right = made(kind, "recorded", check.GUARDED, check.KEY)
        says(right.invoke("Hello").text, check.SENTENCE)

    check.each(KINDS, one)


def wait() -> None:
    """Streams wait for an engine that starts slowly."""
    for said in asyncio.run(gathered_of_all("slow")):
        says(said, check.SENTENCE)


if __name__ == "__main__":
    check.run(
        "LangChain",
        version("langchain-core"),
        *(chat, stream, swap, tools, embed),
        *(unknown, refused, failed, midstream, auth, wait),
    )
