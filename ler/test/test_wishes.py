# -*- test-case-name: ler.test.test_wishes -*-
"""
Tests for L{ler.web.wishes}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from ler.errors import BadRequest
from ler.slot.wish import ORDINARY, Priority, Wish
from ler.web.keys import Key
from ler.web.wishes import Wishes


class Request:
    """
    As much of a request as is looked at.
    """

    def __init__(self, key: Key | None = None, **headers: str) -> None:
        self.key = key
        self._headers = Headers(
            {f"x-router-{n.replace('_', '-')}": [v] for n, v in headers.items()}
        )

    def getHeader(self, name: bytes) -> Any:
        """
        @return: the value of a header.
        """
        return self._headers.getRawHeaders(name, [None])[0]


class WishesTests(SynchronousTestCase):
    """
    L{Wishes} reads them off a request.
    """

    def setUp(self) -> None:
        self.wishes = Wishes({"title-*": "resident", "quiet": "refuse"})

    def test_nothing_said(self) -> None:
        """
        A request that says nothing is an ordinary one.
        """
        self.assertEqual(self.wishes.of(Request(), "m"), ORDINARY)

    def test_values(self) -> None:
        """
        Words may be written as people do.
        """
        for said, priority in (("batch", Priority.BATCH), (" Background ", Priority.BACKGROUND)):
            self.assertEqual(self.wishes.of(Request(priority=said), "m"), Wish(priority))
        for said, truth in (("1", True), ("YES", True), ("false", False), ("0", False)):
            self.assertEqual(self.wishes.of(Request(no_swap=said), "m"), Wish(no_swap=truth))
        self.assertEqual(self.wishes.of(Request(deadline="1.5"), "m"), Wish(deadline=1.5))

    def test_nonsense(self) -> None:
        """
        What is no such value is refused.
        """
        for request in (
            Request(priority="high"),
            Request(deadline="0"),
            Request(deadline="-1"),
            Request(deadline="nan"),
            Request(deadline="inf"),
            Request(no_swap="2"),
        ):
            self.assertRaises(BadRequest, self.wishes.of, request, "m")

    def test_key(self) -> None:
        """
        What a key is for counts unless the request says otherwise.
        """
        key = Key(b"", frozenset(), wish=Wish(Priority.BATCH, no_swap=True))
        self.assertEqual(self.wishes.of(Request(key), "m"), Wish(Priority.BATCH, no_swap=True))
        said = Request(key, priority="interactive", no_swap="false")
        self.assertEqual(self.wishes.of(said, "m"), ORDINARY)

    def test_name(self) -> None:
        """
        So does what a name is for.
        """
        self.assertEqual(self.wishes.instead_of_swap("title-x"), "resident")
        self.assertIsNone(self.wishes.instead_of_swap("a-title-x"))
        self.assertEqual(self.wishes.of(Request(), "quiet"), Wish(no_swap=True))
        self.assertEqual(self.wishes.of(Request(no_swap="no"), "quiet"), ORDINARY)
