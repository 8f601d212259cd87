# -*- test-case-name: ler.test.test_ui,ler.test.test_live_page -*-
"""
C{/ui/}: the live page, a few files that hold nothing of this router; what the
page shows it asks for itself, with the key that it is given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from ler.errors import RouterError, WrongMethod
from ler.web.dialects import dialect_of
from ler.web.endpoints import Folder, Missing, refuse

INDEX = "index.html"

TYPES = {
    "html": b"text/html; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
}

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # No text becomes markup, not even by mistake.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
).encode()

HEADERS = {
    b"Content-Security-Policy": POLICY,
    b"X-Content-Type-Options": b"nosniff",
    b"Referrer-Policy": b"no-referrer",
    b"Cross-Origin-Opener-Policy": b"same-origin",
    b"Cache-Control": b"no-cache",
}


class PageFile(Resource):
    """
    One file of the page.
    """

    isLeaf = True

    def __init__(self, name: str, content: bytes) -> None:
        super().__init__()
        self._content = content
        self._type = TYPES[name.rpartition(".")[2]]
        self._etag = b'"%s"' % hashlib.sha256(content).hexdigest()[:32].encode()

    def render(self, request: Any) -> int | bytes:
        """
        @see: L{Resource.render}
        """
        if any(request.postpath):
            return Missing().render(request)
        if request.method not in (b"GET", b"HEAD"):
            error: RouterError = WrongMethod("the page takes GET", "GET, HEAD")
            refuse(request, dialect_of(request.path.decode("latin-1")), error)
            return NOT_DONE_YET
        for name, value in HEADERS.items():
            request.setHeader(name, value)
        request.setHeader(b"content-type", self._type)
        if request.setETag(self._etag):
            return b""
        request.setHeader(b"content-length", str(len(self._content)).encode())
        return b"" if request.method == b"HEAD" else self._content


class PageFolder(Folder):
    """
    The page, at the path that its relative links need.
    """

    def render(self, request: Any) -> int:
        """
        @see: L{Resource.render}
        """
        # Relative, since a proxy in front may know us by a longer path.
        request.redirect(b"ui/")
        request.finish()
        return NOT_DONE_YET


def page_files() -> Mapping[str, bytes]:
    """
    @return: the files of the page, by name.
    """
    folder = files("ler.web").joinpath("page")
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def page_resource() -> PageFolder:
    """
    @return: C{/ui}, and the files below it.
    """
    resources = {name: PageFile(name, content) for name, content in page_files().items()}
    return PageFolder({**resources, "": resources[INDEX]})
