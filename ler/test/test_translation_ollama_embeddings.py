# -*- test-case-name: ler.test.test_translation_ollama_embeddings -*-
"""
Tests of L{ler.web.translation.ollama.embeddings}.
"""

from __future__ import annotations

import struct
from base64 import b64encode
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ler.errors import BadRequest, UpstreamError
from ler.test.ollama_case import EMBEDDINGS, MODEL, circumstances
from ler.web.translation.ollama import OllamaEmbed, OllamaEmbedding


def vectors(*given: Any) -> dict[str, Any]:
    """
    @return: an engine's answer, in order and without indexes.
    """
    return {"object": "list", "data": [{"embedding": vector} for vector in given]}


class EmbedTests(SynchronousTestCase):
    """
    L{OllamaEmbed}.
    """

    def test_request(self) -> None:
        """Texts are asked for as numbers, with what else was said."""
        self.assertEqual(
            {
                "model": "m",
                "input": ["a", ""],
                "dimensions": 256,
                "truncate_prompt_tokens": -1,
                "encoding_format": "float",
            },
            OllamaEmbed(
                {
                    "model": MODEL,
                    "input": ["a", ""],
                    "dimensions": 256,
                    "truncate": True,
                    "keep_alive": -1,
                    "options": {"num_ctx": 8192},
                },
                circumstances(),
            ).request("m"),
        )

    def test_one(self) -> None:
        """A text that stands alone is a list of one."""
        self.assertEqual(
            {"model": "m", "input": ["a"], "encoding_format": "float"},
            OllamaEmbed({"input": "a", "truncate": False}, circumstances()).request("m"),
        )

    def test_wrong(self) -> None:
        """A mistake is named."""
        for body, name in [
            ({"input": 1}, "'input'"),
            ({"input": [["a"]]}, "'input'"),
            ({"input": [1, 2]}, "'input'"),
            ({"input": "a", "dimensions": "b"}, "'dimensions'"),
            ({"input": "a", "dimensions": -1}, "'dimensions'"),
            ({"input": "a", "truncate": 1}, "'truncate'"),
        ]:
            error = self.assertRaises(BadRequest, OllamaEmbed, body, circumstances())
            self.assertIn(name, error.message)

    def test_answer(self) -> None:
        """Vectors come in the order of their texts, at a length of 1, with figures."""
        clock = Clock()
        embed = OllamaEmbed({"input": ["a", "b"]}, circumstances(clock))
        clock.advance(2)
        embed.sent()
        clock.advance(1)
        self.assertEqual(
            {
                "model": MODEL,
                "embeddings": [[3 / 13, 4 / 13, 12 / 13], [0.0, 0.6, 0.8]],
                "total_duration": 3_000_000_000,
                "load_duration": 2_000_000_000,
                "prompt_eval_count": 12,
            },
            embed.document(EMBEDDINGS),
        )

    def test_base64(self) -> None:
        """Vectors that come in base64 all the same are read."""
        embed = OllamaEmbed({"input": "a"}, circumstances())
        text = b64encode(struct.pack("<3f", 0, 3, 4)).decode()
        self.assertEqual([[0.0, 0.6, 0.8]], embed.document(vectors(text))["embeddings"])

    def test_cut(self) -> None:
        """A vector that is longer than was asked for is cut, and then normalised."""
        embed = OllamaEmbed({"input": "a", "dimensions": 2}, circumstances())
        self.assertEqual([[0.6, 0.8]], embed.document(vectors([3, 4, 12]))["embeddings"])

    def test_nothing_to_normalise(self) -> None:
        """A vector without a length stays as it is."""
        embed = OllamaEmbed({"input": ["a", "b"]}, circumstances())
        self.assertEqual([[0.0, 0.0], []], embed.document(vectors([0, 0], []))["embeddings"])

    def test_count(self) -> None:
        """There must be a vector for each text."""
        twice = {"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}
        for answer in ({}, vectors(), vectors([1]), vectors([1], [1], [1]), twice):
            embed = OllamaEmbed({"input": ["a", "b"]}, circumstances())
            self.assertRaises(UpstreamError, embed.document, answer)

    def test_odd(self) -> None:
        """What is no vector is an error."""
        odd: tuple[Any, ...] = (
            None,
            {},
            [None],
            ["a"],
            [[1]],
            [float("nan")],
            [float("inf")],
            [10**400],
            [1.7e308, 1.7e308],
            "AAA=",
            "!",
        )
        for vector in odd:
            embed = OllamaEmbed({"input": "a"}, circumstances())
            self.assertRaises(UpstreamError, embed.document, vectors(vector))

    def test_error(self) -> None:
        """An error that comes for an answer is raised in the engine's words."""
        embed = OllamaEmbed({"input": "a"}, circumstances())
        error = self.assertRaises(UpstreamError, embed.document, {"error": {"message": "no"}})
        self.assertEqual("no", error.message)


class EmbeddingTests(SynchronousTestCase):
    """
    L{OllamaEmbedding}.
    """

    def test_request(self) -> None:
        """One text is asked for."""
        self.assertEqual(
            {"model": "m", "input": "a", "encoding_format": "float"},
            OllamaEmbedding({"prompt": "a", "options": {}}, circumstances()).request("m"),
        )

    def test_answer(self) -> None:
        """One vector comes, as it is."""
        embedding = OllamaEmbedding({"prompt": "a"}, circumstances())
        self.assertEqual({"embedding": [3.0, 4.0]}, embedding.document(vectors([3, 4])))

    def test_wrong(self) -> None:
        """The prompt is a text."""
        self.assertRaises(BadRequest, OllamaEmbedding, {"prompt": ["a"]}, circumstances())

    def test_count(self) -> None:
        """There must be one vector."""
        embedding = OllamaEmbedding({"prompt": "a"}, circumstances())
        self.assertRaises(UpstreamError, embedding.document, vectors([1], [2]))
