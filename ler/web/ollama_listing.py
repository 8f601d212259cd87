# -*- test-case-name: ler.test.test_ollama_listing -*-
"""
The models of all engines, as Ollama tells of its own: which there are, which
run, and what each can do.  Everything is told from memory, whatever the
engines do meanwhile.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from ler.engines.catalog import Catalog, Entry
from ler.engines.ollama_cards import BLANK, OllamaCards, refuse_cloud
from ler.interfaces import Residency
from ler.web.ollama_description import Description

NEVER = datetime(2300, 1, 1, tzinfo=timezone.utc).timestamp()
"""When a model goes that stays until it has to, in seconds since the epoch."""


class Fleet:
    """
    The models of all engines.
    """

    def __init__(
        self,
        catalog: Catalog,
        cards: Mapping[str, OllamaCards],
        *,
        is_loaded: Callable[[Residency], bool],
        idle_unload: Mapping[str, float],
        wall: Callable[[], float] = time.time,
    ) -> None:
        """
        @param cards: what Ollama servers tell, by the key of their engine.
        @param is_loaded: whether a model is in memory.
        @param idle_unload: by engine, seconds without a request after which
            it gives its memory back.
        @param wall: the time of day.
        """
        self._catalog = catalog
        self._cards = cards
        self._is_loaded = is_loaded
        self._idle_unload = idle_unload
        self._wall = wall

    def tags(self) -> dict[str, Any]:
        """
        @return: what C{/api/tags} answers: every name that a client may use,
            to the letter; aliases, too.
        """
        named = [(entry.id, entry) for entry in self._catalog.entries()]
        named += self._catalog.aliases()
        return {"models": [self._tag(name, entry) for name, entry in named if self._may_use(entry)]}

    def running(self) -> dict[str, Any]:
        """
        @return: what C{/api/ps} answers: the models that are in memory.
        """
        entries = self._catalog.entries()
        return {
            "models": [self._run(entry) for entry in entries if self._is_loaded(entry.residency)]
        }

    def show(self, name: str) -> dict[str, Any]:
        """
        @param name: as a client spells it.
        @return: what C{/api/show} answers.
        @raise UnknownModel: when there is none of that name.
        @raise CloudModel: when it may not be used.
        """
        entry = self._catalog.resolve(name, as_ollama=True)
        refuse_cloud(entry, self._cards)
        return self._describe(entry).shown(name)

    def _tag(self, name: str, entry: Entry) -> dict[str, Any]:
        model = self._describe(entry)
        return {
            **model.listed(name),
            "modified_at": model.modified_at,
            "capabilities": model.capabilities,
        }

    def _run(self, entry: Entry) -> dict[str, Any]:
        model = self._describe(entry)
        return {
            **model.listed(entry.id),
            "expires_at": self._end_of(entry.engine),
            # All of it is taken to be on the GPU.  Where the size is not known,
            # a nought would mean to the CLI that all of it is not.
            "size_vram": model.size or 1,
            "context_length": model.context or 0,
        }

    def _describe(self, entry: Entry) -> Description:
        owner = self._cards.get(entry.engine)
        return Description(entry, BLANK if owner is None else owner.card(entry.upstream_name))

    def _may_use(self, entry: Entry) -> bool:
        owner = self._cards.get(entry.engine)
        return owner is None or not owner.forbids(entry.upstream_name)

    def _end_of(self, engine: str) -> str:
        """
        @return: when its models go, if no request comes from now on.
        """
        end = min(self._wall() + self._idle_unload.get(engine, math.inf), NEVER)
        return f"{datetime.fromtimestamp(end, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
