# -*- test-case-name: ler.test.test_slots -*-
"""
All slots of the box: one that the exclusive engines share, and a private one
for every other engine, and for every other model of an exclusive one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ler.interfaces import IEngine, IMemory, IPolicy, IStateStore, Residency
from ler.slot.forecast import Expectation
from ler.slot.gathering import wait_for_all
from ler.slot.leases import Lease
from ler.slot.options import SlotOptions
from ler.slot.record import Answered
from ler.slot.slot import Slot
from ler.slot.swap import Swap
from ler.slot.token import LoadingToken
from ler.slot.wish import ORDINARY, Priority, Wish

EXCLUSIVE = "exclusive"
"""The name of the shared slot; a private one is called as what lives in it."""


class Slots:
    """
    Sends requests and orders to the slot that their target lives in.
    """

    def __init__(
        self,
        exclusive: Mapping[str, IEngine],
        private: Mapping[Residency, IEngine],
        *,
        make_policy: Callable[[], IPolicy],
        memory: IMemory,
        private_memory: IMemory,
        clock: IReactorTime,
        options: SlotOptions,
        store: IStateStore | None = None,
        swapped: Callable[[Swap], None] = lambda swap: None,
        answered: Callable[[Answered], None] = lambda answered: None,
    ) -> None:
        """
        @param exclusive: the engines that need the whole memory, by key.
        @param private: those that live beside them: C{Residency(engine)} for
            a whole engine; C{Residency(engine, model)} for one model of an
            engine that may be exclusive otherwise, with a face of that engine
            which knows of that model only.
        @param make_policy: a policy for one slot.
        @param memory: what the exclusive slot waits for.
        @param private_memory: what the others wait for: nothing.
        @param store: as of L{Slot}, and so are C{swapped} and C{answered}.
        """
        token = LoadingToken()

        def make(name: str, engines: Mapping[str, IEngine], watched: IMemory) -> Slot:
            return Slot(
                name,
                engines,
                policy=make_policy(),
                memory=watched,
                token=token,
                clock=clock,
                options=options,
                store=store,
                swapped=swapped,
                answered=answered,
            )

        self.exclusive = make(EXCLUSIVE, exclusive, memory)
        self._private = {
            home: make(str(home), {home.engine: engine}, private_memory)
            for home, engine in private.items()
        }
        self.all = (self.exclusive, *self._private.values())

    def of(self, target: Residency) -> Slot:
        """
        @return: the slot that C{target} lives in: its own, or that of its
            engine, or the one that all others share.
        """
        engine = self._private.get(Residency(target.engine), self.exclusive)
        return self._private.get(target, engine)

    def has_ready(self, engine: str) -> bool:
        """
        @return: whether C{engine} is there to answer, with whichever model.
        """
        residents = [slot.resident for slot in self.all if slot.resident is not None]
        return any(resident.engine == engine for resident in residents)

    def serves_at_once(self, target: Residency) -> bool:
        """
        @return: whether a request for C{target} neither waits nor makes another
            wait.
        """
        return self.of(target).serves_at_once(target)

    def running(self, engine: str) -> int:
        """
        @return: how many requests C{engine} is answering.
        """
        return sum(slot.running.get(engine, 0) for slot in self.all)

    def adopt(self) -> None:
        """
        @see: L{Slot.adopt}
        """
        for slot in self.all:
            slot.adopt()

    def preload(self, targets: Iterable[Residency]) -> None:
        """
        Bring C{targets} up one after the other, each in its slot.

        @see: L{Slot.preload}
        """
        for target in targets:
            self.of(target).preload(target)

    def acquire(self, target: Residency, wish: Wish = ORDINARY) -> Deferred[Lease]:
        """
        @see: L{Slot.acquire}
        """
        return self.of(target).acquire(target, wish)

    def expect(self, target: Residency, priority: Priority = Priority.INTERACTIVE) -> Expectation:
        """
        @see: L{Slot.expect}
        """
        return self.of(target).expect(target, priority)

    def keep(self, target: Residency, seconds: float) -> None:
        """
        @see: L{Slot.keep}
        """
        self.of(target).keep(target, seconds)

    def bring_up(self, target: Residency) -> Deferred[None]:
        """
        @see: L{Slot.order}
        """
        return self.of(target).order(target)

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

    def watch(self, moved: Callable[[Slot], None]) -> None:
        """
        @see: L{Slot.watch}
        """
        for slot in self.all:
            slot.watch(partial(moved, slot))

    def describe(self) -> list[dict[str, Any]]:
        """
        @return: every slot, the exclusive one first.
        """
        return [slot.describe() for slot in self.all]

    def _each(self, do: Callable[[Slot], Deferred[None]]) -> Deferred[list[None]]:
        return Deferred.fromCoroutine(wait_for_all([do(slot) for slot in self.all]))
