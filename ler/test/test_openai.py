# -*- test-case-name: ler.test.test_openai -*-
"""
Tests for L{ler.web.openai}.
"""

from __future__ import annotations

import json
from typing import Any, cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from ler.config.model import GenericProcess
from ler.engines.catalog import Catalog, Entry, Owner, Right
from ler.interfaces import Residency
from ler.test.http import Client, HeaderPairs, Reply, open_site
from ler.upstream import FileSpan
from ler.web.dialects import ANTHROPIC, OPENAI, OPENAI_OTHER, RESPONSES, IDialect
from ler.web.endpoints import Endpoint, Folder
from ler.web.openai import V1, ModelRoutes, model_listing
from ler.web.relay import Job, Relay

CONTROL_PATHS = GenericProcess(key="a", base_url="http://a", start_cmd=("a",)).control_paths


class FakeRelay:
    """
    Answers every request, and remembers what it was to carry.

    @ivar carried: the dialects and the jobs.
    @ivar bodies: the bodies that would have been sent.
    """

    def __init__(self) -> None:
        self.carried: list[tuple[IDialect, Job]] = []
        self.bodies: list[bytes] = []

    def forget(self) -> None:
        """
        Begin anew.
        """
        self.carried.clear()
        self.bodies.clear()

    def carry(self, request: Any, dialect: IDialect, job: Job) -> None:
        """
        @see: L{Relay.carry<ler.web.relay.Relay.carry>}
        """
        body = b""
        for part in job.parts:
            if isinstance(part, FileSpan):
                part.file.seek(part.start)
                body += part.file.read(len(part))
            else:
                body += part
        self.carried.append((dialect, job))
        self.bodies.append(body)
        request.write(b"carried")
        request.finish()


class V1Case(SynchronousTestCase):
    """
    The surface before a relay that only remembers.

    @ivar resident: what can be asked without a swap.
    """

    guarded = False

    def setUp(self) -> None:
        """
        Open the site.
        """
        self.clock = Clock()
        self.relay = FakeRelay()
        self.resident: set[Residency] = set()
        self.catalog = Catalog(
            [
                Entry("m", "a", "m.gguf", "Model M", context_length=4096, thinking_floor=100),
                Entry("org/name", "b", "org/name", "Name"),
            ],
            {"small": "m", "claude-*": "m"},
        )
        routes = ModelRoutes(
            self.catalog,
            cast(Relay, self.relay),
            control_paths=CONTROL_PATHS,
            upstream_headers={"b": {"X-Engine-Key": "k", "Authorization": "Bearer engine"}},
            is_resident=self.resident.__contains__,
            guarded=self.guarded,
            max_json_depth=8,
        )
        self.site = open_site(Folder({"v1": V1(self.listing(self.catalog), routes)}), self.clock)

    def listing(self, catalog: Catalog) -> Endpoint:
        """
        @return: the listing of C{catalog}.
        """
        return model_listing(catalog, self.resident.__contains__)

    def ask(
        self, method: bytes, target: bytes, body: bytes | None = None, headers: HeaderPairs = ()
    ) -> Reply:
        """
        @return: the answer to a request.
        """
        client = Client(self.site)
        client.request(method, target, headers, body)
        reply = client.reply()
        client.leave()
        self.assertEqual([], self.clock.getDelayedCalls())
        return reply

    def post(self, target: bytes, headers: HeaderPairs = (), **body: object) -> Reply:
        """
        @return: the answer to a JSON object.
        """
        return self.ask(b"POST", target, json.dumps(body).encode(), headers)

    @property
    def job(self) -> Job:
        """
        @return: the one that was carried.
        """
        ((_, job),) = self.relay.carried
        return job

    def refused(self, reply: Reply, status: int, code: str) -> Any:
        """
        Assert that a request was refused, and not carried.

        @return: the error.
        """
        self.assertEqual([], self.relay.carried)
        self.assertEqual(b"application/json", reply.one(b"content-type"))
        error = reply.json()["error"]
        self.assertEqual((status, code), (reply.status, error["code"]))
        return error


class ListingTests(V1Case):
    """
    The models that there are.
    """

    def test_all(self) -> None:
        """All models are listed in order, then plain aliases, with what the
        SDKs of OpenAI and Anthropic read."""
        listing = self.ask(b"GET", b"/v1/models").json()
        self.assertEqual(["m", "org/name", "small"], [model["id"] for model in listing["data"]])
        self.assertEqual(
            {
                "id": "m",
                "object": "model",
                "created": 1767225600,
                "owned_by": "a",
                "name": "Model M",
                "context_length": 4096,
                "loaded": False,
                "type": "model",
                "display_name": "Model M",
                "created_at": "2026-01-01T00:00:00Z",
            },
            listing["data"][0],
        )
        del listing["data"]
        self.assertEqual(
            {"object": "list", "has_more": False, "first_id": "m", "last_id": "small"}, listing
        )

    def test_loaded(self) -> None:
        """What is in memory is told, of aliases too."""
        self.resident.add(Residency("a"))
        listing = self.ask(b"GET", b"/v1/models").json()
        loaded = {model["id"]: model["loaded"] for model in listing["data"]}
        self.assertEqual({"m": True, "org/name": False, "small": True}, loaded)

    def test_discovered(self) -> None:
        """What engines are found to have is listed with the rest; its context
        is not known."""
        self.site = open_site(self.listing(self.discovered()), self.clock)
        listing = self.ask(b"GET", b"/v1/models").json()
        told = [
            (model["id"], model["owned_by"], model["context_length"]) for model in listing["data"]
        ]
        self.assertEqual([("m", "a", 4096), ("found", "b", None), ("alias", "b", None)], told)

    def discovered(self) -> Catalog:
        """
        @return: a catalog with a model that nobody configured.
        """
        catalog = Catalog(
            [Entry("m", "a", "m", "M", context_length=4096)], {"alias": "found"}, [Owner("b")]
        )
        catalog.claim("b", Right.LIVE, ["found"])
        return catalog

    def test_spellings(self) -> None:
        """A slash at the end, or a query, makes no other list."""
        for target in (b"/v1/models/", b"/v1/models?limit=1000", b"/v1/models/?x"):
            self.assertEqual(3, len(self.ask(b"GET", target).json()["data"]))

    def test_none(self) -> None:
        """A list may be empty."""
        listing = self.listing(Catalog([], {}))
        self.site = open_site(Folder({"v1": V1(listing, listing)}), self.clock)
        self.assertEqual(
            {"object": "list", "data": [], "has_more": False, "first_id": None, "last_id": None},
            self.ask(b"GET", b"/v1/models").json(),
        )

    def test_one(self) -> None:
        """A single model is told by its id, which may hold slashes, escaped
        or not."""
        for target, id in {
            b"/v1/models/m": "m",
            b"/v1/models/org/name": "org/name",
            b"/v1/models/org%2Fname": "org/name",
            b"/v1/models/org%2fname?x=1": "org/name",
            b"/v1/models/%6d": "m",
        }.items():
            self.assertEqual(id, self.ask(b"GET", target).json()["id"])

    def test_one_alias(self) -> None:
        """An alias is told under its own name, one that matches a pattern,
        too."""
        for name in ("small", "claude-4.5"):
            model = self.ask(b"GET", f"/v1/models/{name}".encode()).json()
            self.assertEqual((name, "Model M"), (model["id"], model["display_name"]))

    def test_unknown(self) -> None:
        """A model that is not there is not found, however odd its name."""
        for target in (
            b"/v1/models/x",
            b"/v1/models/M",
            b"/v1/models/m/",
            b"/v1/models//m",
            b"/v1/models/../models/m",
            b"/v1/models/%2e%2e/chat/completions",
            b"/v1/models/%00",
            b"/v1/models/%0d%0aX:%20y",
            b"/v1/models/" + b"x" * 5000,
        ):
            error = self.refused(self.ask(b"GET", target), 404, "model_not_found")
            self.assertEqual("model", error["param"])

    def test_no_text(self) -> None:
        """An id that is no text is refused."""
        self.refused(self.ask(b"GET", b"/v1/models/%ff"), 400, "invalid_path")

    def test_methods(self) -> None:
        """Models can be looked at, nothing else."""
        self.assertEqual(200, self.ask(b"HEAD", b"/v1/models").status)
        self.assertEqual(200, self.ask(b"HEAD", b"/v1/models/m").status)
        for method in (b"POST", b"DELETE", b"OPTIONS"):
            for target in (b"/v1/models", b"/v1/models/m", b"/v1/models/../chat/completions"):
                reply = self.ask(method, target, b'{"model":"m"}')
                self.refused(reply, 405, "method_not_allowed")
                self.assertEqual(b"GET, HEAD", reply.one(b"allow"))


class RouteTests(V1Case):
    """
    Requests that go to an engine.
    """

    def test_carried(self) -> None:
        """A request goes to the owner of its model: the same path and query,
        and the same body."""
        body = b'{ "model": "org/name", "x": 1.0 }'
        self.ask(b"POST", b"/v1/embeddings?api-version=1&y", body, {b"X-Thing": b"1"})
        job = self.job
        self.assertEqual(Residency("b"), job.residency)
        self.assertEqual((b"POST", b"/v1/embeddings?api-version=1&y"), (job.method, job.target))
        self.assertEqual([body], self.relay.bodies)
        self.assertIn((b"X-Thing", b"1"), job.headers)
        self.assertEqual("org/name", job.model)

    def test_any_path(self) -> None:
        """Every path that takes a model is carried, known to us or not."""
        for target in (b"/v1/rerank", b"/v1/audio/speech", b"/v1/of/tomorrow"):
            self.assertEqual(200, self.post(target, model="m").status)
        self.assertEqual(3, len(self.relay.carried))

    def test_slash_at_the_end(self) -> None:
        """It is not passed on: engines would redirect, or not find the path."""
        self.post(b"/v1/chat/completions/?x", model="m")
        self.assertEqual(b"/v1/chat/completions?x", self.job.target)

    def test_names(self) -> None:
        """The engine is sent the name that it knows; the log has the one that
        the client used."""
        for name in ("m", "small", "claude-4.5"):
            self.relay.forget()
            self.post(b"/v1/chat/completions", model=name)
            self.assertEqual(b'{"model": "m.gguf"}', self.relay.bodies[0])
            self.assertEqual((Residency("a"), name), (self.job.residency, self.job.model))

    def test_dialects(self) -> None:
        """Each path has its dialect; a stream is expected where one can come
        and was asked for."""
        for target, dialect, streams in (
            (b"/v1/chat/completions", OPENAI, True),
            (b"/v1/completions", OPENAI, True),
            (b"/v1/responses", RESPONSES, True),
            (b"/v1/messages?beta=true", ANTHROPIC, True),
            (b"/v1/audio/speech", OPENAI_OTHER, False),
            (b"/v1/embeddings", OPENAI_OTHER, False),
        ):
            for asked in (True, False, None, 1):
                self.relay.forget()
                self.post(target, model="m", stream=asked)
                ((found, job),) = self.relay.carried
                self.assertIs(dialect, found)
                self.assertEqual(streams and asked is True, job.streams, (target, asked))

    def test_thinking(self) -> None:
        """A small budget switches thinking off in chats, and there only."""
        self.post(b"/v1/chat/completions", model="small", max_tokens=5)
        self.assertFalse(
            json.loads(self.relay.bodies[0])["chat_template_kwargs"]["enable_thinking"]
        )
        for target, model in ((b"/v1/completions", "m"), (b"/v1/chat/completions", "org/name")):
            self.relay.forget()
            self.post(target, model=model, max_tokens=5)
            self.assertNotIn(b"thinking", self.relay.bodies[0])

    def test_headers(self) -> None:
        """The engine's own headers take the place of the client's."""
        headers = {b"Authorization": b"Bearer client", b"X-API-Key": b"client"}
        self.post(b"/v1/x", headers, model="org/name")
        self.assertEqual(
            [b"Bearer engine"], [v for n, v in self.job.headers if n == b"Authorization"]
        )
        self.assertIn((b"X-Engine-Key", b"k"), self.job.headers)

    def test_open_router(self) -> None:
        """Where clients show no keys to the router, theirs are for engines."""
        self.post(b"/v1/x", {b"Authorization": b"Bearer client"}, model="m")
        self.assertIn((b"Authorization", b"Bearer client"), self.job.headers)

    def test_odd_content_type(self) -> None:
        """A content type that is no text is the engine's to judge."""
        self.post(b"/v1/x", {b"Content-Type": b"text/\xff"}, model="m")
        self.assertIn((b"Content-Type", b"text/\xff"), self.job.headers)


class GuardedTests(V1Case):
    """
    Requests to a router that has keys.
    """

    guarded = True

    def test_keys_stay(self) -> None:
        """The keys that open the router are no business of an engine."""
        headers = [(b"Authorization", b"Bearer k"), (b"X-API-Key", b"k"), (b"Cookie", b"k")]
        self.post(b"/v1/x", [*headers, (b"X-Thing", b"1")], model="m")
        names = [name.lower() for name, _ in self.job.headers]
        self.assertIn(b"x-thing", names)
        for name, _ in headers:
            self.assertNotIn(name.lower(), names)


class RefusalTests(V1Case):
    """
    Requests that go nowhere.
    """

    def test_unknown_model(self) -> None:
        """A model that nobody owns is not found; nothing is guessed."""
        error = self.refused(self.post(b"/v1/x", model="org/nam"), 404, "model_not_found")
        self.assertEqual(
            ("model", "invalid_request_error"),
            (error["param"], error["type"]),
        )
        self.assertIn("did you mean org/name?", error["message"])

    def test_bodies(self) -> None:
        """What cannot be understood is said to be so."""
        for body, code in {
            b"": "invalid_json",
            b"{": "invalid_json",
            b"[]": "invalid_json",
            b"\xff": "invalid_json",
            b'{"model":"m","x":NaN}': "invalid_json",
            b'{"model":"m","x":' + b"[" * 9 + b"]" * 9 + b"}": "invalid_json",
            b"{}": "missing_model",
            b'{"model":null}': "missing_model",
            b'{"model":5}': "missing_model",
            b'{"model":"m","model":"m"}': "missing_model",
        }.items():
            for target in (b"/v1/chat/completions", b"/v1/x"):
                self.refused(self.ask(b"POST", target, body), 400, code)
        self.refused(self.ask(b"POST", b"/v1/chat/completions"), 400, "invalid_json")

    def test_anthropic(self) -> None:
        """Anthropic's clients are told in their shape."""
        for body, status, kind in (
            (b"{", 400, "invalid_request_error"),
            (b"{}", 400, "invalid_request_error"),
            (b'{"model":"x"}', 404, "not_found_error"),
        ):
            for target in (b"/v1/messages", b"/v1/messages/count_tokens", b"/v1/messages?beta=1"):
                reply = self.ask(b"POST", target, body)
                said = reply.json()
                self.assertEqual(status, reply.status)
                self.assertEqual(("error", kind), (said["type"], said["error"]["type"]))
                self.assertEqual(reply.one(b"request-id").decode(), said["request_id"])
        self.assertEqual([], self.relay.carried)

    def test_multipart(self) -> None:
        """Uploads are not routed, and told so."""
        headers = {b"Content-Type": b"Multipart/Form-Data; boundary=x"}
        reply = self.ask(b"POST", b"/v1/audio/transcriptions", b"--x--", headers)
        self.refused(reply, 415, "unsupported_media_type")

    def test_methods(self) -> None:
        """Where a method is wrong the right one is told, OPTIONS included."""
        for method in (b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"):
            for target in (b"/v1/chat/completions", b"/v1/messages", b"/v1/messages/count_tokens"):
                reply = self.ask(method, target, b'{"model":"m"}')
                self.assertEqual(405, reply.status)
                self.assertEqual(b"POST", reply.one(b"allow"))
        self.assertEqual([], self.relay.carried)

    def test_paths(self) -> None:
        """Without a model in a body there is nothing at other paths."""
        for target in (b"/v1/files", b"/v1/embeddings", b"/v1/"):
            self.refused(self.ask(b"GET", target), 404, "not_found")
        self.refused(self.ask(b"POST", b"/v1", b'{"model":"m"}'), 404, "not_found")

    def test_control_paths(self) -> None:
        """What changes the memory of an engine is for the router alone, in
        every spelling, and at the end of a path, too."""
        for path in map(str.encode, CONTROL_PATHS):
            own = path if path.startswith(b"/v1/") else b"/v1/x" + path
            for target in (own, b"/v1/x" + path, b"/v1/x" + path.upper()):
                for end in (b"", b"/", b"?x=1"):
                    reply = self.ask(b"POST", target + end, b'{"model":"m"}')
                    error = self.refused(reply, 403, "control_path")
                    self.assertIn("/admin/", error["message"])

    def test_hidden_control_paths(self) -> None:
        """No trick leads an engine to such a path."""
        body = b'{"model":"m"}'
        for target in (
            b"/v1/x/../model/unload",
            b"/v1/../v1/model/unload",
            b"/v1/model/./unload",
            b"/v1//model/unload",
            b"/v1/model//unload",
            b"/v1/model/unload//",
            b"/v1/%6dodel/unload",
            b"/v1/model%2funload",
            b"/v1/model%2Funload",
            b"/v1/x/%2e%2e/model/unload",
            b"/v1/x/.%2E/model/unload",
            b"/v1/x/..%2fmodel/unload",
            b"/v1/x%2f..%2fmodel/unload",
            b"/v1/model\\unload",
            b"/v1/x/..\\model\\unload",
            b"/v1/model/unload%00",
            b"/v1/model/unload%20",
            b"/v1/model/unload#x",
            b"/v1/model/unload%3fx",
            b"/v1/../sleep",
            b"/v1/%2e%2e/sleep",
            b"/v1/..%2fsleep",
            b"//sleep",
            b"http://localhost/v1/model/unload",
        ):
            self.refused(self.ask(b"POST", target, body), 400, "invalid_path")
        for target in (b"/sleep", b"/unload", b"/models/unload", b"/V1/model/unload", b"/backend"):
            self.refused(self.ask(b"POST", target, body), 404, "not_found")
        for target in (b"/v1/models/../model/unload", b"/v1/models/%2e%2e/model/unload"):
            self.refused(self.ask(b"POST", target, body), 405, "method_not_allowed")


class CountTokensTests(V1Case):
    """
    Counting tokens starts no engine.
    """

    target = b"/v1/messages/count_tokens"

    def test_estimate(self) -> None:
        """Where a swap would be needed the count is an estimate."""
        body = json.dumps({"model": "claude-4", "messages": ["x" * 4000]}).encode()
        reply = self.ask(b"POST", self.target + b"?beta=true", body)
        self.assertEqual({"input_tokens": len(body) // 4}, reply.json())
        self.assertEqual([], self.relay.carried)

    def test_slash_at_the_end(self) -> None:
        """No spelling of the path starts an engine."""
        self.assertIn("input_tokens", self.post(self.target + b"/", model="m").json())
        self.assertEqual([], self.relay.carried)

    def test_resident(self) -> None:
        """The engine that holds the memory anyway is asked."""
        self.resident.add(Residency("a"))
        self.post(self.target, model="m")
        self.assertEqual(Residency("a"), self.job.residency)
        self.assertFalse(self.job.streams)

    def test_other_resident(self) -> None:
        """Another engine in memory is left alone."""
        self.resident.add(Residency("b"))
        self.assertIn("input_tokens", self.post(self.target, model="m").json())
        self.assertEqual([], self.relay.carried)
