# -*- test-case-name: ler.test.test_engine_logs -*-
"""
What engines print, and what the router logs, for whoever wants to look.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ler.errors import BadRequest, UnknownPath
from ler.interfaces import ILog
from ler.lines import LINES
from ler.web.endpoints import Document, Endpoint
from ler.web.event_stream import Audience, StreamEndpoint
from ler.web.log_stream import LogStream
from ler.web.paths import query_of

TEXT = "text/plain; charset=utf-8"

SHOWN = 100
"""How many lines are shown unless so many are asked for."""


class Logs:
    """
    The logs that there are.
    """

    def __init__(self, router: ILog, engines: Mapping[str, ILog], known: Collection[str]) -> None:
        """
        @param router: of the router itself.
        @param engines: of those engines that have one here, by key.
        @param known: the keys of all engines.
        """
        self._router = router
        self.renew(engines, known)

    def renew(self, engines: Mapping[str, ILog], known: Collection[str]) -> None:
        """
        There are other engines now; as of L{__init__}.
        """
        self._engines = engines
        self._known = known

    def get(self, key: str | None) -> ILog:
        """
        @param key: of an engine, or L{None} for the router.
        @raise UnknownPath: when there is no such log.
        """
        if key is None:
            return self._router
        if key in self._engines:
            return self._engines[key]
        if key in self._known:
            raise UnknownPath(
                f"the router did not start engine {key}, and has no log of it; "
                "look where it was started"
            )
        raise UnknownPath(
            f"there is no engine '{key[:100]}'; there are {', '.join(sorted(self._known))}"
        )

    def __contains__(self, key: str) -> bool:
        return key in self._engines


def log_endpoint(logs: Logs, audience: Audience) -> Endpoint:
    """
    @return: C{/logs}, and C{/logs/stream} below it.
    """

    async def show(request: Any) -> Any:
        query = query_of(request.uri)
        key = query.get("engine")
        lines = await logs.get(key).last_lines(max(1, _count(query)))
        if query.get("format", "text") == "json":
            return {"engine": key, "lines": lines}
        return Document("".join(f"{line}\n" for line in lines).encode(), TEXT)

    def listen(request: Any) -> None:
        query = query_of(request.uri)
        key = query.get("engine")
        audience.admit(request, LogStream(key, logs.get(key), _count(query)))

    endpoint = Endpoint({"GET": show})
    endpoint.putChild(b"stream", StreamEndpoint(listen))
    return endpoint


def _count(query: Mapping[str, str]) -> int:
    """
    @return: how many lines are asked for.
    """
    text = query.get("lines", str(SHOWN))
    if not (text.isascii() and text.isdigit() and int(text[:9]) <= LINES):
        raise BadRequest(f"'lines' must be a number up to {LINES}")
    return int(text)
