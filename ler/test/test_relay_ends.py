# -*- test-case-name: ler.test.test_relay_ends -*-
"""
Tests of L{ler.web.relay}: requests that are ended from this side.
"""

from __future__ import annotations

from twisted.internet.error import (
    ConnectionDone,
    ConnectionRefusedError,
    TimeoutError,
)
from twisted.python.failure import Failure
from twisted.web.client import ResponseNeverReceived

from ler.errors import CutByOperator, EngineDied
from ler.test.http import Client
from ler.test.relay_case import (
    CHUNK,
    CONNECTIONS,
    CUT,
    DONE,
    INTERVAL,
    LOST,
    PLAIN,
    RelayTestCase,
)
from ler.web.body_copy import HANG_UP_S
from ler.web.deliveries import verbatim


class OperatorTests(RelayTestCase):
    """
    The operator sees requests, and may end them.
    """

    def told(self) -> tuple[object, ...]:
        """
        @return: what the journal tells of the one request.
        """
        [entry] = self.journal.requests(9)
        told = entry.describe()
        return tuple(told[name] for name in ("state", "waited_s", "status", "outcome", "bytes"))

    def end(self) -> None:
        """
        The operator ends the one request.
        """
        [entry] = self.journal.requests(9)
        entry.cancel(CutByOperator("enough"))

    def test_told(self) -> None:
        """
        A request is told of from the beginning to the end.
        """
        self.door.open = False
        self.ask()
        self.assertEqual(("waiting", None, None, None, 0), self.told())
        [entry] = self.journal.requests(9)
        told = entry.describe()
        self.assertEqual(
            ("a", "model-a", "/v1/chat/completions"),
            (told["engine"], told["model"], told["path"]),
        )
        self.clock.advance(1.0)
        self.door.grant()
        self.assertEqual(("running", 1.0, None, None, 0), self.told())
        response = self.sent().respond(200, PLAIN)
        response.write(b"hello")
        response.end()
        self.assertEqual(("ended", 1.0, 200, "ok", 5), self.told())
        self.assert_over("ok")

    def test_waiting(self) -> None:
        """
        One that waits is ended with an answer that says so, and withdraws its
        ticket.
        """
        self.door.open = False
        self.ask()
        self.end()
        self.assertEqual(self.door.withdrawn, 1)
        reply = self.client.reply()
        self.assertEqual((503, "cut_by_operator"), (reply.status, reply.json()["error"]["code"]))
        self.assertEqual(b"false", reply.one(b"x-should-retry"))
        self.assert_over("cut_by_operator", 503)

    def test_running(self) -> None:
        """
        One that is being answered ends in its stream.
        """
        response = self.streaming(CHUNK)
        self.end()
        response.end(ConnectionDone())
        self.assertEqual("cut_by_operator", self.error()["code"])
        self.assertTrue(self.body.endswith(DONE))
        self.assert_over("cut_by_operator")


class HangUpTests(RelayTestCase):
    """
    When a client leaves, the engine is told, and the lease comes back once
    that is done.
    """

    def test_waiting_for_the_slot(self) -> None:
        """
        A client that leaves while it waits for the slot withdraws its ticket.
        """
        self.door.open = False
        self.ask()
        self.clock.advance(1.0)
        self.client.leave()
        self.assertEqual(self.door.withdrawn, 1)
        self.assertEqual(self.door.leases, [])
        self.assert_over("client_left", 499)

    def test_waiting_for_a_connection(self) -> None:
        """
        One that leaves while all connections are taken gives its lease back,
        and is never sent.
        """
        others = [Client(self.site) for _ in range(CONNECTIONS)]
        for other in others:
            self.ask(other)
        self.ask()
        self.assertEqual((self.upstream.in_flight, self.upstream.queued), (CONNECTIONS, 1))
        self.client.leave()
        self.assertEqual((self.upstream.in_flight, self.upstream.queued), (CONNECTIONS, 0))
        self.assertEqual(self.door.released, self.door.leases[-1:])
        for other in others:
            other.leave()
        self.assertEqual(len(self.agent.sent), CONNECTIONS)
        self.assertEqual(len(self.door.released), CONNECTIONS + 1)
        self.assertEqual(self.upstream.in_flight, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_before_the_head(self) -> None:
        """
        One that leaves before the engine answers has its request cancelled.
        """
        self.ask()
        self.client.leave()
        self.assertTrue(self.sent().cancelled)
        self.assert_over("client_left", 499)

    def test_before_the_head_of_a_real_connection(self) -> None:
        """
        What the HTTP client says to that, in whatever words, is not an error.
        """
        for reason in (
            ResponseNeverReceived([Failure(ConnectionDone())]),
            ConnectionRefusedError(),
            TimeoutError(),
        ):
            self.reconnect()
            self.door.open = True
            self.ask()
            self.door.open = False
            self.sent().cancellation = reason
            self.client.leave()
        self.assertEqual(len(self.agent.sent), 3)
        self.assert_over("client_left", 499, requests=3)

    def test_in_the_middle(self) -> None:
        """
        One that leaves in the middle has the engine's connection closed; the
        lease comes back when that has happened.
        """
        response = self.streaming(CHUNK)
        self.client.leave()
        self.assertEqual(response.state, "stopped")
        self.assert_going_on()
        response.write(CHUNK)
        response.end(LOST)
        self.assert_over("client_left", 499)

    def test_plain(self) -> None:
        """
        So has one that waits for a plain answer.
        """
        self.streams = False
        self.ask()
        response = self.sent().respond(200, PLAIN, length=10)
        response.write(b"{")
        self.client.leave()
        self.assertEqual(response.state, "stopped")
        response.end(LOST)
        self.assert_over("client_left", 499)

    def test_while_behind(self) -> None:
        """
        So has one that had stopped reading.
        """
        response = self.streaming(CHUNK)
        self.client.stop_reading()
        self.client.leave()
        self.assertEqual(response.state, "stopped")
        response.end(LOST)
        self.assert_over("client_left", 499)

    def test_connection_that_does_not_end(self) -> None:
        """
        A connection that does not end is waited for, but not for ever.
        """
        response = self.streaming(CHUNK)
        self.client.leave()
        self.clock.advance(HANG_UP_S - 0.01)
        self.assert_going_on()
        self.clock.advance(0.01)
        self.assert_over("client_left", 499)
        response.end(LOST)
        self.assertEqual(len(self.door.released), 1)

    def test_connection_that_ends_at_once(self) -> None:
        """
        One that ends within the call that closes it is no different.
        """
        response = self.streaming(CHUNK)
        stop = response.transport.stopProducing

        def stop_and_end() -> None:
            stop()
            response.end(LOST)

        self.patch(response.transport, "stopProducing", stop_and_end)
        self.client.leave()
        self.assert_over("client_left", 499)

    def test_left_and_cut(self) -> None:
        """
        When the lease of a client that has left is cut, it still waits for the
        engine's connection.
        """
        response = self.streaming(CHUNK)
        self.client.leave()
        self.door.leases[0].cut(CUT)
        self.assert_going_on()
        response.end(LOST)
        self.assert_over("client_left", 499)

    def test_after_the_end(self) -> None:
        """
        A client that leaves after its answer has done nothing wrong.
        """
        self.streaming(DONE).end()
        self.client.leave()
        self.assert_over("ok")


class CutTests(RelayTestCase):
    """
    When the slot cuts a lease, the client is told, and the lease comes back.
    """

    def test_before_the_head(self) -> None:
        """
        While the head is open, the reason is a response of its own.
        """
        self.ask()
        self.door.leases[0].cut(CUT)
        self.assertTrue(self.sent().cancelled)
        reply = self.client.reply()
        self.assertEqual(reply.status, 503)
        self.assertEqual(reply.json()["error"]["code"], "cut_by_drain")
        self.assertEqual(reply.one(b"retry-after"), b"5")
        self.assert_over("cut_by_drain", 503)

    def test_waiting_for_a_connection(self) -> None:
        """
        So it is while all connections are taken.
        """
        for _ in range(CONNECTIONS):
            self.ask(Client(self.site))
        self.ask()
        self.door.leases[-1].cut(CUT)
        self.assertEqual(self.client.reply().status, 503)
        self.assertEqual(self.upstream.queued, 0)
        self.assertEqual(self.door.released, self.door.leases[-1:])

    def test_in_a_stream(self) -> None:
        """
        In a stream the reason is a frame, told when the engine's connection is
        closed.
        """
        response = self.streaming(CHUNK)
        self.door.leases[0].cut(EngineDied("killed by SIGKILL"))
        self.assertEqual(response.state, "stopped")
        self.assert_going_on()
        response.end(LOST)
        self.assertEqual(self.error()["code"], "engine_died")
        self.assertEqual(self.error()["message"], "killed by SIGKILL")
        self.assertTrue(self.client.reply().complete)
        self.assert_over("engine_died")

    def test_in_a_stream_that_waits(self) -> None:
        """
        So it is when heartbeats are all that was sent.
        """
        self.ask()
        self.clock.advance(INTERVAL)
        self.door.leases[0].cut(CUT)
        self.assertEqual(self.error()["code"], "cut_by_drain")
        self.assertTrue(self.client.reply().complete)
        self.assert_over("cut_by_drain")

    def test_in_a_long_frame(self) -> None:
        """
        In the middle of a long frame the connection is broken.
        """
        self.patch(verbatim, "LONGEST_FRAME", 100)
        response = self.streaming(b"data: " + b"x" * 200)
        self.door.leases[0].cut(CUT)
        response.end(LOST)
        self.assertTrue(self.client.aborted)
        self.assertNotIn(b"error", self.body)
        self.assert_over("cut_by_drain")

    def test_in_a_plain_body(self) -> None:
        """
        So it is in a plain body.
        """
        self.streams = False
        self.ask()
        response = self.sent().respond(200, PLAIN, length=10)
        response.write(b"{")
        self.door.leases[0].cut(CUT)
        response.end(LOST)
        self.assertTrue(self.client.aborted)
        self.assert_over("cut_by_drain")

    def test_after_the_end_mark(self) -> None:
        """
        After the end mark there is nothing left to cut: the answer is whole.
        """
        response = self.streaming(CHUNK, DONE)
        self.door.leases[0].cut(CUT)
        response.end(LOST)
        self.assertEqual(self.body, CHUNK + DONE)
        self.assertTrue(self.client.reply().complete)
        self.assert_over("ok")

    def test_while_behind(self) -> None:
        """
        A client that is behind is told when it reads again; the lease does not
        wait for that.
        """
        response = self.streaming(CHUNK)
        self.client.stop_reading()
        self.door.leases[0].cut(CUT)
        response.end(LOST)
        self.assertEqual(self.door.released, self.door.leases)
        self.assertFalse(self.client.reply().complete)
        self.client.go_on_reading()
        self.assertEqual(self.error()["code"], "cut_by_drain")
        self.assertTrue(self.client.reply().complete)
        self.assert_over("cut_by_drain")

    def test_no_longer_behind(self) -> None:
        """
        When it reads again before the engine's connection is closed, nothing
        more is asked of that.
        """
        response = self.streaming(CHUNK)
        self.client.stop_reading()
        self.door.leases[0].cut(CUT)
        self.client.go_on_reading()
        self.assertEqual(response.state, "stopped")
        response.end(LOST)
        self.assertEqual(self.error()["code"], "cut_by_drain")
        self.assert_over("cut_by_drain")

    def test_cut_and_left(self) -> None:
        """
        A client may leave before it is told.
        """
        response = self.streaming(CHUNK)
        self.door.leases[0].cut(CUT)
        self.client.leave()
        self.assert_going_on()
        response.end(LOST)
        self.assert_over("cut_by_drain")

    def test_already_cut(self) -> None:
        """
        A lease that comes already cut is not used, whether the request waited
        for it or not.
        """
        self.door.cut = CUT
        self.ask()
        self.assertEqual(self.client.reply().status, 503)
        self.door.open = False
        self.reconnect()
        self.ask()
        self.door.grant()
        self.assertEqual(self.client.reply().status, 503)
        self.assertEqual(self.agent.sent, [])
        self.assert_over("cut_by_drain", 503, requests=2)
