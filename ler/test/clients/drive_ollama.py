# -*- test-case-name: ler.test.test_live_clients -*-
"""
Ollama's library for Python.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import ollama

from ler.test.clients import check
from ler.test.clients.check import HELLO, expect, raised, says

client: Any = ollama.Client(check.ROUTER)

OPTIONS = {"num_predict": 20}


def ask(model: str, messages: Any = HELLO, **more: Any) -> Any:
    """Chat."""
    return client.chat(model, messages, options=OPTIONS, **more)


def parts_of(model: str, **more: Any) -> list[Any]:
    """Chat, and make no difference between an answer and a stream."""
    return list(ask(model, **more))


def complete(model: str, prompt: str, **more: Any) -> Any:
    """Have a prompt completed."""
    return client.generate(model, prompt, options=OPTIONS, **more)


def streamed(model: str, expected: str) -> None:
    """Check a chat that is streamed."""
    parts = list(ask(model, stream=True))
    says([part.message.content for part in parts], expected)
    expect(parts[-1].done and parts[-1].eval_count, parts[-1])


def running() -> set[str]:
    """Say which models are in memory."""
    return {model.model for model in client.ps().models}


def listing() -> None:
    """Models are listed and described, and that which answers is in memory."""
    names = {model.model for model in client.list().models}
    expect({"tiny-birds", "tiny-trees"} <= names, names)
    for name in names:
        shown = client.show(name)
        expect(shown.capabilities and shown.modelinfo and shown.details, shown)
    raised(ollama.ResponseError, "nothing", client.show, "nothing")
    chat()
    expect("tiny-birds" in running(), running())


def chat() -> None:
    """A chat is answered in one piece."""
    answer = ask("tiny-birds")
    says(answer.message.content, check.BIRDS)
    expect(answer.done and answer.eval_count and answer.total_duration, answer)


def stream() -> None:
    """A chat is answered as a stream."""
    streamed("tiny-birds", check.BIRDS)


def generate() -> None:
    """A prompt is completed, in one piece and as a stream."""
    says(complete("tiny-birds", "Hello").response, check.BIRDS)
    parts = list(complete("tiny-birds", "Hello", system="Be brief.", stream=True))
    says([part.response for part in parts], check.BIRDS)
    expect(parts[-1].done, parts[-1])
    says(complete("tiny-birds", "Hello", raw=True).response, check.BIRDS)


def load() -> None:
    """A model is loaded, and unloaded, without a question."""
    expect(client.generate("tiny-trees").done_reason == "load")
    expect("tiny-trees" in running() and "tiny-birds" not in running(), running())
    expect(client.generate("tiny-trees", keep_alive=0).done_reason == "unload")


def swap() -> None:
    """Streams wait for the engines to change places."""
    streamed("tiny-trees", check.TREES)
    streamed("tiny-birds", check.BIRDS)


def tools() -> None:
    """A tool is called, and its result understood."""
    message = ask("recorded", tools=[check.TOOL]).message
    [call] = message.tool_calls
    expect(call.function.arguments == {"city": check.CITY}, call)
    result = {"role": "tool", "tool_name": "get_weather", "content": "sunny"}
    parts = ask("recorded", [*HELLO, message, result], tools=[check.TOOL], stream=True)
    says([part.message.content for part in parts], check.ANSWERED)
    parts = ask("recorded", tools=[check.TOOL], stream=True)
    [call] = [call for part in parts for call in part.message.tool_calls or ()]
    expect(call.function.arguments == {"city": check.CITY}, call)


def embed() -> None:
    """Texts become vectors, of length one where they should."""
    vectors = client.embed("tiny-embed", ["lark", "owl"]).embeddings
    expect([len(vector) for vector in vectors] == [64, 64], vectors)
    expect(abs(sum(x * x for x in vectors[0]) - 1) < 1e-3, vectors)
    expect(len(client.embeddings("tiny-embed", "lark").embedding) == 64)


def unknown() -> None:
    """A model that nobody has is not found."""
    for streams in (False, True):
        error = raised(ollama.ResponseError, "nothing", parts_of, "nothing", stream=streams)
        expect(error.status_code == 404, error)


def refused() -> None:
    """What the engine says against a request is heard."""
    for streams in (False, True):
        words = check.FAILURES["refuse"]
        error = raised(ollama.ResponseError, words, parts_of, "refuse", stream=streams)
        expect(error.status_code == 400, error)


def failed() -> None:
    """An engine that cannot answer, and one that cannot start, are errors of a server."""
    for streams in (False, True):
        words = check.FAILURES["fail"]
        error = raised(ollama.ResponseError, words, parts_of, "fail", stream=streams)
        expect(error.status_code == 500, error)
    raised(ollama.ResponseError, "out of memory", ask, "broken")


def midstream() -> None:
    """An answer that is broken off is an error."""
    for model in ("complain", "cut"):
        raised(ollama.ResponseError, check.FAILURES[model], parts_of, model, stream=True)


def auth() -> None:
    """Keys count."""

    def answer(key: str) -> Any:
        headers = {"Authorization": f"Bearer {key}"}
        return ollama.Client(check.GUARDED, headers=headers).chat("recorded", HELLO)

    expect(raised(ollama.ResponseError, "API key", answer, "wrong").status_code == 401)
    says(answer(check.KEY).message.content, check.SENTENCE)


def wait() -> None:
    """A stream waits for an engine that starts slowly."""
    streamed("slow", check.SENTENCE)


if __name__ == "__main__":
    check.run(
        "ollama for Python",
        version("ollama"),
        *(listing, chat, stream, generate, load, swap, tools, embed),
        *(unknown, refused, failed, midstream, auth, wait),
    )
