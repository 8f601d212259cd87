# -*- test-case-name: ler.test.test_relay -*-
"""
Tests of L{ler.web.relay}: when a client is sent what.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.logger import formatEvent

from ler.errors import EngineStartFailed, QueueFull
from ler.slot.forecast import Expectation
from ler.test.relay_case import (
    BEAT,
    CHUNK,
    DONE,
    EVENTS,
    GRACE,
    INTERVAL,
    PLAIN,
    WAITING,
    RelayTestCase,
)
from ler.web.deliveries import verbatim
from ler.web.dialects import ANTHROPIC, RESPONSES
from ler.web.relay import RelayOptions


class CommitTests(RelayTestCase):
    """
    When a client is sent status and headers.
    """

    def test_engine_answers(self) -> None:
        """
        They are the engine's, and come with the engine's, before any body.
        """
        self.ask()
        self.assertEqual(self.client.received, b"")
        response = self.sent().respond(200, {**EVENTS, b"X-Engine": b"a"})
        reply = self.client.reply()
        self.assertEqual(reply.status, 200)
        self.assertEqual(reply.one(b"content-type"), b"text/event-stream; charset=utf-8")
        self.assertEqual(reply.one(b"x-engine"), b"a")
        self.assertEqual(reply.body, b"")
        response.write(DONE)
        response.end()
        self.assert_over("ok")

    def test_waiting_for_the_slot(self) -> None:
        """
        A stream that waits for a start begins when the grace is over, with a
        heartbeat.
        """
        self.door.open = False
        self.ask()
        self.clock.advance(GRACE - 0.01)
        self.assertEqual(self.client.received, b"")
        self.clock.advance(0.01)
        reply = self.client.reply()
        self.assertEqual((reply.status, reply.body), (200, WAITING))
        self.assertEqual(reply.one(b"content-type"), b"text/event-stream")
        self.client.leave()
        self.assert_over("client_left", 499)

    def test_prospect(self) -> None:
        """
        Whoever waits is told its place and how long that may take, in headers
        and in comments, until it is let in.
        """
        self.door.open = False
        self.door.expectation = Expectation(3, 20.4)
        self.ask()
        self.clock.advance(GRACE)
        reply = self.client.reply()
        self.assertEqual(reply.one(b"x-router-position"), b"3")
        self.assertEqual(reply.one(b"x-router-expected-wait"), b"18")
        self.clock.advance(INTERVAL)
        self.clock.advance(INTERVAL)
        self.door.grant()
        self.clock.advance(INTERVAL)
        self.assertEqual(
            self.body,
            b": keep-alive position=3 expected_wait_s=18\n"
            b": keep-alive position=3 expected_wait_s=8\n"
            b": keep-alive position=3 expected_wait_s=0\n" + BEAT,
        )
        self.client.leave()
        self.assert_over("client_left", 499)

    def test_no_prospect(self) -> None:
        """
        Whoever is let in at once is told nothing of a wait.
        """
        self.ask()
        self.clock.advance(INTERVAL)
        self.assertEqual(self.client.reply().all(b"x-router-position"), [])
        self.client.leave()

    def test_waiting_for_the_resident(self) -> None:
        """
        A stream from an engine that is there begins after one interval of
        silence.
        """
        self.ask()
        self.clock.advance(INTERVAL - 0.01)
        self.assertEqual(self.client.received, b"")
        self.clock.advance(0.01)
        self.assertEqual(self.body, BEAT)
        self.client.leave()
        self.assert_over("client_left", 499)

    def test_let_in_within_the_grace(self) -> None:
        """
        A stream that is let in within the grace begins one interval later.
        """
        self.door.open = False
        self.ask()
        self.clock.advance(1.5)
        self.door.grant()
        self.clock.advance(INTERVAL - 0.01)
        self.assertEqual(self.client.received, b"")
        self.clock.advance(0.01)
        self.assertEqual(self.body, BEAT)
        self.client.leave()
        self.assert_over("client_left", 499)

    def test_engine_gone_on_arrival(self) -> None:
        """
        A request that waits once more, as the engine had just gone, has the
        grace again.
        """
        self.ask()
        self.clock.advance(1.0)
        self.door.open = False
        self.refuse()
        self.clock.advance(GRACE - 0.01)
        self.assertEqual(self.client.received, b"")
        self.clock.advance(0.01)
        self.assertEqual(self.body, WAITING)
        self.client.leave()
        self.assert_over("client_left", 499)

    def test_refused_within_the_grace(self) -> None:
        """
        An early failure has its own status, type and headers.
        """
        self.door.open = False
        self.ask()
        self.clock.advance(1.0)
        self.door.refuse(EngineStartFailed("no such file", retry_after=10.0))
        reply = self.client.reply()
        self.assertEqual(reply.status, 502)
        self.assertEqual(reply.json()["error"]["code"], "engine_start_failed")
        self.assertEqual(reply.one(b"content-type"), b"application/json")
        self.assertEqual(reply.one(b"retry-after"), b"10")
        self.assertEqual(reply.one(b"x-should-retry"), b"false")
        self.assertTrue(reply.complete)
        self.assert_over("engine_start_failed", 502)

    def test_refused_at_once(self) -> None:
        """
        So has one that comes before anybody waits.
        """
        self.door.open = False
        self.ask()
        self.door.refuse(QueueFull("no room", retry_after=10.0))
        self.assertEqual(self.client.reply().status, 503)
        self.assert_over("queue_full", 503)


class PlainAnswerTests(RelayTestCase):
    """
    A plain answer to a request for a stream.
    """

    def test_no_heartbeats(self) -> None:
        """
        It has no place for heartbeats, however long it takes.
        """
        self.ask()
        response = self.sent().respond(200, PLAIN, length=2)
        self.clock.pump([1.0] * 30)
        response.write(b"{")
        self.clock.pump([1.0] * 30)
        response.write(b"}")
        response.end()
        self.assertEqual(self.body, b"{}")
        self.assert_over("ok")


class NoHeartbeatTests(RelayTestCase):
    """
    A request that does not ask for a stream waits in silence.
    """

    streams = False

    def test_never_before_the_engine(self) -> None:
        """
        However long it waits, for the slot or for the engine, nothing is sent
        before the engine has answered.
        """
        self.door.open = False
        self.ask()
        self.clock.pump([1.0] * 400)
        self.door.grant()
        self.clock.pump([1.0] * 400)
        self.assertEqual(self.client.received, b"")
        response = self.sent().respond(200, PLAIN, length=2)
        response.write(b"{}")
        response.end()
        self.assertEqual(self.body, b"{}")
        self.assert_over("ok")

    def test_late_failure(self) -> None:
        """
        A late failure still has its own status.
        """
        self.door.open = False
        self.ask()
        self.clock.advance(400.0)
        self.door.refuse(EngineStartFailed("no such file"))
        self.assertEqual(self.client.reply().status, 502)
        self.assert_over("engine_start_failed", 502)

    def test_unexpected_stream(self) -> None:
        """
        A stream that nobody expected goes on in whole frames, without
        heartbeats.
        """
        response = self.streaming(CHUNK, b": ping\n\n")
        self.clock.pump([1.0] * 100)
        response.write(DONE)
        response.end()
        self.assertEqual(self.body, CHUNK + DONE)
        self.assert_over("ok")


class HeartbeatsOffTests(RelayTestCase):
    """
    Heartbeats can be switched off.
    """

    options = RelayOptions(heartbeats=False, interval=INTERVAL, grace=GRACE)

    def test_none(self) -> None:
        """
        Nothing is sent while a stream waits.
        """
        self.door.open = False
        self.ask()
        self.clock.pump([1.0] * 50)
        self.door.grant()
        self.clock.pump([1.0] * 50)
        self.assertEqual(self.client.received, b"")
        response = self.sent().respond(200, EVENTS)
        self.clock.pump([1.0] * 50)
        response.write(DONE)
        response.end()
        self.assertEqual(self.body, DONE)
        self.assert_over("ok")


class HeartbeatTests(RelayTestCase):
    """
    Heartbeats in a stream, of chats and completions.

    @cvar beat: a heartbeat of the dialect.
    @cvar waiting: the same while the client waits for the slot.
    @cvar event: a frame of a stream.
    @cvar last: the frame that ends it.
    """

    beat = BEAT
    waiting = WAITING
    event = CHUNK
    last = DONE

    def test_whole_stream(self) -> None:
        """
        There is one an interval until the engine's first byte, whatever the
        wait is for, and then one in each interval of silence, but none after
        the end.
        """
        self.door.open = False
        self.ask()
        self.clock.pump([1.0] * 22)
        expected = self.waiting * 3
        self.assertEqual(self.body, expected)
        self.door.grant()
        self.clock.pump([1.0] * 10)
        expected += self.beat
        response = self.sent().respond(200, EVENTS)
        self.clock.pump([1.0] * 10)
        expected += self.beat
        self.assertEqual(self.body, expected)
        for _ in range(30):
            response.write(self.event)
            expected += self.event
            self.clock.advance(1.0)
        self.assertEqual(self.body, expected)
        self.clock.pump([1.0] * 20)
        expected += self.beat * 2
        self.assertEqual(self.body, expected)
        response.write(self.last)
        self.clock.pump([1.0] * 100)
        response.end()
        self.assertEqual(self.body, expected + self.last)
        self.assertTrue(self.client.reply().complete)
        self.assert_over("ok")

    def test_half_a_frame(self) -> None:
        """
        While half a frame is there, heartbeats stand before it.
        """
        half = len(self.event) // 2
        response = self.streaming(self.event, self.event[:half])
        self.clock.pump([1.0] * 10)
        response.write(self.event[half:])
        self.assertEqual(self.body, self.event + self.beat + self.event)
        response.write(self.last)
        response.end()
        self.assert_over("ok")

    def test_in_a_long_frame(self) -> None:
        """
        There is none inside a frame that is too long to be held.
        """
        self.patch(verbatim, "LONGEST_FRAME", 100)
        long = b"data: " + b"x" * 200
        response = self.streaming(long)
        self.clock.pump([1.0] * 30)
        response.write(b"\n\n")
        self.assertEqual(self.body, long + b"\n\n")
        self.clock.pump([1.0] * 10)
        response.write(self.last)
        response.end()
        self.assertEqual(self.body, long + b"\n\n" + self.beat + self.last)
        self.assert_over("ok")

    def test_engines_own(self) -> None:
        """
        The engine's own comments are dropped, and do not count as something
        said.
        """
        response = self.streaming()
        for _ in range(24):
            self.clock.advance(1.0)
            response.write(b": ping\n\n")
        self.assertEqual(self.body, self.beat * 2)
        response.write(b":\n\n" + self.event + b": bye\n\n" + self.last + b": really\n")
        response.end()
        self.assertEqual(self.body, self.beat * 2 + self.event + self.last)
        self.assert_over("ok")

    def test_every_byte_alone(self) -> None:
        """
        A stream that comes byte by byte arrives as it was sent.
        """
        stream = self.event + self.event + self.last
        response = self.streaming(*(stream[at : at + 1] for at in range(len(stream))))
        response.end()
        self.assertEqual(self.body, stream)
        self.assert_over("ok")

    def test_not_read(self) -> None:
        """
        A client that does not read gets none.
        """
        response = self.streaming(self.event)
        self.client.stop_reading()
        self.clock.pump([1.0] * 50)
        self.assertEqual(self.body, self.event)
        self.client.go_on_reading()
        self.clock.pump([1.0] * 10)
        self.assertEqual(self.body, self.event + self.beat)
        response.write(self.last)
        response.end()
        self.assert_over("ok")


class ResponsesHeartbeatTests(HeartbeatTests):
    """
    Heartbeats of the Responses API.
    """

    dialect = RESPONSES
    event = b'event: response.created\ndata: {"type": "response.created"}\n\n'
    last = b'event: response.completed\ndata: {"type": "response.completed"}\n\n'


class AnthropicHeartbeatTests(HeartbeatTests):
    """
    Heartbeats of the Messages API.
    """

    dialect = ANTHROPIC
    beat = b'event: ping\ndata: {"type": "ping"}\n\n'
    waiting = beat
    event = b'event: message_start\ndata: {"type": "message_start"}\n\n'
    last = b'event: message_stop\ndata: {"type": "message_stop"}\n\n'


class ReportTests(RelayTestCase):
    """
    Every request leaves one line in the log, and its times in the metrics.
    """

    def measured(self, name: str) -> Sequence[float | None]:
        """
        @return: how many times were measured, and their sum.
        """
        return [
            self.registry.get_sample_value(f"engine_router_{name}_{part}", {"engine": "a"})
            for part in ("count", "sum")
        ]

    def test_answered(self) -> None:
        """
        The line tells who asked for what, and how long each part took.
        """
        self.door.open = False
        self.client.request(b"POST", b"/v1/chat/completions?key=secret", {}, b"{}")
        self.clock.advance(1.0)
        self.door.grant()
        self.clock.advance(0.5)
        response = self.sent().respond(200, EVENTS)
        self.clock.advance(0.25)
        response.write(b": ping\n\n")
        self.clock.advance(0.25)
        response.write(CHUNK)
        self.clock.advance(1.0)
        response.write(DONE)
        response.end()
        (line,) = self.lines
        self.assertEqual(
            formatEvent(line),
            f"{self.client.reply().one(b'x-request-id').decode()} POST /v1/chat/completions "
            "key=- model=model-a engine=a status=200 outcome=ok waited=1.000 first_byte=2.000 "
            f"seconds=3.000 bytes={len(CHUNK + DONE)}",
        )
        self.assertEqual(self.measured("request_seconds"), [1, 3.0])
        self.assertEqual(self.measured("request_wait_seconds"), [1, 1.0])
        self.assertEqual(self.measured("request_first_byte_seconds"), [1, 2.0])
        self.assert_over("ok")

    def test_tokens(self) -> None:
        """
        What an engine says of tokens is counted for the model, by its id.
        """
        response = self.streaming(CHUNK)
        response.write(b'data: {"choices": [], "usage": {"prompt_tokens": 7, ')
        response.write(b'"completion_tokens": 3}}\n\n' + DONE)
        response.end()
        counted = [
            self.registry.get_sample_value(
                "engine_router_tokens_total",
                {"model": "id-of-a", "key": "none", "direction": direction},
            )
            for direction in ("in", "out")
        ]
        self.assertEqual(counted, [7, 3])
        self.assert_over("ok")

    def test_never_let_in(self) -> None:
        """
        What did not happen has no time.
        """
        self.door.open = False
        self.ask()
        self.clock.advance(1.0)
        self.client.leave()
        (line,) = self.lines
        self.assertEqual((line["waited"], line["first_byte"]), ("-", "-"))
        self.assertEqual(self.measured("request_wait_seconds"), [None, None])
        self.assertEqual(self.measured("request_first_byte_seconds"), [None, None])
        self.assert_over("client_left", 499)
