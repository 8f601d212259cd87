# -*- test-case-name: ler.test.test_site -*-
"""
Tests for L{ler.web.site}.
"""

from __future__ import annotations

import json
import os
from io import BytesIO
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SkipTest, SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import directlyProvides

from ler.state import IN_MEMORY, StateDirectory
from ler.test.http import Client, Reply
from ler.web.endpoints import Endpoint, Folder
from ler.web.gate import Gate
from ler.web.site import IDLE_S, LINGER_S, RouterSite

LIMIT = 100
UPLOAD = 200


class Broken(Resource):
    """
    A resource with a bug.
    """

    isLeaf = True

    def __init__(self, begins: bool) -> None:
        """
        @param begins: whether it gets as far as the answer.
        """
        super().__init__()
        self._begins = begins

    def render(self, request: Any) -> int:
        """
        Fail.
        """
        if self._begins:
            request.write(b"half of")
        raise RuntimeError("a bug")


class Silent(Resource):
    """
    A resource that never answers.
    """

    isLeaf = True

    def render(self, request: Any) -> int:
        """
        Do nothing.
        """
        return NOT_DONE_YET


class SiteCase(SynchronousTestCase):
    """
    A site with an endpoint that tells what it got, and one that waits.

    @ivar seen: the bodies that reached an endpoint.
    @ivar waiting: what fires to let the oldest waiting request be answered.
    @ivar files: the files that bodies were put into.
    """

    def setUp(self) -> None:
        """
        Open the site.
        """
        self.clock = Clock()
        self.seen: list[bytes] = []
        self.args: list[object] = []
        self.waiting: list[Deferred[None]] = []
        self.files: list[BytesIO] = []

        async def tell(request: Any) -> Any:
            body = request.content.read()
            self.seen.append(body)
            self.args.append(request.args)
            return {"method": request.method.decode(), "uri": request.uri.decode()}

        async def wait(request: Any) -> Any:
            waiting: Deferred[None] = Deferred()
            self.waiting.append(waiting)
            await waiting
            return await tell(request)

        handlers = {"GET": tell, "POST": tell}
        tree = {
            "tell": Endpoint(handlers),
            "wait": Endpoint({"GET": wait, "POST": wait}),
            "broken": Broken(False),
            "half": Broken(True),
            "silent": Silent(),
            "v1": Folder({"messages": Endpoint(handlers), "bug": Broken(False)}),
        }
        gate = Gate((), {"localhost"}, set(), max_body=LIMIT, max_upload=UPLOAD)
        self.site = RouterSite(Folder(tree), gate, self.spool, self.clock)
        self.client = Client(self.site)

    def tearDown(self) -> None:
        """
        When the client is gone nothing waits for it.
        """
        self.client.leave()
        self.assertEqual([], self.clock.getDelayedCalls())

    def spool(self) -> BytesIO:
        """
        @return: a file for one body.
        """
        self.files.append(BytesIO())
        return self.files[-1]

    def send_head(self, *lines: bytes, target: bytes = b"/tell", method: bytes = b"POST") -> None:
        """
        Send the head of a request.
        """
        head = [method + b" " + target + b" HTTP/1.1", b"Host: localhost", *lines, b"", b""]
        self.client.send(b"\r\n".join(head))

    def refused(self, code: str) -> Reply:
        """
        Assert that the client was refused, and that nothing else was said.
        """
        reply = self.client.reply()
        self.assertTrue(reply.complete)
        self.assertEqual(b"close", reply.one(b"connection"))
        self.assertEqual(b"application/json", reply.one(b"content-type"))
        self.assertEqual(code, reply.json()["error"]["code"])
        self.assertEqual([], self.seen)
        return reply

    def uris(self) -> list[str]:
        """
        @return: the targets that were answered, in the order of the answers.
        """
        return [reply.json()["uri"] for reply in self.client.replies() if reply.complete]


class RequestTests(SiteCase):
    """
    Requests that come in.
    """

    def test_body(self) -> None:
        """A request with a body reaches its resource, and its file is closed
        when it is answered."""
        self.client.request(b"POST", b"/tell?x=1", body=b"hello")
        self.assertEqual({"method": "POST", "uri": "/tell?x=1"}, self.client.reply().json())
        self.assertEqual([b"hello"], self.seen)
        self.assertTrue(self.files[0].closed)

    def test_largest_body(self) -> None:
        """A body may be as large as the limit, in whatever way it comes."""
        body = b"x" * LIMIT
        self.client.request(b"POST", b"/tell", body=body)
        self.send_head(b"Transfer-Encoding: chunked")
        self.client.send(b"32\r\n" + body[:50] + b"\r\n32\r\n" + body[50:] + b"\r\n0\r\n\r\n")
        self.assertEqual([body, body], self.seen)

    def test_bit_by_bit(self) -> None:
        """It may come in pieces of any size."""
        for byte in b"POST /tell HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc":
            self.client.send(bytes([byte]))
        self.assertEqual([b"abc"], self.seen)

    def test_continue(self) -> None:
        """A client that asks whether it may go on is told so."""
        self.send_head(b"Content-Length: 3", b"Expect: 100-continue")
        self.assertEqual(b"HTTP/1.1 100 Continue\r\n\r\n", self.client.received)
        self.client.transport.clear()
        self.client.send(b"abc")
        self.assertEqual(200, self.client.reply().status)

    def test_name(self) -> None:
        """Every answer has a name of its own, under which the log has it."""
        for _ in range(2):
            self.client.request(b"GET", b"/tell")
        names = {reply.one(b"x-request-id") for reply in self.client.replies()}
        self.assertEqual(2, len(names))
        self.assertEqual({b"req_"}, {name[:4] for name in names})

    def test_forms_are_not_parsed(self) -> None:
        """A form is for the engine: it is not read into memory, and arrives as
        it came."""
        part = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\na\r\n--x--\r\n'
        for content_type, body in {
            b"multipart/form-data; boundary=x": part,
            b"multipart/form-data": b"no boundary",
            b"application/x-www-form-urlencoded": b"model=a&x=" + b"y" * 80,
        }.items():
            self.client.request(b"POST", b"/tell?q=1", {b"Content-Type": content_type}, body)
            self.assertEqual(body, self.seen[-1])
        self.assertEqual([{}, {}, {}], self.args)

    def test_upload_limit(self) -> None:
        """Multipart bodies have a limit of their own."""
        headers = {b"Content-Type": b"multipart/form-data; boundary=x"}
        self.client.request(b"POST", b"/tell", headers, b"x" * UPLOAD)
        self.assertEqual([b"x" * UPLOAD], self.seen)

    def test_kept_alive(self) -> None:
        """A connection serves one request after the other."""
        for number in range(3):
            self.client.request(b"GET", b"/tell?%d" % number)
        self.assertEqual(["/tell?0", "/tell?1", "/tell?2"], self.uris())
        self.assertFalse(self.client.closed)

    def test_closed_when_asked(self) -> None:
        """A client that asks for it has its connection closed."""
        self.client.request(b"GET", b"/tell", {b"Connection": b"close"})
        self.assertTrue(self.client.closed)

    def test_old_version(self) -> None:
        """HTTP/1.0 is spoken, one request a connection."""
        self.client.send(b"GET /tell HTTP/1.0\r\n\r\n")
        self.assertEqual(200, self.client.reply().status)
        self.assertTrue(self.client.closed)

    def test_idle(self) -> None:
        """Who says nothing for long, or stops in the middle, is let go."""
        for said in (b"", b"GET /te", b"GET /tell HTTP/1.1\r\nHost: lo", None):
            client = Client(self.site)
            if said is None:
                client.request(b"GET", b"/tell")
            else:
                client.send(said)
            self.clock.advance(IDLE_S - 1)
            self.assertFalse(client.closed)
            self.clock.advance(1)
            self.assertTrue(client.closed)
            client.leave()

    def test_patience(self) -> None:
        """Who waits for an answer is not idle."""
        self.client.request(b"GET", b"/wait")
        self.clock.advance(IDLE_S * 10)
        self.assertFalse(self.client.closed)

    def test_gone(self) -> None:
        """A client that leaves in the middle of its body leaves nothing
        behind."""
        self.send_head(b"Content-Length: 3")
        self.client.send(b"ab")
        self.client.leave()
        self.assertTrue(self.files[0].closed)
        self.assertEqual([], self.seen)

    def test_options_of_the_connection(self) -> None:
        """Small frames go out at once, and a peer that vanished is noticed."""
        options: list[tuple[str, bool]] = []

        class Transport(StringTransport):
            def setTcpNoDelay(self, on: bool) -> None:
                options.append(("no delay", on))

            def setTcpKeepAlive(self, on: bool) -> None:
                options.append(("keep alive", on))

        channel: Any = self.site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1))
        transport = Transport()
        directlyProvides(transport, ITCPTransport)
        channel.makeConnection(transport)
        channel.setTimeout(None)
        self.assertEqual({("no delay", True), ("keep alive", True)}, set(options))


class RefusalTests(SiteCase):
    """
    Requests that the gate turns away.
    """

    def test_by_head(self) -> None:
        """Who may not come in is told so before anything is read of the body:
        method and path are known by then."""
        self.client.send(b"POST /tell HTTP/1.1\r\nHost: evil\r\nContent-Length: 50\r\n\r\n")
        self.assertEqual(403, self.refused("foreign_host").status)
        self.assertEqual([], self.files)

    def test_declared_size(self) -> None:
        """A body that says it is too large is refused before it comes."""
        self.send_head(b"Content-Length: %d" % (LIMIT + 1))
        self.assertEqual(413, self.refused("request_too_large").status)

    def test_not_continued(self) -> None:
        """Who asks whether to go on is refused instead."""
        self.send_head(b"Content-Length: 1000", b"Expect: 100-continue")
        self.assertEqual(413, self.refused("request_too_large").status)
        self.assertNotIn(b"100 Continue", self.client.received)

    def test_chunks(self) -> None:
        """A body that comes in chunks is cut at the limit, and not kept."""
        self.send_head(b"Transfer-Encoding: chunked")
        self.client.send(b"32\r\n" + b"x" * 50 + b"\r\n")
        self.assertEqual([], self.client.replies())
        self.client.send(b"33\r\n" + b"x" * 51)
        self.assertEqual(413, self.refused("request_too_large").status)
        self.client.send(b"\r\nff\r\n" + b"x" * 255 + b"\r\n")
        self.assertEqual(50, len(self.files[0].getvalue()))
        self.client.send(b"0\r\n\r\n")
        self.assertTrue(self.files[0].closed)
        self.refused("request_too_large")

    def test_reads_its_answer_while_sending(self) -> None:
        """A refused client may send on, or it would lose the answer; when its
        body has ended the connection is closed."""
        self.send_head(b"Content-Length: 1000")
        self.client.send(b"x" * 999)
        self.assertFalse(self.client.closed)
        self.client.send(b"x")
        self.assertTrue(self.client.closed)
        self.refused("request_too_large")

    def test_not_for_ever(self) -> None:
        """A refused client that goes on and on is cut."""
        self.send_head(b"Content-Length: 1000000")
        for _ in range(int(LINGER_S)):
            self.client.send(b"x" * 1000)
            self.assertFalse(self.client.closed)
            self.clock.advance(1)
        self.assertTrue(self.client.closed)

    def test_without_body(self) -> None:
        """Where no body comes the connection is closed at once."""
        self.client.send(b"GET /tell HTTP/1.1\r\nHost: evil\r\n\r\n")
        self.refused("foreign_host")
        self.assertTrue(self.client.closed)

    def test_leaves(self) -> None:
        """A refused client may leave at once."""
        self.send_head(b"Content-Length: 1000")
        self.client.leave()
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_nothing_after(self) -> None:
        """What a refused client sends after its request is not answered."""
        for request in (
            b"GET /tell HTTP/1.1\r\nHost: evil\r\n\r\n",
            b"POST /tell HTTP/1.1\r\nHost: evil\r\nContent-Length: 3\r\n\r\nabc",
        ):
            client = Client(self.site)
            client.send(request + b"GET /tell HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertEqual(403, client.reply().status)
            self.assertTrue(client.closed)
            client.leave()
        self.assertEqual([], self.seen)

    def test_head_method(self) -> None:
        """HEAD is refused without a body."""
        self.client.send(b"HEAD /tell HTTP/1.1\r\nHost: evil\r\n\r\n")
        head, _, body = self.client.received.partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 403 "))
        self.assertEqual(b"", body)

    def test_anthropic(self) -> None:
        """Clients of Anthropic's API are refused in its shape."""
        self.send_head(b"Content-Length: 1000", target=b"/v1/messages?beta=true")
        reply = self.client.reply()
        self.assertEqual(413, reply.status)
        error = reply.json()
        self.assertEqual("error", error["type"])
        self.assertEqual("request_too_large", error["error"]["type"])
        self.assertEqual(reply.one(b"request-id").decode(), error["request_id"])

    def test_versions(self) -> None:
        """Other versions of HTTP are answered in ours."""
        for version in (b"HTTP/2.0", b"HTTP/1.2", b"HTTP/0.9", b"http/1.1", b"ICY"):
            client = Client(self.site)
            client.send(b"GET /tell " + version + b"\r\nHost: localhost\r\n\r\n")
            self.assertTrue(client.received.startswith(b"HTTP/1.1 400 "))
            self.assertEqual("invalid_request", client.reply().json()["error"]["code"])
            client.leave()
        self.assertEqual([], self.seen)

    def test_no_room(self) -> None:
        """Where a body cannot be kept the client is told to try again."""

        class Full(BytesIO):
            def write(self, data: object) -> int:
                raise OSError(28, "No space left on device")

        self.site.spool = Full
        self.send_head(b"Content-Length: 3")
        self.client.send(b"a")
        reply = self.refused("unavailable")
        self.assertEqual(503, reply.status)
        self.assertIn("No space left", reply.json()["error"]["message"])
        self.client.send(b"bc")
        self.refused("unavailable")


class PipelineTests(SiteCase):
    """
    A client may send requests before it has the answers, which keep their
    order.
    """

    get = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n"
    post = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nab"
    chunked = (
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\nab\r\n0\r\n\r\n"
    )

    def test_prompt(self) -> None:
        """Requests in one packet are answered one after the other."""
        requests = [self.get, self.post, self.chunked, self.post, self.get]
        self.client.send(b"".join(r % b"/tell?%d" % n for n, r in enumerate(requests)))
        self.assertEqual([f"/tell?{n}" for n in range(5)], self.uris())
        self.assertEqual([b"", b"ab", b"ab", b"ab", b""], self.seen)

    def test_no_overtaking(self) -> None:
        """A request does not begin before the one in front of it is answered,
        and is not forgotten."""
        for first in (self.get, self.post, self.chunked):
            for second in (self.get, self.post, self.chunked):
                for together in (True, False):
                    self.client.leave()
                    self.client = Client(self.site)
                    self.seen.clear()
                    self.waiting.clear()
                    requests = [first % b"/wait?1", second % b"/tell?2", self.get % b"/tell?3"]
                    for data in [b"".join(requests)] if together else requests:
                        self.client.send(data)
                    self.assertEqual([], self.seen)
                    self.assertEqual(1, len(self.waiting))
                    self.waiting[0].callback(None)
                    self.assertEqual(["/wait?1", "/tell?2", "/tell?3"], self.uris())

    def test_back_pressure(self) -> None:
        """What waits behind a request is bounded: the client is made to
        wait, too."""
        self.client.request(b"GET", b"/wait")
        self.client.send(self.post % b"/tell?2")
        self.client.send(self.get % (b"/tell?" + b"x" * 10_000))
        self.assertEqual("producing", self.client.transport.producerState)
        self.client.send(self.get % (b"/tell?" + b"x" * 10_000))
        self.assertEqual("paused", self.client.transport.producerState)
        self.waiting[0].callback(None)
        self.assertEqual("producing", self.client.transport.producerState)
        self.assertEqual(4, len(self.client.replies()))

    def test_each_is_judged(self) -> None:
        """Every request passes the gate."""
        self.client.send(self.get % b"/tell?1" + b"GET /tell HTTP/1.1\r\nHost: evil\r\n\r\n")
        self.assertEqual([200, 403], [reply.status for reply in self.client.replies()])

    def test_nothing_after_the_last(self) -> None:
        """What comes after a request that closes the connection is not
        answered."""
        last = b"GET /wait HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        self.client.send(last + self.post % b"/tell?2")
        self.waiting[0].callback(None)
        self.assertEqual(["/wait"], self.uris())
        self.assertTrue(self.client.closed)

    def test_malformed_behind(self) -> None:
        """What cannot be parsed is answered in its turn."""
        self.client.send(self.get % b"/wait" + b"nonsense\r\n\r\n")
        self.assertEqual(b"", self.client.received)
        self.waiting[0].callback(None)
        self.assertEqual([200, 400], [reply.status for reply in self.client.replies()])

    def test_gone(self) -> None:
        """When the client leaves, what waits is dropped."""
        self.client.send(self.get % b"/wait" + self.get % b"/tell")
        self.client.leave()
        self.assertEqual([], self.seen)


class MalformedTests(SiteCase):
    """
    What is no HTTP is answered all the same.
    """

    def test_answer(self) -> None:
        """The answer says what is wrong in JSON; the connection is closed when
        the client had time to read it."""
        self.client.send(b"nonsense\r\n\r\n")
        reply = self.refused("invalid_request")
        self.assertEqual(400, reply.status)
        self.assertEqual("invalid_request_error", reply.json()["error"]["type"])
        self.assertFalse(self.client.closed)
        self.clock.advance(LINGER_S)
        self.assertTrue(self.client.closed)

    def test_deaf(self) -> None:
        """What follows is not understood any more, wherever it is cut."""
        whole = b"Bad\x00: x\r\nTransfer-Encoding: chunked\r\n\r\n" + PipelineTests.get % b"/tell"
        self.client.send(b"POST /tell HTTP/1.1\r\nHost: localhost\r\n")
        for at in range(0, len(whole), 7):
            self.client.send(whole[at : at + 7])
        self.client.send(b"x" * 100_000)
        self.refused("invalid_request")

    def test_endless_line(self) -> None:
        """A head without end is answered."""
        for sent in (
            b"GET /" + b"x" * 20_000,
            b"GET /tell HTTP/1.1\r\nX: " + b"x" * 20_000,
            b"GET /tell HTTP/1.1\r\n" + b"X: y\r\n" * 5000,
            b"GET /tell HTTP/1.1\r\n" + b"X:\r\n" * 600 + b"\r\n",
        ):
            client = Client(self.site)
            client.send(sent)
            self.assertEqual(400, client.reply().status)
            client.leave()
        self.assertEqual([], self.seen)

    def test_absurd_length(self) -> None:
        """A length that no number can hold is answered."""
        self.send_head(b"Content-Length: " + b"9" * 5000)
        self.refused("invalid_request")

    def test_bad_chunk(self) -> None:
        """A body that cannot be parsed is answered, and not kept."""
        self.send_head(b"Transfer-Encoding: chunked")
        self.client.send(b"2\r\nab\r\nxyz\r\n")
        self.refused("invalid_request")
        self.client.leave()
        self.assertTrue(self.files[0].closed)

    def test_one_answer(self) -> None:
        """A refused client whose body cannot be parsed has its answer
        already."""
        self.client.send(b"POST /tell HTTP/1.1\r\nHost: evil\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.client.send(b"xyz\r\n")
        self.client.send(b"xyz\r\n")
        self.refused("foreign_host")
        self.clock.advance(LINGER_S)
        self.assertTrue(self.client.closed)


class BugTests(SiteCase):
    """
    A resource may have a bug.
    """

    def test_told(self) -> None:
        """The client is told that there is one, and nothing of it."""
        self.client.request(b"POST", b"/broken", body=b"x")
        self.assertEqual(500, self.refused("internal_error").status)
        self.assertNotIn(b"a bug", self.client.received)
        self.assertTrue(self.client.closed)
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))

    def test_half_way(self) -> None:
        """An answer that was begun is cut, so that nobody takes it for
        whole."""
        self.client.request(b"GET", b"/half")
        self.assertFalse(self.client.reply().complete)
        self.assertTrue(self.client.closed)
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))


class SpoolTests(SynchronousTestCase):
    """
    Large bodies, with the real folder.
    """

    def test_on_disk(self) -> None:
        """A large body lies in the state folder, without a name, as long as
        its request lives."""
        if not os.path.isdir("/proc/self/fd"):
            raise SkipTest("needs /proc")
        folder = Path(self.mktemp()).resolve()
        state = StateDirectory(str(folder))
        state.lock()
        self.addCleanup(state.unlock)
        gate = Gate((), None, None, max_body=4 * IN_MEMORY, max_upload=0)
        client = Client(RouterSite(Folder({"silent": Silent()}), gate, state.spool, Clock()))
        client.request(b"POST", b"/silent", body=json.dumps("x" * 2 * IN_MEMORY).encode())
        self.assertEqual(1, self.nameless(folder))
        self.assertEqual(["lock"], os.listdir(folder))
        client.leave()
        self.assertEqual(0, self.nameless(folder))

    def nameless(self, folder: Path) -> int:
        """
        @return: how many files in C{folder} are open that have no name.
        """
        links = []
        for number in os.listdir("/proc/self/fd"):
            try:
                links.append(os.readlink(f"/proc/self/fd/{number}"))
            except OSError:
                continue
        return sum(link.startswith(f"{folder}/") and "(deleted)" in link for link in links)
