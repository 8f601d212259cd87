# -*- test-case-name: ler.test.test_slot_reload -*-
"""
Tests of what L{ler.slot.slot} does when the configuration changes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ler.errors import EngineStartFailed, EngineStuck, UnknownModel
from ler.slot.conduct import BLOCKED_RETRY_S
from ler.slot.policy import Fifo
from ler.slot.states import State
from ler.test.slot_case import DRAIN, IDLE, MAX_WAIT, A, B, C, SlotTestCase, SlowFakeEngine
from ler.testing import FakeEngine

STUCK = EngineStuck("process 42 survives SIGKILL")


class ReloadTests(SlotTestCase):
    """
    Engines come, change and go while the slot is at work.
    """

    def another(self, key: str) -> FakeEngine:
        """
        @return: an engine that takes the place of the one of C{key}.
        """
        return FakeEngine(key, events=self.events)

    def reload(self, changes: dict[str, FakeEngine | None], **how: Any) -> None:
        """
        These engines, by key, are others now, or L{None} any more.
        """
        engines = {**self.engines, **changes}
        left = {key: engine for key, engine in engines.items() if engine is not None}
        self.slot.reload(self.make_reload(left, **how))
        self.engines = left

    # Nothing much.

    def test_unchanged(self) -> None:
        """
        What has not changed goes on: who runs runs, who waits waits.
        """
        running, waiting = self.draining()
        self.reload({})
        self.assert_state(State.DRAINING)
        self.assert_running(running)
        self.assert_waiting(waiting)
        self.assertEqual([], self.events)
        running.release()
        self.engines["a"].freed()
        self.engines["b"].started()
        self.assert_running(waiting)

    def test_options(self) -> None:
        """
        New settings apply to what comes next, and to what is there.
        """
        self.idle(A)
        options = replace(self.options, idle_unload={"a": IDLE}, max_concurrency={"a": 1})
        self.reload({}, options=options)
        first, second = self.ask(A), self.ask(A)
        self.assert_running(first)
        self.assert_waiting(second)
        first.release()
        second.release()
        self.clock.advance(IDLE)
        self.assertEqual(["a free"], self.events)

    def test_policy(self) -> None:
        """
        Another policy decides from now on.
        """
        self.started(A)
        waiting = self.ask(B)
        changed = replace(self.make_reload(), policy=Fifo())
        self.slot.reload(changed)
        self.assert_state(State.DRAINING)
        self.assertEqual("fifo", self.slot.describe()["policy"])
        self.assert_waiting(waiting)

    # Idle engines.

    def test_idle_changed(self) -> None:
        """
        An engine that is not in use is replaced at once: the old one is
        closed, and the new one is told to give back what it may hold.
        """
        self.started(A)
        old, new = self.engines["b"], self.another("b")
        new.holding = (B,)
        self.reload({"b": new})
        self.assertEqual(["b close", "b free"], self.events[-2:])
        self.assertFalse(self.slot.is_stale("b"))
        new.freed()
        waiting = self.ask(B)
        self.clock.advance(MAX_WAIT)
        self.clock.advance(DRAIN)
        self.engines["a"].freed()
        new.started()
        self.assert_running(waiting)
        self.assertIsNot(old, waiting.lease and waiting.lease.engine)

    def test_idle_changed_stuck(self) -> None:
        """
        The new engine does not start before the old one is gone.
        """
        self.idle(B)
        self.slot.order(None)
        self.engines["b"].freed()
        old, new = self.engines["b"], self.another("b")
        old.running = True
        self.reload({"b": new})
        self.assertEqual("b close", self.events[-1])
        waiting = self.ask(B)
        self.assertNotIn("b bring_up", self.events[-1])
        old.freed()
        new.started()
        self.assert_running(waiting)

    def test_added(self) -> None:
        """
        A new engine can be asked for.
        """
        self.idle(A)
        D = replace(A, engine="d")
        self.reload({"d": self.another("d")})
        waiting = self.ask(D)
        self.engines["a"].freed()
        self.engines["d"].started()
        self.assert_running(waiting)
        self.engines["d"].lose(EngineStartFailed("gone"))
        self.assertIsNone(self.slot.resident)

    def test_cooldown_forgotten(self) -> None:
        """
        What failed as it was may work as it is now.
        """
        self.slot.adopt()
        for _ in range(5):
            client = self.ask(A)
            if client.refusal is not None:
                break
            self.engines["a"].start_failed(EngineStartFailed("exit status 1"))
            if self.engines["a"].events[-1] == "a free":
                self.engines["a"].freed()
        refused = self.ask(A)
        self.assertIsNotNone(refused.refusal)
        self.reload({"a": self.another("a")})
        self.assert_waiting(self.ask(A))

    # The resident.

    def test_resident_changed(self) -> None:
        """
        A resident that has changed is kept, stale, until it is freed, and
        comes back as it is meant to be.
        """
        running = self.started(A)
        old, new = self.engines["a"], self.another("a")
        self.reload({"a": new})
        self.assertTrue(self.slot.is_stale("a"))
        self.assert_running(running, self.ask(A))
        self.slot.order(B)
        self.clock.advance(DRAIN)
        self.assertEqual("a free", self.events[-1])
        old.freed()
        self.assertFalse(self.slot.is_stale("a"))
        self.assertIn("a close", self.events)
        self.engines["b"].started()
        self.slot.order(A)
        self.engines["b"].freed()
        new.started()
        self.assert_state(State.READY)

    def test_changed_back(self) -> None:
        """
        A resident that is as it is meant to be again is not stale.
        """
        self.idle(A)
        old = self.engines["a"]
        self.reload({"a": self.another("a")})
        self.reload({"a": old})
        self.assertFalse(self.slot.is_stale("a"))
        self.assert_running(self.ask(A))

    def test_resident_changed_at_once(self) -> None:
        """
        One that cannot be kept beside its successor is drained and freed; who
        waits for it waits on.
        """
        running = self.started(A)
        old, new = self.engines["a"], self.another("a")
        self.reload({"a": new}, at_once=("a",))
        self.assert_state(State.DRAINING)
        waiting = self.ask(A)
        running.release()
        old.freed()
        new.started()
        self.assert_running(waiting)
        self.assertEqual("reload", self.swaps[-2].cause)

    def test_resident_removed(self) -> None:
        """
        One that is configured no more ends what it answers, and goes; who
        waits for it is told.
        """
        self.slot.reload(self.make_reload(options=replace(self.options, max_concurrency={"a": 1})))
        running = self.started(A)
        waiting, other = self.ask(A), self.ask(B)
        old = self.engines["a"]
        self.reload({"a": None})
        self.assert_refused(UnknownModel, waiting)
        self.assert_waiting(other)
        self.assert_running(running)
        self.assertEqual({"a": 1, "b": 0, "c": 0}, self.slot.running)
        running.release()
        old.freed()
        self.engines["b"].started()
        self.assert_running(other)
        self.assertEqual({"b": 1, "c": 0}, self.slot.running)

    def test_removed_idle(self) -> None:
        """
        A resident without requests goes at once.
        """
        self.idle(A)
        old = self.engines["a"]
        self.reload({"a": None})
        self.assertEqual(["a free"], self.events)
        old.freed()
        self.assertEqual(["a free", "a close"], self.events)
        self.assert_state(State.EMPTY)
        self.assertFalse(self.slot.spent)
        self.reload({"b": None, "c": None})
        self.assertTrue(self.slot.spent)

    def test_removed_survives_order(self) -> None:
        """
        Another order does not keep it.
        """
        self.started(A)
        self.reload({"a": None})
        self.slot.order(B)
        self.assert_state(State.DRAINING)
        self.assertEqual(None, self.slot.describe()["swap"]["to"])

    # On the way.

    def test_target_removed_draining(self) -> None:
        """
        A switch to what is there no more is taken back.
        """
        running, waiting = self.draining()
        self.reload({"b": None})
        self.assert_state(State.READY)
        self.assert_refused(UnknownModel, waiting)
        self.assert_running(running)

    def test_target_removed_settling(self) -> None:
        """
        What is there no more is not started, also when it comes unasked.
        """
        self.memory.report = None
        self.slot.adopt()
        self.slot.preload(A)
        self.assert_state(State.SETTLING)
        self.reload({"a": None})
        self.settle()
        self.assert_state(State.EMPTY)
        self.assertNotIn("a bring_up", self.events)

    def test_starting_changed(self) -> None:
        """
        A start goes on; the engine is stale as soon as it is there.
        """
        self.slot.adopt()
        client = self.ask(A)
        old = self.engines["a"]
        self.reload({"a": self.another("a")})
        old.started()
        self.assert_running(client)
        self.assertTrue(self.slot.is_stale("a"))

    def test_starting_removed(self) -> None:
        """
        A start of what is there no more is given up.
        """
        self.slot.adopt()
        client = self.ask(A)
        old = self.engines["a"]
        self.reload({"a": None})
        self.assert_refused(UnknownModel, client)
        self.assert_state(State.FREEING)
        old.freed()
        self.assert_state(State.EMPTY)
        self.assertEqual("a close", self.events[-1])

    def test_freeing(self) -> None:
        """
        What goes is replaced when it has gone.
        """
        self.idle(A)
        self.slot.order(None)
        old, new = self.engines["a"], self.another("a")
        self.reload({"a": new})
        self.assertTrue(self.slot.is_stale("a"))
        old.freed()
        self.assertFalse(self.slot.is_stale("a"))
        waiting = self.ask(A)
        new.started()
        self.assert_running(waiting)

    def test_blocked(self) -> None:
        """
        What is stuck stays until it has gone.
        """
        self.idle(A)
        self.slot.order(None).addErrback(lambda failure: None)
        old, new = self.engines["a"], self.another("a")
        old.free_failed(STUCK)
        self.reload({"a": new})
        self.assertTrue(self.slot.is_stale("a"))
        self.clock.advance(BLOCKED_RETRY_S)
        old.freed()
        self.assert_state(State.EMPTY)
        self.assertFalse(self.slot.is_stale("a"))

    def test_order_removed(self) -> None:
        """
        An order for what is there no more fails.
        """
        self.started(A)
        order = self.slot.order(B)
        self.reload({"b": None})
        self.failureResultOf(order, UnknownModel)
        self.assert_state(State.READY)

    def test_standby_removed(self) -> None:
        """
        What stood by and is there no more is not brought in.
        """
        self.slot.preload(B)
        self.reload({"b": None})
        self.slot.adopt()
        self.assert_state(State.EMPTY)

    def test_closing(self) -> None:
        """
        A router that stops has no new configuration.
        """
        self.started(A)
        self.slot.close()
        self.reload({"a": None})
        self.assert_state(State.CLOSING)
        self.assertFalse(self.slot.is_stale("a"))


class AdoptingTests(SlotTestCase):
    """
    The configuration changes before the boot probe has ended.
    """

    def make_engines(self) -> dict[str, FakeEngine]:
        """
        @return: engines that take their time to say what they hold.
        """
        return {key: SlowFakeEngine(key, self.events) for key in "abc"}

    def test_removed(self) -> None:
        """
        What is found and is there no more is freed.
        """
        self.slot.adopt()
        waiting, other = self.ask(A), self.ask(C)
        slow: Any = self.engines
        self.slot.reload(self.make_reload({"b": slow["b"], "c": slow["c"]}))
        self.assert_refused(UnknownModel, waiting)
        slow["a"].answer(A)
        slow["b"].answer()
        slow["c"].answer()
        self.assertEqual("a free", self.events[-1])
        slow["a"].freed()
        slow["c"].started()
        self.assert_running(other)
