# -*- test-case-name: ler.test.test_cors -*-
"""
Tests for L{ler.web.cors}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from ler.web.cors import EXPOSED, METHODS, mark, permission

PAGE = b"https://chat.example"

READABLE = [(b"Access-Control-Allow-Origin", PAGE), (b"Access-Control-Expose-Headers", EXPOSED)]


def asked(**more: bytes) -> Headers:
    """
    @return: the headers of a request, their dashes written as underscores.
    """
    return Headers({name.replace("_", "-").encode(): [value] for name, value in more.items()})


PREFLIGHT = asked(access_control_request_method=b"POST")


class PermissionTests(SynchronousTestCase):
    """
    What a page is told that it may do.
    """

    def test_nobody(self) -> None:
        """Where no page asks, or none that may, nothing is said."""
        self.assertEqual([], permission(b"POST", Headers(), None))
        self.assertEqual([], permission(b"OPTIONS", PREFLIGHT, None))

    def test_read(self) -> None:
        """A page may read the answer, and what helps with its errors."""
        self.assertEqual(READABLE, permission(b"POST", Headers(), PAGE))
        self.assertIn(b"X-Request-Id", EXPOSED)
        self.assertIn(b"Retry-After", EXPOSED)

    def test_not_asked(self) -> None:
        """Only what asks before a request is answered for that."""
        self.assertEqual(READABLE, permission(b"OPTIONS", Headers(), PAGE))
        self.assertEqual(READABLE, permission(b"POST", PREFLIGHT, PAGE))

    def test_asked(self) -> None:
        """A page may use any method, and need not ask again for a while."""
        said = dict(permission(b"OPTIONS", PREFLIGHT, PAGE))
        self.assertEqual(
            {
                **dict(READABLE),
                b"Access-Control-Allow-Methods": METHODS,
                b"Access-Control-Max-Age": b"600",
            },
            said,
        )

    def test_headers(self) -> None:
        """It may send the headers that it asks for, if those can be any."""
        for names, allowed in {
            b"authorization,content-type": b"authorization,content-type",
            b"X-API-Key, X-Stainless-OS": b"X-API-Key, X-Stainless-OS",
            b"": None,
            b"a\xff": None,
            b"a: b": None,
        }.items():
            said = dict(
                permission(
                    b"OPTIONS",
                    asked(
                        access_control_request_method=b"POST",
                        access_control_request_headers=names,
                    ),
                    PAGE,
                )
            )
            self.assertEqual(allowed, said.get(b"Access-Control-Allow-Headers"))

    def test_private_network(self) -> None:
        """A page of the internet may come into this network if the browser
        asks for that."""
        for value, allowed in {b"true": b"true", b"false": None}.items():
            headers = asked(
                access_control_request_method=b"POST",
                access_control_request_private_network=value,
            )
            said = dict(permission(b"OPTIONS", headers, PAGE))
            self.assertEqual(allowed, said.get(b"Access-Control-Allow-Private-Network"))


class MarkTests(SynchronousTestCase):
    """
    Answers that pages may read, or not.
    """

    def test_nobody(self) -> None:
        """What an engine says about pages does not count."""
        headers = Headers(
            {
                b"Access-Control-Allow-Origin": [b"*"],
                b"access-control-allow-credentials": [b"true"],
                b"Vary": [b"Accept"],
                b"X-A": [b"b"],
            }
        )
        mark(headers, [])
        self.assertEqual(
            [(b"Vary", [b"Accept"]), (b"X-A", [b"b"])], sorted(headers.getAllRawHeaders())
        )

    def test_marked(self) -> None:
        """Ours takes its place, once, and caches hear that answers differ."""
        headers = Headers({b"Access-Control-Allow-Origin": [b"*", b"x"]})
        mark(headers, READABLE)
        self.assertEqual([PAGE], headers.getRawHeaders(b"access-control-allow-origin"))
        self.assertEqual([EXPOSED], headers.getRawHeaders(b"access-control-expose-headers"))
        self.assertEqual([b"Origin"], headers.getRawHeaders(b"vary"))

    def test_vary(self) -> None:
        """What varies already goes on to."""
        for values, expected in (
            ([b"Accept"], [b"Accept", b"Origin"]),
            ([b"Accept, ORIGIN"], [b"Accept, ORIGIN"]),
            ([b"Accept", b"origin"], [b"Accept", b"origin"]),
            ([b"*"], [b"*"]),
        ):
            headers = Headers({b"Vary": list(values)})
            mark(headers, READABLE)
            self.assertEqual(expected, headers.getRawHeaders(b"vary"))
