# -*- test-case-name: ler.test.test_ollama,ler.test.test_live_ollama -*-
"""
Ollama, as a server that loads and unloads models when it is told to.

It has many names for one model, answers an unload before it happens, says
nothing of what it holds while it loads, and, when memory is short, leaves a
part of the model to the CPU without a word.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from ler.config.model import Ollama
from ler.engines.control import Control, Reply
from ler.engines.health import COMPLETION, complete, look
from ler.errors import GIB, RouterError, UpstreamError
from ler.interfaces import IModelServer, LoadedModel

OK, BAD_REQUEST, NOT_FOUND = 200, 400, 404

FOR_EVER = -1
AT_ONCE = 0
"""Values of C{keep_alive}: how long a model stays after a request, in seconds."""

DEFAULT_PREFIXES = ("registry.ollama.ai/", "library/")
DEFAULT_TAG = "latest"


def normalized(name: str) -> str:
    """
    @return: the one form of all names that Ollama takes for the same model.
    """
    name = name.lower()
    for prefix in DEFAULT_PREFIXES:
        name = name.removeprefix(prefix)
    return name if ":" in name.rpartition("/")[2] else f"{name}:{DEFAULT_TAG}"


def is_cloud(name: str) -> bool:
    """
    @return: whether Ollama only passes requests for this model on, so that it
        takes no memory here.
    """
    tag = normalized(name).rpartition(":")[2]
    return tag == "cloud" or tag.endswith("-cloud")


@implementer(IModelServer)
class OllamaServer:
    """
    One Ollama server.
    """

    _log = Logger()

    def __init__(self, config: Ollama, control: Control, names: Collection[str] = ()) -> None:
        """
        @param names: models as the configuration spells them at any time;
            L{loaded} does so too.
        """
        self._config = config
        self._control = control
        self._names = names
        self._asked: dict[str, str] = {}
        # Those that run elsewhere are never listed: they are taken at our word.
        self._cloud: dict[str, None] = {}

    # IModelServer

    def is_up(self) -> Deferred[bool]:
        """
        @see: L{IModelServer.is_up}
        """
        return Deferred.fromCoroutine(self._is_up())

    def loaded(self) -> Deferred[list[LoadedModel]]:
        """
        @see: L{IModelServer.loaded}
        """
        return Deferred.fromCoroutine(self._loaded())

    def load(self, model: str) -> Deferred[None]:
        """
        @see: L{IModelServer.load}
        @return: as there; cancelling it makes Ollama give the load up.
        """
        return Deferred.fromCoroutine(self._load(model))

    def unload(self, loaded: LoadedModel) -> Deferred[None]:
        """
        @see: L{IModelServer.unload}
        """
        return Deferred.fromCoroutine(self._unload(loaded))

    def list_models(self) -> Deferred[list[str]]:
        """
        @see: L{IModelServer.list_models}
        """
        return Deferred.fromCoroutine(self._list_models())

    # What they do.

    async def _is_up(self) -> bool:
        config = self._config
        expectation = "" if config.ready_check == COMPLETION else config.ready_check
        complaint = await look(
            self._control, config.health_path, expectation, config.ready_timeout_s
        )
        return complaint is None

    async def _loaded(self) -> list[LoadedModel]:
        names = [_name(entry) for entry in await self._entries("/api/ps")]
        local = [name for name in names if not is_cloud(name)]
        spelling = {**{normalized(name): name for name in self._names}, **self._asked}
        return [
            LoadedModel(spelling.get(normalized(name), name), name)
            for name in (*local, *self._cloud)
        ]

    async def _list_models(self) -> list[str]:
        return [_name(entry) for entry in await self._entries("/api/tags")]

    async def _load(self, model: str) -> None:
        self._asked[normalized(model)] = model
        if is_cloud(model):
            self._cloud[model] = None
            return
        timeout = self._config.load_timeout_s
        # Kept open until the end: Ollama gives up a load that nobody waits for.
        reply = await self._keep("generate", model, FOR_EVER, timeout)
        if reply.status == BAD_REQUEST and "does not support generate" in _words(reply):
            reply = await self._keep("embed", model, FOR_EVER, timeout)
        if reply.status != OK:
            raise UpstreamError(_words(reply), retry_after=reply.retry_after)
        if self._config.ready_check == COMPLETION:
            complaint = await complete(self._control, model, timeout)
            if complaint is not None:
                raise UpstreamError(f"it cannot answer: {complaint}")
        await self._look_for_offload(model)

    async def _look_for_offload(self, model: str) -> None:
        try:
            entries = await self._entries("/api/ps")
        except RouterError:
            return  # It has loaded all the same.
        for entry in entries:
            size, in_gpu = entry.get("size"), entry.get("size_vram")
            if (
                normalized(_name(entry)) == normalized(model)
                and isinstance(size, int)
                and isinstance(in_gpu, int)
                and in_gpu < size
            ):
                self._log.warn(
                    "engine {key} has only {in_gpu:.1f} of the {size:.1f} GiB of {model} in the "
                    "memory of the GPU: the rest is left to the CPU",
                    key=self._config.key,
                    model=model,
                    in_gpu=in_gpu / GIB,
                    size=size / GIB,
                )

    async def _unload(self, loaded: LoadedModel) -> None:
        name, timeout = loaded.id, self._config.unload_timeout_s
        if is_cloud(name):
            self._cloud.pop(name, None)
            return
        reply = await self._keep("generate", name, AT_ONCE, timeout)
        if reply.status == BAD_REQUEST:
            # Older versions refuse that for embedding models.  The other
            # request would load a model that has gone by now.
            if name not in map(_name, await self._entries("/api/ps")):
                return
            reply = await self._keep("embed", name, AT_ONCE, timeout)
        if reply.status not in (OK, NOT_FOUND):
            raise UpstreamError(f"it did not unload {name}: {_words(reply)}")

    # What is said to the server, and by it.

    def _keep(self, route: str, model: str, keep_alive: int, timeout: float) -> Deferred[Reply]:
        """
        Change nothing but how long C{model} stays, which loads or unloads it.
        """
        body: dict[str, Any] = {"model": model, "keep_alive": keep_alive}
        # The one does nothing without a prompt; the other needs something to do.
        body.update({"stream": False} if route == "generate" else {"input": "x"})
        return self._control.ask("POST", f"/api/{route}", body=body, timeout=timeout)

    async def _entries(self, path: str) -> list[dict[str, Any]]:
        """
        @return: the models that the server lists there, each with a name.
        @raise RouterError: when it does not say, as while it loads.
        """
        reply = await self._control.ask("GET", path, timeout=self._config.ready_timeout_s)
        document = reply.json
        entries = document.get("models") if isinstance(document, dict) else None
        if reply.status != OK or not isinstance(entries, list) or not all(map(_is_named, entries)):
            raise UpstreamError(f"{path} does not say: {_words(reply)}")
        return entries


def _is_named(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("name"), str)


def _name(entry: dict[str, Any]) -> str:
    name: str = entry["name"]
    return name


def _words(reply: Reply) -> str:
    """
    @return: what the server said, in its own words if it is a complaint.
    """
    document = reply.json
    error = document.get("error") if isinstance(document, dict) else None
    return error if isinstance(error, str) else str(reply)
