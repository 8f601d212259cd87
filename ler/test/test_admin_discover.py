# -*- test-case-name: ler.test.test_admin_discover -*-
"""
Tests for L{ler.web.admin_discover}, and for L{Listing.ask}, which it is for.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyClass

from ler.engines.catalog import Catalog, Entry, Owner
from ler.engines.listing import LIMIT_S, Listing
from ler.errors import Unreachable
from ler.interfaces import IModelLister
from ler.test.http import Client, open_site
from ler.testing import FakeStateStore
from ler.web.admin_discover import discover_endpoint
from ler.web.endpoints import Folder

IS_JSON = {b"Content-Type": b"application/json"}


@implementer(IModelLister)
class FakeLister:
    """
    Tells its models when the test says so.
    """

    def __init__(self) -> None:
        self.asked: list[Deferred[list[str] | None]] = []

    def list_models(self) -> Deferred[list[str] | None]:
        """
        @see: L{IModelLister.list_models}
        """
        answer: Deferred[list[str] | None] = Deferred()
        self.asked.append(answer)
        return answer


verifyClass(IModelLister, FakeLister)


class DiscoverTests(SynchronousTestCase):
    """
    C{/admin/discover}
    """

    def setUp(self) -> None:
        """
        Two engines have models to tell of.
        """
        self.clock = Clock()
        self.listers = {key: FakeLister() for key in ("a", "b")}
        self.catalog = Catalog([Entry("m", "a", "m", "m")], {}, [Owner("a"), Owner("b")])
        self.listing = Listing(
            self.catalog,
            self.listers,
            store=FakeStateStore(),
            clock=self.clock,
            interval=0,
            keep=0,
        )
        root = Folder({"discover": discover_endpoint(self.listing.ask, self.catalog)})
        self.client = Client(open_site(root, self.clock))

    def tearDown(self) -> None:
        """
        Nothing is left waiting.
        """
        self.client.leave()
        self.assertEqual([], self.clock.getDelayedCalls())

    def discover(self) -> None:
        """
        Have the engines asked.
        """
        self.client.request(b"POST", b"/discover", IS_JSON, b"{}")

    def test_told(self) -> None:
        """Every engine is asked, and who owns which model is told."""
        self.discover()
        self.assertEqual([], self.client.replies())
        self.listers["b"].asked[0].callback(["n", "m"])
        self.listers["a"].asked[0].callback(["m", "o"])
        self.assertEqual(
            {
                "engines": {"a": ["m", "o"], "b": ["n", "m"]},
                "models": [
                    {"id": "m", "engine": "a"},
                    {"id": "o", "engine": "a"},
                    {"id": "n", "engine": "b"},
                ],
            },
            self.client.reply().json(),
        )

    def test_silent(self) -> None:
        """One that does not run, fails or takes too long has nothing to tell."""
        for answer in (None, Failure(Unreachable("it does not answer"))):
            self.listers["a"].asked.clear()
            said = self.listing.ask()
            self.listers["a"].asked[0].callback(answer)
            self.assertNoResult(said)
            self.clock.advance(LIMIT_S)
            self.assertEqual({"a": None, "b": None}, self.successResultOf(said))
        self.assertIsNotNone(self.catalog.find("m"))

    def test_left(self) -> None:
        """Whoever leaves has nobody asked any further."""
        ended: list[object] = []
        self.discover()
        for lister in self.listers.values():
            lister.asked[0].addBoth(ended.append)
        self.client.leave()
        self.assertEqual(2, len(ended))

    def test_web_page(self) -> None:
        """A form on a web page cannot have anybody asked."""
        self.client.request(b"POST", b"/discover", {b"Content-Type": b"text/plain"}, b"{}")
        self.assertEqual(415, self.client.reply().status)
        self.assertEqual([], self.listers["a"].asked)

    def test_method(self) -> None:
        """Looking is no asking."""
        self.client.request(b"GET", b"/discover")
        self.assertEqual(405, self.client.reply().status)
