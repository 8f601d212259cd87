"""
Tests for L{ler.engines.listing}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyClass

from ler.engines.catalog import Catalog, Owner
from ler.engines.listing import LIMIT_S, SECTION, STAMP_S, Listing, listed
from ler.errors import EngineUnavailable
from ler.interfaces import IModelLister
from ler.test.http import Client, open_site
from ler.testing import FakeStateStore
from ler.web.openai import model_listing

INTERVAL_S = 300.0
KEEP_S = 10 * INTERVAL_S


@implementer(IModelLister)
class FakeLister:
    """
    An engine that says what it has when the test wants it to.

    @ivar asked: how often it was asked.
    @ivar given_up: how often somebody who asked did not wait.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.given_up = 0
        self._answer: Deferred[list[str] | None] | None = None

    def list_models(self) -> Deferred[list[str] | None]:
        """
        @see: L{IModelLister.list_models}
        """
        self.asked += 1
        answer = self._answer = Deferred(self._give_up)
        return answer

    def _give_up(self, _: object) -> None:
        self.given_up += 1

    def say(self, answer: list[str] | Exception | None) -> None:
        """
        Answer, or fail.
        """
        waiting, self._answer = self._answer, None
        assert waiting is not None, "it was not asked"
        if isinstance(answer, Exception):
            waiting.errback(Failure(answer))
        else:
            waiting.callback(answer)


verifyClass(IModelLister, FakeLister)


class ListingCase(SynchronousTestCase):
    """
    Two engines that have lists.
    """

    def setUp(self) -> None:
        """
        Make them, and a store in which nothing is.
        """
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.store = FakeStateStore()
        self.a = FakeLister()
        self.b = FakeLister()
        self.reopen()

    def reopen(self, interval: float = INTERVAL_S, keep: float = KEEP_S) -> None:
        """
        Begin like a new router with the old state.
        """
        self.catalog = Catalog([], {}, [Owner("a"), Owner("b")])
        self.listing = Listing(
            self.catalog,
            {"a": self.a, "b": self.b},
            store=self.store,
            clock=self.clock,
            interval=interval,
            keep=keep,
        )

    def ids(self) -> list[str]:
        """
        @return: what is known.
        """
        return [entry.id for entry in self.catalog.entries()]

    def closed(self) -> None:
        """
        Stop, and assert that nothing goes on.
        """
        self.listing.stop()
        self.assertEqual([], self.clock.getDelayedCalls())


class ListingTests(ListingCase):
    """
    When engines are asked, and what is made of their answers.
    """

    def test_start(self) -> None:
        """When the router starts, all are asked at once; what one says counts,
        whatever the others do."""
        self.assertEqual((0, 0), (self.a.asked, self.b.asked))
        self.listing.start()
        self.assertEqual((1, 1), (self.a.asked, self.b.asked))
        self.b.say(["x", "y", "x"])
        self.assertEqual(["x", "y"], self.ids())
        self.assertEqual("b", self.catalog.resolve("x").engine)
        self.closed()

    def test_again(self) -> None:
        """They are asked again from time to time; the newest list counts,
        also when it is empty."""
        self.listing.start()
        self.a.say(["x"])
        self.clock.advance(INTERVAL_S)
        self.assertEqual(2, self.a.asked)
        self.assertEqual(["x"], self.ids())
        self.a.say(["y"])
        self.assertEqual(["y"], self.ids())
        self.clock.advance(INTERVAL_S)
        self.a.say([])
        self.assertEqual([], self.ids())
        self.closed()

    def test_never_again(self) -> None:
        """Without an interval they are asked when the router starts, and when
        they have come up."""
        self.reopen(interval=0)
        self.listing.start()
        self.a.say(["x"])
        self.clock.pump([LIMIT_S, 10 * INTERVAL_S])
        self.assertEqual((1, 1), (self.a.asked, self.b.asked))
        self.listing.came_up("a")
        self.assertEqual(2, self.a.asked)
        self.closed()

    def test_no_answer(self) -> None:
        """An engine that does not run, fails or hangs keeps what it said
        last."""
        self.listing.start()
        self.a.say(["x"])
        for answer in (None, EngineUnavailable("gone")):
            self.clock.advance(INTERVAL_S)
            self.a.say(answer)
            self.assertEqual(["x"], self.ids())
        self.clock.advance(INTERVAL_S)
        self.clock.advance(LIMIT_S)
        self.assertEqual(1, self.a.given_up)
        self.assertEqual(["x"], self.ids())
        self.closed()

    def test_hanging(self) -> None:
        """Of one that hangs there is never more than one question, and it is
        given up in time."""
        self.reopen(interval=LIMIT_S / 4)
        self.listing.start()
        self.clock.pump([LIMIT_S / 4] * 3)
        self.assertEqual((1, 0), (self.a.asked, self.a.given_up))
        self.clock.pump([LIMIT_S / 4] * 2)
        self.assertEqual((2, 1), (self.a.asked, self.a.given_up))
        self.closed()

    def test_came_up(self) -> None:
        """One that has come up is asked at once, anew if it was being asked:
        what it said before no longer counts."""
        self.listing.start()
        self.listing.came_up("a")
        self.assertEqual((2, 1), (self.a.asked, self.a.given_up))
        self.assertEqual((1, 0), (self.b.asked, self.b.given_up))
        self.a.say(["x"])
        self.assertEqual(["x"], self.ids())
        self.closed()

    def test_came_up_without_list(self) -> None:
        """An engine without a list may come up, too."""
        self.listing.came_up("other")
        self.closed()

    def test_bug(self) -> None:
        """What should not happen is logged, and the engine asked again."""
        self.listing.start()
        self.a.say(ZeroDivisionError())
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.clock.advance(INTERVAL_S)
        self.assertEqual(2, self.a.asked)
        self.closed()

    def test_stop(self) -> None:
        """When the router stops, what was asked is given up, without a
        word."""
        self.listing.start()
        self.closed()
        self.assertEqual((1, 1), (self.a.given_up, self.b.given_up))
        self.closed()


class MemoryTests(ListingCase):
    """
    What is known over a restart.
    """

    def learn(self, *ids: str) -> None:
        """
        The engine C{a} says what it has.
        """
        self.listing.start()
        self.a.say(list(ids))
        self.closed()

    def test_restart(self) -> None:
        """After a restart models are known before any engine is asked."""
        self.learn("x", "y")
        self.store.sections = json.loads(json.dumps(self.store.sections))
        self.reopen()
        self.assertEqual(["x", "y"], self.ids())
        self.assertEqual("a", self.catalog.resolve("x").engine)

    def test_replaced(self) -> None:
        """What an engine says takes the place of what it said before the
        restart."""
        self.learn("x", "y")
        self.reopen()
        self.learn("y", "z")
        self.assertEqual(["y", "z"], self.ids())
        self.reopen()
        self.assertEqual(["y", "z"], self.ids())

    def test_live_before_seen(self) -> None:
        """What one engine says goes before what another one said before the
        restart, until that says it again."""
        self.learn("x")
        self.reopen()
        self.assertEqual("a", self.catalog.resolve("x").engine)
        self.listing.start()
        self.b.say(["x"])
        self.assertEqual("b", self.catalog.resolve("x").engine)
        self.a.say(["x"])
        self.assertEqual("a", self.catalog.resolve("x").engine)
        self.closed()

    def test_forgotten(self) -> None:
        """A list that was not heard again for too long is forgotten, unless
        it is to be kept for ever."""
        self.learn("x")
        self.clock.advance(KEEP_S)
        self.reopen()
        self.assertEqual(["x"], self.ids())
        self.clock.advance(1)
        self.reopen(keep=0)
        self.assertEqual(["x"], self.ids())
        self.reopen()
        self.assertEqual([], self.ids())

    def test_seldom_written(self) -> None:
        """A list that says nothing new is written again only when that keeps
        it from being forgotten."""
        self.learn("x")
        self.store.sections.clear()
        self.clock.advance(STAMP_S - 1)
        self.learn("x")
        self.assertEqual({}, self.store.sections)
        self.clock.advance(1)
        self.learn("x")
        self.assertEqual(self.clock.seconds(), self.store.sections[SECTION]["a"]["at"])
        self.store.sections.clear()
        self.learn("x", "y")
        self.assertEqual(["x", "y"], self.store.sections[SECTION]["a"]["ids"])

    def test_gone(self) -> None:
        """An engine that is no longer configured, or no longer asked, is
        dropped from the record."""
        self.store.put(SECTION, {"old": {"ids": ["o"], "at": self.clock.seconds()}})
        self.reopen()
        self.assertEqual([], self.ids())
        self.learn("x")
        self.assertEqual(["a"], list(self.store.sections[SECTION]))

    def test_nonsense(self) -> None:
        """A record that is none is none; of one with holes the rest counts."""
        at = self.clock.seconds()
        table: list[tuple[Any, list[str]]] = [
            (None, []),
            ([], []),
            ({"a": ["x"]}, []),
            ({"a": {"ids": "x", "at": at}}, []),
            ({"a": {"ids": ["x"], "at": "now"}}, []),
            ({"a": {"ids": ["x"]}, "b": {"ids": ["y", 1], "at": at}}, ["y"]),
        ]
        for section, ids in table:
            self.store.put(SECTION, section)
            self.reopen()
            self.assertEqual(ids, self.ids(), section)


class PromptTests(ListingCase):
    """
    Clients are not made to wait for engines.
    """

    def models(self) -> list[str]:
        """
        @return: the ids in C{/v1/models}, which must be there at once.
        """
        client = Client(open_site(model_listing(self.catalog, lambda _: False), self.clock))
        client.request(b"GET", b"/v1/models")
        document: Mapping[str, Any] = client.reply().json()
        client.leave()
        return [model["id"] for model in document["data"]]

    def test_models(self) -> None:
        """C{/v1/models} is answered at once, and asks nobody: with every
        engine stopped, with all hanging, with one that has answered."""
        self.assertEqual([], self.models())
        self.listing.start()
        self.assertEqual([], self.models())
        self.a.say(["x"])
        self.assertEqual(["x"], self.models())
        self.assertEqual((1, 1), (self.a.asked, self.b.asked))
        self.closed()


class ListedTests(SynchronousTestCase):
    """
    What an answer of C{/v1/models} holds.
    """

    def test_listed(self) -> None:
        """Only text is an id, and only a list is one."""
        self.assertEqual(["m"], listed({"data": [{"id": "m", "object": "model"}, {"id": 1}, 2]}))
        self.assertEqual([], listed({"data": []}))
        nothing: list[object] = [None, [], {}, {"data": {"id": "m"}}, {"models": []}]
        for document in nothing:
            self.assertIsNone(listed(document))
