# -*- test-case-name: ler.test.test_engine_paths -*-
"""
C{/upstream/MODEL/PATH}: whatever else an engine has, its own pages too, for
the operator.  The engine is brought up as for any request.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ler.engines.catalog import Catalog, Entry
from ler.engines.ollama import normalized
from ler.errors import ControlPath, Forbidden, MissingModel, WrongMethod
from ler.web.endpoints import Routed
from ler.web.passing import Passing
from ler.web.paths import decoded_tail, normal_path, split_target

PREFIX = b"/upstream/"

METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
"""Of OPTIONS the site itself takes care."""

READING = ("GET", "HEAD")

MOST_SEGMENTS = 8
"""How many segments of a path an id can take."""


class EnginePaths(Routed):
    """
    Everything under C{/upstream}.
    """

    isLeaf = True

    def __init__(
        self, catalog: Catalog, passing: Passing, *, control_paths: Collection[str]
    ) -> None:
        """
        @param control_paths: paths that change what an engine holds, whatever
            stands before them: some engines look at the end of a path only.
        """
        super().__init__()
        self._catalog = catalog
        self._passing = passing
        self._control_paths = tuple(map(str.lower, control_paths))

    def route(self, request: Any) -> None:
        """
        @see: L{Routed.route}
        """
        method = request.method.decode("latin-1")
        if method not in METHODS:
            allowed = ", ".join(METHODS)
            raise WrongMethod(f"{method[:20]} is not passed on; {allowed} are", allowed)
        path, query = split_target(request.uri)
        if not path.startswith(PREFIX) or path == PREFIX:
            raise MissingModel("name the model, and the engine's path: /upstream/MODEL/PATH")
        name, entry, rest = self._named(path[len(PREFIX) :].split(b"/"))
        normal = normal_path(rest)
        if normal.lower().endswith(self._control_paths):
            raise ControlPath(
                f"{normal} changes what an engine holds, which is for the router to decide; "
                "use POST /admin/swap or /admin/unload"
            )
        if rest.endswith(b"/") and normal != "/":
            # To an engine's own pages this is another place.
            normal += "/"
        if entry.by_model and method not in READING:
            # Its body could name another model, which would come in beside
            # what is in memory, or go.
            raise Forbidden(
                f"{method} is not passed on to engine {entry.engine}, which holds models by "
                "name; ask it by /v1 or /api"
            )
        self._passing.carry(request, entry, name, normal.encode("ascii") + query)

    def _named(self, segments: list[bytes]) -> tuple[str, Entry, bytes]:
        """
        Find the longest name at the beginning of a path.

        @return: that name, the model, and the rest of the path.
        @raise UnknownModel: when there is none.
        """
        aliases = {alias for alias, _ in self._catalog.aliases()}
        for count in range(min(len(segments), MOST_SEGMENTS), 1, -1):
            name = decoded_tail(b"/".join(segments[:count]), b"")
            entry = self._catalog.find(name)
            # An alias with a * would take all of the path.
            if entry and (name in aliases or normalized(name) == normalized(entry.id)):
                return name, entry, _path(segments[count:])
        name = decoded_tail(segments[0], b"")
        return name, self._catalog.resolve(name), _path(segments[1:])


def _path(segments: list[bytes]) -> bytes:
    return b"/" + b"/".join(segments)
