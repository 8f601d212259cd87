# -*- test-case-name: ler.test.test_slots -*-
"""
Tests of L{ler.slot.slots}.
"""

from __future__ import annotations

import time

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ler.errors import EngineDied, EngineStuck, Paused, WouldSwap
from ler.interfaces import Residency
from ler.slot.options import SlotOptions
from ler.slot.policy import Join
from ler.slot.record import Answered
from ler.slot.slot import Slot
from ler.slot.slots import EXCLUSIVE, Slots
from ler.slot.states import State
from ler.slot.swap import Swap
from ler.slot.view import GUESS
from ler.slot.wish import Priority, Wish
from ler.test.slot_case import SETTLED, A, B
from ler.testing import FakeEngine, FakeMemory, FakeStateStore

SMALL, TINY = Residency("small"), Residency("tiny")
BESIDE, LARGE = Residency("b", "beside"), Residency("b", "large")


class SlotsTests(SynchronousTestCase):
    """
    L{Slots}: C{a} and C{b} are rivals, C{small} and C{tiny} live beside them,
    and so does one model of C{b}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.events: list[str] = []
        self.engines = {
            key: FakeEngine(key, events=self.events) for key in ("a", "b", "small", "tiny")
        }
        self.face = FakeEngine("b", events=self.events)
        self.memory, self.private_memory = FakeMemory(SETTLED), FakeMemory(SETTLED)
        self.swaps: list[Swap] = []
        self.answered: list[Answered] = []
        self.store = FakeStateStore()
        self.slots = self.make_slots()

    def make_slots(self) -> Slots:
        """
        @return: them, as a router makes them when it starts.
        """
        return Slots(
            {key: self.engines[key] for key in ("a", "b")},
            {
                SMALL: self.engines["small"],
                TINY: self.engines["tiny"],
                BESIDE: self.face,
            },
            make_policy=Join,
            memory=self.memory,
            private_memory=self.private_memory,
            clock=self.clock,
            options=SlotOptions(),
            store=self.store,
            swapped=self.swaps.append,
            answered=self.answered.append,
        )

    def bring_up(self, *targets: Residency) -> None:
        """
        Bring C{targets} up, one after the other.
        """
        self.slots.adopt()
        for target in targets:
            done = self.slots.bring_up(target)
            self.engines[target.engine].started()
            self.successResultOf(done)
        del self.events[:]

    def test_who_lives_where(self) -> None:
        """
        Rivals share a slot, every other engine has one of its own, and so has
        every other model.
        """
        names = [slot.name for slot in self.slots.all]
        self.assertEqual(names, [EXCLUSIVE, "small", "tiny", "b/beside"])
        for rival in (A, B, LARGE, Residency("a", "beside")):
            self.assertIs(self.slots.of(rival), self.slots.exclusive)
        self.assertEqual(self.slots.of(SMALL).name, "small")
        self.assertEqual(self.slots.of(Residency("tiny", "any")).name, "tiny")
        self.assertEqual(self.slots.of(BESIDE).name, "b/beside")

    def test_has_ready(self) -> None:
        """
        An engine is ready while it is resident, whichever model it has, and
        wherever.
        """
        self.bring_up(Residency("a", "large"))
        ready = [self.slots.has_ready(key) for key in self.engines]
        self.assertEqual(ready, [True, False, False, False])
        self.slots.bring_up(BESIDE)
        self.face.started()
        self.assertTrue(self.slots.has_ready("b"))

    def test_running(self) -> None:
        """
        The requests of an engine are counted in all slots that it lives in.
        """
        self.bring_up(LARGE)
        self.slots.bring_up(BESIDE)
        self.face.started()
        for target in (LARGE, BESIDE, BESIDE):
            self.successResultOf(self.slots.acquire(target))
        counts = [self.slots.running(key) for key in ("a", "b", "nobody")]
        self.assertEqual(counts, [0, 3, 0])

    def test_model_beside(self) -> None:
        """
        A model with a slot of its own is brought up beside the exclusive one
        of its engine, by its own face, and survives the other's end.
        """
        self.bring_up(LARGE)
        beside = self.slots.acquire(BESIDE)
        self.face.started()
        self.assertIs(self.successResultOf(beside).engine, self.face)
        self.slots.acquire(A)
        self.engines["b"].freed()
        self.assertEqual(self.events, ["b bring_up beside", "b free", "a bring_up"])
        self.successResultOf(self.slots.acquire(BESIDE))

    def test_adopt(self) -> None:
        """
        Every slot finds out what its engines hold.
        """
        self.engines["b"].holding = (B,)
        self.engines["tiny"].holding = (TINY,)
        self.slots.adopt()
        residents = [slot.resident for slot in self.slots.all]
        self.assertEqual(residents, [B, None, TINY, None])

    def test_preload(self) -> None:
        """
        What is preloaded is brought up in order, each in its slot.
        """
        self.slots.adopt()
        self.slots.preload([SMALL, LARGE, BESIDE, A])
        self.assertEqual(self.events, ["small bring_up"])
        self.engines["small"].started()
        self.engines["b"].started()
        self.face.started()
        self.assertEqual(self.events, ["small bring_up", "b bring_up large", "b bring_up beside"])
        residents = [slot.resident for slot in self.slots.all]
        self.assertEqual(residents, [LARGE, SMALL, None, BESIDE])
        self.assertEqual([swap.cause for swap in self.swaps], ["preload"] * 3)

    def test_beside_each_other(self) -> None:
        """
        An engine with a slot of its own is started beside the others.
        """
        self.bring_up(A)
        small = self.slots.acquire(SMALL)
        self.engines["small"].started()
        self.assertIs(self.successResultOf(small).engine, self.engines["small"])
        self.assertIs(self.successResultOf(self.slots.acquire(A)).engine, self.engines["a"])
        self.assertEqual(self.events, ["small bring_up"])

    def test_memory(self) -> None:
        """
        The rivals watch the memory, the others wait for nothing.
        """
        self.bring_up(A, SMALL)
        self.assertEqual([release[1] for release in self.memory.releases], ["a"])
        self.assertEqual([release[1] for release in self.private_memory.releases], ["small"])

    def test_never_two_loads(self) -> None:
        """
        Two engines never load at the same time, also in different slots.
        """
        self.slots.adopt()
        tickets = [self.slots.acquire(target) for target in (A, SMALL, TINY)]
        self.assertEqual(self.events, ["a bring_up"])
        self.engines["a"].started()
        self.assertEqual(self.events, ["a bring_up", "small bring_up"])
        self.engines["small"].started()
        self.engines["tiny"].started()
        for ticket in tickets:
            self.successResultOf(ticket)

    def test_whole_swap(self) -> None:
        """
        A swap holds the token from the first stop to the end of the start, so
        that the memory moves for one reason at a time.
        """
        self.bring_up(A)
        swap = self.slots.acquire(B)
        small = self.slots.acquire(SMALL)
        self.engines["a"].freed()
        self.assertEqual(self.events, ["a free", "b bring_up"])
        self.engines["b"].started()
        self.successResultOf(swap)
        self.engines["small"].started()
        self.successResultOf(small)

    def test_swap_waits_for_a_load(self) -> None:
        """
        A swap that is due stops nothing while another slot loads.
        """
        self.bring_up(A)
        small = self.slots.acquire(SMALL)
        self.slots.acquire(B)
        self.assertEqual(self.events, ["small bring_up"])
        self.engines["small"].started()
        self.successResultOf(small)
        self.assertEqual(self.events, ["small bring_up", "a free"])

    def test_waiting_for_a_load_that_fails(self) -> None:
        """
        A failed load is cleaned up before another slot may load.
        """
        self.slots.adopt()
        failing, waiting = self.slots.acquire(SMALL), self.slots.acquire(TINY)
        self.engines["small"].start_failed(EngineStuck("port taken"))
        self.failureResultOf(failing, EngineStuck)
        self.assertEqual(self.events, ["small bring_up", "small free"])
        self.engines["small"].freed()
        self.engines["tiny"].started()
        self.successResultOf(waiting)

    def test_unload(self) -> None:
        """
        Unloading empties every slot.
        """
        self.bring_up(A, SMALL)
        unloaded = self.slots.unload()
        self.engines["a"].freed()
        self.assertNoResult(unloaded)
        self.engines["small"].freed()
        self.successResultOf(unloaded)
        self.assertEqual([slot.resident for slot in self.slots.all], [None] * 4)

    def test_unload_fails(self) -> None:
        """
        When a slot cannot be emptied, that is told as it is once the others
        are empty.
        """
        self.bring_up(A, SMALL)
        unloaded = self.slots.unload()
        self.engines["a"].free_failed(EngineStuck("process 42 survives SIGKILL"))
        self.assertNoResult(unloaded)
        self.engines["small"].freed()
        self.failureResultOf(unloaded, EngineStuck)

    def test_pause(self) -> None:
        """
        A pause empties every slot and refuses every request, until it ends.
        """
        self.bring_up(A, SMALL)
        paused = self.slots.pause("gaming")
        self.failureResultOf(self.slots.acquire(A), Paused)
        self.failureResultOf(self.slots.acquire(TINY), Paused)
        self.engines["a"].freed()
        self.engines["small"].freed()
        self.successResultOf(paused)
        self.slots.resume()
        tiny = self.slots.acquire(TINY)
        self.engines["tiny"].started()
        self.successResultOf(tiny)

    def test_close(self) -> None:
        """
        Closing stops all engines at once, and ends with the last.
        """
        self.bring_up(A, SMALL)
        closed = self.slots.close()
        self.assertEqual(
            self.events, ["a close", "b close", "small close", "tiny close", "b close"]
        )
        self.engines["a"].freed()
        self.assertNoResult(closed)
        self.engines["small"].freed()
        self.successResultOf(closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_close_and_leave(self) -> None:
        """
        Every ready resident can be left running.
        """
        self.bring_up(A, SMALL)
        self.successResultOf(self.slots.close(leave=True))
        self.assertEqual(
            self.events, ["a leave", "b close", "small leave", "tiny close", "b close"]
        )

    def test_describe(self) -> None:
        """
        Every slot is described, the exclusive one first.
        """
        self.bring_up(SMALL)
        self.assertEqual(
            [(slot["slot"], slot["state"]) for slot in self.slots.describe()],
            [
                (EXCLUSIVE, State.EMPTY.value),
                ("small", State.READY.value),
                ("tiny", State.EMPTY.value),
                ("b/beside", State.EMPTY.value),
            ],
        )

    def test_swapped(self) -> None:
        """
        The swaps of every slot are reported.
        """
        self.bring_up(A, SMALL)
        self.assertEqual([swap.incoming for swap in self.swaps], [A, SMALL])

    def test_wish(self) -> None:
        """
        A request may say how it would like to be treated, and ask what it may
        expect.
        """
        self.bring_up(A)
        self.failureResultOf(self.slots.acquire(B, Wish(no_swap=True)), WouldSwap)
        self.assertEqual(self.slots.expect(A).seconds, 0.0)
        self.assertEqual(self.slots.expect(SMALL).seconds, GUESS.start)

    def test_keep(self) -> None:
        """
        What a client says of a target is told to its slot.
        """
        self.bring_up(A, SMALL)
        self.slots.keep(SMALL, 0.0)
        self.clock.advance(0)
        self.assertEqual(self.events, ["small free"])

    def test_answered(self) -> None:
        """
        Every request that was let in is told of when it has ended, with what
        the swap before it took.
        """
        self.slots.adopt()
        first = self.slots.acquire(A, Wish(Priority.BATCH))
        self.clock.advance(20.0)
        self.engines["a"].started()
        self.clock.advance(4.0)
        self.successResultOf(first).release()
        [answered] = self.answered
        self.assertEqual(answered.target, A)
        self.assertEqual((answered.slot, answered.priority), (EXCLUSIVE, Priority.BATCH))
        self.assertEqual((answered.waited, answered.service, answered.swap), (20.0, 4.0, 20.0))
        self.assertApproximates(answered.at, time.time() - 24.0, 10.0)

    def test_answered_by_what_was_found(self) -> None:
        """
        What was found took no swap, and what is lost is not told of.
        """
        self.engines["a"].holding = (A,)
        self.slots.adopt()
        lost, first = self.slots.acquire(A), self.slots.acquire(A)
        self.successResultOf(first).release()
        self.engines["a"].lose(EngineDied("killed"))
        self.successResultOf(lost).release()
        self.assertEqual([each.swap for each in self.answered], [None])

    def test_learned(self) -> None:
        """
        What was learned is kept after every swap and at the end, by slot, and
        is known again after a restart.
        """
        self.slots.adopt()
        for target in (A, SMALL):
            lease = self.slots.acquire(target)
            self.clock.advance(20.0)
            self.engines[target.engine].started()
            self.assertEqual(self.slots.expect(BESIDE).seconds, GUESS.start)
            self.successResultOf(lease).release()
        learned = {"a": {"cold": [20.0, 10.0]}}
        self.assertEqual(self.store.get("slots")[EXCLUSIVE], learned)
        self.slots.close()
        learned["a"]["service"] = [0.0, 0.0]
        self.assertEqual(self.store.get("slots")[EXCLUSIVE], learned)
        self.assertIn("small", self.store.get("slots"))
        again = self.make_slots()
        self.assertEqual([again.expect(target).seconds for target in (A, SMALL)], [20.0, 20.0])

    def test_nothing_learned(self) -> None:
        """
        What is no memory of a slot is none.
        """
        self.store.put("slots", "a text")
        self.assertEqual(self.make_slots().expect(A).seconds, GUESS.start)

    def test_watch(self) -> None:
        """
        Whoever watches hears of every slot that may look different, and so
        does everybody else who watches.
        """
        moved: list[str] = []
        others: list[str] = []
        self.slots.adopt()
        self.slots.watch(lambda slot: moved.append(slot.name))
        self.slots.watch(lambda slot: others.append(slot.name))
        for happens in (
            lambda: self.slots.bring_up(A),
            self.engines["a"].started,
            lambda: self.successResultOf(self.slots.acquire(A)).release(),
            self.slots.exclusive.resume,
        ):
            del moved[:], others[:]
            happens()
            self.assertEqual({EXCLUSIVE}, set(moved), happens)
            self.assertEqual(moved, others)

    def test_watch_phases(self) -> None:
        """
        A phase that begins when another slot lets it is heard of, too.
        """
        self.slots.adopt()
        self.slots.bring_up(SMALL)
        self.slots.bring_up(A)
        phases: list[str] = []

        def moved(slot: Slot) -> None:
            swap = slot.describe()["swap"]
            if swap is not None and swap["phase"] not in phases:
                phases.append(swap["phase"])

        self.slots.watch(moved)
        self.engines["small"].started()
        self.assertEqual(["settle", "start"], phases)
        self.engines["a"].started()

    def test_served_at_once(self) -> None:
        """
        A model is served at once when it is there, nobody waits, and no swap
        is under way.
        """
        self.slots.adopt()
        self.assertFalse(self.slots.serves_at_once(A))
        admitted = self.slots.acquire(A)
        self.assertFalse(self.slots.serves_at_once(A))
        self.engines["a"].started()
        self.assertTrue(self.slots.serves_at_once(A))
        self.assertFalse(self.slots.serves_at_once(B))
        self.slots.bring_up(B)
        self.assertFalse(self.slots.serves_at_once(A))
        self.successResultOf(admitted).release()
        self.assertFalse(self.slots.serves_at_once(A))
