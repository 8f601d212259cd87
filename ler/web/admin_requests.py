# -*- test-case-name: ler.test.test_admin_requests -*-
"""
The requests that are under way, for the operator to see, and to end.
"""

from __future__ import annotations

from typing import Any

from ler.errors import CutByOperator, UnknownPath
from ler.journal import Journal
from ler.web.endpoints import Endpoint

MOST = 1000
"""How many are shown."""


def requests_endpoint(journal: Journal) -> Endpoint:
    """
    @return: C{/admin/requests}, to be seen, and C{/admin/requests/ID} below
        it, to be deleted.
    """

    async def show(request: Any) -> Any:
        if any(request.postpath):
            raise UnknownPath("a request is not shown alone; GET /admin/requests shows all")
        entries = journal.requests(MOST)
        return {
            "under_way": journal.under_way,
            "requests": [entry.describe() for entry in entries],
        }

    async def cancel(request: Any) -> Any:
        id = b"/".join(request.postpath).decode("latin-1")
        entry = journal.get(id)
        if entry is None:
            raise UnknownPath(f"there is no request '{id[:60]}' under way; it may have ended")
        entry.cancel(CutByOperator("the operator has ended this request"))
        return {"cancelled": id}

    return Endpoint({"GET": show, "DELETE": cancel}, tail=True)
