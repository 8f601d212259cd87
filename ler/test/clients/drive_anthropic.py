# -*- test-case-name: ler.test.test_live_clients -*-
"""
Anthropic's library for Python.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import anthropic

from ler.test.clients import check
from ler.test.clients.check import HELLO, expect, raised, says

client: Any = anthropic.Anthropic(base_url=check.ROUTER, api_key="any")

TOOL: Any = {"name": "get_weather", "input_schema": check.PARAMETERS}


def request(model: str, **more: Any) -> dict[str, Any]:
    """Make the arguments of a request."""
    return {"model": model, "messages": HELLO, "max_tokens": 20, **more}


def ask(model: str, **more: Any) -> Any:
    """Ask for a message."""
    return client.messages.create(**request(model, **more))


def streamed(model: str, expected: str) -> None:
    """Check a message that is streamed."""
    with client.messages.stream(**request(model)) as events:
        says(events.text_stream, expected)
        expect(events.get_final_message().usage.output_tokens)
    kinds = [event.type for event in ask(model, stream=True)]
    expect(kinds[0] == "message_start" and kinds[-1] == "message_stop", kinds)


def listing() -> None:
    """Models are listed."""
    names = {model.id for model in client.models.list()}
    expect({"tiny-birds", "tiny-trees"} <= names, names)
    expect(client.models.retrieve("tiny-birds").id == "tiny-birds")


def chat() -> None:
    """A message comes in one piece, and tokens are counted."""
    answer = ask("tiny-birds", system="Be brief.")
    says(answer.content[0].text, check.BIRDS)
    expect(answer.usage.input_tokens and answer.usage.output_tokens, answer)
    counted = client.messages.count_tokens(model="tiny-birds", messages=HELLO)
    expect(counted.input_tokens, counted)


def stream() -> None:
    """A message comes as a stream."""
    streamed("tiny-birds", check.BIRDS)


def swap() -> None:
    """Streams wait for the engines to change places."""
    streamed("tiny-trees", check.TREES)
    streamed("tiny-birds", check.BIRDS)


def tools() -> None:
    """A tool is called, and its result understood."""
    answer = ask("recorded", tools=[TOOL])
    expect(answer.stop_reason == "tool_use", answer)
    call = answer.content[-1]
    expect(call.input == {"city": check.CITY}, call)
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
    more = [{"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
    told = request("recorded", messages=[*HELLO, *more], tools=[TOOL])
    with client.messages.stream(**told) as events:
        says(events.text_stream, check.ANSWERED)
    with client.messages.stream(**request("recorded", tools=[TOOL])) as events:
        call = events.get_final_message().content[-1]
    expect(call.input == {"city": check.CITY}, call)


def unknown() -> None:
    """A model that nobody has is not found."""
    for streams in (False, True):
        raised(anthropic.NotFoundError, "nothing", ask, "nothing", stream=streams)


def refused() -> None:
    """What the engine says against a request is heard."""
    for streams in (False, True):
        words = check.FAILURES["refuse"]
        raised(anthropic.BadRequestError, words, ask, "refuse", stream=streams)


def failed() -> None:
    """An engine that cannot answer, and one that cannot start, are errors of a server."""
    for streams in (False, True):
        words = check.FAILURES["fail"]
        raised(anthropic.InternalServerError, words, ask, "fail", stream=streams)
    raised(anthropic.APIStatusError, "out of memory", ask, "broken")


def midstream() -> None:
    """An answer that is broken off is an error."""
    for model in ("complain", "cut"):
        events = ask(model, stream=True)
        raised(anthropic.APIError, check.FAILURES[model], list, events)


def auth() -> None:
    """Keys count, in both of the headers."""

    def answer(**key: Any) -> Any:
        guarded: Any = anthropic.Anthropic(base_url=check.GUARDED, **key)
        return guarded.messages.create(**request("recorded"))

    raised(anthropic.AuthenticationError, "API key", answer, api_key="wrong")
    says(answer(api_key=check.KEY).content[0].text, check.SENTENCE)
    says(answer(auth_token=check.KEY).content[0].text, check.SENTENCE)


def wait() -> None:
    """A stream waits for an engine that starts slowly."""
    streamed("slow", check.SENTENCE)


if __name__ == "__main__":
    check.run(
        "anthropic for Python",
        version("anthropic"),
        *(listing, chat, stream, swap, tools),
        *(unknown, refused, failed, midstream, auth, wait),
    )
