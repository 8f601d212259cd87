# -*- test-case-name: ler.test.test_status -*-
"""
Tests for L{ler.web.status}.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from prometheus_client import CollectorRegistry
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

import ler
from ler.engines.catalog import Catalog, Entry
from ler.interfaces import Residency, SettleReport
from ler.metrics import Metrics
from ler.slot.options import SlotOptions
from ler.slot.policy import Join
from ler.slot.slots import Slots
from ler.test.http import Client, FakeAgent, Reply, open_site
from ler.testing import FakeEngine, FakeMemory
from ler.upstream import Upstream
from ler.web.endpoints import Folder
from ler.web.status import Status, status_endpoints, watch_gauges

A, B = Residency("a"), Residency("b")

SPITEFUL = '<script>alert(\'"&x")</script>'


class TellingMemory(FakeMemory):
    """
    Memory that has something to tell.
    """

    def describe(self) -> dict[str, Any]:
        """
        @see: L{FakeMemory.describe}
        """
        return {"free": {"mem": 5}}


class Texts(HTMLParser):
    """
    Collects the tags and the texts of a page.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """
        A tag begins.
        """
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        """
        A text.
        """
        self.texts.append(data)


class StatusCase(SynchronousTestCase):
    """
    The site of a router with three engines.

    @cvar exclusive: those that need the whole memory.
    """

    exclusive: tuple[str, ...] = ("a", "b")

    def setUp(self) -> None:
        """
        Open the site.
        """
        self.clock = Clock()
        self.events: list[str] = []
        self.engines = {
            key: FakeEngine(key, f"http://{key}:1", events=self.events)
            for key in ("a", "b", "small")
        }
        memory = TellingMemory(SettleReport("settled", 0.5))
        self.slots = Slots(
            {key: self.engines[key] for key in self.exclusive},
            {
                Residency(key): engine
                for key, engine in self.engines.items()
                if key not in self.exclusive
            },
            make_policy=Join,
            memory=memory,
            private_memory=memory,
            clock=self.clock,
            options=SlotOptions(),
        )
        self.upstreams = {
            key: Upstream(engine.base_url, FakeAgent(), self.clock, 1)
            for key, engine in self.engines.items()
        }
        entries = [Entry("m", "a", "m.gguf", "Model M"), Entry(SPITEFUL, "small", "x", "x")]
        catalog = Catalog(entries, {"alias": "m", "any-*": "m"})
        status = Status(self.slots, self.engines, self.upstreams, catalog, memory)
        metrics = Metrics(CollectorRegistry())
        watch_gauges(metrics, self.slots, self.upstreams, memory)
        self.site = open_site(Folder({**status_endpoints(status, metrics)}), self.clock)

    def bring_up(self, target: Residency) -> None:
        """
        C{target} is there.
        """
        done = self.slots.bring_up(target)
        self.engines[target.engine].started()
        self.successResultOf(done)

    def get(self, target: bytes, method: bytes = b"GET") -> Reply:
        """
        @return: the answer to a request, which comes at once.
        """
        client = Client(self.site)
        client.request(method, target)
        reply = client.reply()
        client.leave()
        return reply

    def status(self) -> Any:
        """
        @return: the status.
        """
        return self.get(b"/status").json()


class StatusTests(StatusCase):
    """
    What the router tells about itself.
    """

    # Health.

    def test_health(self) -> None:
        """The router is well, whatever becomes of engines."""
        for method in (b"GET", b"HEAD"):
            self.assertEqual(200, self.get(b"/health", method).status)
        self.assertEqual({"status": "ok"}, self.get(b"/health").json())
        self.assertEqual([], self.events)

    # Status.

    def test_parts(self) -> None:
        """Everything is told in one document."""
        self.slots.adopt()
        status = self.status()
        self.assertEqual(ler.__version__, status["version"])
        self.assertEqual(["exclusive", "small"], [slot["slot"] for slot in status["slots"]])
        self.assertEqual(["a", "b", "small"], list(status["engines"]))
        self.assertEqual(
            [
                {"id": "m", "engine": "a", "name": "Model M", "residency": "a"},
                {"id": SPITEFUL, "engine": "small", "name": "x", "residency": "small"},
            ],
            status["models"],
        )
        self.assertEqual({"alias": "m"}, status["aliases"])
        self.assertEqual({"free": {"mem": 5}}, status["memory"])

    def test_empty(self) -> None:
        """Where nothing is in memory nothing is named."""
        self.slots.adopt()
        status = self.status()
        self.assertIsNone(status["active_engine"])
        self.assertIsNone(status["last_swap"])
        self.assertEqual("empty", status["slots"][0]["state"])

    def test_before_adoption(self) -> None:
        """The status can be seen before it is known what runs."""
        self.assertEqual("adopting", self.status()["slots"][0]["state"])
        self.slots.adopt()

    def test_resident(self) -> None:
        """The engine in memory is named, and the last swap told."""
        self.slots.adopt()
        self.bring_up(A)
        self.bring_up(Residency("small"))
        status = self.status()
        self.assertEqual("a", status["active_engine"])
        swap = status["last_swap"]
        self.assertEqual((None, "a", True), (swap["from"], swap["to"], swap["ok"]))
        ready = {key: engine["ready"] for key, engine in status["engines"].items()}
        self.assertEqual({"a": True, "b": False, "small": True}, ready)

    def test_newest_swap(self) -> None:
        """The last swap is the newest."""
        self.slots.adopt()
        self.bring_up(A)
        done = self.slots.bring_up(B)
        self.engines["a"].freed()
        self.engines["b"].started()
        self.successResultOf(done)
        swap = self.status()["last_swap"]
        self.assertEqual(("a", "b"), (swap["from"], swap["to"]))

    def test_engine(self) -> None:
        """Of an engine is told where it is, what it does, and what it tells
        itself."""
        self.slots.adopt()
        self.bring_up(A)
        lease = self.successResultOf(self.slots.acquire(A))
        self.assertEqual(
            {
                "ready": True,
                "stale": False,
                "slot": "exclusive",
                "base_url": "http://a:1",
                "in_flight": 1,
                "waiting_for_connection": 0,
                "type": "fake",
                "process_running": True,
            },
            self.status()["engines"]["a"],
        )
        lease.release()
        self.assertEqual(0, self.status()["engines"]["a"]["in_flight"])

    def test_connections(self) -> None:
        """Requests that wait for a connection are counted."""
        self.slots.adopt()
        upstream = self.upstreams["a"]
        _, *waiting = (Deferred.fromCoroutine(upstream.admission()) for _ in range(3))
        self.assertEqual(2, self.status()["engines"]["a"]["waiting_for_connection"])
        for admission in waiting:
            admission.addErrback(lambda _: None)
            admission.cancel()
        self.assertEqual(0, self.status()["engines"]["a"]["waiting_for_connection"])

    def test_looking_changes_nothing(self) -> None:
        """No engine is asked anything, however often one looks."""
        self.slots.adopt()
        self.bring_up(A)
        del self.events[:]
        for target in (b"/status", b"/metrics", b"/health", b"/"):
            for method in (b"GET", b"HEAD"):
                self.get(target, method)
        self.assertEqual([], self.events)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_methods(self) -> None:
        """All of it can be looked at, nothing else."""
        self.slots.adopt()
        for target in (b"/status", b"/metrics", b"/health", b"/"):
            for method in (b"POST", b"DELETE"):
                reply = self.get(target, method)
                self.assertEqual((405, b"GET, HEAD"), (reply.status, reply.one(b"allow")))

    # Metrics.

    def test_metrics(self) -> None:
        """Metrics are told in the text format of Prometheus."""
        self.slots.adopt()
        reply = self.get(b"/metrics")
        self.assertEqual(b"text/plain; version=0.0.4; charset=utf-8", reply.one(b"content-type"))
        names = re.findall(rb"^# TYPE (\S+)", reply.body, re.MULTILINE)
        self.assertEqual([], [name for name in names if not name.startswith(b"engine_router_")])

    def test_gauges(self) -> None:
        """What is counted anyway is shown as it is."""
        self.slots.adopt()
        self.bring_up(A)
        lease = self.successResultOf(self.slots.acquire(A))
        waiting = [self.slots.acquire(B) for _ in range(2)]
        text = self.get(b"/metrics").body.decode()
        for line in (
            'engine_router_engine_up{engine="a"} 1.0',
            'engine_router_engine_up{engine="small"} 0.0',
            'engine_router_in_flight{engine="a"} 1.0',
            'engine_router_in_flight{engine="b"} 0.0',
            'engine_router_connections_queued{engine="a"} 0.0',
            'engine_router_queue_length{slot="exclusive"} 2.0',
            'engine_router_queue_length{slot="small"} 0.0',
            'engine_router_slot_state{slot="exclusive",state="ready"} 1.0',
            'engine_router_slot_state{slot="exclusive",state="draining"} 0.0',
            'engine_router_slot_state{slot="small",state="empty"} 1.0',
            'engine_router_memory_free_bytes{channel="mem"} 5.0',
        ):
            self.assertIn(f"\n{line}\n", text)
        for ticket in waiting:
            ticket.addErrback(lambda _: None)
            ticket.cancel()
        lease.release()

    # The page.

    def test_page(self) -> None:
        """A page tells people what is in memory, and which models there are."""
        self.slots.adopt()
        self.bring_up(A)
        self.bring_up(Residency("small"))
        reply = self.get(b"/")
        self.assertEqual(b"text/html; charset=utf-8", reply.one(b"content-type"))
        texts = Texts(reply.body.decode()).texts
        self.assertIn("m", texts)
        self.assertEqual("a, small", texts[texts.index("In memory: ") + 1])

    def test_page_is_escaped(self) -> None:
        """No name becomes a part of the page."""
        self.slots.adopt()
        page = Texts(self.get(b"/").body.decode())
        self.assertNotIn("script", page.tags)
        self.assertIn(SPITEFUL, "".join(page.texts))


class PrivateTests(StatusCase):
    """
    Where no engine needs the whole memory.
    """

    exclusive = ()

    def test_slots(self) -> None:
        """Every engine has a slot of its own; the shared one is empty."""
        self.slots.adopt()
        self.bring_up(A)
        status = self.status()
        self.assertEqual(
            ["exclusive", "a", "b", "small"], [slot["slot"] for slot in status["slots"]]
        )
        self.assertIsNone(status["active_engine"])
        self.assertEqual(200, self.get(b"/").status)
