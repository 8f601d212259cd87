# -*- test-case-name: ler.test.test_slot_walk -*-
"""
Random walks over L{ler.slot.slot}: whatever may happen does, in any order, and
what must always hold is looked at after each step.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ler.errors import (
    EngineDied,
    EngineStartFailed,
    EngineStuck,
    InsufficientMemory,
    ModelUnloaded,
    RouterError,
    UnknownModel,
)
from ler.interfaces import Residency
from ler.slot.fair import Fair
from ler.slot.options import SlotOptions
from ler.slot.policy import Fifo, Join
from ler.slot.roster import Reload
from ler.slot.slot import Slot
from ler.slot.states import MEMORY_MOVES, State
from ler.slot.token import LoadingToken
from ler.slot.wish import NEVER, TERMS, Priority, Terms, Wish
from ler.test.slot_case import INSUFFICIENT, SETTLED, Client, SlowFakeEngine
from ler.testing import FakeMemory

SEEDS = 400
STEPS = 70
ENOUGH = 300
"""More steps than any slot needs to come to rest."""

TARGETS = (Residency("a"), Residency("b"), Residency("c", "small"), Residency("c", "large"))


class HauntedEngine(SlowFakeEngine):
    """
    An engine of which something is left until it was freed.

    @ivar there: whether anything of it is there.
    @ivar up: whether it is ready.
    @ivar is_first: whether the slot had it from the beginning.
    """

    def __init__(self, key: str, walk: Walk) -> None:
        super().__init__(key, walk.trace)
        self.there = False
        self.up = False
        self.is_first = not walk.known
        self._walk = walk

    def bring_up(self, model: str | None) -> Deferred[None]:
        """
        Nothing else may be there.
        """
        there = [engine.key for engine in self._walk.known if engine.there]
        assert not there, f"{there} there while {self.key} is brought up"
        assert not self._walk.outside, "brought up while another slot moves memory"
        self.there = True
        return super().bring_up(model)

    def started(self) -> None:
        """
        The start succeeds.
        """
        self.up = True
        super().started()

    def answer(self, *held: Residency) -> None:
        """
        It says what it holds.
        """
        self.up = self.there = bool(held)
        super().answer(*held)

    def free(self) -> Deferred[None]:
        """
        Also what is left of a lost engine takes its time.
        """
        if self._walk.slot.state is State.FREEING:
            assert not self._walk.outside, "freed while another slot moves memory"
        self.up = False
        self.running = self.there
        return super().free()

    def freed(self) -> None:
        """
        Nothing is left of it.
        """
        self.there = False
        super().freed()

    def lose(self, reason: RouterError) -> None:
        """
        It ends, and leaves something behind.
        """
        self.up = False
        for watcher in self._watchers:
            watcher.engine_lost(self.key, reason)

    @property
    def asked(self) -> bool:
        """
        @return: whether it was asked what it holds.
        """
        return self._asked is not None and not self._asked.called

    @property
    def starting(self) -> bool:
        """
        @return: whether a start is pending.
        """
        return self._starting is not None and not self._starting.called

    @property
    def freeing(self) -> bool:
        """
        @return: whether a stop is pending.
        """
        return bool(self._freeing)


class Walk:
    """
    One slot, and everything that may happen to it.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.trace: list[str] = []
        self.clock = Clock()
        self.memory = FakeMemory()
        self.token = LoadingToken()
        self.engines: dict[str, HauntedEngine] = {}
        self.known: list[HauntedEngine] = []
        self.engines.update({key: HauntedEngine(key, self) for key in "abc"})
        self.meant: dict[str, HauntedEngine] = dict(self.engines)
        self.known.extend(self.engines.values())
        self.policy = self.random.choice((Fifo(), Join(), Fair()))
        self.max_wait = self.random.choice((5.0, 60.0))
        self.places = self.random.choice(({}, {"a": 1, "c": 2}))
        self.drain_timeout = self.random.choice((None, 0.0, 30.0))
        self.idle_unload = self.random.choice(({}, {"a": 7.0, "c": 40.0}, {"b": 0.5}))
        self.pinned = self.random.choice(((), (), ("c",), ("a", "b")))
        self.options = SlotOptions(
            drain_timeout=self.drain_timeout,
            orphan_grace=10.0,
            max_queue=6,
            max_queue_of={"b": 2},
            max_concurrency=self.places,
            terms={**TERMS, Priority.INTERACTIVE: Terms(self.max_wait)},
            restore=self.random.random() < 0.3,
            idle_unload=self.idle_unload,
            pinned=self.pinned,
        )
        self.slot = Slot(
            "walked",
            self.engines,
            policy=self.policy,
            memory=self.memory,
            token=self.token,
            clock=self.clock,
            replaced=self.replaced,
            options=self.options,
        )
        self.clients: list[WhimsicalClient] = []
        self.held: list[WhimsicalClient] = []
        self.orders: list[Deferred[None]] = []
        self.unwatched = False
        self.lost: set[WhimsicalClient] = set()
        self.adopted = False
        self.paused = False
        self.closed: Deferred[None] | None = None
        self.waiting_outside: list[Deferred[None]] = []
        self.outside = False
        self.whims = 40
        self.used_at = 0.0

    # Who is there.

    def waiting(self) -> list[WhimsicalClient]:
        """
        @return: the requests that wait.
        """
        return [client for client in self.clients if not client.over]

    def targets(self) -> list[Residency]:
        """
        @return: what may be asked for.
        """
        return [target for target in TARGETS if target.engine in self.meant]

    # What may happen.

    def reload(self) -> None:
        """
        An engine is another one, or none, or there again.
        """
        key = self.random.choice("abc")
        self.meant = dict(self.meant)
        was_there = self.meant.pop(key, None) is not None
        if not was_there or not self.meant or self.random.random() < 0.6:
            self.meant[key] = HauntedEngine(key, self)
            self.known.append(self.meant[key])
        meant = self.meant

        def objection(target: Residency) -> RouterError | None:
            return None if target.engine in meant else UnknownModel(str(target))

        at_once = key if self.random.random() < 0.3 else ""
        self.slot.reload(Reload(meant, self.policy, self.options, at_once, objection))

    def replaced(self, key: str) -> None:
        """
        The slot has another engine than before.
        """
        if key in self.meant:
            self.engines[key] = self.meant[key]
        else:
            del self.engines[key]

    def ask(self) -> None:
        """
        A request comes, with whims of its own.
        """
        wish = Wish(
            self.random.choice(tuple(Priority)),
            self.random.choice((*[None] * 8, 3.0, 30.0)),
            self.random.random() < 0.05,
        )
        self.clients.append(WhimsicalClient(self, self.random.choice(self.targets()), wish))

    def leave(self) -> None:
        """
        A request that waits leaves.
        """
        self.random.choice(self.waiting()).leave()

    def release(self) -> None:
        """
        A request ends.
        """
        self.random.choice(self.held).release()

    def order(self) -> None:
        """
        The operator orders something.
        """
        self.watch(self.slot.order(self.random.choice((*self.targets(), None))))

    def preload(self) -> None:
        """
        Something is to be there unasked.
        """
        self.slot.preload(self.random.choice(self.targets()))

    def keep(self) -> None:
        """
        A client says how long it will want something.
        """
        self.slot.keep(self.random.choice(TARGETS), self.random.choice((0.0, 5.0, NEVER)))

    def watch(self, order: Deferred[None]) -> None:
        """
        Keep C{order} among the unfinished ones until it ends.
        """
        self.orders.append(order)

        def ended(result: object) -> None:
            self.orders.remove(order)
            if isinstance(result, Failure):
                result.trap(RouterError, CancelledError)

        order.addBoth(ended)

    def look_away(self) -> None:
        """
        The operator does not watch an order any more.
        """
        self.unwatched = True
        self.random.choice(self.orders).cancel()

    def pause(self) -> None:
        """
        The operator takes the memory back.
        """
        self.paused = True
        self.watch(self.slot.pause("gaming"))

    def resume(self) -> None:
        """
        The operator gives the memory back.
        """
        self.paused = False
        self.slot.resume()

    def adopt(self) -> None:
        """
        The boot probe begins.
        """
        self.adopted = True
        self.slot.adopt()

    def answer(self) -> None:
        """
        An engine says what it holds.
        """
        engine = self.random.choice([engine for engine in self.known if engine.asked])
        chance = self.random.random()
        if chance < 0.1:
            engine.answer_failed(EngineStuck("a stranger"))
        elif chance < 0.4 and self.slot.state is State.ADOPTING and engine.is_first:
            engine.answer(*(target for target in TARGETS if target.engine == engine.key))
        else:
            engine.answer()

    def start(self) -> None:
        """
        The start that is pending ends.
        """
        (engine,) = (engine for engine in self.engines.values() if engine.starting)
        if self.random.random() < 0.7:
            engine.started()
        else:
            engine.start_failed(EngineStartFailed("exit status 1"))

    def free(self) -> None:
        """
        A stop that is pending ends.
        """
        engine = self.random.choice([engine for engine in self.engines.values() if engine.freeing])
        if self.random.random() < 0.8:
            engine.freed()
        else:
            engine.free_failed(EngineStuck("survives SIGKILL"))

    def lose(self) -> None:
        """
        An engine ends by itself.
        """
        engine = self.random.choice([engine for engine in self.engines.values() if engine.up])
        self.lost.update(self.held)
        reason = self.random.choice((EngineDied, ModelUnloaded))
        engine.lose(reason("gone"))

    def hear_late(self) -> None:
        """
        News of the end of an engine come when they are none any more.
        """
        key = self.random.choice([key for key, engine in self.engines.items() if not engine.up])
        self.slot.engine_lost(key, EngineDied("killed before"))

    def settle(self) -> None:
        """
        The verdict comes.
        """
        report = SETTLED if self.random.random() < 0.8 else INSUFFICIENT
        self.memory.releases[-1][2].settle(report)

    def settle_well(self) -> None:
        """
        The memory has come back.
        """
        self.memory.releases[-1][2].settle(SETTLED)

    def shrink(self) -> None:
        """
        An engine fits no more, or again.
        """
        key = self.random.choice("abc")
        if self.memory.short.pop(key, None) is None:
            self.memory.short[key] = InsufficientMemory(key, 2, 1)

    def enter_outside(self) -> None:
        """
        Another slot wants to move memory.
        """

        def got_it(_: object) -> None:
            self.outside = True

        waiting = self.token.acquire()
        self.waiting_outside.append(waiting)
        waiting.addCallback(got_it)

    def leave_outside(self) -> None:
        """
        Another slot has moved its memory.
        """
        self.waiting_outside.pop(0)
        self.outside = False
        self.token.release()

    def wait_a_little(self) -> None:
        """
        Time passes.
        """
        self.clock.advance(self.random.choice((0.1, 1.0, 10.0)))

    def wait_for_something(self) -> None:
        """
        Time passes until something happens by itself.
        """
        self.clock.advance(self.clock.getDelayedCalls()[0].getTime() - self.clock.seconds())

    def close(self) -> None:
        """
        The router stops.
        """
        self.closed = self.slot.close(leave=self.random.random() < 0.5)

    def possible(self) -> list[Callable[[], None]]:
        """
        @return: what may happen now; what is likely more than once.
        """
        engines = self.engines.values()
        may: list[tuple[int, Callable[[], None], bool]] = [
            (4, self.ask, True),
            (1, self.leave, bool(self.waiting())),
            (4, self.release, bool(self.held)),
            (1, self.order, True),
            (1, self.preload, self.random.random() < 0.3),
            (1, self.keep, self.random.random() < 0.5),
            (1, self.look_away, bool(self.orders)),
            (1, self.pause, self.random.random() < 0.3),
            (3, self.resume, self.paused),
            (9, self.adopt, not self.adopted and self.closed is None),
            (1, self.reload, self.random.random() < 0.5),
            (9, self.answer, any(engine.asked for engine in self.known)),
            (4, self.start, any(engine.starting for engine in engines)),
            (4, self.free, any(engine.freeing for engine in engines)),
            (1, self.lose, any(engine.up for engine in engines)),
            (1, self.hear_late, not all(engine.up for engine in engines)),
            (4, self.settle, self.settling()),
            (1, self.shrink, self.random.random() < 0.3),
            (1, self.enter_outside, len(self.waiting_outside) < 2),
            (3, self.leave_outside, self.outside),
            (1, self.wait_a_little, True),
            (2, self.wait_for_something, bool(self.clock.getDelayedCalls())),
            (1, self.close, self.closed is None and self.random.random() < 0.05),
        ]
        return [step for weight, step, legal in may if legal for _ in range(weight)]

    def settling(self) -> bool:
        """
        @return: whether a verdict is waited for.
        """
        if not self.memory.releases:
            return False
        release = self.memory.releases[-1][2]
        return release._verdict is not None and not release._verdict.called

    def step(self) -> None:
        """
        Something happens.
        """
        self.take(self.random.choice(self.possible()))

    def take(self, step: Callable[[], None]) -> None:
        """
        C{step} happens, and everything is as it must be.
        """
        self.trace.append(f"{self.slot.state.name} {step.__name__}")
        step()
        self.check()

    # What must hold.

    def check(self) -> None:
        """
        What must hold between any two steps.
        """
        slot, state = self.slot, self.slot.state
        waiting = self.waiting()
        assert slot.waiting == len(waiting), "the queue does not hold those who wait"
        assert slot.waiting <= 6, "the queue is too long"
        waiting_for_b = [client for client in waiting if client.target.engine == "b"]
        assert len(waiting_for_b) <= 2, "the queue of an engine is too long"
        self.check_wishes(waiting)
        running = sum(slot.running.values())
        mine = [client for client in self.held if client.cut_by is None and client not in self.lost]
        assert len(mine) <= running <= len(self.held), "running requests are miscounted"
        if state is not State.CLOSING:
            for key, count in slot.running.items():
                at_home = slot.resident is not None and slot.resident.engine == key
                assert at_home or not count, "a lease without its engine"
        if state in (State.EMPTY, State.READY, State.BLOCKED, State.CLOSING):
            assert not self.orders, "an order is forgotten"
        if state in (State.EMPTY, State.BLOCKED, State.CLOSING):
            assert not waiting, "a request is forgotten"
        if state is State.READY:
            self.check_ready(waiting)
        if state is not State.READY or running:
            self.used_at = self.clock.seconds()
        self.check_swap()
        if state is State.DRAINING:
            self.check_draining(waiting)
        if state not in (State.ADOPTING, State.BLOCKED, State.CLOSING):
            there = [key for key, engine in self.engines.items() if engine.there]
            assert len(there) <= 1, f"{there} are there"
            if state in (State.EMPTY, State.SETTLING):
                assert not there, f"{there} is there"
        if not self.waiting_outside:
            assert self.token_is_held() == (state in MEMORY_MOVES), "the token"

    def check_ready(self, waiting: list[WhimsicalClient]) -> None:
        """
        What must hold while there is a resident.
        """
        resident = self.slot.resident
        assert resident is not None
        assert self.engines[resident.engine].there, "the resident is not there"
        running = sum(self.slot.running.values())
        places = self.places.get(resident.engine, NEVER)
        assert running <= places, "more run than there are places"
        mine = [client for client in waiting if client.target == resident]
        assert not mine or running == places, "not let in"
        rivals = [client for client in waiting if client.target != resident]
        if resident.engine in self.pinned:
            others = [client for client in rivals if client.target.engine != resident.engine]
            assert not others, "they wait for what is pinned to go"
        if not running and not waiting:
            limit = self.idle_unload.get(resident.engine, NEVER)
            assert self.clock.seconds() - self.used_at <= limit, "idle for too long"
        if rivals:
            self.check_rivals(rivals, mine, running)

    def check_rivals(
        self, rivals: list[WhimsicalClient], mine: list[WhimsicalClient], running: int
    ) -> None:
        """
        What must hold while somebody waits for something else.
        """
        name = self.policy.name
        assert mine or name != "fifo", "the order of arrival was not kept"
        assert running or name == "fair", "an idle resident keeps its rivals waiting"
        bounded = any(client.wish.priority is not Priority.BATCH for client in rivals)
        if name != "fifo" and (bounded or not running):
            assert self.clock.getDelayedCalls(), "nobody looks at the age of the rivals"

    def check_wishes(self, waiting: list[WhimsicalClient]) -> None:
        """
        What must hold for those who wish for something.
        """
        now, state, resident = self.clock.seconds(), self.slot.state, self.slot.resident
        for client in waiting:
            deadline = client.wish.deadline
            assert deadline is None or now - client.since <= deadline, "a deadline was missed"
            if client.wish.no_swap and state is not State.ADOPTING:
                stays = state is State.READY and client.target == resident
                assert stays, "a swap would be needed"

    def check_swap(self) -> None:
        """
        What no swap may do.
        """
        swap = self.slot.describe()["swap"]
        if swap is None or swap["from"] is None:
            return
        assert swap["cause"] != "preload", "something was evicted for nobody"
        outgoing = swap["from"].partition("/")[0]
        if swap["cause"] == "request" and outgoing in self.pinned:
            assert swap["to"].partition("/")[0] == outgoing, "a request evicted what is pinned"

    def check_draining(self, waiting: list[WhimsicalClient]) -> None:
        """
        What must hold while running requests are waited for.
        """
        assert sum(self.slot.running.values()), "nothing is drained"
        target = self.slot.describe()["swap"]["to"]
        wanted = any(str(client.target) == target for client in waiting)
        reload = self.slot.describe()["swap"]["cause"] == "reload"
        assert wanted or reload or self.orders or self.unwatched, "drained for nobody"
        if self.drain_timeout is not None:
            assert self.clock.getDelayedCalls(), "drained for ever"

    def token_is_held(self) -> bool:
        """
        @return: whether the slot has the token.
        """
        probe = self.token.acquire()
        if probe.called:
            self.token.release()
            return False
        probe.addErrback(lambda failure: failure.trap(CancelledError))
        probe.cancel()
        return True

    # The end.

    def come_to_rest(self) -> None:
        """
        Nothing new happens, and everything that is pending ends well.
        """
        self.whims = 0
        self.memory.short.clear()
        if not self.adopted and self.closed is None:
            self.take(self.adopt)
        if self.paused:
            self.take(self.resume)
        for _ in range(ENOUGH):
            step = self.next_end()
            if step is None:
                break
            self.take(step)
        else:
            raise AssertionError("it does not come to rest")
        assert not self.waiting(), "somebody waits for ever"
        assert not self.orders, "an order waits for ever"
        assert not self.token_is_held(), "the token is kept"
        if self.closed is None:
            assert self.slot.state in (State.EMPTY, State.READY), "at rest somewhere else"
        else:
            assert self.closed.called, "it does not close"

    def next_end(self) -> Callable[[], None] | None:
        """
        @return: the end of something that is pending, or L{None}.
        """
        engines = self.engines.values()
        ends: list[tuple[bool, Callable[[], None]]] = [
            (self.outside, self.leave_outside),
            (bool(self.held), self.release),
            (self.settling(), self.settle_well),
            (bool(self.clock.getDelayedCalls()), self.wait_for_something),
        ]
        ends.extend((engine.asked, engine.answer) for engine in self.known)
        ends.extend((engine.starting, engine.started) for engine in engines)
        ends.extend((engine.freeing, engine.freed) for engine in engines)
        possible = [end for pending, end in ends if pending]
        return self.random.choice(possible) if possible else None


class WhimsicalClient(Client):
    """
    A request that does something else as soon as it is let in or refused.
    """

    def __init__(self, walk: Walk, target: Residency, wish: Wish) -> None:
        self.target = target
        self.wish = wish
        self.since = walk.clock.seconds()
        self._walk = walk
        super().__init__(
            walk.slot,
            target,
            wish=wish,
            stubborn=walk.random.random() < 0.3,
            granted=lambda _: self._let_in(),
            refused=lambda _: self._whim(),
        )

    def release(self) -> None:
        """
        Its answer has ended.
        """
        self._walk.held.remove(self)
        self._walk.used_at = self._walk.clock.seconds()
        super().release()

    def _let_in(self) -> None:
        self._walk.held.append(self)
        if not self._walk.engines[self.target.engine].up:
            self._walk.lost.add(self)  # by a whim of one who was let in before
        slot = self._walk.slot
        assert slot.state is State.READY, "let in by a slot that is not ready"
        assert slot.resident == self.target, "let in to something else"
        assert not self._walk.paused, "let in during a pause"
        self._whim()

    def _whim(self) -> None:
        walk = self._walk
        if walk.whims <= 0 or walk.random.random() < 0.5:
            return
        walk.whims -= 1
        may: list[tuple[Callable[[], None], bool]] = [
            (walk.ask, True),
            (walk.order, True),
            (walk.pause, walk.random.random() < 0.1),
            (walk.leave, bool(walk.waiting())),
            (walk.release, bool(walk.held)),
            (walk.lose, any(engine.up for engine in walk.engines.values())),
        ]
        walk.random.choice([whim for whim, legal in may if legal])()


class WalkTests(SynchronousTestCase):
    """
    Whatever happens, in whatever order.
    """

    def test_walks(self) -> None:
        """
        No order of events breaks what must hold, and when nothing new happens
        the slot comes to rest, with nobody waiting and nothing pending.
        """
        for seed in range(SEEDS):
            walk = Walk(seed)
            try:
                for _ in range(STEPS):
                    walk.step()
                walk.come_to_rest()
                assert not self.flushLoggedErrors(), "something broke within an answer"
            except Exception as error:
                steps = "\n".join(walk.trace[-30:])
                raise AssertionError(f"seed {seed}: {error!r}, after\n{steps}") from error
