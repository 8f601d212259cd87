# -*- test-case-name: ler.test.test_slot -*-
"""
Tests of L{ler.slot.slot}: how requests are let in.

Further tests of the slot are in L{ler.test.test_slot_swaps},
L{ler.test.test_slot_drain}, L{ler.test.test_slot_failures},
L{ler.test.test_slot_losses}, L{ler.test.test_slot_orders},
L{ler.test.test_slot_preload}, L{ler.test.test_slot_close},
L{ler.test.test_slot_table}, L{ler.test.test_slot_walk} and
L{ler.test.test_turn}.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from twisted.internet.defer import CancelledError
from zope.interface.verify import verifyObject

from ler.errors import EngineDied, EngineStuck, QueueFull
from ler.interfaces import IEngineWatcher, Residency
from ler.slot.fair import Fair
from ler.slot.options import SlotOptions
from ler.slot.policy import Join
from ler.slot.states import State
from ler.slot.wish import Priority, Wish
from ler.test.slot_case import (
    SETTLED,
    A,
    B,
    Client,
    SlotTestCase,
    SlowFakeEngine,
)
from ler.testing import FakeEngine


class AdoptingTests(SlotTestCase):
    """
    Until it is known what runs already, requests wait.
    """

    def make_engines(self) -> Mapping[str, FakeEngine]:
        """
        @return: engines that take their time to say what they hold.
        """
        self.slow = {key: SlowFakeEngine(key, self.events) for key in "abc"}
        return self.slow

    def test_requests_wait(self) -> None:
        """
        A request that comes during the boot probe starts nothing.
        """
        self.slot.adopt()
        client = self.ask(A)
        self.slow["a"].answer()
        self.slow["b"].answer()
        self.assert_state(State.ADOPTING)
        self.assert_waiting(client)
        self.assertEqual(self.events, [])

    def test_nothing_runs(self) -> None:
        """
        When nothing runs the slot is empty, and whoever waits is served.
        """
        self.slot.adopt()
        client = self.ask(B)
        for engine in self.slow.values():
            engine.answer()
        self.assertEqual(self.events, ["b bring_up"])
        self.engines["b"].started()
        self.assert_running(client)

    def test_resident_is_kept(self) -> None:
        """
        What runs already is taken over, and serves whoever waits for it.
        """
        self.slot.adopt()
        large = Residency("b", "large")
        client = self.ask(large)
        self.slow["a"].answer()
        self.slow["b"].answer(large)
        self.slow["c"].answer()
        self.assert_state(State.READY)
        self.assertEqual(self.slot.resident, large)
        self.assert_running(client)
        self.assertEqual(self.events, [])

    def test_several_models(self) -> None:
        """
        Several models that were found in one server are freed together, and
        settled, before anything starts: none of them could go alone.
        """
        self.slot.adopt()
        large = Residency("b", "large")
        client = self.ask(large)
        self.slow["a"].answer()
        self.slow["b"].answer(Residency("b", "small"), large)
        self.slow["c"].answer()
        self.assertEqual(self.events, ["b free"])
        self.assertIsNone(self.slot.resident)
        self.engines["b"].freed()
        self.assertEqual(self.events, ["b free", "b bring_up large"])
        self.engines["b"].started()
        self.assert_running(client)
        causes = [(str(swap.outgoing), swap.cause) for swap in self.swaps]
        self.assertEqual(causes, [("b/small", "crowded"), ("None", "request")])

    def test_another_is_wanted(self) -> None:
        """
        What runs already is freed for those who wait for something else.
        """
        self.slot.adopt()
        client = self.ask(B)
        self.slow["a"].answer(A)
        self.slow["b"].answer()
        self.slow["c"].answer()
        self.assertEqual(self.events, ["a free"])
        self.engines["a"].freed()
        self.engines["b"].started()
        self.assert_running(client)

    def test_resident_is_lost_meanwhile(self) -> None:
        """
        An engine that ends while others are still asked is no resident: what
        is left of it is freed and settled before anything starts.
        """
        self.slot.adopt()
        client = self.ask(A)
        self.slow["a"].answer(A)
        self.engines["a"].lose(EngineDied("killed"))
        self.slow["b"].answer()
        self.memory.report = None
        self.slow["c"].answer()
        self.assertEqual(self.events, ["a free"])
        self.assert_state(State.SETTLING)
        self.settle()
        self.memory.report = SETTLED
        self.settle()
        self.assertEqual(self.events, ["a free", "a bring_up"])
        self.engines["a"].started()
        self.assert_running(client)

    def test_stranger(self) -> None:
        """
        Something that can be neither owned nor ended blocks the slot.
        """
        self.slot.adopt()
        client = self.ask(A)
        self.slow["a"].answer()
        self.slow["b"].answer_failed(EngineStuck("port 8081 belongs to process 7 (nginx)"))
        self.slow["c"].answer()
        self.assert_state(State.BLOCKED)
        self.assert_refused(EngineStuck, client)
        self.assertEqual(self.slot.describe()["stuck"], "port 8081 belongs to process 7 (nginx)")


class AdmissionTests(SlotTestCase):
    """
    A request for the resident is let in at once; others share one start.
    """

    def test_interface(self) -> None:
        """
        The slot hears of lost engines.
        """
        self.assertTrue(verifyObject(IEngineWatcher, self.slot))

    def test_one_start_for_many(self) -> None:
        """
        All who wait for one engine get it from one start.
        """
        self.slot.adopt()
        clients = [self.ask(A) for _ in range(5)]
        self.assert_waiting(*clients)
        self.engines["a"].started()
        self.assert_running(*clients)
        self.assertEqual(self.events, ["a bring_up"])

    def test_one_leaves(self) -> None:
        """
        When one of those who wait leaves, the start goes on for the others.
        """
        self.slot.adopt()
        leaver, other = self.ask(A), self.ask(A)
        leaver.leave()
        self.engines["a"].started()
        self.assert_refused(CancelledError, leaver)
        self.assert_running(other)

    def test_resident(self) -> None:
        """
        A request for the resident is let in at once.
        """
        self.idle(A)
        client = self.ask(A)
        self.assert_running(client)
        assert client.lease is not None
        self.assertIs(client.lease.engine, self.engines["a"])
        self.assertEqual(client.lease.residency, A)
        self.assert_quiet()

    def test_resident_while_a_rival_waits(self) -> None:
        """
        As long as no switch is committed, the resident takes further
        requests.
        """
        self.started(A)
        rival = self.ask(B)
        self.assert_running(self.ask(A))
        self.assert_waiting(rival)

    def test_another_model_of_the_resident_engine(self) -> None:
        """
        Another model of the same engine is a swap like any other.
        """
        small, large = Residency("a", "small"), Residency("a", "large")
        self.idle(small)
        client = self.ask(large)
        self.engines["a"].freed()
        self.engines["a"].started()
        self.assertEqual(self.events, ["a free", "a bring_up large"])
        self.assertEqual(self.slot.resident, large)
        self.assert_running(client)

    def test_running(self) -> None:
        """
        The slot counts what each engine answers, and how many wait.
        """
        first, _ = self.started(A), self.ask(A)
        self.ask(B)
        self.assertEqual(self.slot.running, {"a": 2, "b": 0, "c": 0})
        self.assertEqual(self.slot.waiting, 1)
        first.release()
        first.release()
        self.assertEqual(self.slot.running, {"a": 1, "b": 0, "c": 0})

    def test_queue_full(self) -> None:
        """
        Past the limit of the queue, a request is turned away at once and told
        when it could have been let in.
        """
        self.slot.adopt()
        waiting = [self.ask(A) for _ in range(self.options.max_queue)]
        client = self.ask(B)
        self.assert_refused(QueueFull, client)
        assert isinstance(client.refusal, QueueFull)
        self.assertEqual(client.refusal.retry_after, self.slot.expect(B).seconds)
        waiting[0].leave()
        self.assert_waiting(self.ask(B))

    def test_queue_full_of_rivals(self) -> None:
        """
        A request that the resident can answer at once does not wait, so a
        full queue is no reason to turn it away.
        """
        self.started(A)
        for _ in range(self.options.max_queue):
            self.ask(B)
        self.assert_running(self.ask(A))
        self.assert_refused(QueueFull, self.ask(B))


class ReentrancyTests(SlotTestCase):
    """
    Requests come, leave and end from within the slot's own answers.
    """

    def test_release_when_granted(self) -> None:
        """
        A request may end as soon as it is let in; the rival is next.
        """
        self.slot.adopt()
        clients = [self.ask(A, granted=Client.release) for _ in range(3)]
        rival = self.ask(B)
        self.engines["a"].started()
        self.assertEqual(self.slot.running["a"], 0)
        self.assert_running(*clients)
        self.engines["a"].freed()
        self.engines["b"].started()
        self.assert_running(rival)

    def test_ask_when_granted(self) -> None:
        """
        A further request for the resident is let in, too.
        """
        self.slot.adopt()
        further: list[Client] = []
        self.ask(A, granted=lambda _: further.append(self.ask(A)))
        self.engines["a"].started()
        self.assert_running(*further)
        self.assertEqual(self.slot.running["a"], 2)

    def test_leave_when_another_is_granted(self) -> None:
        """
        A request may leave while its own line is let in.
        """
        self.slot.adopt()
        clients: list[Client] = []
        clients.append(self.ask(A, granted=lambda _: clients[1].leave()))
        clients.append(self.ask(A))
        clients.append(self.ask(A))
        self.engines["a"].started()
        self.assert_running(clients[0], clients[2])
        self.assert_refused(CancelledError, clients[1])
        self.assertEqual(self.slot.waiting, 0)

    def test_ask_again_when_refused(self) -> None:
        """
        A request that comes back as soon as it was refused is answered from
        memory.
        """
        self.slot.adopt()
        again: list[Client] = []
        client = self.ask(A, refused=lambda _: again.append(self.ask(A)))
        other = self.ask(B)
        self.engines["a"].start_failed(EngineDied("exit status 1"))
        self.assert_refused(EngineDied, client)
        self.assertEqual(len(again), 1)
        self.assertTrue(again[0].over)
        self.engines["a"].freed()
        self.engines["b"].started()
        self.assert_running(other)

    def test_pause_when_granted(self) -> None:
        """
        A request that comes from within a grant after the memory was taken
        back is refused.
        """
        self.slot.adopt()
        further: list[Client] = []

        def pause(client: Client) -> None:
            self.slot.pause("lunch")
            further.append(self.ask(A))
            client.release()

        self.ask(A, granted=pause)
        second = self.ask(A)
        self.engines["a"].started()
        self.assertEqual([type(one.refusal).__name__ for one in (second, *further)], ["Paused"] * 2)
        self.engines["a"].freed()
        self.assert_state(State.EMPTY)


class SmallQueueTests(SlotTestCase):
    """
    The least queue that can be configured.
    """

    options = SlotOptions(max_queue=1)
    policy = Join()

    def test_one_waits(self) -> None:
        """
        One request may wait, the next is turned away.
        """
        self.slot.adopt()
        first = self.ask(A)
        self.assert_refused(QueueFull, self.ask(A))
        self.engines["a"].started()
        self.assert_running(first)


class ManyTests(SlotTestCase):
    """
    Ten thousand requests may wait.
    """

    policy = Fair()
    options = SlotOptions(max_concurrency={"a": 1})

    def work(self, count: int) -> int:
        """
        @return: how many calls it takes until that many have come, and left.
        """
        calls = 0

        def count_call(*_: object) -> None:
            nonlocal calls
            calls += 1

        before = sys.getprofile()
        sys.setprofile(count_call)
        try:
            wishes = [Wish(priority) for priority in Priority]
            clients = [self.ask((A, B)[i % 2], wish=wishes[i % 3]) for i in range(count)]
            for client in clients[count // 2 :] + clients[: count // 2]:
                client.leave()
        finally:
            sys.setprofile(before)
        return calls

    def test_cheap(self) -> None:
        """
        Who comes and who leaves costs the same, however many wait.
        """
        self.started(A)
        few, many = self.work(100), self.work(2000)
        self.assertEqual(self.slot.waiting, 0)
        self.assertLess(many, 1.2 * 20 * few)
