# -*- test-case-name: ler.test.test_ctl -*-
"""
What the tests of C{routerctl} have in common: a router in memory, which a
blocking client can talk to.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from zope.interface import implementer

from ler.ctl import main
from ler.engines.catalog import Catalog, Entry, Owner
from ler.engines.listing import Listing
from ler.interfaces import IModelLister, Residency, SettleReport
from ler.metrics import Metrics
from ler.slot.options import SlotOptions
from ler.slot.policy import Fifo
from ler.slot.slots import Slots
from ler.test.http import Client, FakeAgent, open_site
from ler.testing import FakeEngine, FakeMemory, FakeStateStore
from ler.upstream import Upstream
from ler.web.admin import Jobs, admin_tree
from ler.web.admin_discover import discover_endpoint
from ler.web.admin_explain import Explainer, explain_endpoint
from ler.web.admin_history import history_endpoint
from ler.web.endpoints import Folder
from ler.web.openai import V1, model_listing
from ler.web.site import RouterSite
from ler.web.status import Status, status_endpoints

URL = "http://127.0.0.1:8077"


class Answer:
    """
    An answer, as far as L{ler.ctl.client} makes use of one.
    """

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self._body = body

    def read(self) -> bytes:
        """
        @return: the body.
        """
        return self._body

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body.splitlines(keepends=True))

    def close(self) -> None:
        """
        Nothing is open.
        """


class Connection:
    """
    A connection to a site in memory, or to whatever answers in its place.

    @ivar sock: none: nothing can be silent for too long.
    """

    sock = None

    def __init__(self, answer: Callable[[str, str, str | None, Mapping[str, str]], Answer]) -> None:
        """
        @param answer: from method, target, body and headers to the answer.
        """
        self._answer = answer

    def request(
        self, method: str, target: str, body: str | None, headers: Mapping[str, str]
    ) -> None:
        """
        Send a request.
        """
        self._sent = (method, target, body, headers)

    def getresponse(self) -> Answer:
        """
        @return: the answer to it.
        """
        return self._answer(*self._sent)


def ask_site(
    site: RouterSite, method: str, target: str, body: str | None, headers: Mapping[str, str]
) -> Answer:
    """
    @return: what C{site} answers at once.
    """
    client = Client(site)
    pairs = {name.encode(): value.encode() for name, value in headers.items()}
    client.request(method.encode(), target.encode(), pairs, (body or "").encode())
    reply = client.reply()
    client.leave()
    return Answer(reply.status, reply.body)


class Screen(io.StringIO):
    """
    A terminal, or something that is none.
    """

    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        """
        @return: whether it is one.
        """
        return self._is_terminal


class CommandCase(SynchronousTestCase):
    """
    A command that is run without a router, or with something that answers in
    its place.

    @ivar environ: its environment.
    @ivar asked: methods and targets that it has asked for.
    @ivar canned: answers by method and target; what is not here is 404.
    @ivar waits: what happens while it waits, one after the other.
    """

    def setUp(self) -> None:
        """
        Nothing has happened yet.
        """
        self.environ = {"HOME": "/nowhere", "XDG_CONFIG_HOME": "/nowhere", "ROUTER_URL": URL}
        self.asked: list[str] = []
        self.sent: list[tuple[str | None, Mapping[str, str]]] = []
        self.canned: dict[str, Answer | BaseException] = {}
        self.waits: list[Callable[[], object]] = []
        self.places: list[str] = []
        self.out = self.err = ""

    def answer(
        self, method: str, target: str, body: str | None, headers: Mapping[str, str]
    ) -> Answer:
        """
        @return: what the command is answered.
        """
        self.asked.append(f"{method} {target}")
        self.sent.append((body, headers))
        answer = self.canned.get(f"{method} {target}", Answer(404, b"<html>"))
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def wait(self, seconds: float) -> None:
        """
        What comes next happens.
        """
        self.waits.pop(0)()

    def run_command(self, *argv: str, terminal: bool = False) -> int:
        """
        Run the command; L{out} and L{err} hold what it says.

        @param terminal: whether it writes to one.
        @return: its exit status.
        """
        out, err = Screen(terminal), Screen(terminal)

        def connect(url: str, timeout: float) -> Connection:
            self.places.append(url)
            return Connection(self.answer)

        try:
            return main(
                argv, environ=self.environ, out=out, err=err, sleep=self.wait, connect=connect
            )
        finally:
            self.out, self.err = out.getvalue(), err.getvalue()

    def said(self, *argv: str) -> str:
        """
        @return: what the command says, which is done and complains of nothing.
        """
        self.assertEqual((0, ""), (self.run_command(*argv), self.err))
        return self.out

    def told(self, *argv: str) -> Any:
        """
        @return: what it says in JSON, likewise.
        """
        return json.loads(self.said("--json", *argv))

    def complaint(self, status: int, *argv: str) -> str:
        """
        @param status: the exit status of the command.
        @return: what it complains of.
        """
        self.assertEqual(status, self.run_command(*argv), self.err)
        return self.err

    def write(self, text: str) -> str:
        """
        @return: a file that holds C{text}.
        """
        path: str = self.mktemp()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path


@implementer(IModelLister)
class FakeLister:
    """
    Has models to tell of.
    """

    def __init__(self, ids: list[str] | None) -> None:
        self.ids = ids

    def list_models(self) -> Deferred[list[str] | None]:
        """
        @see: L{IModelLister.list_models}
        """
        return succeed(self.ids)


class TellingMemory(FakeMemory):
    """
    Memory that says how much of it is free.
    """

    def describe(self) -> dict[str, Any]:
        """
        @see: L{FakeMemory.describe}
        """
        return {"free": {"mem": 3 << 30}}


class RouterCommandCase(CommandCase):
    """
    A command that talks to a router: two engines are rivals, a third one is
    small.

    @ivar engines: the engines, by key.
    @ivar events: what was asked of them.
    """

    def setUp(self) -> None:
        """
        Nothing is in memory.
        """
        super().setUp()
        self.clock = Clock()
        self.events: list[str] = []
        self.engines = {key: FakeEngine(key, events=self.events) for key in ("a", "b", "small")}
        self.memory = TellingMemory(SettleReport("settled", 0.5))
        self.slots = Slots(
            {key: self.engines[key] for key in ("a", "b")},
            {Residency("small"): self.engines["small"]},
            make_policy=Fifo,
            memory=self.memory,
            private_memory=self.memory,
            clock=self.clock,
            options=SlotOptions(),
        )
        self.slots.adopt()
        self.site = open_site(self._root(), self.clock)

    def _root(self) -> Resource:
        catalog = Catalog(
            [Entry("model-a", "a", "a.gguf", "a", 4096), Entry("model-b", "b", "model-b", "b")],
            {"alias": "model-b", "gpt-*": "model-a"},
            [Owner("small")],
        )
        listing = Listing(
            catalog,
            {"small": FakeLister(["tiny"]), "a": FakeLister(None)},
            store=FakeStateStore(),
            clock=self.clock,
            interval=0,
            keep=0,
        )
        upstreams = {
            key: Upstream(engine.base_url, FakeAgent(), self.clock, 1)
            for key, engine in self.engines.items()
        }
        status = Status(self.slots, self.engines, upstreams, catalog, self.memory)
        whole: dict[str, Residency | None] = {key: Residency(key) for key in self.engines}
        jobs = Jobs(self.clock)
        admin = admin_tree(self.slots, catalog, whole, self.clock, jobs, lambda: succeed({}))
        explainer = Explainer(catalog, self.slots, self.memory, (), lambda target: 12.0)
        admin.putChild(b"explain", explain_endpoint(explainer))
        admin.putChild(b"history", history_endpoint(self.slots))
        admin.putChild(b"discover", discover_endpoint(listing.ask, catalog))
        models = model_listing(catalog, lambda model: self.slots.of(model).resident == model)
        return Folder(
            {
                "v1": V1({b"models": models}, Resource()),
                "admin": admin,
                **status_endpoints(status, Metrics(CollectorRegistry())),
            }
        )

    def tearDown(self) -> None:
        """
        Nothing is left waiting.
        """
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual([], self.waits)

    def answer(
        self, method: str, target: str, body: str | None, headers: Mapping[str, str]
    ) -> Answer:
        """
        @see: L{CommandCase.answer}
        """
        self.sent.append((body, headers))
        return ask_site(self.site, method, target, body, headers)

    def bring_up(self, key: str) -> None:
        """
        Have an engine in memory.
        """
        order = self.slots.bring_up(Residency(key))
        self.engines[key].started()
        self.successResultOf(order)
