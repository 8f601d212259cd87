"""
Tests for L{ler.web.admin_requests}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ler.errors import RouterError
from ler.journal import Journal
from ler.test.http import Client, Reply, open_site
from ler.web.admin_requests import requests_endpoint
from ler.web.endpoints import Folder


class RequestsTests(SynchronousTestCase):
    """
    C{/admin/requests}
    """

    def setUp(self) -> None:
        """
        There is one request.
        """
        self.clock = Clock()
        self.journal = Journal(self.clock)
        self.cut: list[RouterError] = []
        self.entry = self.journal.begin(
            "req_1", engine="a", model="m", path="/v1/x", key=None, cancel=self.cut.append
        )
        tree = Folder({"requests": requests_endpoint(self.journal)})
        self.site = open_site(Folder({"admin": tree}), self.clock)

    def tearDown(self) -> None:
        """
        No client has left anything waiting.
        """
        self.assertEqual([], self.clock.getDelayedCalls())

    def ask(self, method: bytes, target: bytes) -> Reply:
        """
        @return: the answer to a request, which comes at once.
        """
        client = Client(self.site)
        client.request(method, target)
        reply = client.reply()
        client.leave()
        return reply

    def test_shown(self) -> None:
        """All requests are shown, with how many of them are under way."""
        reply = self.ask(b"GET", b"/admin/requests")
        self.assertEqual({"under_way": 1, "requests": [self.entry.describe()]}, reply.json())

    def test_cancel(self) -> None:
        """One that is under way is ended, and its client is told by whom."""
        reply = self.ask(b"DELETE", b"/admin/requests/req_1")
        self.assertEqual({"cancelled": "req_1"}, reply.json())
        [reason] = self.cut
        self.assertEqual(("cut_by_operator", False), (reason.code, reason.should_retry))

    def test_cancel_nothing(self) -> None:
        """One that is over, or never was, cannot be ended."""
        self.entry.ended(status=200, outcome="ok", sent=0)
        for target in (b"/admin/requests/req_1", b"/admin/requests/x/y", b"/admin/requests"):
            self.assertEqual(404, self.ask(b"DELETE", target).status)
        self.assertEqual([], self.cut)

    def test_others(self) -> None:
        """There is nothing else."""
        self.assertEqual(404, self.ask(b"GET", b"/admin/requests/req_1").status)
        self.assertEqual(405, self.ask(b"POST", b"/admin/requests").status)
