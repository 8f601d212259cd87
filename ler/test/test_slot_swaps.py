# -*- test-case-name: ler.test.test_slot_swaps -*-
"""
Tests of L{ler.slot.slot}: what a swap is, and when there is one.
"""

from __future__ import annotations

from ler.slot.policy import Fifo
from ler.slot.states import State
from ler.test.slot_case import (
    MAX_WAIT,
    ORPHAN,
    A,
    B,
    C,
    Client,
    SlotTestCase,
)


class SwapTests(SlotTestCase):
    """
    A swap: drain, free, settle, start, ready.
    """

    def test_story(self) -> None:
        """
        The old engine goes, the memory comes back, and only then the new one
        starts.
        """
        self.memory.report = None
        self.slot.adopt()
        first = self.ask(A)
        self.settle()
        self.engines["a"].started()
        second = self.ask(B)
        self.assert_state(State.READY)
        first.release()
        self.assert_state(State.FREEING)
        self.assertIsNone(self.slot.resident)
        self.engines["a"].freed()
        self.assert_state(State.SETTLING)
        self.assertEqual(self.events, ["a bring_up", "a free"])
        self.settle()
        self.assert_state(State.STARTING)
        self.engines["b"].started()
        self.assert_state(State.READY)
        self.assertEqual(self.slot.resident, B)
        self.assert_running(second)
        self.assertEqual(self.events, ["a bring_up", "a free", "b bring_up"])

    def test_memory_is_told(self) -> None:
        """
        The watch over the memory begins while the old engine still runs, and
        takes its base line before it is stopped.
        """
        self.idle(A)
        self.ask(B)
        outgoing, incoming, release = self.memory.releases[-1]
        self.assertEqual((outgoing, incoming), ("a", "b"))
        self.assertTrue(release.stopped)
        self.engines["a"].freed()
        self.engines["b"].started()
        self.assertEqual(self.memory.events[-2:], ["starting b", "started b"])

    def test_already_free_is_not_enough(self) -> None:
        """
        However much memory is free, the new engine waits until the old one is
        gone.
        """
        self.idle(A)
        self.ask(B)
        self.assertEqual(self.events, ["a free"])
        self.assert_state(State.FREEING)

    def test_empty_slot_settles_too(self) -> None:
        """
        A start in an empty slot waits for a verdict as well.
        """
        self.memory.report = None
        self.slot.adopt()
        self.ask(A)
        self.assert_state(State.SETTLING)
        self.assertEqual(self.events, [])
        self.settle()
        self.assertEqual(self.events, ["a bring_up"])

    def test_requests_during_a_swap_wait(self) -> None:
        """
        Nobody is let in, not even to the outgoing engine, once a switch is
        committed; who comes for the incoming one shares its start.
        """
        running, waiting = self.draining()
        late, shared = self.ask(A), self.ask(B)
        self.assert_waiting(late, shared)
        running.release()
        self.engines["a"].freed()
        self.engines["b"].started()
        self.assert_running(waiting, shared)
        self.assert_waiting(late)

    def test_nobody_wants_it_after_all(self) -> None:
        """
        When all have left by the time the memory is back, nothing is started.
        """
        self.memory.report = None
        self.slot.adopt()
        self.ask(A).leave()
        self.settle()
        self.assert_state(State.EMPTY)
        self.assertEqual(self.events, [])
        self.assert_token_free()

    def test_something_else_is_wanted_by_then(self) -> None:
        """
        When only others wait by the time the memory is back, they are served.
        """
        self.memory.report = None
        self.slot.adopt()
        leaver, other = self.ask(A), self.ask(B)
        leaver.leave()
        self.settle()
        self.settle()
        self.assertEqual(self.events, ["b bring_up"])
        self.engines["b"].started()
        self.assert_running(other)

    def test_history(self) -> None:
        """
        A finished swap is reported with its phases, and stays in the history.
        """
        self.memory.report = None
        self.slot.adopt()
        running = self.ask(A)
        self.settle()
        self.engines["a"].started()
        self.ask(B)
        self.clock.advance(MAX_WAIT)
        self.clock.advance(1)
        running.release()
        self.clock.advance(2)
        self.engines["a"].freed()
        self.clock.advance(4)
        current = self.slot.describe()["swap"]
        self.assertEqual(current["phase"], "settle")
        self.settle()
        self.clock.advance(8)
        self.engines["b"].started()
        described = self.slot.describe()
        self.assertIsNone(described["swap"])
        self.assertEqual(
            described["last_swaps"][0],
            {
                "from": "a",
                "to": "b",
                "cause": "request",
                "at": 1e9,
                "duration_s": 15.0,
                "phase": None,
                "phases": {"drain": 1.0, "free": 2.0, "settle": 4.0, "start": 8.0},
                "ok": True,
                "error": None,
                "settle": "settled",
            },
        )
        self.assertEqual(
            [(swap.outgoing, swap.incoming) for swap in self.swaps], [(None, A), (A, B)]
        )

    def test_describe(self) -> None:
        """
        The slot tells its state, its resident, and who waits since when.
        """
        self.started(A)
        self.clock.advance(1)
        self.ask(B)
        self.clock.advance(2)
        self.ask(B)
        described = self.slot.describe()
        del described["last_swaps"]
        self.assertEqual(
            described,
            {
                "slot": "exclusive",
                "state": "ready",
                "for_s": 3.0,
                "resident": "a",
                "paused": None,
                "stuck": None,
                "in_flight": 1,
                "policy": "join",
                "queue": [{"target": "b", "waiting": 2, "oldest_s": 2.0, "expected_s": 16.0}],
                "promised_s": {"a": MAX_WAIT, "b": MAX_WAIT},
                "learned_s": {"a": {"cold": 0.0}},
                "swap": None,
            },
        )


class TurnTests(SlotTestCase):
    """
    How long a resident keeps the slot.
    """

    def test_age_bound(self) -> None:
        """
        A resident that is never idle is drained when a rival has waited for
        the bound, and not before.
        """
        running, rival = self.started(A), self.ask(B)
        self.clock.advance(MAX_WAIT - 0.001)
        self.assert_running(self.ask(A))
        self.assert_state(State.READY)
        self.clock.advance(0.001)
        self.assert_state(State.DRAINING)
        self.assert_waiting(self.ask(A), rival)
        self.assert_running(running)

    def test_rival_leaves(self) -> None:
        """
        When the rival leaves, the resident's turn is not bounded any more.
        """
        self.started(A)
        self.ask(B).leave()
        self.assert_quiet()

    def test_older_rival_leaves(self) -> None:
        """
        When the oldest rival leaves, the bound is that of the next.
        """
        self.started(A)
        first = self.ask(B)
        self.clock.advance(20)
        self.ask(C)
        first.leave()
        self.clock.advance(MAX_WAIT - 0.001)
        self.assert_state(State.READY)
        self.clock.advance(0.001)
        self.assert_state(State.DRAINING)

    def test_paid_turn(self) -> None:
        """
        An engine that took longer to come than a rival would wait still
        serves all who waited for it, before the rival has its turn.
        """
        running, waiting = self.draining()
        rival = self.ask(A)
        others = [self.ask(B) for _ in range(3)]
        running.release()
        self.engines["a"].freed()
        self.clock.advance(2 * MAX_WAIT)
        self.engines["b"].started()
        self.assert_running(waiting, *others)
        self.assert_state(State.DRAINING)
        for client in (waiting, *others):
            client.release()
        self.engines["b"].freed()
        self.engines["a"].started()
        self.assert_running(rival)

    def test_idle_resident_goes_at_once(self) -> None:
        """
        A rival of an idle resident does not wait for any bound.
        """
        self.idle(A)
        self.ask(B)
        self.assert_state(State.FREEING)

    def test_last_answer_ends_the_turn(self) -> None:
        """
        The turn ends with the last running answer.
        """
        first, second = self.started(A), self.ask(A)
        self.ask(B)
        first.release()
        self.assert_state(State.READY)
        second.release()
        self.assert_state(State.FREEING)

    def test_alternating_requests_share_turns(self) -> None:
        """
        Requests that alternate between two engines cost two starts, not one
        each.
        """
        self.slot.adopt()
        clients = [self.ask(target) for _ in range(3) for target in (A, B)]
        self.engines["a"].started()
        for client in clients[0::2]:
            client.release()
        self.engines["a"].freed()
        self.engines["b"].started()
        self.assert_running(*clients[1::2])
        self.assertEqual(self.events, ["a bring_up", "a free", "b bring_up"])


class FifoTurnTests(SlotTestCase):
    """
    How the slot follows a policy that keeps the order of arrival.
    """

    policy = Fifo()

    def test_rival_commits_at_once(self) -> None:
        """
        With a rival in line the resident takes nobody who came later.
        """
        running, rival, late = self.started(A), self.ask(B), self.ask(A)
        self.assert_state(State.DRAINING)
        self.assert_running(running)
        self.assert_waiting(rival, late)
        rival.leave()
        self.assert_running(late)

    def test_strict(self) -> None:
        """
        Requests that alternate between two engines cost a swap each, in the
        order in which they came.
        """
        self.slot.adopt()
        clients = [self.ask(target) for _ in range(2) for target in (A, B)]
        for old, new, client in zip("_aba", "abab", clients, strict=True):
            if old in self.engines:
                self.engines[old].freed()
            self.engines[new].started()
            self.assert_running(client)
            client.release()
        self.assertEqual(len(self.swaps), 4)

    def test_rival_leaves_when_another_is_let_in(self) -> None:
        """
        When those who come before the next rival are let in, and with that
        everything ends, the resident stays: nobody wants the switch.
        """
        running, rival = self.started(A), self.ask(B)

        def end_it_all(client: Client) -> None:
            client.release()
            running.release()
            next_rival.leave()

        self.ask(A, granted=end_it_all)
        next_rival = self.ask(C)
        rival.leave()
        self.assert_state(State.READY)
        self.assertEqual(self.events, ["a bring_up"])
        self.assertEqual(self.slot.running["a"], 0)
        self.assert_quiet()


class OrphanTests(SlotTestCase):
    """
    A start that nobody waits for any more is finished, unless it is in the way
    for too long.
    """

    def setUp(self) -> None:
        super().setUp()
        self.slot.adopt()
        self.client = self.ask(A)

    def test_finished(self) -> None:
        """
        With nobody else waiting, the start is finished, however long it takes.
        """
        self.client.leave()
        self.clock.advance(10 * ORPHAN)
        self.assert_quiet()
        self.engines["a"].started()
        self.assert_state(State.READY)
        self.assert_running(self.ask(A))
        self.assertEqual(self.events, ["a bring_up"])

    def test_abandoned(self) -> None:
        """
        When another engine is wanted and nobody has wanted this one for the
        grace, the start is abandoned, and what there is of it freed.
        """
        other = self.ask(B)
        self.client.leave()
        self.clock.advance(ORPHAN - 0.001)
        self.assert_state(State.STARTING)
        self.clock.advance(0.001)
        self.assertEqual(self.events, ["a bring_up", "a abandoned", "a free"])
        self.engines["a"].freed()
        self.engines["b"].started()
        self.assert_running(other)
        self.assertEqual([swap.cause for swap in self.swaps], ["request", "abandoned", "request"])
        self.assertEqual(str(self.swaps[0].error), "nobody waits for it any more")

    def test_counts_from_when_the_last_left(self) -> None:
        """
        The grace counts from when the last one left, not from when another
        engine was wanted.
        """
        self.client.leave()
        self.clock.advance(2 * ORPHAN)
        self.ask(B)
        self.clock.advance(0)
        self.assert_state(State.FREEING)

    def test_wanted_again(self) -> None:
        """
        Somebody who wants it again saves the start.
        """
        self.ask(B)
        self.client.leave()
        self.clock.advance(ORPHAN - 1)
        again = self.ask(A)
        self.clock.advance(ORPHAN)
        self.assert_quiet()
        self.engines["a"].started()
        self.assert_running(again)

    def test_the_grace_begins_anew(self) -> None:
        """
        A start that was wanted again has the whole grace again.
        """
        self.ask(B)
        self.client.leave()
        self.clock.advance(ORPHAN - 1)
        self.ask(A).leave()
        self.clock.advance(ORPHAN - 1)
        self.assert_state(State.STARTING)
        self.clock.advance(1)
        self.assert_state(State.FREEING)

    def test_the_other_leaves_too(self) -> None:
        """
        When nobody wants anything any more, the start is finished.
        """
        other = self.ask(B)
        self.client.leave()
        other.leave()
        self.assert_quiet()
        self.assert_state(State.STARTING)
