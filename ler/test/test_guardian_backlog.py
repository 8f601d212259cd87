# -*- test-case-name: ler.test.test_guardian_backlog -*-
"""
Tests for L{ler.engines.backlog}.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from ler.engines.backlog import Backlog


class BacklogTests(SynchronousTestCase):
    """
    L{Backlog}
    """

    def setUp(self) -> None:
        """
        Make a pipe that fills up.
        """
        self.source, self.sink = os.pipe()
        os.set_blocking(self.source, False)
        os.set_blocking(self.sink, False)
        self.addCleanup(os.close, self.sink)

    def read(self) -> bytes:
        """
        @return: what is in the pipe.
        """
        try:
            return os.read(self.source, 1 << 20)
        except BlockingIOError:
            return b""

    def test_passes_on(self) -> None:
        """
        What fits goes through at once.
        """
        backlog = Backlog(self.sink)
        backlog.add(b"one")
        backlog.add(b"two")
        self.assertTrue(backlog)
        backlog.drain()
        self.assertFalse(backlog)
        self.assertEqual(b"onetwo", self.read())
        os.close(self.source)

    def test_drops_the_oldest(self) -> None:
        """
        What nobody reads is dropped, the oldest first, without blocking.
        """
        backlog = Backlog(self.sink, limit=4)
        backlog.add(b"a" * (1 << 20))
        backlog.add(b"bcd")
        backlog.drain()
        self.assertEqual(b"abcd", self.read())

        full = Backlog(self.sink)
        while not full:
            full.add(b"x" * 4096)
            full.drain()
        full.add(b"end")
        self.read()
        full.drain()
        self.assertTrue(self.read().endswith(b"end"))
        os.close(self.source)

    def test_nobody_there(self) -> None:
        """
        When the reader is gone, output goes nowhere.
        """
        os.close(self.source)
        backlog = Backlog(self.sink)
        backlog.add(b"lost")
        backlog.drain()
        self.assertFalse(backlog)
