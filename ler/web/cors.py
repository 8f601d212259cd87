# -*- test-case-name: ler.test.test_cors -*-
"""
What browsers want to hear before a web page may read an answer.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from twisted.web.http_headers import Headers

METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

EXPOSED = b"X-Request-Id, Request-Id, Retry-After, X-Should-Retry"
"""The headers of an answer that pages may read beside the harmless ones."""

MAX_AGE_S = 600
"""How long a browser need not ask again."""

_NAMES = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z, -]+")


def permission(method: bytes, asked: Headers, page: bytes | None) -> list[tuple[bytes, bytes]]:
    """
    @param asked: the headers of a request.
    @param page: the origin of the page that it comes from and that may read
        the answer; L{None} where there is none.
    @return: the headers of the answer that say so.
    """
    if page is None:
        return []
    said = [(b"Access-Control-Allow-Origin", page), (b"Access-Control-Expose-Headers", EXPOSED)]
    if method != b"OPTIONS" or not asked.hasHeader(b"access-control-request-method"):
        return said
    said += [
        (b"Access-Control-Allow-Methods", METHODS),
        (b"Access-Control-Max-Age", b"%d" % MAX_AGE_S),
    ]
    names = b", ".join(asked.getRawHeaders(b"access-control-request-headers", []))
    if _NAMES.fullmatch(names):
        said.append((b"Access-Control-Allow-Headers", names))
    # Asked where the page is of the internet, and the router is not.
    if asked.getRawHeaders(b"access-control-request-private-network") == [b"true"]:
        said.append((b"Access-Control-Allow-Private-Network", b"true"))
    return said


def mark(headers: Headers, granted: Collection[tuple[bytes, bytes]]) -> None:
    """
    Say in an answer what was granted.  What an engine says about pages is
    dropped: it does not know who may call the router.

    @param headers: of the answer.
    @param granted: as of L{permission}.
    """
    for name, _ in list(headers.getAllRawHeaders()):
        if name.lower().startswith(b"access-control-"):
            headers.removeHeader(name)
    for name, value in granted:
        headers.setRawHeaders(name, [value])
    if granted and not _varies(headers):
        headers.addRawHeader(b"Vary", b"Origin")


def _varies(headers: Headers) -> bool:
    """
    @return: whether caches are told already that pages get different answers.
    """
    values = b",".join(headers.getRawHeaders(b"vary", []))
    return not {b"origin", b"*"}.isdisjoint(name.strip().lower() for name in values.split(b","))
