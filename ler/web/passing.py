# -*- test-case-name: ler.test.test_passing -*-
"""
Requests, and websockets, that are the engine's business alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ler.engines.catalog import Entry
from ler.upstream import FileSpan
from ler.web.dialects import RAW
from ler.web.job import Job
from ler.web.relay import Relay
from ler.web.upward import Upward
from ler.web.websocket import Websockets, is_websocket


class Passing:
    """
    Has them carried under a lease, as they are.
    """

    def __init__(
        self,
        relay: Relay,
        websockets: Websockets,
        upward: Upward,
        permit: Callable[[Entry], None],
    ) -> None:
        """
        @param permit: raises a L{RouterError} for a model that may not be used.
        """
        self._relay = relay
        self._websockets = websockets
        self._upward = upward
        self._permit = permit

    def carry(self, request: Any, entry: Entry, model: str, target: bytes) -> None:
        """
        Answer C{request} with what an engine says to it.

        @param entry: the model whose engine is asked.
        @param model: the name that the client used for that.
        @param target: path and query, as the engine gets them.
        @raise RouterError: when the model may not be used.
        """
        self._permit(entry)
        size = request.content.seek(0, os.SEEK_END)
        job = Job(
            engine=entry.engine,
            residency=entry.residency,
            method=request.method,
            target=target,
            headers=self._upward.headers(request, entry.engine),
            parts=[FileSpan(request.content, 0, size)] if size else [],
            model=model,
        )
        if is_websocket(request):
            self._websockets.carry(request, RAW, job)
        else:
            self._relay.carry(request, RAW, job)
