# -*- test-case-name: ler.test.test_admin -*-
"""
Tests for L{ler.web.admin}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ler.engines.catalog import Catalog, Entry
from ler.errors import (
    EngineStartFailed,
    EngineStuck,
    InternalError,
    InvalidConfig,
    Paused,
    RouterError,
    UnknownPath,
)
from ler.interfaces import Residency, SettleReport
from ler.slot.options import SlotOptions
from ler.slot.policy import Join
from ler.slot.slots import Slots
from ler.test.http import Client, HeaderPairs, Reply, open_site
from ler.testing import FakeEngine, FakeMemory
from ler.web.admin import REMEMBERED, Jobs, admin_tree
from ler.web.endpoints import Folder

IS_JSON = {b"Content-Type": b"application/json"}


class AdminTests(SynchronousTestCase):
    """
    What the operator may do.
    """

    def setUp(self) -> None:
        """
        Open the site of a router with two rivals and a small engine, which are
        empty.
        """
        self.clock = Clock()
        self.events: list[str] = []
        self.engines = {key: FakeEngine(key, events=self.events) for key in ("a", "b", "small")}
        memory = FakeMemory(SettleReport("settled", 0.5))
        self.slots = Slots(
            {key: self.engines[key] for key in ("a", "b")},
            {Residency("small"): self.engines["small"]},
            make_policy=Join,
            memory=memory,
            private_memory=memory,
            clock=self.clock,
            options=SlotOptions(),
        )
        self.slots.adopt()
        self.wrong: RouterError | None = None
        catalog = Catalog(
            [Entry(f"model-{key}", key, key, key) for key in self.engines], {"alias": "model-b"}
        )
        residencies: dict[str, Residency | None] = {key: Residency(key) for key in self.engines}
        residencies["server"] = None
        tree = admin_tree(
            self.slots, catalog, residencies, self.clock, Jobs(self.clock), self.reload
        )
        self.site = open_site(Folder({"admin": tree}), self.clock)

    def reload(self) -> Deferred[Mapping[str, Any]]:
        """
        @return: what a reload changes.
        """
        self.events.append("reload")
        return succeed({"added": ["engine c"]}) if self.wrong is None else fail(self.wrong)

    def tearDown(self) -> None:
        """
        No client has left anything waiting.
        """
        self.assertEqual([], self.clock.getDelayedCalls())

    def ask(
        self, method: bytes, target: bytes, body: bytes | None = None, headers: HeaderPairs = ()
    ) -> Reply:
        """
        @return: the answer to a request, which comes at once.
        """
        client = Client(self.site)
        client.request(method, target, headers, body)
        reply = client.reply()
        client.leave()
        return reply

    def order(self, target: bytes, **asked: object) -> Reply:
        """
        @return: the answer to an order, which comes at once.
        """
        return self.ask(b"POST", target, json.dumps(asked).encode(), IS_JSON)

    def wait_for(self, target: bytes, **asked: object) -> Client:
        """
        @return: a client that waits until an order is carried out.
        """
        client = Client(self.site)
        client.request(b"POST", target + b"?wait=1", IS_JSON, json.dumps(asked).encode())
        self.assertEqual([], client.replies())
        return client

    def job(self, reply: Reply) -> Any:
        """
        @return: how the job, of which C{reply} told, goes now.
        """
        self.assertEqual(202, reply.status)
        return self.ask(b"GET", b"/admin/jobs/" + reply.json()["job"].encode()).json()

    def refused(self, reply: Reply, status: int, code: str) -> str:
        """
        Assert that an order was refused, and nothing done.

        @return: what the operator is told.
        """
        self.assertEqual((status, code), (reply.status, reply.json()["error"]["code"]))
        self.assertEqual([], self.events)
        message: str = reply.json()["error"]["message"]
        return message

    # Swap.

    def test_swap(self) -> None:
        """An order is taken at once, as a job to be asked about."""
        reply = self.order(b"/admin/swap", model="model-a")
        self.clock.advance(3)
        self.assertEqual(
            {
                "job": reply.json()["job"],
                "what": "swap to a",
                "state": "running",
                "seconds": 3,
                "error": None,
            },
            self.job(reply),
        )
        self.engines["a"].started()
        self.clock.advance(3)
        job = self.job(reply)
        self.assertEqual(("done", 3), (job["state"], job["seconds"]))
        self.assertEqual(["a bring_up"], self.events)

    def test_wait(self) -> None:
        """Who wants to wait is answered when it is done."""
        client = self.wait_for(b"/admin/swap", model="model-a")
        self.clock.advance(2.5)
        self.engines["a"].started()
        reply = client.reply()
        self.assertEqual(200, reply.status)
        self.assertEqual(("done", 2.5), (reply.json()["state"], reply.json()["seconds"]))
        client.leave()

    def test_there_already(self) -> None:
        """What is there already is done at once."""
        self.order(b"/admin/swap", model="model-a")
        self.engines["a"].started()
        self.assertEqual("done", self.job(self.order(b"/admin/swap", engine="a"))["state"])
        self.assertEqual(["a bring_up"], self.events)

    def test_alias(self) -> None:
        """A model may be named by an alias."""
        self.assertEqual("swap to b", self.order(b"/admin/swap", model="alias").json()["what"])

    def test_engine(self) -> None:
        """An engine may be named by its key, which goes before a model."""
        self.order(b"/admin/swap", engine="small", model="model-a")
        self.assertEqual(["small bring_up"], self.events)

    def test_unknown(self) -> None:
        """What is not there is told, with what is."""
        message = self.refused(self.order(b"/admin/swap", model="model"), 404, "model_not_found")
        self.assertIn("model-a", message)
        message = self.refused(self.order(b"/admin/swap", engine="A"), 404, "model_not_found")
        self.assertEqual("there is no engine 'A'; there are a, b, small, server", message)
        self.refused(self.order(b"/admin/swap", engine="model-a"), 404, "model_not_found")

    def test_engine_of_several_models(self) -> None:
        """An engine that holds one of several models does not say which."""
        message = self.refused(self.order(b"/admin/swap", engine="server"), 400, "invalid_request")
        self.assertEqual("engine server holds one of several models: name the 'model'", message)

    def test_nothing_named(self) -> None:
        """An order has to name something."""
        nothing: list[dict[str, object]] = [
            {},
            {"model": ""},
            {"model": " "},
            {"model": None},
            {"model": 5},
            {"model": ["a"]},
            {"engine": None, "model": "model-a"},
            {"engine": {}},
        ]
        for asked in nothing:
            self.refused(self.order(b"/admin/swap", **asked), 400, "invalid_request")
        self.refused(self.order(b"/admin/swap", model="\ud800"), 404, "model_not_found")

    def test_failure(self) -> None:
        """A job tells why it failed."""
        reply = self.order(b"/admin/swap", engine="a")
        self.engines["a"].start_failed(EngineStartFailed("exit code 1: no such file"))
        self.engines["a"].freed()
        job = self.job(reply)
        self.assertEqual("failed", job["state"])
        self.assertEqual(
            {"message": "exit code 1: no such file", "code": "engine_start_failed"}, job["error"]
        )

    def test_failure_waited_for(self) -> None:
        """Who waits for it is answered with the status of the failure."""
        client = self.wait_for(b"/admin/swap", engine="a")
        self.engines["a"].start_failed(EngineStartFailed("exit code 1"))
        self.engines["a"].freed()
        self.assertEqual(502, client.reply().status)
        self.assertEqual("engine_start_failed", client.reply().json()["error"]["code"])
        client.leave()

    def test_overtaken(self) -> None:
        """A later order takes the place of one that is not carried out."""
        first = self.order(b"/admin/swap", engine="a")
        second = self.order(b"/admin/swap", engine="b")
        self.assertEqual("withdrawn", self.job(first)["error"]["code"])
        self.assertEqual("running", self.job(second)["state"])

    def test_leaving(self) -> None:
        """Who leaves while waiting stops nothing."""
        self.wait_for(b"/admin/swap", engine="a").leave()
        self.assertEqual(["a bring_up"], self.events)
        self.engines["a"].started()
        (job,) = self.ask(b"GET", b"/admin/jobs").json()["jobs"]
        self.assertEqual("done", job["state"])

    # Unload, pause, resume.

    def test_unload(self) -> None:
        """Every engine gives its memory back."""
        for key in ("a", "small"):
            self.order(b"/admin/swap", engine=key)
            self.engines[key].started()
        client = self.wait_for(b"/admin/unload")
        self.engines["a"].freed()
        self.assertEqual([], client.replies())
        self.engines["small"].freed()
        self.assertEqual("unload", client.reply().json()["what"])
        client.leave()

    def test_unload_fails(self) -> None:
        """An engine that would not go is told of."""
        self.order(b"/admin/swap", engine="small")
        self.engines["small"].started()
        client = self.wait_for(b"/admin/unload")
        self.engines["small"].free_failed(EngineStuck("it would not go", retry_after=5))
        self.assertEqual("engine_stuck", client.reply().json()["error"]["code"])
        client.leave()
        self.clock.advance(5)
        self.engines["small"].freed()

    def test_pause(self) -> None:
        """During a pause all requests are refused, with the reason."""
        self.assertEqual("done", self.job(self.order(b"/admin/pause", reason="I play"))["state"])
        refusal = self.failureResultOf(self.slots.acquire(Residency("a")), Paused).value
        self.assertIn("I play", str(refusal))
        self.failureResultOf(self.slots.acquire(Residency("small")), Paused)
        self.assertEqual({"resumed": True}, self.order(b"/admin/resume").json())
        self.assertNoResult(self.slots.acquire(Residency("a")))
        self.assertEqual(["a bring_up"], self.events)

    def test_pause_frees(self) -> None:
        """A pause begins when the memory is free."""
        self.order(b"/admin/swap", engine="a")
        self.engines["a"].started()
        reply = self.order(b"/admin/pause")
        self.assertEqual("running", self.job(reply)["state"])
        self.engines["a"].freed()
        self.assertEqual("done", self.job(reply)["state"])

    def test_pause_reason(self) -> None:
        """A reason is a text; there is one for those who give none."""
        reason: object
        for reason in (None, "", " ", 5, []):
            self.refused(self.order(b"/admin/pause", reason=reason), 400, "invalid_request")
        self.order(b"/admin/pause")
        self.assertIn("operator", self.slots.describe()[0]["paused"])

    def test_resume_what_was_not_paused(self) -> None:
        """To resume is no harm at any time."""
        self.assertEqual(200, self.order(b"/admin/resume").status)

    # What is accepted.

    def test_empty_bodies(self) -> None:
        """Orders that need no words need no body."""
        for body in (None, b"", b" ", b"{}"):
            self.assertEqual(202, self.ask(b"POST", b"/admin/unload", body, IS_JSON).status)

    def test_content_type(self) -> None:
        """An order is declared as JSON, which no form on a web page can do."""
        body = b'{"engine": "a"}'
        for kind in (
            None,
            b"",
            b"text/plain",
            b"text/plain; application/json",
            b"application/x-www-form-urlencoded",
            b"multipart/form-data; boundary=application/json",
            b"application/jsonx",
            b"application/json\xff",
        ):
            headers = {} if kind is None else {b"Content-Type": kind}
            for name in (b"swap", b"unload", b"pause", b"resume", b"reload"):
                reply = self.ask(b"POST", b"/admin/" + name, body, headers)
                self.refused(reply, 415, "unsupported_media_type")
        kinds = {b"Content-Type": b"Application/JSON; charset=utf-8"}
        self.assertEqual(202, self.ask(b"POST", b"/admin/swap", body, kinds).status)

    def test_bad_json(self) -> None:
        """What is no JSON object is refused."""
        for body in (b"{", b"[]", b'"a"', b"null", b"\xff", b"[" * 200_000, b'{"engine": "a"} x'):
            for name in (b"swap", b"unload", b"pause", b"resume", b"reload"):
                reply = self.ask(b"POST", b"/admin/" + name, body, IS_JSON)
                self.refused(reply, 400, "invalid_json")

    def test_methods(self) -> None:
        """Orders are given by POST, jobs are looked at."""
        for name in (b"swap", b"unload", b"pause", b"resume", b"reload"):
            for method in (b"GET", b"HEAD", b"PUT"):
                reply = self.ask(method, b"/admin/" + name, b"{}", IS_JSON)
                self.assertEqual((405, b"POST"), (reply.status, reply.one(b"allow")))
        reply = self.ask(b"POST", b"/admin/jobs", b"{}", IS_JSON)
        self.assertEqual((405, b"GET, HEAD"), (reply.status, reply.one(b"allow")))
        self.assertEqual([], self.events)

    def test_paths(self) -> None:
        """There is nothing else."""
        for target in (b"/admin", b"/admin/", b"/admin/x", b"/admin/swap/a", b"/admin/unload/x"):
            self.refused(self.ask(b"POST", target, b'{"engine":"a"}', IS_JSON), 404, "not_found")

    # Reload.

    def test_reload(self) -> None:
        """The configuration is read anew, and what has changed is told."""
        reply = self.order(b"/admin/reload")
        self.assertEqual((200, {"added": ["engine c"]}), (reply.status, reply.json()))
        self.assertEqual(["reload"], self.events)

    def test_wrong(self) -> None:
        """What is wrong with the configuration is told."""
        self.wrong = InvalidConfig("config.yaml:3: prot: is no key")
        reply = self.order(b"/admin/reload")
        self.assertEqual(400, reply.status)
        self.assertIn("config.yaml:3", reply.json()["error"]["message"])

    # Jobs.

    def test_list(self) -> None:
        """The last jobs are listed, the newest first."""
        self.assertEqual({"jobs": []}, self.ask(b"GET", b"/admin/jobs").json())
        self.order(b"/admin/swap", engine="a")
        self.order(b"/admin/unload")
        jobs = self.ask(b"GET", b"/admin/jobs/").json()["jobs"]
        self.assertEqual(["unload", "swap to a"], [job["what"] for job in jobs])

    def test_unknown_job(self) -> None:
        """A job that nobody knows is not found."""
        for id in (b"x", b"x/y", b"%ff", b"x" * 999):
            reply = self.ask(b"GET", b"/admin/jobs/" + id)
            expected = 400 if b"%" in id else 404
            self.assertEqual(expected, reply.status)
            self.assertLess(len(reply.body), 300)


class JobsTests(SynchronousTestCase):
    """
    Jobs, and how long they are remembered.
    """

    def setUp(self) -> None:
        """
        Nothing was asked for yet.
        """
        self.jobs = Jobs(Clock())

    def test_forgotten(self) -> None:
        """Only the last jobs are remembered."""
        ids = [self.jobs.run("x", Deferred())[0].id for _ in range(REMEMBERED + 1)]
        self.assertRaises(UnknownPath, self.jobs.get, ids[0])
        for id in ids[1:]:
            self.assertEqual(id, self.jobs.get(id).id)
        self.assertEqual(REMEMBERED, len(self.jobs.describe()))

    def test_forgotten_job_ends(self) -> None:
        """A job that is forgotten may end."""
        work: Deferred[None] = Deferred()
        _, ended = self.jobs.run("x", work)
        for _ in range(REMEMBERED):
            self.jobs.run("y", Deferred())
        work.callback(None)
        self.successResultOf(ended)

    def test_bug(self) -> None:
        """Work that fails as nobody foresaw fails its job, not the router."""
        work: Deferred[None] = Deferred()
        job, ended = self.jobs.run("x", work)
        work.errback(Failure(ZeroDivisionError("a bug")))
        self.successResultOf(ended)
        self.assertEqual("failed", job.state)
        self.assertIsInstance(job.error, InternalError)
        self.assertNotIn("a bug", str(job.error))
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_not_cancelled(self) -> None:
        """Who stops waiting for the end of a job does not stop the job."""
        cancelled: list[object] = []
        work: Deferred[None] = Deferred(cancelled.append)
        job, ended = self.jobs.run("x", work)
        ended.addErrback(lambda _: None)
        ended.cancel()
        self.assertEqual([], cancelled)
        work.callback(None)
        self.assertEqual("done", job.state)
