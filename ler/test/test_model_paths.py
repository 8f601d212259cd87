# -*- test-case-name: ler.test.test_model_paths -*-
"""
Tests for L{ler.web.model_paths}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ler.web.model_paths import UNVERSIONED, VERSIONED, canonical


class CanonicalTests(SynchronousTestCase):
    """
    L{canonical} finds what a client means.
    """

    def test_meant(self) -> None:
        """
        A version that is forgotten or said twice makes no other path.
        """
        for path, meant in (
            ("/v1/chat/completions", "/v1/chat/completions"),
            ("/chat/completions", "/v1/chat/completions"),
            ("/v1/v1/v1/messages", "/v1/messages"),
            ("/messages/count_tokens", "/v1/messages/count_tokens"),
            ("/audio/transcriptions", "/v1/audio/transcriptions"),
            ("/rerank", "/rerank"),
            ("/v1/rerank", "/v1/rerank"),
            ("/completion", "/completion"),
            ("/api/chat", "/api/chat"),
            ("/", "/"),
        ):
            self.assertEqual(canonical(path), (meant, None))

    def test_named(self) -> None:
        """
        A path may hold the name of a model, with slashes in it.
        """
        for path, meant, name in (
            ("/openai/deployments/m/chat/completions", "/v1/chat/completions", "m"),
            ("/v1/engines/org/name/completions", "/v1/completions", "org/name"),
            ("/v1/engines/m/embeddings", "/v1/embeddings", "m"),
        ):
            self.assertEqual(canonical(path), (meant, name))

    def test_other(self) -> None:
        """
        What only begins like such a path is another.
        """
        for path in ("/openai/deployments/m", "/v1/engines/m/x", "/x/v1/engines/m/completions"):
            self.assertEqual(canonical(path), (path, None))

    def test_apart(self) -> None:
        """
        No path is both under the version and beside it.
        """
        self.assertEqual(VERSIONED & UNVERSIONED, frozenset())
