# -*- test-case-name: ler.test.test_crew -*-
"""
Tests for L{ler.crew}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from ler.config import Config, Engine, Model, Ollama, Remote
from ler.crew import Crew, Muster
from ler.engines.catalog import build_catalog
from ler.engines.making import Surroundings
from ler.interfaces import Residency
from ler.test.test_tap import FakeReactor, config_of, engine
from ler.testing import FakeStateStore


class CrewTests(SynchronousTestCase):
    """
    L{Crew}: what there is stays wherever that fits.
    """

    def setUp(self) -> None:
        """
        Have nobody.
        """
        self.crew = Crew(
            Surroundings(
                FakeReactor([]), FakeStateStore(), self.mktemp(), "mark", {}, Deferred, False
            )
        )

    def muster(self, *engines: Engine, **settings: Any) -> Muster:
        """
        @return: what a configuration describes.
        """
        config: Config = config_of(*engines, **settings)
        return self.crew.muster(config, build_catalog(config))

    def sign_on(self, *engines: Engine, **settings: Any) -> Muster:
        """
        @return: what a configuration describes, which is meant from now on.
        """
        muster = self.muster(*engines, **settings)
        self.crew.sign_on(muster)
        return muster

    def test_first(self) -> None:
        """
        At first all are in use who are meant, and each is where it belongs.
        """
        far = Remote(key="far", base_url="https://far.example")
        muster = self.sign_on(engine("a"), far, engine("off", enabled=False))
        self.assertEqual(["a", "far"], list(self.crew.engines))
        self.assertEqual(["a"], list(muster.exclusive))
        self.assertEqual([Residency("far")], list(muster.private))
        self.assertEqual("ws://127.0.0.1:18001", self.crew.addresses["a"].url)

    def test_same(self) -> None:
        """
        What is as it was, or differs in what is about its requests, is the
        same object, and so is the way to it.
        """
        first = self.sign_on(engine("a")).members["a"]
        second = self.sign_on(engine("a", pin=True, memory=3.0)).members["a"]
        self.assertIs(first, second)

    def test_another_way(self) -> None:
        """
        Another limit of connections takes no other engine.
        """
        first = self.sign_on(engine("a")).members["a"]
        second = self.sign_on(engine("a", max_connections=1)).members["a"]
        self.assertIs(first.engine, second.engine)
        self.assertIsNot(first.upstream, second.upstream)
        self.assertIs(first.upstream, self.crew.upstreams["a"])
        self.crew.take_over("a")
        self.assertIs(second.upstream, self.crew.upstreams["a"])

    def test_changed(self) -> None:
        """
        One that is in use is, until it is told that it is not; when it is
        meant again it is there again.
        """
        first = self.sign_on(engine("a")).members["a"]
        second = self.sign_on(engine("a", stop_timeout_s=1.0)).members["a"]
        self.assertIsNot(first.engine, second.engine)
        self.assertIs(first.engine, self.crew.engines["a"])
        self.assertIs(first, self.sign_on(engine("a")).members["a"])

    def test_removed(self) -> None:
        """
        One that is meant no more is there until it is told that it is not.
        """
        self.sign_on(engine("a"), engine("bb"))
        self.sign_on(engine("bb"))
        self.assertEqual(["a", "bb"], list(self.crew.engines))
        self.crew.take_over("a")
        self.crew.take_over("former")
        for known in (self.crew.engines, self.crew.upstreams, self.crew.addresses):
            self.assertEqual(["bb"], list(known))

    def test_unsigned(self) -> None:
        """
        Until it is meant, a muster changes nothing.
        """
        names = self.sign_on(Ollama(key="o"), models=(Model("x", "o"),)).members["o"].names
        self.muster(Ollama(key="o"), models=(Model("y", "o"),))
        self.assertEqual(["x"], names)
        self.sign_on(Ollama(key="o"), models=(Model("y", "o"),))
        self.assertEqual(["y"], names)

    def test_models(self) -> None:
        """
        A server is the same with other models, unless other ones live beside
        the exclusive ones.
        """
        server = Ollama(key="o")
        chat, embed = Model("chat", "o"), Model("embed", "o", exclusive=False)
        first = self.sign_on(server, models=(chat,)).members["o"]
        second = self.sign_on(server, models=(chat, Model("code", "o"))).members["o"]
        third = self.sign_on(server, models=(chat, embed)).members["o"]
        self.assertIs(first, second)
        self.assertIsNot(first.engine, third.engine)
