# -*- test-case-name: ler.test.test_translation_to_ollama_embeddings -*-
"""
Tests of L{ler.web.translation.to_ollama.embeddings}.
"""

from __future__ import annotations

import base64
import struct
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import BadRequest, UpstreamError
from ler.web.translation.contract import Circumstances
from ler.web.translation.to_ollama import EmbeddingsToOllama

VECTORS = [[0.6, 0.8], [-0.28, 0.96]]


def embedding(**body: Any) -> EmbeddingsToOllama:
    """
    @return: a translation of the body.
    """
    return EmbeddingsToOllama({"model": "nomic", **body}, Circumstances("nomic"))


def answer(*vectors: Any) -> dict[str, Any]:
    """
    @return: what an Ollama says.
    """
    return {
        "model": "nomic-embed-text:latest",
        "embeddings": list(vectors),
        "total_duration": 14143917,
        "load_duration": 1019500,
        "prompt_eval_count": 8,
    }


class EmbeddingsRequestTests(SynchronousTestCase):
    """
    L{EmbeddingsToOllama} asks for embeddings.
    """

    def test_texts(self) -> None:
        """One text is a list of one."""
        translation = embedding(input="a")
        self.assertEqual("/api/embed", translation.path)
        self.assertEqual({"model": "m", "input": ["a"]}, translation.request("m"))
        self.assertEqual(
            {"model": "m", "input": ["a", "b"], "dimensions": 256},
            embedding(input=["a", "b"], dimensions=256, user="ann").request("m"),
        )

    def test_refused(self) -> None:
        """Tokens and nothing are refused: nothing would only load the model."""
        wrong: tuple[Any, ...] = ([1, 2], [[1], [2]], "", [], [""], ["a", None], None, 7, {})
        for value in wrong:
            error = self.assertRaises(BadRequest, embedding, input=value)
            self.assertIn("'input' must be a text, or a list of texts", error.message)

    def test_format(self) -> None:
        """A form that nobody knows is refused."""
        error = self.assertRaises(BadRequest, embedding, input="a", encoding_format="int8")
        self.assertEqual("'encoding_format' must be float or base64", error.message)


class EmbeddingsAnswerTests(SynchronousTestCase):
    """
    L{EmbeddingsToOllama} answers.
    """

    def test_floats(self) -> None:
        """Embeddings are numbered, of the model that the client asked for."""
        self.assertEqual(
            {
                "object": "list",
                "data": [
                    {"object": "embedding", "index": 0, "embedding": VECTORS[0]},
                    {"object": "embedding", "index": 1, "embedding": VECTORS[1]},
                ],
                "model": "nomic",
                "usage": {"prompt_tokens": 8, "total_tokens": 8},
            },
            embedding(input=["a", "b"]).document(answer(*VECTORS)),
        )

    def test_base64(self) -> None:
        """OpenAI's own client asks for packed numbers, least byte first."""
        translation = embedding(input="a", encoding_format="base64")
        (datum,) = translation.document(answer([1, -0.5]))["data"]
        packed = base64.b64decode(datum["embedding"])
        self.assertEqual(b"\x00\x00\x80\x3f\x00\x00\x00\xbf", packed)
        self.assertEqual((1.0, -0.5), struct.unpack("<2f", packed))

    def test_senseless(self) -> None:
        """Embeddings that no one could use are an error."""
        for said, reason in (
            (answer(), "0 embeddings of 1 texts"),
            (answer(*VECTORS), "2 embeddings of 1 texts"),
            (answer(None), "an embedding is no list"),
            (answer([1, "2"]), "an embedding is no list of numbers"),
            (answer([10**400]), "an embedding is no list of numbers"),
            ({"embedding": VECTORS[0]}, "0 embeddings of 1 texts"),
            ({"embeddings": "none"}, "'embeddings' must be a list"),
        ):
            translation = embedding(input="a", encoding_format="base64")
            error = self.assertRaises(UpstreamError, translation.document, said)
            self.assertIn(reason, error.message)

    def test_error(self) -> None:
        """An error is told in the engine's words."""
        error = self.assertRaises(
            UpstreamError, embedding(input="a").document, {"error": "out of memory"}
        )
        self.assertEqual("out of memory", error.message)
