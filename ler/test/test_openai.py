# -*- test-case-name: ler.test.test_openai -*-
"""
Tests for L{ler.web.openai}.
"""

from __future__ import annotations

from ler.engines.catalog import Catalog, Entry, Owner, Right
from ler.interfaces import Residency
from ler.test.http import open_site
from ler.test.surface_case import SurfaceCase
from ler.web.endpoints import Folder
from ler.web.openai import V1


class ListingTests(SurfaceCase):
    """
    The models that there are.
    """

    def test_all(self) -> None:
        """All models are listed in order, then plain aliases, with what the
        SDKs of OpenAI and Anthropic read."""
        listing = self.ask(b"GET", b"/v1/models").json()
        self.assertEqual(
            ["m", "org/name", "all", "llama:8b", "small"],
            [model["id"] for model in listing["data"]],
        )
        self.assertEqual(
            {
                "id": "m",
                "object": "model",
                "created": 1767225600,
                "owned_by": "a",
                "name": "Model M",
                "context_length": 4096,
                "loaded": False,
                "type": "model",
                "display_name": "Model M",
                "created_at": "2026-01-01T00:00:00Z",
            },
            listing["data"][0],
        )
        del listing["data"]
        self.assertEqual(
            {"object": "list", "has_more": False, "first_id": "m", "last_id": "small"}, listing
        )

    def test_loaded(self) -> None:
        """What is in memory is told, of aliases too."""
        self.resident.add(Residency("a"))
        listing = self.ask(b"GET", b"/v1/models").json()
        loaded = {model["id"]: model["loaded"] for model in listing["data"]}
        self.assertEqual({"m", "small"}, {id for id, there in loaded.items() if there})

    def test_discovered(self) -> None:
        """What engines are found to have is listed with the rest; its context
        is not known."""
        self.site = open_site(self.listing(self.discovered()), self.clock)
        listing = self.ask(b"GET", b"/v1/models").json()
        told = [
            (model["id"], model["owned_by"], model["context_length"]) for model in listing["data"]
        ]
        self.assertEqual([("m", "a", 4096), ("found", "b", None), ("alias", "b", None)], told)

    def discovered(self) -> Catalog:
        """
        @return: a catalog with a model that nobody configured.
        """
        catalog = Catalog(
            [Entry("m", "a", "m", "M", context_length=4096)], {"alias": "found"}, [Owner("b")]
        )
        catalog.claim("b", Right.LIVE, ["found"])
        return catalog

    def test_spellings(self) -> None:
        """A slash at the end, or a query, makes no other list."""
        for target in (
            b"/v1/models/",
            b"/v1/models?limit=1000",
            b"/v1/models/?x",
            b"/v1/v1/models",
        ):
            self.assertEqual(5, len(self.ask(b"GET", target).json()["data"]))

    def test_none(self) -> None:
        """A list may be empty."""
        listing = self.listing(Catalog([], {}))
        self.site = open_site(Folder({"v1": V1({b"models": listing}, listing)}), self.clock)
        self.assertEqual(
            {"object": "list", "data": [], "has_more": False, "first_id": None, "last_id": None},
            self.ask(b"GET", b"/v1/models").json(),
        )

    def test_one(self) -> None:
        """A single model is told by its id, which may hold slashes, escaped
        or not."""
        for target, id in {
            b"/v1/models/m": "m",
            b"/v1/models/org/name": "org/name",
            b"/v1/models/org%2Fname": "org/name",
            b"/v1/models/org%2fname?x=1": "org/name",
            b"/v1/models/%6d": "m",
        }.items():
            self.assertEqual(id, self.ask(b"GET", target).json()["id"])

    def test_one_alias(self) -> None:
        """An alias is told under its own name, one that matches a pattern,
        too."""
        for name in ("small", "claude-4.5"):
            model = self.ask(b"GET", f"/v1/models/{name}".encode()).json()
            self.assertEqual((name, "Model M"), (model["id"], model["display_name"]))

    def test_unknown(self) -> None:
        """A model that is not there is not found, however odd its name."""
        for target in (
            b"/v1/models/x",
            b"/v1/models/M",
            b"/v1/models/m/",
            b"/v1/models//m",
            b"/v1/models/../models/m",
            b"/v1/models/%2e%2e/chat/completions",
            b"/v1/models/%00",
            b"/v1/models/%0d%0aX:%20y",
            b"/v1/models/" + b"x" * 5000,
        ):
            error = self.refused(self.ask(b"GET", target), 404, "model_not_found")
            self.assertEqual("model", error["param"])

    def test_no_text(self) -> None:
        """An id that is no text is refused."""
        self.refused(self.ask(b"GET", b"/v1/models/%ff"), 400, "invalid_path")

    def test_methods(self) -> None:
        """Models can be looked at, nothing else."""
        self.assertEqual(200, self.ask(b"HEAD", b"/v1/models").status)
        self.assertEqual(200, self.ask(b"HEAD", b"/v1/models/m").status)
        for method in (b"POST", b"DELETE", b"PUT"):
            for target in (b"/v1/models", b"/v1/models/m", b"/v1/models/../chat/completions"):
                reply = self.ask(method, target, b'{"model":"m"}')
                self.refused(reply, 405, "method_not_allowed")
                self.assertEqual(b"GET, HEAD", reply.one(b"allow"))
