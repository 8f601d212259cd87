# -*- test-case-name: ler.test.test_openai -*-
"""
The C{/v1} surface: every POST that names a model goes to the engine that owns
it, whatever its path; listings answer from the catalog.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from ler.engines.catalog import Catalog, Entry
from ler.errors import (
    ControlPath,
    RouterError,
    UnknownPath,
    UnsupportedEncoding,
    WrongMethod,
)
from ler.interfaces import Residency
from ler.upstream import header_list, upward
from ler.web.body import JSONBody
from ler.web.dialects import STREAMS, dialect_of
from ler.web.endpoints import Endpoint, Missing, answer, refuse
from ler.web.paths import decoded_tail, normal_path, split_target
from ler.web.relay import Job, Relay

CREATED = 1767225600
"""A fixed date for models, which have none that a client could use."""

MODELS = "/v1/models"

COUNT_TOKENS = "/v1/messages/count_tokens"

CHARACTERS_PER_TOKEN = 4


class V1(Resource):
    """
    Everything under C{/v1}.
    """

    def __init__(self, models: Resource, routes: Resource) -> None:
        super().__init__()
        self._models = models
        self._routes = routes

    def getChild(self, path: bytes, request: Any) -> Resource:
        """
        @see: L{Resource.getChild}
        """
        return self._models if path == b"models" else self._routes

    def render(self, request: Any) -> int:
        """
        @see: L{Resource.render}
        """
        return Missing().render(request)


def model_listing(catalog: Catalog, is_loaded: Callable[[Residency], bool]) -> Endpoint:
    """
    @param is_loaded: whether a model is in memory.
    @return: C{/v1/models} and C{/v1/models/ID}, from memory alone: no engine
        is asked, so that none is waited for.
    """

    def listed(id: str, entry: Entry) -> dict[str, Any]:
        # Both the OpenAI and the Anthropic SDK can read this.
        return {
            "id": id,
            "object": "model",
            "created": CREATED,
            "owned_by": entry.engine,
            "name": entry.display_name,
            "context_length": entry.context_length,
            "loaded": is_loaded(entry.residency),
            "type": "model",
            "display_name": entry.display_name,
            "created_at": "2026-01-01T00:00:00Z",
        }

    async def get(request: Any) -> Any:
        path, _ = split_target(request.uri)
        if path.rstrip(b"/") == MODELS.encode():
            data = [listed(entry.id, entry) for entry in catalog.entries()]
            data += [listed(alias, entry) for alias, entry in catalog.aliases()]
            ids = [model["id"] for model in data]
            return {
                "object": "list",
                "data": data,
                "has_more": False,
                "first_id": ids[0] if ids else None,
                "last_id": ids[-1] if ids else None,
            }
        id = decoded_tail(path, b"/v1/models/")
        return listed(id, catalog.resolve(id))

    return Endpoint({"GET": get}, tail=True)


class ModelRoutes(Resource):
    """
    Sends requests to the owners of their models.
    """

    isLeaf = True

    def __init__(
        self,
        catalog: Catalog,
        relay: Relay,
        *,
        control_paths: Collection[str],
        upstream_headers: Mapping[str, Mapping[str, str]],
        is_resident: Callable[[Residency], bool],
        guarded: bool,
        max_json_depth: int,
    ) -> None:
        """
        @param control_paths: paths that change what an engine holds, whatever
            stands before them: some engines look at the end of a path only.
        @param upstream_headers: what each engine's configuration adds.
        @param is_resident: whether a model can be asked without a swap.
        @param guarded: whether clients show keys to the router.
        """
        super().__init__()
        self._catalog = catalog
        self._relay = relay
        self._control_paths = tuple(map(str.lower, control_paths))
        self._upstream_headers = upstream_headers
        self._is_resident = is_resident
        self._guarded = guarded
        self._max_json_depth = max_json_depth

    def render(self, request: Any) -> int:
        """
        @see: L{Resource.render}
        """
        try:
            path, query = split_target(request.uri)
            normal = normal_path(path)
            self._route(request, normal, query)
        except RouterError as error:
            refuse(request, dialect_of(request.path.decode("latin-1")), error)
        return NOT_DONE_YET

    def _route(self, request: Any, path: str, query: bytes) -> None:
        if request.method != b"POST":
            if path in STREAMS or path == COUNT_TOKENS:
                raise WrongMethod(f"{path} takes POST", "POST")
            raise UnknownPath(f"there is nothing at {path}")
        if path.lower().endswith(self._control_paths):
            raise ControlPath(
                f"{path} changes what an engine holds, which is for the router to decide; "
                "use POST /admin/swap or /admin/unload"
            )
        if (request.getHeader(b"content-type") or b"").lower().startswith(b"multipart/"):
            raise UnsupportedEncoding("multipart bodies are not routed; send JSON")
        body = JSONBody(request.content, self._max_json_depth)
        entry = self._catalog.resolve(body.model)
        if path == COUNT_TOKENS and not self._is_resident(entry.residency):
            estimate(request)
            return
        headers = header_list(request.requestHeaders)
        self._relay.carry(
            request,
            dialect_of(path),
            Job(
                residency=entry.residency,
                method=request.method,
                target=path.encode("ascii") + query,
                headers=upward(
                    headers,
                    guarded=self._guarded,
                    added=self._upstream_headers.get(entry.engine, {}),
                ),
                parts=body.rewritten(
                    entry.upstream_name,
                    entry.thinking_floor if path.endswith("chat/completions") else None,
                ),
                model=body.model,
                streams=body.stream and path in STREAMS,
            ),
        )


def estimate(request: Any) -> None:
    """
    Count tokens by the length of the body: good enough for a client that wants
    to know whether a conversation still fits, and no reason to start an engine.
    """
    request.content.seek(0, 2)
    size = request.content.tell()
    answer(request, {"input_tokens": max(1, size // CHARACTERS_PER_TOKEN)})
