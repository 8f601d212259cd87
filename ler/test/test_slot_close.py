# -*- test-case-name: ler.test.test_slot_close -*-
"""
Tests of L{ler.slot.slot} and L{ler.slot.closing}: the end.
"""

from __future__ import annotations

from collections.abc import Mapping

from ler.errors import (
    EngineDied,
    EngineStuck,
    ShuttingDown,
)
from ler.slot.closing import CUT_GRACE_S, DRAIN_S
from ler.slot.conduct import BLOCKED_RETRY_S
from ler.slot.machine import UnforeseenInput
from ler.slot.states import State
from ler.test.slot_case import MAX_WAIT, A, B, SlotTestCase, SlowFakeEngine
from ler.testing import FakeEngine


class CloseTests(SlotTestCase):
    """
    The router stops.
    """

    def test_empty(self) -> None:
        """
        An empty slot makes sure that nothing runs.
        """
        self.slot.adopt()
        self.successResultOf(self.slot.close())
        self.assertEqual(self.events, ["a close", "b close", "c close"])
        self.assert_state(State.CLOSING)

    def test_resident(self) -> None:
        """
        The resident is stopped.
        """
        self.idle(A)
        closed = self.slot.close()
        self.assertNoResult(closed)
        self.engines["a"].freed()
        self.successResultOf(closed)
        self.assert_quiet()

    def test_refuses(self) -> None:
        """
        Whoever waits is refused, and so is everybody who comes, before and
        after the end; orders likewise.
        """
        self.started(A)
        waiting = self.ask(B)
        self.slot.close()
        self.assert_refused(ShuttingDown, waiting, self.ask(A), self.ask(B))
        self.failureResultOf(self.slot.order(B), ShuttingDown)
        self.clock.advance(DRAIN_S)
        self.engines["a"].freed()
        self.assert_refused(ShuttingDown, self.ask(A))

    def test_running(self) -> None:
        """
        Running answers may end before the engine is stopped.
        """
        first, second = self.started(A), self.ask(A)
        closed = self.slot.close()
        first.release()
        self.assertEqual(self.events, ["a bring_up"])
        second.release()
        self.engines["a"].freed()
        self.successResultOf(closed)
        self.assert_quiet()

    def test_cut(self) -> None:
        """
        Answers that run on are cut after a few seconds.
        """
        running = self.started(A)
        self.slot.close()
        self.clock.advance(DRAIN_S - 0.001)
        self.assert_running(running)
        self.clock.advance(0.001)
        self.assertIsInstance(running.cut_by, ShuttingDown)
        self.assertIn("a close", self.events)
        self.assert_quiet()

    def test_never_given_back(self) -> None:
        """
        A lease that is never given back does not keep the router.
        """
        self.started(A, stubborn=True)
        closed = self.slot.close()
        self.clock.advance(DRAIN_S)
        self.assertNotIn("a close", self.events)
        self.clock.advance(CUT_GRACE_S)
        self.engines["a"].freed()
        self.successResultOf(closed)
        self.assert_quiet()

    def test_leave(self) -> None:
        """
        A ready resident can be left running; everything else is stopped.
        """
        running = self.started(A)
        closed = self.slot.close(leave=True)
        self.assertNotIn("a leave", self.events)
        running.release()
        self.successResultOf(closed)
        self.assertEqual(self.events, ["a bring_up", "a leave", "b close", "c close"])

    def test_leave_while_draining(self) -> None:
        """
        A resident that was drained for another is still one, and is left.
        """
        running, waiting = self.draining()
        closed = self.slot.close(leave=True)
        self.assert_refused(ShuttingDown, waiting)
        running.release()
        self.successResultOf(closed)
        self.assertEqual(self.events, ["a leave", "b close", "c close"])
        self.assert_quiet()

    def test_leave_while_starting(self) -> None:
        """
        An engine that is not ready is not left.
        """
        self.slot.adopt()
        client = self.ask(A)
        closed = self.slot.close(leave=True)
        self.assert_refused(ShuttingDown, client)
        self.assertEqual(
            self.events, ["a bring_up", "a abandoned", "a close", "b close", "c close"]
        )
        self.engines["a"].freed()
        self.successResultOf(closed)
        self.assert_token_free()

    def test_freeing(self) -> None:
        """
        An engine that goes already is waited for.
        """
        self.idle(A)
        self.ask(B)
        closed = self.slot.close()
        self.assertEqual(self.events, ["a free", "a close", "b close", "c close"])
        self.engines["a"].freed()
        self.successResultOf(closed)
        self.assert_token_free()

    def test_settling(self) -> None:
        """
        A wait for memory is given up, and nothing starts after it.
        """
        self.memory.report = None
        self.slot.adopt()
        self.ask(A)
        release = self.memory.releases[-1][2]
        self.successResultOf(self.slot.close())
        self.assertTrue(release.cancelled)
        self.assertNotIn("a bring_up", self.events)
        self.assert_token_free()

    def test_waiting_for_the_token(self) -> None:
        """
        A slot that waits for its turn to move memory leaves that queue.
        """
        self.idle(A)
        self.token.acquire()
        self.ask(B)
        closed = self.slot.close()
        self.token.release()
        self.engines["a"].freed()
        self.successResultOf(closed)
        self.assert_token_free()

    def test_blocked(self) -> None:
        """
        What would not go is told once more.
        """
        self.idle(A)
        self.ask(B)
        self.engines["a"].free_failed(EngineStuck("process 42 survives SIGKILL"))
        closed = self.slot.close()
        self.assert_refused(ShuttingDown, self.ask(A))
        self.engines["a"].free_failed(EngineStuck("process 42 survives SIGKILL"))
        self.successResultOf(closed)
        self.assert_quiet()

    def test_blocked_and_trying(self) -> None:
        """
        The router may stop while a stuck engine is told again.
        """
        self.idle(A)
        self.ask(B)
        self.engines["a"].free_failed(EngineStuck("process 42 survives SIGKILL"))
        self.clock.advance(BLOCKED_RETRY_S)
        closed = self.slot.close()
        self.engines["a"].freed()
        self.successResultOf(closed)

    def test_one_does_not_go(self) -> None:
        """
        One engine that does not stop does not keep the others from it.
        """
        self.idle(A)
        self.engines["b"].running = True
        closed = self.slot.close()
        self.engines["a"].free_failed(EngineStuck("process 42 survives SIGKILL"))
        self.assertNoResult(closed)
        self.engines["b"].freed()
        self.successResultOf(closed)

    def test_order(self) -> None:
        """
        An unfinished order is told.
        """
        self.slot.adopt()
        order = self.slot.order(A)
        self.slot.close()
        self.failureResultOf(order, ShuttingDown)

    def test_paused(self) -> None:
        """
        A paused slot closes like any other.
        """
        self.idle(A)
        paused = self.slot.pause("gaming")
        closed = self.slot.close()
        self.failureResultOf(paused, ShuttingDown)
        self.engines["a"].freed()
        self.successResultOf(closed)

    def test_lost(self) -> None:
        """
        A resident that dies meanwhile is of no consequence.
        """
        running = self.started(A)
        closed = self.slot.close()
        self.engines["a"].lose(EngineDied("killed by SIGKILL"))
        running.release()
        self.successResultOf(closed)

    def test_after_a_loss(self) -> None:
        """
        The requests of an engine that was lost are not waited for.
        """
        running = self.started(A, stubborn=True)
        self.engines["a"].lose(EngineDied("killed by SIGKILL"))
        self.successResultOf(self.slot.close())
        self.clock.advance(MAX_WAIT)
        self.assertIsInstance(running.cut_by, EngineDied)
        self.assert_quiet()

    def test_twice(self) -> None:
        """
        Closing twice is a bug, and does not disturb the first.
        """
        self.idle(A)
        closed = self.slot.close()
        self.assertRaises(UnforeseenInput, self.slot.close)
        self.engines["a"].freed()
        self.successResultOf(closed)


class CloseWhileAdoptingTests(SlotTestCase):
    """
    The router stops before it knows what runs.
    """

    def make_engines(self) -> Mapping[str, FakeEngine]:
        """
        @return: engines that take their time to say what they hold.
        """
        return {key: SlowFakeEngine(key, self.events) for key in "abc"}

    def test_close(self) -> None:
        """
        The probe is given up, and everything is stopped.
        """
        self.slot.adopt()
        waiting = self.ask(A)
        closed = self.slot.close()
        self.assert_refused(ShuttingDown, waiting)
        self.successResultOf(closed)
        self.assertEqual(self.events, ["a close", "b close", "c close"])
