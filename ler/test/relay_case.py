"""
What the tests of the relay have in common: a client of the site, a slot and an
engine, all in memory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, cast

from prometheus_client import CollectorRegistry
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost, ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.logger import LogEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseFailed
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from ler.errors import CutByDrain, RouterError
from ler.interfaces import Residency
from ler.journal import Journal
from ler.metrics import Metrics
from ler.slot.forecast import Expectation
from ler.slot.leases import Lease
from ler.slot.slots import Slots
from ler.slot.wish import NEVER, ORDINARY, Priority, Wish
from ler.test.http import Client, FakeAgent, FakeResponse, HeaderPairs, Sent, open_site
from ler.testing import FakeEngine
from ler.upstream import FileSpan, Upstream, header_list, upward
from ler.web.beats import Beats
from ler.web.dialects import OPENAI, IDialect
from ler.web.job import Job
from ler.web.record import Recorder
from ler.web.relay import LAST_WORDS_S, Relay, RelayOptions

A = Residency("a")

INTERVAL = 10.0
GRACE = 2.0
STALL = 300.0
CONNECTIONS = 3

EVENTS = {b"Content-Type": b"text/event-stream; charset=utf-8"}
PLAIN = {b"Content-Type": b"application/json"}

BEAT = b": keep-alive\n"
WAITING = b": keep-alive position=1\n"
DONE = b"data: [DONE]\n\n"
CHUNK = b'data: {"choices": [{"delta": {"content": "hi"}, "finish_reason": null}]}\n\n'

CUT = CutByDrain("the drain is over", retry_after=5.0)

LOST = ResponseFailed([Failure(ConnectionLost())])


class Door:
    """
    Stands for the slot: lets requests in when the test says so.

    @ivar open: whether they are let in at once.
    @ivar expectation: what those who wait may expect.
    @ivar wishes: how those who came would like to be treated.
    @ivar kept: how long clients want models kept.
    @ivar cut: with what leases come already cut, or L{None}.
    @ivar waiting: the tickets of those who wait.
    @ivar withdrawn: how many have given theirs back.
    @ivar leases: all that were given out.
    @ivar released: those that came back.
    """

    def __init__(self) -> None:
        self.open = True
        self.expectation = Expectation(1, NEVER)
        self.wishes: list[Wish] = []
        self.kept: list[tuple[Residency, float]] = []
        self.cut: RouterError | None = None
        self.waiting: list[Deferred[Lease]] = []
        self.withdrawn = 0
        self.leases: list[Lease] = []
        self.released: list[Lease] = []

    def acquire(self, residency: Residency, wish: Wish = ORDINARY) -> Deferred[Lease]:
        """
        @see: L{ler.slot.slots.Slots.acquire}
        """
        self.wishes.append(wish)
        ticket: Deferred[Lease] = Deferred(self._withdraw)
        self.waiting.append(ticket)
        if self.open:
            self.grant()
        return ticket

    def expect(self, residency: Residency, priority: Priority) -> Expectation:
        """
        @see: L{ler.slot.slots.Slots.expect}
        """
        return self.expectation

    def keep(self, residency: Residency, seconds: float) -> None:
        """
        @see: L{ler.slot.slots.Slots.keep}
        """
        self.kept.append((residency, seconds))

    def _withdraw(self, ticket: Deferred[Lease]) -> None:
        self.waiting.remove(ticket)
        self.withdrawn += 1

    def grant(self) -> Lease:
        """
        Let the first in.
        """
        lease = Lease(FakeEngine("a"), A, self.released.append)
        self.leases.append(lease)
        if self.cut is not None:
            lease.cut(self.cut)
        self.waiting.pop(0).callback(lease)
        return lease

    def refuse(self, reason: Exception) -> None:
        """
        Turn the first away.
        """
        self.waiting.pop(0).errback(Failure(reason))


class Leaf(Resource):
    """
    Gives every request to a relay.
    """

    isLeaf = True

    def __init__(self, carry: Callable[[Any], None]) -> None:
        super().__init__()
        self._carry = carry

    def render(self, request: Any) -> int:
        """
        @see: L{Resource.render}
        """
        self._carry(request)
        return NOT_DONE_YET


def job_of(request: Any, streams: bool, dialect: IDialect = OPENAI) -> Job:
    """
    @param streams: whether it asks for a stream.
    @param dialect: the client's.
    @return: what C{request} asks of the engine.
    """
    headers = upward(header_list(request.requestHeaders), guarded=False, added={})
    length = request.content.seek(0, os.SEEK_END)
    body: list[bytes | FileSpan] = [FileSpan(request.content, 0, length)]
    beats = Beats(dialect.heartbeat) if streams else None
    return Job(
        "a", A, request.method, request.uri, headers, body, "model-a", beats, counted="id-of-a"
    )


class RelayTestCase(SynchronousTestCase):
    """
    A client, a relay and an engine.

    @ivar dialect: what the client speaks.
    @ivar streams: whether it asks for a stream.
    """

    dialect: IDialect = OPENAI
    streams = True
    options = RelayOptions(interval=INTERVAL, grace=GRACE, stall_timeout=STALL)

    def setUp(self) -> None:
        self.clock = Clock()
        # A time is not mistaken for a duration.
        self.clock.advance(1000.0)
        self.agent = FakeAgent()
        self.door = Door()
        self.registry = CollectorRegistry()
        self.journal = Journal(self.clock)
        self.upstream = Upstream("http://127.0.0.1:8000", self.agent, self.clock, CONNECTIONS)
        self.relay = Relay(
            cast(Slots, self.door),
            {"a": self.upstream},
            self.clock,
            Recorder(Metrics(self.registry), self.journal, self.clock),
            self.options,
        )
        self.site = open_site(Leaf(self.carry), self.clock)
        self.lines: list[LogEvent] = []
        observer: Any = self.note
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.client = Client(self.site)

    def note(self, event: LogEvent) -> None:
        """
        Keep the lines of the access log.
        """
        if "outcome" in event:
            self.lines.append(event)

    def carry(self, request: Any) -> None:
        """
        Give C{request} to the relay.
        """
        self.relay.carry(request, self.dialect, job_of(request, self.streams, self.dialect))

    # What happens.

    def ask(self, client: Client | None = None, headers: HeaderPairs = ()) -> None:
        """
        A request comes.
        """
        (client or self.client).request(b"POST", b"/v1/chat/completions", headers, b'{"a": 1}')

    def reconnect(self) -> None:
        """
        Another client takes the place of the one.
        """
        self.client.leave()
        self.client = Client(self.site)

    def sent(self) -> Sent:
        """
        @return: the last request that went up.
        """
        return self.agent.sent[-1]

    def streaming(self, *frames: bytes) -> FakeResponse:
        """
        @return: the response to a new request, of which C{frames} have come.
        """
        self.ask()
        response = self.sent().respond(200, EVENTS)
        for frame in frames:
            response.write(frame)
        return response

    def have_last_words(self) -> None:
        """
        Nobody knows better why the engine broke off.
        """
        self.clock.advance(LAST_WORDS_S)

    def refuse(self) -> None:
        """
        The engine refuses the connection, and after a moment the request asks
        for a lease again.
        """
        self.sent().fail(ConnectionRefusedError())
        self.assertEqual(self.door.released, self.door.leases)
        self.clock.advance(LAST_WORDS_S)

    # What it must be like then.

    @property
    def body(self) -> bytes:
        """
        @return: what has come of the one body.
        """
        return self.client.reply().body

    def error(self) -> Any:
        """
        @return: the error that stands last in the stream.
        """
        *_, frame = (line for line in self.body.split(b"\n") if line.startswith(b'data: {"error"'))
        return json.loads(frame.removeprefix(b"data: "))["error"]

    def assert_over(self, outcome: str, status: int = 200, *, requests: int = 1) -> None:
        """
        All requests have ended, each with a line in the log and a count in the
        metrics; their leases have come back, each once, and nothing is left to
        happen.
        """
        self.client.leave()
        ends = [(line["outcome"], line["status"]) for line in self.lines]
        self.assertEqual(ends, [(outcome, status)] * requests)
        labels = {"engine": "a", "key": "none", "status": str(status), "outcome": outcome}
        counted = self.registry.get_sample_value("engine_router_requests_total", labels)
        self.assertEqual(counted, requests)
        self.assertEqual(self.door.waiting, [])
        self.assertEqual(self.door.released, self.door.leases)
        self.assertEqual((self.upstream.in_flight, self.upstream.queued), (0, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def assert_going_on(self) -> None:
        """
        The one request has not ended, and has its lease.
        """
        self.assertEqual(self.lines, [])
        self.assertEqual(len(self.door.leases), 1)
        self.assertEqual(self.door.released, [])
