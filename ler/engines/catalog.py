# -*- test-case-name: ler.test.test_catalog -*-
"""
The one place that says who owns a model, and which models there are.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ler.errors import UnknownModel
from ler.interfaces import Residency

LONGEST = 200
"""The longest name that patterns are tried on, and that an answer repeats."""


@dataclass(frozen=True)
class Entry:
    """
    One model.

    @ivar id: what clients send, unless they use an alias.
    @ivar engine: the key of its owner.
    @ivar upstream_name: what its owner expects in the body.
    @ivar display_name: its name in listings.
    @ivar context_length: its context in tokens, or L{None} when unknown.
    @ivar thinking_floor: token budgets below this switch its thinking off;
        L{None} for never.
    """

    id: str
    engine: str
    upstream_name: str
    display_name: str
    context_length: int | None = None
    thinking_floor: int | None = None

    @property
    def residency(self) -> Residency:
        """
        @return: what must be resident for it to be served.
        """
        return Residency(self.engine)


class Catalog:
    """
    Models by id, and other names for them.
    """

    def __init__(self, entries: Iterable[Entry], aliases: Mapping[str, str]) -> None:
        """
        @param entries: the models; of two with one id the first counts.
        @param aliases: ids by alias.  A C{*} in an alias matches any text; a
            plain alias goes before a pattern, a long pattern before a short
            one.
        """
        self._entries: dict[str, Entry] = {}
        for entry in entries:
            self._entries.setdefault(entry.id, entry)
        self._aliases = {name: id for name, id in aliases.items() if "*" not in name}
        patterns = sorted((name for name in aliases if "*" in name), key=len, reverse=True)
        self._patterns = [
            (re.compile(".*".join(map(re.escape, name.split("*"))), re.DOTALL), aliases[name])
            for name in patterns
        ]

    def find(self, name: str) -> Entry | None:
        """
        @param name: an id or an alias.
        @return: the model, or L{None} when there is none of that name.
        """
        entry = self._entries.get(name)
        if entry is not None:
            return entry
        id = self._aliases.get(name)
        if id is None and len(name) <= LONGEST:
            id = next((id for pattern, id in self._patterns if pattern.fullmatch(name)), None)
        return None if id is None else self._entries.get(id)

    def resolve(self, name: str) -> Entry:
        """
        @raise UnknownModel: when there is none; it names what is near.
        """
        entry = self.find(name)
        if entry is not None:
            return entry
        shown = name if len(name) <= LONGEST else f"{name[:LONGEST]}..."
        near = difflib.get_close_matches(shown, [*self._entries, *self._aliases], n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else "; GET /v1/models lists them"
        raise UnknownModel(f"no engine has a model '{shown}'{hint}")

    def entries(self) -> Sequence[Entry]:
        """
        @return: every model, in the order of the configuration.
        """
        return list(self._entries.values())

    def aliases(self) -> list[tuple[str, Entry]]:
        """
        @return: the plain aliases with the models that they name.
        """
        return [
            (name, self._entries[id]) for name, id in self._aliases.items() if id in self._entries
        ]
