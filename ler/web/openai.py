# -*- test-case-name: ler.test.test_openai -*-
"""
The C{/v1} surface: listings answer from the catalog; whatever names a model
goes to the engine that owns it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.web.resource import Resource

from ler.engines.catalog import Catalog, Entry
from ler.interfaces import Residency
from ler.web.endpoints import Endpoint, Missing
from ler.web.paths import decoded_tail, split_target

CREATED = 1767225600
"""A fixed date for models, which have none that a client could use."""

MODELS = b"/v1/models"


class V1(Resource):
    """
    Everything under C{/v1}.
    """

    def __init__(self, known: Mapping[bytes, Resource], routes: Resource) -> None:
        """
        @param known: what lives here, by its name.
        @param routes: what has everything else.
        """
        super().__init__()
        self._known = known
        self._routes = routes

    def getChild(self, path: bytes, request: Any) -> Resource:
        """
        @see: L{Resource.getChild}
        """
        if path == b"v1":
            # Users add it to a base URL that has it already.
            return self
        return self._known.get(path, self._routes)

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
        # Clients forget /v1, or say it twice.
        path = MODELS + path.partition(b"/models")[2]
        if path.rstrip(b"/") == MODELS:
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
        id = decoded_tail(path, MODELS + b"/")
        return listed(id, catalog.resolve(id))

    return Endpoint({"GET": get}, tail=True)
