# -*- test-case-name: ler.test.test_composing -*-
"""
The parts of a router, put together, and put together anew when the
configuration changes: what only looks at it is made again, what holds
something is told.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry
from twisted.application.service import Service
from twisted.internet.threads import deferToThreadPool
from twisted.logger import globalLogPublisher
from twisted.web.resource import Resource

from ler.config import Config
from ler.config.secrets import secrets_of
from ler.crew import Crew, Muster
from ler.engines.catalog import Catalog, build_catalog
from ler.engines.former import FormerEngine
from ler.engines.homes import needs_of, preloaded
from ler.engines.listing import Listing
from ler.engines.making import Surroundings, make_logs
from ler.engines.ollama_cards import OllamaCards, make_cards
from ler.engines.records import Records
from ler.errors import EngineStartFailed
from ler.interfaces import ILog, IModelLister, IStateStore, Residency, SettleReport
from ler.journal import Journal
from ler.logs import LEVELS
from ler.memory.hidden import HiddenMemory
from ler.memory.memory import Memory
from ler.memory.probes import machine_channels
from ler.memory.unified import is_unified
from ler.memory.unwatched import UnwatchedMemory
from ler.metrics import Metrics
from ler.redaction import Redaction
from ler.reloading import Changes, compare, effective
from ler.slot.options import slot_options
from ler.slot.policy import make_policy
from ler.slot.record import Answered
from ler.slot.slots import Slots
from ler.slot.swap import Swap
from ler.state import StateDirectory, StateFile
from ler.web.admin import Jobs
from ler.web.engine_logs import Logs
from ler.web.event_stream import Audience
from ler.web.feed import Feed
from ler.web.gate import MIB, Gate, make_gate
from ler.web.own import own_resources
from ler.web.record import Recorder
from ler.web.relay import Relay, RelayOptions
from ler.web.router_log import RouterLog
from ler.web.site import RouterSite
from ler.web.status import Status, watch_gauges
from ler.web.tree import make_tree
from ler.web.websocket import WebsocketOptions, Websockets


class Parts:
    """
    What a router consists of.

    @ivar config: what it runs by.
    @ivar slots: the slots.
    @ivar site: the server.
    @ivar listing: the lists of models; another one after a reload.
    @ivar preload: what is to be brought up first.
    @ivar router_log: runs as long as the router.
    """

    def __init__(
        self,
        config: Config,
        environ: Mapping[str, str],
        reactor: Any,
        store: IStateStore,
        state: StateDirectory,
        *,
        answered: Callable[[Answered], None],
        reload: Callable[[], Awaitable[Mapping[str, Any]]],
    ) -> None:
        """
        @param environ: the environment that engines inherit from.
        @param reactor: the real reactor, or one as capable.
        @param answered: called with every request that was answered.
        @param reload: asks for L{reload} with what the configuration says now,
            and tells what has changed.
        """
        self.config = config
        self._reactor = reactor
        self._store = store
        self._ask_reload = reload
        self._jobs = Jobs(reactor)
        self._metrics = Metrics(CollectorRegistry())
        self._journal = Journal(reactor)
        self._recorder = Recorder(self._metrics, self._journal, reactor)
        self._audience = Audience(reactor)
        self._redact = Redaction(secrets_of(config))
        threads = partial(deferToThreadPool, reactor, reactor.getThreadPool())
        # Apart from the rest: whoever loses that still knows whose the engines are.
        instance = instance_of(StateFile(os.path.join(state.path, "instance.json")))
        self._surroundings = Surroundings(
            reactor, store, state.path, instance, environ, threads, is_unified(), self._redact
        )
        self._crew = Crew(self._surroundings)
        catalog = build_catalog(config)
        muster = self._crew.muster(config, catalog)
        self._crew.sign_on(muster)
        records = Records(store)
        self._former = {
            key: FormerEngine(key, reactor=reactor, records=records, threads=threads)
            for key in sorted(records.keys() - muster.members.keys())
        }
        self._memory = Memory(
            machine_channels(free_too="drop_cache" in config.memory_assist),
            reactor,
            store,
            needs=needs_of(config, catalog),
            sizing=_sizing(config),
            timeout=config.swap_memory_settle_timeout_s,
            assist=HiddenMemory(config.memory_assist, threads),
            observe=partial(count_settle, self._metrics),
        )
        self.slots = Slots(
            {**muster.exclusive, **self._former},
            muster.private,
            make_policy=lambda: make_policy(config.scheduler.policy),
            memory=self._memory,
            private_memory=UnwatchedMemory(),
            clock=reactor,
            options=slot_options(config),
            store=store,
            swapped=self._swapped,
            answered=answered,
            replaced=self._crew.take_over,
        )
        watch_gauges(self._metrics, self.slots, self._crew.upstreams, self._memory)
        self.router_log: Service = RouterLog(
            LEVELS[config.log_level], globalLogPublisher, self._redact
        )
        self._logs = Logs(self.router_log, *self._logged(config, muster))
        self._cards = make_cards(config, reactor)
        self._catalog = catalog
        self.listing = self._make_listing(config, catalog, muster, self._cards)
        self.preload: Sequence[Residency] = preloaded(config, catalog)
        self._status = self._make_status(catalog)
        self._feed = Feed(
            self._document,
            self.slots,
            self._journal,
            self._memory,
            self._logs,
            reactor,
        )
        root = self._make_root(config, catalog, self._cards, self._status)
        self.site = RouterSite(root, _gate(config), state.spool, reactor)

    def reload(self, config: Config) -> Changes:
        """
        Run by C{config} from now on.  What is under way goes on by what it
        began with.

        @return: what has changed.
        """
        changes = compare(self.config, config)
        new = effective(self.config, config)
        # First whatever could fail, then what cannot.
        catalog = build_catalog(new)
        muster = self._crew.muster(new, catalog)
        cards = self._renewed_cards(new)
        needs, sizing, options = needs_of(new, catalog), _sizing(new), slot_options(new)
        status = self._make_status(catalog)
        root, gate = self._make_root(new, catalog, cards, status), _gate(new)
        logged = self._logged(new, muster)

        self.listing.stop()
        catalog.inherit(self._catalog, _listers(new, muster, cards))
        self._redact.learn(secrets_of(new))
        self.config, self._catalog, self._cards = new, catalog, cards
        self._status = status
        self.listing = self._make_listing(new, catalog, muster, cards)
        self._memory.reload(needs=needs, sizing=sizing, timeout=new.swap_memory_settle_timeout_s)
        self.site.resource, self.site.gate = root, gate
        self._crew.sign_on(muster)
        former = {k: engine for k, engine in self._former.items() if k not in muster.members}
        self.slots.reload(
            {**muster.exclusive, **former},
            muster.private,
            make_policy=lambda: make_policy(new.scheduler.policy),
            options=options,
        )
        self.listing.start()
        self._logs.renew(*logged)
        self._feed.renew()
        return replace(changes, stale=tuple(filter(self.slots.is_stale, self._crew.engines)))

    def _renewed_cards(self, config: Config) -> dict[str, OllamaCards]:
        """
        @return: the cards of C{config}; of servers that are as they were those
            that there are.
        """
        old = self.config.engines
        return {
            key: self._cards[key] if old.get(key) == config.engines[key] else cards
            for key, cards in make_cards(config, self._reactor).items()
        }

    def _make_listing(
        self, config: Config, catalog: Catalog, muster: Muster, cards: Mapping[str, OllamaCards]
    ) -> Listing:
        return Listing(
            catalog,
            _listers(config, muster, cards),
            store=self._store,
            clock=self._reactor,
            interval=config.discover.refresh_interval_s,
            keep=config.discover.state_ttl_s,
        )

    def _logged(self, config: Config, muster: Muster) -> tuple[Mapping[str, ILog], Collection[str]]:
        """
        @return: as of L{Logs.renew}.
        """
        engines = {key: member.engine for key, member in muster.members.items()}
        configs = {key: config.engines[key] for key in engines}
        return make_logs(configs, engines, self._surroundings), tuple(engines)

    def _swapped(self, swap: Swap) -> None:
        count_swap(self._metrics, swap)
        target = swap.incoming or swap.outgoing
        slot = self.slots.exclusive if target is None else self.slots.of(target)
        self._journal.swap_ended(slot.name, swap.describe(self._reactor.seconds()))
        if swap.incoming is not None and swap.error is None:
            self._came_up(swap.incoming.engine)

    # Of what may be another one after a reload.

    def _document(self) -> Mapping[str, Any]:
        return self._status.document()

    def _ask_engines(self) -> Awaitable[Mapping[str, Any]]:
        return self.listing.ask()

    def _came_up(self, engine: str) -> None:
        self.listing.came_up(engine)

    def _make_status(self, catalog: Catalog) -> Status:
        crew = self._crew
        return Status(self.slots, crew.engines, crew.upstreams, catalog, self._memory)

    def _make_root(
        self, config: Config, catalog: Catalog, cards: Mapping[str, OllamaCards], status: Status
    ) -> Resource:
        crew = self._crew
        relay = Relay(
            self.slots,
            crew.upstreams,
            self._reactor,
            self._recorder,
            RelayOptions(
                heartbeats=config.swap_keepalive_enabled,
                interval=config.swap_keepalive_interval_s,
                heavy_interval=config.swap_keepalive_chunk_s,
                grace=config.swap_keepalive_grace_s,
                stall_timeout=config.client_stall_timeout_s,
            ),
        )
        websockets = Websockets(
            self.slots.acquire,
            crew.upstreams,
            crew.addresses,
            self._reactor,
            self._recorder,
            WebsocketOptions(
                wait=config.websocket_wait_s,
                idle=config.websocket_idle_s,
                longest=int(config.max_websocket_message_mb * MIB),
            ),
            guarded=bool(config.api_keys),
        )
        own = own_resources(
            config,
            catalog=catalog,
            slots=self.slots,
            memory=self._memory,
            metrics=self._metrics,
            journal=self._journal,
            ask_engines=self._ask_engines,
            status=status,
            feed=self._feed,
            logs=self._logs,
            audience=self._audience,
            jobs=self._jobs,
            reload=self._ask_reload,
            clock=self._reactor,
        )
        return make_tree(
            config,
            catalog=catalog,
            slots=self.slots,
            relay=relay,
            websockets=websockets,
            cards=cards,
            changed=self._came_up,
            own=own,
        )


def _listers(
    config: Config, muster: Muster, cards: Mapping[str, OllamaCards]
) -> dict[str, IModelLister]:
    """
    @return: those whose models are clients' models, too, by engine.
    """
    return {
        key: cards.get(key) or IModelLister(member.engine)
        for key, member in muster.members.items()
        if config.engines[key].discover_models and IModelLister.providedBy(member.engine)
    }


def _sizing(config: Config) -> dict[str, str]:
    return {key: engine.sizing for key, engine in config.engines.items() if engine.enabled}


def _gate(config: Config) -> Gate:
    return make_gate(
        host=config.host,
        api_keys=config.api_keys,
        allowed_hosts=config.allowed_hosts,
        allowed_origins=config.allowed_origins,
        max_body_mb=config.max_body_mb,
        max_upload_mb=config.max_upload_mb,
        metrics_auth=config.metrics_auth,
        cors=config.cors,
    )


def instance_of(store: IStateStore) -> str:
    """
    @return: what marks the processes of this router, and of those that worked
        in the same state folder before it.
    """
    instance = store.get("instance")
    if not isinstance(instance, str) or not instance:
        instance = uuid.uuid4().hex
        store.put("instance", instance)
    return instance


def count_swap(metrics: Metrics, swap: Swap) -> None:
    """
    A swap has ended.
    """
    metrics.swap_ended(
        to="none" if swap.incoming is None else swap.incoming.engine,
        cause=swap.cause,
        error=None if swap.error is None else swap.error.code,
        seconds=swap.seconds or 0.0,
        phases=swap.phases,
    )
    if isinstance(swap.error, EngineStartFailed) and swap.error.lacked_memory:
        metrics.start_lacked_memory("none" if swap.report is None else swap.report.verdict)


def count_settle(
    metrics: Metrics, outgoing: str | None, incoming: str | None, report: SettleReport
) -> None:
    """
    A wait for memory has ended.
    """
    # By engine: there may be any number of models.
    metrics.settled((outgoing or "none").partition("/")[0], report)
