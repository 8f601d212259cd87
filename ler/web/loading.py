# -*- test-case-name: ler.test.test_routes -*-
"""
Clients of Ollama that ask nothing: they want a model loaded, or unloaded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from twisted.internet.defer import Deferred

from ler.interfaces import Residency
from ler.slot.leases import Lease
from ler.slot.wish import Wish
from ler.web.asking import Inquiry
from ler.web.endpoints import Document
from ler.web.translation.contract import Circumstances
from ler.web.translation.ollama.idioms import Kind, is_load, keep_alive_of, loaded

GENERATING = frozenset({"chat", "generate"})


class Loading:
    """
    Brings models up for clients that have no question yet.
    """

    def __init__(
        self,
        acquire: Callable[[Residency, Wish], Deferred[Lease]],
        keep: Callable[[Residency, float], None],
    ) -> None:
        """
        @param acquire: asks for a lease.
        @param keep: is told for how many seconds of idleness a client wants a
            model kept; 0 for no longer.
        """
        self._acquire = acquire
        self._keep = keep

    def concerns(self, path: str, document: Mapping[str, Any]) -> bool:
        """
        @param path: one of the endpoints that name a model under C{/api}.
        @param document: the request.
        @return: whether it asks nothing.
        """
        return is_load(_kind(path), document)

    async def serve(self, inquiry: Inquiry, document: Mapping[str, Any]) -> Document:
        """
        @return: the answer to a request that asks nothing, once it is so.
        """
        kind, target = _kind(inquiry.path), inquiry.entry.residency
        seconds = keep_alive_of(document)
        unload = seconds == 0 and kind in GENERATING
        if not unload:
            lease = await self._acquire(target, inquiry.wish)
            lease.release()
        if seconds is not None:
            self._keep(target, seconds)
        said = loaded(kind, Circumstances(inquiry.model), unloaded=unload)
        # One line: a client may have asked for a stream of lines.
        return Document(json.dumps(said).encode("ascii") + b"\n")


def _kind(path: str) -> Kind:
    return cast(Kind, path.rpartition("/")[2])
