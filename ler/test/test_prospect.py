# -*- test-case-name: ler.test.test_prospect -*-
"""
Tests for L{ler.web.prospect}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ler.slot.forecast import Expectation
from ler.slot.wish import NEVER
from ler.web.prospect import Prospect


class ProspectTests(SynchronousTestCase):
    """
    L{Prospect} tells a client of its wait.
    """

    def test_told(self) -> None:
        """
        What is left of it grows less, and never less than nothing.
        """
        prospect = Prospect(Expectation(2, 30.0), since=100.0)
        self.assertEqual(prospect.remark(100.0), b"position=2 expected_wait_s=30")
        self.assertEqual(prospect.remark(119.6), b"position=2 expected_wait_s=10")
        self.assertEqual(prospect.remark(200.0), b"position=2 expected_wait_s=0")
        self.assertEqual(
            prospect.headers(110.0),
            [(b"X-Router-Position", b"2"), (b"X-Router-Expected-Wait", b"20")],
        )

    def test_nobody_knows(self) -> None:
        """
        Where nobody can tell, only the place is told.
        """
        prospect = Prospect(Expectation(2, NEVER), since=100.0)
        self.assertEqual(prospect.remark(100.0), b"position=2")
        self.assertEqual(prospect.headers(100.0), [(b"X-Router-Position", b"2")])
