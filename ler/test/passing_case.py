"""
What the tests of paths whose requests pass as they are have in common: models,
before a relay and websockets that only remember.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from ler.engines.catalog import Catalog, Entry
from ler.errors import CloudModel
from ler.test.http import Client, HeaderPairs, Reply, open_site
from ler.test.surface_case import FakeRelay
from ler.web.job import Job
from ler.web.passing import Passing
from ler.web.relay import Relay
from ler.web.upward import Upward
from ler.web.websocket import Websockets

UPGRADE = {b"Upgrade": b"websocket", b"Connection": b"Upgrade"}


class PassingCase(SynchronousTestCase):
    """
    A site with L{root}.

    @ivar relay: what requests go to.
    @ivar websockets: what websockets go to.
    @ivar guarded: whether clients show keys to the router.
    @ivar forbidden: the id of a model that may not be used.
    """

    guarded = False
    forbidden: str | None = None

    def setUp(self) -> None:
        """
        Open the site.
        """
        self.clock = Clock()
        self.relay = FakeRelay()
        self.websockets = FakeRelay()
        self.catalog = Catalog(
            [
                Entry("m", "a", "m.gguf", "M"),
                Entry("m/large", "b", "m/large", "Large"),
                Entry("org/name", "b", "org/name", "Name"),
                Entry("hf.co/o/n:latest", "d", "hf.co/o/n:latest", "N", by_model=True, tagged=True),
            ],
            {"small": "m", "our/small": "m", "gpt-*": "m"},
        )
        self.passing = Passing(
            cast(Relay, self.relay),
            cast(Websockets, self.websockets),
            Upward({"b": {"X-Engine-Key": "k"}}, self.guarded),
            self.permit,
        )
        self.site = open_site(self.root(), self.clock)

    def permit(self, entry: Entry) -> None:
        """
        Let every model be used but that of C{forbidden}.
        """
        if entry.id == self.forbidden:
            raise CloudModel("it is elsewhere")

    def root(self) -> Resource:
        """
        @return: what is tested.
        """
        raise NotImplementedError

    def ask(
        self,
        target: bytes,
        method: bytes = b"GET",
        headers: HeaderPairs = (),
        body: bytes | None = None,
    ) -> Reply:
        """
        @return: the answer to a request.
        """
        client = Client(self.site)
        client.request(method, target, headers, body)
        reply = client.reply()
        client.leave()
        return reply

    def carried(self, by: FakeRelay | None = None) -> tuple[Job, bytes]:
        """
        @return: the one job that was carried, and its body.
        """
        carrier = by or self.relay
        [(_, job)], [body] = carrier.carried, carrier.bodies
        carrier.forget()
        self.assertEqual([], self.relay.carried + self.websockets.carried)
        return job, body

    def assert_refused(self, reply: Reply, status: int, code: str) -> str:
        """
        A request was refused, and not carried.

        @return: why.
        """
        self.assertEqual([], self.relay.carried + self.websockets.carried)
        error: Any = reply.json()["error"]
        self.assertEqual((status, code), (reply.status, error["code"]))
        message: str = error["message"]
        return message
