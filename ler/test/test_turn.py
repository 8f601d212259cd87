# -*- test-case-name: ler.test.test_turn -*-
"""
Tests of L{ler.slot.turn}: how many are let in, and how long a resident stays
that nobody uses, or that is pinned.  What a policy makes of a turn is in
L{ler.test.test_slot_swaps}.
"""

from __future__ import annotations

from ler.errors import EngineDied, SlotPinned
from ler.interfaces import Residency
from ler.slot.fair import Fair
from ler.slot.options import SlotOptions
from ler.slot.policy import Fifo
from ler.slot.states import State
from ler.slot.turn import PINNED_RETRY_S
from ler.slot.wish import NEVER, Priority, Wish
from ler.test.slot_case import IDLE, MAX_WAIT, A, B, C, Client, SlotTestCase

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


class PlacesTests(SlotTestCase):
    """
    C{a} answers two requests at once.
    """

    options = SlotOptions(max_concurrency={"a": 2}, idle_unload={"a": IDLE})

    def three(self) -> list[Client]:
        """
        @return: as many requests for C{a}.
        """
        self.slot.adopt()
        clients = [self.ask(A) for _ in range(3)]
        self.engines["a"].started()
        return clients

    def test_further_ones_wait(self) -> None:
        """
        A request for which there is no place waits in the queue, where it can
        be seen, until there is one.
        """
        first, second, third = self.three()
        self.assert_running(first, second)
        self.assert_waiting(third, self.ask(A))
        self.assertEqual(self.slot.describe()["queue"][0]["waiting"], 2)
        first.release()
        self.assert_running(third)
        self.assertEqual(self.slot.running["a"], 2)

    def test_others_are_not_limited(self) -> None:
        """
        Nothing is said of the others.
        """
        self.started(B)
        self.assert_running(*[self.ask(B) for _ in range(10)])

    def test_each_model(self) -> None:
        """
        Each model of the engine has as many places.
        """
        self.slot.adopt()
        clients = [self.ask(LARGE) for _ in range(3)]
        self.engines["a"].started()
        self.assert_running(*clients[:2])
        self.assert_waiting(clients[2])

    def test_leaves(self) -> None:
        """
        One that waits for a place may leave.
        """
        first, _, third = self.three()
        third.leave()
        first.release()
        self.assertEqual(self.slot.running["a"], 1)

    def test_urgent_first(self) -> None:
        """
        The next place is for whoever is due first.
        """
        first, _, third = self.three()
        third.leave()
        batch, urgent = self.ask(A, wish=Wish(Priority.BATCH)), self.ask(A)
        first.release()
        self.assert_running(urgent)
        self.assert_waiting(batch)

    def test_rival_is_due(self) -> None:
        """
        Those who wait for a place wait for the next turn when a rival is due.
        """
        first, second, third = self.three()
        rival = self.ask(B)
        self.clock.advance(MAX_WAIT)
        first.release()
        second.release()
        self.assert_waiting(third, rival)
        self.assert_state(State.FREEING)

    def test_not_served_at_once(self) -> None:
        """
        A resident without a place serves nobody at once.
        """
        first, second = self.started(A), self.ask(A)
        self.assertFalse(self.slot.serves_at_once(A))
        first.release()
        self.assertTrue(self.slot.serves_at_once(A))
        second.release()

    def test_idle_when_all_have_left(self) -> None:
        """
        The resident is idle once nobody runs or waits.
        """
        for client in self.three():
            self.clock.advance(IDLE)
            client.release()
        self.clock.advance(IDLE - 1)
        self.assert_state(State.READY)
        self.clock.advance(1)
        self.assert_state(State.FREEING)


class FifoPlacesTests(SlotTestCase):
    """
    C{a} answers one request at once, and the order of arrival is kept.
    """

    policy = Fifo()
    options = SlotOptions(max_concurrency={"a": 1})

    def test_order(self) -> None:
        """
        Those who came before the rival have their turn before it, one after
        the other; those who came later have it after that.
        """
        self.slot.adopt()
        first, second, rival, late = self.ask(A), self.ask(A), self.ask(B), self.ask(A)
        self.engines["a"].started()
        first.release()
        self.assert_running(second)
        self.assert_state(State.DRAINING)
        second.release()
        self.engines["a"].freed()
        self.engines["b"].started()
        self.assert_running(rival)
        self.assert_waiting(late)


class KeepTests(SlotTestCase):
    """
    A client tells how long it will want the resident.  C{b} is freed when it
    was idle for long, C{c} is pinned.
    """

    options = SlotOptions(idle_unload={"b": IDLE}, pinned=("c",))

    def test_not_at_all(self) -> None:
        """
        The memory is given back as soon as nothing runs.
        """
        first, second = self.started(A), self.ask(A)
        self.slot.keep(A, 0.0)
        first.release()
        self.clock.advance(0)
        self.assert_state(State.READY)
        second.release()
        self.clock.advance(0)
        self.assert_state(State.FREEING)
        self.engines["a"].freed()
        self.assertEqual(self.swaps[-1].cause, "idle")
        self.assert_quiet()

    def test_idle(self) -> None:
        """
        A resident that nobody uses hears of it, too.
        """
        self.idle(A)
        self.slot.keep(A, 0.0)
        self.clock.advance(0)
        self.assert_state(State.FREEING)

    def test_somebody_waits(self) -> None:
        """
        A rival that waits has the memory anyway.
        """
        running = self.started(A)
        rival = self.ask(B)
        self.slot.keep(A, 0.0)
        running.release()
        self.engines["a"].freed()
        self.engines["b"].started()
        self.assert_running(rival)

    def test_for_a_while(self) -> None:
        """
        It is kept for so long after each answer.
        """
        self.idle(A)
        self.slot.keep(A, 10.0)
        self.clock.advance(9.0)
        self.ask(A).release()
        self.clock.advance(9.0)
        self.assert_state(State.READY)
        self.clock.advance(1.0)
        self.assert_state(State.FREEING)

    def test_last_word(self) -> None:
        """
        Whoever says something last is heard.
        """
        self.idle(A)
        self.slot.keep(A, 10.0)
        self.slot.keep(A, 20.0)
        self.clock.advance(19.0)
        self.assert_state(State.READY)
        self.slot.keep(A, NEVER)
        self.assert_quiet()

    def test_no_longer_than_configured(self) -> None:
        """
        It is never kept for longer than the configuration says.
        """
        for seconds in (2 * IDLE, NEVER):
            self.setUp()
            self.idle(B)
            self.slot.keep(B, seconds)
            self.clock.advance(IDLE)
            self.assert_state(State.FREEING)

    def test_this_turn(self) -> None:
        """
        It counts until the resident goes.
        """
        self.idle(A)
        self.slot.keep(A, 10.0)
        self.ask(B).leave()
        self.engines["a"].freed()
        self.idle(A)
        self.assert_quiet()

    def test_another(self) -> None:
        """
        What is said of something that is not there counts for nothing.
        """
        self.idle(A)
        self.slot.keep(LARGE, 0.0)
        self.slot.keep(B, 0.0)
        self.assert_quiet()

    def test_pinned(self) -> None:
        """
        What is pinned stays.
        """
        self.idle(C)
        self.slot.keep(C, 0.0)
        self.assert_quiet()


class HeldTurnTests(SlotTestCase):
    """
    C{a} took 20 s to come, and its client asks again a second after each
    answer.
    """

    policy = Fair()

    def setUp(self) -> None:
        super().setUp()
        self.slot.adopt()
        client = self.ask(A)
        self.clock.advance(20.0)
        self.engines["a"].started()
        for _ in range(5):
            client.release()
            self.clock.advance(1.0)
            client = self.ask(A)
        self.running, self.rival = client, self.ask(B)

    def test_held(self) -> None:
        """
        It is held for its client, who comes back, while a rival waits.
        """
        self.running.release()
        self.clock.advance(1.0)
        self.assert_running(self.ask(A))
        self.assert_waiting(self.rival)

    def test_not_for_ever(self) -> None:
        """
        When its client does not come back it goes.
        """
        self.running.release()
        self.clock.advance(1.0)
        self.assert_state(State.READY)
        self.clock.advance(1.0)
        self.assert_state(State.FREEING)

    def test_rival_leaves(self) -> None:
        """
        When the rival leaves there is nothing to decide.
        """
        self.running.release()
        self.rival.leave()
        self.assert_quiet()

    def test_switch_taken_back(self) -> None:
        """
        A turn that goes on after a switch was taken back is the same turn.
        """
        self.clock.advance(MAX_WAIT)
        self.assert_state(State.DRAINING)
        self.rival.leave()
        self.assert_state(State.READY)
        self.assertEqual(self.slot._conduct._turn.tenure.since, 20.0)
