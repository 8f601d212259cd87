# -*- test-case-name: ler.test.test_client_stream -*-
"""
Tests of L{ler.web.client_stream}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface.verify import verifyObject

from ler.errors import EngineDied, QueueFull
from ler.test.http import Client, open_site
from ler.web.client_stream import ClientStream
from ler.web.dialects import OPENAI

BEAT = OPENAI.heartbeat

STALL = 300.0

DIED = EngineDied("killed by SIGKILL")


class Leaf(Resource):
    """
    @ivar requests: those that wait for an answer.
    """

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Any] = []

    def render(self, request: Any) -> int:
        """
        @see: L{Resource.render}
        """
        self.requests.append(request)
        return NOT_DONE_YET


class ClientStreamTestCase(SynchronousTestCase):
    """
    A client that has sent a request, and a stream to answer it.

    @ivar gone: the words that the stream had when the client was gone.
    """

    method = b"POST"

    def setUp(self) -> None:
        self.clock = Clock()
        self.leaf = Leaf()
        self.site = open_site(self.leaf, self.clock)
        self.client = Client(self.site)
        self.gone: list[str] = []
        self.stream = self.ask()

    def ask(self, stall_timeout: float | None = STALL) -> ClientStream:
        """
        @return: the stream of a new request.
        """
        self.client.request(self.method, b"/v1/chat/completions", body=b"{}")
        return ClientStream(
            self.leaf.requests.pop(), OPENAI, self.clock, stall_timeout, self.gone.append
        )

    def assert_quiet(self) -> None:
        """
        Once the connection is gone nothing is left to happen by itself.
        """
        self.client.leave()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class HeadTests(ClientStreamTestCase):
    """
    L{ClientStream.commit} sends status and headers.
    """

    def test_interface(self) -> None:
        """
        The stream is the producer of its request.
        """
        self.assertTrue(verifyObject(IPushProducer, self.stream))

    def test_nothing_before(self) -> None:
        """
        Before that nothing is sent, and no heartbeat can be.
        """
        self.stream.heartbeat(BEAT)
        self.assertEqual(self.client.received, b"")
        self.assertFalse(self.stream.committed)
        self.assertEqual(self.stream.status, 0)
        self.assert_quiet()

    def test_at_once(self) -> None:
        """
        They go out at once, though no byte of the body is there.
        """
        self.stream.commit(206, b"So far", [(b"X-Engine", b"a")])
        reply = self.client.reply()
        self.assertEqual((reply.status, reply.phrase), (206, b"So far"))
        self.assertEqual(reply.one(b"x-engine"), b"a")
        self.assertFalse(reply.complete)
        self.assertTrue(self.stream.committed)
        self.assertEqual(self.stream.status, 206)
        self.assert_quiet()

    def test_repeated_headers(self) -> None:
        """
        Each value of a repeated header is sent, in order.
        """
        cookies = [(b"Set-Cookie", b"a=1"), (b"X-Other", b"x"), (b"Set-Cookie", b"b=2")]
        self.stream.commit(200, None, cookies)
        self.assertEqual(self.client.reply().all(b"set-cookie"), [b"a=1", b"b=2"])

    def test_headers_replace_ours(self) -> None:
        """
        A header of the answer takes the place of the server's own.
        """
        self.stream.commit(200, None, [(b"Server", b"engine"), (b"Date", b"today")])
        reply = self.client.reply()
        self.assertEqual(reply.one(b"server"), b"engine")
        self.assertEqual(reply.one(b"date"), b"today")

    def test_no_content_type(self) -> None:
        """
        An answer without a type is not given one.
        """
        self.stream.commit(200, None, [])
        self.stream.write(b"x")
        self.assertEqual(self.client.reply().all(b"content-type"), [])

    def test_length(self) -> None:
        """
        With a length the body is not sent in chunks.
        """
        self.stream.commit(200, None, [(b"Content-Length", b"3")])
        self.stream.write(b"abc")
        self.stream.finish()
        reply = self.client.reply()
        self.assertEqual(reply.all(b"transfer-encoding"), [])
        self.assertEqual((reply.body, reply.complete), (b"abc", True))

    def test_events(self) -> None:
        """
        A stream that begins before the engine has answered says that it holds
        events, and that nobody may keep them.
        """
        self.stream.commit_stream()
        reply = self.client.reply()
        self.assertEqual(reply.status, 200)
        self.assertEqual(reply.one(b"content-type"), b"text/event-stream")
        self.assertEqual(reply.one(b"cache-control"), b"no-cache")
        self.assertEqual(reply.one(b"x-accel-buffering"), b"no")
        self.assertTrue(self.stream.framed)

    def test_client_is_gone(self) -> None:
        """
        Nothing is committed to a client that has left.
        """
        self.client.leave()
        self.stream.commit_stream()
        self.assertFalse(self.stream.committed)
        self.assertEqual(self.client.received, b"")


class BodyTests(ClientStreamTestCase):
    """
    What is written to a L{ClientStream} goes to the client.
    """

    def setUp(self) -> None:
        super().setUp()
        self.stream.commit_stream()

    def test_write(self) -> None:
        """
        Each write goes out at once, and is counted.
        """
        self.stream.write(b"data: 1\n\n")
        self.assertEqual(self.client.reply().body, b"data: 1\n\n")
        self.stream.write(b"data: 2\n\n")
        self.assertEqual(self.client.reply().body, b"data: 1\n\ndata: 2\n\n")
        self.assertEqual(self.stream.sent, 18)

    def test_heartbeat(self) -> None:
        """
        A heartbeat is written as the dialect has it.
        """
        self.stream.heartbeat(BEAT)
        self.assertEqual(self.client.reply().body, b": keep-alive\n")

    def test_no_heartbeat_to_a_full_connection(self) -> None:
        """
        A client that does not read gets no heartbeats.
        """
        self.client.stop_reading()
        self.stream.heartbeat(BEAT)
        self.assertEqual(self.client.reply().body, b"")
        self.client.go_on_reading()
        self.stream.heartbeat(BEAT)
        self.assertEqual(self.client.reply().body, b": keep-alive\n")

    def test_silence(self) -> None:
        """
        Silence is counted from the request, from the head, and from the last
        write.
        """
        self.client = Client(self.site)
        stream = self.ask()
        self.clock.advance(3.0)
        self.assertEqual(stream.silent_for, 3.0)
        stream.commit_stream()
        self.assertEqual(stream.silent_for, 0.0)
        self.clock.advance(2.0)
        self.assertEqual(stream.silent_for, 2.0)
        stream.write(b"x")
        self.assertEqual(stream.silent_for, 0.0)

    def test_client_is_gone(self) -> None:
        """
        What is written to a client that has left is dropped.
        """
        self.client.leave()
        self.stream.write(b"x")
        self.stream.heartbeat(BEAT)
        self.stream.finish()
        self.assertEqual(self.client.reply().body, b"")
        self.assertEqual(self.stream.sent, 0)


class FinishTests(ClientStreamTestCase):
    """
    L{ClientStream.finish} completes the response.
    """

    def test_complete(self) -> None:
        """
        The client can tell that it has everything, and may ask again on the
        same connection.
        """
        self.stream.commit_stream()
        self.stream.write(b"x")
        self.stream.finish()
        self.assertTrue(self.stream.finished)
        self.assertEqual(self.client.reply().body, b"x")
        self.assertTrue(self.client.reply().complete)
        self.assertFalse(self.client.closed)
        again = self.ask()
        again.commit(204, None, [])
        again.finish()
        self.assertEqual([reply.status for reply in self.client.replies()], [200, 204])
        self.assertEqual(self.gone, [])
        self.assert_quiet()

    def test_only_once(self) -> None:
        """
        After the end nothing more is sent.
        """
        self.stream.commit_stream()
        self.stream.finish()
        received = self.client.received
        self.stream.finish()
        self.stream.write(b"x")
        self.stream.heartbeat(BEAT)
        self.stream.fail(DIED)
        self.stream.abort()
        self.assertEqual(self.client.received, received)
        self.assertFalse(self.client.closed)

    def test_not_while_the_client_is_behind(self) -> None:
        """
        While the client does not read, the end waits: the server's idle timer
        would cut a client that is only slow.
        """
        self.stream.commit_stream()
        self.client.stop_reading()
        self.stream.write(b"x" * 100_000)
        self.stream.finish()
        self.assertFalse(self.stream.finished)
        self.clock.advance(STALL - 1)
        self.assertFalse(self.client.reply().complete)
        self.client.go_on_reading()
        self.assertTrue(self.client.reply().complete)
        self.assertTrue(self.stream.finished)
        self.assert_quiet()

    def test_never_read(self) -> None:
        """
        A client that never reads the rest is cut off at last.
        """
        self.stream.commit_stream()
        self.client.stop_reading()
        self.stream.finish()
        self.clock.advance(STALL)
        self.assertTrue(self.client.aborted)
        self.assert_quiet()


class FailTests(ClientStreamTestCase):
    """
    L{ClientStream.fail} ends the response in the best way that is open.
    """

    def test_before_commit(self) -> None:
        """
        While the head is open, the error is a response of its own.
        """
        self.stream.fail(QueueFull("no room", retry_after=10.0))
        reply = self.client.reply()
        self.assertEqual(reply.status, 503)
        self.assertEqual(reply.json()["error"]["code"], "queue_full")
        self.assertEqual(reply.one(b"content-type"), b"application/json")
        self.assertEqual(reply.one(b"retry-after"), b"10")
        self.assertTrue(reply.one(b"x-request-id"))
        self.assertTrue(reply.complete)
        self.assertEqual(self.stream.status, 503)
        self.assertFalse(self.client.closed)
        self.assert_quiet()

    def test_in_a_stream(self) -> None:
        """
        In a stream of events the error is a frame, and the response is ended
        properly.
        """
        self.stream.commit_stream()
        self.stream.write(b"data: 1\n\n")
        self.stream.fail(DIED)
        reply = self.client.reply()
        self.assertEqual(reply.body, b"data: 1\n\n" + OPENAI.error_frame(DIED, ""))
        self.assertTrue(reply.complete)
        self.assert_quiet()

    def test_in_a_plain_body(self) -> None:
        """
        Where an error has no place the connection is broken.
        """
        for headers in ([], [(b"Content-Length", b"10")]):
            self.client = Client(self.site)
            stream = self.ask()
            stream.commit(200, None, headers)
            stream.write(b"x")
            stream.fail(DIED)
            self.assertTrue(self.client.aborted)
            self.assertFalse(self.client.reply().complete)
            self.assertEqual(self.client.reply().body, b"x")
            self.assert_quiet()
        self.assertEqual(self.gone, [])

    def test_while_the_client_is_behind(self) -> None:
        """
        The error frame waits with the end until the client reads.
        """
        self.stream.commit_stream()
        self.client.stop_reading()
        self.stream.fail(DIED)
        self.assertFalse(self.client.reply().complete)
        self.client.go_on_reading()
        self.assertTrue(self.client.reply().complete)
        self.assert_quiet()

    def test_client_is_gone(self) -> None:
        """
        A client that has left is told nothing.
        """
        self.client.leave()
        self.stream.fail(DIED)
        self.stream.abort()
        self.assertEqual(self.client.received, b"")


class HeadRequestTests(ClientStreamTestCase):
    """
    To a HEAD request, a L{ClientStream} sends no body.
    """

    method = b"HEAD"

    def test_failure(self) -> None:
        """
        An error has its status and the length that its body would have.
        """
        self.stream.fail(DIED)
        reply = self.client.reply()
        self.assertEqual((reply.status, reply.body), (502, b""))
        self.assertGreater(int(reply.one(b"content-length")), 0)
        self.assertTrue(self.client.received.endswith(b"\r\n\r\n"))


class GoneTests(ClientStreamTestCase):
    """
    A L{ClientStream} tells when its client is gone.
    """

    def test_left(self) -> None:
        """
        A client that hangs up has left, before the head as well as after it.
        """
        self.client.leave()
        self.assertEqual(self.gone, ["left"])
        self.client = Client(self.site)
        stream = self.ask()
        stream.commit_stream()
        self.client.leave()
        self.assertEqual(self.gone, ["left", "left"])
        self.assertTrue(stream.finished)
        self.assert_quiet()

    def test_left_while_behind(self) -> None:
        """
        A client that hangs up while it does not read has left.
        """
        self.stream.commit_stream()
        self.client.stop_reading()
        self.client.leave()
        self.assertEqual(self.gone, ["left"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stalled(self) -> None:
        """
        A client that does not read for the time that it has is cut off.
        """
        self.stream.commit_stream()
        self.client.stop_reading()
        self.clock.advance(STALL - 0.5)
        self.assertEqual(self.gone, [])
        self.clock.advance(0.5)
        self.assertEqual(self.gone, ["stalled"])
        self.assertTrue(self.client.aborted)
        self.client.leave()
        self.assertEqual(self.gone, ["stalled"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_slow(self) -> None:
        """
        Each time that it reads, a client has the whole time again.
        """
        self.stream.commit_stream()
        for _ in range(5):
            self.client.stop_reading()
            self.clock.advance(STALL - 1)
            self.client.go_on_reading()
            self.clock.advance(STALL)
        self.assertEqual(self.gone, [])
        self.assert_quiet()

    def test_full_again_and_again(self) -> None:
        """
        The time counts from when the connection was full first, though every
        write finds it full again.
        """
        self.stream.commit_stream()
        for _ in range(3):
            self.client.stop_reading()
            self.clock.advance(STALL / 3)
        self.assertEqual(self.gone, ["stalled"])
        self.assert_quiet()

    def test_never(self) -> None:
        """
        Without a limit a client may stop reading for ever.
        """
        self.client = Client(self.site)
        stream = self.ask(stall_timeout=None)
        stream.commit_stream()
        self.client.stop_reading()
        self.clock.advance(1e6)
        self.assertEqual(self.gone, [])
        self.assert_quiet()


class SourceTests(ClientStreamTestCase):
    """
    The source of a L{ClientStream} is held while the client does not read.
    """

    def setUp(self) -> None:
        super().setUp()
        self.stream.commit_stream()
        self.source: Any = StringTransport()

    def test_paused_and_resumed(self) -> None:
        """
        It stops with the client, and goes on with it.
        """
        self.stream.attach(self.source)
        self.assertEqual(self.source.producerState, "producing")
        self.client.stop_reading()
        self.assertEqual(self.source.producerState, "paused")
        self.client.go_on_reading()
        self.assertEqual(self.source.producerState, "producing")

    def test_attached_while_the_client_is_behind(self) -> None:
        """
        A source that is attached while the client does not read waits.
        """
        self.client.stop_reading()
        self.stream.attach(self.source)
        self.assertEqual(self.source.producerState, "paused")

    def test_detached(self) -> None:
        """
        A source that has nothing more is left alone.
        """
        self.stream.attach(self.source)
        self.stream.attach(None)
        self.client.stop_reading()
        self.assertEqual(self.source.producerState, "producing")
        self.client.go_on_reading()

    def test_gone(self) -> None:
        """
        So is the source of a client that has left.
        """
        self.stream.attach(self.source)
        self.client.leave()
        self.client.stop_reading()
        self.assertEqual(self.source.producerState, "producing")
