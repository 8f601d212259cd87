# -*- test-case-name: ler.test.test_outlook -*-
"""
Tests of L{ler.slot.outlook}: what a slot tells those who wait, and those whose
wishes it cannot meet.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError

from ler.errors import DeadlineMissed, EngineDied, WouldSwap
from ler.slot.forecast import Expectation
from ler.slot.options import SlotOptions
from ler.slot.outlook import LATEST_RETRY_S, SOONEST_RETRY_S
from ler.slot.states import State
from ler.slot.wish import NEVER, Priority, Wish
from ler.test.slot_case import MAX_WAIT, A, B, Client, SlotTestCase

FREE, START, SERVICE = 2.0, 30.0, 5.0

NO_SWAP = Wish(no_swap=True)


class LearnedTestCase(SlotTestCase):
    """
    C{b} and C{a} are known to take 30 s to come, C{b} takes 2 s to go, and an
    answer takes 5 s.  C{a} is there, and idle.
    """

    def setUp(self) -> None:
        super().setUp()
        self.slot.adopt()
        for target in (B, A):
            client = self.ask(target)
            if self.slot.state is State.FREEING:
                self.clock.advance(FREE)
                self.engines["b"].freed()
            self.clock.advance(START)
            self.engines[target.engine].started()
            self.clock.advance(SERVICE)
            client.release()
        self.assert_state(State.READY)


class ExpectTests(LearnedTestCase):
    """
    A request can be told what it may expect.
    """

    def test_at_once(self) -> None:
        """
        Whoever wants the resident waits for nothing.
        """
        self.assertEqual(self.slot.expect(A), Expectation(1, 0.0))

    def test_swap(self) -> None:
        """
        Whoever wants another waits for the swap.  How long C{a} takes to go is
        not known yet, and guessed.
        """
        self.assertEqual(self.slot.expect(B), Expectation(1, 1.0 + START))

    def test_during_a_swap(self) -> None:
        """
        While the slot swaps the time until its end comes first, and goes by.
        """
        self.ask(B)
        self.clock.advance(0.25)
        self.assertEqual(self.slot.expect(B), Expectation(2, 0.75 + START))
        self.engines["a"].freed()
        self.assertEqual(self.slot.expect(B).seconds, 0.75 + START)
        self.clock.advance(10.0)
        self.assertEqual(self.slot.expect(B).seconds, START - 10.0 + 0.75)

    def test_late(self) -> None:
        """
        A start that takes longer than it should may end at any moment.
        """
        self.ask(B)
        self.clock.advance(1.0)
        self.engines["a"].freed()
        self.clock.advance(10 * START)
        self.assertEqual(self.slot.expect(B).seconds, 0.0)

    def test_while_drained(self) -> None:
        """
        While running answers are waited for the swap is still to come.
        """
        self.ask(A)
        self.ask(B)
        self.clock.advance(MAX_WAIT)
        self.assert_state(State.DRAINING)
        self.assertEqual(self.slot.expect(B).seconds, SERVICE + 1.0 + START)

    def test_while_emptied(self) -> None:
        """
        While the slot is emptied nothing will be there, and what is asked for
        is started then.
        """
        self.slot.order(None)
        self.clock.advance(0.25)
        self.assertEqual(self.slot.expect(B).seconds, 0.75 + START)

    def test_classes(self) -> None:
        """
        Before a request are those of its line that are no more patient.
        """
        self.ask(A)
        for priority in Priority:
            self.ask(B, wish=Wish(priority))
        positions = [self.slot.expect(B, priority).position for priority in Priority]
        self.assertEqual(positions, [2, 3, 4])

    def test_status(self) -> None:
        """
        The status tells when the head of each line may expect to be let in,
        and what was learned.
        """
        self.ask(A)
        self.ask(B)
        described = self.slot.describe()
        self.assertEqual(described["queue"][0]["expected_s"], round(self.slot.expect(B).seconds, 1))
        learned = {"cold": START, "service": SERVICE, "free": FREE, "gap": FREE + START + SERVICE}
        self.assertEqual(described["learned_s"]["b"], learned)

    def test_nobody_can_tell(self) -> None:
        """
        What nobody can tell is no number.
        """
        self.ask(A)
        self.ask(B, wish=Wish(Priority.BATCH))
        for _ in range(10000):
            self.slot._estimates.arrived(A, self.clock.seconds())
        self.assertEqual(self.slot.expect(B, Priority.BATCH).seconds, NEVER)


class PromiseTests(LearnedTestCase):
    """
    C{a} and C{b} answer one request at a time.
    """

    options = SlotOptions(max_concurrency={"a": 1, "b": 1})

    def promised(self) -> object:
        """
        @return: what the status says of C{b}.
        """
        return self.slot.describe()["promised_s"]["b"]

    def test_promise(self) -> None:
        """
        What is promised is the bound, unless a cycle of swaps takes longer;
        under overload nothing is.
        """
        self.assertEqual(self.promised(), 63.5)
        now = self.clock.seconds()
        for _ in range(50):
            self.slot._estimates.arrived(A, now)
        promised = self.promised()
        assert isinstance(promised, float)
        self.assertGreater(promised, 100.0)
        for _ in range(100):
            self.slot._estimates.arrived(B, now)
        self.assertIsNone(self.promised())


class DeadlineTests(SlotTestCase):
    """
    A request may have a deadline.
    """

    def allowing(self, seconds: float) -> Client:
        """
        @return: a request for C{b} that allows so long.
        """
        return self.ask(B, wish=Wish(deadline=seconds))

    def test_in_time(self) -> None:
        """
        A request that is let in in time lives on.
        """
        self.slot.adopt()
        client = self.allowing(20.0)
        self.clock.advance(10.0)
        self.engines["b"].started()
        self.assert_running(client)
        self.assert_quiet()
        self.clock.advance(20.0)
        self.assert_running(client)

    def test_refused_at_once(self) -> None:
        """
        A request that cannot be let in in time is told so before anything is
        done for it, and when to come again.
        """
        self.idle(A)
        client = self.allowing(5.0)
        self.assert_refused(DeadlineMissed, client)
        assert isinstance(client.refusal, DeadlineMissed)
        self.assertEqual(
            client.refusal.message,
            "b is not expected within the 5 s that the request allows, but in 11 s; ask again "
            "later, or allow more",
        )
        self.assertEqual(client.refusal.retry_after, 11.0)
        self.assert_state(State.READY)
        self.assertEqual(self.events, [])

    def test_passes(self) -> None:
        """
        A request whose deadline passes while it waits is refused, and nobody
        else is.
        """
        self.started(A)
        client, other = self.allowing(30.0), self.ask(B)
        self.clock.advance(30.0)
        self.assert_refused(DeadlineMissed, client)
        assert isinstance(client.refusal, DeadlineMissed)
        self.assertEqual(
            client.refusal.message,
            "b was not there within the 30 s that the request allows; ask again, or allow more",
        )
        self.assertEqual(client.refusal.retry_after, self.slot.expect(B).seconds)
        self.assert_waiting(other)
        self.assertEqual(self.slot.waiting, 1)

    def test_takes_a_switch_back(self) -> None:
        """
        A deadline that passes is like a client that leaves: what was to happen
        for it alone does not.
        """
        running = self.started(A)
        self.clock.advance(1.0)
        client = self.ask(B, wish=Wish(deadline=MAX_WAIT + 1.0))
        self.clock.advance(MAX_WAIT)
        self.assert_state(State.DRAINING)
        self.clock.advance(1.0)
        self.assert_refused(DeadlineMissed, client)
        self.assert_state(State.READY)
        self.assert_running(running)
        self.assert_quiet()

    def test_left(self) -> None:
        """
        A client that leaves before is not told of its deadline.
        """
        self.slot.adopt()
        client = self.allowing(20.0)
        client.leave()
        self.assert_refused(CancelledError, client)
        self.assert_quiet()

    def test_while_adopting(self) -> None:
        """
        While it is not known what is there, nobody is told that it will be too
        late.
        """
        client = self.allowing(0.5)
        self.assert_waiting(client)
        self.clock.advance(0.5)
        self.assert_refused(DeadlineMissed, client)

    def test_nobody_can_tell(self) -> None:
        """
        A wait of which nobody can tell how long it is cannot be promised.
        """
        self.started(A)
        for _ in range(10000):
            self.slot._estimates.arrived(A, 0.0)
        client = self.ask(B, wish=Wish(Priority.BATCH, deadline=1000.0))
        assert isinstance(client.refusal, DeadlineMissed)
        self.assertEqual(
            client.refusal.message,
            "b is not expected within the 1000 s that the request allows; ask again later, or "
            "allow more",
        )
        self.assertEqual(client.refusal.retry_after, LATEST_RETRY_S)


class UsualDeadlineTests(SlotTestCase):
    """
    Requests that say nothing have a deadline.
    """

    options = SlotOptions(deadline=15.0)

    def test_usual(self) -> None:
        """
        The deadline holds for those that do not say another.
        """
        self.slot.adopt()
        client, other = self.ask(B), self.ask(B, wish=Wish(deadline=16.0))
        self.clock.advance(15.0)
        self.assert_refused(DeadlineMissed, client)
        self.assert_waiting(other)


class RetryTests(SlotTestCase):
    """
    Those who are turned away are told when to come again.
    """

    options = SlotOptions(max_queue=1)

    def test_bounds(self) -> None:
        """
        That is neither at once nor too late.
        """
        self.slot.adopt()
        outlook = self.slot._conduct.outlook
        client = self.ask(A)
        self.engines["a"].started()
        self.assertEqual(outlook.retry_after(A), SOONEST_RETRY_S)
        self.clock.advance(1000.0)
        client.release()
        self.ask(A)
        self.assertEqual(outlook.retry_after(B), LATEST_RETRY_S)


class NoSwapTests(SlotTestCase):
    """
    A request may ask for no swap.
    """

    def stay(self) -> Client:
        """
        @return: a request for C{a} that wants no swap.
        """
        return self.ask(A, wish=NO_SWAP)

    def test_resident(self) -> None:
        """
        One for the resident is let in.
        """
        self.idle(A)
        self.assert_running(self.stay())

    def test_another(self) -> None:
        """
        One for anything else is refused, and nothing happens.
        """
        self.idle(B)
        client = self.stay()
        self.assert_refused(WouldSwap, client)
        assert isinstance(client.refusal, WouldSwap)
        self.assertEqual(
            client.refusal.message,
            "a is not in memory, and the request asks for no swap; ask without that, or for "
            "what is there",
        )
        self.assertEqual(self.events, [])

    def test_empty(self) -> None:
        """
        So it is when nothing is there.
        """
        self.slot.adopt()
        self.assert_refused(WouldSwap, self.stay())
        self.assertEqual(self.events, [])

    def test_on_its_way_out(self) -> None:
        """
        So it is when what is there is about to go.
        """
        self.draining()
        self.assert_refused(WouldSwap, self.stay())

    def test_on_its_way_in(self) -> None:
        """
        So it is when it is about to come, for others.
        """
        self.slot.adopt()
        self.ask(A)
        self.assert_refused(WouldSwap, self.stay())

    def test_while_adopting(self) -> None:
        """
        While it is not known what is there it waits, and is then let in or
        refused.
        """
        for held, error in ((A, None), (B, WouldSwap), (None, WouldSwap)):
            self.setUp()
            client = self.stay()
            self.assert_waiting(client)
            if held is not None:
                self.engines[held.engine].holding = (held,)
            self.slot.adopt()
            if error is None:
                self.assert_running(client)
            else:
                self.assert_refused(error, client)
            self.assertEqual(self.events, [])


class NoSwapBehindOthersTests(SlotTestCase):
    """
    C{a} answers one request at a time.
    """

    options = SlotOptions(max_concurrency={"a": 1})

    def test_waits_for_a_place(self) -> None:
        """
        A request that wants no swap waits for a place.
        """
        running = self.started(A)
        client = self.ask(A, wish=NO_SWAP)
        self.assert_waiting(client)
        running.release()
        self.assert_running(client)

    def test_turn_ends(self) -> None:
        """
        It is refused when the turn ends before it has one.
        """
        self.started(A)
        client, rival = self.ask(A, wish=NO_SWAP), self.ask(B)
        self.clock.advance(MAX_WAIT)
        self.assert_state(State.DRAINING)
        self.assert_refused(WouldSwap, client)
        self.assert_waiting(rival)

    def test_lost(self) -> None:
        """
        It is refused when what it waits for is lost.
        """
        self.started(A)
        client = self.ask(A, wish=NO_SWAP)
        self.engines["a"].lose(EngineDied("killed"))
        self.assert_refused(WouldSwap, client)
