"""
Tests for L{ler.web.event_stream}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyClass

from ler.errors import BadRequest
from ler.test.http import Client, open_site
from ler.web.endpoints import Folder
from ler.web.event_stream import (
    BEAT,
    BEAT_S,
    STALL_S,
    Audience,
    EventStream,
    IListener,
    StreamEndpoint,
)
from ler.web.event_stream import frame as event_frame


@implementer(IListener)
class FakeListener:
    """
    Has nothing to tell but what the test says.

    @ivar events: what it was told.
    """

    stream: EventStream

    def __init__(self) -> None:
        self.events: list[str] = []

    def begun(self, stream: EventStream) -> None:
        """
        @see: L{IListener.begun}
        """
        self.stream = stream
        self.events.append("begun")

    def resumed(self) -> None:
        """
        @see: L{IListener.resumed}
        """
        self.events.append("resumed")

    def gone(self) -> None:
        """
        @see: L{IListener.gone}
        """
        self.events.append("gone")


verifyClass(IListener, FakeListener)


class EventStreamTests(SynchronousTestCase):
    """
    L{EventStream}, L{Audience} and L{StreamEndpoint}
    """

    def setUp(self) -> None:
        """
        Open a site with an audience of two.
        """
        self.clock = Clock()
        self.audience = Audience(self.clock, 2)
        self.listeners: list[FakeListener] = []
        self.refusal: Exception | None = None
        self.site = open_site(Folder({"events": StreamEndpoint(self.listen)}), self.clock)
        self.clients: list[Client] = []

    def tearDown(self) -> None:
        """
        Nothing is left to happen when all have left.
        """
        for client in self.clients:
            client.leave()
        self.assertEqual([], self.clock.getDelayedCalls())

    def listen(self, request: Any) -> None:
        """
        Somebody wants to listen.
        """
        if self.refusal is not None:
            raise self.refusal
        listener = FakeListener()
        self.audience.admit(request, listener)
        self.listeners.append(listener)

    def join(self, method: bytes = b"GET", target: bytes = b"/events") -> Client:
        """
        @return: a client that has asked.
        """
        client = Client(self.site)
        self.clients.append(client)
        client.request(method, target)
        return client

    def test_frame(self) -> None:
        """An event has a name, may have an id, and its data is JSON on one line."""
        self.assertEqual(
            b'event: a\nid: 1-2\ndata: {"text":"x\\ny\\u20ac"}\n\n',
            event_frame("a", {"text": "x\ny\u20ac"}, "1-2"),
        )
        self.assertEqual(b"event: a\ndata: []\n\n", event_frame("a", []))

    def test_head(self) -> None:
        """The head of the answer goes out at once, and says that it is not to be kept."""
        reply = self.join().reply()
        self.assertEqual(200, reply.status)
        self.assertEqual(b"text/event-stream; charset=utf-8", reply.one(b"content-type"))
        self.assertEqual(b"no-store", reply.one(b"cache-control"))
        self.assertEqual(b"no", reply.one(b"x-accel-buffering"))
        self.assertFalse(reply.complete)

    def test_send(self) -> None:
        """What is told is sent."""
        client = self.join()
        self.listeners[0].stream.send(b"data: 1\n\n")
        self.assertEqual(b"data: 1\n\n", client.reply().body)

    def test_heartbeat(self) -> None:
        """A stream on which nothing is said gets a comment now and then."""
        client = self.join()
        self.clock.advance(BEAT_S)
        self.assertEqual(BEAT, client.reply().body)
        self.listeners[0].stream.send(b"data: 1\n\n")
        self.clock.advance(BEAT_S / 3)
        self.assertEqual(BEAT + b"data: 1\n\n", client.reply().body)

    def test_does_not_read(self) -> None:
        """Nothing is sent to a client that does not read; it is told when that changes."""
        client = self.join()
        [listener] = self.listeners
        client.stop_reading()
        self.assertFalse(listener.stream.reads)
        listener.stream.send(b"data: 1\n\n")
        self.clock.advance(BEAT_S)
        self.assertEqual(b"", client.reply().body)
        client.go_on_reading()
        self.assertTrue(listener.stream.reads)
        self.assertEqual(["begun", "resumed"], listener.events)

    def test_stalled(self) -> None:
        """A client that does not read for long is dropped."""
        client = self.join()
        client.stop_reading()
        self.clock.advance(STALL_S)
        self.assertTrue(client.aborted)
        self.assertEqual(["begun", "gone"], self.listeners[0].events)
        self.listeners[0].stream.send(b"data: 1\n\n")

    def test_leaves(self) -> None:
        """Whoever leaves is forgotten."""
        client = self.join()
        client.leave()
        self.assertEqual(["begun", "gone"], self.listeners[0].events)

    def test_too_many(self) -> None:
        """There may be so many at a time, and one more when one of them has left."""
        first = self.join()
        self.join()
        reply = self.join().reply()
        self.assertEqual((503, "queue_full"), (reply.status, reply.json()["error"]["code"]))
        self.assertEqual(2, len(self.listeners))
        first.leave()
        self.assertEqual(200, self.join().reply().status)

    def test_refused(self) -> None:
        """Who may not listen is told why, and does not count."""
        self.refusal = BadRequest("no such thing")
        for _ in range(3):
            reply = self.join().reply()
            self.assertEqual(
                (400, "no such thing"), (reply.status, reply.json()["error"]["message"])
            )

    def test_method(self) -> None:
        """One can only get it."""
        reply = self.join(b"DELETE").reply()
        self.assertEqual((405, b"GET"), (reply.status, reply.one(b"allow")))

    def test_path(self) -> None:
        """A slash at the end makes no other path, anything else does."""
        self.assertEqual(200, self.join(target=b"/events/").reply().status)
        self.assertEqual(404, self.join(target=b"/events/x").reply().status)
