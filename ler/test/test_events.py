"""
Tests for L{ler.web.events}.
"""

from __future__ import annotations

from typing import Any

from ler.test.feed_case import A, FeedCase
from ler.test.http import Client, HeaderPairs, open_site
from ler.test.test_engine_logs import events_in
from ler.web.endpoints import Folder
from ler.web.event_stream import Audience
from ler.web.events import events_resource
from ler.web.feed import KEPT, RESUME_S, SOON_S, STILL_S


class EventsTests(FeedCase):
    """
    C{/events}
    """

    def setUp(self) -> None:
        """
        Open a site.
        """
        super().setUp()
        resource = events_resource(self.feed, self.logs, Audience(self.clock))
        self.site = open_site(Folder({"events": resource}), self.clock)
        self.clients: list[Client] = []

    def tearDown(self) -> None:
        """
        When all have left, nothing is done any more.
        """
        for client in self.clients:
            client.leave()
        self.clock.advance(RESUME_S + STILL_S)
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual(0, self.log.followers)

    def listen(self, target: bytes = b"/events", headers: HeaderPairs = ()) -> Client:
        """
        @return: a client that listens.
        """
        client = Client(self.site)
        self.clients.append(client)
        client.request(b"GET", target, headers)
        return client

    def heard(self, client: Client) -> list[tuple[str, Any]]:
        """
        @return: all that it has heard.
        """
        return events_in(client.reply().body)

    def last_id(self, client: Client) -> bytes:
        """
        @return: the id of the last event that it has heard.
        """
        lines = client.reply().body.splitlines()
        return [line for line in lines if line.startswith(b"id: ")][-1].removeprefix(b"id: ")

    def test_live(self) -> None:
        """A client is told everything at first, and then what changes."""
        client = self.listen()
        self.assertEqual(["snapshot"], [event for event, _ in self.heard(client)])
        self.slots.bring_up(A)
        self.clock.advance(SOON_S)
        self.assertEqual(["snapshot", "slot"], [event for event, _ in self.heard(client)])
        self.engines["a"].started()

    def test_resume(self) -> None:
        """A client that comes back with the id of its last event misses nothing, and hears
        nothing twice."""
        client = self.listen()
        client.leave()
        self.slots.bring_up(A)
        self.engines["a"].started()
        self.clock.advance(SOON_S)
        for again in (
            self.listen(headers={b"Last-Event-ID": self.last_id(client)}),
            self.listen(b"/events?after=" + self.last_id(client)),
        ):
            self.assertEqual(["slot", "swap"], [event for event, _ in self.heard(again)])

    def test_logs(self) -> None:
        """Lines of logs come with it, of those engines that are asked for."""
        client = self.listen(b"/events?logs=a,,a")
        self.log.says("world")
        lines = [data["line"] for event, data in self.heard(client) if event == "log"]
        self.assertEqual(["hello", "world"], lines)
        self.assertEqual(1, self.log.followers)

    def test_unknown_log(self) -> None:
        """A log that is not there is refused."""
        self.assertEqual(404, self.listen(b"/events?logs=a,x").reply().status)

    def test_slow(self) -> None:
        """For a client that does not read nothing is written; when it reads again it is told
        what it has missed."""
        client = self.listen(b"/events?logs=a")
        client.stop_reading()
        self.slots.bring_up(A)
        self.engines["a"].started()
        self.clock.advance(SOON_S)
        self.log.says("world")
        self.assertEqual(["snapshot", "log"], [event for event, _ in self.heard(client)])
        client.go_on_reading()
        events = [event for event, _ in self.heard(client)]
        self.assertEqual(["snapshot", "log", "slot", "swap", "log"], events)

    def test_too_slow(self) -> None:
        """Or everything, if that was much."""
        client, other = self.listen(), self.listen()
        client.stop_reading()
        while len(other.received) < 2 * KEPT:
            for number in range(100):
                self.request(f"r{number}").ended(status=200, outcome="ok", sent=0)
            self.clock.advance(SOON_S)
        received = len(client.received)
        client.go_on_reading()
        self.assertEqual(["snapshot"] * 2, [event for event, _ in self.heard(client)])
        self.assertLess(len(client.received) - received, KEPT)
