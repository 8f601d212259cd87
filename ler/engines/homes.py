# -*- test-case-name: ler.test.test_homes -*-
"""
Where engines and models live: what needs the whole memory, what lives beside
it, and how much memory each is said to need.
"""

from __future__ import annotations

from collections.abc import Mapping

from ler.config import Config
from ler.engines.catalog import Catalog, owner_of
from ler.engines.model_server import ModelServerEngine
from ler.errors import GIB
from ler.interfaces import IEngine, Residency


def needs_of(config: Config, catalog: Catalog) -> dict[str, int]:
    """
    @return: the bytes that are configured to be needed, by engine and by
        engine and model.
    """
    needs = {
        key: int(engine.memory * GIB)
        for key, engine in config.engines.items()
        if engine.enabled and engine.memory is not None
    }
    for model in config.models:
        if model.memory is not None and config.engines[model.engine].enabled:
            needs[str(catalog.resolve(model.id).residency)] = int(model.memory * GIB)
    return needs


def private_engines(
    config: Config, engines: Mapping[str, IEngine], catalog: Catalog
) -> dict[Residency, IEngine]:
    """
    @return: what lives beside the exclusive engines: other engines, and single
        models of exclusive ones.
    """
    private = {
        Residency(key): engine
        for key, engine in engines.items()
        if not config.engines[key].exclusive
    }
    for model in config.models:
        server = engines.get(model.engine)
        if (
            model.exclusive is False
            and isinstance(server, ModelServerEngine)
            and config.engines[model.engine].exclusive
        ):
            home = catalog.resolve(model.id).residency
            assert home.model is not None
            private[home] = server.beside(home.model)
    return private


def whole_engines(config: Config, catalog: Catalog) -> dict[str, Residency | None]:
    """
    @return: what to bring up for an engine that is named by its key: itself;
        or, if it holds single models, the one that is configured, or L{None}
        where that is not just one.
    """
    whole: dict[str, Residency | None] = {}
    for key, engine in config.engines.items():
        if not engine.enabled:
            continue
        if owner_of(engine).by_model:
            ids = {model.id for model in config.models if model.engine == key}
            homes = {catalog.resolve(id).residency for id in ids.union(engine.served_models)}
            whole[key] = homes.pop() if len(homes) == 1 else None
        else:
            whole[key] = Residency(key)
    return whole


def preloaded(config: Config, catalog: Catalog) -> list[Residency]:
    """
    @return: what to bring up when the router starts, in order, less what is
        disabled.
    """
    whole = whole_engines(config, catalog)
    entries = ((name, catalog.find(name)) for name in config.preload)
    targets = (whole.get(name) if entry is None else entry.residency for name, entry in entries)
    return [target for target in targets if target is not None]
