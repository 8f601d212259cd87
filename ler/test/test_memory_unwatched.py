# -*- test-case-name: ler.test.test_memory_unwatched -*-
"""
Tests for L{ler.memory.unwatched}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ler.interfaces import IMemory, IRelease
from ler.memory.unwatched import UnwatchedMemory


class UnwatchedMemoryTests(SynchronousTestCase):
    """
    Memory that nobody waits for.
    """

    def setUp(self) -> None:
        """
        Make one.
        """
        self.memory: Any = UnwatchedMemory()

    def test_interfaces(self) -> None:
        """The memory and its releases are what a slot expects."""
        self.assertTrue(verifyObject(IMemory, self.memory))
        self.assertTrue(verifyObject(IRelease, self.memory.begin(None, "a", lambda: None)))

    def test_always_enough(self) -> None:
        """Nothing is ever too large."""
        self.assertIsNone(self.memory.shortfall("a", "b"))
        self.assertIsNone(self.memory.shortfall(None, "b"))

    def test_over_at_once(self) -> None:
        """A release is over at once, whatever was done before."""
        release = self.memory.begin("a", "b", lambda: True)
        release.stopping()
        report = self.successResultOf(release.wait())
        self.assertEqual(("already_free", 0.0), (report.verdict, report.waited))
        release.cancel()

    def test_nothing_to_tell(self) -> None:
        """Starts leave no trace."""
        self.memory.starting("a")
        self.memory.started("a")
        self.assertEqual({}, self.memory.describe())
