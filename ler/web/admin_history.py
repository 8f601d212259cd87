# -*- test-case-name: ler.test.test_admin_history -*-
"""
The last swaps of all slots, in one list.
"""

from __future__ import annotations

from typing import Any

from ler.errors import BadRequest
from ler.slot.slots import Slots
from ler.web.endpoints import Endpoint
from ler.web.paths import query_of

LIMIT = 100
"""How many are told of unless the operator says so."""


def history_endpoint(slots: Slots) -> Endpoint:
    """
    @return: C{/admin/history}: what C{/status} tells of each swap that is
        over, and its C{slot}, the newest first.
    """

    async def show(request: Any) -> Any:
        limit = query_of(request.uri).get("limit", str(LIMIT))
        if not (limit.isascii() and limit.isdecimal() and len(limit) < 10):
            raise BadRequest("'limit' must be a number")
        swaps = [
            {"slot": slot["slot"], **swap}
            for slot in slots.describe()
            for swap in slot["last_swaps"]
        ]
        swaps.sort(key=lambda swap: float(swap["at"]), reverse=True)
        return {"swaps": swaps[: int(limit)]}

    return Endpoint({"GET": show})
