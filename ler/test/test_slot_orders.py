# -*- test-case-name: ler.test.test_slot_orders -*-
"""
Tests of L{ler.slot.slot}: what the operator asks for.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError

from ler.errors import (
    EngineStartFailed,
    EngineStuck,
    InsufficientMemory,
    Paused,
    Withdrawn,
)
from ler.slot.states import State
from ler.test.slot_case import DRAIN, A, B, C, SlotTestCase


class OrderTests(SlotTestCase):
    """
    The operator's word goes before every policy.
    """

    def test_adopting(self) -> None:
        """
        An order that comes before the boot probe has ended waits for it.
        """
        order = self.slot.order(A)
        self.assertNoResult(order)
        self.slot.adopt()
        self.engines["a"].started()
        self.successResultOf(order)

    def test_empty(self) -> None:
        """
        In an empty slot the engine is started though nobody waits for it.
        """
        self.slot.adopt()
        order = self.slot.order(A)
        self.clock.advance(1000)
        self.engines["a"].started()
        self.successResultOf(order)
        self.assert_quiet()
        self.assertEqual(self.swaps[-1].cause, "operator")

    def test_unload_empty(self) -> None:
        """
        An empty slot is empty already.
        """
        self.slot.adopt()
        self.successResultOf(self.slot.order(None))

    def test_resident(self) -> None:
        """
        What is there need not be brought up.
        """
        self.idle(A)
        self.successResultOf(self.slot.order(A))
        self.assertEqual(self.events, [])

    def test_swap(self) -> None:
        """
        A ready resident is drained at once, however long it would have had.
        """
        running = self.started(A)
        order = self.slot.order(B)
        self.assert_state(State.DRAINING)
        running.release()
        self.engines["a"].freed()
        self.assertNoResult(order)
        self.engines["b"].started()
        self.successResultOf(order)
        self.assertEqual(self.slot.resident, B)

    def test_unload(self) -> None:
        """
        An unloaded slot is empty once the memory has come back.
        """
        self.idle(A)
        self.memory.report = None
        order = self.slot.order(None)
        self.engines["a"].freed()
        self.assertNoResult(order)
        self.settle()
        self.successResultOf(order)
        self.assert_state(State.EMPTY)
        self.assertIsNone(self.swaps[-1].incoming)

    def test_before_those_who_wait(self) -> None:
        """
        Whoever waits is served after the order.
        """
        running, waiting = self.draining()
        order = self.slot.order(C)
        running.release()
        self.engines["a"].freed()
        self.engines["c"].started()
        self.successResultOf(order)
        self.engines["c"].freed()
        self.engines["b"].started()
        self.assert_running(waiting)

    def test_no_room(self) -> None:
        """
        An order for what cannot fit fails, and the resident stays.
        """
        self.idle(A)
        self.short_of(B)
        self.failureResultOf(self.slot.order(B), InsufficientMemory)
        self.assert_state(State.READY)

    def test_does_not_start(self) -> None:
        """
        An order for what does not start fails with the reason.
        """
        self.slot.adopt()
        order = self.slot.order(A)
        self.engines["a"].start_failed(EngineStartFailed("exit status 1"))
        self.failureResultOf(order, EngineStartFailed)

    def test_does_not_go(self) -> None:
        """
        An order that waits for what would not go fails with that.
        """
        self.idle(A)
        order = self.slot.order(B)
        self.engines["a"].free_failed(EngineStuck("process 42 survives SIGKILL"))
        self.failureResultOf(order, EngineStuck)

    def test_watched_no_more(self) -> None:
        """
        An order is carried out also when nobody watches it any more.
        """
        self.slot.adopt()
        order = self.slot.order(A)
        order.cancel()
        self.failureResultOf(order, CancelledError)
        self.engines["a"].started()
        self.assertEqual(self.slot.resident, A)


class LaterOrderTests(SlotTestCase):
    """
    A later order takes the place of an unfinished one.
    """

    def test_withdrawn(self) -> None:
        """
        Whoever gave the former one is told.
        """
        self.slot.adopt()
        first = self.slot.order(A)
        second = self.slot.order(A)
        self.failureResultOf(first, Withdrawn)
        self.engines["a"].started()
        self.successResultOf(second)

    def test_draining_for_the_same(self) -> None:
        """
        An order for what is drained for already changes nothing but that it
        need not be wanted any more.
        """
        running, waiting = self.draining()
        self.clock.advance(DRAIN - 1)
        order = self.slot.order(B)
        waiting.leave()
        self.assert_state(State.DRAINING)
        self.clock.advance(1)
        self.assertIsNotNone(running.cut_by)
        self.engines["a"].freed()
        self.engines["b"].started()
        self.successResultOf(order)

    def test_draining_for_the_resident(self) -> None:
        """
        An order for what is being drained takes the switch back.
        """
        running, waiting = self.draining()
        self.successResultOf(self.slot.order(A))
        self.assert_running(running)
        self.assert_waiting(waiting)
        self.assertEqual(self.events, [])

    def test_draining_for_another(self) -> None:
        """
        The drain goes on for the new target.
        """
        running, waiting = self.draining()
        order = self.slot.order(C)
        self.assert_state(State.DRAINING)
        self.assertEqual(self.memory.releases[-1][:2], ("a", "c"))
        running.release()
        self.engines["a"].freed()
        self.engines["c"].started()
        self.successResultOf(order)
        self.assert_waiting(waiting)

    def test_draining_for_what_does_not_fit(self) -> None:
        """
        A new target that cannot fit is refused, and the drain goes on for the
        old one.
        """
        running, waiting = self.draining()
        self.short_of(C)
        self.failureResultOf(self.slot.order(C), InsufficientMemory)
        self.assert_state(State.DRAINING)
        running.release()
        self.engines["a"].freed()
        self.engines["b"].started()
        self.assert_running(waiting)

    def test_draining_then_unload(self) -> None:
        """
        An unload does not keep those who wait from being served after it.
        """
        running, waiting = self.draining()
        order = self.slot.order(None)
        running.release()
        self.engines["a"].freed()
        self.successResultOf(order)
        self.assertEqual(self.events, ["a free", "b bring_up"])
        self.engines["b"].started()
        self.assert_running(waiting)

    def test_freeing(self) -> None:
        """
        An order that comes while the old engine goes is considered when the
        memory is back.
        """
        self.idle(A)
        self.ask(B)
        order = self.slot.order(C)
        self.engines["a"].freed()
        self.assertEqual(self.events, ["a free", "c bring_up"])
        self.engines["c"].started()
        self.successResultOf(order)

    def test_settling(self) -> None:
        """
        And so is one that comes while the memory settles.
        """
        self.memory.report = None
        self.slot.adopt()
        waiting = self.ask(A)
        order = self.slot.order(None)
        self.settle()
        self.successResultOf(order)
        self.assertEqual(self.events, [])
        self.settle()
        self.engines["a"].started()
        self.assert_running(waiting)

    def test_starting_the_same(self) -> None:
        """
        An order for what is starting waits for it, and keeps it from being
        abandoned.
        """
        self.slot.adopt()
        self.ask(A).leave()
        self.ask(B)
        order = self.slot.order(A)
        self.assert_quiet()
        self.clock.advance(1000)
        self.engines["a"].started()
        self.successResultOf(order)

    def test_starting_another(self) -> None:
        """
        An order for something else abandons the start; its requests wait on.
        """
        self.slot.adopt()
        waiting = self.ask(A)
        order = self.slot.order(B)
        self.assertEqual(self.events, ["a bring_up", "a abandoned", "a free"])
        self.engines["a"].freed()
        self.engines["b"].started()
        self.successResultOf(order)
        self.assert_waiting(waiting)
        self.assertEqual(str(self.swaps[0].error), "the operator wants something else")

    def test_unload_while_starting(self) -> None:
        """
        An unload abandons the start, too.
        """
        self.slot.adopt()
        first = self.slot.order(A)
        second = self.slot.order(None)
        self.failureResultOf(first, Withdrawn)
        self.engines["a"].freed()
        self.successResultOf(second)
        self.assert_state(State.EMPTY)


class PauseTests(SlotTestCase):
    """
    The operator takes the memory back for a while.
    """

    def test_gives_the_memory_back(self) -> None:
        """
        The slot is emptied; running answers may end.
        """
        running, waiting = self.started(A), self.ask(B)
        paused = self.slot.pause("gaming")
        self.assert_refused(Paused, waiting)
        self.assertEqual(str(waiting.refusal), "gaming")
        self.assertEqual(self.slot.describe()["paused"], "gaming")
        running.release()
        self.engines["a"].freed()
        self.successResultOf(paused)
        self.assert_state(State.EMPTY)

    def test_refuses(self) -> None:
        """
        Requests that come are refused, whatever they want.
        """
        self.idle(A)
        self.slot.pause("gaming")
        self.assert_refused(Paused, self.ask(A), self.ask(B))
        self.engines["a"].freed()
        self.assert_refused(Paused, self.ask(A))
        self.assert_state(State.EMPTY)

    def test_refuses_for_the_resident(self) -> None:
        """
        Also what the operator brings up during the pause takes no requests
        before its end.
        """
        self.slot.adopt()
        self.slot.pause("tests")
        self.slot.order(A)
        self.engines["a"].started()
        self.assert_refused(Paused, self.ask(A))
        self.slot.resume()
        self.assert_running(self.ask(A))

    def test_starting(self) -> None:
        """
        A start is abandoned.
        """
        self.slot.adopt()
        client = self.ask(A)
        paused = self.slot.pause("gaming")
        self.assert_refused(Paused, client)
        self.engines["a"].freed()
        self.successResultOf(paused)

    def test_adopting(self) -> None:
        """
        What ran already is freed as soon as it is found.
        """
        paused = self.slot.pause("gaming")
        self.engines["a"].holding = (A,)
        self.slot.adopt()
        self.assertEqual(self.events, ["a free"])
        self.engines["a"].freed()
        self.successResultOf(paused)

    def test_resume(self) -> None:
        """
        After the pause requests are served as ever.
        """
        self.slot.adopt()
        self.slot.pause("gaming")
        self.slot.resume()
        client = self.ask(A)
        self.engines["a"].started()
        self.assert_running(client)

    def test_resume_before_it_is_empty(self) -> None:
        """
        A resumed slot serves as soon as the memory is back.
        """
        running = self.started(A)
        self.slot.pause("gaming")
        self.slot.resume()
        client = self.ask(A)
        running.release()
        self.engines["a"].freed()
        self.engines["a"].started()
        self.assert_running(client)
