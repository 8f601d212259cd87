# -*- test-case-name: ler.test.test_slot_failures -*-
"""
Tests of L{ler.slot.slot}: engines that do not come, or do not fit.
"""

from __future__ import annotations

from ler.errors import (
    EngineDied,
    EngineStartFailed,
    EngineStartTimeout,
    EngineStuck,
    EngineUnavailable,
    InsufficientMemory,
    InternalError,
)
from ler.slot.conduct import BLOCKED_RETRY_S
from ler.slot.cooldown import FIRST_S
from ler.slot.options import SlotOptions
from ler.slot.states import State
from ler.test.slot_case import INSUFFICIENT, ORPHAN, SETTLED, A, B, C, Client, SlotTestCase

FAILED = EngineStartFailed("exit status 1: no such file: model.gguf")
KILLED = EngineDied("killed by SIGKILL")
STUCK = EngineStuck("process 42 survives SIGKILL")


class StartFailureTests(SlotTestCase):
    """
    The incoming engine does not come up.
    """

    def setUp(self) -> None:
        super().setUp()
        self.slot.adopt()
        self.clients = [self.ask(A), self.ask(A)]
        self.other = self.ask(B)

    def test_told_at_once(self) -> None:
        """
        All who waited for it are told at once, with the reason; others go on
        waiting.
        """
        reason = EngineStartFailed("exit status 1")
        self.engines["a"].start_failed(reason)
        for client in self.clients:
            self.assertIs(client.refusal, reason)
        self.assertEqual(reason.retry_after, FIRST_S)
        self.assert_waiting(self.other)

    def test_freed_and_settled(self) -> None:
        """
        What is left of it is freed and the memory settles before the next
        engine starts.
        """
        self.memory.report = None
        self.engines["a"].start_failed(FAILED)
        self.assert_state(State.FREEING)
        self.assertEqual(self.events, ["a bring_up", "a free"])
        self.engines["a"].freed()
        self.settle()
        self.assert_state(State.SETTLING)
        self.settle()
        self.assertEqual(self.events, ["a bring_up", "a free", "b bring_up"])
        self.engines["b"].started()
        self.assert_running(self.other)

    def test_cooling_down(self) -> None:
        """
        For a while requests for it are answered from memory, then it is tried
        again.
        """
        self.engines["a"].start_failed(FAILED)
        self.engines["a"].freed()
        self.engines["b"].started()
        client = self.ask(A)
        self.assert_refused(EngineUnavailable, client)
        self.assertIn(FAILED.message, str(client.refusal))
        self.other.release()
        self.clock.advance(FIRST_S)
        self.ask(A)
        self.engines["b"].freed()
        self.assertEqual(self.events[-1], "a bring_up")

    def test_history(self) -> None:
        """
        The failed swap is in the history with its reason, and so is the
        cleaning up after it.
        """
        self.engines["a"].start_failed(FAILED)
        self.engines["a"].freed()
        self.assertEqual(
            [(swap.cause, swap.error) for swap in self.swaps],
            [("request", FAILED), ("failed", None)],
        )

    def test_timeout(self) -> None:
        """
        A start that takes too long is a failure like any other.
        """
        reason = EngineStartTimeout("not ready after 300 s")
        self.engines["a"].start_failed(reason)
        self.assertIs(self.clients[0].refusal, reason)
        self.assert_state(State.FREEING)

    def test_bug(self) -> None:
        """
        An error that nobody foresaw is logged and answered as ours, and the
        slot goes on.
        """
        self.engines["a"].start_failed(OSError("no such directory"))
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.assert_refused(InternalError, *self.clients)
        self.engines["a"].freed()
        self.engines["b"].started()
        self.assert_running(self.other)

    def test_nobody_else_waits(self) -> None:
        """
        With nobody else waiting the slot stays empty until the next request.
        """
        self.other.leave()
        self.engines["a"].start_failed(FAILED)
        self.engines["a"].freed()
        self.assert_state(State.EMPTY)
        self.assert_quiet()
        self.assert_token_free()

    def test_lost_while_starting(self) -> None:
        """
        That the process ended is told by the start itself; further news of it
        change nothing.
        """
        self.engines["a"].lose(KILLED)
        self.assert_state(State.STARTING)


class RestoreTests(SlotTestCase):
    """
    C{on_start_failure: restore}.
    """

    options = SlotOptions(restore=True)

    def failing(self) -> Client:
        """
        @return: a request for B, for which A made room in vain.
        """
        self.idle(A)
        client = self.ask(B)
        self.engines["a"].freed()
        self.engines["b"].start_failed(FAILED)
        self.assertIs(client.refusal, FAILED)
        return client

    def test_previous_comes_back(self) -> None:
        """
        The engine that had made room is brought back though nobody asks.
        """
        self.failing()
        self.engines["b"].freed()
        self.assertEqual(self.events, ["a free", "b bring_up", "b free", "a bring_up"])
        self.engines["a"].started()
        self.assert_state(State.READY)
        self.assertEqual(self.swaps[-1].cause, "restore")
        self.assert_quiet()

    def test_others_go_first(self) -> None:
        """
        Whoever waits by then is served instead.
        """
        self.failing()
        client = self.ask(C)
        self.engines["b"].freed()
        self.assertEqual(self.events[-1], "c bring_up")
        self.engines["c"].started()
        self.assert_running(client)

    def test_others_come_while_memory_settles(self) -> None:
        """
        Somebody who comes before the previous engine is started is served
        instead.
        """
        self.failing()
        self.memory.report = None
        self.engines["b"].freed()
        self.ask(C)
        self.settle()
        self.assertNotIn("a bring_up", self.events)
        self.settle()
        self.assertEqual(self.events[-1], "c bring_up")

    def test_operator_wants_it_empty(self) -> None:
        """
        An order that comes before has the last word.
        """
        self.failing()
        order = self.slot.order(None)
        self.engines["b"].freed()
        self.successResultOf(order)
        self.assert_state(State.EMPTY)

    def test_paused(self) -> None:
        """
        When the memory was taken back meanwhile, nothing comes back.
        """
        self.failing()
        paused = self.slot.pause("lunch")
        self.engines["b"].freed()
        self.successResultOf(paused)
        self.slot.resume()
        self.assert_state(State.EMPTY)

    def test_paused_while_blocked(self) -> None:
        """
        Nor when that happened while what failed would not go.
        """
        self.failing()
        self.engines["b"].free_failed(STUCK)
        self.failureResultOf(self.slot.pause("lunch"), EngineStuck)
        self.clock.advance(BLOCKED_RETRY_S)
        self.engines["b"].freed()
        self.assert_state(State.EMPTY)

    def test_in_the_way(self) -> None:
        """
        A start that nobody asked for is abandoned when it is in the way of
        somebody for too long; the time counts from its own beginning.
        """
        self.idle(A)
        client = self.ask(B)
        self.engines["a"].freed()
        client.leave()
        self.clock.advance(ORPHAN - 1)
        self.engines["b"].start_failed(FAILED)
        self.engines["b"].freed()
        self.assertEqual(self.events[-1], "a bring_up")
        self.ask(C)
        self.clock.advance(ORPHAN - 1)
        self.assert_state(State.STARTING)
        self.clock.advance(1)
        self.assert_state(State.FREEING)

    def test_does_not_come_back(self) -> None:
        """
        A previous engine that does not come back either is not tried again.
        """
        self.failing()
        self.engines["b"].freed()
        self.engines["a"].start_failed(FAILED)
        self.engines["a"].freed()
        self.assert_state(State.EMPTY)
        self.assert_quiet()

    def test_no_room_any_more(self) -> None:
        """
        A previous engine that does not fit any more leaves the slot empty.
        """
        self.failing()
        self.short_of(A)
        self.engines["b"].freed()
        self.assert_state(State.EMPTY)

    def test_nothing_before(self) -> None:
        """
        Where nothing was before, nothing comes back.
        """
        self.slot.adopt()
        self.ask(A)
        self.engines["a"].start_failed(FAILED)
        self.engines["a"].freed()
        self.assert_state(State.EMPTY)

    def test_failed_order(self) -> None:
        """
        An order for what does not start fails, and the previous engine comes
        back.
        """
        self.idle(A)
        order = self.slot.order(B)
        self.engines["a"].freed()
        self.engines["b"].start_failed(FAILED)
        self.failureResultOf(order, EngineStartFailed)
        self.engines["b"].freed()
        self.engines["a"].started()
        self.assertEqual(self.slot.resident, A)


class InsufficientTests(SlotTestCase):
    """
    The memory does not come back.
    """

    def setUp(self) -> None:
        super().setUp()
        self.idle(A)
        self.memory.report = None
        self.client = self.ask(B)
        self.other = self.ask(C)
        self.engines["a"].freed()

    def test_answered(self) -> None:
        """
        Those who wait for the incoming engine hear the figures; it is not
        started.
        """
        self.settle(INSUFFICIENT)
        error = self.client.refusal
        assert isinstance(error, InsufficientMemory)
        self.assertEqual((error.engine, error.need, error.room), ("b", 3 << 30, 1 << 30))
        self.assertIn("2 GiB are elsewhere", error.message)
        self.assertNotIn("b bring_up", self.events)
        self.assertIs(self.swaps[-1].error, error)

    def test_others_are_served(self) -> None:
        """
        Others have their turn.
        """
        self.settle(INSUFFICIENT)
        self.settle(SETTLED)
        self.engines["c"].started()
        self.assert_running(self.other)

    def test_bug(self) -> None:
        """
        A wait for memory that breaks fails this one swap.
        """
        verdict = self.memory.releases[-1][2]._verdict
        assert verdict is not None
        verdict.errback(ValueError("oops"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assert_refused(InternalError, self.client)
        self.settle(SETTLED)
        self.assertEqual(self.events[-1], "c bring_up")

    def test_order(self) -> None:
        """
        An order for what does not fit fails.
        """
        order = self.slot.order(B)
        self.settle(INSUFFICIENT)
        self.failureResultOf(order, InsufficientMemory)

    def test_nothing_comes(self) -> None:
        """
        A verdict on memory that nobody is to have is no failure.
        """
        self.settle(INSUFFICIENT)
        self.settle(SETTLED)
        self.engines["c"].start_failed(FAILED)
        self.engines["c"].freed()
        self.settle(INSUFFICIENT)
        self.assert_state(State.EMPTY)
        self.assertIsNone(self.swaps[-1].error)
