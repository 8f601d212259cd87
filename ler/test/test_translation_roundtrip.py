# -*- test-case-name: ler.test.test_translation_roundtrip -*-
"""
What is translated there and back again is what it was, in all that both
dialects can say; and an answer is the same in whatever pieces it comes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.test.inventor import Answer, Inventor
from ler.test.spoken import (
    anthropic_heard,
    ollama_conversation,
    ollama_heard,
    ollama_lines,
    ollama_settings,
    ollama_whole,
    openai_conversation,
    openai_events,
    openai_heard,
    openai_settings,
    openai_whole,
    responses_heard,
)
from ler.web.translation.anthropic import AnthropicMessages
from ler.web.translation.chain import Chain
from ler.web.translation.contract import Circumstances, Maker
from ler.web.translation.ollama import OllamaChat, OllamaEmbed, OllamaGenerate
from ler.web.translation.responses import ResponsesToChat
from ler.web.translation.to_ollama import ChatToOllama, CompletionToOllama, EmbeddingsToOllama

ROUNDS = 300

Heard = Callable[[list[dict[str, Any]]], Answer]
"""Understands what a client gets."""

ASKED: dict[str, Any] = {
    "model": "name",
    "messages": [{"role": "user", "content": "Why is the sky blue?"}],
    "input": "Why is the sky blue?",
    "max_tokens": 100,
    "stream_options": {"include_usage": True},
}
"""A question in every dialect."""


def circumstances() -> Circumstances:
    """
    @return: such that nothing depends on the hour.
    """
    numbers = count(1)
    return Circumstances(
        "name", now=lambda: 1.0, wall=lambda: 1767225600.0, new_id=lambda: f"{next(numbers):09}"
    )


class RequestTests(SynchronousTestCase):
    """
    Requests come back as they went.
    """

    def there_and_back(self, first: Maker, second: Maker, body: dict[str, Any]) -> None:
        """
        Expect a request to be the same again.
        """
        before = json.dumps(body)
        translation = Chain(first, second, body, circumstances())
        self.assertEqual({**body, "model": "served"}, translation.request("served"))
        self.assertEqual(before, json.dumps(body), "the client's own request was changed")

    def test_ollama_chats(self) -> None:
        """A chat of Ollama's, by way of OpenAI."""
        for seed in range(ROUNDS):
            inventor = Inventor(seed)
            think = inventor.random.choice((True, False, "low", "medium", "high"))
            body = {
                "model": "name",
                "messages": ollama_conversation(inventor),
                **ollama_settings(inventor),
                **inventor.maybe(tools=inventor.tools(), think=think),
            }
            self.there_and_back(OllamaChat, ChatToOllama, body)

    def test_ollama_generations(self) -> None:
        """A raw generation of Ollama's, and one with a gap, by way of OpenAI."""
        for seed in range(ROUNDS):
            inventor = Inventor(seed)
            way = inventor.random.choice(({"raw": True}, {"suffix": inventor.text(1)}))
            body = {
                "model": "name",
                "prompt": inventor.text(1),
                **way,
                **ollama_settings(inventor),
            }
            self.there_and_back(OllamaGenerate, CompletionToOllama, body)

    def test_ollama_embeddings(self) -> None:
        """Ollama's embeddings, by way of OpenAI."""
        for seed in range(ROUNDS):
            inventor = Inventor(seed)
            texts = [inventor.text(1) for _ in range(inventor.random.randint(1, 3))]
            body = {"model": "name", "input": texts, **inventor.maybe(dimensions=256)}
            self.there_and_back(OllamaEmbed, EmbeddingsToOllama, body)

    def test_openai_chats(self) -> None:
        """A chat completion of OpenAI's, by way of Ollama."""
        for seed in range(ROUNDS):
            inventor = Inventor(seed)
            effort = inventor.random.choice(("low", "medium", "high"))
            think = inventor.random.choice(
                (
                    {"reasoning_effort": effort},
                    {"chat_template_kwargs": {"enable_thinking": inventor.random.random() < 0.5}},
                    {},
                )
            )
            body = {
                "model": "name",
                "messages": openai_conversation(inventor),
                **openai_settings(inventor),
                **think,
                **inventor.random.choice(({}, {"logprobs": True, "top_logprobs": 2})),
                **inventor.maybe(tools=inventor.tools()),
            }
            self.there_and_back(ChatToOllama, OllamaChat, body)

    def test_openai_completions(self) -> None:
        """A completion of OpenAI's, by way of Ollama."""
        for seed in range(ROUNDS):
            inventor = Inventor(seed)
            body = {
                "model": "name",
                "prompt": inventor.text(1),
                **openai_settings(inventor),
                **inventor.maybe(suffix=inventor.text(1), logprobs=2),
            }
            self.there_and_back(CompletionToOllama, OllamaGenerate, body)


class AnswerTests(SynchronousTestCase):
    """
    Answers come back as they went, whole or in pieces.
    """

    def check(
        self, make: Maker, heard: Heard, answer: Answer, events: list[Any], whole: Any
    ) -> None:
        """
        Expect the client of a translation to hear C{answer}, be it streamed or
        whole.
        """
        translation = make({**ASKED, "stream": True}, circumstances())
        translation.sent()
        said = [said for event in events for said in translation.event(event)]
        self.assertEqual(answer, heard([*said, *translation.end()]))
        translation = make({**ASKED, "stream": False}, circumstances())
        translation.sent()
        self.assertEqual(answer, heard([translation.document(whole)]))

    def test_openai(self) -> None:
        """Answers of OpenAI's kind, to the clients of all others, and to its own by way of
        Ollama."""
        clients: tuple[tuple[Maker, Heard], ...] = (
            (OllamaChat, ollama_heard),
            (AnthropicMessages, anthropic_heard),
            (ResponsesToChat, responses_heard),
            (partial(Chain, ChatToOllama, OllamaChat), openai_heard),
        )
        for seed in range(ROUNDS):
            inventor = Inventor(seed)
            answer = inventor.answer()
            events = openai_events(inventor, answer)
            for make, heard in clients:
                self.check(make, heard, answer, events, openai_whole(answer))

    def test_ollama(self) -> None:
        """Answers of an Ollama, to the clients of OpenAI, and to all others by way of that."""
        clients: tuple[tuple[Maker, Heard], ...] = (
            (ChatToOllama, openai_heard),
            (partial(Chain, OllamaChat, ChatToOllama), ollama_heard),
            (partial(Chain, AnthropicMessages, ChatToOllama), anthropic_heard),
            (partial(Chain, ResponsesToChat, ChatToOllama), responses_heard),
        )
        for seed in range(ROUNDS):
            inventor = Inventor(seed)
            answer = inventor.answer()
            lines = ollama_lines(inventor, answer)
            self.assertEqual(answer, ollama_heard(lines), "the test itself is wrong")
            for make, heard in clients:
                self.check(make, heard, answer, lines, ollama_whole(answer))
