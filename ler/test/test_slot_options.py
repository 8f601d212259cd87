# -*- test-case-name: ler.test.test_slot_options -*-
"""
Tests of L{ler.slot.options}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.config import Config, Remote, Scheduler
from ler.interfaces import Residency
from ler.slot.options import SlotOptions, slot_options
from ler.slot.view import EVERYONE
from ler.slot.wish import NEVER, TERMS, Priority, Terms

A, LARGE, B = Residency("a"), Residency("a", "large"), Residency("b")


def options(*engines: Remote, **settings: Any) -> SlotOptions:
    """
    @return: what is set by a configuration.
    """
    return slot_options(Config(engines={engine.key: engine for engine in engines}, **settings))


def engine(key: str, **settings: Any) -> Remote:
    """
    @return: the configuration of an engine.
    """
    return Remote(key=key, base_url="http://box", **settings)


class SlotOptionsTests(SynchronousTestCase):
    """
    L{SlotOptions} know what holds for a target.
    """

    def test_terms(self) -> None:
        """
        What is promised is that of the class, but for interactive requests
        for an engine of which something else is said.
        """
        options = SlotOptions(max_wait={"a": 7.0})
        for priority in Priority:
            self.assertEqual(options.terms_of(B, priority), TERMS[priority])
        self.assertEqual(options.terms_of(LARGE, Priority.INTERACTIVE), Terms(7.0, 1.0))
        self.assertEqual(options.terms_of(A, Priority.BATCH), TERMS[Priority.BATCH])

    def test_places(self) -> None:
        """
        Every model of an engine has as many places as it has; where nothing is
        said there is one for everybody.
        """
        options = SlotOptions(max_concurrency={"a": 3})
        places = [options.places(target) for target in (A, LARGE, B)]
        self.assertEqual(places, [3, 3, EVERYONE])


class ConfiguredTests(SynchronousTestCase):
    """
    L{slot_options} reads them from the configuration.
    """

    def test_defaults(self) -> None:
        """
        The defaults of the configuration are those of a slot.
        """
        self.assertEqual(options(engine("a")), SlotOptions(pinned=[]))

    def test_engines(self) -> None:
        """
        What is said of engines holds for those of which it is said.
        """
        said = options(
            engine(
                "a",
                max_concurrency=2,
                max_queue=3,
                max_wait_s=4.0,
                idle_unload_s=5.0,
                pin=True,
            ),
            engine("b"),
            engine("c", enabled=False, max_queue=9, pin=True),
        )
        self.assertEqual(said.max_concurrency, {"a": 2})
        self.assertEqual(said.max_queue_of, {"a": 3})
        self.assertEqual(said.max_wait, {"a": 4.0})
        self.assertEqual(said.idle_unload, {"a": 5.0})
        self.assertEqual(said.pinned, ["a"])

    def test_slot(self) -> None:
        """
        What is said of all holds for all.
        """
        said = options(
            drain_timeout_s=1.0,
            orphan_start_grace_s=2.0,
            on_start_failure="restore",
            scheduler=Scheduler(max_queue=3, deadline_s=4.0),
        )
        self.assertEqual((said.drain_timeout, said.orphan_grace, said.restore), (1.0, 2.0, True))
        self.assertEqual((said.max_queue, said.deadline), (3, 4.0))

    def test_classes(self) -> None:
        """
        Each class has its own terms; one may have no bound.
        """
        scheduler = Scheduler(
            max_wait_s=None,
            background_max_wait_s=2.0,
            batch_max_wait_s=3.0,
            background_weight=0.4,
            batch_weight=0.0,
        )
        self.assertEqual(
            options(scheduler=scheduler).terms,
            {
                Priority.INTERACTIVE: Terms(NEVER, 1.0),
                Priority.BACKGROUND: Terms(2.0, 0.4),
                Priority.BATCH: Terms(3.0, 0.0),
            },
        )

    def test_fifo(self) -> None:
        """
        In strict order of arrival nobody is ever due.
        """
        said = options(engine("a", max_wait_s=4.0), scheduler=Scheduler(policy="fifo"))
        for priority in Priority:
            self.assertEqual(said.terms_of(A, priority).max_wait, NEVER)
