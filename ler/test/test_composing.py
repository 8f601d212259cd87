# -*- test-case-name: ler.test.test_composing -*-
"""
Tests for L{ler.composing}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ler import composing
from ler.composing import Parts
from ler.config import ApiKey, Config, Model, Ollama, Remote
from ler.engines.catalog import Right
from ler.errors import EngineStartFailed
from ler.interfaces import Residency, SettleReport
from ler.metrics import Metrics
from ler.slot.swap import Swap
from ler.state import StateDirectory
from ler.test.http import Client
from ler.test.test_tap import FakeReactor, config_of, engine
from ler.testing import FakeStateStore


class FakeThreads:
    """
    Threads in which no trace of an earlier router is found.
    """

    def callInThreadWithCallback(
        self, done: Callable[[bool, object], None], work: object, *details: object
    ) -> None:
        """
        @see: L{ThreadPool<twisted.python.threadpool.ThreadPool>}
        """
        done(True, False)


class ThreadedReactor(FakeReactor):
    """
    A reactor with threads.
    """

    def getThreadPool(self) -> FakeThreads:
        """
        @see: C{IReactorThreads.getThreadPool}
        """
        return FakeThreads()


class PartsCase(SynchronousTestCase):
    """
    A test of the parts of a router that runs nothing.
    """

    def open(self, config: Config, environ: Mapping[str, str] | None = None) -> None:
        """
        Build a router that runs nothing.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        self.reactor = ThreadedReactor([])
        self.parts = Parts(
            config,
            environ or {},
            self.reactor,
            FakeStateStore(),
            StateDirectory(str(folder)),
            answered=lambda answered: None,
            reload=Deferred,
        )

    def get(self, target: bytes, **headers: bytes) -> Any:
        """
        @return: the answer to a request, as JSON or as bytes.
        """
        client = Client(self.parts.site)
        client.request(b"GET", target, {name.encode(): value for name, value in headers.items()})
        reply = client.reply()
        client.leave()
        is_json = reply.one(b"content-type") == b"application/json"
        return reply.json() if is_json else reply.body


class BuildTests(PartsCase):
    """
    The parts, put together.
    """

    def test_whole(self) -> None:
        """Everything that can be looked at is there."""
        self.open(
            config_of(
                engine("a"),
                engine("bb", exclusive=False),
                engine("off!", enabled=False),
                models=(Model(id="m", engine="a"), Model(id="x", engine="off!")),
                aliases={"small": "m"},
            )
        )
        status = self.get(b"/status")
        self.assertEqual(["a", "bb"], list(status["engines"]))
        self.assertEqual(["exclusive", "bb"], [slot["slot"] for slot in status["slots"]])
        listing = self.get(b"/v1/models")
        self.assertEqual(["m", "small"], [model["id"] for model in listing["data"]])
        self.assertEqual({"status": "ok"}, self.get(b"/health"))
        self.assertIn(b'engine_router_engine_up{engine="bb"} 0.0', self.get(b"/metrics"))
        self.assertIn(b"<!doctype html>", self.get(b"/", Accept=b"text/html"))
        self.assertEqual(b"Ollama is running", self.get(b"/"))
        self.assertEqual(2, len(self.get(b"/api/tags")["models"]))
        self.assertEqual({"jobs": []}, self.get(b"/admin/jobs"))
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_servers(self) -> None:
        """Servers swap model by model in the shared slot; what may live beside
        others has a slot of its own."""
        self.open(
            config_of(
                engine("a"),
                Ollama(key="o"),
                Remote(key="far", base_url="https://far.example", exclusive=False),
                models=(
                    Model(id="chat", engine="o"),
                    Model(id="code", engine="o"),
                    Model(id="embed", engine="o", exclusive=False),
                ),
                preload=("embed", "code"),
            )
        )
        slots = self.parts.slots
        self.assertEqual(["exclusive", "far", "o/embed"], [slot.name for slot in slots.all])
        self.assertEqual([Residency("o", "embed"), Residency("o", "code")], self.parts.preload)
        client = Client(self.parts.site)
        is_json = {b"Content-Type": b"application/json"}
        client.request(b"POST", b"/admin/swap", is_json, b'{"engine": "o"}')
        self.assertIn("name the 'model'", client.reply().json()["error"]["message"])
        client.leave()

    def test_guarded(self) -> None:
        """The gate is that of the configuration."""
        self.open(config_of(engine("a"), api_keys=(ApiKey(("admin",), "secret"),)))
        self.assertEqual("invalid_api_key", self.get(b"/status")["error"]["code"])
        self.assertIn("version", self.get(b"/status", Authorization=b"Bearer secret"))
        foreign = self.get(b"/status", Origin=b"http://evil.example")
        self.assertEqual("foreign_host", foreign["error"]["code"])

    def test_control_paths(self) -> None:
        """What one engine calls a control path is one for all."""
        self.open(
            config_of(
                engine("a", control_paths=("/v1/drop",)), engine("bb", control_paths=("/stop",))
            )
        )
        for target in (b"/v1/drop", b"/v1/stop"):
            client = Client(self.parts.site)
            client.request(b"POST", target, body=b'{"model": "m"}')
            self.assertEqual("control_path", client.reply().json()["error"]["code"])
            client.leave()


class ReloadTests(PartsCase):
    """
    The parts, put together anew.
    """

    def reload(self, config: Config) -> dict[str, list[str]]:
        """
        @return: what has changed.
        """
        return self.parts.reload(config).describe()

    def test_models(self) -> None:
        """Models and aliases are others at once; the metrics and the slots go
        on."""
        self.open(config_of(engine("a"), models=(Model("m", "a"),), aliases={"small": "m"}))
        self.parts.slots.adopt()
        slots = self.parts.slots.all
        told = self.reload(config_of(engine("a"), models=(Model("n", "a"),)))
        self.assertEqual({"models", "aliases"}, set(told["changed"]))
        self.assertEqual(["n"], [model["id"] for model in self.get(b"/v1/models")["data"]])
        self.assertEqual(slots, self.parts.slots.all)
        self.assertIn(b'engine_router_engine_up{engine="a"} 0.0', self.get(b"/metrics"))
        self.parts.listing.stop()

    def test_engines(self) -> None:
        """Engines come, go and move."""
        self.open(config_of(engine("a"), engine("bb"), engine("ccc", exclusive=False)))
        self.parts.slots.adopt()
        self.reload(
            config_of(engine("bb", exclusive=False), Remote(key="far", base_url="http://f"))
        )
        status = self.get(b"/status")
        self.assertEqual({"bb", "far"}, set(status["engines"]))
        self.assertEqual(["exclusive", "bb", "far"], [slot["slot"] for slot in status["slots"]])
        self.assertNotIn(b'engine="a"', self.get(b"/metrics"))
        self.parts.listing.stop()

    def test_gate(self) -> None:
        """Keys are others at once."""
        self.open(config_of(engine("a")))
        self.parts.slots.adopt()
        self.reload(config_of(engine("a"), api_keys=(ApiKey(("admin",), "secret"),)))
        self.assertEqual("invalid_api_key", self.get(b"/status")["error"]["code"])
        self.parts.listing.stop()

    def test_restart(self) -> None:
        """What needs a restart is told each time, and stays as it was."""
        self.open(config_of(engine("a")))
        self.parts.slots.adopt()
        for _ in range(2):
            told = self.reload(config_of(engine("a"), port=1))
            self.assertEqual(["port"], told["needs_restart"])
            self.parts.listing.stop()
        self.assertEqual(8077, self.parts.config.port)

    def test_discovered(self) -> None:
        """What an engine has said of its models is known still."""
        far = Remote(key="far", base_url="http://far")
        self.open(config_of(far))
        self.parts.slots.adopt()
        self.parts._catalog.claim("far", Right.LIVE, ["theirs"])
        self.reload(config_of(far, aliases={"x": "theirs"}))
        listed = [model["id"] for model in self.get(b"/v1/models")["data"]]
        self.assertEqual(["theirs", "x"], listed)
        self.parts.listing.stop()

    def test_failure(self) -> None:
        """A configuration that nothing can be made of changes nothing."""
        self.open(config_of(engine("a"), models=(Model("m", "a"),)))
        self.parts.slots.adopt()
        self.patch(composing, "make_gate", lambda **settings: 1 / 0)
        self.assertRaises(ZeroDivisionError, self.reload, config_of(engine("a", env={"x": "y"})))
        self.assertEqual(["m"], [model["id"] for model in self.get(b"/v1/models")["data"]])
        self.assertFalse(self.parts.slots.is_stale("a"))


class InstanceTests(SynchronousTestCase):
    """
    The mark of a router.
    """

    def test_instance(self) -> None:
        """A router keeps its mark over restarts; what is no mark is
        replaced."""
        store = FakeStateStore()
        mark = composing.instance_of(store)
        self.assertEqual(mark, composing.instance_of(store))
        damage: object
        for damage in (None, "", 5, []):
            store.put("instance", damage)
            new = composing.instance_of(store)
            self.assertNotEqual(mark, new)
            self.assertEqual(new, store.get("instance"))


class CountingTests(SynchronousTestCase):
    """
    What becomes of swaps in the metrics.
    """

    def setUp(self) -> None:
        """
        Count anew.
        """
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)

    def value(self, name: str, **labels: str) -> float | None:
        """
        @return: the value of a series, L{None} where there is none.
        """
        return self.registry.get_sample_value(f"engine_router_{name}", labels)

    def test_swap(self) -> None:
        """A swap is counted with its target, cause, phases and result."""
        swap = Swap(None, Residency("a"), "request", 0.0, 0.0)
        swap.enter("start", 1.0)
        swap.end(4.0, None)
        composing.count_swap(self.metrics, swap)
        self.assertEqual(1, self.value("swaps_total", to="a", cause="request", result="ok"))
        self.assertEqual(3, self.value("swap_phase_seconds_sum", phase="start"))

    def test_unload(self) -> None:
        """A swap to nothing is one to none."""
        swap = Swap(Residency("a"), None, "operator", 0.0, 0.0)
        swap.end(4.0, EngineStartFailed("no"))
        composing.count_swap(self.metrics, swap)
        self.assertEqual(
            1, self.value("swaps_total", to="none", cause="operator", result="engine_start_failed")
        )

    def test_settle(self) -> None:
        """A wait for memory is counted with its verdict."""
        report = SettleReport("settled", 0.5, fields={"returned_ratio": 0.9})
        composing.count_settle(self.metrics, None, "a", report)
        self.assertEqual(1, self.value("settle_total", verdict="settled"))
        self.assertEqual(1, self.value("settle_returned_ratio_count", engine="none"))
