# -*- test-case-name: ler.test.test_tap -*-
"""
C{twistd engine-router}: its options, and the one place where the parts are
put together and the real reactor is touched.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from prometheus_client import CollectorRegistry
from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger, globalLogPublisher
from twisted.python import usage

from ler.config import Config, ConfigError, json_schema, load
from ler.config.secrets import secrets_of
from ler.engines.catalog import build_catalog
from ler.engines.former import FormerEngine
from ler.engines.homes import needs_of, preloaded, private_engines, whole_engines
from ler.engines.listing import Listing
from ler.engines.making import Surroundings, make_engine, make_logs
from ler.engines.records import Records
from ler.errors import EngineStartFailed
from ler.interfaces import IModelLister, IStateStore, Residency, SettleReport
from ler.journal import Journal
from ler.listening import Listening
from ler.logs import LEVELS, LogFileService
from ler.memory.hidden import HiddenMemory
from ler.memory.memory import Memory
from ler.memory.probes import machine_channels
from ler.memory.unified import is_unified
from ler.memory.unwatched import UnwatchedMemory
from ler.metrics import Metrics
from ler.notify import Notifier
from ler.redaction import Redaction
from ler.slot.options import SlotOptions
from ler.slot.policy import make_policy
from ler.slot.slots import Slots
from ler.slot.swap import Swap
from ler.state import StateDirectory, StateFile, StateLocked
from ler.upstream import Upstream, engine_agent
from ler.web.admin import admin_tree
from ler.web.admin_discover import discover_endpoint
from ler.web.admin_explain import Explainer, explain_endpoint
from ler.web.admin_history import history_endpoint
from ler.web.admin_requests import requests_endpoint
from ler.web.endpoints import Folder
from ler.web.engine_logs import Logs, log_endpoint
from ler.web.event_stream import Audience
from ler.web.events import events_resource
from ler.web.feed import Feed
from ler.web.gate import make_gate
from ler.web.openai import V1, ModelRoutes, model_listing
from ler.web.relay import Relay, RelayOptions
from ler.web.router_log import RouterLog
from ler.web.site import RouterSite
from ler.web.status import Status, status_endpoints, watch_gauges
from ler.web.ui import page_resource

IDLE_CONNECTIONS = 64
"""How many idle connections are kept to one engine."""


class Options(usage.Options):
    """
    The command line of C{twistd engine-router}.
    """

    synopsis = "[options]"
    longdesc = (
        "One URL in front of many local inference engines, one of which at a time holds the memory."
    )
    optParameters: ClassVar = [
        ["config", "c", None, "The YAML configuration (required)."],
    ]
    optFlags: ClassVar = [
        ["check-config", None, "Say whether the configuration is right, and exit."],
        ["print-schema", None, "Print the JSON Schema of the configuration, and exit."],
    ]

    def postOptions(self) -> None:
        """
        Read the configuration: what is wrong with it is told here, before
        anything is started.
        """
        if self["print-schema"]:
            print(json.dumps(json_schema(), indent=2))
            raise SystemExit(0)
        if self["config"] is None:
            # After a UsageError Twisted 22.4 would exit with 0.
            raise SystemExit("engine-router: --config FILE is needed; see --help")
        try:
            loaded = load(self["config"], os.environ)
        except ConfigError as e:
            raise SystemExit(str(e)) from None
        for warning in loaded.warnings:
            print(warning, file=sys.stderr)
        if self["check-config"]:
            engines = ", ".join(loaded.config.engines)
            print(f"{self['config']} is right: {len(loaded.config.models)} models on {engines}")
            raise SystemExit(0)
        self.loaded = loaded.config


def makeService(options: Options) -> Service:
    """
    @return: the router that C{options} describe.
    """
    from twisted.internet import reactor

    return Router(options.loaded, os.environ, reactor)


class Router(MultiService):
    """
    A whole router, which starts and stops in order.
    """

    _log = Logger()

    def __init__(self, config: Config, environ: Mapping[str, str], reactor: Any) -> None:
        """
        @param environ: the environment that engines inherit from.
        @param reactor: the real reactor, or one as capable.
        """
        super().__init__()
        self.setName("engine-router")
        self._config = config
        self._environ = environ
        self._reactor = reactor
        self._state = StateDirectory(config.state_dir)
        self._parts: Parts | None = None
        self._listening: Listening | None = None
        self._notifier = Notifier(environ, reactor)
        self._notifier.setServiceParent(self)
        if config.log_file is not None:
            LogFileService(config.log_file, config.log_level, globalLogPublisher).setServiceParent(
                self
            )

    def privilegedStartService(self) -> None:
        """
        Take the state folder, build the parts, and listen.

        @raise SystemExit: when that cannot be done; it says why.
        """
        raise_file_limit()
        try:
            self._open()
        except (OSError, StateLocked, CannotListenError) as e:
            raise SystemExit(f"engine-router cannot start: {e}") from e

    def _open(self) -> None:
        self._state.lock()
        path = self._config.state_file or os.path.join(self._state.path, "state.json")
        parts = self._parts = build(
            self._config, self._environ, self._reactor, StateFile(path), self._state
        )
        self._listening = Listening(self._config.host, self._config.port, parts.site, self._reactor)
        self._listening.setServiceParent(self)
        parts.router_log.setServiceParent(self)
        parts.slots.watch(lambda slot: self._notifier.look(partial(occupation, parts.slots)))
        super().privilegedStartService()

    def startService(self) -> None:
        """
        Look at what runs already, now that clients can come and wait.
        """
        super().startService()
        assert self._parts is not None
        self._parts.slots.adopt()
        self._parts.slots.preload(self._parts.preload)
        self._parts.listing.start()

    def stopService(self) -> Deferred[None]:
        """
        Accept nothing new, let answers end, stop or leave the engines.
        """
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._notifier.stopping()
        if self._listening is not None:
            await self._listening.disownServiceParent()
        if self._parts is not None:
            self._parts.listing.stop()
            await self._parts.slots.close(leave=self._config.on_exit == "leave")
        self._state.unlock()
        stopped = super().stopService()
        if isinstance(stopped, Deferred):
            await stopped


@dataclass(frozen=True)
class Parts:
    """
    What a router consists of.

    @ivar preload: what is to be brought up first.
    @ivar router_log: runs as long as the router.
    """

    slots: Slots
    site: RouterSite
    listing: Listing
    preload: Sequence[Residency]
    router_log: Service


def build(
    config: Config,
    environ: Mapping[str, str],
    reactor: Any,
    store: IStateStore,
    state: StateDirectory,
) -> Parts:
    """
    Put the parts together.
    """
    configured = {key: engine for key, engine in config.engines.items() if engine.enabled}
    redact = Redaction(secrets_of(config))
    journal = Journal(reactor)
    catalog = build_catalog(config)
    metrics = Metrics(CollectorRegistry())
    threads = partial(deferToThreadPool, reactor, reactor.getThreadPool())
    surroundings = Surroundings(
        reactor,
        store,
        state.path,
        # Apart from the rest: whoever loses that still knows whose the engines are.
        instance_of(StateFile(os.path.join(state.path, "instance.json"))),
        environ,
        threads,
        is_unified(),
        redact,
    )
    engines = {
        key: make_engine(
            engine,
            [entry.upstream_name for entry in catalog.entries() if entry.engine == key],
            surroundings,
        )
        for key, engine in configured.items()
    }
    records = Records(store)
    former = {
        key: FormerEngine(key, reactor=reactor, records=records, threads=threads)
        for key in sorted(records.keys() - configured.keys())
    }
    memory = Memory(
        machine_channels(free_too="drop_cache" in config.memory_assist),
        reactor,
        store,
        needs=needs_of(config, catalog),
        sizing={key: engine.sizing for key, engine in configured.items()},
        timeout=config.swap_memory_settle_timeout_s,
        assist=HiddenMemory(config.memory_assist, threads),
        observe=partial(count_settle, metrics),
    )
    listing = Listing(
        catalog,
        {
            key: IModelLister(engine)
            for key, engine in engines.items()
            if configured[key].discover_models and IModelLister.providedBy(engine)
        },
        store=store,
        clock=reactor,
        interval=config.discover.refresh_interval_s,
        keep=config.discover.state_ttl_s,
    )

    def swapped(swap: Swap) -> None:
        count_swap(metrics, swap)
        target = swap.incoming or swap.outgoing
        slot = slots.exclusive if target is None else slots.of(target)
        journal.swap_ended(slot.name, swap.describe(reactor.seconds()))
        if swap.incoming is not None and swap.error is None:
            listing.came_up(swap.incoming.engine)

    slots = Slots(
        {**{key: engines[key] for key in configured if configured[key].exclusive}, **former},
        private_engines(config, engines, catalog),
        make_policy=lambda: make_policy(config.scheduler.policy, config.scheduler.max_wait_s),
        memory=memory,
        private_memory=UnwatchedMemory(),
        clock=reactor,
        options=SlotOptions(
            drain_timeout=config.drain_timeout_s,
            orphan_grace=config.orphan_start_grace_s,
            max_queue=config.scheduler.max_queue,
            restore=config.on_start_failure == "restore",
            idle_unload={
                key: engine.idle_unload_s
                for key, engine in configured.items()
                if engine.idle_unload_s is not None
            },
            pinned=[key for key, engine in configured.items() if engine.pin],
        ),
        swapped=swapped,
    )
    upstreams = {
        key: Upstream(
            engine.base_url,
            engine_agent(reactor, config.upstream_connect_timeout_s, IDLE_CONNECTIONS),
            reactor,
            engine.max_connections,
        )
        for key, engine in configured.items()
    }
    relay = Relay(
        slots.acquire,
        upstreams,
        reactor,
        metrics,
        journal,
        RelayOptions(
            heartbeats=config.swap_keepalive_enabled,
            interval=config.swap_keepalive_interval_s,
            grace=config.swap_keepalive_grace_s,
            stall_timeout=config.client_stall_timeout_s,
        ),
    )
    routes = ModelRoutes(
        catalog,
        relay,
        control_paths={path for engine in configured.values() for path in engine.control_paths},
        upstream_headers={key: engine.upstream_headers for key, engine in configured.items()},
        is_resident=slots.serves_at_once,
        guarded=bool(config.api_keys),
        max_json_depth=config.max_json_depth,
    )
    watch_gauges(metrics, slots, upstreams, memory)
    pinned = [key for key, engine in configured.items() if engine.pin]
    explainer = Explainer(catalog, slots, memory, pinned, expect=lambda target: None)
    admin = admin_tree(slots, catalog, whole_engines(config, catalog), reactor)
    admin.putChild(b"requests", requests_endpoint(journal))
    admin.putChild(b"explain", explain_endpoint(explainer))
    admin.putChild(b"history", history_endpoint(slots))
    admin.putChild(b"discover", discover_endpoint(listing, catalog))
    status = Status(slots, engines, upstreams, catalog, memory)
    audience = Audience(reactor)
    router_log = RouterLog(LEVELS[config.log_level], globalLogPublisher, redact)
    logs = Logs(router_log, make_logs(configured, engines, surroundings), configured)
    root = Folder(
        {
            "v1": V1(
                model_listing(catalog, lambda model: slots.of(model).resident == model), routes
            ),
            "admin": admin,
            "events": events_resource(
                Feed(status.document, slots, journal, memory, logs, reactor), logs, audience
            ),
            "logs": log_endpoint(logs, audience),
            "ui": page_resource(),
            **status_endpoints(status, metrics),
        }
    )
    gate = make_gate(
        host=config.host,
        api_keys=config.api_keys,
        allowed_hosts=config.allowed_hosts,
        allowed_origins=config.allowed_origins,
        max_body_mb=config.max_body_mb,
        max_upload_mb=config.max_upload_mb,
    )
    site = RouterSite(root, gate, state.spool, reactor)
    return Parts(slots, site, listing, preloaded(config, catalog), router_log)


def occupation(slots: Slots) -> str:
    """
    @return: in a line, what is in memory and what is about to be.
    """
    words = []
    for slot in slots.describe():
        if slot["swap"] is not None:
            words.append(f"swapping to {slot['swap']['to'] or 'nothing'}")
        elif slot["stuck"] is not None:
            words.append(f"stuck: {slot['stuck']}")
        elif slot["resident"] is not None:
            words.append(f"serving {slot['resident']}")
    return "; ".join(words) or "nothing in memory"


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


def raise_file_limit() -> None:
    """
    Every waiting client is an open file; take as many as we may.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
