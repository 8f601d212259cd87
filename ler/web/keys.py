# -*- test-case-name: ler.test.test_keys -*-
"""
The keys of clients, and what each of them opens.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from twisted.web.http_headers import Headers

from ler.config import ApiKey
from ler.errors import Forbidden, InvalidKey
from ler.slot.wish import ORDINARY, Priority, Wish

WEBSOCKET_KEY = "openai-insecure-api-key."
"""How the subprotocol begins by which a browser shows a key: it can set no
other header of a websocket."""

INFERENCE = frozenset({"inference", "admin"})
READ = frozenset({"read", "admin"})
LISTING = INFERENCE | READ
ADMIN = frozenset({"admin"})

SCOPES = {
    "/": LISTING,
    "/v1/models": LISTING,
    "/api/tags": LISTING,
    "/api/show": LISTING,
    "/api/ps": LISTING,
    "/api/version": LISTING,
    "/api/me": LISTING,
    "/api/status": LISTING,
    "/status": READ,
    "/events": READ,
    "/logs": READ,
    "/metrics": READ,
    "/admin": ADMIN,
    "/upstream": ADMIN,
    "/api/blobs": ADMIN,
    "/api/copy": ADMIN,
    "/api/create": ADMIN,
    "/api/delete": ADMIN,
    "/api/pull": ADMIN,
    "/api/push": ADMIN,
}
"""By path, and what is below it: the scopes of which a key needs one.  All
other paths are for inference."""


@dataclass(frozen=True)
class Key:
    """
    A key that is known, by its hash only.

    @ivar digest: its SHA-256.
    @ivar scopes: what it opens.
    @ivar label: what it is called in the log.
    @ivar wish: how its requests would like to be treated.
    """

    digest: bytes
    scopes: frozenset[str]
    label: str | None = None
    wish: Wish = ORDINARY


def known_keys(configured: Iterable[ApiKey]) -> tuple[Key, ...]:
    """
    @return: the keys of a configuration.
    """
    return tuple(
        Key(
            key.digest,
            frozenset(key.scopes),
            key.label,
            Wish(Priority(key.priority), no_swap=key.no_swap),
        )
        for key in configured
    )


def scopes_of(path: str) -> frozenset[str]:
    """
    @param path: in its normal form.
    @return: the scopes of which a key needs one there.
    """
    first, _, rest = path[1:].partition("/")
    second = rest.partition("/")[0]
    return SCOPES.get(f"/{first}") or SCOPES.get(f"/{first}/{second}") or INFERENCE


def admit(keys: Sequence[Key], headers: Headers, path: str) -> Key:
    """
    @param keys: all that are known.
    @return: the one that opens C{path} to a request with C{headers}.
    @raise InvalidKey: when it shows none that is known.
    @raise Forbidden: when it shows one that does not open C{path}.
    """
    shown = _shown(headers)
    # Every shown key is held against every known one, whatever matches, so
    # that the time tells nothing.
    found = [key for digest in shown for key in keys if hmac.compare_digest(digest, key.digest)]
    if not found:
        raise InvalidKey(
            "the API key is wrong"
            if shown
            else "an API key is needed: send it as "
            "'Authorization: Bearer <key>' or 'X-API-Key: <key>'"
        )
    wanted = scopes_of(path)
    for key in found:
        if key.scopes & wanted:
            return key
    scopes = " or ".join(sorted(wanted - ADMIN) or ADMIN)
    raise Forbidden(
        f"this key{_named(found[0])} does not open {path[:100]}, which takes the scope {scopes}; "
        "add that to its 'scopes' in 'api_keys', or use another key"
    )


def _shown(headers: Headers) -> list[bytes]:
    """
    @return: hashes of the keys that a request shows.
    """
    shown = list(headers.getRawHeaders(b"x-api-key", []))
    for value in headers.getRawHeaders(b"authorization", []):
        scheme, _, key = value.partition(b" ")
        if scheme.lower() == b"bearer":
            shown.append(key)
    prefix = WEBSOCKET_KEY.encode()
    for value in headers.getRawHeaders(b"sec-websocket-protocol", []):
        protocols = map(bytes.strip, value.split(b","))
        shown += [name[len(prefix) :] for name in protocols if name.startswith(prefix)]
    return [hashlib.sha256(key.strip()).digest() for key in shown]


def _named(key: Key) -> str:
    return "" if key.label is None else f" ({key.label})"
