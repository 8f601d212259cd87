# -*- test-case-name: ler.test.test_operations -*-
"""
Tests for L{ler.web.operations}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ler.config.engines import Speech
from ler.errors import NotSpoken
from ler.web.dialects import OLLAMA, OPENAI, IDialect, dialect_of
from ler.web.operations import OPERATIONS


class OperationTests(SynchronousTestCase):
    """
    An operation knows how it can be done.
    """

    def test_dialects(self) -> None:
        """
        The dialect of an operation is that of its path.
        """
        for path, operation in OPERATIONS.items():
            self.assertIs(operation.dialect, dialect_of(path))

    def test_native(self) -> None:
        """
        An engine that speaks it is asked as it is, whatever else it speaks.
        """
        for operation in OPERATIONS.values():
            self.assertIsNone(operation.way("a", ("ollama", "openai", operation.speech)))

    def test_translated(self) -> None:
        """
        Everything can be asked of an engine that speaks OpenAI or Ollama only;
        of the two, OpenAI is nearer to all others.
        """
        kinds: tuple[tuple[Speech, IDialect], ...] = (("openai", OPENAI), ("ollama", OLLAMA))
        for operation in OPERATIONS.values():
            for speech, dialect in kinds:
                if operation.speech != speech:
                    way = operation.way("a", (speech,))
                    assert way is not None
                    self.assertEqual((way.speech, way.dialect), (speech, dialect))
        way = OPERATIONS["/v1/messages"].way("a", ("ollama", "openai"))
        assert way is not None
        self.assertEqual(way.speech, "openai")

    def test_not_spoken(self) -> None:
        """
        What nothing translates is refused, with what the engine speaks.
        """
        chat = OPERATIONS["/v1/chat/completions"]
        error: NotSpoken = self.assertRaises(NotSpoken, chat.way, "a", ("anthropic", "responses"))
        self.assertIn("engine a speaks anthropic, responses only", error.message)

    def test_streams(self) -> None:
        """
        OpenAI's and Anthropic's clients ask for streams, Ollama's for whole
        answers; embeddings are never streams.
        """
        for path, wanted in (
            ("/v1/chat/completions", [True]),
            ("/v1/messages", [True]),
            ("/api/chat", [True, None, 1, "true"]),
            ("/api/generate", [True, None, 1, "true"]),
            ("/v1/embeddings", []),
            ("/api/embed", []),
        ):
            wants = OPERATIONS[path].wants_stream
            said = [True, False, None, 1, "true"]
            self.assertEqual([stream for stream in said if wants(stream)], wanted, path)
