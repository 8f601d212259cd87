# -*- test-case-name: ler.test.test_admin_history -*-
"""
Tests for L{ler.web.admin_history}.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ler.slot.slots import Slots
from ler.test.http import Client, Reply, open_site
from ler.web.admin_history import LIMIT, history_endpoint
from ler.web.endpoints import Folder


class FakeSlots:
    """
    Two slots, each with swaps that took place by turns.
    """

    def describe(self) -> list[dict[str, Any]]:
        """
        @see: L{Slots.describe}
        """
        return [
            {"slot": name, "last_swaps": [{"to": "m", "at": at} for at in range(first, 0, -2)]}
            for name, first in (("exclusive", 200), ("small", 199))
        ]


class HistoryTests(SynchronousTestCase):
    """
    C{/admin/history}
    """

    def ask(self, query: bytes) -> Reply:
        """
        @return: the answer to a question.
        """
        endpoint = history_endpoint(cast(Slots, FakeSlots()))
        client = Client(open_site(Folder({"history": endpoint}), Clock()))
        client.request(b"GET", b"/history" + query)
        reply = client.reply()
        client.leave()
        return reply

    def test_order(self) -> None:
        """The swaps of all slots come in one list, the newest first."""
        self.assertEqual(
            [
                {"slot": "exclusive", "to": "m", "at": 200},
                {"slot": "small", "to": "m", "at": 199},
                {"slot": "exclusive", "to": "m", "at": 198},
            ],
            self.ask(b"?limit=3").json()["swaps"],
        )

    def test_limit(self) -> None:
        """Without a limit there is one."""
        self.assertEqual(LIMIT, len(self.ask(b"").json()["swaps"]))
        self.assertEqual(200, len(self.ask(b"?limit=999").json()["swaps"]))

    def test_nonsense(self) -> None:
        """A limit is a number."""
        for limit in (b"", b"-1", b"many", b"1e3", b"9" * 20, b"%C2%B2"):
            self.assertEqual(400, self.ask(b"?limit=" + limit).status)
