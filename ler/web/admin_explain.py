# -*- test-case-name: ler.test.test_admin_explain -*-
"""
What a request for a model would meet if it came now, and why; nothing is done
about it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from ler.engines.catalog import Catalog, Entry
from ler.errors import BadRequest
from ler.interfaces import IMemory, Residency
from ler.slot.slots import Slots
from ler.web.endpoints import Endpoint
from ler.web.paths import query_of

NOW, WAIT, SWAP, REFUSED = "now", "wait", "swap", "refused"
"""What a request may meet: an answer at once; a wait for others, or for what
is on its way anyway; a swap; a refusal."""


@dataclass(frozen=True)
class Prospect:
    """
    What a request would meet.

    @ivar answer: one of the four.
    @ivar reasons: why, in sentences.
    """

    answer: str
    reasons: tuple[str, ...]


class Explainer:
    """
    Looks at a slot as a request would that comes to it.
    """

    def __init__(
        self,
        catalog: Catalog,
        slots: Slots,
        memory: IMemory,
        pinned: Collection[str],
        expect: Callable[[Residency], float | None],
    ) -> None:
        """
        @param memory: what the exclusive slot waits for.
        @param pinned: the engines that no request evicts.
        @param expect: from a target to the seconds that a request for it will
            wait, L{None} or infinite when nobody knows.
        """
        self._catalog = catalog
        self._slots = slots
        self._memory = memory
        self._pinned = pinned
        self._expect = expect

    def explain(self, name: str) -> dict[str, Any]:
        """
        @param name: of a model, as clients send it.
        @return: the explanation, as JSON can hold it.
        @raise UnknownModel: when no engine has it.
        """
        entry = self._catalog.resolve(name)
        slot = self._slots.of(entry.residency).describe()
        prospect = self._prospect(entry.residency, slot)
        wait = 0.0 if prospect.answer == NOW else None
        if prospect.answer in (WAIT, SWAP):
            wait = self._expect(entry.residency)
        return {
            "asked": name,
            "model": entry.id,
            "engine": entry.engine,
            "upstream_name": entry.upstream_name,
            "target": str(entry.residency),
            "slot": slot["slot"],
            "answer": prospect.answer,
            "expected_wait_s": None if wait is None or not isfinite(wait) else round(wait, 1),
            "reasons": [*_ownership(name, entry), *prospect.reasons],
        }

    def _prospect(self, target: Residency, slot: Mapping[str, Any]) -> Prospect:
        resident, swap = slot["resident"], slot["swap"]
        for hindrance in ("paused", "stuck"):
            if slot[hindrance] is not None:
                return Prospect(REFUSED, (f"the slot is {hindrance}: {slot[hindrance]}",))
        if slot["state"] == "closing":
            return Prospect(REFUSED, ("the router is stopping",))
        if self._slots.serves_at_once(target):
            return Prospect(NOW, ("it is in memory, and nobody waits",))
        others = tuple(_others(target, slot))
        if swap is not None and swap["to"] == str(target):
            phase = f"{swap['phase']}, {swap['duration_s']:.0f} s so far"
            return Prospect(WAIT, (f"it is on its way into memory ({phase})", *others))
        if resident == str(target):
            return Prospect(WAIT, ("it is in memory, but others come first", *others))
        return self._swap(target, slot, others)

    def _swap(
        self, target: Residency, slot: Mapping[str, Any], others: tuple[str, ...]
    ) -> Prospect:
        resident: str | None = slot["resident"]
        if resident is not None and resident.partition("/")[0] in self._pinned:
            return Prospect(REFUSED, (f"{resident} is in memory, and its engine is pinned",))
        if slot["slot"] == self._slots.exclusive.name:
            shortfall = self._memory.shortfall(resident, str(target))
            if shortfall is not None:
                return Prospect(REFUSED, (shortfall.message,))
        if resident is None:
            why = "nothing is in memory" if slot["swap"] is None else "a swap is under way"
        else:
            why = f"{resident} is in memory and has to go"
            if slot["in_flight"]:
                why += f", once its running answers ({slot['in_flight']}) have ended"
        return Prospect(SWAP, (why, *others, *_experience(target, slot)))


def _ownership(name: str, entry: Entry) -> Iterator[str]:
    """
    @return: who owns the model, and how it came to be meant.
    """
    if name != entry.id:
        yield f"{name} means {entry.id}"
    known = "" if entry.upstream_name == entry.id else f", where it is called {entry.upstream_name}"
    yield f"{entry.id} is a model of engine {entry.engine}{known}"


def _others(target: Residency, slot: Mapping[str, Any]) -> Iterator[str]:
    """
    @return: who else waits.
    """
    for line in slot["queue"]:
        what = "it, too" if line["target"] == str(target) else line["target"]
        yield f"waiting for {what}: {line['waiting']} (the oldest for {line['oldest_s']:.0f} s)"


def _experience(target: Residency, slot: Mapping[str, Any]) -> Iterator[str]:
    """
    @return: what the last swaps teach.
    """
    starts = [swap for swap in slot["last_swaps"] if swap["to"] == str(target)]
    if starts and not starts[0]["ok"]:
        yield f"it failed to come up the last time: {starts[0]['error']}"
    good = next((swap for swap in starts if swap["ok"]), None)
    if good is None:
        yield "how long it takes to start is not known yet"
    else:
        phases = ", ".join(f"{name} {spent:.1f} s" for name, spent in good["phases"].items())
        yield f"it last came up in {good['duration_s']:.1f} s ({phases})"


def explain_endpoint(explainer: Explainer) -> Endpoint:
    """
    @return: C{/admin/explain?model=NAME}.
    """

    async def show(request: Any) -> Any:
        name = query_of(request.uri).get("model", "")
        if not name.strip():
            raise BadRequest("the query must name a model: /admin/explain?model=NAME")
        return explainer.explain(name)

    return Endpoint({"GET": show})
