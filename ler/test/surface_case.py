"""
What the tests of the surfaces have in common: requests for models, before a
relay that only remembers.
"""

from __future__ import annotations

import json
from typing import Any, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from ler.config.model import GenericProcess
from ler.engines.catalog import Catalog, Entry
from ler.errors import CloudModel
from ler.interfaces import Residency
from ler.slot.leases import Lease
from ler.slot.wish import Wish
from ler.test.http import Client, HeaderPairs, Reply, open_site
from ler.testing import FakeEngine
from ler.upstream import FileSpan
from ler.web.asking import Asking, Traits
from ler.web.beats import Heart
from ler.web.dialects import IDialect
from ler.web.endpoints import Endpoint, Folder
from ler.web.job import Job
from ler.web.loading import Loading
from ler.web.model_paths import UNVERSIONED, VERSIONED
from ler.web.openai import V1, model_listing
from ler.web.relay import Relay
from ler.web.routes import ModelRoutes
from ler.web.upward import Upward
from ler.web.wishes import Wishes

CONTROL_PATHS = GenericProcess(key="a", base_url="http://a", start_cmd=("a",)).control_paths

WALL = 1767225600.0


class FakeRelay:
    """
    Answers every request, and remembers what it was to carry.

    @ivar carried: the dialects and the jobs.
    @ivar bodies: the bodies that would have been sent.
    """

    def __init__(self) -> None:
        self.carried: list[tuple[IDialect, Job]] = []
        self.bodies: list[bytes] = []

    def forget(self) -> None:
        """
        Begin anew.
        """
        self.carried.clear()
        self.bodies.clear()

    def carry(self, request: Any, dialect: IDialect, job: Job) -> None:
        """
        @see: L{Relay.carry<ler.web.relay.Relay.carry>}
        """
        body = b""
        for part in job.parts:
            if isinstance(part, FileSpan):
                part.file.seek(part.start)
                body += part.file.read(len(part))
            else:
                body += part
        self.carried.append((dialect, job))
        self.bodies.append(body)
        request.write(b"carried")
        request.finish()


class SurfaceCase(SynchronousTestCase):
    """
    The surface before a relay that only remembers.

    @ivar resident: what can be asked without a swap.
    """

    guarded = False

    def setUp(self) -> None:
        """
        Open the site.
        """
        self.clock = Clock()
        self.relay = FakeRelay()
        self.resident: set[Residency] = set()
        self.forbidden: set[str] = set()
        self.leases: list[Residency] = []
        self.returned: list[Lease] = []
        self.kept: list[tuple[Residency, float]] = []
        self.catalog = Catalog(
            [
                Entry("m", "a", "m.gguf", "Model M", context_length=4096, thinking_floor=100),
                Entry("org/name", "b", "org/name", "Name"),
                Entry("all", "c", "all", "All"),
                Entry("llama:8b", "d", "llama:8b", "Llama", by_model=True, tagged=True),
            ],
            {"small": "m", "claude-*": "m", "title-*": "m", "quiet*": "m"},
        )
        added = {"X-Engine-Key": "k", "Authorization": "Bearer engine"}
        traits = {
            "a": Traits(("openai", "anthropic"), True),
            "b": Traits(("openai",), False),
            "c": Traits(("openai", "ollama", "anthropic", "responses"), True),
            "d": Traits(("ollama",), False),
        }
        asking = Asking(
            cast(Relay, self.relay),
            Heart(wall=lambda: WALL),
            Upward({"b": added}, self.guarded),
            traits,
        )
        routes = ModelRoutes(
            self.catalog,
            asking,
            Loading(self.acquire, lambda target, seconds: self.kept.append((target, seconds))),
            wishes=Wishes({"title-*": "resident", "quiet": "refuse"}),
            permit=self.permit,
            stand_in=self.stand_in,
            control_paths=CONTROL_PATHS,
            is_resident=self.resident.__contains__,
            max_json_depth=8,
        )
        listing = self.listing(self.catalog)
        bare: dict[str, Resource] = dict.fromkeys([*VERSIONED, *UNVERSIONED], routes)
        self.site = open_site(
            Folder({"v1": V1({b"models": listing}, routes), "api": routes, **bare}), self.clock
        )

    def stand_in(self, entry: Entry) -> Entry | None:
        """
        @return: a model that is in memory.
        """
        return next((e for e in self.catalog.entries() if e.residency in self.resident), None)

    def permit(self, entry: Entry) -> None:
        """
        Let every model be used but those at ollama.com.
        """
        if entry.id in self.forbidden:
            raise CloudModel("it is elsewhere")

    def acquire(self, target: Residency, wish: Wish) -> Deferred[Lease]:
        """
        Bring C{target} up at once.
        """
        self.leases.append(target)
        return succeed(Lease(FakeEngine(target.engine), target, self.returned.append))

    def listing(self, catalog: Catalog) -> Endpoint:
        """
        @return: the listing of C{catalog}.
        """
        return model_listing(catalog, self.resident.__contains__)

    def ask(
        self, method: bytes, target: bytes, body: bytes | None = None, headers: HeaderPairs = ()
    ) -> Reply:
        """
        @return: the answer to a request.
        """
        client = Client(self.site)
        client.request(method, target, headers, body)
        reply = client.reply()
        client.leave()
        self.assertEqual([], self.clock.getDelayedCalls())
        return reply

    def post(self, target: bytes, headers: HeaderPairs = (), **body: object) -> Reply:
        """
        @return: the answer to a JSON object.
        """
        return self.ask(b"POST", target, json.dumps(body).encode(), headers)

    @property
    def job(self) -> Job:
        """
        @return: the one that was carried.
        """
        ((_, job),) = self.relay.carried
        return job

    def refused(self, reply: Reply, status: int, code: str) -> Any:
        """
        Assert that a request was refused, and not carried.

        @return: the error.
        """
        self.assertEqual([], self.relay.carried)
        self.assertEqual(b"application/json", reply.one(b"content-type"))
        error = reply.json()["error"]
        self.assertEqual((status, code), (reply.status, error["code"]))
        return error
