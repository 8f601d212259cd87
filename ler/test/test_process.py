# -*- test-case-name: ler.test.test_process -*-
"""
Tests for L{ler.engines.process}.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyClass

from ler.engines.process import Ending, GuardedProcess, ILink
from ler.errors import EngineStuck
from ler.test.fakeprocess import FakeTable, no_threads


class EndingTests(SynchronousTestCase):
    """
    L{Ending}
    """

    def test_text(self) -> None:
        """
        Every ending can be told in words.
        """
        for ending, text in [
            (Ending(), "ended"),
            (Ending(code=0), "exited with code 0"),
            (Ending(code=137), "exited with code 137"),
            (Ending(code=-9), "was killed by SIGKILL"),
            (Ending(code=-99), "was killed by signal 99"),
            (Ending(error="x: not found"), "could not be launched (x: not found)"),
        ]:
            self.assertEqual(text, str(ending))


@implementer(ILink)
class FakeLink:
    """
    A link to nobody.

    @ivar asked: what was asked.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.left: Deferred[bool] = Deferred()

    def ask_to_stop(self) -> None:
        """
        @see: L{ILink.ask_to_stop}
        """
        self.asked.append("stop")

    def ask_to_leave(self) -> Deferred[bool]:
        """
        @see: L{ILink.ask_to_leave}
        """
        self.asked.append("leave")
        return self.left

    def drop(self) -> None:
        """
        @see: L{ILink.drop}
        """
        self.asked.append("drop")


verifyClass(ILink, FakeLink)


class GuardedProcessTests(SynchronousTestCase):
    """
    L{GuardedProcess}
    """

    def setUp(self) -> None:
        """
        Make a process whose stop sequence may take 30 seconds.
        """
        self.clock = Clock()
        self.table = FakeTable()
        self.link = FakeLink()
        self.process = GuardedProcess(
            "a", "i:a", 30.0, table=self.table, clock=self.clock, threads=no_threads
        )
        self.process.linked(self.link)

    def tearDown(self) -> None:
        """
        Nothing is left to happen.
        """
        self.assertEqual([], self.clock.getDelayedCalls())

    def vanish(self) -> None:
        """
        The guardian exits.
        """
        self.process.guardian_gone(clean=True)
        self.clock.advance(0)

    def test_stop(self) -> None:
        """
        A stop ends when the guardian is gone.
        """
        stopped = self.process.stop()
        self.assertEqual(["stop"], self.link.asked)
        self.assertNoResult(stopped)
        self.vanish()
        self.successResultOf(stopped)
        self.assertEqual(["stop", "drop"], self.link.asked)

    def test_stop_twice(self) -> None:
        """
        All who want it to stop are told that it has.
        """
        stops = [self.process.stop(), self.process.stop()]
        self.vanish()
        for stopped in [*stops, self.process.stop()]:
            self.successResultOf(stopped)

    def test_stuck(self) -> None:
        """
        A stop that takes longer than its sequence may is given up, and can be
        tried again.
        """
        stopped = self.process.stop()
        self.clock.advance(39.9)
        self.assertNoResult(stopped)
        self.clock.advance(0.1)
        reason = self.failureResultOf(stopped, EngineStuck).value.message
        self.assertIn("engine a does not stop", reason)
        again = self.process.stop()
        self.clock.advance(10)
        self.failureResultOf(again, EngineStuck)
        third = self.process.stop()
        self.vanish()
        self.successResultOf(third)

    def test_cancelled_stop(self) -> None:
        """
        Whoever stops waiting does not stop the stop.
        """
        stops = [self.process.stop(), self.process.stop()]
        stops[0].cancel()
        self.failureResultOf(stops[0], CancelledError)
        self.vanish()
        self.successResultOf(stops[1])

    def test_ended(self) -> None:
        """
        The first ending that is told counts, for those too who ask later.
        """
        ended = self.process.when_ended()
        self.process.engine_ended(Ending(code=3))
        self.process.engine_ended(Ending(code=4))
        self.clock.advance(0)
        self.assertEqual(Ending(code=3), self.successResultOf(ended))
        self.assertEqual(Ending(code=3), self.successResultOf(self.process.when_ended()))
        self.vanish()
        self.assertEqual(Ending(code=3), self.process.ending)

    def test_order(self) -> None:
        """
        The end of the engine is told before that of its tree.
        """
        order: list[str] = []
        self.process.when_gone().addCallback(lambda _: order.append("gone"))
        self.process.when_ended().addCallback(lambda _: order.append("ended"))
        self.process.engine_ended(Ending(code=0))
        self.process.guardian_gone(clean=True)
        self.assertEqual(["ended", "gone"], order)
        self.clock.advance(0)

    def test_no_answer(self) -> None:
        """
        A guardian that does not say whether it lets go, does not.
        """
        left = self.process.leave()
        self.clock.advance(5)
        self.assertIs(False, self.successResultOf(left))

    def test_bug(self) -> None:
        """
        If what a guardian left cannot be looked for, it is not gone.
        """

        def kill_marked(marker: str, session: int | None) -> int:
            raise ZeroDivisionError

        self.table.kill_marked = kill_marked  # type: ignore[method-assign]
        gone = self.process.when_gone()
        self.process.guardian_gone(clean=False)
        self.clock.advance(0)
        self.assertNoResult(gone)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
