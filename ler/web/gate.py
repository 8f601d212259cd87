# -*- test-case-name: ler.test.test_gate -*-
"""
Who may come in: key, Host, Origin and declared size, judged on the headers
alone, before a byte of the body is read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from twisted.web.http_headers import Headers

from ler.config import ApiKey
from ler.config.values import is_loopback
from ler.errors import (
    BadRequest,
    ForeignHost,
    RequestTooLarge,
    RouterError,
    UnsupportedEncoding,
)
from ler.web.keys import Key, admit, known_keys
from ler.web.paths import normal_path, split_target

MIB = 1 << 20

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

APP_SCHEMES = frozenset({"app", "file", "tauri", "vscode-webview", "vscode-file"})
"""Origins of programs on this machine; no web page can have one."""

BLOBS = b"/api/blobs/"
"""Where Ollama's clients send whole models."""

OPEN_PATHS = frozenset({"/health", "/ui"})
"""What is told without a key."""

PAGE = "/ui/"
"""What is below is, too: the live page shows nothing before it is given one."""

_MODELS = re.compile(rb"(?:/v1)*/models(?:/|\Z)")


@dataclass(frozen=True)
class Gate:
    """
    The rules of entry.

    @ivar keys: the keys of clients; none means that all are let in.
    @ivar hosts: names in C{Host} to accept, whatever the port; L{None} for
        any.
    @ivar origins: further values of C{Origin} to accept; L{None} for any.
    @ivar max_body: the largest body in bytes.
    @ivar max_upload: the largest multipart body in bytes.
    @ivar open_paths: what is told without a key.
    @ivar cors: whether pages of accepted origins may read the answers.
    """

    keys: Sequence[Key]
    hosts: Collection[str] | None
    origins: Collection[str] | None
    max_body: int
    max_upload: int
    open_paths: Collection[str] = OPEN_PATHS
    cors: bool = True

    def check(
        self, method: bytes, target: bytes, headers: Headers, length: int | None
    ) -> Key | None:
        """
        Judge a request by its head.

        @param target: the request target, as it came.
        @param length: the declared length of the body in bytes; L{None} when
            it comes in chunks.
        @return: the key that it shows, where one is needed.
        @raise RouterError: when it may not come in.
        """
        self._check_shape(headers)
        self._check_host(headers)
        path = _judged(target)
        key = None
        # Browsers ask what they may do before they show a key.
        if self.keys and not self._is_open(path) and method != b"OPTIONS":
            key = admit(self.keys, headers, path)
        if length is not None and length > self.limit(target, headers):
            raise self.too_large(target, headers)
        encoding = headers.getRawHeaders(b"content-encoding", [b"identity"])
        if [value.strip().lower() for value in encoding] != [b"identity"]:
            raise UnsupportedEncoding(
                "compressed request bodies are not read; send the body as it is"
            )
        return key

    def _is_open(self, path: str) -> bool:
        return path in self.open_paths or path.startswith(PAGE)

    def page(self, headers: Headers) -> bytes | None:
        """
        @return: the origin of the web page that may read the answer to a
            request with C{headers}; L{None} where there is none.
        """
        origins = headers.getRawHeaders(b"origin", [])
        if not self.cors or len(origins) != 1:
            return None
        try:
            self._check_host(headers)
        except ForeignHost:
            return None
        return origins[0]

    def limit(self, target: bytes, headers: Headers) -> int:
        """
        @return: how many bytes the body may have.
        """
        content_type = headers.getRawHeaders(b"content-type", [b""])[0].lower()
        uploads = content_type.startswith(b"multipart/") or target.startswith(BLOBS)
        return self.max_upload if uploads else self.max_body

    def too_large(self, target: bytes, headers: Headers) -> RouterError:
        """
        @return: what to say to a body over the limit.
        """
        return RequestTooLarge(
            f"the body is larger than {self.limit(target, headers) / MIB:g} MiB "
            "(max_body_mb, or max_upload_mb for uploads)"
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


def _judged(target: bytes) -> str:
    """
    @return: the path that decides what a request with C{target} may do.
    """
    path, _ = split_target(target)
    # The id of a model follows, which may hold anything, escapes too.
    if _MODELS.match(path) is not None:
        return "/v1/models"
    if path.startswith(b"/upstream/"):
        return "/upstream"
    return normal_path(path)


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
    api_keys: Sequence[ApiKey],
    allowed_hosts: Collection[str],
    allowed_origins: Collection[str],
    max_body_mb: float,
    max_upload_mb: float,
    metrics_auth: bool = True,
    cors: bool = True,
) -> Gate:
    """
    @param host: the address that the router listens on.  Host is judged on a
        loopback address, Origin also where no key keeps web pages out.
    @param metrics_auth: whether C{/metrics} is told to those with a key only.
    @return: the L{Gate} of a configuration.
    """
    guarded = is_loopback(host)
    hosts: set[str] | None = {*LOOPBACK, host.lower(), *map(host_name, allowed_hosts)}
    origins: set[str] | None = set(allowed_origins)
    return Gate(
        keys=known_keys(api_keys),
        hosts=hosts if guarded and "*" not in allowed_hosts else None,
        origins=origins if (guarded or not api_keys) and "*" not in allowed_origins else None,
        max_body=int(max_body_mb * MIB),
        max_upload=int(max_upload_mb * MIB),
        open_paths=OPEN_PATHS if metrics_auth else OPEN_PATHS | {"/metrics"},
        cors=cors,
    )
