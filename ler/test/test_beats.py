# -*- test-case-name: ler.test.test_beats -*-
"""
Tests for L{ler.web.beats}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.web.beats import Beats, Heart
from ler.web.dialects import OLLAMA, OPENAI, RESPONSES, IDialect

WALL = 1767225600.5


def beats(path: str, user_agent: str = "curl/8", ndjson: Any = "space") -> Beats:
    """
    @return: what a client is sent that calls C{path} for model C{m}.
    """
    return Heart(ndjson, lambda: WALL).beats(path, "m", user_agent)


class HeartTests(SynchronousTestCase):
    """
    L{Heart.beats} knows what means nothing to whom.
    """

    def heavy(self, dialect: IDialect, path: str) -> Any:
        """
        @return: the one event that a waiting client is sent now and then.
        """
        heavy = beats(path).heavy
        assert heavy is not None
        self.assertFalse(dialect.is_end(heavy))
        (event,) = dialect.decode(heavy)
        return event

    def test_light(self) -> None:
        """
        Each kind of stream has its own way to say nothing.
        """
        for path, light in (
            ("/v1/chat/completions", b": keep-alive\n"),
            ("/v1/completions", b": keep-alive\n"),
            ("/v1/responses", b": keep-alive\n"),
            ("/v1/messages", b'event: ping\ndata: {"type": "ping"}\n\n'),
            ("/api/chat", b" "),
            ("/api/generate", b" "),
        ):
            self.assertEqual(beats(path).light, light)

    def test_chat(self) -> None:
        """
        A chat that says nothing is a chunk with an empty text.
        """
        chunk = self.heavy(OPENAI, "/v1/chat/completions")
        self.assertEqual(
            chunk,
            {
                "id": "chatcmpl-hold",
                "object": "chat.completion.chunk",
                "created": 1767225600,
                "model": "m",
                "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": None}],
            },
        )

    def test_completion(self) -> None:
        """
        So is a completion.
        """
        chunk = self.heavy(OPENAI, "/v1/completions")
        self.assertEqual(
            (chunk["object"], chunk["choices"]),
            (
                "text_completion",
                [{"index": 0, "text": "", "logprobs": None, "finish_reason": None}],
            ),
        )

    def test_no_events(self) -> None:
        """
        Where every event means something there is none that says nothing.
        """
        for path in ("/v1/responses", "/v1/messages", "/api/chat"):
            self.assertIsNone(beats(path).heavy)

    def test_codex(self) -> None:
        """
        Codex is sent events that it does not know, since only those reset its
        timer; nobody else is.
        """
        for agent in ("codex_cli_rs/0.169.0 (Linux)", "Codex/1"):
            light = beats("/v1/responses", agent).light
            self.assertEqual(light, b'event: keepalive\ndata: {"type": "keepalive"}\n\n')
            self.assertFalse(RESPONSES.is_end(light))
        self.assertEqual(beats("/v1/chat/completions", "codex").light, b": keep-alive\n")

    def test_newline(self) -> None:
        """
        Lines of JSON may be kept alive by empty lines.
        """
        self.assertEqual(beats("/api/chat", ndjson="newline").light, b"\n")

    def test_chunk(self) -> None:
        """
        Or by lines with an empty answer.
        """
        for path, empty in (
            ("/api/chat", {"message": {"role": "assistant", "content": ""}}),
            ("/api/generate", {"response": ""}),
        ):
            light = beats(path, ndjson="chunk").light
            self.assertFalse(OLLAMA.is_end(light))
            self.assertEqual(
                json.loads(light),
                {
                    "model": "m",
                    "created_at": "2026-01-01T00:00:00.500000Z",
                    **empty,
                    "done": False,
                },
            )
