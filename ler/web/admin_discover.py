# -*- test-case-name: ler.test.test_admin_discover -*-
"""
Asks the engines for their models when the operator wants it, rather than when
it is due.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ler.engines.catalog import Catalog
from ler.web.admin import asked_document
from ler.web.endpoints import Endpoint


def discover_endpoint(
    ask: Callable[[], Awaitable[Mapping[str, Any]]], catalog: Catalog
) -> Endpoint:
    """
    @param ask: as of L{Listing.ask<ler.engines.listing.Listing.ask>}.
    @return: C{/admin/discover}: by engine with C{discover_models} what it
        lists, C{null} for one that does not run or does not answer; and who
        owns which model now.
    """

    async def discover(request: Any) -> Any:
        asked_document(request)
        engines = await ask()
        return {
            "engines": engines,
            "models": [{"id": entry.id, "engine": entry.engine} for entry in catalog.entries()],
        }

    return Endpoint({"POST": discover})
