# -*- test-case-name: ler.test.test_slot_losses -*-
"""
Tests of L{ler.slot.slot}: engines that do not stay, or do not go.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

from ler.errors import (
    EngineDied,
    EngineStartFailed,
    EngineStuck,
    EngineUnavailable,
    ModelUnloaded,
)
from ler.slot.conduct import BLOCKED_RETRY_S
from ler.slot.cooldown import FIRST_S, STABLE_S
from ler.slot.leases import LOST_GRACE_S
from ler.slot.states import State
from ler.test.slot_case import A, B, C, SlotTestCase

FAILED = EngineStartFailed("exit status 1: no such file: model.gguf")
KILLED = EngineDied("killed by SIGKILL")
STUCK = EngineStuck("process 42 survives SIGKILL")


class LostTests(SlotTestCase):
    """
    The resident ends by itself.
    """

    def test_leases_are_cut(self) -> None:
        """
        Running requests may read what the engine sent before its end, then
        they hear why it is over.
        """
        clients = [self.started(A), self.ask(A)]
        self.engines["a"].lose(KILLED)
        self.clock.advance(LOST_GRACE_S - 0.001)
        self.assert_running(*clients)
        self.clock.advance(0.001)
        for client in clients:
            self.assertIsInstance(client.cut_by, EngineDied)
            self.assertEqual(str(client.cut_by), KILLED.message)

    def test_leases_end_by_themselves(self) -> None:
        """
        Requests that saw the end themselves are not cut.
        """
        client = self.started(A)
        self.engines["a"].lose(KILLED)
        client.release()
        self.clock.advance(LOST_GRACE_S)
        self.assertIsNone(client.cut_by)

    def test_freed_and_settled(self) -> None:
        """
        Whatever is left of its tree is freed, and the memory settles.
        """
        self.idle(A)
        self.memory.report = None
        self.engines["a"].lose(KILLED)
        self.assertIsNone(self.slot.resident)
        self.assertEqual(self.events, ["a free"])
        self.assert_state(State.SETTLING)
        self.settle()
        self.assert_state(State.EMPTY)
        self.assertEqual([swap.cause for swap in self.swaps], ["lost"])

    def test_next_request_starts_it_again(self) -> None:
        """
        The next request starts it again, also one that comes during the
        cleaning up.
        """
        self.idle(A)
        self.memory.report = None
        self.engines["a"].lose(KILLED)
        client = self.ask(A)
        self.settle()
        self.settle()
        self.engines["a"].started()
        self.assert_running(client)

    def test_new_leases_are_not_cut(self) -> None:
        """
        Requests to the engine that was started again live on when those to
        the lost one are cut.
        """
        self.started(A, stubborn=True)
        self.engines["a"].lose(KILLED)
        again = self.started(A)
        self.clock.advance(LOST_GRACE_S)
        self.assert_running(again)

    def test_rival_is_next(self) -> None:
        """
        A rival that waits is served next.
        """
        self.started(A)
        rival = self.ask(B)
        self.engines["a"].lose(KILLED)
        self.engines["b"].started()
        self.assert_running(rival)

    def test_lost_again_and_again(self) -> None:
        """
        An engine that is lost again soon is left alone for a while.
        """
        self.idle(A)
        self.engines["a"].lose(KILLED)
        self.started(A).release()
        self.engines["a"].lose(KILLED)
        client = self.ask(A)
        self.assert_refused(EngineUnavailable, client)
        self.assertIn(KILLED.message, str(client.refusal))
        self.assert_state(State.EMPTY)

    def test_waiting_when_it_is_left_alone(self) -> None:
        """
        Those who wait for it already when it is to be left alone are told,
        too.
        """
        self.idle(A)
        self.engines["a"].lose(KILLED)
        self.started(A)
        order = self.slot.order(B)
        waiting = self.ask(A)
        self.engines["a"].lose(KILLED)
        self.assert_refused(EngineUnavailable, waiting)
        self.engines["b"].started()
        self.successResultOf(order)

    def test_model_given_up(self) -> None:
        """
        A server that gave its model up by itself has not failed: however often
        it does so, it is asked for it again at once.
        """
        self.slot.adopt()
        for _ in range(3):
            client = self.ask(A)
            self.engines["a"].started()
            self.assert_running(client)
            client.release()
            self.engines["a"].lose(ModelUnloaded("a does not hold it any more"))
            self.assert_state(State.EMPTY)
        self.assert_waiting(self.ask(A))

    def test_operator_may_try(self) -> None:
        """
        An order starts an engine that is left alone, and once it is up its
        requests are let in.
        """
        self.slot.adopt()
        self.ask(A)
        self.engines["a"].start_failed(FAILED)
        self.engines["a"].freed()
        order = self.slot.order(A)
        self.engines["a"].started()
        self.successResultOf(order)
        self.assert_running(self.ask(A))

    def test_long_good_time(self) -> None:
        """
        An engine that was ready for long before it was swapped out starts
        with a clean slate.
        """
        self.slot.adopt()
        self.ask(A)
        self.engines["a"].start_failed(FAILED)
        self.engines["a"].freed()
        self.clock.advance(FIRST_S)
        self.started(A).release()
        self.clock.advance(STABLE_S)
        self.successResultOf(self.unload())
        self.ask(A)
        self.engines["a"].start_failed(FAILED)
        refusal = self.ask(A).refusal
        assert isinstance(refusal, EngineUnavailable)
        self.assertEqual(refusal.retry_after, FIRST_S)

    def unload(self) -> Deferred[None]:
        """
        @return: the end of an order that has emptied the slot.
        """
        order = self.slot.order(None)
        self.engines["a"].freed()
        return order

    def test_stopped_on_purpose(self) -> None:
        """
        An engine that ends because it was told to is not lost.
        """
        self.idle(A)
        self.ask(B)
        self.engines["a"].lose(KILLED)
        self.assert_state(State.FREEING)

    def test_another_engine(self) -> None:
        """
        News of an engine that is not resident change nothing.
        """
        client = self.started(A)
        self.engines["b"].lose(KILLED)
        self.assert_state(State.READY)
        self.assert_running(client)


class BlockedTests(SlotTestCase):
    """
    The outgoing engine does not go.
    """

    def setUp(self) -> None:
        super().setUp()
        self.idle(A)
        self.clients = [self.ask(B), self.ask(C)]
        self.engines["a"].free_failed(STUCK)

    def test_everybody_is_told(self) -> None:
        """
        All who wait are told what is in the way, and so is everybody who comes.
        """
        self.assert_state(State.BLOCKED)
        self.clients += [self.ask(A), self.ask(B)]
        self.assert_refused(EngineStuck, *self.clients)
        for client in self.clients:
            self.assertEqual(str(client.refusal), STUCK.message)
        self.assertEqual(self.events, ["a free"])
        self.assertEqual(self.slot.describe()["stuck"], STUCK.message)

    def test_the_swap_failed(self) -> None:
        """
        The swap is in the history with its reason.
        """
        self.assertEqual([swap.error for swap in self.swaps], [STUCK])

    def test_looked_at_again(self) -> None:
        """
        Every few seconds it is told to go again, and so is everything else
        that may still be there.
        """
        self.clock.advance(BLOCKED_RETRY_S)
        self.assertEqual(self.events, ["a free", "a free", "b free", "c free"])
        self.engines["a"].free_failed(EngineStuck("process 42 is a zombie"))
        self.assert_state(State.BLOCKED)
        client = self.ask(B)
        self.assertEqual(str(client.refusal), "process 42 is a zombie")
        self.clock.advance(BLOCKED_RETRY_S)
        self.assertEqual(self.events[4:], ["a free", "b free", "c free"])

    def test_one_stays(self) -> None:
        """
        The slot is blocked as long as one of them does not go.
        """
        self.engines["c"].running = True
        self.clock.advance(BLOCKED_RETRY_S)
        self.engines["a"].free_failed(STUCK)
        self.engines["c"].freed()
        self.assert_state(State.BLOCKED)

    def test_gone_at_last(self) -> None:
        """
        When it is gone the memory settles, and the slot serves again.
        """
        self.memory.report = None
        self.clock.advance(BLOCKED_RETRY_S)
        self.engines["a"].freed()
        self.assert_state(State.SETTLING)
        client = self.ask(B)
        self.settle()
        self.settle()
        self.engines["b"].started()
        self.assert_running(client)
        self.assertIsNone(self.slot.describe()["stuck"])
        self.assertEqual(self.swaps[1].cause, "unstuck")
        self.assert_quiet()

    def test_other_slots_may_load(self) -> None:
        """
        A slot that is blocked holds nobody else up.
        """
        self.assert_token_free()

    def test_lost_at_last(self) -> None:
        """
        News of its end are not needed: it is looked at again anyway.
        """
        self.engines["a"].lose(KILLED)
        self.assert_state(State.BLOCKED)

    def test_order(self) -> None:
        """
        An order is answered with what is in the way.
        """
        self.failureResultOf(self.slot.order(B), EngineStuck)
        self.failureResultOf(self.slot.order(None), EngineStuck)

    def test_bug(self) -> None:
        """
        A stop that fails in a way that nobody foresaw blocks, too.
        """
        self.clock.advance(BLOCKED_RETRY_S)
        self.engines["a"].free_failed(ValueError("oops"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assert_state(State.BLOCKED)
