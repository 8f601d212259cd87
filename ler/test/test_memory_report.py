# -*- test-case-name: ler.test.test_memory_report -*-
"""
The outcome of a wait for memory, in a line, a curve and a sentence.
"""

from __future__ import annotations

from itertools import pairwise
from random import Random
from string import Formatter

from twisted.trial.unittest import SynchronousTestCase

from ler.interfaces import SettleReport
from ler.memory.report import LINE, POINTS, Curve, breakdown, line
from ler.memory.tuning import GIB
from ler.test.settle_curves import BY_NAME, Simulation


class LineTests(SynchronousTestCase):
    """
    The line in the log.
    """

    def rendered(self, report: SettleReport) -> str:
        """
        @return: the line for C{report}.
        """
        return LINE.format(**line("old", None, report))

    def test_settled(self) -> None:
        """
        Every figure is in its unit.
        """
        text = self.rendered(
            SettleReport(
                "settled",
                0.0413,
                available=112 * GIB,
                need=None,
                fields={
                    "channel": "mem",
                    "base": 32 * GIB,
                    "peak": 112 * GIB,
                    "expect": 80 * GIB,
                    "returned_ratio": 1.0,
                    "hidden": GIB // 5,
                    "rate_max": 148.0 * GIB,
                    "stalls": 0,
                    "longest_stall": 0.0,
                    "waited_after_death": 0.029,
                    "after_last_rise": 0.025,
                    "samples": 9,
                    "read_seconds": 9e-6,
                    "sigma": 3.0 * (1 << 20),
                    "assists": {"stat_refresh": "done"},
                    "competing": True,
                },
            )
        )
        self.assertEqual(
            "settle old->- verdict=settled wait=0.041s waited_after_death=0.029s "
            "after_last_rise=0.025s chan=mem base=32.0GiB peak=112.0 now=112.0 expect=80.0 "
            "returned=100.0% need=- hidden=0.2 rate_max=148.0GiB/s stalls=0 longest_stall=0.000s "
            "samples=9 read=9us sigma=3MiB assisted=stat_refresh:done extended=no competing=yes "
            "low_confidence=no",
            text,
        )

    def test_complete(self) -> None:
        """
        A real report leaves no field without a figure, but those that nobody
        can know.
        """
        report = Simulation(BY_NAME["linear_2s"], random=Random(1)).run().report
        fields = line("old", "new", report)
        self.assertEqual({name for _, name, _, _ in Formatter().parse(LINE) if name}, set(fields))
        self.assertEqual({"need"}, {name for name, value in fields.items() if value == "-"})

    def test_unreadable(self) -> None:
        """
        All fields are there even when nothing was measured.
        """
        self.assertIn("chan=- base=- peak=-", self.rendered(SettleReport("unreadable", 2.0)))


class CurveTests(SynchronousTestCase):
    """
    A curve, thinned out.
    """

    def test_short(self) -> None:
        """
        A short curve is kept as it is.
        """
        curve = Curve()
        for t in range(POINTS - 1):
            curve.add(t, t * 2)
        self.assertEqual([(t, t * 2) for t in range(POINTS - 1)], curve.points())

    def test_empty(self) -> None:
        """
        So is one without a point.
        """
        self.assertEqual([], Curve().points())

    def test_long(self) -> None:
        """
        A long one is thinned out evenly, and keeps its ends.
        """
        for count in (POINTS + 1, POINTS * 2 + 1, 24000):
            curve = Curve()
            for t in range(count):
                curve.add(t, t)
            points = curve.points()
            self.assertTrue(POINTS / 2 <= len(points) <= POINTS, len(points))
            self.assertEqual(0, points[0][0])
            self.assertEqual(count - 1, points[-1][0])
            steps = {b[0] - a[0] for a, b in pairwise(points[:-1])}
            self.assertEqual(1, len(steps))


class BreakdownTests(SynchronousTestCase):
    """
    Who has the memory, in words.
    """

    def test_all(self) -> None:
        """
        Every party is named.
        """
        self.assertEqual(
            "31.8 GiB are free, engine old holds 70.0 GiB, "
            "10.0 GiB that engine old took did not come back, 2.0 GiB are free in hiding",
            breakdown(
                available=int(31.8 * GIB),
                holder="old",
                held=70 * GIB,
                missing=10 * GIB,
                hidden=2 * GIB,
            ),
        )

    def test_free_only(self) -> None:
        """
        Nobody is named who has nothing.
        """
        self.assertEqual("5.0 GiB are free", breakdown(available=5 * GIB, holder="old"))
