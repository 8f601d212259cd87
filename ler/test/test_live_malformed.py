# -*- test-case-name: ler.test.test_live_malformed -*-
"""
Live tests of what comes in when no decent client is at the other end: every
malformed request is answered with an error, or has its connection closed, and
none reaches an engine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import Any, ClassVar

from prometheus_client import CollectorRegistry
from twisted.internet import reactor as real_reactor
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from ler.engines.catalog import Catalog, Entry
from ler.interfaces import SettleReport
from ler.journal import Journal
from ler.metrics import Metrics
from ler.slot.options import SlotOptions
from ler.slot.policy import Join
from ler.slot.slots import Slots
from ler.test.http import FakeAgent, Reply, parse
from ler.testing import FakeEngine, FakeMemory
from ler.upstream import Upstream
from ler.web.asking import Asking, Traits
from ler.web.beats import Heart
from ler.web.endpoints import Folder
from ler.web.gate import make_gate
from ler.web.loading import Loading
from ler.web.openai import V1, model_listing
from ler.web.record import Recorder
from ler.web.relay import Relay, RelayOptions
from ler.web.routes import ModelRoutes
from ler.web.site import RouterChannel, RouterSite
from ler.web.upward import Upward
from ler.web.wishes import Wishes

reactor: Any = real_reactor

LIMIT_MB = 1 / 64
"""The largest body: 16 KiB."""

PAUSE = 0.05
"""Seconds that a client which sends in pieces stops for."""

PATIENCE = 8.0
"""Seconds until a client gives up."""

BODY = b'{"model":"m","messages":[]}'


def request(
    *lines: bytes,
    body: bytes = BODY,
    first: bytes = b"POST /v1/chat/completions HTTP/1.1",
    host: bytes = b"Host: localhost",
) -> bytes:
    """
    @param lines: headers.
    @param body: what follows the head, as it is.
    @return: the bytes of a request, which says nothing of the length of its
        body.
    """
    return b"\r\n".join([first, host, *lines, b"", body])


def sized(*lines: bytes, body: bytes = BODY, **more: bytes) -> bytes:
    """
    @return: the bytes of a request with the right length.
    """
    return request(*lines, b"Content-Length: %d" % len(body), body=body, **more)


def chunked(*pieces: bytes) -> bytes:
    """
    @return: the bytes of a request whose body is C{pieces}.
    """
    return request(b"Transfer-Encoding: chunked", body=b"".join(pieces))


GOOD = sized()
CHUNKS = b"1b\r\n" + BODY + b"\r\n0\r\n\r\n"


def bodies() -> Iterator[bytes]:
    """
    @return: bodies that no engine should see.
    """
    deep = 200_000
    yield from (b"", b" ", b"\r\n", b"\x00", b"\xff\xfe", b"{", b"}", b"{}", b"[]", b"null", b"1")
    yield from (b'"m"', b"model=m", b"<m/>", b"\x1f\x8b\x08", b"\xef\xbb\xbf" + BODY, BODY * 2)
    yield from (BODY[:-1], BODY + b"x", BODY + b"\x00", BODY.decode().encode("utf-16"))
    yield from (b"[" * 9000, b'{"model":"m","x":' + b"[" * 8000, b'{"a":' * 3000)
    yield from (b"[" * deep, b'{"model":"m","x":"' + b'\\"' * deep)
    for value in (b"null", b"1", b"true", b'""', b'" "', b"[]", b'["m"]', b"{}", rb'"\ud800"'):
        yield b'{"model":' + value + b"}"
    for more in (
        b'"model":"m"',
        b'"x":NaN',
        b'"x":-Infinity',
        b'"x":01',
        b'"x":1e',
        b'"x":"\n"',
        b'"x":"\\x"',
        b'"x":"\xff"',
        b'"x":"\xed\xa0\x80"',
        b"'x':1",
        b"x:1",
        b'"x"',
        b"",
        b"," * 9,
        b'"x":' + b"9" * 9999,
    ):
        yield b'{"model":"m",' + more + b"}"
    yield b'{"model":"unknown"}'


def first_lines() -> Iterator[bytes]:
    """
    @return: what is no request line, or not for us.
    """
    yield from (b"", b" ", b"\x00", b"x", b"GET", b"GET /v1/models", b"POST /v1/chat/completions")
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    yield b"PRI * HTTP/2.0"
    for version in (b"HTTP/2.0", b"HTTP/2", b"HTTP/0.9", b"HTTP/1.2", b"HTTP/1.10", b"HTTP/11"):
        yield b"POST /v1/chat/completions " + version
    for version in (b"http/1.1", b"HTTP/1,1", b"HTTP/-1.1", b"HTTPS/1.1", b"HTTP/1.1 x", b"x"):
        yield b"POST /v1/chat/completions " + version
    for method in (b"", b" ", b"P\x00ST", b"P\xc3\x96ST", b"\x7f", b"post", b"GET", b"PUT"):
        yield method + b" /v1/chat/completions HTTP/1.1"
    for target in (
        b"",
        b"*",
        b"?",
        b"#",
        b"v1/chat/completions",
        b"localhost:443",
        b"http://evil.example/v1/chat/completions",
        b"http:/v1/chat/completions",
        b"//localhost/v1/chat/completions",
        b"/v1/chat /completions",
        b"/v1/chat\t/completions",
        b"/v1/chat/completions#x",
        b"/v1/chat/completions?\x00",
        b"/v1/chat/completions?\xff",
        b"/v1/chat/\x00completions",
        b"/v1/chat/comp\xc3\xa9tions",
        b"/v1/chat/completions\x7f",
        b"/v1/chat/completions\r",
        b"/v1//chat/completions",
        b"/v1/./chat/completions",
        b"/v1/x/../chat/completions",
        b"/v1/%2e%2e/v1/chat/completions",
        b"/v1/chat%2fcompletions",
        b"/v1\\chat\\completions",
        b"/v1/chat/completions%00",
        b"/v1/models/../chat/completions",
        b"/v1/model/unload",
        b"/v1/x/../model/unload",
        b"/V1/chat/completions",
        b"/api/chat",
        b"/" + b"x" * 20_000,
    ):
        yield b"POST " + target + b" HTTP/1.1"


def heads() -> Iterator[bytes]:
    """
    @return: lines of a head that is malformed, or of a request that is.
    """
    yield from (b"x", b":", b": x", b"\x00", b"\x00: x", b"X\x00: y", b"X: \x00", b"X: a\x00b")
    yield from (b"X Y: z", b"X : y", b"X\t: y", b"X\x0b: y", b"X\x0c: y", b"(X): y", b"\xc3\x84: y")
    yield from (b"X: y\r\n z", b"X: y\r\n\tz", b" X: y", b"\tX: y", b"X: a\nY: b", b"X: a\rY: b")
    yield from (b"X: \x7f", b"X: \x1b[0m", b"X: " + b"y" * 20_000, b"X:" * 9000)
    yield b"\r\n".join([b"X: y"] * 4000)
    yield b"\r\n".join([b"X:"] * 600)
    yield from (b"Host: localhost", b"Host: evil.example", b"Origin: null")
    yield from (b"Content-Type: text/plain\r\nContent-Type: text/plain",)
    yield from (b"Content-Encoding: gzip", b"Content-Encoding: identity, br")
    yield from (b"Content-Type: multipart/form-data; boundary=x",)


def lengths() -> Iterator[bytes]:
    """
    @return: headers that say wrongly how long a body is.
    """
    for length in (
        b"",
        b"x",
        b"-27",
        b"+27",
        b"0x1b",
        b"27.0",
        b"2.7e1",
        b"2 7",
        b"27, 27",
        b"27, 28",
        b"27;",
        b'"27"',
        b"27\x00",
        b"27\x0b",
        b"\xb2\xb7",
        b"1" * 30,
        b"9" * 5000,
        b"20000",
    ):
        yield b"Content-Length: " + length
    yield b"Content-Length: 27\r\nContent-Length: 27"
    yield b"Content-Length: 27\r\nContent-Length: 0"
    yield b"Content-Length: 0\r\ncontent-length: 27"
    yield b"Content-Length : 27"
    yield b" Content-Length: 27"
    yield b"Content-Length:\r\n 27"
    yield b"X: y\nContent-Length: 27"


def codings() -> Iterator[bytes]:
    """
    @return: headers that say in a doubtful way that a body comes in chunks.
    """
    for coding in (
        b"",
        b"cow",
        b"identity",
        b"gzip",
        b"gzip, chunked",
        b"chunked, gzip",
        b"chunked, chunked",
        b"chunked, identity",
        b"chunked,",
        b",chunked",
        b"xchunked",
        b"chunkedx",
        b'"chunked"',
        b"chunked;q=1",
        b"chunked\x00",
        b"chunked\x0b",
        b"\x0bchunked",
        b"chunked\r",
        b"chun\xc4\xb8ed",
    ):
        yield b"Transfer-Encoding: " + coding
    yield b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"
    yield b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"
    yield b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"
    yield b"Transfer-Encoding : chunked"
    yield b"Transfer-Encoding\x0b: chunked"
    yield b" Transfer-Encoding: chunked"
    yield b"Transfer-Encoding:\r\n chunked"
    yield b"X: y\nTransfer-Encoding: chunked"
    yield b"X: y\rTransfer-Encoding: chunked"
    for length in (b"0", b"4", b"27", b"%d" % len(CHUNKS)):
        yield b"Content-Length: " + length + b"\r\nTransfer-Encoding: chunked"
        yield b"Transfer-Encoding: chunked\r\nContent-Length: " + length
        yield b"Transfer-Encoding: identity\r\nContent-Length: " + length


def chunks() -> Iterator[bytes]:
    """
    @return: bodies in chunks that are none.
    """
    for size in (
        b"",
        b" ",
        b"x",
        b"g",
        b"-1b",
        b"+1b",
        b"0x1b",
        b" 1b",
        b"1b ",
        b"1b\t",
        b"1b,",
        b"1_b",
        b"1b\n",
        b"1b\r",
        b"1b\x00",
        b"1b;\x00",
        b"1b;x\ny",
        b"\xb1\xb2",
        b"1" * 2000,
        b"1b;" + b"x" * 2000,
    ):
        yield size + b"\r\n" + BODY + b"\r\n0\r\n\r\n"
    yield b"1a\r\n" + BODY + b"\r\n0\r\n\r\n"
    yield b"1b\r\n" + BODY + b"0\r\n\r\n"
    yield b"1b\r\n" + BODY + b"\n0\n\n"
    yield b"1b\n" + BODY + b"\r\n0\r\n\r\n"
    yield b"ffffffffffffffffff\r\n" + b"x" * 20_000
    yield b"5000\r\n" + b"x" * 0x5000 + b"\r\n0\r\n\r\n"


def malformed() -> Mapping[str, bytes]:
    """
    @return: what clients send, by a name for it.  Where two readers could see
        the end of the request at two places, a good request follows.
    """
    table: dict[str, bytes] = {}

    def add(kind: str, what: bytes, sent: bytes) -> None:
        table[f"{kind} {what[:60]!r} of {len(what)}"] = sent

    for body in bodies():
        add("body", body, sized(body=body))
    for line in first_lines():
        add("first line", line, sized(first=line) + b"\r\n\r\n")
    for head in heads():
        add("head", head, sized(head))
    for length in lengths():
        add("length", length, request(length) + GOOD)
    for coding in codings():
        add("coding", coding, request(coding, body=CHUNKS) + GOOD)
    for pieces in chunks():
        add("chunks", pieces, chunked(pieces) + GOOD)
    add("bare LF", b"", sized().replace(b"\r\n", b"\n") + b"\r\n\r\n")
    add("bare CR", b"", sized().replace(b"\r\n", b"\r") + b"\r\n\r\n")
    add("foreign host", b"", sized(host=b"Host: evil.example"))
    add("two hosts", b"", sized(host=b"Host: localhost, evil.example"))
    add("no head", b"", b"\r\n\r\n\r\n")
    add("only a body", b"", BODY + b"\r\n\r\n")
    add("not asked to go on", b"", request(b"Content-Length: 99999", b"Expect: 100-continue"))
    return table


class Ruffian(Protocol):
    """
    Sends bytes, and waits for what comes of it.

    @ivar done: fires with the L{bytes} that came when the connection is closed
        or, where it is kept alive, a whole answer is there; or with L{None}
        when there is nothing in a long time.
    """

    def __init__(self, sent: bytes, cut: int | None = None) -> None:
        """
        @param cut: where to stop for a moment.
        """
        self._sent, self._rest = sent[:cut], b"" if cut is None else sent[cut:]
        self._received = b""
        self._calls: list[Any] = []
        self.done: Deferred[bytes | None] = Deferred()

    def connectionMade(self) -> None:
        """
        Send.
        """
        assert self.transport is not None
        self._calls.append(reactor.callLater(PATIENCE, self._end, None))
        self.transport.write(self._sent)
        if self._rest:
            self._calls.append(reactor.callLater(PAUSE, self.transport.write, self._rest))

    def dataReceived(self, data: bytes) -> None:
        """
        Look whether the answer is whole.
        """
        self._received += data
        if b"\r\n\r\n" in self._received:
            reply, _ = parse(self._received)
            if reply.complete and reply.all(b"connection") != [b"close"]:
                self._end(self._received)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        There will be no more.
        """
        self._end(self._received)

    def _end(self, result: bytes | None) -> None:
        if not self.done.called:
            for call in self._calls:
                if call.active():
                    call.cancel()
            assert self.transport is not None
            self.transport.loseConnection()
            self.done.callback(result)


class Channel(RouterChannel):
    """
    Knows whether others like it are open.
    """

    open: ClassVar[set[RouterChannel]] = set()
    closed: ClassVar[Deferred[None] | None] = None

    def connectionMade(self) -> None:
        """
        One more.
        """
        self.open.add(self)
        super().connectionMade()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        One less.
        """
        super().connectionLost(reason)
        self.open.discard(self)
        if not self.open and Channel.closed is not None:
            closed, Channel.closed = Channel.closed, None
            closed.callback(None)

    @classmethod
    def all_closed(cls) -> Deferred[None]:
        """
        @return: a L{Deferred} firing with L{None} when none is open.
        """
        closed: Deferred[None] = Deferred()
        if cls.open:
            cls.closed = closed
        else:
            closed.callback(None)
        return closed


class MalformedTests(TestCase):
    """
    A site on a real socket, with everything behind it but the engine's
    process.
    """

    def setUp(self) -> None:
        """
        Listen.
        """
        self.engine = FakeEngine(prompt=True)
        memory = FakeMemory(SettleReport("settled", 0.0))
        slots = Slots(
            {"a": self.engine},
            {},
            make_policy=Join,
            memory=memory,
            private_memory=memory,
            clock=reactor,
            options=SlotOptions(),
        )
        slots.adopt()
        self.agent = FakeAgent()
        catalog = Catalog([Entry("m", "a", "m", "m")], {})
        relay = Relay(
            slots,
            {"a": Upstream("http://127.0.0.1:1", self.agent, reactor, 9)},
            reactor,
            Recorder(Metrics(CollectorRegistry()), Journal(reactor), reactor),
            RelayOptions(),
        )
        asking = Asking(
            relay, Heart(), Upward({}, guarded=False), {"a": Traits(("openai",), False)}
        )
        routes = ModelRoutes(
            catalog,
            asking,
            Loading(slots.acquire, slots.keep),
            wishes=Wishes({}),
            permit=lambda entry: None,
            stand_in=lambda entry: None,
            control_paths=["/v1/model/unload"],
            is_resident=lambda wanted: True,
            max_json_depth=128,
        )
        gate = make_gate(
            host="127.0.0.1",
            api_keys=(),
            allowed_hosts=(),
            allowed_origins=(),
            max_body_mb=LIMIT_MB,
            max_upload_mb=LIMIT_MB,
        )
        root = Folder({"v1": V1({b"models": model_listing(catalog, lambda model: False)}, routes)})
        site = RouterSite(root, gate, BytesIO, reactor)
        site.protocol = Channel
        port = reactor.listenTCP(0, site, backlog=1000, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)

    async def send(self, sent: bytes, cut: int | None = None) -> bytes | None:
        """
        @return: as of L{Ruffian.done}.
        """
        ruffian = Ruffian(sent, cut)
        await connectProtocol(self.endpoint, ruffian)
        return await ruffian.done

    def problem(self, received: bytes | None) -> str | None:
        """
        @return: what is wrong with an answer.
        """
        if received is None:
            return "hangs"
        if not received:
            return "is closed without an answer"
        left = received
        while left:
            if not left.startswith(b"HTTP/1.1 4"):
                return f"gets {left[:40]!r}"
            reply, left = parse(left)
            if not self.is_clear(reply):
                return f"gets {reply.body[:200]!r}"
        return None

    def is_clear(self, reply: Reply) -> bool:
        """
        @return: whether an error can be understood.
        """
        if not reply.complete or reply.one(b"content-type") != b"application/json":
            return False
        error = json.loads(reply.body)["error"]
        if isinstance(error, str):
            # As Ollama's clients want it.
            return bool(error)
        return bool(error["message"] and error["type"] and error["code"])

    def test_at_once(self) -> Deferred[None]:
        """Each malformed request gets an error that can be understood, and the
        engine hears of none; then a good one reaches it."""
        return Deferred.fromCoroutine(self.check(lambda sent: None))

    def test_in_pieces(self) -> Deferred[None]:
        """The same where they come in two pieces."""
        return Deferred.fromCoroutine(self.check(lambda sent: len(sent) // 2))

    async def check(self, cut: Callable[[bytes], int | None]) -> None:
        """
        Send everything.

        @param cut: says where each request is cut in two.
        """
        table = malformed()
        self.assertGreater(len(table), 200)
        outcomes = await DeferredList(
            [Deferred.fromCoroutine(self.send(sent, cut(sent))) for sent in table.values()]
        )
        wrong = [
            f"{name} {problem}"
            for name, (_, received) in zip(table, outcomes, strict=True)
            if (problem := self.problem(received)) is not None
        ]
        self.assertEqual([], wrong, "\n".join(wrong))
        await Channel.all_closed()
        self.assertEqual([], self.agent.sent)
        self.assertEqual([], self.engine.events)
        await self.good()

    async def good(self) -> None:
        """
        A good request reaches the engine, so that the bad ones could have.
        """
        answered = Deferred.fromCoroutine(self.send(GOOD))
        while not self.agent.sent:
            turn: Deferred[None] = Deferred()
            reactor.callLater(0.01, turn.callback, None)
            await turn
        response = self.agent.sent[0].respond(200, length=2)
        response.write(b"ok")
        response.end()
        received = await answered
        assert received is not None
        self.assertEqual(b"ok", parse(received)[0].body)
        self.assertEqual(["a bring_up"], self.engine.events)
        await Channel.all_closed()
