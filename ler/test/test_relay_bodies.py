# -*- test-case-name: ler.test.test_relay_bodies -*-
"""
Tests of L{ler.web.relay}: what the one side sends is what the other gets, at its pace.
"""

from __future__ import annotations

import gzip
import json

from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers

from ler import upstream as upstream_module
from ler.test.http import Client, FakeResponse
from ler.test.relay_case import (
    CHUNK,
    CONNECTIONS,
    DONE,
    EVENTS,
    INTERVAL,
    LOST,
    PLAIN,
    STALL,
    RelayTestCase,
)
from ler.web.deliveries.complaint import LONGEST, QUOTED


class RequestTests(RelayTestCase):
    """
    What the engine gets is what the client sent.
    """

    streams = False

    def test_request(self) -> None:
        """
        Method, target, headers and body go up as they are.
        """
        self.client.request(
            b"POST",
            b"/v1/chat/completions?a=1&b=%2F%zz&[c]=%c3%a9+;|&&",
            [(b"X-One", b"1"), (b"X-Two", b"a"), (b"X-Two", b"b"), (b"Accept-Encoding", b"br")],
            b'{"text": "gr\xc3\xbc\xc3\x9fe"}',
        )
        self.clock.pump([0.0] * 3)
        sent = self.sent()
        self.assertEqual(sent.method, b"POST")
        self.assertEqual(
            sent.absoluteURI,
            b"http://127.0.0.1:8000/v1/chat/completions?a=1&b=%2F%zz&[c]=%c3%a9+;|&&",
        )
        self.assertEqual(
            sorted(sent.headers.getAllRawHeaders()),
            [(b"Accept-Encoding", [b"br"]), (b"X-One", [b"1"]), (b"X-Two", [b"a", b"b"])],
        )
        self.assertEqual(sent.body, b'{"text": "gr\xc3\xbc\xc3\x9fe"}')
        self.assertEqual(sent.length, len(sent.body))
        sent.respond(200, PLAIN).end()
        self.assert_over("ok")

    def test_body_unread(self) -> None:
        """
        When the engine answers before it has read the request, the rest, which
        is gone with the client's request, is not sent.
        """
        self.patch(upstream_module, "CHUNK", 4)
        self.ask()
        response = self.sent().respond(413, PLAIN, length=2)
        response.write(b"no")
        response.end()
        self.clock.pump([0.0] * 5)
        self.assertEqual(self.client.reply().status, 413)
        self.assertEqual(self.sent().body, b'{"a"')
        self.assert_over("upstream_refused", 413)

    def test_body_unread_by_the_time_the_client_leaves(self) -> None:
        """
        Nor is it when the client leaves meanwhile.
        """
        self.patch(upstream_module, "CHUNK", 4)
        self.ask()
        self.client.leave()
        self.clock.pump([0.0] * 5)
        self.assertEqual(self.sent().body, b'{"a"')
        self.assert_over("client_left", 499)

    def test_cookies_are_nobody_elses(self) -> None:
        """
        A cookie that the engine set for one client is not sent for another.
        """
        for mine in (b"id=1; Path=/", b"id=2; Path=/"):
            self.reconnect()
            self.ask()
            self.assertFalse(self.sent().headers.hasHeader(b"cookie"))
            cookies = [(b"Set-Cookie", mine), (b"Set-Cookie", b"b=2")]
            self.sent().respond(200, cookies, length=0).end()
            self.assertEqual(self.client.reply().all(b"set-cookie"), [mine, b"b=2"])
        self.assert_over("ok", requests=2)


class StreamRequestTests(RelayTestCase):
    """
    What a request for a stream does not say to the engine.
    """

    def test_no_compression(self) -> None:
        """
        Nothing could be told between events that the engine has compressed.
        """
        self.ask(headers={b"Accept-Encoding": b"gzip"})
        self.assertFalse(self.sent().headers.hasHeader(b"accept-encoding"))
        self.client.leave()


class AnswerTests(RelayTestCase):
    """
    What the client gets is what the engine sent.
    """

    streams = False

    def test_plain(self) -> None:
        """
        Status, phrase, headers and body come down as they are, with the
        length.
        """
        self.ask()
        response = self.sent().respond(
            201,
            [(b"Content-Type", b"audio/wav"), (b"X-A", b"1"), (b"X-A", b"2")],
            phrase=b"Sung",
            length=6,
        )
        response.write(b"abc")
        response.write(b"def")
        response.end()
        reply = self.client.reply()
        self.assertEqual((reply.status, reply.phrase), (201, b"Sung"))
        self.assertEqual(reply.one(b"content-type"), b"audio/wav")
        self.assertEqual(reply.all(b"x-a"), [b"1", b"2"])
        self.assertEqual(reply.one(b"content-length"), b"6")
        self.assertEqual(reply.all(b"transfer-encoding"), [])
        self.assertEqual(reply.all(b"content-encoding"), [])
        self.assertEqual((reply.body, reply.complete), (b"abcdef", True))
        self.assert_over("ok", 201)

    def test_empty(self) -> None:
        """
        An empty body stays empty.
        """
        self.ask()
        self.sent().respond(200, PLAIN, length=0).end()
        reply = self.client.reply()
        self.assertEqual(reply.one(b"content-length"), b"0")
        self.assertTrue(reply.complete)
        self.assert_over("ok")

    def test_already_there(self) -> None:
        """
        A body that came together with its head arrives.
        """
        self.ask()
        response = FakeResponse(self.sent(), 200, b"OK", Headers(), 2)
        response.write(b"{}")
        response.end()
        self.sent().answer.callback(response)
        self.assertEqual(self.body, b"{}")
        self.assert_over("ok")

    def test_hop_by_hop(self) -> None:
        """
        Headers that speak of the engine's connection stay there.
        """
        self.ask()
        headers = [
            (b"Connection", b"X-Mine, keep-alive"),
            (b"Keep-Alive", b"timeout=5"),
            (b"X-Mine", b"1"),
            (b"X-Yours", b"2"),
            (b"Trailer", b"X-Last"),
            (b"Proxy-Authenticate", b"Basic"),
        ]
        self.sent().respond(200, headers, length=0).end()
        names = {name for name, _ in self.client.reply().headers}
        self.assertEqual(
            names, {b"x-yours", b"x-request-id", b"server", b"date", b"content-length"}
        )
        self.assert_over("ok")

    def test_compressed(self) -> None:
        """
        A compressed body stays compressed, byte for byte, and says so.
        """
        packed = gzip.compress(b"hello " * 100)
        self.ask(headers={b"Accept-Encoding": b"gzip, br;q=0.5"})
        accepted = self.sent().headers.getRawHeaders(b"accept-encoding")
        self.assertEqual(accepted, [b"gzip, br;q=0.5"])
        headers = {**PLAIN, b"Content-Encoding": b"gzip"}
        response = self.sent().respond(200, headers, length=len(packed))
        response.write(packed)
        response.end()
        reply = self.client.reply()
        self.assertEqual(reply.one(b"content-encoding"), b"gzip")
        self.assertEqual(reply.body, packed)
        self.assert_over("ok")

    def test_compressed_events(self) -> None:
        """
        So does a compressed stream of events, in which nobody looks for
        frames.
        """
        packed = b"\x1f\x8b: no comment\n\n:\n\n" + gzip.compress(CHUNK)
        self.ask()
        response = self.sent().respond(200, {**EVENTS, b"Content-Encoding": b"gzip"})
        response.write(packed)
        self.assertEqual(self.body, packed)
        response.end()
        self.assertTrue(self.client.reply().complete)
        self.assert_over("ok")

    def test_redirect(self) -> None:
        """
        A redirect is for the client to follow.
        """
        self.ask()
        self.sent().respond(307, {b"Location": b"http://elsewhere/v1"}, length=0).end()
        reply = self.client.reply()
        self.assertEqual(reply.status, 307)
        self.assertEqual(reply.one(b"location"), b"http://elsewhere/v1")
        self.assertEqual(len(self.agent.sent), 1)
        self.assert_over("ok", 307)

    def test_errors(self) -> None:
        """
        The engine's own errors come down untouched when the client can read
        them.
        """
        for status in (400, 404, 422, 429, 500, 503):
            self.reconnect()
            self.ask()
            body = b'{"error": {"code": %d, "message": "no"}}' % status
            response = self.sent().respond(
                status, {**PLAIN, b"Retry-After": b"7"}, phrase=b"Own", length=len(body)
            )
            response.write(body)
            response.end()
            reply = self.client.reply()
            self.assertEqual((reply.status, reply.phrase), (status, b"Own"))
            self.assertEqual(reply.one(b"retry-after"), b"7")
            self.assertEqual((reply.body, reply.complete), (body, True))

    def test_length_of_a_stream(self) -> None:
        """
        The length of a stream of events is not passed on, as comments are
        dropped.
        """
        self.ask()
        response = self.sent().respond(200, EVENTS, length=4 + len(DONE))
        response.write(b":a\n\n" + DONE)
        response.end()
        reply = self.client.reply()
        self.assertEqual(reply.all(b"content-length"), [])
        self.assertEqual((reply.body, reply.complete), (DONE, True))
        self.assert_over("ok")

    def test_errors_of_another_shape(self) -> None:
        """
        What the client could not read is told in its dialect, with the
        engine's status, words and advice.
        """
        for body in (b"too much\n", b'{"detail": "too much"}', b'{"error": "too much"}'):
            self.reconnect()
            self.ask()
            response = self.sent().respond(429, {**PLAIN, b"Retry-After": b"7"}, phrase=b"Own")
            response.write(body)
            response.end()
            reply = self.client.reply()
            self.assertEqual((reply.status, reply.one(b"retry-after")), (429, b"7"))
            error = json.loads(reply.body)["error"]
            self.assertEqual(error["message"], "engine a answered 429: too much")
            self.assertEqual(error["type"], "invalid_request_error")
        self.assert_over("upstream_refused", 429, requests=3)

    def test_endless_error(self) -> None:
        """
        Of an error without end the beginning is told.
        """
        self.ask()
        response = self.sent().respond(500, PLAIN)
        response.write(b"x" * (LONGEST + 1))
        self.assertEqual(response.transport.producerState, "stopped")
        response.end(LOST)
        message = json.loads(self.body)["error"]["message"]
        self.assertEqual(message, "engine a answered 500: " + "x" * QUOTED)
        self.assert_over("upstream_refused", 500)

    def test_error_in_the_shape_of_a_stream(self) -> None:
        """
        An error that says that it is a stream of events is no stream.
        """
        self.ask()
        response = self.sent().respond(500, EVENTS)
        response.write(b": oh\n\ndata: no\n\n")
        response.end()
        self.assertEqual(self.client.reply().status, 500)
        message = json.loads(self.body)["error"]["message"]
        self.assertEqual(message, "engine a answered 500: : oh\n\ndata: no")
        self.assert_over("upstream_refused", 500)

    def test_closed_at_the_end(self) -> None:
        """
        A body without a length, which ends with the connection, is fine.
        """
        self.ask()
        response = self.sent().respond(200, PLAIN)
        response.write(b"{}")
        response.end(PotentialDataLoss())
        self.assertEqual(self.body, b"{}")
        self.assertTrue(self.client.reply().complete)
        self.assert_over("ok")


class BackPressureTests(RelayTestCase):
    """
    The engine is read at the pace of the client.
    """

    def test_pause_and_resume(self) -> None:
        """
        The engine stops with the client, and goes on with it.
        """
        response = self.streaming(CHUNK)
        self.client.stop_reading()
        self.assertEqual(response.state, "paused")
        self.client.go_on_reading()
        self.assertEqual(response.state, "producing")
        response.write(DONE)
        response.end()
        self.assert_over("ok")

    def test_behind_before_the_body(self) -> None:
        """
        A client that is behind when the engine answers is waited for.
        """
        self.ask()
        self.clock.advance(INTERVAL)
        self.client.stop_reading()
        response = self.sent().respond(200, EVENTS)
        self.assertEqual(response.state, "paused")
        self.client.go_on_reading()
        self.assertEqual(response.state, "producing")
        response.write(DONE)
        response.end()
        self.assert_over("ok")

    def test_end_while_behind(self) -> None:
        """
        When the engine ends while the client is behind, the lease comes back
        at once, and the end waits for the client.
        """
        response = self.streaming(CHUNK)
        self.client.stop_reading()
        response.write(DONE)
        response.end()
        self.assertEqual(self.door.released, self.door.leases)
        self.assertFalse(self.client.reply().complete)
        self.clock.advance(100.0)
        self.client.go_on_reading()
        self.assertTrue(self.client.reply().complete)
        self.assert_over("ok")

    def test_stalled(self) -> None:
        """
        A client that does not read for too long is cut off, and its lease
        comes back.
        """
        response = self.streaming(CHUNK)
        self.client.stop_reading()
        self.clock.advance(STALL - 1)
        self.assert_going_on()
        self.clock.advance(1)
        self.assertTrue(self.client.aborted)
        self.assertEqual(response.state, "stopped")
        self.assert_going_on()
        response.end(LOST)
        self.assert_over("client_stalled", 499)

    def test_stalled_after_the_end(self) -> None:
        """
        One that does so when the engine has ended is cut off too; it counts
        as served.
        """
        response = self.streaming(CHUNK, DONE)
        self.client.stop_reading()
        response.end()
        self.clock.advance(STALL)
        self.assertTrue(self.client.aborted)
        self.assert_over("ok")


class QueueTests(RelayTestCase):
    """
    The connections to an engine are limited.
    """

    streams = False

    def test_one_after_the_other(self) -> None:
        """
        A request that waits for a connection is sent when one is free.
        """
        clients = [Client(self.site) for _ in range(CONNECTIONS + 1)]
        for client in clients:
            self.ask(client)
        self.assertEqual(len(self.agent.sent), CONNECTIONS)
        self.agent.sent[0].respond(200, PLAIN, length=0).end()
        self.assertEqual(len(self.agent.sent), CONNECTIONS + 1)
        self.assertTrue(clients[0].reply().complete)
