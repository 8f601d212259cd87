# -*- test-case-name: ler.test.test_live_clients -*-
"""
OpenAI's library for Python.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

import openai

from ler.test.clients import check
from ler.test.clients.check import HELLO, expect, raised, says

client: Any = openai.OpenAI(base_url=f"{check.ROUTER}/v1", api_key="any")

TOOL: Any = {"type": "function", "name": "get_weather", "parameters": check.PARAMETERS}
"""The tool, as Responses have it."""


ENOUGH = 500
"""Tokens.  Where fewer end a response, the library misses what completes it."""


def ask(model: str, **more: Any) -> Any:
    """Ask for a chat completion."""
    more = {"messages": HELLO, "max_tokens": 20, **more}
    return client.chat.completions.create(model=model, **more)


def respond(model: str, **more: Any) -> Any:
    """Ask for a response."""
    more = {"input": "Hello", "max_output_tokens": ENOUGH, **more}
    return client.responses.create(model=model, **more)


def streamed(model: str, expected: str) -> None:
    """Check a chat completion that is streamed."""
    chunks = list(ask(model, stream=True, stream_options={"include_usage": True}))
    says([chunk.choices[0].delta.content for chunk in chunks if chunk.choices], expected)
    expect(chunks[-1].usage.completion_tokens, chunks[-1])


def listing() -> None:
    """Models are listed."""
    names = {model.id for model in client.models.list()}
    expect({"tiny-birds", "tiny-trees"} <= names, names)
    expect(client.models.retrieve("tiny-birds").id == "tiny-birds")
    raised(openai.NotFoundError, "nothing", client.models.retrieve, "nothing")


def chat() -> None:
    """A chat completion comes in one piece."""
    answer = ask("tiny-birds")
    says(answer.choices[0].message.content, check.BIRDS)
    expect(answer.usage.completion_tokens, answer)


def completion() -> None:
    """A prompt is completed."""
    answer = client.completions.create(model="tiny-birds", prompt="Hello", max_tokens=5)
    says(answer.choices[0].text, check.BIRDS)


def stream() -> None:
    """A chat completion comes as a stream."""
    streamed("tiny-birds", check.BIRDS)


def swap() -> None:
    """Streams wait for the engines to change places."""
    streamed("tiny-trees", check.TREES)
    streamed("tiny-birds", check.BIRDS)


def tools() -> None:
    """A tool is called, and its result understood."""
    message = ask("recorded", tools=[check.TOOL]).choices[0].message
    [call] = message.tool_calls
    expect(json.loads(call.function.arguments) == {"city": check.CITY}, call)
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    told = {"model": "recorded", "tools": [check.TOOL]}
    with client.chat.completions.stream(messages=[*HELLO, message, result], **told) as events:
        says(events.get_final_completion().choices[0].message.content, check.ANSWERED)
    with client.chat.completions.stream(messages=HELLO, **told) as events:
        [call] = events.get_final_completion().choices[0].message.tool_calls
    expect(json.loads(call.function.arguments) == {"city": check.CITY}, call)


def responses() -> None:
    """Responses come in one piece and as streams, and call tools."""
    for model, expected in (("recorded", check.SENTENCE), ("tiny-birds", check.BIRDS)):
        says(respond(model).output_text, expected)
        asked = {"model": model, "input": "Hello", "max_output_tokens": ENOUGH}
        with client.responses.stream(**asked) as events:
            parts = [event.delta for event in events if event.type == "response.output_text.delta"]
            final = events.get_final_response()
        says(parts, expected)
        says(final.output_text, expected)
        expect(final.usage.output_tokens, final)
    with client.responses.stream(model="recorded", input="Hello", tools=[TOOL]) as events:
        [call] = events.get_final_response().output
    expect(json.loads(call.arguments) == {"city": check.CITY}, call)
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    answer = respond("recorded", input=[*HELLO, call, result], tools=[TOOL])
    says(answer.output_text, check.ANSWERED)


def embed() -> None:
    """Texts become vectors."""
    answer = client.embeddings.create(model="tiny-embed", input=["lark", "owl"])
    expect([len(item.embedding) for item in answer.data] == [64, 64], answer)


def unknown() -> None:
    """A model that nobody has is not found."""
    for call in (ask, respond):
        error = raised(openai.NotFoundError, "nothing", call, "nothing")
        expect((error.code, error.param) == ("model_not_found", "model"), error.body)


def refused() -> None:
    """What the engine says against a request is heard."""
    for call in (ask, respond):
        for streams in (False, True):
            words = check.FAILURES["refuse"]
            raised(openai.BadRequestError, words, call, "refuse", stream=streams)


def failed() -> None:
    """An engine that cannot answer, and one that cannot start, are errors of a server."""
    for streams in (False, True):
        words = check.FAILURES["fail"]
        raised(openai.InternalServerError, words, ask, "fail", stream=streams)
    raised(openai.InternalServerError, "out of memory", ask, "broken")


def midstream() -> None:
    """An answer that is broken off is an error."""
    for model in ("complain", "cut"):
        for call in (ask, respond):
            events = call(model, stream=True)
            raised(openai.APIError, check.FAILURES[model], list, events)


def auth() -> None:
    """Keys count."""

    def answer(key: str) -> Any:
        guarded: Any = openai.OpenAI(base_url=f"{check.GUARDED}/v1", api_key=key)
        return guarded.chat.completions.create(model="recorded", messages=HELLO)

    raised(openai.AuthenticationError, "API key", answer, "wrong")
    says(answer(check.KEY).choices[0].message.content, check.SENTENCE)


def wait() -> None:
    """A stream waits for an engine that starts slowly."""
    streamed("slow", check.SENTENCE)


if __name__ == "__main__":
    check.run(
        "openai for Python",
        version("openai"),
        *(listing, chat, completion, stream, swap, tools, responses, embed),
        *(unknown, refused, failed, midstream, auth, wait),
    )
