# -*- test-case-name: ler.test.test_ollama_management -*-
"""
What clients may change about the models that an Ollama server keeps on its
disk: nothing, unless C{allow_destructive_ollama_api} is set.

One rule, since a pull fills the disk as surely as a delete empties it, and a
push sends what is on it away.  What may be done is done by the first Ollama
server of the configuration, whatever is in memory: it touches no slot.

A pull of a model that is here already needs nobody's leave: clients pull
before they ask, and are told that it is there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from ler.config.model import Config, Ollama
from ler.engines.catalog import Catalog
from ler.errors import DestructiveDisabled, NotOffered, UnknownPath, WrongMethod
from ler.upstream import FileSpan
from ler.web.dialects import NDJSON, OLLAMA_OTHER
from ler.web.documents import model_of, object_in
from ler.web.endpoints import Document, Routed, answer
from ler.web.job import Job
from ler.web.paths import normal_path, split_target
from ler.web.relay import Relay
from ler.web.upward import Upward

PULL = "/api/pull"

METHODS: Mapping[str, tuple[str, ...]] = {
    PULL: ("POST",),
    "/api/push": ("POST",),
    "/api/create": ("POST",),
    "/api/copy": ("POST",),
    "/api/delete": ("DELETE",),
}
"""What changes models; no other path goes to the server, but for blobs."""

BLOB = re.compile(r"/api/blobs/sha256:[0-9a-f]{64}")

BLOB_METHODS = ("HEAD", "POST")

NO_MODEL = "-"
"""What the log has for the model: names of what is not here may be anything."""


def managed_engine(config: Config) -> str | None:
    """
    @return: the key of the Ollama server whose models clients may change, if
        they may: the first one that takes part; L{None} when there is none.
    """
    for engine in config.engines.values():
        if engine.enabled and isinstance(engine, Ollama):
            return engine.key
    return None


class Management(Routed):
    """
    The paths that change models.
    """

    isLeaf = True

    def __init__(
        self,
        catalog: Catalog,
        relay: Relay,
        upward: Upward,
        *,
        engine: str | None,
        allowed: bool,
        changed: Callable[[str], None],
    ) -> None:
        """
        @param engine: the key of the server that does it.
        @param allowed: whether clients may change anything.
        @param changed: called with the key of the engine when its models may
            have changed.
        """
        super().__init__()
        self._catalog = catalog
        self._relay = relay
        self._upward = upward
        self._engine = engine
        self._allowed = allowed
        self._changed = changed

    def route(self, request: Any) -> None:
        """
        @see: L{Routed.route}
        """
        raw, query = split_target(request.uri)
        path = normal_path(raw)
        methods = BLOB_METHODS if BLOB.fullmatch(path) else METHODS.get(path)
        if methods is None:
            raise UnknownPath(f"there is nothing at {path[:200]}")
        if request.method.decode("latin-1") not in methods:
            allowed = ", ".join(methods)
            raise WrongMethod(f"{path} takes {allowed}", allowed)
        if path == PULL:
            asked = object_in(request)
            if self._is_here(model_of(asked)):
                _succeed(request, streams=asked.get("stream") is not False)
                return
        self._pass_on(request, self._permitted(path), path.encode("ascii") + query)

    def _is_here(self, model: str) -> bool:
        """
        @return: whether there is nothing to pull.  Where models may be
            changed, the server brings its own up to date.
        """
        entry = self._catalog.find(model, as_ollama=True)
        anew = entry is not None and self._allowed and entry.engine == self._engine
        return entry is not None and not anew

    def _permitted(self, path: str) -> str:
        """
        @return: the key of the engine that does it.
        @raise RouterError: when nobody does.
        """
        if self._engine is None:
            raise NotOffered(f"{path} needs an engine of type ollama, and there is none")
        if not self._allowed:
            raise DestructiveDisabled(
                f"{path} would change the models of engine {self._engine}; set "
                "'allow_destructive_ollama_api: true' if clients may do that"
            )
        return self._engine

    def _pass_on(self, request: Any, engine: str, target: bytes) -> None:
        if request.method != b"HEAD":
            # What broke off may have changed something, too.
            request.notifyFinish().addBoth(lambda _: self._changed(engine))
        length = request.content.seek(0, os.SEEK_END)
        job = Job(
            engine=engine,
            residency=None,
            method=request.method,
            target=target,
            headers=self._upward.headers(request, engine),
            parts=[FileSpan(request.content, 0, length)] if length else [],
            model=NO_MODEL,
        )
        self._relay.carry(request, OLLAMA_OTHER, job)


def _succeed(request: Any, *, streams: bool) -> None:
    if streams:
        answer(request, Document(b'{"status":"success"}\n', NDJSON.decode()))
    else:
        answer(request, {"status": "success"})
