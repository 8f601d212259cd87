# -*- test-case-name: ler.test.test_usage -*-
"""
Tests for L{ler.web.usage}.
"""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from ler.web.usage import HEAD, TAIL, Tokens, Usage

OPENAI = {"choices": [], "usage": {"prompt_tokens": 11, "total_tokens": 18, "completion_tokens": 7}}
RESPONSES = {
    "type": "response.completed",
    "response": {
        "usage": {
            "input_tokens": 11,
            "input_tokens_details": {"cached_tokens": 3},
            "output_tokens": 7,
        },
        "user": None,
    },
}
OLLAMA = {"done": True, "prompt_eval_count": 11, "eval_count": 7, "eval_duration": 9}
MESSAGE_START = {
    "message": {
        "usage": {"input_tokens": 11, "cache_read_input_tokens": 4, "output_tokens": 1},
    }
}
MESSAGE_DELTA = {"type": "message_delta", "usage": {"output_tokens": 7}}


def event(document: object) -> bytes:
    """
    @return: an event that holds C{document}.
    """
    return b"data: " + json.dumps(document).encode() + b"\n\n"


class UsageTests(SynchronousTestCase):
    """
    What an engine says of the tokens of an answer.
    """

    def tokens(self, *parts: bytes) -> Tokens | None:
        """
        @return: what an answer that comes in these parts took.
        """
        usage = Usage()
        for part in parts:
            usage.arrived(part)
        return usage.tokens()

    def test_dialects(self) -> None:
        """It is understood in each dialect, in a whole answer and at the end
        of a stream."""
        for said in (OPENAI, RESPONSES, OLLAMA):
            for body in (json.dumps(said).encode(), event({"choices": [{}]}) + event(said)):
                self.assertEqual(Tokens(11, 7), self.tokens(body), said)

    def test_anthropic_stream(self) -> None:
        """What was read is said at the beginning of an Anthropic stream, what
        was written at its end, however far that is."""
        text = event({"delta": {"text": "word " * 1000}})
        parts = [event(MESSAGE_START), *([text] * 10), event(MESSAGE_DELTA)]
        self.assertEqual(Tokens(11, 7), self.tokens(*parts))
        self.assertEqual(Tokens(11, 7), self.tokens(event(MESSAGE_START), event(MESSAGE_DELTA)))

    def test_parts(self) -> None:
        """It makes no difference in which parts an answer comes."""
        body = event({"text": "x" * (HEAD + TAIL)}) + event(OPENAI)
        self.assertEqual(
            Tokens(11, 7), self.tokens(*(body[at : at + 1] for at in range(len(body))))
        )

    def test_last(self) -> None:
        """Where it is said again and again, the last time counts."""
        growing = [event({"usage": {"prompt_tokens": 11, "completion_tokens": n}}) for n in (1, 7)]
        self.assertEqual(Tokens(11, 7), self.tokens(*growing))

    def test_half(self) -> None:
        """Embeddings write nothing, and some engines say half."""
        self.assertEqual(Tokens(11, 0), self.tokens(event({"usage": {"prompt_tokens": 11}})))

    def test_nothing(self) -> None:
        """Nothing is made of an answer that does not say it, or has no number
        for it."""
        for said in (
            {},
            {"usage": None},
            {"usage": {"prompt_tokens": None, "input_tokens": 1.5e9}},
        ):
            self.assertIsNone(self.tokens(event(said)), said)

    def test_text(self) -> None:
        """A model that writes of tokens has not said what it took."""
        text = json.dumps(OPENAI)
        self.assertIsNone(self.tokens(event({"choices": [{"delta": {"content": text}}]})))
