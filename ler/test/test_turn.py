# -*- test-case-name: ler.test.test_turn -*-
"""
Tests of L{ler.slot.turn}: how long a resident stays that nobody uses, or that
is pinned.  What a policy makes of a turn is in L{ler.test.test_slot_swaps}.
"""

from __future__ import annotations

from ler.errors import EngineDied, SlotPinned
from ler.interfaces import Residency
from ler.slot.options import SlotOptions
from ler.slot.states import State
from ler.slot.turn import PINNED_RETRY_S
from ler.test.slot_case import IDLE, MAX_WAIT, A, B, C, SlotTestCase

LARGE = Residency("a", "large")


class IdleTests(SlotTestCase):
    """
    C{a} gives its memory back when nobody has used it for long.
    """

    options = SlotOptions(idle_unload={"a": IDLE})

    def test_freed(self) -> None:
        """
        An idle resident is freed, and started again by the next request.
        """
        self.idle(A)
        self.clock.advance(IDLE - 1)
        self.assert_state(State.READY)
        self.clock.advance(1)
        self.assertEqual(self.events, ["a free"])
        self.engines["a"].freed()
        self.assert_state(State.EMPTY)
        self.assertEqual([swap.cause for swap in self.swaps], ["idle"])
        self.assert_quiet()
        self.assert_token_free()
        client = self.ask(A)
        self.engines["a"].started()
        self.assert_running(client)

    def test_never_used(self) -> None:
        """
        One that was brought up for nobody is idle from the start.
        """
        self.slot.adopt()
        self.slot.order(A)
        self.clock.advance(IDLE)
        self.engines["a"].started()
        self.clock.advance(IDLE - 1)
        self.assert_state(State.READY)
        self.clock.advance(1)
        self.assert_state(State.FREEING)

    def test_adopted(self) -> None:
        """
        One that was found is idle since then.
        """
        self.engines["a"].holding = (A,)
        self.slot.adopt()
        self.clock.advance(IDLE)
        self.assertEqual(self.events, ["a free"])

    def test_used(self) -> None:
        """
        A resident is not idle while it answers, however long that takes, and
        each answer begins the time anew.
        """
        first = self.started(A)
        self.clock.advance(2 * IDLE)
        first.release()
        self.clock.advance(IDLE - 1)
        self.ask(A).release()
        self.clock.advance(IDLE - 1)
        self.assert_state(State.READY)
        self.clock.advance(1)
        self.assert_state(State.FREEING)

    def test_asked_meanwhile(self) -> None:
        """
        A request that comes when it goes gets it back.
        """
        self.idle(A)
        self.clock.advance(IDLE)
        client = self.ask(A)
        self.assert_waiting(client)
        self.engines["a"].freed()
        self.engines["a"].started()
        self.assert_running(client)

    def test_stays(self) -> None:
        """
        An engine of which nothing is said stays.
        """
        self.idle(B)
        self.assert_quiet()


class PinTests(SlotTestCase):
    """
    C{a} is pinned.
    """

    options = SlotOptions(pinned=frozenset("a"), idle_unload={"a": IDLE})

    def test_others_are_refused(self) -> None:
        """
        While it is there, a request for another is refused at once and told
        when to come again, whether it answers or not.
        """
        running = self.started(A)
        client = self.ask(B)
        self.assert_refused(SlotPinned, client)
        assert isinstance(client.refusal, SlotPinned)
        self.assertEqual(client.refusal.retry_after, PINNED_RETRY_S)
        self.assertIn("engine a is pinned", client.refusal.message)
        running.release()
        self.assert_refused(SlotPinned, self.ask(C))
        self.assert_running(self.ask(A))
        self.assertEqual(self.events, ["a bring_up"])

    def test_those_who_waited(self) -> None:
        """
        Those who waited for another while it started are refused when it is
        there.
        """
        self.slot.adopt()
        mine, other = self.ask(A), self.ask(B)
        self.assert_waiting(other)
        self.engines["a"].started()
        self.assert_running(mine)
        self.assert_refused(SlotPinned, other)

    def test_not_there(self) -> None:
        """
        As long as it is not there others are served, and it waits for its turn.
        """
        running = self.started(B)
        client = self.ask(A)
        self.assert_waiting(client)
        self.assert_running(self.ask(B), running)
        self.clock.advance(MAX_WAIT)
        self.assert_state(State.DRAINING)

    def test_its_models(self) -> None:
        """
        Its models make room for each other.
        """
        self.idle(A)
        client = self.ask(LARGE)
        self.engines["a"].freed()
        self.engines["a"].started()
        self.assert_running(client)

    def test_operator(self) -> None:
        """
        The operator may evict it.
        """
        self.idle(A)
        order = self.slot.order(B)
        self.engines["a"].freed()
        self.engines["b"].started()
        self.successResultOf(order)
        self.assert_running(self.ask(B))

    def test_operator_thinks_again(self) -> None:
        """
        Those who came for another while it was evicted are refused when it
        stays after all.
        """
        self.started(A)
        self.slot.order(B).addErrback(lambda failure: None)
        client = self.ask(C)
        self.assert_waiting(client)
        self.slot.order(A)
        self.assert_refused(SlotPinned, client)

    def test_lost(self) -> None:
        """
        Once it is lost, others are served.
        """
        self.idle(A)
        self.engines["a"].lose(EngineDied("killed"))
        client = self.ask(B)
        self.engines["b"].started()
        self.assert_running(client)

    def test_refusals_are_no_use(self) -> None:
        """
        Requests that are refused beside it do not keep it from being idle.
        """
        self.idle(A)
        self.clock.advance(IDLE - 1)
        self.ask(B)
        self.clock.advance(1)
        self.assert_state(State.FREEING)
