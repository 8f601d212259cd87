# -*- test-case-name: ler.test.test_gate -*-
"""
Who may come in: key, Host, Origin and declared size, judged on the headers
alone, before a byte of the body is read.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from twisted.web.http_headers import Headers

from ler.config.values import is_loopback
from ler.errors import (
    BadRequest,
    ForeignHost,
    InvalidKey,
    RequestTooLarge,
    RouterError,
    UnsupportedEncoding,
)
from ler.web.paths import normal_path, split_target

MIB = 1 << 20

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

APP_SCHEMES = frozenset({"app", "file", "tauri", "vscode-webview", "vscode-file"})
"""Origins of programs on this machine; no web page can have one."""

OPEN_PATHS = frozenset({"/health", "/ui"})
"""What is told without a key."""

PAGE = "/ui/"
"""What is below is, too: the live page shows nothing before it is given one."""


@dataclass(frozen=True)
class Gate:
    """
    The rules of entry.

    @ivar keys: digests of the keys of clients; none means that all are let in.
    @ivar hosts: names in C{Host} to accept, whatever the port; L{None} for
        any.
    @ivar origins: further values of C{Origin} to accept; L{None} for any.
    @ivar max_body: the largest body in bytes.
    @ivar max_upload: the largest multipart body in bytes.
    """

    keys: Sequence[bytes]
    hosts: Collection[str] | None
    origins: Collection[str] | None
    max_body: int
    max_upload: int

    def check(self, target: bytes, headers: Headers, length: int | None) -> None:
        """
        Judge a request by its head.

        @param target: the request target, as it came.
        @param length: the declared length of the body in bytes; L{None} when
            it comes in chunks.
        @raise RouterError: when it may not come in.
        """
        self._check_shape(headers)
        self._check_host(headers)
        path, _ = split_target(target)
        # An id of a model may hold anything, escapes too.
        named = path.startswith(b"/v1/models/")
        if named or not _is_open(normal_path(path)):
            self._check_key(headers)
        if length is not None and length > self.limit(headers):
            raise self.too_large(headers)
        encoding = headers.getRawHeaders(b"content-encoding", [b"identity"])
        if [value.strip().lower() for value in encoding] != [b"identity"]:
            raise UnsupportedEncoding(
                "compressed request bodies are not read; send the body as it is"
            )

    def limit(self, headers: Headers) -> int:
        """
        @return: how many bytes the body may have.
        """
        content_type = headers.getRawHeaders(b"content-type", [b""])[0].lower()
        return self.max_upload if content_type.startswith(b"multipart/") else self.max_body

    def too_large(self, headers: Headers) -> RouterError:
        """
        @return: what to say to a body over the limit.
        """
        return RequestTooLarge(
            f"the body is larger than {self.limit(headers) / MIB:g} MiB "
            "(max_body_mb, or max_upload_mb for multipart)"
        )

    def _check_shape(self, headers: Headers) -> None:
        """
        Refuse what two parsers could understand in two ways.
        """
        codings = headers.getRawHeaders(b"transfer-encoding", [])
        if codings and headers.hasHeader(b"content-length"):
            raise BadRequest("a request has a Content-Length or a Transfer-Encoding, not both")
        if any(coding.lower() != b"chunked" for coding in codings):
            raise BadRequest("the only Transfer-Encoding is chunked")
        for name in (b"content-length", b"transfer-encoding", b"host", b"content-type"):
            if len(headers.getRawHeaders(name, [])) > 1:
                raise BadRequest(f"the header {name.decode()} must not be repeated")

    def _check_host(self, headers: Headers) -> None:
        host = headers.getRawHeaders(b"host", [b""])[0].decode("latin-1")
        if self.hosts is not None and host and host_name(host) not in self.hosts:
            raise ForeignHost(
                f"the Host header names '{host[:100]}', not this router; "
                "add it to 'allowed_hosts' if it should"
            )
        for value in headers.getRawHeaders(b"origin", []):
            self._check_origin(value.decode("latin-1"), host)

    def _check_origin(self, origin: str, host: str) -> None:
        if self.origins is None or origin in self.origins:
            return
        try:
            parts = urlsplit(origin)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme in APP_SCHEMES or parts.hostname in LOOPBACK:
            return
        if host and parts.netloc == host:
            return
        raise ForeignHost(
            f"web pages of '{origin[:100]}' may not call this router; "
            "add it to 'allowed_origins' if they should"
        )

    def _check_key(self, headers: Headers) -> None:
        if not self.keys:
            return
        shown = [value.strip() for value in headers.getRawHeaders(b"x-api-key", [])]
        for value in headers.getRawHeaders(b"authorization", []):
            scheme, _, key = value.partition(b" ")
            if scheme.lower() == b"bearer":
                shown.append(key.strip())
        # Every shown key is held against every known one, whatever matches,
        # so that the time tells nothing.
        known = [
            hmac.compare_digest(digest(key), expected) for key in shown for expected in self.keys
        ]
        if not any(known):
            raise InvalidKey(
                "the API key is wrong"
                if shown
                else "an API key is needed: send it as "
                "'Authorization: Bearer <key>' or 'X-API-Key: <key>'"
            )


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(PAGE)


def digest(key: bytes) -> bytes:
    """
    @return: a fixed-length stand-in for C{key}, to compare in constant time.
    """
    return hashlib.sha256(key).digest()


def host_name(host: str) -> str:
    """
    @param host: the value of a C{Host} header.
    @return: the name in it, in lower case, without port or brackets.
    """
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if host.count(":") == 1 else host.lower()


def make_gate(
    *,
    host: str,
    api_keys: Sequence[str],
    allowed_hosts: Collection[str],
    allowed_origins: Collection[str],
    max_body_mb: float,
    max_upload_mb: float,
) -> Gate:
    """
    @param host: the address that the router listens on.  Host and Origin are
        judged on a loopback address, where no key keeps web pages out.
    @return: the L{Gate} of a configuration.
    """
    guarded = is_loopback(host)
    hosts: set[str] | None = {*LOOPBACK, host.lower(), *map(host_name, allowed_hosts)}
    origins: set[str] | None = set(allowed_origins)
    return Gate(
        keys=tuple(digest(key.encode("utf-8")) for key in api_keys),
        hosts=hosts if guarded and "*" not in allowed_hosts else None,
        origins=origins if guarded and "*" not in allowed_origins else None,
        max_body=int(max_body_mb * MIB),
        max_upload=int(max_upload_mb * MIB),
    )
