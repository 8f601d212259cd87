# -*- test-case-name: ler.test.test_api_swap,ler.test.test_live_model_servers -*-
"""
A server that loads and unloads models over HTTP, in the dialect that its
configuration describes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import deferLater
from zope.interface import implementer

from ler.config.model import ApiSwap
from ler.engines.control import Control, Reply
from ler.engines.health import COMPLETION, complete, look, mismatch, model_ids
from ler.errors import Refused, RouterError, Unavailable, UpstreamError
from ler.interfaces import IModelServer, LoadedModel

OK, BAD_REQUEST, BUSY = 200, 400, 503

MIN_BACK_OFF_S = 1.0
"""The least time after which a busy server is asked again."""


@dataclass(frozen=True)
class Step:
    """
    One request that changes what the server holds.

    @ivar path: empty when there is no such request.
    @ivar body: its JSON; none when empty.
    @ivar check: what the answer must show, as of L{mismatch}, or nothing.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    check: str

    def filled(self, names: Mapping[str, str]) -> Step:
        """
        @return: this step with every C{{name}} replaced.
        """
        quoted = {name: quote(value, safe="") for name, value in names.items()}
        return Step(
            self.method,
            _filled(self.path, quoted),
            _filled(self.query, names),
            self.headers,
            _filled(self.body, names),
            self.check,
        )

    def complaint(self, reply: Reply) -> str | None:
        """
        Judge an answer: errors hide behind a good status, and inside of event
        streams.

        @return: why the step failed, or L{None}.
        """
        if reply.status >= BAD_REQUEST:
            return str(reply)
        document = reply.events() if reply.json is None else reply.json
        for event in document if isinstance(document, list) else [document]:
            if isinstance(event, dict) and event.get("error"):
                error = event["error"]
                return str(error.get("message", error) if isinstance(error, dict) else error)
        return mismatch(self.check, document) if self.check else None


def _filled(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(inner, names) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_filled(inner, names) for inner in value]
    if isinstance(value, str):
        for name, text in names.items():
            value = value.replace(f"{{{name}}}", text)
    return value


def entries(document: Any, path: str) -> Iterator[tuple[Any, ...]]:
    """
    Find entries in a document.

    @param path: keys joined by dots, with C{[]} where a list is gone through;
        when empty, the document itself is meant.  A lone object counts as a
        list of one, C{null} as an empty list.
    @return: every entry, each at the end of a L{tuple} that begins with those
        around it, the outermost first.
    @raise LookupError: when the document is of another shape.
    """
    found: list[tuple[Any, ...]] = [(document,)]
    for part in path.split("."):
        key = part.removesuffix("[]")
        found = [(*around, item) for around in found for item in _items(around[-1], key)]
    return iter(found)


def _items(value: Any, key: str) -> list[Any]:
    if key:
        if not isinstance(value, dict) or key not in value:
            raise LookupError(f"{key} is missing")
        value = value[key]
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


@implementer(IModelServer)
class ApiSwapServer:
    """
    One configured C{api_swap}.
    """

    def __init__(self, config: ApiSwap, control: Control) -> None:
        self._config = config
        self._control = control
        self._load_step = Step(
            config.load_method,
            config.load_path,
            config.load_query,
            config.load_headers,
            config.load_body,
            config.load_check,
        )
        self._unload_step = Step(
            config.unload_method,
            config.unload_path,
            config.unload_query,
            config.unload_headers,
            config.unload_body,
            config.unload_check,
        )
        # A server that does not list what it holds, or that loads with the
        # first request only, is taken at our own word.
        self._keeps_book = not (config.load_path and config.loaded_path)
        self._book: dict[str, None] = {}
        self._loading: str | None = None
        self._back_off: Deferred[None] = succeed(None)

    # IModelServer

    def is_up(self) -> Deferred[bool]:
        """
        @see: L{IModelServer.is_up}
        """
        config = self._config
        expectation = "" if config.ready_check == COMPLETION else config.ready_check
        answer = look(self._control, config.health_path, expectation, config.ready_timeout_s)
        return answer.addCallback(lambda complaint: complaint is None)

    def loaded(self) -> Deferred[list[LoadedModel]]:
        """
        @see: L{IModelServer.loaded}
        """
        return Deferred.fromCoroutine(self._loaded())

    def load(self, model: str) -> Deferred[None]:
        """
        @see: L{IModelServer.load}
        @return: as there.  When it is cancelled, the request goes on, since
            servers do not stop to load when one hangs up; until it ends,
            nobody can say what the server holds.
        """
        wait: Deferred[None] = Deferred(lambda _: self._back_off.cancel())

        def over(result: Any) -> None:
            self._loading = None
            if not wait.called:
                wait.callback(result)

        self._loading = model
        Deferred.fromCoroutine(self._load(model, wait)).addBoth(over)
        return wait

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

    async def _load(self, model: str, wait: Deferred[None]) -> None:
        """
        @param wait: it has fired when nobody waits any more.
        """
        config, control = self._config, self._control
        if self._keeps_book:
            self._book[model] = None
        if config.load_path:
            step = self._load_step.filled({"model": model})
            reply = await self._patiently(step, wait)
            complaint = step.complaint(reply)
            if complaint is not None:
                self._book.pop(model, None)
                raise UpstreamError(
                    f"{step.path} failed: {complaint}", retry_after=reply.retry_after
                )
        if config.ready_check == COMPLETION:
            complaint = await complete(control, model, config.load_timeout_s)
            if complaint is not None:
                raise UpstreamError(f"it cannot answer: {complaint}")

    async def _patiently(self, step: Step, wait: Deferred[None]) -> Reply:
        """
        Ask, and ask again when the server says when to come back.
        """
        clock = self._control.clock
        give_up = clock.seconds() + self._config.load_timeout_s
        while True:
            reply = await self._ask(step, give_up - clock.seconds())
            if reply.status != BUSY or reply.retry_after is None or wait.called:
                return reply
            back_off = max(reply.retry_after, MIN_BACK_OFF_S)
            if clock.seconds() + back_off >= give_up:
                return reply
            self._back_off = deferLater(clock, back_off)
            await self._back_off

    async def _unload(self, loaded: LoadedModel) -> None:
        step = self._unload_step.filled({"model": loaded.id, "id": loaded.id})
        if not step.path:
            raise UpstreamError("its unload_path is not configured")
        try:
            reply = await self._ask(step, self._config.unload_timeout_s)
        except Refused:
            pass  # What is down holds nothing.
        else:
            if reply.status not in self._config.unloaded_statuses:
                complaint = step.complaint(reply)
                if complaint is not None:
                    raise UpstreamError(f"{step.path} failed: {complaint}")
        self._book.pop(loaded.name, None)

    async def _loaded(self) -> list[LoadedModel]:
        if self._loading is not None:
            raise Unavailable(f"it is loading {self._loading}")
        try:
            listed = await self._listed()
        except Refused:
            self._book.clear()
            raise
        names = {model.name for model in listed}
        return listed + [LoadedModel(name, name) for name in self._book if name not in names]

    async def _listed(self) -> list[LoadedModel]:
        config = self._config
        reply = await self._get(config.loaded_path or config.health_path, config.loaded_headers)
        if config.loaded_path is None or reply.status in config.loaded_empty_statuses:
            return []
        if reply.status != OK or reply.json is None:
            raise _failed(config.loaded_path, str(reply))
        try:
            return [
                self._entry(entry)
                for entry in entries(reply.json, config.loaded_models_key)
                if not config.loaded_filter or mismatch(config.loaded_filter, entry[-1]) is None
            ]
        except LookupError as e:
            raise _failed(config.loaded_path, f"{e.args[0]} in {reply}") from None

    def _entry(self, entry: tuple[Any, ...]) -> LoadedModel:
        """
        @raise LookupError: when it has no name.
        """
        if isinstance(entry[-1], str):
            return LoadedModel(entry[-1], entry[-1])
        name = _value(entry, self._config.loaded_name_key)
        id_key = self._config.loaded_id_key
        return LoadedModel(name, _value(entry, id_key) if id_key else name)

    async def _list_models(self) -> list[str]:
        reply = await self._get("/v1/models", {})
        if reply.status != OK or reply.json is None:
            raise _failed("/v1/models", str(reply))
        return list(dict.fromkeys(model_ids(reply.json)))

    # What is said to the server.

    def _ask(self, step: Step, timeout: float) -> Deferred[Reply]:
        return self._control.ask(
            step.method,
            step.path,
            query=step.query.items(),
            headers=step.headers.items(),
            body=step.body or None,
            timeout=timeout,
        )

    def _get(self, path: str, headers: Mapping[str, str]) -> Deferred[Reply]:
        timeout = self._config.ready_timeout_s
        return self._control.ask("GET", path, headers=headers.items(), timeout=timeout)


def _failed(path: str, what: str) -> RouterError:
    return UpstreamError(f"{path} does not say: {what}")


def _value(entry: tuple[Any, ...], key: str) -> str:
    """
    @param key: a key of the innermost entry, or with C{^} before it of the one
        around that.
    @raise LookupError: when it is not there.
    """
    name = key.removeprefix("^")
    holder = entry[-1] if name == key else entry[-2]
    if not isinstance(holder, dict) or not isinstance(holder.get(name), (str, int)):
        raise LookupError(f"{key} is missing")
    return str(holder[name])
