# -*- test-case-name: ler.test.test_slot_drain -*-
"""
Tests of L{ler.slot.slot}: what happens to running answers once a swap is due.
"""

from __future__ import annotations

from ler.errors import CutByDrain, EngineDied, InsufficientMemory
from ler.slot.closing import CUT_GRACE_S
from ler.slot.leases import LOST_GRACE_S
from ler.slot.options import SlotOptions
from ler.slot.states import State
from ler.test.slot_case import DRAIN, MAX_WAIT, A, B, C, Client, SlotTestCase


class DrainTests(SlotTestCase):
    """
    Running answers go on until the drain's time is over.
    """

    def test_waits(self) -> None:
        """
        An answer that runs is not cut before the drain's time is over.
        """
        running, _ = self.draining()
        self.clock.advance(DRAIN - 0.001)
        self.assert_running(running)
        self.assert_state(State.DRAINING)
        self.assertEqual(self.events, [])

    def test_ends_with_the_last_answer(self) -> None:
        """
        The engine is freed as soon as the last answer has ended.
        """
        first, second = self.started(A), self.ask(A)
        self.ask(B)
        self.clock.advance(MAX_WAIT)
        first.release()
        self.assert_state(State.DRAINING)
        second.release()
        self.assert_state(State.FREEING)
        self.assert_quiet()

    def test_cuts(self) -> None:
        """
        When the time is over, what still runs is told to end, and why.
        """
        running, _ = self.draining()
        self.clock.advance(DRAIN)
        self.assertIsInstance(running.cut_by, CutByDrain)
        self.assert_state(State.FREEING)
        self.assert_quiet()

    def test_cuts_all(self) -> None:
        """
        Every running answer is cut, the engine goes when the last has ended.
        """
        stubborn = self.started(A, stubborn=True)
        others = [self.ask(A) for _ in range(3)]
        self.ask(B)
        self.clock.advance(MAX_WAIT)
        self.clock.advance(DRAIN)
        for client in (stubborn, *others):
            self.assertIsInstance(client.cut_by, CutByDrain)
        self.assert_state(State.DRAINING)
        stubborn.release()
        self.assert_state(State.FREEING)

    def give_up_a_ghost(self) -> tuple[Client, Client]:
        """
        A request keeps its lease though it was cut, and is given up.

        @return: that request, and the one that A was drained for.
        """
        ghost = self.started(A, stubborn=True)
        waiting = self.ask(B)
        self.clock.advance(MAX_WAIT)
        self.clock.advance(DRAIN)
        self.clock.advance(CUT_GRACE_S - 0.001)
        self.assert_state(State.DRAINING)
        self.clock.advance(0.001)
        self.assert_state(State.FREEING)
        return ghost, waiting

    def test_gives_up(self) -> None:
        """
        A lease that is never given back is not waited for any longer.
        """
        _, waiting = self.give_up_a_ghost()
        self.engines["a"].freed()
        self.engines["b"].started()
        self.assert_running(waiting)

    def test_given_up_once(self) -> None:
        """
        A lease that was given up does not hold up the next swap, and its late
        return is harmless.
        """
        ghost, waiting = self.give_up_a_ghost()
        self.engines["a"].freed()
        self.engines["b"].started()
        self.assertEqual(self.slot.running["a"], 0)
        self.ask(C)
        waiting.release()
        self.assert_state(State.FREEING)
        ghost.release()
        self.assert_state(State.FREEING)

    def test_taken_back(self) -> None:
        """
        When those who wanted the switch leave, it is taken back: the resident
        goes on, and whoever came for it meanwhile is let in.
        """
        running, waiting = self.draining()
        late = self.ask(A)
        waiting.leave()
        self.assert_state(State.READY)
        self.assert_running(running, late)
        self.assertIsNone(self.slot.describe()["swap"])
        self.assertTrue(self.memory.releases[-1][2].cancelled)
        self.assert_quiet()
        self.assertEqual(self.swaps, [])

    def test_another_rival_remains(self) -> None:
        """
        When those who wanted the switch leave, the next rival's own wait
        counts.
        """
        self.started(A)
        first = self.ask(B)
        self.clock.advance(MAX_WAIT - 10)
        second = self.ask(C)
        self.clock.advance(10)
        self.assert_state(State.DRAINING)
        first.leave()
        self.assert_state(State.READY)
        self.clock.advance(MAX_WAIT - 10)
        self.assert_state(State.DRAINING)
        self.assert_waiting(second)

    def test_one_of_many_leaves(self) -> None:
        """
        As long as anybody wants the switch, the drain goes on.
        """
        _, waiting = self.draining()
        self.ask(B)
        waiting.leave()
        self.assert_state(State.DRAINING)

    def test_lost(self) -> None:
        """
        An engine that dies while it is drained is freed, and the swap goes on
        to what it was for.
        """
        running, waiting = self.draining()
        self.engines["a"].lose(EngineDied("killed by SIGKILL"))
        self.engines["b"].started()
        self.assertEqual(self.events, ["a free", "b bring_up"])
        self.assert_running(waiting)
        self.clock.advance(LOST_GRACE_S)
        self.assertIsInstance(running.cut_by, EngineDied)

    def test_another_engine_is_lost(self) -> None:
        """
        News of an engine that is not there changes nothing.
        """
        self.draining()
        self.engines["b"].lose(EngineDied("killed by SIGKILL"))
        self.assert_state(State.DRAINING)
        self.assertEqual(self.events, [])


class ShortfallTests(SlotTestCase):
    """
    One look before the drain: what cannot fit is answered at once.
    """

    def test_resident_stays(self) -> None:
        """
        A request for what would not fit even without the resident is refused,
        and the resident stays.
        """
        self.idle(A)
        error = self.short_of(B)
        client = self.ask(B)
        self.assertIs(client.refusal, error)
        self.assert_state(State.READY)
        self.assertEqual(self.slot.resident, A)
        self.assertEqual(self.events, [])
        self.assertEqual(self.swaps, [])

    def test_all_who_wait_for_it(self) -> None:
        """
        Everybody who waits for it is answered, and others have their turn.
        """
        running = self.started(A)
        clients = [self.ask(B), self.ask(B)]
        other = self.ask(C)
        self.short_of(B)
        running.release()
        self.assert_refused(InsufficientMemory, *clients)
        self.engines["a"].freed()
        self.engines["c"].started()
        self.assert_running(other)

    def test_empty_slot(self) -> None:
        """
        An empty slot looks as well.
        """
        self.slot.adopt()
        self.short_of(B)
        self.assert_refused(InsufficientMemory, self.ask(B))
        self.assert_state(State.EMPTY)

    def test_nobody_fits(self) -> None:
        """
        Several that do not fit are answered one after the other.
        """
        running = self.started(A)
        clients = [self.ask(B), self.ask(C), self.ask(B)]
        self.short_of(B)
        self.short_of(C)
        running.release()
        self.assert_refused(InsufficientMemory, *clients)
        self.assert_state(State.READY)
        self.assert_quiet()


class PatientDrainTests(SlotTestCase):
    """
    C{drain_timeout_s: never}.
    """

    options = SlotOptions(drain_timeout=None)

    def test_never_cut(self) -> None:
        """
        Running answers have all the time in the world.
        """
        running, _ = self.draining()
        self.assert_quiet()
        self.assert_running(running)

    def test_leases_of_a_lost_engine(self) -> None:
        """
        A lease of an engine that was lost, and that is never given back, does
        not hold up the next swap.
        """
        ghost = self.started(A, stubborn=True)
        self.engines["a"].lose(EngineDied("killed by SIGKILL"))
        self.clock.advance(LOST_GRACE_S)
        self.assertIsInstance(ghost.cut_by, EngineDied)
        self.started(A).release()
        self.ask(B)
        self.assert_state(State.FREEING)


class ImpatientDrainTests(SlotTestCase):
    """
    C{drain_timeout_s: 0}.
    """

    options = SlotOptions(drain_timeout=0.0)

    def test_cut_at_once(self) -> None:
        """
        Running answers are cut as soon as a switch is committed.
        """
        running = self.started(A)
        self.ask(B)
        self.clock.advance(MAX_WAIT)
        self.assertIsInstance(running.cut_by, CutByDrain)
        self.assert_state(State.FREEING)
