# -*- test-case-name: ler.test.test_record -*-
"""
Tests of L{ler.slot.record}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.interfaces import Residency
from ler.slot.record import Answered
from ler.slot.wish import Priority

REQUEST = Answered(
    1767225600.25, "exclusive", Residency("a", "hub/large"), Priority.BATCH, 1.5, 4.25, 20.0
)


class AnsweredTests(SynchronousTestCase):
    """
    L{Answered} is a line of JSON.
    """

    def test_times(self) -> None:
        """
        It tells when it began and ended.
        """
        self.assertEqual(REQUEST.begun, 1767225601.75)
        self.assertEqual(REQUEST.ended, 1767225606.0)

    def test_line(self) -> None:
        """
        A line is one JSON object, with the keys that are documented.
        """
        self.assertEqual(
            json.loads(REQUEST.as_line()),
            {
                "at": 1767225600.25,
                "slot": "exclusive",
                "target": "a/hub/large",
                "class": "batch",
                "waited_s": 1.5,
                "service_s": 4.25,
                "swap_s": 20.0,
            },
        )
        self.assertNotIn("\n", REQUEST.as_line())

    def test_read(self) -> None:
        """
        A line can be read again.
        """
        found = Answered(0.0, "small", Residency("small"), Priority.INTERACTIVE, 0.0, 1.0, None)
        for answered in (REQUEST, found):
            self.assertEqual(Answered.from_line(answered.as_line() + "\n"), answered)

    def test_rounded(self) -> None:
        """
        Times are kept to the millisecond.
        """
        line = Answered(1.23456, "x", Residency("a"), Priority.BATCH, 0.0, 0.12345, 9.0).as_line()
        self.assertEqual(Answered.from_line(line).service, 0.123)

    def test_damaged(self) -> None:
        """
        What is none of these lines is not read.
        """
        good: dict[str, Any] = json.loads(REQUEST.as_line())
        lines = ["", "{", "[]", "1", REQUEST.as_line()[:-5]]
        for key, value in (
            ("at", None),
            ("at", "soon"),
            ("target", 1),
            ("class", "urgent"),
            ("waited_s", -1),
            ("service_s", float("nan")),
            ("swap_s", "x"),
        ):
            lines.append(json.dumps({**good, key: value}))
        lines += [json.dumps({k: v for k, v in good.items() if k != key}) for key in good]
        for line in lines:
            self.assertRaises(ValueError, Answered.from_line, line)
