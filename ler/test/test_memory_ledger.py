# -*- test-case-name: ler.test.test_memory_ledger -*-
"""
What each engine took.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from ler.memory.ledger import LEAST_RATIO, SECTION, Ledger, with_margin
from ler.memory.tuning import GIB, MIB
from ler.testing import FakeStateStore


class LedgerTests(SynchronousTestCase):
    """
    The accounts of engines.
    """

    def setUp(self) -> None:
        """
        Have an empty ledger.
        """
        self.store = FakeStateStore()
        self.ledger = Ledger(self.store)

    def life(self, took: int = 80, base: int | None = None, recovered: int | None = 80) -> None:
        """
        Let engine C{a} live once: it starts with 112 GiB free, takes C{took},
        and is stopped with C{base} free.
        """
        self.ledger.starting("a", {"mem": 112 * GIB})
        self.ledger.started("a", {"mem": (112 - took) * GIB})
        self.ledger.stopped(
            "a",
            "mem",
            (112 - took if base is None else base) * GIB,
            None if recovered is None else recovered * GIB,
        )

    def test_unknown(self) -> None:
        """
        Of an engine that was never seen to start nothing is known.
        """
        self.assertIsNone(self.ledger.holds("a", "mem", 5))
        self.assertIsNone(self.ledger.learned_need("a", "mem"))
        self.assertEqual(1.0, self.ledger.ratio("a", "mem"))
        self.ledger.started("a", {"mem": 5})
        self.ledger.stopped("a", "mem", 5, 5)
        self.assertIsNone(self.ledger.holds("a", "mem", 5))

    def test_holds(self) -> None:
        """
        An engine holds what vanished since it started, which is nothing when
        it has died meanwhile.
        """
        self.ledger.starting("a", {"mem": 112 * GIB, "cgroup": 50 * GIB})
        self.assertEqual(80 * GIB, self.ledger.holds("a", "mem", 32 * GIB))
        self.assertEqual(10 * GIB, self.ledger.holds("a", "cgroup", 40 * GIB))
        self.assertEqual(0, self.ledger.holds("a", "mem", 115 * GIB))
        self.assertIsNone(self.ledger.holds("a", "vram", 1))

    def test_need(self) -> None:
        """
        An engine that was ready once needs what it took, and a margin.
        """
        self.ledger.starting("a", {"mem": 112 * GIB})
        self.assertIsNone(self.ledger.learned_need("a", "mem"))
        self.ledger.started("a", {"mem": 32 * GIB})
        self.assertEqual(with_margin(80 * GIB), self.ledger.learned_need("a", "mem"))

    def test_need_grows(self) -> None:
        """
        What an engine took in later life counts too.
        """
        self.life(base=30)
        self.assertEqual(with_margin(82 * GIB), self.ledger.learned_need("a", "mem"))

    def test_need_of_the_dead(self) -> None:
        """
        An engine that died by itself had not shrunk before.
        """
        self.life(base=112)
        self.assertEqual(with_margin(80 * GIB), self.ledger.learned_need("a", "mem"))

    def test_need_of_a_failed_start(self) -> None:
        """
        A start that failed teaches nothing, and leaves what was known.
        """
        self.ledger.starting("a", {"mem": 112 * GIB})
        self.ledger.stopped("a", "mem", 111 * GIB, GIB)
        self.assertIsNone(self.ledger.learned_need("a", "mem"))
        self.life()
        self.ledger.starting("a", {"mem": 112 * GIB})
        self.ledger.stopped("a", "mem", 111 * GIB, GIB)
        self.assertEqual(with_margin(80 * GIB), self.ledger.learned_need("a", "mem"))

    def test_need_follows_the_last_life(self) -> None:
        """
        An engine that was made smaller needs less.
        """
        self.life(took=80)
        self.life(took=40, recovered=40)
        self.assertEqual(with_margin(40 * GIB), self.ledger.learned_need("a", "mem"))

    def test_margin(self) -> None:
        """
        The margin is two percent, and half a GiB at least.
        """
        self.assertEqual(1024 * MIB + 512 * MIB, with_margin(1024 * MIB))
        self.assertEqual(102 * GIB, with_margin(100 * GIB))

    def test_ratio(self) -> None:
        """
        The ratio is the middle one of the last five lives.
        """
        for recovered in (8, 8, 78, 76, 72, 74, 79):
            self.life(recovered=recovered)
        self.assertEqual(76 / 80, self.ledger.ratio("a", "mem"))

    def test_ratio_clamped(self) -> None:
        """
        However little or much comes back, the ratio stays sensible.
        """
        self.life(recovered=8)
        self.assertEqual(LEAST_RATIO, self.ledger.ratio("a", "mem"))
        for _ in range(5):
            self.life(recovered=100)
        self.assertEqual(1.0, self.ledger.ratio("a", "mem"))

    def test_no_share(self) -> None:
        """
        Neither a wait that was cut short nor an engine that held next to
        nothing says what comes back.
        """
        self.life(recovered=None)
        self.life(base=112, recovered=0)
        self.assertEqual(1.0, self.ledger.ratio("a", "mem"))

    def test_restart(self) -> None:
        """
        The accounts survive a restart, in a form that JSON can hold.
        """
        self.life(recovered=76)
        kept = json.loads(json.dumps(self.store.sections))
        again = Ledger(FakeStateStore(kept))
        self.assertEqual(self.ledger.describe(), again.describe())
        self.assertEqual(76 / 80, again.ratio("a", "mem"))
        self.assertEqual(80 * GIB, again.holds("a", "mem", 32 * GIB))

    def test_damaged(self) -> None:
        """
        What cannot be understood is forgotten, with a warning, and never
        raises.
        """
        good: dict[str, Any] = {"before": 5, "took": None, "shares": []}
        damages: list[Any] = [
            [],
            "text",
            7,
            {"a": []},
            {"a": {"mem": None}},
            {"a": {"mem": {}}},
            {"a": {"mem": {**good, "before": "5"}}},
            {"a": {"mem": {**good, "before": -5}}},
            {"a": {"mem": {**good, "before": True}}},
            {"a": {"mem": {**good, "took": 1.5}}},
            {"a": {"mem": {**good, "shares": 1}}},
            {"a": {"mem": {**good, "shares": ["1"]}}},
            {"a": {"mem": {**good, "shares": [float("nan")]}}},
            {"b": {"mem": good}, "a": {"mem": 1}},
        ]
        for damage in damages:
            with capturedLogs() as events:
                ledger = Ledger(FakeStateStore({SECTION: damage}))
            self.assertEqual({}, ledger.describe(), damage)
            (event,) = events
            self.assertIn("damaged", event["log_format"])
            ledger.starting("a", {"mem": 5})

    def test_empty(self) -> None:
        """
        A first start has no accounts and warns of nothing.
        """
        self.assertEqual({}, self.ledger.describe())
