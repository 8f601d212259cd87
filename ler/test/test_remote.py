"""
Tests for L{ler.engines.remote}.
"""

from __future__ import annotations

import json

from treq.testing import RequestTraversalAgent
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone
from twisted.web.resource import Resource
from zope.interface.verify import verifyObject

from ler.config.model import Remote
from ler.engines.catalog import Catalog, Entry
from ler.engines.control import Control
from ler.engines.remote import ANSWER_S, RemoteEngine
from ler.errors import EngineStartFailed
from ler.interfaces import IEngine, IModelLister
from ler.test.http import FakeAgent
from ler.testing import FakeEngineWatcher
from ler.web.endpoints import Folder
from ler.web.openai import V1, model_listing

URL = "https://far.example"


class RemoteEngineTests(SynchronousTestCase):
    """
    A server that is not ours.
    """

    def setUp(self) -> None:
        """
        Make one that has not answered yet.
        """
        self.clock = Clock()
        self.agent = FakeAgent()
        config = Remote(key="far", base_url=f"{URL}/", health_path="/ping")
        control = Control(URL, self.agent, self.clock, {"Authorization": "Bearer secret"})
        self.engine = RemoteEngine(config, control)

    def answer(self, status: int, body: bytes = b"") -> None:
        """
        The server answers what it was asked last.
        """
        response = self.agent.sent[-1].respond(status)
        response.write(body)
        response.end(ResponseDone())

    def settled(self) -> None:
        """
        Assert that nothing is waited for.
        """
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_interfaces(self) -> None:
        """It is an engine, and knows models."""
        self.assertTrue(verifyObject(IEngine, self.engine))
        self.assertTrue(verifyObject(IModelLister, self.engine))
        self.assertEqual(("far", URL), (self.engine.key, self.engine.base_url))

    def test_up(self) -> None:
        """It is up once it answers, over https and with the configured
        headers, even if it only asks for another key."""
        for status in (200, 204, 302, 401, 404):
            up = self.engine.bring_up(None)
            self.assertNoResult(up)
            sent = self.agent.sent[-1]
            self.assertEqual((b"GET", f"{URL}/ping".encode()), (sent.method, sent.absoluteURI))
            self.assertEqual(["Bearer secret"], sent.headers.getRawHeaders("Authorization"))
            self.answer(status)
            self.assertIsNone(self.successResultOf(up))
        self.settled()

    def test_broken(self) -> None:
        """If it answers with an error of its own, it is not up; the reason
        says what it said, and what to do."""
        up = self.engine.bring_up("m")
        self.answer(502, b"bad gateway")
        message = self.failureResultOf(up, EngineStartFailed).value.message
        self.assertIn("engine far is not there", message)
        self.assertIn(f"{URL}/ping says 'HTTP 502: bad gateway'", message)
        self.assertIn("correct its 'base_url'", message)
        self.settled()

    def test_refused(self) -> None:
        """If nobody is there, it is not up; a later look may find it."""
        up = self.engine.bring_up(None)
        self.agent.sent[-1].fail(ConnectionRefusedError())
        self.failureResultOf(up, EngineStartFailed)
        up = self.engine.bring_up(None)
        self.answer(200)
        self.successResultOf(up)
        self.settled()

    def test_hanging(self) -> None:
        """If it does not answer in time, it is not up."""
        up = self.engine.bring_up(None)
        self.clock.advance(ANSWER_S)
        self.assertIn("no answer", self.failureResultOf(up, EngineStartFailed).value.message)
        self.assertTrue(self.agent.sent[-1].cancelled)
        self.settled()

    def test_cancelled(self) -> None:
        """Who cancels the look takes the question back."""
        up = self.engine.bring_up(None)
        up.cancel()
        self.failureResultOf(up)
        self.assertTrue(self.agent.sent[-1].cancelled)
        self.settled()

    def test_nothing_of_ours(self) -> None:
        """It holds nothing here, so that freeing, closing and leaving it do
        nothing, also when it never answered."""
        self.assertEqual((), self.successResultOf(self.engine.loaded()))
        for give_back in (self.engine.free, self.engine.close, self.engine.leave):
            self.assertIsNone(self.successResultOf(give_back()))
        self.engine.watch(FakeEngineWatcher())
        self.assertIsNone(self.engine.alive())
        self.assertEqual([], self.agent.sent)

    def test_describe(self) -> None:
        """What is shown of it holds no secret."""
        self.assertEqual({"type": "remote", "base_url": URL}, self.engine.describe())

    def test_models(self) -> None:
        """Its models are those of its own listing."""
        listing = self.engine.list_models()
        self.assertEqual(f"{URL}/v1/models".encode(), self.agent.sent[-1].absoluteURI)
        self.answer(200, json.dumps({"data": [{"id": "a"}, {"id": "org/b"}]}).encode())
        self.assertEqual(["a", "org/b"], self.successResultOf(listing))
        self.settled()

    def test_no_models(self) -> None:
        """An empty listing is one; whatever else it says is none."""
        table: list[tuple[int, bytes, list[str] | None]] = [
            (200, b'{"data": []}', []),
            (200, b'{"data": [{"id": 1}, {"id": ""}, {}, "x", {"id": "m"}]}', ["m"]),
            (200, b'{"data": {}}', None),
            (200, b"[]", None),
            (200, b"<html>", None),
            (500, b'{"data": [{"id": "a"}]}', None),
        ]
        for status, body, ids in table:
            listing = self.engine.list_models()
            self.answer(status, body)
            self.assertEqual(ids, self.successResultOf(listing), body)

    def test_models_unknown(self) -> None:
        """If it does not answer, its models are not known."""
        listing = self.engine.list_models()
        self.clock.advance(ANSWER_S)
        self.assertIsNone(self.successResultOf(listing))
        listing = self.engine.list_models()
        self.agent.sent[-1].fail(ConnectionRefusedError())
        self.assertIsNone(self.successResultOf(listing))
        self.settled()


class RouterAsRemoteTests(SynchronousTestCase):
    """
    Another router behind this one.
    """

    def test_router(self) -> None:
        """A router is found up, and lends its models, without starting any of
        its engines."""
        catalog = Catalog([Entry("m", "a", "m.gguf", "M")], {"small": "m"})
        listing = model_listing(catalog, lambda residency: False)
        site = Folder({"v1": V1({b"models": listing}, Resource())})
        control = Control("http://other", RequestTraversalAgent(site), Clock(), {})
        engine = RemoteEngine(Remote(key="other", base_url="http://other"), control)
        self.assertIsNone(self.successResultOf(engine.bring_up(None)))
        self.assertEqual(["m", "small"], self.successResultOf(engine.list_models()))
