# -*- test-case-name: ler.test.test_relay_failures -*-
"""
Tests of L{ler.web.relay}: answers that do not come, or not whole.
"""

from __future__ import annotations

from twisted.internet.error import (
    ConnectError,
    ConnectionLost,
    ConnectionRefusedError,
    TimeoutError,
)
from twisted.python.failure import Failure
from twisted.web.client import ResponseNeverReceived
from twisted.web.http import PotentialDataLoss

from ler.errors import EngineDied, EngineStartFailed, QueueFull
from ler.test.relay_case import (
    BEAT,
    CHUNK,
    DONE,
    EVENTS,
    GRACE,
    INTERVAL,
    LOST,
    PLAIN,
    WAITING,
    RelayTestCase,
)
from ler.web.deliveries import verbatim
from ler.web.dialects import ANTHROPIC, OPENAI_OTHER, RESPONSES
from ler.web.relay import LAST_WORDS_S

REASON = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'
USAGE = b'data: {"choices": [], "usage": {"total_tokens": 3}}\n\n'


class TruncationTests(RelayTestCase):
    """
    An answer that was cut short never looks complete.
    """

    def test_end_mark(self) -> None:
        """
        A stream with its end mark is whole, however the connection ends.
        """
        for end in (None, PotentialDataLoss(), LOST):
            self.reconnect()
            self.streaming(CHUNK, DONE).end(end)
            self.assertEqual(self.body, CHUNK + DONE)
            self.assertTrue(self.client.reply().complete)
        self.assert_over("ok", requests=3)

    def test_no_end_mark(self) -> None:
        """
        A stream without its end mark was cut short, however it ends: the
        client is told in a frame, and the response is ended properly.
        """
        for end in (None, PotentialDataLoss(), LOST):
            self.reconnect()
            self.streaming(CHUNK).end(end)
            self.have_last_words()
            self.assertEqual(self.error()["code"], "upstream_truncated")
            self.assertTrue(self.body.startswith(CHUNK + b'data: {"error"'))
            self.assertTrue(self.body.endswith(b"\n\n" + DONE))
            self.assertTrue(self.client.reply().complete)
        self.assert_over("upstream_truncated", requests=3)

    def test_half_a_frame(self) -> None:
        """
        The error is not glued to half a frame: that is dropped.
        """
        self.streaming(CHUNK, CHUNK[:20]).end(LOST)
        self.have_last_words()
        self.assertTrue(self.body.startswith(CHUNK + b'data: {"error"'))
        self.assert_over("upstream_truncated")

    def test_half_a_frame_after_the_end(self) -> None:
        """
        It is dropped, too, where the client has had everything.
        """
        self.streaming(CHUNK, DONE, CHUNK[:20]).end(LOST)
        self.assertEqual(self.body, CHUNK + DONE)
        self.assertTrue(self.client.reply().complete)
        self.assert_over("ok")

    def test_half_a_long_frame(self) -> None:
        """
        Where half a frame has gone out already the connection is broken.
        """
        self.patch(verbatim, "LONGEST_FRAME", 100)
        self.streaming(b"data: " + b"x" * 200).end(LOST)
        self.have_last_words()
        self.assertTrue(self.client.aborted)
        self.assertNotIn(b"error", self.body)
        self.assertFalse(self.client.reply().complete)
        self.assert_over("upstream_truncated")

    def test_end_mark_without_its_line_end(self) -> None:
        """
        An end mark counts though the engine did not end its frame.
        """
        self.streaming(CHUNK, b"data: [DONE]\n").end(PotentialDataLoss())
        self.assertEqual(self.body, CHUNK + b"data: [DONE]\n")
        self.assertTrue(self.client.reply().complete)
        self.assert_over("ok")

    def test_nothing_at_all(self) -> None:
        """
        A stream that ends before its first byte was cut short.
        """
        self.streaming().end()
        self.have_last_words()
        self.assertEqual(self.error()["code"], "upstream_truncated")
        self.assert_over("upstream_truncated")

    def test_plain(self) -> None:
        """
        Where an error has no place the connection is broken.
        """
        for length in (10, None):
            self.reconnect()
            self.ask()
            response = self.sent().respond(200, PLAIN, length=length)
            response.write(b"{")
            response.end(LOST)
            self.have_last_words()
            self.assertTrue(self.client.aborted)
            self.assertFalse(self.client.reply().complete)
        self.assert_over("upstream_truncated", requests=2)

    def test_last_words(self) -> None:
        """
        What comes between the reason to finish and the end is passed on.
        """
        self.streaming(REASON, USAGE, DONE).end()
        self.assertEqual(self.body, REASON + USAGE + DONE)
        self.assert_over("ok")

    def test_reason_to_finish(self) -> None:
        """
        A stream that has come to a reason to finish is whole without its end
        mark.
        """
        self.streaming(REASON, USAGE).end()
        self.assertEqual(self.body, REASON + USAGE)
        self.assert_over("ok")


class OtherStreamTests(RelayTestCase):
    """
    Streams of events that end in ways of their own.
    """

    dialect = OPENAI_OTHER
    streams = False

    def test_whole(self) -> None:
        """
        Such a stream is whole when the engine ended it.
        """
        self.streaming(b"data: 1\n\n").end()
        self.assertEqual(self.body, b"data: 1\n\n")
        self.assertTrue(self.client.reply().complete)
        self.assert_over("ok")

    def test_unended_frame(self) -> None:
        """
        So is its last frame, though it lacks its end.
        """
        self.streaming(b"data: 1\n\ndata: 2").end()
        self.assertEqual(self.body, b"data: 1\n\ndata: 2")
        self.assert_over("ok")

    def test_cut_short(self) -> None:
        """
        It was cut short when the connection broke.
        """
        self.streaming(b"data: 1\n\n").end(LOST)
        self.have_last_words()
        self.assertEqual(self.error()["code"], "upstream_truncated")
        self.assert_over("upstream_truncated")


class CommittedTests(RelayTestCase):
    """
    After the head of a stream was sent, everything is told in the stream.
    """

    def setUp(self) -> None:
        super().setUp()
        self.door.open = False
        self.ask()
        self.clock.advance(GRACE)
        self.assertEqual(self.body, WAITING)

    def assert_told(self, code: str, message: str) -> None:
        """
        The client was told of an error in a frame, and then that this is the
        end.
        """
        self.assertEqual((self.error()["code"], self.error()["message"]), (code, message))
        self.assertTrue(self.body.startswith(WAITING + b'data: {"error"'))
        self.assertTrue(self.body.endswith(b"\n\n" + DONE))
        self.assertTrue(self.client.reply().complete)
        self.assert_over(code)

    def test_success(self) -> None:
        """
        The engine's events follow the heartbeats; its head comes too late.
        """
        self.door.grant()
        response = self.sent().respond(201, {**EVENTS, b"X-Late": b"1"})
        response.write(CHUNK + DONE)
        response.end()
        self.assertEqual(self.body, WAITING + CHUNK + DONE)
        self.assertEqual(self.client.reply().all(b"x-late"), [])
        self.assert_over("ok")

    def test_refused(self) -> None:
        """
        A failed start is told.
        """
        self.door.refuse(EngineStartFailed("exit status 1: no such file", retry_after=10.0))
        self.assert_told("engine_start_failed", "exit status 1: no such file")

    def test_engine_refuses(self) -> None:
        """
        An error of the engine is quoted.
        """
        self.client.leave()
        self.lines.clear()
        bodies = (
            (b'{"error": {"message": "context too long", "code": 400}}', "context too long"),
            (b'{"error": "no such model"}', "no such model"),
            (b'{"detail": "nope"}', "nope"),
            (b'{"message": "plain"}', "plain"),
            (b" just text \n", "just text"),
            (b'{"error": {"a": 1}}', '{"error": {"a": 1}}'),
            (b'{"error": {"message": ["a"]}}', '{"error": {"message": ["a"]}}'),
            (b"[1]", "[1]"),
            (b"\xff\xfe", "\ufffd\ufffd"),
            (b"x" * 1000, "x" * 500),
            (b"[" * 50_000, "[" * 500),
            (b"", "nothing"),
        )
        for body, quoted in bodies:
            self.reconnect()
            self.ask()
            self.clock.advance(GRACE)
            self.door.grant()
            response = self.sent().respond(400, PLAIN, length=len(body))
            response.write(body)
            response.end()
            self.assertEqual(self.error()["message"], f"engine a answered 400: {quoted}")
            self.assertEqual(self.error()["code"], "upstream_error")
            self.assertTrue(self.client.reply().complete)
        self.assert_over("upstream_error", requests=len(bodies))

    def test_engine_refuses_at_length(self) -> None:
        """
        Of an endless error only the beginning is read.
        """
        self.door.grant()
        response = self.sent().respond(500, PLAIN)
        response.write(b"x" * 70_000)
        self.assertEqual(response.state, "stopped")
        self.assertEqual(self.door.released, [])
        response.end(LOST)
        self.assert_told("upstream_error", "engine a answered 500: " + "x" * 500)

    def test_heartbeats_go_on(self) -> None:
        """
        They do so while an engine takes its time to tell what is wrong.
        """
        self.door.grant()
        response = self.sent().respond(500, PLAIN)
        self.clock.pump([1.0] * 10)
        self.assertEqual(self.body, WAITING + BEAT)
        response.end()
        self.assertEqual(self.error()["message"], "engine a answered 500: nothing")
        self.assert_over("upstream_error")

    def test_no_stream(self) -> None:
        """
        A success that is no stream of events cannot be passed on, and is
        quoted.
        """
        self.door.grant()
        response = self.sent().respond(200, PLAIN, length=12)
        response.write(b'{"choices":1}')
        response.end()
        self.assert_told("upstream_error", 'engine a answered 200: {"choices":1}')

    def test_compressed_events(self) -> None:
        """
        Nor can a stream be passed on that is compressed, since the head said
        nothing of it.
        """
        self.door.grant()
        response = self.sent().respond(200, {**EVENTS, b"Content-Encoding": b"gzip"})
        response.end()
        self.assertEqual(self.error()["code"], "upstream_error")
        self.assert_over("upstream_error")

    def test_engine_dies(self) -> None:
        """
        An engine that drops the request is told of.
        """
        self.door.grant()
        self.sent().fail(ResponseNeverReceived([Failure(ConnectionLost())]))
        self.have_last_words()
        self.assert_told("engine_died", "engine a dropped the request before it answered")

    def test_left_during_the_engines_refusal(self) -> None:
        """
        A client may leave while the engine tells what is wrong.
        """
        self.door.grant()
        response = self.sent().respond(500, PLAIN)
        self.client.leave()
        self.assertEqual(response.state, "stopped")
        self.assert_going_on()
        response.end(LOST)
        self.assert_over("client_left", 499)


class ResponsesErrorTests(RelayTestCase):
    """
    An error in a stream of the Responses API.
    """

    dialect = RESPONSES

    def test_truncated(self) -> None:
        """
        It is an event, and nothing follows it.
        """
        self.streaming(b"event: response.created\ndata: {}\n\n").end(LOST)
        self.have_last_words()
        *_, frame, nothing = self.body.split(b"\n\n")
        self.assertTrue(frame.startswith(b"event: response.failed\ndata: {"))
        self.assertEqual(nothing, b"")
        self.assertTrue(self.client.reply().complete)
        self.assert_over("upstream_truncated")


class AnthropicErrorTests(RelayTestCase):
    """
    An error to a client of the Messages API.
    """

    dialect = ANTHROPIC

    def test_truncated(self) -> None:
        """
        In a stream it is an event, and nothing follows it.
        """
        self.streaming(b"event: message_start\ndata: {}\n\n").end(LOST)
        self.have_last_words()
        *_, frame, nothing = self.body.split(b"\n\n")
        self.assertTrue(frame.startswith(b"event: error\ndata: {"))
        self.assertEqual(nothing, b"")
        self.assertTrue(self.client.reply().complete)
        self.assert_over("upstream_truncated")

    def test_refused(self) -> None:
        """
        Before that it has the status of its dialect.
        """
        self.door.open = False
        self.ask()
        self.door.refuse(QueueFull("no room", retry_after=10.0))
        reply = self.client.reply()
        self.assertEqual(reply.status, 529)
        self.assertEqual(reply.json()["error"]["type"], "overloaded_error")
        self.assertEqual(reply.one(b"request-id"), reply.one(b"x-request-id"))
        self.assert_over("queue_full", 529)


class EngineTroubleTests(RelayTestCase):
    """
    What becomes of a request that the engine does not answer.
    """

    def test_refused_once(self) -> None:
        """
        When the connection is refused the request asks for a new lease, and
        is sent again as a whole.
        """
        self.ask()
        self.door.open = False
        self.refuse()
        self.assertEqual(len(self.door.waiting), 1)
        self.door.grant()
        self.clock.pump([0.0] * 3)
        self.assertEqual(len(self.agent.sent), 2)
        self.assertEqual(self.sent().body, b'{"a": 1}')
        response = self.sent().respond(200, EVENTS)
        response.write(DONE)
        response.end()
        self.assert_over("ok")

    def test_refused_twice(self) -> None:
        """
        Refused again, the engine counts as dead.
        """
        self.ask()
        self.refuse()
        self.refuse()
        reply = self.client.reply()
        self.assertEqual(reply.status, 502)
        self.assertEqual(reply.json()["error"]["code"], "engine_died")
        self.assertEqual(len(self.agent.sent), 2)
        self.assert_over("engine_died", 502)

    def test_no_second_lease(self) -> None:
        """
        When there is no new lease, the client hears why.
        """
        self.ask()
        self.door.open = False
        self.refuse()
        self.door.refuse(QueueFull("no room"))
        self.assertEqual(self.client.reply().status, 503)
        self.assert_over("queue_full", 503)

    def test_second_lease_is_not_asked_for_at_once(self) -> None:
        """
        The slot has a moment to hear that the engine is gone; a client may
        leave in it.
        """
        self.ask()
        self.sent().fail(ConnectionRefusedError())
        self.assertEqual(self.door.released, self.door.leases)
        self.clock.advance(LAST_WORDS_S / 2)
        self.assertEqual(len(self.door.leases), 1)
        self.client.leave()
        self.assertEqual(len(self.agent.sent), 1)
        self.assert_over("client_left", 499)

    def test_left_before_the_second_lease(self) -> None:
        """
        A client that leaves meanwhile withdraws its second ticket.
        """
        self.ask()
        self.door.open = False
        self.refuse()
        self.client.leave()
        self.assertEqual(self.door.withdrawn, 1)
        self.assert_over("client_left", 499)

    def test_dropped(self) -> None:
        """
        A request that was dropped is not sent again: the engine may have begun
        to work on it.
        """
        reasons = (
            ResponseNeverReceived([Failure(ConnectionLost())]),
            LOST,
            ConnectionLost(),
            ValueError("not HTTP"),
        )
        for reason in reasons:
            self.reconnect()
            self.ask()
            self.sent().fail(reason)
            self.have_last_words()
            reply = self.client.reply()
            self.assertEqual(reply.status, 502)
            self.assertEqual(reply.json()["error"]["code"], "engine_died")
        self.assertEqual(len(self.agent.sent), len(reasons))
        self.assert_over("engine_died", 502, requests=len(reasons))

    def test_no_connection(self) -> None:
        """
        A connection that cannot be made in time, or at all, is a time-out.
        """
        for reason in (TimeoutError(), ConnectError()):
            self.reconnect()
            self.ask()
            self.sent().fail(reason)
            reply = self.client.reply()
            self.assertEqual(reply.status, 504)
            self.assertEqual(reply.json()["error"]["code"], "upstream_timeout")
            self.assertEqual(reply.one(b"x-should-retry"), b"false")
        self.assert_over("upstream_timeout", 504, requests=2)

    def test_bug(self) -> None:
        """
        A bug of ours is logged, and the client told so much.
        """
        self.door.open = False
        self.ask()
        self.door.refuse(ZeroDivisionError())
        self.assertEqual(self.client.reply().status, 500)
        self.assertEqual(self.client.reply().json()["error"]["code"], "internal_error")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assert_over("internal_error", 500)


class LastWordsTests(RelayTestCase):
    """
    When the engine has broken off, a request waits a moment for whoever knows
    why.
    """

    def setUp(self) -> None:
        super().setUp()
        response = self.streaming(CHUNK)
        self.clock.advance(INTERVAL - LAST_WORDS_S / 2)
        response.end(LOST)

    def test_known(self) -> None:
        """
        Where the slot knows why, the client is told that at once.
        """
        self.assert_going_on()
        self.door.leases[0].cut(EngineDied("killed by SIGKILL"))
        self.assertEqual(self.error()["message"], "killed by SIGKILL")
        self.assert_over("engine_died")

    def test_unknown(self) -> None:
        """
        Where nobody does, the client is told what was seen.
        """
        self.have_last_words()
        self.assertEqual(self.error()["code"], "upstream_truncated")
        self.assertTrue(self.body.startswith(CHUNK + BEAT + b'data: {"error"'))
        self.assert_over("upstream_truncated")

    def test_left(self) -> None:
        """
        The client may leave meanwhile.
        """
        self.client.leave()
        self.assert_over("client_left", 499)
