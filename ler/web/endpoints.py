# -*- test-case-name: ler.test.test_endpoints -*-
"""
The one bridge from twisted.web's C{render} to coroutines, for endpoints that
answer small documents.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from ler.errors import InternalError, RouterError, UnknownPath, WrongMethod
from ler.web.dialects import JSON, IDialect, Rendered, dialect_of

Handler = Callable[[Any], Awaitable[Any]]
"""From a request to a document: a value that JSON can hold, or a L{Document}."""


@dataclass(frozen=True)
class Document:
    """
    An answer that is not plain JSON with status 200.
    """

    body: bytes
    content_type: str = JSON
    status: int = 200


class Endpoint(Resource):
    """
    A resource whose methods are coroutines.
    """

    _log = Logger()

    def __init__(self, handlers: Mapping[str, Handler], *, tail: bool = False) -> None:
        """
        @param handlers: by HTTP method.  C{HEAD} is answered like C{GET}.
        @param tail: whether the paths below belong to it, too.
        """
        super().__init__()
        self.isLeaf = tail
        self._handlers = dict(handlers)
        if "GET" in self._handlers:
            self._handlers.setdefault("HEAD", self._handlers["GET"])

    def getChild(self, path: bytes, request: Any) -> Resource:
        """
        @see: L{Resource.getChild}
        """
        # A slash at the end makes no other path.
        return Missing() if path else self

    def render(self, request: Any) -> int:
        """
        @see: L{Resource.render}
        """
        work = Deferred.fromCoroutine(self._answer(request))
        request.notifyFinish().addErrback(lambda _: work.cancel())
        work.addErrback(lambda failure: self._log.failure("an endpoint failed", failure))
        return NOT_DONE_YET

    async def _answer(self, request: Any) -> None:
        try:
            answer(request, await self._handle(request))
        except RouterError as error:
            answer(request, error)
        except Exception:
            if request.channel is not None:
                self._log.failure("{path}", path=request.path)
                answer(request, InternalError("the router failed; its log has the traceback"))

    async def _handle(self, request: Any) -> Any:
        method = request.method.decode("latin-1")
        handler = self._handlers.get(method)
        if handler is None:
            allowed = ", ".join(sorted(self._handlers))
            raise WrongMethod(f"{method[:20]} is not for this path; {allowed} is", allowed)
        return await handler(request)


class Routed(Resource):
    """
    A resource that gives its requests to somebody else, or refuses them.
    """

    def render(self, request: Any) -> int:
        """
        @see: L{Resource.render}
        """
        try:
            self.route(request)
        except RouterError as error:
            refuse(request, dialect_of(request.path.decode("latin-1")), error)
        return NOT_DONE_YET

    def route(self, request: Any) -> None:
        """
        Find out who answers C{request}, and have it done.

        @raise RouterError: when nobody does.
        """
        raise NotImplementedError


class Missing(Resource):
    """
    Where nothing lives.
    """

    isLeaf = True

    def render(self, request: Any) -> int:
        """
        @see: L{Resource.render}
        """
        path = request.path.decode("latin-1")
        refuse(request, dialect_of(path), UnknownPath(f"there is nothing at {path[:200]}"))
        return NOT_DONE_YET


class Folder(Resource):
    """
    An inner node of the tree: it has children and nothing of its own.
    """

    def __init__(self, children: Mapping[str, Resource]) -> None:
        super().__init__()
        for name, child in children.items():
            self.putChild(name.encode(), child)

    def getChild(self, path: bytes, request: Any) -> Resource:
        """
        @see: L{Resource.getChild}
        """
        return Missing()

    def render(self, request: Any) -> int:
        """
        @see: L{Resource.render}
        """
        return Missing().render(request)


def answer(request: Any, said: Any) -> None:
    """
    @param said: what to answer: a L{RouterError}, a L{Document}, or a value
        that JSON can hold.
    """
    if isinstance(said, RouterError):
        refuse(request, dialect_of(request.path.decode("latin-1")), said)
        return
    if not isinstance(said, Document):
        said = Document(json.dumps(said, indent=1).encode() + b"\n")
    _write(request, Rendered(said.status, (("Content-Type", said.content_type),), said.body))


def refuse(request: Any, dialect: IDialect, error: RouterError) -> None:
    """
    Answer C{request} with C{error}.
    """
    _write(request, dialect.render(error, request.request_id))


def _write(request: Any, rendered: Rendered) -> None:
    """
    Answer C{request} with a whole response, unless its client has left.
    """
    if request.channel is None:
        return
    request.setResponseCode(rendered.status)
    for name, value in rendered.headers:
        request.setHeader(name.encode(), value.encode("utf-8"))
    request.setHeader(b"content-length", str(len(rendered.body)).encode())
    if request.method != b"HEAD":
        request.write(rendered.body)
    request.finish()
