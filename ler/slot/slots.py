# -*- test-case-name: ler.test.test_slots -*-
"""
All slots of the box: one that the exclusive engines share, and a private one
for every other engine.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ler.interfaces import IEngine, IMemory, IPolicy, Residency
from ler.slot.gathering import wait_for_all
from ler.slot.leases import Lease
from ler.slot.slot import Slot, SlotOptions
from ler.slot.swap import Swap
from ler.slot.token import LoadingToken

EXCLUSIVE = "exclusive"
"""The name of the shared slot; a private one is called as its engine."""


class Slots:
    """
    Sends each engine's requests and orders to the slot that it lives in.
    """

    def __init__(
        self,
        engines: Mapping[str, IEngine],
        exclusive: Collection[str],
        *,
        make_policy: Callable[[], IPolicy],
        memory: IMemory,
        private_memory: IMemory,
        clock: IReactorTime,
        options: SlotOptions,
        swapped: Callable[[Swap], None] = lambda swap: None,
    ) -> None:
        """
        @param exclusive: the keys of the engines that need the whole memory.
        @param make_policy: a policy for one slot.
        @param memory: what the exclusive slot waits for.
        @param private_memory: what the others wait for: nothing.
        """
        token = LoadingToken()

        def make(name: str, keys: Collection[str], watched: IMemory) -> Slot:
            return Slot(
                name,
                {key: engines[key] for key in keys},
                policy=make_policy(),
                memory=watched,
                token=token,
                clock=clock,
                options=options,
                swapped=swapped,
            )

        self.exclusive = make(EXCLUSIVE, exclusive, memory)
        private = [make(key, [key], private_memory) for key in engines if key not in exclusive]
        self.all = (self.exclusive, *private)
        self._by_engine = {key: self.exclusive for key in exclusive}
        self._by_engine.update({slot.name: slot for slot in private})

    def of(self, engine: str) -> Slot:
        """
        @return: the slot that C{engine} lives in.
        """
        return self._by_engine[engine]

    def has_ready(self, engine: str) -> bool:
        """
        @return: whether C{engine} is there to answer.
        """
        resident = self.of(engine).resident
        return resident is not None and resident.engine == engine

    def adopt(self) -> None:
        """
        @see: L{Slot.adopt}
        """
        for slot in self.all:
            slot.adopt()

    def acquire(self, target: Residency) -> Deferred[Lease]:
        """
        @see: L{Slot.acquire}
        """
        return self.of(target.engine).acquire(target)

    def bring_up(self, target: Residency) -> Deferred[None]:
        """
        @see: L{Slot.order}
        """
        return self.of(target.engine).order(target)

    def unload(self) -> Deferred[list[None]]:
        """
        Empty every slot.

        @return: a L{Deferred} firing with a L{list} of L{None} when all are
            empty; or failing, once all have ended, with the first
            L{RouterError}.
        """
        return self._each(lambda slot: slot.order(None))

    def pause(self, reason: str) -> Deferred[list[None]]:
        """
        @see: L{Slot.pause}
        """
        return self._each(lambda slot: slot.pause(reason))

    def resume(self) -> None:
        """
        @see: L{Slot.resume}
        """
        for slot in self.all:
            slot.resume()

    def close(self, leave: bool = False) -> Deferred[list[None]]:
        """
        @see: L{Slot.close}
        """
        return self._each(lambda slot: slot.close(leave))

    def describe(self) -> list[dict[str, Any]]:
        """
        @return: every slot, the exclusive one first.
        """
        return [slot.describe() for slot in self.all]

    def _each(self, do: Callable[[Slot], Deferred[None]]) -> Deferred[list[None]]:
        return Deferred.fromCoroutine(wait_for_all([do(slot) for slot in self.all]))
