# -*- test-case-name: ler.test.test_realtime -*-
"""
C{/v1/realtime?model=ID}: a websocket, of which the router understands the name
of the model.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote_plus

from twisted.web.resource import Resource

from ler.engines.catalog import Catalog
from ler.errors import BadRequest, MissingModel, WrongMethod
from ler.web.endpoints import Routed
from ler.web.passing import Passing
from ler.web.paths import split_target
from ler.web.websocket import is_websocket

PATH = "/v1/realtime"


class Realtime(Routed):
    """
    The endpoint.
    """

    def __init__(self, catalog: Catalog, passing: Passing, below: Resource) -> None:
        """
        @param below: what has the paths below this one.
        """
        super().__init__()
        self._catalog = catalog
        self._passing = passing
        self._below = below

    def getChild(self, path: bytes, request: Any) -> Resource:
        """
        @see: L{Resource.getChild}
        """
        return self._below if path else self

    def route(self, request: Any) -> None:
        """
        @see: L{Routed.route}
        """
        if request.method != b"GET":
            raise WrongMethod(f"{PATH} takes GET", "GET")
        if not is_websocket(request):
            raise BadRequest(
                f"{PATH} is a websocket; ask for one with the headers of its handshake "
                "(proxies before this router may have to be told to pass them)",
                headers=(("Upgrade", "websocket"),),
            )
        _, query = split_target(request.uri)
        asked = query[1:].decode("ascii").split("&")
        named = [at for at, field in enumerate(asked) if field.partition("=")[0] == "model"]
        name = unquote_plus(asked[named[0]].partition("=")[2]) if len(named) == 1 else ""
        if not name.strip():
            raise MissingModel(f"name the model in the query: {PATH}?model=ID")
        entry = self._catalog.resolve(name)
        if entry.upstream_name != name:
            asked[named[0]] = f"model={quote(entry.upstream_name, safe='')}"
        target = f"{PATH}?{'&'.join(asked)}"
        self._passing.carry(request, entry, name, target.encode("ascii"))
