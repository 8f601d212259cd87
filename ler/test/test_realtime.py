"""
Tests of L{ler.web.realtime}.
"""

from __future__ import annotations

from typing import Any

from twisted.web.resource import Resource

from ler.test.http import Reply
from ler.test.passing_case import UPGRADE, PassingCase
from ler.test.relay_case import Leaf
from ler.web.endpoints import Folder
from ler.web.realtime import Realtime


class RealtimeTests(PassingCase):
    """
    Tests of L{Realtime}.
    """

    def root(self) -> Resource:
        """
        @return: the endpoint, where it is.
        """
        return Folder(
            {"v1": Folder({"realtime": Realtime(self.catalog, self.passing, Leaf(below))})}
        )

    def upgrade(self, query: bytes) -> Reply:
        """
        @return: the answer to a request for a websocket.
        """
        return self.ask(b"/v1/realtime" + query, headers=UPGRADE)

    def test_model(self) -> None:
        """
        The query names the model, and only that is changed in it.
        """
        for query, engine, target in (
            (b"?model=m", "a", b"?model=m.gguf"),
            (b"?a=%20&model=small&b=+&c", "a", b"?a=%20&model=m.gguf&b=+&c"),
            (b"?model=org/name", "b", b"?model=org/name"),
            (b"?model=org%2Fname", "b", b"?model=org%2Fname"),
            (b"?models=x&model=hf.co/o/n", "d", b"?models=x&model=hf.co%2Fo%2Fn%3Alatest"),
        ):
            self.upgrade(query)
            job, _ = self.carried(self.websockets)
            self.assertEqual((engine, b"/v1/realtime" + target), (job.engine, job.target))

    def test_slash(self) -> None:
        """
        A slash at the end makes no other path.
        """
        self.upgrade(b"/?model=m")
        self.assertEqual(b"/v1/realtime?model=m.gguf", self.carried(self.websockets)[0].target)

    def test_no_model(self) -> None:
        """
        There has to be one.
        """
        for query in (b"", b"?", b"?x=m", b"?model", b"?model=", b"?model=+", b"?model=m&model=m"):
            self.assert_refused(self.upgrade(query), 400, "missing_model")

    def test_unknown_model(self) -> None:
        """
        It has to be known.
        """
        self.assert_refused(self.upgrade(b"?model=x"), 404, "model_not_found")

    def test_no_websocket(self) -> None:
        """
        Who asks for something else is told what is here.
        """
        reply = self.ask(b"/v1/realtime?model=m")
        self.assertIn("websocket", self.assert_refused(reply, 400, "invalid_request"))
        self.assertEqual(b"websocket", reply.one(b"upgrade"))
        reply = self.ask(b"/v1/realtime?model=m", b"POST", body=b"{}")
        self.assert_refused(reply, 405, "method_not_allowed")

    def test_below(self) -> None:
        """
        What is below has its own place.
        """
        self.assertEqual(b"below", self.ask(b"/v1/realtime/sessions", b"POST", body=b"{}").body)


def below(request: Any) -> None:
    """
    Answer a request.
    """
    request.write(b"below")
    request.finish()
