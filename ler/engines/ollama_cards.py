# -*- test-case-name: ler.test.test_ollama_cards -*-
"""
What an Ollama server tells of each of its models.

It is asked behind the scenes, whenever its list is read, and about each
version of a model once: clients are answered from memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from ler.config.model import Config, Ollama
from ler.engines.catalog import Entry
from ler.engines.control import Control
from ler.engines.ollama import is_cloud, normalized
from ler.errors import CloudModel, RouterError
from ler.interfaces import IModelLister
from ler.upstream import engine_agent

OK = 200

SHOWS_S = 5.0
"""How long a list may wait for what is told of the models in it."""

LISTED: Mapping[str, type] = {"size": int, "digest": str, "modified_at": str}

DETAILS: Mapping[str, type] = {
    "format": str,
    "family": str,
    "families": list,
    "parameter_size": str,
    "quantization_level": str,
}

SHOWN: Mapping[str, type] = {
    "modelfile": str,
    "parameters": str,
    "template": str,
    "system": str,
    "license": str,
    "model_info": dict,
    "capabilities": list,
}


@dataclass(frozen=True)
class Card:
    """
    What is told of one model.  What is not as it should be was left out.

    @ivar listed: of L{LISTED}, what C{/api/tags} tells.
    @ivar details: of L{DETAILS}, what it tells.
    @ivar shown: of L{SHOWN}, what C{/api/show} tells; empty when it was not
        asked, or did not answer.
    @ivar is_remote: whether the model is at ollama.com, and only its name
        here.
    """

    listed: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    shown: Mapping[str, Any] = field(default_factory=dict)
    is_remote: bool = False


BLANK = Card()
"""A model that nothing is told of."""


@implementer(IModelLister)
class OllamaCards:
    """
    The models of one Ollama server.
    """

    def __init__(self, control: Control, *, timeout: float, allow_cloud: bool) -> None:
        """
        @param timeout: how long an answer may take, in seconds.
        @param allow_cloud: whether models at ollama.com may be used.
        """
        self._control = control
        self._timeout = timeout
        self._allow_cloud = allow_cloud
        self._cards: dict[str, Card] = {}

    def card(self, name: str) -> Card:
        """
        @return: what was told last of a model; L{BLANK} when nothing was.
        """
        return self._cards.get(normalized(name), BLANK)

    def forbids(self, name: str) -> bool:
        """
        @return: whether a request for the model would leave this machine, and
            must not.
        """
        return not self._allow_cloud and (is_cloud(name) or self.card(name).is_remote)

    def list_models(self) -> Deferred[list[str] | None]:
        """
        @see: L{IModelLister.list_models}
        """
        return Deferred.fromCoroutine(self._list_models())

    async def _list_models(self) -> list[str] | None:
        try:
            document = await self._ask("GET", "/api/tags", self._timeout)
        except RouterError:
            return None
        listed = document.get("models")
        if not isinstance(listed, list):
            return None
        tags = {tag["name"]: tag for tag in listed if _is_named(tag)}
        self._cards = {normalized(name): self._renewed(name, tag) for name, tag in tags.items()}
        with suppress(RouterError):
            await self._complete(list(tags))
        return list(tags)

    def _renewed(self, name: str, tag: Mapping[str, Any]) -> Card:
        """
        @return: the card of a listed model, with what was shown of it before
            if it is the same still.
        """
        listed, old = _fitting(tag, LISTED), self.card(name)
        digest = listed.get("digest")
        same = digest is not None and digest == old.listed.get("digest")
        return Card(
            listed,
            _fitting(tag.get("details"), DETAILS),
            old.shown if same else {},
            bool(tag.get("remote_host")),
        )

    async def _complete(self, names: list[str]) -> None:
        """
        Ask about those of which nothing was shown yet, as long as there is
        time; the others have their turn when the list is read again.
        """
        cards, clock = self._cards, self._control.clock
        until = clock.seconds() + SHOWS_S
        for name in names:
            left = until - clock.seconds()
            if left <= 0:
                break
            card = cards[normalized(name)]
            # What is at ollama.com would be asked for there.
            if not card.shown and not self.forbids(name):
                shown = await self._ask("POST", "/api/show", min(left, self._timeout), model=name)
                details = {**card.details, **_fitting(shown.get("details"), DETAILS)}
                cards[normalized(name)] = replace(
                    card, details=details, shown=_fitting(shown, SHOWN)
                )

    async def _ask(self, method: str, path: str, timeout: float, **body: str) -> Mapping[str, Any]:
        """
        @return: what the server says; empty when that is nothing of use.
        @raise RouterError: when it does not answer.
        """
        reply = await self._control.ask(method, path, body=body or None, timeout=timeout)
        return reply.json if reply.status == OK and isinstance(reply.json, dict) else {}


def _is_named(tag: object) -> bool:
    return isinstance(tag, dict) and isinstance(tag.get("name"), str) and bool(tag["name"])


def _fitting(document: object, shapes: Mapping[str, type]) -> dict[str, Any]:
    """
    @return: the members of C{document} that are of the types they should be;
        lists hold texts.
    """
    found = document if isinstance(document, dict) else {}
    return {
        key: found[key]
        for key, shape in shapes.items()
        if type(found.get(key)) is shape
        and (shape is not list or all(isinstance(item, str) for item in found[key]))
    }


def make_cards(config: Config, reactor: Any) -> dict[str, OllamaCards]:
    """
    @param reactor: the real reactor, or one as capable.
    @return: the cards of every Ollama server that takes part, by the key of
        its engine, in order.
    """
    return {
        key: OllamaCards(
            Control(
                engine.base_url,
                engine_agent(reactor, engine.ready_timeout_s, idle=1),
                reactor,
                engine.control_headers,
            ),
            timeout=engine.ready_timeout_s,
            allow_cloud=engine.allow_cloud_models,
        )
        for key, engine in config.engines.items()
        if engine.enabled and isinstance(engine, Ollama)
    }


def refuse_cloud(entry: Entry, cards: Mapping[str, OllamaCards]) -> None:
    """
    Refuse a model that would send the prompt away, unless that is configured.

    @param cards: those of every Ollama server, by the key of its engine.
    @raise CloudModel: when it would.
    """
    owner = cards.get(entry.engine)
    if owner is not None and owner.forbids(entry.upstream_name):
        raise CloudModel(
            f"model '{entry.id}' runs at ollama.com, where the prompt would go; set "
            f"'allow_cloud_models' on engine {entry.engine} if it may"
        )
