# -*- test-case-name: ler.test.test_slots -*-
"""
All slots of the box: one that the exclusive engines share, and a private one
for every other engine, and for every other model of an exclusive one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from ler.errors import RouterError, Unavailable, UnknownModel
from ler.interfaces import IEngine, IMemory, IPolicy, IStateStore, Residency
from ler.slot.forecast import Expectation
from ler.slot.gathering import wait_for_all
from ler.slot.leases import Lease
from ler.slot.options import SlotOptions
from ler.slot.record import Answered
from ler.slot.roster import Reload
from ler.slot.slot import Slot
from ler.slot.succession import Succession
from ler.slot.swap import Swap
from ler.slot.token import LoadingToken
from ler.slot.wish import ORDINARY, Priority, Wish

EXCLUSIVE = "exclusive"
"""The name of the shared slot; a private one is called as what lives in it."""


class Moved(Unavailable):
    """
    What a request waits for lives in another slot now.
    """

    code = "moved"


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
        replaced: Callable[[str], None] = lambda key: None,
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
        @param replaced: called with the key of an engine when it means from now
            on what L{reload} said last, since no slot has another one in use.
        """
        self._make_policy = make_policy
        self._options = options
        self._succession = Succession()
        self._replaced = replaced
        self._watchers: list[Callable[[Slot], None]] = []
        token = LoadingToken()

        def make(name: str, engines: Mapping[str, IEngine], watched: IMemory) -> Slot:
            slot = Slot(
                name,
                engines,
                policy=self._make_policy(),
                memory=watched,
                token=token,
                clock=clock,
                options=self._options,
                store=store,
                swapped=swapped,
                answered=answered,
                succession=self._succession,
                replaced=self._replace,
            )
            for moved in self._watchers:
                slot.watch(partial(moved, slot))
            return slot

        def make_private(home: Residency, engine: IEngine) -> Slot:
            return make(str(home), {home.engine: engine}, private_memory)

        self._make_private = make_private
        self.exclusive = make(EXCLUSIVE, exclusive, memory)
        self._private = {home: make_private(home, engine) for home, engine in private.items()}
        self._leaving: list[Slot] = []
        self._known = _keys(exclusive, private)
        self._reloading = False
        self._paused: str | None = None

    @property
    def all(self) -> tuple[Slot, ...]:
        """
        @return: the slots, the exclusive one first; the last are those of
            engines that do not live there any more, until they are gone.
        """
        leaving = [slot for slot in self._leaving if not slot.spent]
        return (self.exclusive, *self._private.values(), *leaving)

    def of(self, target: Residency) -> Slot:
        """
        @return: the slot that C{target} lives in: its own, or that of its
            engine, or the one that all others share.
        """
        engine = self._private.get(Residency(target.engine), self.exclusive)
        return self._private.get(target, engine)

    def is_stale(self, engine: str) -> bool:
        """
        @return: whether C{engine} is in use, though it is configured otherwise
            by now, or not at all.
        """
        return any(slot.is_stale(engine) for slot in self.all)

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
        if target.engine not in self._known:
            return fail(_unknown(target))
        lease = self.of(target).acquire(target, wish)
        return lease.addErrback(self._follow, target, wish)

    def _follow(self, failure: Failure, target: Residency, wish: Wish) -> Deferred[Lease]:
        failure.trap(Moved)
        return self.acquire(target, wish)

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
        if target.engine not in self._known:
            return fail(_unknown(target))
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
        self._paused = reason
        return self._each(lambda slot: slot.pause(reason))

    def resume(self) -> None:
        """
        @see: L{Slot.resume}
        """
        self._paused = None
        for slot in self.all:
            slot.resume()

    def close(self, leave: bool = False) -> Deferred[list[None]]:
        """
        @see: L{Slot.close}
        """
        return Deferred.fromCoroutine(self._close(leave))

    async def _close(self, leave: bool) -> list[None]:
        closed = await self._each(lambda slot: slot.close(leave))
        await self._succession.finish()
        return closed

    def reload(
        self,
        exclusive: Mapping[str, IEngine],
        private: Mapping[Residency, IEngine],
        *,
        make_policy: Callable[[], IPolicy],
        options: SlotOptions,
    ) -> None:
        """
        The configuration has changed.  An engine that is the same object as
        before goes on as if nothing had happened.  Another one of its key
        takes its place as soon as it is not in use: when it is freed anyway
        if it lives in one slot, now as before; else it is drained and freed
        now, since the two could not be told apart.  One that is there no more
        is drained and freed, too, and those who wait for it are told.
        """
        # Single models that live beside others are faces of one engine.
        at_once = {home.engine for home in (*self._private, *private) if home.model is not None}
        changing = self._known | _keys(exclusive, private)
        self._make_policy, self._options = make_policy, options
        self._known = _keys(exclusive, private)
        gone = [self._private.pop(home) for home in tuple(self._private) if home not in private]
        self._leaving = [slot for slot in self._leaving if not slot.spent]
        kept = tuple(self._private.items())
        new = {
            home: self._make_private(home, engine)
            for home, engine in private.items()
            if home not in self._private
        }
        self._private = {home: new.get(home) or self._private[home] for home in private}

        def tell(slot: Slot, engines: Mapping[str, IEngine]) -> None:
            def objection(target: Residency) -> RouterError | None:
                if target.engine not in self._known:
                    return _unknown(target)
                return None if self.of(target) is slot else Moved(f"{target} has moved")

            slot.reload(Reload(engines, make_policy(), options, at_once, objection))

        self._reloading = True
        with self._succession.together():
            # Whoever has to move finds the slot to move to in its new state.
            tell(self.exclusive, exclusive)
            for home, slot in kept:
                tell(slot, {home.engine: private[home]})
            for slot in (*gone, *self._leaving):
                tell(slot, {})
            self._leaving += gone
            self._reloading = False
            for key in changing:
                self._replace(key)
        for slot in new.values():
            slot.adopt()
            if self._paused is not None:
                # What goes wrong with it the slot has logged.
                slot.pause(self._paused).addErrback(lambda failure: failure.trap(RouterError))

    def _replace(self, key: str) -> None:
        """
        A slot has another engine for C{key}, or none.
        """
        if not self._reloading and not self.is_stale(key):
            self._replaced(key)

    def watch(self, moved: Callable[[Slot], None]) -> None:
        """
        @see: L{Slot.watch}
        """
        self._watchers.append(moved)
        for slot in self.all:
            slot.watch(partial(moved, slot))

    def describe(self) -> list[dict[str, Any]]:
        """
        @return: every slot, the exclusive one first.
        """
        return [slot.describe() for slot in self.all]

    def _each(self, do: Callable[[Slot], Deferred[None]]) -> Deferred[list[None]]:
        return Deferred.fromCoroutine(wait_for_all([do(slot) for slot in self.all]))


def _keys(exclusive: Collection[str], private: Collection[Residency]) -> frozenset[str]:
    return frozenset(exclusive).union(home.engine for home in private)


def _unknown(target: Residency) -> UnknownModel:
    return UnknownModel(f"{target} is not configured any more; GET /v1/models lists what is")
