# -*- test-case-name: ler.test.test_process_records -*-
"""
Tests for L{ler.engines.records}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ler.engines.identity import Identity
from ler.engines.records import SECTION, Record, Records
from ler.testing import FakeStateStore

RECORD = Record(pid=7, start_time=70, marker="i:a", fifo="/f", log="/l")


class RecordsTests(SynchronousTestCase):
    """
    L{Records}
    """

    def setUp(self) -> None:
        """
        Make an empty store.
        """
        self.store = FakeStateStore()
        self.records = Records(self.store)

    def test_kept(self) -> None:
        """
        A record outlives the router that made it.
        """
        self.records.put("a", RECORD)
        found = Records(self.store).get("a")
        self.assertEqual(RECORD, found)
        assert found is not None
        self.assertEqual(Identity(7, 70, "i:a"), found.identity)

    def test_apart(self) -> None:
        """
        Each engine has its own.
        """
        self.records.put("a", RECORD)
        self.records.put("b", RECORD)
        self.assertEqual({"a", "b"}, self.records.keys())
        self.records.remove("a")
        self.assertIsNone(self.records.get("a"))
        self.assertEqual(RECORD, self.records.get("b"))

    def test_none(self) -> None:
        """
        An engine without a record has none, and nothing to remove.
        """
        self.records.remove("a")
        self.assertIsNone(self.records.get("a"))
        self.assertEqual({}, self.store.sections)

    def test_damaged(self) -> None:
        """
        What is not a record is none.
        """
        damages: list[object] = [None, 3, [], {}, "pid", {"pid": 7}, {"pid": "x"}]
        for damage in damages:
            self.store.put(SECTION, {"a": damage})
            self.assertIsNone(self.records.get("a"))
        self.store.put(SECTION, "nonsense")
        self.assertIsNone(self.records.get("a"))
        self.records.put("a", RECORD)
        self.assertEqual(RECORD, self.records.get("a"))
