# -*- test-case-name: ler.test.test_routes -*-
"""
Tests for L{ler.web.routes}, L{ler.web.asking} and L{ler.web.loading}.
"""

from __future__ import annotations

import json
import math
from typing import Any

from ler.interfaces import Residency
from ler.slot.wish import ORDINARY, Priority, Wish
from ler.test.surface_case import CONTROL_PATHS, SurfaceCase
from ler.web.dialects import ANTHROPIC, OLLAMA, OPENAI, OPENAI_OTHER, RESPONSES


class RouteTests(SurfaceCase):
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
            (b"/v1/embeddings", OPENAI, False),
        ):
            for asked in (True, False, None, 1):
                self.relay.forget()
                self.post(target, model="all", stream=asked)
                ((found, job),) = self.relay.carried
                self.assertIs(dialect, found)
                expected = streams and asked is True
                self.assertEqual(expected, job.beats is not None, (target, asked))

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

    def test_forgotten_version(self) -> None:
        """Clients that forget the version, or say it twice, mean the one."""
        for before in (b"", b"/v1/v1", b"/v1/v1/v1"):
            self.relay.forget()
            self.post(before + b"/chat/completions", model="m")
            self.assertEqual(b"/v1/chat/completions", self.job.target)

    def test_beside_the_version(self) -> None:
        """What engines have beside it goes to where it was sent."""
        for target in (b"/rerank", b"/v2/rerank", b"/infill", b"/tokenize", b"/completion"):
            self.relay.forget()
            self.post(target, model="small")
            self.assertEqual(target, self.job.target)
            self.assertEqual([b'{"model": "m.gguf"}'], self.relay.bodies)

    def test_named_by_the_path(self) -> None:
        """The path may name the model: the body is given it, whatever it says
        itself."""
        for target, body in (
            (b"/openai/deployments/small/chat/completions?api-version=1", b'{"x":1}'),
            (b"/v1/engines/small/completions", b"{}"),
            (b"/v1/engines/small/embeddings", b'{"model":"other","x":1}'),
        ):
            self.relay.forget()
            self.ask(b"POST", target, body)
            ((_, job),) = self.relay.carried
            self.assertEqual((Residency("a"), "small"), (job.residency, job.model))
            self.assertEqual("m.gguf", json.loads(self.relay.bodies[0])["model"])
            self.assertEqual(b"/v1/" + target.partition(b"/small/")[2], job.target)

    def test_named_by_the_query(self) -> None:
        """What is read from an engine names the model in the query."""
        self.ask(b"GET", b"/props?model=small&x=a%20b")
        self.assertEqual(b"/props?model=m.gguf&x=a+b", self.job.target)
        self.assertEqual((b"GET", []), (self.job.method, self.job.parts))
        self.relay.forget()
        self.ask(b"GET", b"/slots?model=org/name&fail_on_no_slot=1")
        self.assertEqual(b"/slots?model=org/name&fail_on_no_slot=1", self.job.target)

    def test_multipart(self) -> None:
        """A form names its model in a part; the rest of it stays as it is."""
        body = (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
            b"RIFF\r\n--x\r\nContent-Disposition: form-data; name=model\r\n\r\n%s\r\n--x--\r\n"
        )
        headers = {b"Content-Type": b"Multipart/Form-Data; boundary=x"}
        self.ask(b"POST", b"/v1/audio/transcriptions", body % b"small", headers)
        self.assertEqual([body % b"m.gguf"], self.relay.bodies)
        self.assertEqual(("small", b"/v1/audio/transcriptions"), (self.job.model, self.job.target))
        self.assertIn((b"Content-Type", b"Multipart/Form-Data; boundary=x"), self.job.headers)


class TranslationTests(SurfaceCase):
    """
    Requests to engines that do not speak what they are in.
    """

    def asked(self) -> Any:
        """
        @return: what the engine is asked.
        """
        (body,) = self.relay.bodies
        return json.loads(body)

    def test_native(self) -> None:
        """An engine that speaks it gets the request as it is."""
        body = b'{"model":"all",  "messages":[{"role":"user","content":"hi"}]}'
        for target in (b"/v1/messages?beta=true", b"/v1/responses", b"/api/chat"):
            self.relay.forget()
            self.ask(b"POST", target, body)
            self.assertEqual((target, None), (self.job.target, self.job.translated))
            self.assertEqual([body], self.relay.bodies)

    def test_translated(self) -> None:
        """Another is asked in what it speaks; the answer is for the client's
        dialect."""
        turn = [{"role": "user", "content": "hi"}]
        for target, dialect, body in (
            (b"/v1/messages?beta=true", ANTHROPIC, {"messages": turn, "max_tokens": 5}),
            (b"/v1/responses", RESPONSES, {"input": "hi"}),
            (b"/api/chat", OLLAMA, {"messages": turn, "stream": False}),
            (b"/api/generate", OLLAMA, {"prompt": "hi", "stream": False}),
        ):
            self.relay.forget()
            headers = {b"Anthropic-Version": b"2023-06-01", b"Content-Type": b"text/plain"}
            self.post(target, headers, model="org/name", **body)
            ((found, job),) = self.relay.carried
            self.assertIs(dialect, found)
            self.assertEqual(b"/v1/chat/completions", job.target)
            assert job.translated is not None
            self.assertIs(OPENAI, job.translated.dialect)
            self.assertEqual(("org/name", turn), (self.asked()["model"], self.asked()["messages"]))
            self.assertIn((b"Content-Type", b"application/json"), job.headers)
            names = {name.lower() for name, _ in job.headers}
            self.assertNotIn(b"anthropic-version", names)
            self.assertIsNone(job.beats)

    def test_to_ollama(self) -> None:
        """An engine that speaks Ollama only can be asked anything."""
        turn = [{"role": "user", "content": "hi"}]
        for target, path, body in (
            (b"/v1/chat/completions", b"/api/chat", {"messages": turn}),
            (b"/v1/completions", b"/api/generate", {"prompt": "hi"}),
            (b"/v1/embeddings", b"/api/embed", {"input": "hi"}),
            (b"/v1/messages", b"/api/chat", {"messages": turn, "max_tokens": 5}),
            (b"/v1/responses", b"/api/chat", {"input": "hi"}),
        ):
            self.relay.forget()
            self.post(target, model="llama:8b", **body)
            self.assertEqual((path, "llama:8b"), (self.job.target, self.asked()["model"]))
            self.assertEqual(Residency("d", "llama:8b"), self.job.residency)

    def test_streams(self) -> None:
        """Ollama's chats are streams unless the client says otherwise; its
        embeddings never are."""
        turn = [{"role": "user", "content": "hi"}]
        for stream, streams in ((None, True), (True, True), (False, False)):
            self.relay.forget()
            self.post(b"/api/chat", model="m", messages=turn, stream=stream)
            self.assertEqual(streams, self.job.beats is not None)
            self.assertEqual(streams, self.asked().get("stream", False))
        self.relay.forget()
        self.post(b"/api/embed", model="m", input="hi", stream=True)
        self.assertIsNone(self.job.beats)

    def test_thinking(self) -> None:
        """A small budget switches thinking off, in whatever words it is
        given."""
        turn = [{"role": "user", "content": "hi"}]
        for budget in (5, 500):
            self.relay.forget()
            options = {"num_predict": budget}
            self.post(b"/api/chat", model="small", messages=turn, options=options)
            self.assertEqual(budget < 100, "chat_template_kwargs" in self.asked())

    def test_spellings(self) -> None:
        """Ollama's clients spell names as it lets them."""
        for name in ("m:latest", "M", "Small", "ORG/name:latest"):
            self.relay.forget()
            self.post(b"/api/embed", model=name, input="hi")
            self.assertIn(self.asked()["model"], ("m.gguf", "org/name"))

    def test_misunderstood(self) -> None:
        """What cannot be translated is told in the client's dialect."""
        reply = self.post(b"/api/chat", model="m", messages=5)
        self.assertEqual(400, reply.status)
        self.assertIn("messages", reply.json()["error"])
        self.assertEqual([], self.relay.carried)


class LoadTests(SurfaceCase):
    """
    Requests of Ollama's clients that ask nothing.
    """

    def test_load(self) -> None:
        """They bring the model up, and are told so in one line."""
        for target, said in (
            (b"/api/generate", {}),
            (b"/api/chat", {"messages": []}),
            (b"/api/generate", {"prompt": "", "keep_alive": -1, "stream": True}),
        ):
            reply = self.post(target, model="small", **said)
            self.assertEqual(1, reply.body.count(b"\n"))
            self.assertEqual(
                ("small", True, "load"),
                tuple(reply.json()[key] for key in ("model", "done", "done_reason")),
            )
        self.assertEqual([Residency("a")] * 3, self.leases)
        self.assertEqual(3, len(self.returned))
        self.assertEqual([(Residency("a"), math.inf)], self.kept)
        self.assertEqual([], self.relay.carried)

    def test_unload(self) -> None:
        """With nothing to keep it alive, the model goes, and is not brought
        up for that."""
        reply = self.post(b"/api/generate", model="llama:8b", keep_alive=0)
        self.assertEqual("unload", reply.json()["done_reason"])
        self.assertEqual([(Residency("d", "llama:8b"), 0.0)], self.kept)
        self.assertEqual([], self.leases)

    def test_wrong_duration(self) -> None:
        """What is no duration is refused, and nothing is brought up."""
        reply = self.post(b"/api/generate", model="m", keep_alive="soon")
        self.assertEqual(400, reply.status)
        self.assertIn("keep_alive", reply.json()["error"])
        self.assertEqual([], self.leases)


class WishTests(SurfaceCase):
    """
    How requests would like to be treated.
    """

    def test_headers(self) -> None:
        """A request says so in headers, which are for the router alone."""
        headers = {
            b"X-Router-Priority": b"batch",
            b"X-Router-Deadline": b"30",
            b"X-Router-No-Swap": b"true",
        }
        self.post(b"/v1/chat/completions", headers, model="m")
        self.assertEqual(Wish(Priority.BATCH, 30.0, True), self.job.wish)
        names = {name.lower() for name, _ in self.job.headers}
        self.assertFalse(any(name.startswith(b"x-router-") for name in names))
        self.relay.forget()
        self.post(b"/v1/chat/completions", model="m")
        self.assertEqual(ORDINARY, self.job.wish)

    def test_everywhere(self) -> None:
        """By whatever endpoint."""
        headers = {b"X-Router-Priority": b"background"}
        self.post(b"/v1/messages", headers, model="org/name", messages=[], max_tokens=1)
        self.relay.forget()
        self.post(b"/rerank", headers, model="m")
        self.assertEqual(Priority.BACKGROUND, self.job.wish.priority)
        self.relay.forget()
        self.ask(b"GET", b"/props?model=m", headers=headers)
        self.assertEqual(Priority.BACKGROUND, self.job.wish.priority)

    def test_misunderstood(self) -> None:
        """What cannot be understood is refused."""
        for name, value in (
            (b"X-Router-Priority", b"high"),
            (b"X-Router-Deadline", b"soon"),
            (b"X-Router-No-Swap", b"maybe"),
        ):
            reply = self.post(b"/v1/chat/completions", {name: value}, model="m")
            self.assertIn(name.decode(), self.refused(reply, 400, "invalid_request")["message"])

    def test_refused_name(self) -> None:
        """A name may be for requests that want no swap."""
        self.post(b"/v1/chat/completions", model="quiet")
        self.assertTrue(self.job.wish.no_swap)

    def test_stand_in(self) -> None:
        """Or for such as the model in memory can answer as well."""
        self.resident.add(Residency("b"))
        self.post(b"/v1/chat/completions", model="title-1")
        self.assertEqual((Residency("b"), "title-1"), (self.job.residency, self.job.model))
        self.assertEqual([b'{"model": "org/name"}'], self.relay.bodies)
        self.relay.forget()
        self.resident.clear()
        self.post(b"/v1/chat/completions", model="title-1")
        self.assertEqual(Residency("a"), self.job.residency)

    def test_keep_alive(self) -> None:
        """Ollama's clients say how long they want a model kept."""
        turn = [{"role": "user", "content": "hi"}]
        self.post(b"/api/chat", model="m", messages=turn, keep_alive="5m")
        self.assertEqual(300.0, self.job.keep_alive)
        self.relay.forget()
        self.post(b"/v1/chat/completions", model="m", messages=turn, keep_alive="5m")
        self.assertIsNone(self.job.keep_alive)


class GuardedTests(SurfaceCase):
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


class RefusalTests(SurfaceCase):
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

    def test_forbidden_model(self) -> None:
        """A model that may not be used is not, by whatever endpoint."""
        self.forbidden.add("llama:8b")
        for target in (b"/v1/chat/completions", b"/v1/x", b"/v1/messages/count_tokens"):
            reply = self.ask(b"POST", target, b'{"model":"llama:8b"}')
            self.assertEqual(403, reply.status)
        reply = self.post(b"/api/generate", model="LLAMA:8B")
        self.assertEqual((403, "it is elsewhere"), (reply.status, reply.json()["error"]))
        self.assertEqual(([], []), (self.relay.carried, self.leases))

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

    def test_methods(self) -> None:
        """Where a method is wrong the right one is told."""
        for method in (b"GET", b"HEAD", b"PUT", b"DELETE", b"PATCH"):
            for target in (
                b"/v1/chat/completions",
                b"/chat/completions",
                b"/v1/messages",
                b"/v1/messages/count_tokens",
                b"/v1/audio/transcriptions",
                b"/rerank",
                b"/api/chat",
            ):
                reply = self.ask(method, target, b'{"model":"m"}')
                self.assertEqual(405, reply.status)
                self.assertEqual(b"POST", reply.one(b"allow"))
        self.assertEqual([], self.relay.carried)

    def test_paths(self) -> None:
        """Without a model in a body there is nothing at other paths."""
        for target in (b"/v1/files", b"/v1/responses/resp_1", b"/v1/", b"/v2/x", b"/openai/x"):
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
        ):
            self.refused(self.ask(b"POST", target, body), 400, "invalid_path")
        for target in (b"/rerank/../sleep", b"/v2/%2e%2e/sleep"):
            self.refused(self.ask(b"POST", target, body), 400, "invalid_path")
        for target in (b"/sleep", b"/unload", b"/models/unload", b"/V1/model/unload", b"/backend"):
            self.refused(self.ask(b"POST", target, body), 404, "not_found")
        for target in (b"/v1/models/../model/unload", b"/v1/models/%2e%2e/model/unload"):
            self.refused(self.ask(b"POST", target, body), 405, "method_not_allowed")


class CountTokensTests(SurfaceCase):
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
        self.assertIsNone(self.job.beats)

    def test_other_resident(self) -> None:
        """Another engine in memory is left alone."""
        self.resident.add(Residency("b"))
        self.assertIn("input_tokens", self.post(self.target, model="m").json())
        self.assertEqual([], self.relay.carried)
