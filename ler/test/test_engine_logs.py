"""
Tests for L{ler.web.engine_logs} and L{ler.web.log_stream}.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyClass

from ler.interfaces import ILog
from ler.lines import LINES, Lines
from ler.test.http import Client, Reply, open_site
from ler.web.endpoints import Folder
from ler.web.engine_logs import SHOWN, Logs, log_endpoint
from ler.web.event_stream import Audience


@implementer(ILog)
class FakeLog:
    """
    A log that says what the test says.

    @ivar followers: how many follow it.
    """

    def __init__(self, *lines: str) -> None:
        self._lines = Lines()
        self.followers = 0
        for line in lines:
            self.says(line)

    def says(self, line: str) -> None:
        """
        There is a further line.
        """
        self._lines.add(line)

    def last_lines(self, count: int) -> Deferred[list[str]]:
        """
        @see: L{ILog.last_lines}
        """
        return succeed(self._lines.last(count))

    def follow(self, told: Callable[[str], None], count: int) -> Callable[[], None]:
        """
        @see: L{ILog.follow}
        """
        stop = self._lines.follow(told, count)
        self.followers += 1

        def end() -> None:
            self.followers -= 1
            stop()

        return end


verifyClass(ILog, FakeLog)


def events_in(body: bytes) -> list[tuple[str, Any]]:
    """
    @return: the events of a stream, each with its data; comments are left out.
    """
    events = []
    for text in body.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in text.splitlines())
        if "event" in fields:
            events.append((fields["event"], json.loads(fields["data"])))
    return events


class LogsTests(SynchronousTestCase):
    """
    C{/logs}
    """

    def setUp(self) -> None:
        """
        Open a site with three logs, and an engine that has none.
        """
        self.clock = Clock()
        self.router = FakeLog("r1", "r2")
        self.engine = FakeLog("a1", "<a2>", "a3 \u20ac")
        logs = Logs(self.router, {"a": self.engine}, {"a": object(), "elsewhere": object()})
        endpoint = log_endpoint(logs, Audience(self.clock))
        self.site = open_site(Folder({"logs": endpoint}), self.clock)
        self.clients: list[Client] = []

    def tearDown(self) -> None:
        """
        Nobody follows a log when all have left, and nothing is left to happen.
        """
        for client in self.clients:
            client.leave()
        self.assertEqual((0, 0), (self.engine.followers, self.router.followers))
        self.assertEqual([], self.clock.getDelayedCalls())

    def open(self, target: bytes) -> Client:
        """
        @return: a client that has asked.
        """
        client = Client(self.site)
        self.clients.append(client)
        client.request(b"GET", target)
        return client

    def get(self, target: bytes) -> Reply:
        """
        @return: what is answered.
        """
        return self.open(target).reply()

    # What there was.

    def test_text(self) -> None:
        """The last lines of an engine are shown as text that no browser takes for a page."""
        reply = self.get(b"/logs?engine=a")
        self.assertEqual(b"text/plain; charset=utf-8", reply.one(b"content-type"))
        self.assertEqual("a1\n<a2>\na3 \u20ac\n", reply.body.decode())

    def test_json(self) -> None:
        """Or as JSON."""
        self.assertEqual(
            {"engine": "a", "lines": ["<a2>", "a3 \u20ac"]},
            self.get(b"/logs?engine=a&lines=2&format=json").json(),
        )

    def test_router(self) -> None:
        """Without an engine it is the log of the router."""
        self.assertEqual(b"r1\nr2\n", self.get(b"/logs").body)

    def test_as_many_as_asked_for(self) -> None:
        """There are so many lines, unless another number is asked for."""
        for number in range(LINES):
            self.engine.says(str(number))
        self.assertEqual(SHOWN, len(self.get(b"/logs?engine=a").body.splitlines()))
        target = b"/logs?engine=a&lines=%d" % LINES
        self.assertEqual(LINES, len(self.get(target).body.splitlines()))

    def test_bad_number(self) -> None:
        """A number that is none, or too large, is refused."""
        for number in (b"x", b"-1", b"", b"%d" % (LINES + 1), b"9" * 5000, b"%C2%B2"):
            self.assertEqual(400, self.get(b"/logs?lines=" + number).status, number)

    def test_no_log(self) -> None:
        """Of an engine that somebody else runs there is no log, nor of one that is not there."""
        for target in (b"/logs?engine=", b"/logs/stream?engine="):
            reply = self.get(target + b"elsewhere")
            self.assertEqual(404, reply.status)
            self.assertIn("look where it was started", reply.json()["error"]["message"])
            reply = self.get(target + b"nobody")
            self.assertEqual(404, reply.status)
            self.assertIn("there are a, elsewhere", reply.json()["error"]["message"])

    # What comes.

    def test_stream(self) -> None:
        """A stream begins with the last lines, and goes on with those that come."""
        client = self.open(b"/logs/stream?engine=a&lines=1")
        self.engine.says("a4")
        self.assertEqual(
            [
                ("log", {"engine": "a", "line": "a3 \u20ac"}),
                ("log", {"engine": "a", "line": "a4"}),
            ],
            events_in(client.reply().body),
        )

    def test_stream_of_router(self) -> None:
        """So does that of the router."""
        client = self.open(b"/logs/stream?lines=0")
        self.router.says("r3")
        self.assertEqual([("log", {"engine": None, "line": "r3"})], events_in(client.reply().body))

    def test_slow(self) -> None:
        """What comes while the client does not read is told when it does."""
        client = self.open(b"/logs/stream?engine=a&lines=0")
        client.stop_reading()
        self.engine.says("a4")
        self.engine.says("a5")
        self.assertEqual([], events_in(client.reply().body))
        client.go_on_reading()
        lines = [data["line"] for _, data in events_in(client.reply().body)]
        self.assertEqual(["a4", "a5"], lines)

    def test_too_slow(self) -> None:
        """What is too much is left out, and it is told how much that was."""
        client = self.open(b"/logs/stream?engine=a&lines=0")
        client.stop_reading()
        for number in range(LINES + 3):
            self.engine.says(str(number))
        client.go_on_reading()
        self.engine.says("last")
        gap, *rest = events_in(client.reply().body)
        self.assertEqual(("log_gap", {"engine": "a", "lines": 3}), gap)
        lines = [data["line"] for _, data in rest]
        self.assertEqual(["3", "4", "5"], lines[:3])
        self.assertEqual((LINES + 1, "last"), (len(lines), lines[-1]))
