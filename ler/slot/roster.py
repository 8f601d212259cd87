# -*- test-case-name: ler.test.test_succession,ler.test.test_slot_reload -*-
"""
Which engines belong to a slot, now and as soon as those in use have gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from ler.errors import RouterError
from ler.interfaces import IEngine, IPolicy, Residency
from ler.slot.options import SlotOptions
from ler.slot.succession import Succession


@dataclass(frozen=True)
class Reload:
    """
    What a slot is to be from now on.

    @ivar engines: the rivals, by key; those that have not changed are the same
        objects as before.
    @ivar at_once: the keys of engines that are not kept until they are freed
        for another reason, though they live here still.
    @ivar objection: why a request for a target does not belong here any more,
        or L{None}.
    """

    engines: Mapping[str, IEngine]
    policy: IPolicy
    options: SlotOptions
    at_once: Collection[str]
    objection: Callable[[Residency], RouterError | None]


class Roster:
    """
    The engines of one slot.

    @ivar engines: those that belong to it now, by key.
    """

    def __init__(
        self,
        engines: Mapping[str, IEngine],
        succession: Succession,
        replaced: Callable[[str, IEngine | None], None],
    ) -> None:
        """
        @param succession: that of all slots.
        @param replaced: called with a key and the engine that it means from
            now on, L{None} for none.
        """
        self.engines = dict(engines)
        self._succession = succession
        self._replaced = replaced
        self._heirs: dict[str, IEngine | None] = {}
        self._going: set[str] = set()

    def reload(
        self, engines: Mapping[str, IEngine], at_once: Collection[str], busy: Collection[str]
    ) -> None:
        """
        @param at_once: as of L{Reload}.
        @param busy: as of L{succeed}.
        """
        for key in dict.fromkeys((*self.engines, *engines)):
            old, new = self.engines.get(key), engines.get(key)
            self._heirs.pop(key, None)
            self._going.discard(key)
            if old is not None:
                self._succession.stays(old)
            if old is new:
                continue
            self._heirs[key] = new
            if old is not None and key in busy and (new is None or key in at_once):
                self._going.add(key)
                self._succession.leaves(old)
        self.succeed(busy)

    def succeed(self, busy: Collection[str]) -> None:
        """
        Let the new engines take their places.

        @param busy: the keys of the engines that are in use, and keep theirs.
        """
        free = [key for key in self._heirs if key not in busy]
        for key in free:
            old, new = self.engines.pop(key, None), self._heirs.pop(key)
            self._going.discard(key)
            if old is not None:
                self._succession.ends(old)
            if new is not None:
                self.engines[key] = new
                self._succession.joins(new)
            self._replaced(key, new)
        if free:
            self._succession.begin()

    def is_going(self, key: str) -> bool:
        """
        @return: whether the engine is to go as soon as it has drained.
        """
        return key in self._going

    def is_stale(self, key: str) -> bool:
        """
        @return: whether the engine is in use, though it is configured
            otherwise by now, or not at all.
        """
        return key in self._heirs
