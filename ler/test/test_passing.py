"""
Tests of L{ler.web.passing}.
"""

from __future__ import annotations

from typing import Any

from twisted.web.resource import Resource

from ler.interfaces import Residency
from ler.test.passing_case import UPGRADE, PassingCase
from ler.test.relay_case import Leaf
from ler.web.dialects import RAW


class PassingTests(PassingCase):
    """
    Tests of L{Passing<ler.web.passing.Passing>}.
    """

    def root(self) -> Resource:
        """
        @return: what passes everything on to one model.
        """
        return Leaf(self.carry)

    def carry(self, request: Any) -> None:
        """
        Pass C{request} on.
        """
        entry = self.catalog.resolve("org/name")
        self.passing.carry(request, entry, "alias", b"/target?x=1")

    def test_request(self) -> None:
        """
        A request passes with its method, its body, its headers and those that
        the engine wants.
        """
        body = b"--x\r\nnot really multipart\xff"
        headers = {b"Content-Type": b"multipart/form-data; boundary=x", b"X-A": b"1"}
        self.ask(b"/", b"PUT", headers, body)
        [(dialect, _)] = self.relay.carried
        self.assertIs(RAW, dialect)
        job, sent = self.carried()
        self.assertEqual((b"PUT", b"/target?x=1", body), (job.method, job.target, sent))
        self.assertEqual(("b", Residency("b"), "alias"), (job.engine, job.residency, job.model))
        self.assertIsNone(job.beats)
        self.assertEqual(
            {*headers.items(), (b"X-Engine-Key", b"k")},
            set(job.headers),
        )

    def test_no_body(self) -> None:
        """
        Where there is no body none is sent.
        """
        self.ask(b"/")
        job, _ = self.carried()
        self.assertEqual([], job.parts)

    def test_websocket(self) -> None:
        """
        A websocket passes as one.
        """
        self.ask(b"/", headers=UPGRADE)
        job, _ = self.carried(self.websockets)
        self.assertEqual(b"/target?x=1", job.target)


class GuardedTests(PassingTests):
    """
    Clients show keys to the router.
    """

    guarded = True

    def test_keys(self) -> None:
        """
        These stay here.
        """
        self.ask(b"/", headers={b"Authorization": b"Bearer k", b"X-API-Key": b"k"})
        job, _ = self.carried()
        self.assertEqual([(b"X-Engine-Key", b"k")], list(job.headers))
