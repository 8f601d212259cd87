# -*- test-case-name: ler.test.test_catalog -*-
"""
The one place that says who owns a model, and which models there are.

What the configuration names comes first, then what engines say that they
have, then what their command lines say, then what was seen before a restart.
Where two engines have as good a right to an id, the one that is configured
first owns it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from twisted.logger import Logger

from ler.config.model import ApiSwap, Config, Engine, GenericProcess, Ollama
from ler.engines.commands import ids_in
from ler.engines.ollama import normalized
from ler.errors import GIB, UnknownModel
from ler.interfaces import Residency

LONGEST = 200
"""The longest name that patterns are tried on, and that an answer repeats."""


class Right(IntEnum):
    """
    Why an engine may own models that nobody configured, the best reason first.

    @cvar LIVE: it said so.
    @cvar COMMAND: its command line says so.
    @cvar SEEN: it said so to an earlier router.
    """

    LIVE = 1
    COMMAND = 2
    SEEN = 3


@dataclass(frozen=True)
class Entry:
    """
    One model.

    @ivar id: what clients send, unless they use an alias.
    @ivar engine: the key of its owner.
    @ivar upstream_name: what its owner expects in the body.
    @ivar display_name: its name in listings.
    @ivar context_length: its context in tokens, or L{None} when unknown.
    @ivar thinking_floor: token budgets below this switch its thinking off;
        L{None} for never.
    @ivar by_model: whether its owner holds single models, rather than being
        there as a whole or not at all.
    @ivar tagged: whether clients may spell it as Ollama lets them, see
        L{normalized}.
    @ivar capabilities: what it is said to be able to do (C{completion},
        C{tools}, C{vision}, ...); empty when unknown, as are the others when
        L{None}.
    @ivar family: its architecture.
    @ivar parameter_size: how many parameters it has, such as C{32.8B}.
    @ivar quantization: how it is quantized.
    @ivar size: the bytes that it takes.
    """

    id: str
    engine: str
    upstream_name: str
    display_name: str
    context_length: int | None = None
    thinking_floor: int | None = None
    by_model: bool = False
    tagged: bool = False
    capabilities: tuple[str, ...] = ()
    family: str | None = None
    parameter_size: str | None = None
    quantization: str | None = None
    size: int | None = None

    @property
    def residency(self) -> Residency:
        """
        @return: what must be resident for it to be served.
        """
        return Residency(self.engine, self.upstream_name if self.by_model else None)


@dataclass(frozen=True)
class Owner:
    """
    An engine, as far as its models go.

    @ivar key: its key.
    @ivar by_model: see L{Entry}.
    @ivar tagged: see L{Entry}.
    """

    key: str
    by_model: bool = False
    tagged: bool = False

    def entry(self, id: str, name: str | None = None) -> Entry:
        """
        @param name: what the engine calls the model; C{id} when L{None}.
        @return: a model of which nothing else is known.
        """
        return Entry(id, self.key, name or id, id, by_model=self.by_model, tagged=self.tagged)


class Catalog:
    """
    Models by id, and other names for them.
    """

    _log = Logger()

    def __init__(
        self, entries: Iterable[Entry], aliases: Mapping[str, str], owners: Iterable[Owner] = ()
    ) -> None:
        """
        @param entries: the models that are configured; of two with one id the
            first counts.
        @param aliases: ids by alias.  A C{*} in an alias matches any text; a
            plain alias goes before a pattern, a long pattern before a short
            one.
        @param owners: the engines that may have further models, in order.
        """
        self._configured = tuple(entries)
        self._owners = {owner.key: owner for owner in owners}
        self._claims: dict[tuple[Right, str], tuple[str, ...]] = {}
        self._disputes: set[tuple[str, str]] = set()
        self._aliases = {name: id for name, id in aliases.items() if "*" not in name}
        patterns = sorted((name for name in aliases if "*" in name), key=len, reverse=True)
        self._patterns = [
            (re.compile(".*".join(map(re.escape, name.split("*"))), re.DOTALL), aliases[name])
            for name in patterns
        ]
        self._settle()

    def claim(self, engine: str, right: Right, ids: Iterable[str]) -> None:
        """
        Note which further models an owner has, in place of what it had by the
        same right before.

        @param engine: its key.
        """
        claimed = tuple(ids)
        if self.claims(engine, right) != claimed:
            self._claims[right, engine] = claimed
            self._settle()

    def inherit(self, former: Catalog, engines: Iterable[str]) -> None:
        """
        Take over what C{engines} have said since the router started.

        @param former: the catalog of an earlier configuration.
        """
        for engine in engines:
            self.claim(engine, Right.LIVE, former.claims(engine, Right.LIVE))

    def claims(self, engine: str, right: Right) -> tuple[str, ...]:
        """
        @see: L{claim}
        """
        return self._claims.get((right, engine), ())

    def find(self, name: str, *, as_ollama: bool = False) -> Entry | None:
        """
        @param name: an id or an alias.
        @param as_ollama: whether every name may be spelled as Ollama lets its
            clients spell names, not only those of its own models.
        @return: the model, or L{None} when there is none of that name.
        """
        entry = self._entries.get(name)
        if entry is not None:
            return entry
        id = self._aliases.get(name)
        if id is not None:
            return self._spelled(id)
        entry = self._spelled(name)
        if entry is None and as_ollama:
            entry = self._respelled.get(normalized(name))
        if entry is not None or len(name) > LONGEST:
            return entry
        id = next((id for pattern, id in self._patterns if pattern.fullmatch(name)), None)
        return None if id is None else self._spelled(id)

    def resolve(self, name: str, *, as_ollama: bool = False) -> Entry:
        """
        @see: L{find}
        @raise UnknownModel: when there is none; it names what is near.
        """
        entry = self.find(name, as_ollama=as_ollama)
        if entry is not None:
            return entry
        shown = name if len(name) <= LONGEST else f"{name[:LONGEST]}..."
        near = difflib.get_close_matches(shown, [*self._entries, *self._aliases], n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else "; GET /v1/models lists them"
        raise UnknownModel(f"no engine has a model '{shown}'{hint}")

    def entries(self) -> Sequence[Entry]:
        """
        @return: every model: those that are configured, then the others, each
            in the order of the configuration.
        """
        return list(self._entries.values())

    def aliases(self) -> list[tuple[str, Entry]]:
        """
        @return: the plain aliases with the models that they name.
        """
        named = ((name, self._spelled(id)) for name, id in self._aliases.items())
        return [(name, entry) for name, entry in named if entry is not None]

    def _spelled(self, id: str) -> Entry | None:
        """
        @return: the model of this id, or of one that Ollama takes for it.
        """
        return self._entries.get(id) or self._tagged.get(normalized(id))

    def _settle(self) -> None:
        """
        Say anew who owns what.
        """
        self._entries: dict[str, Entry] = {}
        self._tagged: dict[str, Entry] = {}
        self._spellings: dict[tuple[str, str], str] = {}
        for entry in self._configured:
            self._add(entry)
        for right in Right:
            for key, owner in self._owners.items():
                for id in self.claims(key, right):
                    # What people call their models goes before what engines do.
                    if id not in self._aliases:
                        self._add(owner.entry(id))
        self._respelled: dict[str, Entry] = {}
        for name, entry in [*self._entries.items(), *self.aliases()]:
            self._respelled.setdefault(normalized(name), entry)

    def _add(self, entry: Entry) -> None:
        owner = self._spelled(entry.id) if entry.tagged else self._entries.get(entry.id)
        if owner is not None:
            if owner.engine != entry.engine:
                self._dispute(owner, entry)
            return
        if entry.tagged:
            # Two spellings would be two residents, and a swap between them.
            name = normalized(entry.upstream_name)
            name = self._spellings.setdefault((entry.engine, name), entry.upstream_name)
            entry = replace(entry, upstream_name=name)
            self._tagged[normalized(entry.id)] = entry
        self._entries[entry.id] = entry

    def _dispute(self, owner: Entry, other: Entry) -> None:
        pair = (owner.engine, other.engine)
        if pair not in self._disputes:
            self._disputes.add(pair)
            self._log.warn(
                "engines {owner} and {other} both have model {id}, and perhaps others: {owner} "
                "serves it; to change that, list it under 'models' for {other}",
                owner=owner.engine,
                other=other.engine,
                id=other.id,
            )


def owner_of(engine: Engine) -> Owner:
    """
    @return: an engine as an owner of models.
    """
    return Owner(engine.key, isinstance(engine, ApiSwap | Ollama), isinstance(engine, Ollama))


def build_catalog(config: Config) -> Catalog:
    """
    @return: the models of the enabled engines: those that are listed, then
        the further ids that engines serve, then, of engines that may name
        their own, what their command lines say.
    """
    owners = {key: owner_of(engine) for key, engine in config.engines.items() if engine.enabled}
    listed = [
        replace(
            owners[model.engine].entry(model.id, model.model_name),
            display_name=model.display_name or model.id,
            context_length=model.context_length,
            thinking_floor=model.disable_thinking_below_max_tokens,
            capabilities=model.capabilities,
            family=model.family,
            parameter_size=model.parameter_size,
            quantization=model.quantization,
            size=None if model.size_gb is None else int(model.size_gb * GIB),
        )
        for model in config.models
        if model.engine in owners
    ]
    served = [
        owner.entry(id) for key, owner in owners.items() for id in config.engines[key].served_models
    ]
    catalog = Catalog(listed + served, config.aliases, owners.values())
    for key in owners:
        engine = config.engines[key]
        if engine.discover_models and isinstance(engine, GenericProcess):
            catalog.claim(key, Right.COMMAND, ids_in(engine.start_cmd))
    return catalog
