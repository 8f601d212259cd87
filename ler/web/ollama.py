# -*- test-case-name: ler.test.test_ollama_surface -*-
"""
The C{/api} surface: to a client the router is an Ollama server that has the
models of all engines.
"""

from __future__ import annotations

from typing import Any

from twisted.web.resource import Resource

from ler.web.documents import model_of, object_in
from ler.web.endpoints import Document, Endpoint, Folder
from ler.web.ollama_listing import Fleet

INFERENCE = ("chat", "generate", "embed", "embeddings")

MANAGEMENT = ("pull", "push", "create", "copy", "delete", "blobs")

TEXT = "text/plain; charset=utf-8"


def ollama_tree(
    fleet: Fleet,
    routes: Resource,
    management: Resource,
    *,
    version: str,
    allow_cloud: bool,
) -> Folder:
    """
    @param routes: what serves the paths that use a model.
    @param management: what serves the paths that change models.
    @param version: the version of Ollama that clients are told.
    @param allow_cloud: whether any model at ollama.com may be used.
    @return: the resources under C{/api}.
    """

    async def tags(request: Any) -> Any:
        return fleet.tags()

    async def running(request: Any) -> Any:
        return fleet.running()

    async def show(request: Any) -> Any:
        return fleet.show(model_of(object_in(request)))

    async def tell_version(request: Any) -> Any:
        return {"version": version}

    async def status(request: Any) -> Any:
        source = "none" if allow_cloud else "config"
        return {"cloud": {"disabled": not allow_cloud, "source": source}}

    async def me(request: Any) -> Any:
        # No error of ours: nobody has to show a key, or to come back.
        return Document(b'{"error":"unauthorized"}', status=401)

    return Folder(
        {
            "tags": Endpoint({"GET": tags}),
            "ps": Endpoint({"GET": running}),
            "show": Endpoint({"POST": show}),
            "version": Endpoint({"GET": tell_version}),
            "status": Endpoint({"GET": status}),
            "me": Endpoint({"POST": me}),
            **dict.fromkeys(INFERENCE, routes),
            **dict.fromkeys(MANAGEMENT, management),
        }
    )


class FrontDoor(Resource):
    """
    What C{/} answers: a page to browsers, and to everybody else what Ollama
    does, which its clients ask for before anything else.
    """

    isLeaf = True

    def __init__(self, page: Resource) -> None:
        super().__init__()
        self._page = page
        self._running = Endpoint({"GET": _running})

    def render(self, request: Any) -> int:
        """
        @see: L{Resource.render}
        """
        accepts = request.getHeader(b"accept") or b""
        resource = self._page if b"text/html" in accepts.lower() else self._running
        rendered: int = resource.render(request)
        return rendered


async def _running(request: Any) -> Any:
    return Document(b"Ollama is running", TEXT)
