# -*- test-case-name: ler.test.test_slot_table -*-
"""
Tests of L{ler.slot.states}: every input in every state.

For each pair that the table foresees, something that really happens brings
it about.  Each other pair is fed by force, and must raise before any effect.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ler
from ler.errors import EngineDied, EngineStartFailed, EngineStuck
from ler.slot.conduct import BLOCKED_RETRY_S, Conduct
from ler.slot.leases import LOST_GRACE_S
from ler.slot.machine import UnforeseenInput
from ler.slot.options import SlotOptions
from ler.slot.states import TABLE, Input, State
from ler.test.slot_case import (
    DRAIN,
    IDLE,
    INSUFFICIENT,
    MAX_WAIT,
    ORPHAN,
    A,
    B,
    C,
    Client,
    SlotTestCase,
    SlowFakeEngine,
)
from ler.testing import FakeEngine

STUCK = EngineStuck("process 42 survives SIGKILL")
KILLED = EngineDied("killed by SIGKILL")

DOCUMENT = Path(ler.__file__).parent.parent / "docs" / "state-machine.rst"

Pair = tuple[State, Input]


class PairTests(SlotTestCase):
    """
    Situations, one a state, and what can happen in them.

    @ivar ghost: a request that still has its lease of an engine that was lost.
    @ivar runner: a request that runs.
    @ivar waiter: a request for C that waits.
    """

    options = SlotOptions(drain_timeout=DRAIN, orphan_grace=ORPHAN, idle_unload={"a": IDLE})

    def make_engines(self) -> Mapping[str, FakeEngine]:
        """
        @return: engines that take their time to say what they hold.
        """
        self.slow = {key: SlowFakeEngine(key, self.events) for key in "abc"}
        return self.slow

    def setUp(self) -> None:
        super().setUp()
        self.memory.report = None
        self.handled: list[Pair] = []
        machine = self.slot._machine
        handle = machine._handle

        def note(event: Input, *details: Any) -> None:
            self.handled.append((machine.state, event))
            handle(event, *details)

        self.patch(machine, "_handle", note)

    # How the slot comes to stand in each state.

    def adopting(self) -> None:
        """
        The engines were asked what they hold.
        """
        self.slot.adopt()
        self.waiter = self.ask(C)

    def empty(self) -> None:
        """
        An engine was lost, and one request has not noticed.
        """
        self.slot.adopt()
        for engine in self.slow.values():
            engine.answer()
        self.ghost = self.ask(A, stubborn=True)
        self.settle()
        self.engines["a"].started()
        self.engines["a"].lose(KILLED)
        self.settle()
        self.clock.advance(LOST_GRACE_S)

    def settling(self) -> None:
        """
        A is wanted, and so is C.
        """
        self.empty()
        self.runner = self.ask(A)
        self.waiter = self.ask(C)

    def starting(self) -> None:
        """
        A starts.
        """
        self.settling()
        self.settle()

    def ready(self) -> None:
        """
        A answers a request.
        """
        self.starting()
        self.engines["a"].started()

    def draining(self) -> tuple[Client, Client]:
        """
        C has waited for long enough.
        """
        self.ready()
        self.clock.advance(MAX_WAIT)
        return self.runner, self.waiter

    def freeing(self) -> None:
        """
        A is told to stop.
        """
        self.draining()
        self.runner.release()

    def blocked(self) -> None:
        """
        A does not go.
        """
        self.freeing()
        self.engines["a"].free_failed(STUCK)

    def closing(self) -> None:
        """
        The router stops while A answers.
        """
        self.ready()
        self.closed = self.slot.close()

    def situation(self, state: State) -> None:
        """
        Bring the slot to where it stands in C{state}.
        """
        getattr(self, state.value)()
        self.assert_state(state)
        del self.handled[:]

    # What brings each input about.

    def acquire(self) -> None:
        """
        A request comes.
        """
        self.ask(B)

    def withdraw(self) -> None:
        """
        A request that waits leaves.
        """
        self.waiter.leave()

    def release(self) -> None:
        """
        A request ends: one that runs, or one of an engine that is no more.
        """
        (self.ghost if self.slot.running["a"] == 0 else self.runner).release()

    def order(self) -> None:
        """
        The operator orders something.
        """
        self.slot.order(B).addErrback(lambda failure: None)

    def probed(self) -> None:
        """
        All engines have answered.
        """
        for engine in self.slow.values():
            engine.answer()

    def probe_failed(self) -> None:
        """
        One engine cannot say.
        """
        self.slow["a"].answer_failed(STUCK)
        self.slow["b"].answer()
        self.slow["c"].answer()

    def preload(self) -> None:
        """
        Something is to be there unasked.
        """
        self.slot.preload(B)

    def keep(self) -> None:
        """
        A client says how long it will want something.
        """
        self.slot.keep(A, 5.0)

    def reloaded(self) -> None:
        """
        The configuration has changed, and nothing of the slot with it.
        """
        self.slot.reload(self.make_reload())

    def idle_(self) -> None:
        """
        The resident is not used.
        """
        self.waiter.leave()
        self.runner.release()
        self.clock.advance(IDLE)

    def tick(self) -> None:
        """
        The age of a rival is due.
        """
        self.clock.advance(MAX_WAIT)

    def drain_expired(self) -> None:
        """
        The drain's time is over.
        """
        self.clock.advance(DRAIN)

    def cut_expired(self) -> None:
        """
        A request keeps its lease.
        """
        assert self.runner.lease is not None
        self.runner.lease.on_cut(lambda reason: None)
        self.clock.advance(DRAIN)
        self.clock.advance(DRAIN)

    def freed(self) -> None:
        """
        The engine is gone.
        """
        if self.slot.state is State.BLOCKED:
            self.clock.advance(BLOCKED_RETRY_S)
        self.engines["a"].freed()

    def free_failed(self) -> None:
        """
        The engine does not go.
        """
        if self.slot.state is State.BLOCKED:
            self.clock.advance(BLOCKED_RETRY_S)
        self.engines["a"].free_failed(STUCK)

    def settled(self) -> None:
        """
        The memory is back.
        """
        self.settle()

    def settle_failed(self) -> None:
        """
        The memory does not suffice.
        """
        self.settle(INSUFFICIENT)

    def started_(self) -> None:
        """
        The engine is ready.
        """
        self.engines["a"].started()

    def start_failed(self) -> None:
        """
        The engine does not come.
        """
        self.engines["a"].start_failed(EngineStartFailed("exit status 1"))

    def orphaned(self) -> None:
        """
        Nobody wants the start.
        """
        self.runner.leave()
        self.clock.advance(ORPHAN)

    def retry(self) -> None:
        """
        It is time to look again.
        """
        self.clock.advance(BLOCKED_RETRY_S)

    def lost(self) -> None:
        """
        An engine has ended.
        """
        self.engines["a"].lose(KILLED)

    def close(self) -> None:
        """
        The router stops.
        """
        self.slot.close()

    def closed_(self) -> None:
        """
        Every engine has stopped.
        """
        self.runner.release()
        self.engines["a"].freed()

    # Where it takes more to bring an input about: a request that leaves in a
    # state in which nobody waits was turned away a moment before, and leaves
    # in answer to somebody else's refusal.

    def two_for_b(self) -> None:
        """
        Two requests for B, of which the second leaves when the first is
        refused.
        """
        clients: list[Client] = []
        clients.append(self.ask(B, refused=lambda _: clients[1].leave()))
        clients.append(self.ask(B))

    def withdraw_when_empty(self) -> None:
        """
        B turns out not to fit.
        """
        self.settling()
        self.runner.leave()
        self.waiter.leave()
        self.two_for_b()
        self.short_of(B)
        self.settle()
        self.assert_state(State.EMPTY)

    def withdraw_when_blocked(self) -> None:
        """
        A does not go.
        """
        self.freeing()
        self.two_for_b()
        self.engines["a"].free_failed(STUCK)

    def withdraw_when_closing(self) -> None:
        """
        The router stops.
        """
        self.ready()
        self.two_for_b()
        self.slot.close()

    STORIES: Mapping[Pair, Callable[[PairTests], None]] = {
        (State.EMPTY, Input.WITHDRAW): withdraw_when_empty,
        (State.BLOCKED, Input.WITHDRAW): withdraw_when_blocked,
        (State.CLOSING, Input.WITHDRAW): withdraw_when_closing,
    }

    CAUSES: Mapping[Input, Callable[[PairTests], None]] = {
        Input.ACQUIRE: acquire,
        Input.WITHDRAW: withdraw,
        Input.RELEASE: release,
        Input.ORDER: order,
        Input.PROBED: probed,
        Input.PROBE_FAILED: probe_failed,
        Input.PRELOAD: preload,
        Input.KEEP: keep,
        Input.RELOADED: reloaded,
        Input.TICK: tick,
        Input.IDLE: idle_,
        Input.DRAIN_EXPIRED: drain_expired,
        Input.CUT_EXPIRED: cut_expired,
        Input.FREED: freed,
        Input.FREE_FAILED: free_failed,
        Input.SETTLED: settled,
        Input.SETTLE_FAILED: settle_failed,
        Input.STARTED: started_,
        Input.START_FAILED: start_failed,
        Input.ORPHANED: orphaned,
        Input.RETRY: retry,
        Input.LOST: lost,
        Input.CLOSE: close,
        Input.CLOSED: closed_,
    }

    def look(self) -> object:
        """
        @return: everything that an input could change.
        """
        calls = [call.getTime() for call in self.clock.getDelayedCalls()]
        return self.slot.describe(), list(self.events), calls, len(self.memory.releases)

    def each(self, foreseen: bool) -> list[Pair]:
        """
        @return: the pairs that are foreseen, or those that are not.
        """
        return [
            (state, event)
            for state in State
            for event in Input
            if (event in TABLE[state]) is foreseen
        ]

    def test_foreseen(self) -> None:
        """
        Every input that the table foresees in a state can happen there, and is
        handled.
        """
        for state, event in self.each(foreseen=True):
            self.setUp()
            story = self.STORIES.get((state, event))
            if story is not None:
                story(self)
            else:
                self.situation(state)
                self.CAUSES[event](self)
            self.assertIn((state, event), self.handled)
            self.assertEqual([], self.flushLoggedErrors())

    def test_unforeseen(self) -> None:
        """
        Any other input raises, and nothing has happened.
        """
        for state, event in self.each(foreseen=False):
            self.setUp()
            self.situation(state)
            before = self.look()
            self.assertRaises(UnforeseenInput, self.slot._machine.feed, event, None, None)
            self.assertEqual(before, self.look())


class TableTests(SlotTestCase):
    """
    The table itself.
    """

    def test_every_state(self) -> None:
        """
        Every state has a row.
        """
        self.assertEqual(set(TABLE), set(State))

    def test_every_input(self) -> None:
        """
        Every input can happen somewhere.
        """
        self.assertEqual({event for row in TABLE.values() for event in row}, set(Input))

    def test_methods(self) -> None:
        """
        Every method that the table names exists.
        """
        for row in TABLE.values():
            for name in row.values():
                self.assertTrue(callable(getattr(Conduct, name)), name)


class DocumentTests(SlotTestCase):
    """
    C{docs/state-machine.rst} tells the whole table.
    """

    if not DOCUMENT.exists():
        skip = "the documents are not beside the package"

    def test_pairs(self) -> None:
        """
        The document has a line for each pair that the table foresees, and for
        no other.
        """
        told: list[tuple[str, str]] = []
        state = ""
        for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
            heading = re.fullmatch(r"In ``(\w+)``", line)
            event = re.fullmatch(r"``([A-Z_]+)``", line)
            if heading:
                state = heading[1]
            elif event:
                told.append((state, event[1]))
        foreseen = [(state.name, event.name) for state, row in TABLE.items() for event in row]
        self.assertEqual(sorted(told), sorted(foreseen))
