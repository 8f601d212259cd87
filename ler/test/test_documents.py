# -*- test-case-name: ler.test.test_documents -*-
"""
Tests for L{ler.web.documents}.
"""

from __future__ import annotations

from io import BytesIO
from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import InvalidJSON, MissingModel, RequestTooLarge, RouterError
from ler.web.documents import LONGEST, model_of, object_in


def request(body: bytes) -> Any:
    """
    @return: a request, as far as it is read.
    """
    return SimpleNamespace(content=BytesIO(body))


class ObjectTests(SynchronousTestCase):
    """
    L{object_in}
    """

    def test_object(self) -> None:
        """
        The body is a JSON object.
        """
        self.assertEqual({"model": "m"}, object_in(request(b' {"model": "m"}\n')))

    def test_refused(self) -> None:
        """
        Anything else is refused, and it is said why.
        """
        rows: list[tuple[bytes, type[RouterError], str]] = [
            (b"", InvalidJSON, "the body is empty; it must be a JSON object"),
            (b" \n", InvalidJSON, "the body is empty; it must be a JSON object"),
            (b"[]", InvalidJSON, "the body must be a JSON object"),
            (b'"m"', InvalidJSON, "the body must be a JSON object"),
            (b"{", InvalidJSON, "the body is not valid JSON: "),
            (b"\xff", InvalidJSON, "the body is not valid JSON: "),
            (b"[" * 500_000, InvalidJSON, "the body is not valid JSON: "),
            (b" " * (LONGEST + 1), RequestTooLarge, "the body is larger than 1 MiB"),
        ]
        for body, kind, message in rows:
            error = self.assertRaises(kind, object_in, request(body))
            self.assertTrue(error.message.startswith(message), error.message)


class ModelTests(SynchronousTestCase):
    """
    L{model_of}
    """

    def test_model(self) -> None:
        """
        The model has two keys; the newer goes first, unless it is empty.
        """
        for asked in (
            {"model": "m"},
            {"name": "m"},
            {"model": "m", "name": "x"},
            {"model": "", "name": "m"},
            {"model": None, "name": "m"},
        ):
            self.assertEqual("m", model_of(asked))

    def test_none(self) -> None:
        """
        Without one there is nothing to be done.
        """
        rows: list[dict[str, Any]] = [{}, {"model": ""}, {"name": " "}, {"model": 5}, {"name": []}]
        for asked in rows:
            self.assertRaises(MissingModel, model_of, asked)
