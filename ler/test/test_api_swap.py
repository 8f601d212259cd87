# -*- test-case-name: ler.test.test_api_swap -*-
"""
Tests for L{ler.engines.api_swap}: dialects that a test makes up, and those of
the presets against stand-ins of their servers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.trial.unittest import SkipTest, SynchronousTestCase
from twisted.web.iweb import IAgent
from twisted.web.server import Request
from zope.interface import implementer
from zope.interface.verify import verifyObject

import ler
from ler.config import load
from ler.config.model import ApiSwap
from ler.engines.api_swap import ApiSwapServer, entries
from ler.engines.control import Control, Reply
from ler.errors import Refused, RouterError, Unavailable, Unreachable, UpstreamError
from ler.interfaces import IModelServer, LoadedModel
from ler.test.backends import lmstudio, localai, tabbyapi
from ler.test.backends.model_server import TOO_LARGE, Answer, ModelServer

PRESETS = Path(ler.__file__).parents[1] / "presets"


def preset(name: str) -> Any:
    """
    @return: the one engine of a preset.
    """
    path = PRESETS / f"{name}.yaml"
    if not path.exists():
        raise SkipTest("there are no presets beside an installed package")
    (engine,) = load(str(path), {}).config.engines.values()
    return engine


class EntriesTests(SynchronousTestCase):
    """
    L{entries}
    """

    def test_shapes(self) -> None:
        """Lists are gone through; lone objects count as lists of one."""
        nested = {"models": [{"key": "a", "is": [1, 2]}, {"key": "b", "is": []}]}
        for document, path, found in [
            ({"models": ["a", "b"]}, "models", ["a", "b"]),
            ({"models": ["a"]}, "models[]", ["a"]),
            ({"models": {"id": 1}}, "models", [{"id": 1}]),
            ({"models": None}, "models", []),
            ({"id": 1}, "", [{"id": 1}]),
            ([1, 2], "", [1, 2]),
            ({"a": {"b": [1]}}, "a.b", [1]),
            (nested, "models[].is[]", [1, 2]),
        ]:
            self.assertEqual(found, [chain[-1] for chain in entries(document, path)], path)

    def test_around(self) -> None:
        """The entries around one come with it."""
        around = {"key": "a", "is": [1]}
        document = {"models": [around]}
        self.assertEqual([(document, around, 1)], list(entries(document, "models[].is[]")))

    def test_other_shapes(self) -> None:
        """What is not there is no empty list."""
        for document, path in [
            ({}, "models"),
            ([], "models"),
            ("models", "models"),
            ({"models": [{}]}, "models[].is[]"),
        ]:
            with self.assertRaises(LookupError):
                entries(document, path)


class Played(ModelServer):
    """
    A server that answers everything as the test says.

    @ivar answer: status and JSON.
    @ivar sent: query, headers and body of each request.
    """

    def __init__(self) -> None:
        super().__init__(Clock())
        self.answer: Answer = (200, {})
        self.sent: list[tuple[bytes, Any, dict[str, Any]]] = []

    def unknown(self, request: Request, body: dict[str, Any]) -> Answer:
        """
        @see: L{ModelServer.unknown}
        """
        self.sent.append((request.uri, request.requestHeaders, body))
        return self.answer


@implementer(IAgent)
class Nobody:
    """
    An agent that finds nobody listening.
    """

    def request(self, *arguments: object) -> Deferred[Any]:
        """
        @see: L{IAgent.request}
        """
        return fail(ConnectionRefusedError())


class ServerCase(SynchronousTestCase):
    """
    Tests of a server in memory.
    """

    def setUp(self) -> None:
        """
        Make a clock.
        """
        self.clock = Clock()

    def tearDown(self) -> None:
        """
        Nothing is left to happen.
        """
        self.assertEqual([], self.clock.getDelayedCalls())

    def talk(self, config: ApiSwap, resource: ModelServer) -> ApiSwapServer:
        """
        @return: C{resource} as the router sees it, by C{config}.
        """
        self.resource = resource
        self.agent = RequestTraversalAgent(resource)
        return self.over(self.agent, config)

    def over(self, agent: Any, config: ApiSwap) -> ApiSwapServer:
        """
        @return: what C{agent} leads to, as the router sees it.
        """
        control = Control(config.base_url, agent, self.clock, config.control_headers)
        self.server = ApiSwapServer(config, control)
        return self.server

    def wait(self, seconds: float) -> None:
        """
        Let time pass, and what was sent meanwhile arrive.
        """
        self.clock.advance(seconds)
        self.agent.flush()

    def held(self) -> list[str]:
        """
        @return: the ids of what the server says that it holds.
        """
        models: list[LoadedModel] = self.successResultOf(self.server.loaded())
        return [model.id for model in models]

    def words(self, failing: Deferred[Any], kind: type[RouterError] = UpstreamError) -> str:
        """
        @return: why something failed.
        """
        return str(self.failureResultOf(failing, kind).value)


class DialectTests(ServerCase):
    """
    L{ApiSwapServer}, as configured
    """

    def make(self, **settings: Any) -> Played:
        """
        @return: a server that is told with these settings.
        """
        config = ApiSwap(key="e", base_url="http://127.0.0.1:8000", **settings)
        played = Played()
        self.talk(config, played)
        return played

    def test_interface(self) -> None:
        """It is a server of models."""
        self.make()
        verifyObject(IModelServer, self.server)

    def test_load_request(self) -> None:
        """The model is put where its place is held, however deep."""
        played = self.make(
            load_path="/load/{model}",
            load_query={"m": "{model}"},
            load_headers={"X-Step": "s"},
            load_body={"a": [{"m": "<{model}>"}], "n": 1, "id": "{id}"},
            loaded_path="/ps",
        )
        self.successResultOf(self.server.load("o/m"))
        ((uri, headers, body),) = played.sent
        self.assertEqual(b"/load/o%2Fm?m=o%2Fm", uri)
        self.assertEqual(["s"], headers.getRawHeaders("X-Step"))
        self.assertEqual({"a": [{"m": "<o/m>"}], "n": 1, "id": "{id}"}, body)

    def test_unload_request(self) -> None:
        """What is unloaded goes by its id."""
        played = self.make(
            unload_path="/{id}",
            unload_method="DELETE",
            unload_query={"q": "{model}"},
            unload_headers={"X-Step": "u"},
            unload_body={"m": "{id}"},
        )
        self.successResultOf(self.server.unload(LoadedModel("m", "i")))
        ((uri, headers, body),) = played.sent
        self.assertEqual((b"/i?q=i", {"m": "i"}), (uri, body))
        self.assertEqual(["u"], headers.getRawHeaders("X-Step"))
        self.assertEqual(["DELETE /i"], played.asked)

    def test_failures(self) -> None:
        """Errors are found behind a good status, and inside of events."""
        played = self.make(load_path="/load", unload_path="/unload", loaded_path="/ps")
        for answer, words in [
            ((400, {}), "HTTP 400"),
            ((200, {"error": "no"}), "no"),
            ((200, {"error": {"message": "boom", "trace": "..."}}), "boom"),
            ((200, 'data: {"x": 1}\n\ndata: {"error": {"message": "boom"}}\n\n'), "boom"),
        ]:
            played.answer = answer
            self.assertIn(f"/load failed: {words}", self.words(self.server.load("m")))
            unloading = self.server.unload(LoadedModel("m", "m"))
            self.assertIn(f"/unload failed: {words}", self.words(unloading))

    def test_successes(self) -> None:
        """Whatever else a server says to a load is fine."""
        played = self.make(load_path="/load", loaded_path="/ps")
        for answer in [(200, {}), (204, None), (200, {"error": None}), (200, 'data: {"x": 1}\n\n')]:
            played.answer = answer
            self.successResultOf(self.server.load("m"))

    def test_checks(self) -> None:
        """What an answer must show may be configured."""
        checks = {"load_check": "success==true", "unload_check": "success==true"}
        played = self.make(load_path="/load", unload_path="/unload", loaded_path="/ps", **checks)
        model = LoadedModel("m", "m")
        for answer in [(200, {"success": False}), (200, {}), (200, "data: 1\n\n")]:
            played.answer = answer
            self.assertIn("success is", self.words(self.server.load("m")))
            self.assertIn("success is", self.words(self.server.unload(model)))
        for answer in [(200, {"success": True}), (200, 'data: {"success": true}\n\n')]:
            played.answer = answer
            self.successResultOf(self.server.load("m"))
            self.successResultOf(self.server.unload(model))

    def test_nothing_to_unload(self) -> None:
        """Some statuses mean that nothing was loaded; so does a closed port."""
        played = self.make(unload_path="/unload", unloaded_statuses=(404,))
        model = LoadedModel("m", "m")
        played.answer = (404, {"error": "not loaded"})
        self.successResultOf(self.server.unload(model))
        config = ApiSwap(key="e", base_url="http://127.0.0.1:8000", unload_path="/unload")
        self.successResultOf(self.over(Nobody(), config).unload(model))

    def test_no_way_to_unload(self) -> None:
        """Without a request for it nothing is unloaded, and that is said."""
        self.make()
        self.assertIn("unload_path", self.words(self.server.unload(LoadedModel("m", "m"))))

    def test_loaded(self) -> None:
        """The list is read as configured."""
        played = self.make(
            load_path="/load",
            loaded_path="/ps",
            loaded_headers={"X-Step": "l"},
            loaded_models_key="data",
            loaded_name_key="model",
            loaded_id_key="pid",
            loaded_filter="state==loaded",
        )
        loaded = {"model": "m", "pid": 7, "state": "loaded"}
        played.answer = (200, {"data": [loaded, {**loaded, "state": "idle"}, "m"]})
        self.assertEqual([LoadedModel("m", "7")], self.successResultOf(self.server.loaded()))
        self.assertEqual(["l"], played.sent[0][1].getRawHeaders("X-Step"))

    def test_names_only(self) -> None:
        """A list may hold nothing but names."""
        played = self.make(loaded_path="/ps")
        played.answer = (200, {"models": ["m", "n"]})
        self.assertEqual(["m", "n"], self.held())

    def test_empty(self) -> None:
        """Some statuses mean that nothing is loaded."""
        played = self.make(loaded_path="/ps", loaded_empty_statuses=(503,))
        played.answer = (503, {"detail": "No models are currently loaded."})
        self.assertEqual([], self.held())

    def test_unknown(self) -> None:
        """What cannot be read is no empty list."""
        played = self.make(loaded_path="/ps")
        for answer in [
            (200, {"error": "Unexpected endpoint"}),
            (200, {"models": [{"id": "m"}]}),
            (200, {"models": [3]}),
            (200, "data: 1\n\n"),
            (404, {"models": []}),
        ]:
            played.answer = answer
            self.assertIn("/ps does not say", self.words(self.server.loaded()))

    def test_tracked(self) -> None:
        """Without a list the router knows what it loaded itself."""
        played = self.make(load_path="/load", unload_path="/unload")
        self.successResultOf(self.server.load("m"))
        self.assertEqual(["m"], self.held())
        played.answer = (500, {"error": "no"})
        self.failureResultOf(self.server.load("n"))
        self.failureResultOf(self.server.unload(LoadedModel("m", "m")))
        self.assertEqual(["m"], self.held())
        played.answer = (200, {})
        self.successResultOf(self.server.unload(LoadedModel("m", "m")))
        self.assertEqual([], self.held())

    def test_tracked_until_down(self) -> None:
        """A server that went down has forgotten everything."""
        self.make(load_path="/load")
        self.successResultOf(self.server.load("m"))
        self.patch(self.server._control, "ask", lambda *_, **__: fail(Refused("refused")))
        self.failureResultOf(self.server.loaded(), Refused)
        self.patch(self.server._control, "ask", self.reply)
        self.assertEqual([], self.held())

    def reply(self, *arguments: object, **more: object) -> Deferred[Reply]:
        """
        @return: a good answer to anything.
        """
        answer: Deferred[Reply] = Deferred()
        answer.callback(Reply(200, "{}"))
        return answer

    def test_loads_by_itself(self) -> None:
        """A server that loads with the first request is not told to load, and
        what it lists counts."""
        played = self.make(unload_path="/unload", loaded_path="/ps", loaded_id_key="id")
        self.successResultOf(self.server.load("m"))
        self.assertEqual([], played.asked)
        played.answer = (200, {"models": []})
        self.assertEqual(["m"], self.held())
        played.answer = (200, {"models": [{"name": "m", "id": "m:1"}]})
        self.assertEqual(["m:1"], self.held())

    def test_up(self) -> None:
        """It is up when its health path shows what it must."""
        played = self.make(ready_check="ok==true")
        self.assertFalse(self.successResultOf(self.server.is_up()))
        played.answer = (200, {"ok": True})
        self.assertTrue(self.successResultOf(self.server.is_up()))
        self.assertEqual(["GET /v1/models"] * 2, played.asked)
        config = ApiSwap(key="e", base_url="http://127.0.0.1:8000")
        self.assertFalse(self.successResultOf(self.over(Nobody(), config).is_up()))

    def test_completion(self) -> None:
        """A completion can be asked for only when a model is there."""
        played = self.make(load_path="/load", ready_check="completion", loaded_path="/ps")
        self.assertTrue(self.successResultOf(self.server.is_up()))
        self.successResultOf(self.server.load("m"))
        self.assertEqual("POST /v1/chat/completions", played.asked[-1])
        self.assertEqual("m", played.sent[-1][2]["model"])
        played.routes["POST /v1/chat/completions"] = lambda request, body: (500, {})
        self.assertIn("cannot answer", self.words(self.server.load("m")))

    def test_list_models(self) -> None:
        """All models are listed, each once."""
        played = self.make()
        played.answer = (200, {"data": [{"id": "m"}, {"id": "n", "name": "n"}]})
        self.assertEqual(["m", "n"], self.successResultOf(self.server.list_models()))
        played.answer = (500, {})
        self.failureResultOf(self.server.list_models(), UpstreamError)


class TabbyAPITests(ServerCase):
    """
    The preset for TabbyAPI
    """

    def setUp(self) -> None:
        """
        Loads take 5 seconds.
        """
        super().setUp()
        self.talk(preset("tabbyapi"), tabbyapi.TabbyAPI(self.clock, load_s=5.0))
        self.model = tabbyapi.MODELS[0]

    def load(self, model: str) -> Deferred[None]:
        """
        @return: a load that has had its time.
        """
        loading = self.server.load(model)
        self.agent.flush()
        self.assertNoResult(loading)
        self.wait(5)
        return loading

    def test_swap(self) -> None:
        """A model is loaded and unloaded; without one the server is up."""
        self.assertTrue(self.successResultOf(self.server.is_up()))
        self.assertEqual([], self.held())
        self.successResultOf(self.load(self.model))
        self.assertEqual([self.model], self.held())
        self.successResultOf(self.server.unload(LoadedModel(self.model, self.model)))
        self.assertEqual([], self.held())

    def test_nothing_to_unload(self) -> None:
        """Its 503 means that nothing was loaded."""
        self.successResultOf(self.server.unload(LoadedModel(self.model, self.model)))

    def test_error_in_events(self) -> None:
        """An error within a 200 is one."""
        self.assertIn("CUDA out of memory", self.words(self.load(TOO_LARGE)))

    def test_unknown_model(self) -> None:
        """A model that it does not have is a failure."""
        self.assertIn("model path", self.words(self.server.load("other")))

    def test_given_up(self) -> None:
        """A load goes on when nobody waits; until its end nothing is known."""
        loading = self.server.load(self.model)
        loading.cancel()
        self.failureResultOf(loading, CancelledError)
        self.assertIn(f"loading {self.model}", self.words(self.server.loaded(), Unavailable))
        self.wait(5)
        self.assertEqual([self.model], self.held())

    def test_list_models(self) -> None:
        """With the administrator's key all models are listed."""
        self.assertEqual(list(tabbyapi.MODELS), self.successResultOf(self.server.list_models()))


class LMStudioTests(ServerCase):
    """
    The preset for LM Studio
    """

    def setUp(self) -> None:
        """
        Loads take no time.
        """
        super().setUp()
        self.studio = lmstudio.LMStudio(self.clock)
        self.talk(preset("lmstudio"), self.studio)
        self.model = lmstudio.MODELS[0]

    def load(self, model: str) -> Deferred[None]:
        """
        @return: a load that has had its time.
        """
        loading = self.server.load(model)
        self.wait(0)
        return loading

    def test_swap(self) -> None:
        """Instances are loaded and unloaded."""
        self.assertTrue(self.successResultOf(self.server.is_up()))
        for _ in range(2):
            self.successResultOf(self.load(self.model))
        first, second = self.successResultOf(self.server.loaded())
        self.assertEqual([self.model] * 2, [first.name, second.name])
        self.successResultOf(self.server.unload(second))
        self.assertEqual([self.model], self.held())
        self.successResultOf(self.server.unload(first))
        self.assertEqual([], self.held())

    def test_failures(self) -> None:
        """What it refuses fails."""
        self.assertIn("insufficient system resources", self.words(self.load(TOO_LARGE)))
        self.assertIn("not found", self.words(self.server.load("other")))

    def test_other_version(self) -> None:
        """A path that it does not know, answered with 200, is no success."""
        self.studio.routes = {}
        unexpected = "Unexpected endpoint"
        self.assertFalse(self.successResultOf(self.server.is_up()))
        self.assertIn(unexpected, self.words(self.server.load(self.model)))
        self.assertIn(unexpected, self.words(self.server.loaded()))
        unloading = self.server.unload(LoadedModel(self.model, self.model))
        self.assertIn(unexpected, self.words(unloading))


class LocalAITests(ServerCase):
    """
    The preset for LocalAI
    """

    def setUp(self) -> None:
        """
        Loads take no time.
        """
        super().setUp()
        self.local = localai.LocalAI(self.clock)
        self.talk(preset("localai"), self.local)
        self.model = localai.MODELS[0]

    def load(self, model: str) -> Deferred[None]:
        """
        @return: a load that has had its time.
        """
        loading = self.server.load(model)
        self.wait(0)
        return loading

    def test_swap(self) -> None:
        """Models are loaded and unloaded."""
        self.assertTrue(self.successResultOf(self.server.is_up()))
        self.successResultOf(self.load(self.model))
        self.assertEqual([self.model], self.held())
        for _ in range(2):
            self.successResultOf(self.server.unload(LoadedModel(self.model, self.model)))
        self.assertEqual([], self.held())

    def test_back_off(self) -> None:
        """After a failure the server is asked when it wants to be, and once."""
        self.local.fail = 1
        self.assertIn("failed to load model", self.words(self.load(self.model)))
        loading = self.server.load(self.model)
        self.wait(9)
        self.assertNoResult(loading)
        self.wait(1)
        self.wait(0)
        self.successResultOf(loading)
        self.assertEqual(3, self.local.asked.count("POST /backend/load"))

    def test_back_off_without_end(self) -> None:
        """A pause that is longer than there is time is told."""
        for _ in range(7):
            self.local.fail = 1
            self.failureResultOf(self.load(self.model))
            self.clock.advance(300)
        self.local.fail = 1
        self.failureResultOf(self.load(self.model))
        failure = self.failureResultOf(self.server.load(self.model), UpstreamError)
        self.assertEqual(300, failure.value.retry_after)

    def test_back_off_given_up(self) -> None:
        """When nobody waits any more, the server is not asked again."""
        self.local.fail = 1
        self.failureResultOf(self.load(self.model))
        loading = self.server.load(self.model)
        loading.cancel()
        self.failureResultOf(loading, CancelledError)
        self.assertEqual([], self.held())

    def test_silence(self) -> None:
        """A load without an answer ends in time; it may have happened."""
        self.local.load_s = 1000.0
        loading = self.server.load(self.model)
        self.clock.advance(300)
        self.failureResultOf(loading, Unreachable)
        self.assertEqual([], self.held())
        self.wait(700)
        self.assertEqual([self.model], self.held())
