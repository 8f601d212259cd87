# -*- test-case-name: ler.test.test_tap -*-
"""
What lives where: the tree of resources.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from twisted.web.resource import Resource

from ler.config import Config, Engine, Ollama
from ler.engines.catalog import Catalog, Entry
from ler.engines.homes import whole_engines
from ler.engines.ollama_cards import OllamaCards, refuse_cloud
from ler.interfaces import Residency
from ler.slot.slots import Slots
from ler.web.admin import Jobs, admin_tree
from ler.web.asking import Asking, Traits
from ler.web.beats import Heart
from ler.web.endpoints import Folder
from ler.web.engine_paths import EnginePaths
from ler.web.loading import Loading
from ler.web.model_paths import UNVERSIONED, VERSIONED
from ler.web.ollama import FrontDoor, ollama_tree
from ler.web.ollama_listing import Fleet
from ler.web.ollama_management import Management, managed_engine
from ler.web.openai import V1, model_listing
from ler.web.passing import Passing
from ler.web.realtime import Realtime
from ler.web.relay import Relay
from ler.web.routes import ModelRoutes
from ler.web.upward import Upward
from ler.web.websocket import Websockets


def make_tree(
    config: Config,
    *,
    catalog: Catalog,
    slots: Slots,
    relay: Relay,
    websockets: Websockets,
    cards: Mapping[str, OllamaCards],
    changed: Callable[[str], None],
    told: Mapping[str, Resource],
    jobs: Jobs,
    reload: Callable[[], Awaitable[Mapping[str, Any]]],
    clock: Any,
) -> Resource:
    """
    @param cards: what Ollama servers tell, by the key of their engine.
    @param changed: called with the key of an engine whose models may have
        changed.
    @param told: what the router tells about itself, by path.
    @param jobs: the operator's.
    @param reload: reads the configuration anew, and says what has changed.
    @return: the root.
    """
    engines = {key: engine for key, engine in config.engines.items() if engine.enabled}
    control_paths = {path for engine in engines.values() for path in engine.control_paths}
    upward = Upward(
        {key: engine.upstream_headers for key, engine in engines.items()},
        guarded=bool(config.api_keys),
    )

    def is_loaded(model: Residency) -> bool:
        return slots.of(model).resident == model

    def permit(entry: Entry) -> None:
        refuse_cloud(entry, cards)

    routes = ModelRoutes(
        catalog,
        Asking(
            relay,
            Heart(config.ndjson_keepalive),
            upward,
            {key: _traits(engine) for key, engine in engines.items()},
        ),
        Loading(slots.acquire, slots.keep),
        permit=permit,
        control_paths=control_paths,
        is_resident=slots.serves_at_once,
        max_json_depth=config.max_json_depth,
    )
    listing = model_listing(catalog, is_loaded)
    passing = Passing(relay, websockets, upward, permit)
    realtime = Realtime(catalog, passing, routes)
    management = Management(
        catalog,
        relay,
        upward,
        engine=managed_engine(config),
        allowed=config.allow_destructive_ollama_api,
        changed=changed,
    )
    ollama = ollama_tree(
        Fleet(
            catalog,
            cards,
            is_loaded=is_loaded,
            idle_unload={
                key: engine.idle_unload_s
                for key, engine in engines.items()
                if engine.idle_unload_s is not None
            },
        ),
        routes,
        management,
        version=config.ollama_version,
        allow_cloud=any(
            engine.allow_cloud_models for engine in engines.values() if isinstance(engine, Ollama)
        ),
    )
    return Folder(
        {
            **dict.fromkeys(sorted(VERSIONED | UNVERSIONED), routes),
            "v1": V1({b"models": listing, b"realtime": realtime}, routes),
            "models": listing,
            "realtime": realtime,
            "api": ollama,
            "upstream": EnginePaths(catalog, passing, control_paths=control_paths),
            "admin": admin_tree(
                slots, catalog, whole_engines(config, catalog), clock, jobs, reload
            ),
            **told,
            "": FrontDoor(told[""]),
        }
    )


def _traits(engine: Engine) -> Traits:
    return Traits(
        engine.speaks,
        # An Ollama server speaks Anthropic's dialect, but does not count.
        "anthropic" in engine.speaks and not isinstance(engine, Ollama),
    )
