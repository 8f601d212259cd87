# -*- test-case-name: ler.test.test_succession -*-
"""
Tests for L{ler.slot.succession} and L{ler.slot.roster}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ler.errors import EngineStuck
from ler.interfaces import IEngine
from ler.slot.roster import Roster
from ler.slot.succession import Succession
from ler.test.slot_case import A
from ler.testing import FakeEngine

STUCK = EngineStuck("process 42 survives SIGKILL")


class SuccessionTests(SynchronousTestCase):
    """
    L{Succession}: C{old} and C{other} are before C{new}, in two slots.
    """

    def setUp(self) -> None:
        """
        All are of one key.
        """
        self.events: list[str] = []
        self.old, self.other, self.new, self.stranger = (
            FakeEngine(key, events=self.events) for key in "aaab"
        )
        self.succession = Succession()

    def clear(self, engine: IEngine) -> Deferred[None]:
        """
        @return: a L{Deferred} for when C{engine} may start.
        """
        return Deferred.fromCoroutine(self.succession.clear(engine))

    def test_nothing(self) -> None:
        """
        Who is the first of its key need not wait.
        """
        self.successResultOf(self.clear(self.new))

    def test_leaving(self) -> None:
        """
        One starts when all slots have let go of those before it, and they are
        closed; engines of other keys are of no concern.
        """
        for engine in (self.old, self.other, self.stranger):
            self.succession.leaves(engine)
        self.succession.joins(self.new)
        self.succession.begin()
        cleared = self.clear(self.new)
        self.succession.ends(self.old)
        self.succession.begin()
        self.assertNoResult(cleared)
        self.other.running = True
        self.succession.ends(self.other)
        self.succession.begin()
        self.assertNoResult(cleared)
        self.assertEqual(["a close", "a close"], self.events)
        self.other.freed()
        self.successResultOf(cleared)

    def test_itself(self) -> None:
        """
        Nobody waits for itself.
        """
        self.succession.leaves(self.old)
        self.successResultOf(self.clear(self.old))

    def test_stays(self) -> None:
        """
        One that does not go after all keeps nobody waiting.
        """
        self.succession.leaves(self.old)
        cleared = self.clear(self.new)
        self.succession.stays(self.old)
        self.successResultOf(cleared)

    def test_joins(self) -> None:
        """
        What a new engine holds that nobody asked for is freed.
        """
        self.new.holding = (A,)
        self.succession.joins(self.new)
        self.succession.begin()
        self.assertEqual(["a free"], self.events)
        cleared = self.clear(self.new)
        self.assertNoResult(cleared)
        self.new.freed()
        self.successResultOf(cleared)
        self.successResultOf(self.clear(self.new))
        self.assertEqual(["a free"], self.events)

    def test_joins_in_vain(self) -> None:
        """
        One that goes before it was looked at is closed only.
        """
        with self.succession.together():
            self.new.holding = (A,)
            self.succession.joins(self.new)
            self.succession.ends(self.new)
        self.assertEqual(["a close"], self.events)

    def test_together(self) -> None:
        """
        Nothing is begun before all slots were told.
        """
        with self.succession.together():
            self.succession.ends(self.old)
            self.succession.begin()
            self.assertEqual([], self.events)
        self.assertEqual(["a close"], self.events)

    def test_stuck(self) -> None:
        """
        One that does not go keeps the next one from starting, which is told
        why, and tried again each time.
        """
        self.old.running = True
        self.succession.ends(self.old)
        self.succession.begin()
        self.old.free_failed(STUCK)
        cleared = self.clear(self.new)
        self.old.free_failed(STUCK)
        self.failureResultOf(cleared, EngineStuck)
        cleared = self.clear(self.new)
        self.old.freed()
        self.successResultOf(cleared)

    def test_finish(self) -> None:
        """
        When the router goes it waits for those that are being closed; one that
        does not go keeps it from nothing.
        """
        self.old.running = self.stranger.running = True
        self.succession.ends(self.old)
        self.succession.ends(self.stranger)
        self.succession.begin()
        finished = Deferred.fromCoroutine(self.succession.finish())
        self.old.freed()
        self.assertNoResult(finished)
        self.stranger.free_failed(STUCK)
        self.stranger.free_failed(STUCK)
        self.successResultOf(finished)

    def test_bug(self) -> None:
        """
        A bug of an engine is logged.
        """
        self.old.running = True
        self.succession.ends(self.old)
        self.succession.begin()
        self.old.free_failed(ZeroDivisionError())
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))


class RosterTests(SynchronousTestCase):
    """
    L{Roster}: who belongs to a slot.
    """

    def setUp(self) -> None:
        """
        A slot with two engines.
        """
        self.engines = {key: FakeEngine(key) for key in "ab"}
        self.replaced: list[tuple[str, IEngine | None]] = []
        self.succession = Succession()
        self.roster = Roster(
            self.engines, self.succession, lambda key, engine: self.replaced.append((key, engine))
        )

    def test_idle(self) -> None:
        """
        What is not in use is replaced at once.
        """
        new = FakeEngine("a")
        self.roster.reload({"a": new}, (), ())
        self.assertEqual({"a": new}, self.roster.engines)
        self.assertEqual([("a", new), ("b", None)], self.replaced)

    def test_busy(self) -> None:
        """
        What is in use is replaced later, or goes now if it has no successor
        here.
        """
        new = FakeEngine("a")
        self.roster.reload({"a": new}, (), "ab")
        self.assertEqual(self.engines, self.roster.engines)
        self.assertEqual([True, True], [self.roster.is_stale(key) for key in "ab"])
        self.assertEqual([False, True], [self.roster.is_going(key) for key in "ab"])
        self.roster.succeed("a")
        self.assertEqual(["a"], list(self.roster.engines))
        self.roster.succeed(())
        self.assertEqual({"a": new}, self.roster.engines)
        self.assertFalse(self.roster.is_stale("a"))

    def test_last_counts(self) -> None:
        """
        Of several reloads the last one counts.
        """
        first, last = FakeEngine("a"), FakeEngine("a")
        self.roster.reload({}, (), "ab")
        self.roster.reload({**self.engines, "a": first}, (), "ab")
        self.roster.reload({**self.engines, "a": last}, (), "ab")
        self.assertEqual([False, False], [self.roster.is_going(key) for key in "ab"])
        self.assertFalse(self.roster.is_stale("b"))
        self.roster.succeed(())
        self.assertIs(last, self.roster.engines["a"])
