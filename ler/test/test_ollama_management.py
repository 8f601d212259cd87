# -*- test-case-name: ler.test.test_ollama_management -*-
"""
Tests for L{ler.web.ollama_management}.
"""

from __future__ import annotations

import json

from twisted.internet.error import ConnectionLost
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseFailed

from ler.config.model import Config, Ollama, Remote
from ler.engines.catalog import Catalog, Entry
from ler.test.http import HeaderPairs, Reply, open_site
from ler.test.relay_case import RelayTestCase
from ler.web.endpoints import Folder
from ler.web.ollama_management import METHODS, Management, managed_engine
from ler.web.upward import Upward

BLOB = b"/api/blobs/sha256:" + b"0123456789abcdef" * 4

NDJSON = {b"Content-Type": b"application/x-ndjson"}
PROGRESS = b'{"status":"pulling manifest"}\n'
SUCCESS = b'{"status":"success"}\n'


class ManagementCase(RelayTestCase):
    """
    The engine C{a} is an Ollama that has the model C{mine}, as C{b}, which is
    none, has C{other}.

    @ivar changes: the engines whose models may have changed.
    """

    allowed = True
    guarded = False
    engine: str | None = "a"

    def setUp(self) -> None:
        """
        Open the site.
        """
        super().setUp()
        self.changes: list[str] = []
        management = Management(
            Catalog(
                [Entry("mine", "a", "mine", "mine"), Entry("other", "b", "other", "other")],
                {"alias": "other"},
            ),
            self.relay,
            Upward({"a": {"X-Engine-Key": "k"}}, self.guarded),
            engine=self.engine,
            allowed=self.allowed,
            changed=self.changes.append,
        )
        children = {path.removeprefix("/api/"): management for path in METHODS}
        self.site = open_site(
            Folder({"api": Folder({**children, "blobs": management})}), self.clock
        )
        self.reconnect()

    def tearDown(self) -> None:
        """
        Nothing is left to happen.
        """
        self.client.leave()
        self.assertEqual([], self.clock.getDelayedCalls())

    def request(
        self, method: bytes, target: bytes, body: bytes | None = None, headers: HeaderPairs = ()
    ) -> None:
        """
        A request comes, from a new client.
        """
        self.reconnect()
        self.client.request(method, target, headers, body)

    def reply(self, method: bytes, target: bytes, body: bytes | None = None) -> Reply:
        """
        @return: the answer to a request, which comes at once.
        """
        self.request(method, target, body)
        return self.client.reply()

    def refused(self, status: int, method: bytes, target: bytes, body: bytes | None = None) -> str:
        """
        Assert that a request is refused, and goes nowhere.

        @return: what is said.
        """
        reply = self.reply(method, target, body)
        self.assertEqual(status, reply.status)
        self.assertEqual(b"application/json", reply.one(b"content-type"))
        self.assertEqual([], self.agent.sent)
        if method == b"HEAD":
            return ""
        self.assertEqual(["error"], list(reply.json()))
        error: str = reply.json()["error"]
        return error


class PassingTests(ManagementCase):
    """
    Clients may change the models of the server.
    """

    def test_requests(self) -> None:
        """
        Every request goes up as it is, whatever holds the memory, and its
        answer comes down as it is.
        """
        for method, target, body in (
            (b"POST", b"/api/pull", b'{ "model":"new" }'),
            (b"POST", b"/api/push", b'{"model":"mine"}'),
            (b"POST", b"/api/create", b'{"model":"new","from":"mine"}'),
            (b"POST", b"/api/copy", b'{"source":"mine","destination":"new"}'),
            (b"DELETE", b"/api/delete", b'{"model":"","name":"mine"}'),
            (b"POST", BLOB, b"\x00GGUF"),
        ):
            self.request(method, target, body, {b"X-Own": b"1"})
            sent = self.sent()
            self.assertEqual((method, body), (sent.method, sent.body))
            self.assertEqual(b"http://127.0.0.1:8000" + target, sent.absoluteURI)
            self.assertEqual(["1"], sent.headers.getRawHeaders("X-Own"))
            self.assertEqual(["k"], sent.headers.getRawHeaders("X-Engine-Key"))
            response = sent.respond(200, {b"X-Its": b"2"}, length=2)
            response.write(b"ok")
            response.end()
            reply = self.client.reply()
            self.assertEqual((200, b"ok", b"2"), (reply.status, reply.body, reply.one(b"x-its")))
        self.assert_over("ok", requests=6)
        self.assertEqual([], self.door.leases)

    def test_spellings(self) -> None:
        """
        A slash at the end is dropped, a query kept.
        """
        self.request(b"POST", b"/api/copy/?a=%2e", b"{}")
        self.assertEqual(b"http://127.0.0.1:8000/api/copy?a=%2e", self.sent().absoluteURI)

    def test_blob(self) -> None:
        """
        Whether a blob is there is told by the status.
        """
        self.request(b"HEAD", BLOB)
        self.assertEqual((b"HEAD", 0), (self.sent().method, self.sent().length))
        self.sent().respond(200, length=0).end()
        self.assertEqual(200, self.client.reply().status)
        self.request(b"HEAD", BLOB)
        self.sent().respond(404, length=0).end()
        self.assertEqual((404, b""), (self.client.reply().status, self.client.reply().body))
        self.assertEqual([], self.changes)

    def test_progress(self) -> None:
        """
        Progress comes as it is made, at the pace of the client.
        """
        self.request(b"POST", b"/api/pull", b'{"model":"new"}')
        response = self.sent().respond(200, NDJSON)
        response.write(PROGRESS)
        self.assertEqual(PROGRESS, self.body)
        self.client.stop_reading()
        self.assertEqual("paused", response.state)
        self.client.go_on_reading()
        self.assertEqual("producing", response.state)
        self.assertEqual([], self.changes)
        response.write(SUCCESS)
        response.end()
        self.assertEqual(PROGRESS + SUCCESS, self.body)
        self.assertEqual(["a"], self.changes)
        self.assert_over("ok")

    def test_hang_up(self) -> None:
        """
        When the client leaves, the server is told so, and what it has is
        looked at all the same.
        """
        self.request(b"POST", b"/api/pull", b'{"model":"new"}')
        response = self.sent().respond(200, NDJSON)
        response.write(PROGRESS)
        self.client.leave()
        self.assertEqual("stopped", response.state)
        response.end()
        self.assertEqual(["a"], self.changes)
        self.assert_over("client_left", 499)

    def test_broken(self) -> None:
        """
        When the server breaks off, the client is told so in a line of its
        own.
        """
        self.request(b"POST", b"/api/pull", b'{"model":"new"}')
        response = self.sent().respond(200, NDJSON)
        response.write(PROGRESS)
        response.end(ResponseFailed([]))
        self.have_last_words()
        *_, last = self.body.splitlines()
        self.assertEqual(["error"], list(json.loads(last)))
        self.assert_over("upstream_truncated")

    def test_errors(self) -> None:
        """
        The server's own errors come down as they are; that it is not there is
        told in the same way.
        """
        self.request(b"DELETE", b"/api/delete", b'{"model":"gone"}')
        response = self.sent().respond(404, {b"Content-Type": b"application/json"})
        response.write(b'{"error":"model \'gone\' not found"}')
        response.end()
        reply = self.client.reply()
        self.assertEqual((404, {"error": "model 'gone' not found"}), (reply.status, reply.json()))
        self.request(b"DELETE", b"/api/delete", b'{"model":"gone"}')
        self.sent().fail(ConnectionLost())
        self.have_last_words()
        self.assertEqual(502, self.client.reply().status)
        self.assertIn("engine a dropped", self.client.reply().json()["error"])

    def test_pull_here(self) -> None:
        """
        A model of another engine is there; one of the server itself is
        brought up to date.
        """
        self.assertEqual(SUCCESS, self.reply(b"POST", b"/api/pull", b'{"model":"alias"}').body)
        self.assertEqual([], self.agent.sent)
        self.request(b"POST", b"/api/pull", b'{"model":"mine:latest"}')
        self.assertEqual(b'{"model":"mine:latest"}', self.sent().body)

    def test_paths(self) -> None:
        """
        No other path, and none in another spelling, goes to the server.
        """
        for target in (
            b"/api/pull/x",
            b"/api/pull/..",
            b"/api/pull/../generate",
            b"/api/copy/./",
            b"/api//copy",
            b"/api/copy/%2e%2e/generate",
            b"/api/cop%79",
            b"/api/copy;x",
            b"/api/blobs",
            b"/api/blobs/",
            b"/api/blobs/sha256:12",
            BLOB + b"0",
            BLOB + b"/x",
            BLOB.replace(b":", b"-"),
            BLOB.replace(b"0", b"g"),
            BLOB.replace(b"sha256", b"../sha256"),
        ):
            self.assertIn(self.reply(b"POST", target, b"{}").status, (400, 404), target)
        self.assertEqual([], self.agent.sent)
        self.assertEqual([], self.changes)

    def test_methods(self) -> None:
        """
        Nor does any other method.
        """
        for target, allowed in {
            b"/api/pull": b"POST",
            b"/api/push": b"POST",
            b"/api/create": b"POST",
            b"/api/copy": b"POST",
            b"/api/delete": b"DELETE",
            BLOB: b"HEAD, POST",
        }.items():
            for method in (b"GET", b"HEAD", b"PUT", b"POST", b"DELETE", b"PATCH", b"TRACE"):
                if method not in allowed.split(b", "):
                    self.refused(405, method, target, b"{}")
                    self.assertEqual(allowed, self.client.reply().one(b"allow"))


class GuardedTests(ManagementCase):
    """
    Clients show keys to the router.
    """

    guarded = True

    def test_credentials(self) -> None:
        """
        The server does not see them.
        """
        self.request(b"POST", b"/api/copy", b"{}", {b"Authorization": b"Bearer x"})
        self.assertIsNone(self.sent().headers.getRawHeaders("Authorization"))


class DisabledTests(ManagementCase):
    """
    Clients may change nothing.
    """

    allowed = False

    def test_refused(self) -> None:
        """
        Everything is refused, with what would allow it; of a blob it is not
        even told whether it is there.
        """
        for method, target in (
            (b"POST", b"/api/push"),
            (b"POST", b"/api/create"),
            (b"POST", b"/api/copy"),
            (b"DELETE", b"/api/delete"),
            (b"POST", BLOB),
            (b"HEAD", BLOB),
        ):
            self.refused(403, method, target, b"{}")
        self.assertEqual(
            "/api/pull would change the models of engine a; set 'allow_destructive_ollama_api: "
            "true' if clients may do that",
            self.refused(403, b"POST", b"/api/pull", b'{"model":"new"}'),
        )
        self.assertEqual([], self.changes)

    def test_pull_here(self) -> None:
        """
        What is there need not be pulled: that is told at once, as a stream or
        as a document, of aliases and in every spelling.
        """
        for name in ("mine", "other", "Alias:latest"):
            for keys in ({"model": name}, {"name": name, "model": ""}):
                body = json.dumps({**keys, "stream": None}).encode()
                reply = self.reply(b"POST", b"/api/pull", body)
                self.assertEqual(SUCCESS, reply.body)
                self.assertEqual(b"application/x-ndjson", reply.one(b"content-type"))
                body = json.dumps({**keys, "stream": False}).encode()
                reply = self.reply(b"POST", b"/api/pull", body)
                self.assertEqual({"status": "success"}, reply.json())
                self.assertEqual(b"application/json", reply.one(b"content-type"))
        self.assertEqual([], self.agent.sent)

    def test_bodies(self) -> None:
        """
        A pull of nothing is told so.
        """
        for body in (b"", b"[]", b"{}", b'{"model":""}', b"{"):
            self.refused(400, b"POST", b"/api/pull", body)


class NoServerTests(ManagementCase):
    """
    There is no Ollama server.
    """

    engine = None

    def test_refused(self) -> None:
        """
        Nobody could do anything; but what is there need not be pulled.
        """
        self.assertEqual(
            "/api/create needs an engine of type ollama, and there is none",
            self.refused(501, b"POST", b"/api/create", b"{}"),
        )
        self.refused(501, b"POST", b"/api/pull", b'{"model":"new"}')
        self.assertEqual(SUCCESS, self.reply(b"POST", b"/api/pull", b'{"model":"other"}').body)


class ManagedEngineTests(SynchronousTestCase):
    """
    L{managed_engine}
    """

    def test_first(self) -> None:
        """
        It is the first that takes part.
        """
        engines = (
            Remote(key="far", base_url="http://far"),
            Ollama(key="off", enabled=False),
            Ollama(key="b"),
            Ollama(key="a"),
        )
        self.assertEqual(
            "b",
            managed_engine(Config({engine.key: engine for engine in engines})),
        )

    def test_none(self) -> None:
        """
        There need not be one.
        """
        self.assertIsNone(managed_engine(Config({"off": Ollama(key="off", enabled=False)})))
