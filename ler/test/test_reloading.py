# -*- test-case-name: ler.test.test_reloading -*-
"""
Tests for L{ler.reloading}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ler.config import Config, ConfigError, GenericProcess, Loaded, Model, Ollama, Problem
from ler.config.engines import Engine
from ler.config.model import ENGINE_TYPES
from ler.errors import InternalError, InvalidConfig, ShuttingDown
from ler.reloading import (
    AT_ONCE,
    AT_RESTART,
    OF_REQUESTS,
    Changes,
    Reloader,
    compare,
    effective,
    settings,
)

OF_ENGINES = {"key", "base_url", "exclusive", "control_headers", "tags_cache_ttl_s"}
"""The keys that all types of engines have, and that are about the engine."""


def process(key: str, **keys: Any) -> GenericProcess:
    """
    @return: the settings of an engine.
    """
    return GenericProcess(**{"key": key, "base_url": "http://h:1", "start_cmd": ("x",), **keys})


def config(*engines: Engine, **keys: Any) -> Config:
    """
    @return: a configuration.
    """
    return Config(**{"engines": {engine.key: engine for engine in engines}, **keys})


class ClassesTests(SynchronousTestCase):
    """
    For every key somebody has thought of what its change means.
    """

    def test_config(self) -> None:
        """A key of the router applies at once or needs a restart."""
        self.assertEqual({each.name for each in fields(Config)}, AT_ONCE | AT_RESTART)
        self.assertEqual(frozenset(), AT_ONCE & AT_RESTART)

    def test_engines(self) -> None:
        """A key that all engines have is about the engine or about its
        requests; what only some types have is about the engine, with one
        exception."""
        common = {each.name for each in fields(Engine)}
        self.assertEqual(common | {"allow_cloud_models"}, OF_ENGINES | OF_REQUESTS)
        self.assertEqual(set(), OF_ENGINES & OF_REQUESTS)
        own = {each.name for kind in ENGINE_TYPES.values() for each in fields(kind)} - common
        self.assertEqual({"allow_cloud_models"}, own & OF_REQUESTS)

    def test_settings(self) -> None:
        """An engine is another one when anything about itself changes, and not
        when what is about its requests does."""
        first = process("a")
        for each in fields(GenericProcess):
            other: dict[str, Any] = {each.name: object()}
            changed = replace(first, **other)
            same = settings(first) == settings(changed)
            self.assertEqual(each.name in OF_REQUESTS, same, each.name)
        self.assertNotEqual(settings(Ollama(key="a")), settings(first))


class CompareTests(SynchronousTestCase):
    """
    L{compare} says what has changed, and L{effective} what is taken over.
    """

    def test_nothing(self) -> None:
        """The same configuration changes nothing."""
        changes = compare(config(process("a")), config(process("a")))
        self.assertEqual(Changes(), changes)
        self.assertEqual("nothing has changed", str(changes))

    def test_engines(self) -> None:
        """Engines come, go and change; one that is disabled is not there."""
        old = config(process("a"), process("b"), process("c"), process("off", enabled=False))
        new = config(
            process("a", env={"TOKEN": "secret"}, pin=True),
            process("b", enabled=False),
            Ollama(key="c"),
            process("off"),
        )
        self.assertEqual(
            Changes(
                added=("engine off",),
                changed=("engine a (pin, env)", "engine c (type)"),
                removed=("engine b",),
            ),
            compare(old, new),
        )
        self.assertNotIn("secret", str(compare(old, new)))

    def test_keys(self) -> None:
        """Other keys are told by name; those that need a restart apart."""
        old = config(process("a"))
        new = config(
            process("a"), port=1, state_dir="/x", aliases={"x": "m"}, models=(Model("m", "a"),)
        )
        changes = compare(old, new)
        self.assertEqual({"models", "aliases"}, set(changes.changed))
        self.assertEqual({"port", "state_dir"}, set(changes.needs_restart))
        taken = effective(old, new)
        self.assertEqual((old.port, old.state_dir), (taken.port, taken.state_dir))
        self.assertEqual((new.aliases, new.models), (taken.aliases, taken.models))

    def test_words(self) -> None:
        """The changes can be told in a line, and in JSON."""
        changes = Changes(changed=("aliases", "models"), needs_restart=("port",))
        self.assertEqual("changed: aliases, models; needs restart: port", str(changes))
        self.assertEqual(
            {
                "added": [],
                "changed": ["aliases", "models"],
                "removed": [],
                "stale": [],
                "needs_restart": ["port"],
            },
            changes.describe(),
        )


class ReloaderTests(SynchronousTestCase):
    """
    L{Reloader} reads the configuration, once at a time.
    """

    def setUp(self) -> None:
        """
        Read what the test says, when it says so.
        """
        self.readings: list[Deferred[Loaded]] = []
        self.applied: list[Config] = []
        self.broken: Exception | None = None
        self.reloader = Reloader(self.read, self.apply)

    def read(self) -> Deferred[Loaded]:
        """
        @return: what the file will say.
        """
        self.readings.append(Deferred())
        return self.readings[-1]

    def apply(self, config: Config) -> Changes:
        """
        @return: what has changed: the port that is asked for.
        """
        if self.broken is not None:
            raise self.broken
        self.applied.append(config)
        return Changes(needs_restart=(f"port {config.port}",))

    def says(self, port: int) -> None:
        """
        The file that is read says this.
        """
        self.readings[-1].callback(Loaded(config(process("a"), port=port), ("odd",)))

    def told(self, reload: Deferred[Mapping[str, list[str]]]) -> list[str]:
        """
        @return: what has become of the port.
        """
        return self.successResultOf(reload)["needs_restart"]

    def test_applied(self) -> None:
        """What the file says is taken over, and what has changed is told."""
        reload = self.reloader.reload()
        self.assertNoResult(reload)
        self.says(1)
        self.assertEqual(["port 1"], self.told(reload))

    def test_wrong(self) -> None:
        """A wrong file changes nothing, and the answer says what is wrong."""
        reload = self.reloader.reload()
        self.readings[-1].errback(
            Failure(ConfigError("config.yaml", [Problem(3, "prot", "is no key")]))
        )
        failure = self.failureResultOf(reload, InvalidConfig)
        self.assertIn("config.yaml:3: prot: is no key", failure.value.message)
        self.assertEqual([], self.applied)
        again = self.reloader.reload()
        self.says(2)
        self.assertEqual(["port 2"], self.told(again))

    def test_one_at_a_time(self) -> None:
        """What is asked for during a reading makes one more, whose outcome all
        of them are told."""
        first = self.reloader.reload()
        later = [self.reloader.reload(), self.reloader.reload()]
        self.reloader.hear()
        self.assertEqual(1, len(self.readings))
        self.says(1)
        self.assertEqual(["port 1"], self.told(first))
        self.assertEqual(2, len(self.readings))
        self.says(2)
        for reload in later:
            self.assertEqual(["port 2"], self.told(reload))
        self.assertEqual(2, len(self.readings))

    def test_nobody_waits(self) -> None:
        """Whoever asked may leave; the reading goes on."""
        reload = self.reloader.reload()
        reload.cancel()
        self.failureResultOf(reload, CancelledError)
        self.says(1)
        self.reloader.hear()
        self.says(2)
        self.assertEqual([1, 2], [config.port for config in self.applied])

    def test_refused(self) -> None:
        """A router that cannot reload now says so."""
        self.broken = ShuttingDown("the router is stopping")
        reload = self.reloader.reload()
        self.says(1)
        self.failureResultOf(reload, ShuttingDown)

    def test_bug(self) -> None:
        """A bug is logged, and is not the end of all reloads."""
        self.broken = ZeroDivisionError()
        reload = self.reloader.reload()
        self.says(1)
        self.failureResultOf(reload, InternalError)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.broken = None
        reload = self.reloader.reload()
        self.says(2)
        self.assertEqual(["port 2"], self.told(reload))
