# -*- test-case-name: ler.test.test_crew -*-
"""
The engines of one router with the ways to them, over all its configurations.

An engine of which nothing changes stays the same object.  What is in use stays
until the slots say that it is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ler.config import Config, Engine, GenericProcess, Systemd
from ler.engines.catalog import Catalog
from ler.engines.homes import private_engines
from ler.engines.making import Surroundings, make_engine
from ler.interfaces import IEngine, Residency
from ler.reloading import settings
from ler.upstream import EngineEndpoints, Upstream, engine_agent
from ler.web.websocket import Address, address_of

IDLE_CONNECTIONS = 64
"""How many idle connections are kept to one engine."""


@dataclass(frozen=True)
class Member:
    """
    One engine, and what it was made of.

    @ivar made_of: what makes it another engine when it changes.
    @ivar connected: what makes the way to it another one.
    @ivar names: what its models are called in requests to it; changed in
        place.
    """

    made_of: object
    connected: object
    names: list[str]
    engine: IEngine
    upstream: Upstream
    address: Address


@dataclass(frozen=True)
class Muster:
    """
    The engines of one configuration.

    @ivar members: by key.
    @ivar names: of each, what its models are called by that configuration.
    @ivar exclusive: those that need the whole memory, by key.
    @ivar private: those that live beside them.
    """

    members: Mapping[str, Member]
    names: Mapping[str, list[str]]
    exclusive: Mapping[str, IEngine]
    private: Mapping[Residency, IEngine]


class Crew:
    """
    The engines that are in use, and those that are to be.

    @ivar engines: those in use, by key.
    @ivar upstreams: the ways to them.
    @ivar addresses: where their websockets are.
    """

    def __init__(self, around: Surroundings) -> None:
        self.engines: dict[str, IEngine] = {}
        self.upstreams: dict[str, Upstream] = {}
        self.addresses: dict[str, Address] = {}
        self._around = around
        self._in_use: dict[str, Member] = {}
        self._meant: Mapping[str, Member] = {}

    def muster(self, config: Config, catalog: Catalog) -> Muster:
        """
        @return: what C{config} describes, made of what is there already where
            that fits.  Nothing else has happened yet.
        """
        configured = {key: engine for key, engine in config.engines.items() if engine.enabled}
        names = {
            key: [entry.upstream_name for entry in catalog.entries() if entry.engine == key]
            for key in configured
        }
        beside: dict[str, set[str | None]] = {key: set() for key in configured}
        for model in config.models:
            if model.exclusive is False and model.engine in beside:
                beside[model.engine].add(catalog.resolve(model.id).residency.model)
        members = {
            key: self._member(
                engine, names[key], frozenset(beside[key]), config.upstream_connect_timeout_s
            )
            for key, engine in configured.items()
        }
        engines = {key: member.engine for key, member in members.items()}
        return Muster(
            members,
            names,
            {key: engines[key] for key, engine in configured.items() if engine.exclusive},
            private_engines(config, engines, catalog),
        )

    def _member(
        self, config: Engine, names: list[str], beside: frozenset[str | None], timeout: float
    ) -> Member:
        # What an engine that we launch is asked to prove its health.
        first = names[:1] if isinstance(config, GenericProcess | Systemd) else None
        made_of = (settings(config), first, beside)
        connected = (config.base_url, config.max_connections, timeout)
        known = (self._meant.get(config.key), self._in_use.get(config.key))
        old = next((each for each in known if each is not None and each.made_of == made_of), None)
        if old is not None and old.connected == connected:
            return old
        if old is None:
            names = list(names)
            engine = make_engine(config, names, self._around)
        else:
            names, engine = old.names, old.engine
        reactor = self._around.reactor
        return Member(
            made_of,
            connected,
            names,
            engine,
            Upstream(
                config.base_url,
                engine_agent(reactor, timeout, IDLE_CONNECTIONS),
                reactor,
                config.max_connections,
            ),
            address_of(config.base_url, EngineEndpoints(reactor, timeout)),
        )

    def sign_on(self, muster: Muster) -> None:
        """
        From now on C{muster} is what is meant; what is in use is told by
        L{take_over}.
        """
        self._meant = muster.members
        for key, names in muster.names.items():
            muster.members[key].names[:] = names
            if key not in self._in_use:
                self.take_over(key)

    def take_over(self, key: str) -> None:
        """
        What is meant by C{key} is in use now; nothing else is any more.
        """
        member = self._meant.get(key)
        if member is None:
            for known in (self._in_use, self.engines, self.upstreams, self.addresses):
                known.pop(key, None)
            return
        self._in_use[key] = member
        self.engines[key] = member.engine
        self.upstreams[key] = member.upstream
        self.addresses[key] = member.address
