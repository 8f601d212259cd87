# -*- test-case-name: ler.test.test_ollama_surface -*-
"""
Tests for L{ler.web.ollama}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from ler.engines.catalog import Catalog, Entry
from ler.interfaces import Residency
from ler.test.http import Client, HeaderPairs, Reply, open_site
from ler.web.endpoints import Document, Endpoint, Folder
from ler.web.ollama import FrontDoor, ollama_tree
from ler.web.ollama_listing import Fleet

JSON = b"application/json"


class Named(Resource):
    """
    Answers every request with its own name.
    """

    isLeaf = True

    def __init__(self, name: bytes) -> None:
        super().__init__()
        self._name = name

    def render(self, request: Any) -> bytes:
        """
        @see: L{Resource.render}
        """
        return self._name


class SurfaceCase(SynchronousTestCase):
    """
    The surface of a router with one model, C{m}, which is in memory.
    """

    allow_cloud = False

    def setUp(self) -> None:
        """
        Open the site.
        """

        async def page(request: Any) -> Any:
            return Document(b"<!doctype html>", "text/html; charset=utf-8")

        self.clock = Clock()
        fleet = Fleet(
            Catalog([Entry("m", "a", "m.gguf", "M", context_length=4096)], {"alias": "m"}),
            {},
            is_loaded={Residency("a")}.__contains__,
            idle_unload={},
        )
        api = ollama_tree(
            fleet,
            Named(b"routes"),
            Named(b"management"),
            version="0.32.0",
            allow_cloud=self.allow_cloud,
        )
        root = Folder({"": FrontDoor(Endpoint({"GET": page})), "api": api})
        self.site = open_site(root, self.clock)

    def ask(
        self, method: bytes, target: bytes, body: bytes | None = None, headers: HeaderPairs = ()
    ) -> Reply:
        """
        @return: the answer to a request, which comes at once.
        """
        client = Client(self.site)
        client.request(method, target, headers, body)
        reply = client.reply()
        client.leave()
        self.assertEqual([], self.clock.getDelayedCalls())
        return reply

    def error(self, reply: Reply, status: int) -> str:
        """
        @return: what an answer complains of.
        """
        self.assertEqual((status, JSON), (reply.status, reply.one(b"content-type")))
        ((key, error),) = reply.json().items()
        self.assertEqual("error", key)
        self.assertIsInstance(error, str)
        text: str = error
        return text


class ListTests(SurfaceCase):
    """
    What clients look at before they ask for anything.
    """

    def test_lists(self) -> None:
        """
        The lists are there, and so are their heads; a slash at the end makes
        no other path.
        """
        for path, names in {b"/api/tags": ["m", "alias"], b"/api/ps": ["m"]}.items():
            for target in (path, path + b"/", path + b"?x=1"):
                reply = self.ask(b"GET", target)
                self.assertEqual((200, JSON), (reply.status, reply.one(b"content-type")))
                self.assertEqual(names, [model["name"] for model in reply.json()["models"]])
            head = self.ask(b"HEAD", path)
            self.assertEqual((200, b""), (head.status, head.body))
            self.assertEqual(reply.one(b"content-length"), head.one(b"content-length"))

    def test_version(self) -> None:
        """
        The version is the configured one.
        """
        self.assertEqual({"version": "0.32.0"}, self.ask(b"GET", b"/api/version").json())
        self.assertEqual(200, self.ask(b"HEAD", b"/api/version").status)

    def test_show(self) -> None:
        """
        A model is shown by either key and in any spelling, whatever the
        content type.
        """
        for asked in (
            {"model": "m"},
            {"name": "m"},
            {"model": "", "name": "M:latest", "verbose": True},
            {"model": "alias", "options": {}},
        ):
            for headers in ({}, {b"Content-Type": b"text/plain"}, {b"Content-Type": JSON}):
                reply = self.ask(b"POST", b"/api/show", json.dumps(asked).encode(), headers)
                self.assertEqual(200, reply.status)
                self.assertEqual(4096, reply.json()["model_info"]["unknown.context_length"])

    def test_show_refused(self) -> None:
        """
        What is not there, or not named, is told in a plain text.
        """
        reply = self.ask(b"POST", b"/api/show", b'{"model":"gone"}')
        self.assertIn("no engine has a model 'gone'", self.error(reply, 404))
        for body in (b"", b"{}", b"[]", b"x", b'{"model":["m"]}', None):
            self.error(self.ask(b"POST", b"/api/show", body), 400)
        self.error(self.ask(b"POST", b"/api/show", b" " * (1 << 20) + b"{}"), 413)

    def test_account(self) -> None:
        """
        Nobody is signed in at ollama.com, and there is nothing else of that
        kind.
        """
        reply = self.ask(b"POST", b"/api/me")
        self.assertEqual("unauthorized", self.error(reply, 401))
        self.assertEqual([], reply.all(b"www-authenticate"))
        self.assertEqual(
            {"cloud": {"disabled": True, "source": "config"}},
            self.ask(b"GET", b"/api/status").json(),
        )
        for target in (b"/api/signout", b"/api/experimental/web_search", b"/api/user/keys/x"):
            self.error(self.ask(b"POST", target, b"{}"), 404)

    def test_missing(self) -> None:
        """
        Nothing else is there.
        """
        for target in (b"/api", b"/api/", b"/api/tags/x", b"/api/x", b"/api/v0/models"):
            self.assertEqual(404, self.ask(b"GET", target).status)
        self.error(self.ask(b"GET", b"/api/x"), 404)

    def test_methods(self) -> None:
        """
        A path that is there is not there for every method.
        """
        for target, allowed in {
            b"/api/tags": b"GET, HEAD",
            b"/api/ps": b"GET, HEAD",
            b"/api/version": b"GET, HEAD",
            b"/api/status": b"GET, HEAD",
            b"/api/show": b"POST",
            b"/api/me": b"POST",
        }.items():
            for method in (b"GET", b"POST", b"DELETE"):
                if method not in allowed.split(b", "):
                    reply = self.ask(method, target, b"{}")
                    self.error(reply, 405)
                    self.assertEqual(allowed, reply.one(b"allow"))


class AllowedCloudTests(SurfaceCase):
    """
    Models at ollama.com may be used.
    """

    allow_cloud = True

    def test_status(self) -> None:
        """
        That is told.
        """
        self.assertEqual(
            {"cloud": {"disabled": False, "source": "none"}},
            self.ask(b"GET", b"/api/status").json(),
        )


class OthersTests(SurfaceCase):
    """
    What others serve.
    """

    def test_routes(self) -> None:
        """
        What uses a model goes to those who know engines.
        """
        for name in (b"chat", b"generate", b"embed", b"embeddings"):
            for method in (b"POST", b"GET"):
                self.assertEqual(b"routes", self.ask(method, b"/api/" + name, b"{}").body)

    def test_management(self) -> None:
        """
        What changes models goes to those who may do that.
        """
        for name in (b"pull", b"push", b"create", b"copy", b"delete", b"blobs/x", b"pull/x"):
            self.assertEqual(b"management", self.ask(b"POST", b"/api/" + name, b"{}").body)


class FrontDoorTests(SurfaceCase):
    """
    L{FrontDoor}
    """

    def test_client(self) -> None:
        """
        Clients of Ollama look for it here.
        """
        for headers in ({}, {b"Accept": b"*/*"}, {b"Accept": b"application/json"}):
            reply = self.ask(b"GET", b"/", headers=headers)
            self.assertEqual((200, b"Ollama is running"), (reply.status, reply.body))
            self.assertEqual(b"text/plain; charset=utf-8", reply.one(b"content-type"))
        head = self.ask(b"HEAD", b"/")
        self.assertEqual((200, b""), (head.status, head.body))

    def test_browser(self) -> None:
        """
        A browser is shown a page.
        """
        accept = {b"Accept": b"text/html,application/xhtml+xml,*/*;q=0.8"}
        for method, body in ((b"GET", b"<!doctype html>"), (b"HEAD", b"")):
            reply = self.ask(method, b"/", headers=accept)
            self.assertEqual((200, body), (reply.status, reply.body))
            self.assertEqual(b"text/html; charset=utf-8", reply.one(b"content-type"))

    def test_methods(self) -> None:
        """
        There is nothing to be done here.
        """
        reply = self.ask(b"POST", b"/", b"")
        self.assertEqual((405, b"GET, HEAD"), (reply.status, reply.one(b"allow")))
