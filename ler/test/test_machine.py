# -*- test-case-name: ler.test.test_machine -*-
"""
Tests of L{ler.slot.machine}, with a machine that is no slot.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from ler.errors import EngineDied, InternalError, RouterError
from ler.slot.machine import Machine, UnforeseenInput


class Door(Enum):
    """
    Where a door stands.
    """

    OPEN = "open"
    SHUT = "shut"


class Event(Enum):
    """
    What can happen to a door.
    """

    PUSH = "somebody pushes"
    BELL = "the bell rings"
    DONE = "the work is done"
    FAILED = "the work has failed"


TABLE = {
    Door.OPEN: {Event.PUSH: "pushed", Event.BELL: "rang"},
    Door.SHUT: {
        Event.PUSH: "pushed",
        Event.BELL: "rang",
        Event.DONE: "done",
        Event.FAILED: "failed",
    },
}


class MachineTests(SynchronousTestCase):
    """
    L{Machine} feeds inputs to its owner's methods.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.machine: Machine[Door, Event] = Machine("door", Door.SHUT, TABLE, self, self.clock)
        self.heard: list[Any] = []
        self.work: Deferred[str] = Deferred()

    def pushed(self, *details: Any) -> None:
        """
        Somebody pushed; what is pushed may push back.
        """
        self.heard.append(("begin", *details))
        for detail in details:
            if callable(detail):
                detail()
        self.heard.append("end")

    def rang(self) -> None:
        """
        The bell rang.
        """
        self.heard.append("rang")

    def done(self, result: object) -> None:
        """
        The work is done.
        """
        self.heard.append(("done", result))

    def failed(self, reason: RouterError) -> None:
        """
        The work has failed.
        """
        self.heard.append(reason)

    def perform(self, work: Deferred[str]) -> None:
        """
        Begin to wait for C{work}.
        """

        async def wait() -> str:
            return await work

        self.machine.perform(wait(), Event.DONE, Event.FAILED)

    def test_details(self) -> None:
        """
        An input goes to the method that the table names, with its details.
        """
        self.machine.feed(Event.PUSH, 1, "hard")
        self.assertEqual(self.heard, [("begin", 1, "hard"), "end"])

    def test_one_at_a_time(self) -> None:
        """
        An input that arrives while another is handled waits until that one is
        done.
        """
        self.machine.feed(Event.PUSH, lambda: self.machine.feed(Event.BELL))
        self.assertEqual(self.heard[1:], ["end", "rang"])

    def test_in_order(self) -> None:
        """
        Inputs that wait are handled in order.
        """

        def push_back() -> None:
            self.machine.feed(Event.PUSH, lambda: self.machine.feed(Event.BELL))
            self.machine.feed(Event.PUSH)

        self.machine.feed(Event.PUSH, push_back)
        self.assertEqual([heard for heard in self.heard if heard == "rang"], ["rang"])
        self.assertEqual(self.heard[-2:], ["end", "rang"])

    def test_unforeseen(self) -> None:
        """
        An input that the state does not foresee raises, and nothing has
        happened.
        """
        self.machine.enter(Door.OPEN, "test")
        error = self.assertRaises(UnforeseenInput, self.machine.feed, Event.DONE, None)
        self.assertEqual(str(error), "door: DONE in OPEN")
        self.assertEqual(self.heard, [])
        self.assertIs(self.machine.state, Door.OPEN)

    def test_goes_on_after_a_bug(self) -> None:
        """
        A method that raises does so to whoever fed the input; the machine goes
        on, and what was fed meanwhile is not lost.
        """

        def stumble() -> None:
            self.machine.feed(Event.BELL)
            raise ValueError("oops")

        self.assertRaises(ValueError, self.machine.feed, Event.PUSH, stumble)
        self.machine.feed(Event.PUSH)
        self.assertEqual(self.heard[1:], ["rang", ("begin",), "end"])

    def test_enter(self) -> None:
        """
        The machine tells its state and since when it stands there, and each
        change is logged once.
        """
        self.clock.advance(2)
        with capturedLogs() as events:
            self.machine.enter(Door.OPEN, "pushed")
        self.assertIs(self.machine.state, Door.OPEN)
        self.assertEqual(self.machine.since, 2)
        (event,) = events
        fields = {key: event[key] for key in ("machine", "old", "new", "cause", "elapsed")}
        self.assertEqual(
            fields,
            {"machine": "door", "old": "shut", "new": "open", "cause": "pushed", "elapsed": 2},
        )

    def test_remind(self) -> None:
        """
        A reminder is an input that comes by itself, once.
        """
        self.machine.remind(5, Event.BELL)
        self.clock.advance(4)
        self.assertEqual(self.heard, [])
        self.clock.advance(1)
        self.assertEqual(self.heard, ["rang"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_remind_of_what_is_due(self) -> None:
        """
        What should have come before comes as soon as it can, but not at once.
        """
        self.machine.remind(-3, Event.BELL)
        self.assertEqual(self.heard, [])
        self.clock.advance(0)
        self.assertEqual(self.heard, ["rang"])

    def test_one_reminder(self) -> None:
        """
        A later reminder takes the place of the one before.
        """
        self.machine.remind(5, Event.BELL)
        self.machine.remind(9, Event.BELL)
        self.clock.advance(8)
        self.assertEqual(self.heard, [])

    def test_reminder_goes_with_its_state(self) -> None:
        """
        A change of state drops the reminder.
        """
        self.machine.remind(5, Event.BELL)
        self.machine.enter(Door.OPEN, "test")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_forget(self) -> None:
        """
        A reminder can be dropped; when there is none, that is no harm.
        """
        self.machine.remind(5, Event.BELL)
        self.machine.forget()
        self.machine.forget()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_work_done(self) -> None:
        """
        The end of the work is an input with its result.
        """
        self.perform(self.work)
        self.assertEqual(self.heard, [])
        self.work.callback("well")
        self.assertEqual(self.heard, [("done", "well")])

    def test_work_done_at_once(self) -> None:
        """
        Work that needs no time ends when the input that began it is done.
        """
        self.work.callback("well")
        self.machine.feed(Event.PUSH, lambda: self.perform(self.work))
        self.assertEqual(self.heard[1:], ["end", ("done", "well")])

    def test_work_failed(self) -> None:
        """
        Work that fails in a way that can be told to clients is an input with
        that error.
        """
        reason = EngineDied("killed")
        self.perform(self.work)
        self.work.errback(reason)
        self.assertEqual(self.heard, [reason])

    def test_work_broke(self) -> None:
        """
        Any other failure is logged as a bug, and told as ours.
        """
        self.perform(self.work)
        self.work.errback(ValueError("oops"))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        (reason,) = self.heard
        self.assertIsInstance(reason, InternalError)
        self.assertEqual(reason.message, "the router failed (ValueError); see its log")

    def test_abandon(self) -> None:
        """
        Work that is abandoned is cancelled, and its end is no input.
        """
        self.perform(self.work)
        self.machine.abandon()
        self.assertTrue(self.work.called)
        self.assertEqual(self.heard, [])

    def test_abandon_nothing(self) -> None:
        """
        With no work in hand there is nothing to abandon.
        """
        self.machine.abandon()

    def test_abandoned_after_it_had_ended(self) -> None:
        """
        Work that ended while an input was handled, and was abandoned by that
        very input, is no input any more; nor does it pass for the work that
        came after it.
        """
        later: Deferred[str] = Deferred()

        def end_and_abandon() -> None:
            self.work.callback("too late")
            self.machine.abandon()
            self.perform(later)

        self.perform(self.work)
        self.machine.feed(Event.PUSH, end_and_abandon)
        self.assertEqual(self.heard[1:], ["end"])
        later.callback("well")
        self.assertEqual(self.heard[2:], [("done", "well")])

    def test_abandoned_after_it_had_failed(self) -> None:
        """
        The same with work that failed.
        """

        def fail_and_abandon() -> None:
            self.work.errback(EngineDied("killed"))
            self.machine.abandon()

        self.perform(self.work)
        self.machine.feed(Event.PUSH, fail_and_abandon)
        self.assertEqual(self.heard[1:], ["end"])

    def test_abandoned_work_breaks(self) -> None:
        """
        A bug in abandoned work is logged all the same; an error that could be
        told to clients is not.
        """
        for error in (ValueError("oops"), EngineDied("killed")):

            def break_off(work: Deferred[str], error: Exception = error) -> None:
                work.errback(error)

            self.perform(Deferred(break_off))
            self.machine.abandon()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(self.heard, [])

    def test_bug_at_the_end_of_work(self) -> None:
        """
        A method that raises about the end of the work is logged, since nobody
        else would hear of it.
        """
        self.perform(self.work)
        self.machine.enter(Door.OPEN, "test")
        self.work.callback("well")
        self.assertEqual(len(self.flushLoggedErrors(UnforeseenInput)), 1)
