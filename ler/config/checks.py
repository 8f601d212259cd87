# -*- test-case-name: ler.test.test_config_checks -*-
"""
What no single key can tell: whether the parts of a configuration fit together.

The configuration may hold stand-ins (empty text) for what is a problem
already; they are passed over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from ler.config.engine_checks import check_engine
from ler.config.model import ApiSwap, Config, Engine, GenericProcess, Ollama, Remote
from ler.config.report import Report, suggestion
from ler.config.tree import Kind, Listing, Node, Scalar, Section, child, dotted, find, texts
from ler.config.values import address, is_loopback, local

# Engines of which every model is resident by itself.
_SERVERS = (ApiSwap, Ollama)


def check(config: Config, report: Report, environ: Mapping[str, str]) -> None:
    """
    Note everything that does not fit.

    @param environ: the environment that the router runs in.
    """
    _check_engines(config, report, environ)
    _check_addresses(config, report)
    _check_models(config, report)
    _check_served(config, report)
    _check_aliases(config, report)
    _check_residence(config, report)
    _check_preload(config, report)
    _check_keys(config, report)
    _check_openness(config, report)
    _check_management(config, report)
    _check_exit(config, report, environ)


def _declared(report: Report) -> tuple[str, ...]:
    """
    @return: the keys of all engines that were written, broken ones too.
    """
    written = find(report.root, ("engines",))
    return tuple(written.nodes) if isinstance(written, Section) else ()


def _enabled(config: Config) -> list[Engine]:
    """
    @return: the engines that take part.
    """
    return [engine for engine in config.engines.values() if engine.enabled]


def _check_engines(config: Config, report: Report, environ: Mapping[str, str]) -> None:
    """
    There is an engine to run, and each is right in itself.
    """
    enabled = _enabled(config)
    written = find(report.root, ("engines",))
    if not enabled and isinstance(written, Section) and len(written.nodes) == len(config.engines):
        report.error(("engines",), "no engine is enabled")
    for engine in enabled:
        check_engine(engine, report, environ)


def _check_addresses(config: Config, report: Report) -> None:
    """
    Engines share an address only where that does no harm, and none has ours.
    """
    neighbours = defaultdict(list)
    for engine in _enabled(config):
        if engine.base_url:
            host, port = address(engine.base_url)
            neighbours[host, port].append(engine)
            if port == config.port and host in ("localhost", local(config.host)):
                path = ("engines", engine.key, "base_url")
                report.error(path, "is the address of the router itself")
    for engines in neighbours.values():
        if len(engines) > 1 and not _may_share(engines):
            names = " and ".join(engine.key for engine in engines)
            report.error(
                ("engines", engines[-1].key, "base_url"),
                f"{names} share this address, which only exclusive engines that the router "
                "launches may",
            )


def _may_share(engines: list[Engine]) -> bool:
    """
    @return: whether engines may have one address: those of which one runs at a
        time, or those that we neither start nor stop.
    """
    return all(isinstance(engine, Remote) for engine in engines) or all(
        isinstance(engine, GenericProcess) and engine.exclusive for engine in engines
    )


def _check_models(config: Config, report: Report) -> None:
    """
    Every model has its own id, and an engine.
    """
    declared = _declared(report)
    first: dict[str, int] = {}
    for index, model in enumerate(config.models):
        path = ("models", index)
        if model.id and first.setdefault(model.id, index) != index:
            other = dotted(("models", first[model.id]))
            report.error((*path, "id"), f"is the id of {other} already")
        owner = config.engines.get(model.engine)
        if model.engine and model.engine not in declared:
            near = suggestion(model.engine, declared)
            report.error((*path, "engine"), f"no engine {report.written((*path, 'engine'))}{near}")
        elif owner and not owner.enabled:
            report.warn((*path, "engine"), f"engine {owner.key} is disabled")


def _check_served(config: Config, report: Report) -> None:
    """
    No engine serves what belongs to another.
    """
    declared = _declared(report)
    owners = {model.id: model.engine for model in config.models if model.engine in declared}
    for engine in _enabled(config):
        for name in engine.served_models:
            owner = owners.setdefault(name, engine.key)
            if owner != engine.key:
                report.error(
                    ("engines", engine.key, "served_models"),
                    f"holds the id of a model that engine {owner} owns",
                )


def _check_aliases(config: Config, report: Report) -> None:
    """
    Every alias leads to a model, in one step, and hides none.
    """
    ids = {model.id for model in config.models}
    ids.update(name for engine in config.engines.values() for name in engine.served_models)
    shown = ids.intersection(texts(report.root))
    for name, target in config.aliases.items():
        path = ("aliases", name)
        if not name.strip() or not target.strip():
            report.error(path, "an alias needs a name and a target")
        elif name == target:
            report.error(path, "points at itself")
        elif target in config.aliases:
            report.error(path, "points at another alias; aliases do not chain")
        elif name in ids:
            report.error(path, "is the id of a model already")
        elif target not in ids:
            report.error(path, f"no model {report.written(path)}{suggestion(target, shown)}")


def _check_residence(config: Config, report: Report) -> None:
    """
    What is said about the memory can be kept.
    """
    pinned = [engine.key for engine in _enabled(config) if engine.pin and engine.exclusive]
    for key in pinned[1:]:
        report.error(
            ("engines", key, "pin"),
            f"engine {pinned[0]} is pinned already, and only one exclusive engine fits",
        )
    for index, model in enumerate(config.models):
        owner = config.engines.get(model.engine)
        if owner and not isinstance(owner, _SERVERS):
            for name in ("exclusive", "memory"):
                if getattr(model, name) is not None:
                    report.error(
                        ("models", index, name),
                        f"can differ for models of api_swap and ollama engines only; set it on "
                        f"engine {owner.key}",
                    )


def _check_preload(config: Config, report: Report) -> None:
    """
    What is to be brought up at the start exists, and fits into the memory.
    """
    declared = _declared(report)
    models = {model.id: model for model in config.models}
    servers = {name: one for one in config.engines.values() for name in one.served_models}
    owners = {**config.engines, **servers}
    # What becomes resident, and exclusive, by the first entry that brings it up.
    first: dict[tuple[str, ...], int] = {}
    for index, written in enumerate(config.preload):
        path = ("preload", index)
        name = config.aliases.get(written, written)
        model = models.get(name)
        owner = config.engines.get(model.engine) if model else owners.get(name)
        if owner and not owner.enabled:
            report.warn(path, f"engine {owner.key} is disabled")
        elif owner:
            residents = _residents(config, owner, name)
            if len(residents) != 1:
                report.error(path, f"engine {owner.key} holds single models: name one of them")
            elif True in residents.values():
                first.setdefault((owner.key, *residents), index)
        elif not model and name not in declared:
            shown = {*declared, *(owners.keys() | models.keys()) & {*texts(report.root)}}
            near = suggestion(name, shown)
            report.error(path, f"no model or engine {report.written(path)}{near}")
    for index in [*first.values()][1:]:
        other = dotted(("preload", min(first.values())))
        report.error(("preload", index), f"is exclusive, as {other} is, and only one fits")


def _residents(config: Config, owner: Engine, name: str) -> dict[str, bool]:
    """
    @param name: a model of C{owner}, or its key.
    @return: what may become resident for that, by the name that C{owner} has
        for it, and whether it needs the whole memory.
    """
    if not isinstance(owner, _SERVERS):
        return {"": owner.exclusive}
    residents = {id: (id, owner.exclusive) for id in owner.served_models}
    for model in config.models:
        if model.engine == owner.key and model.id:
            exclusive = owner.exclusive if model.exclusive is None else model.exclusive
            residents[model.id] = (model.model_name or model.id, exclusive)
    return dict([residents[name]] if name in residents else residents.values())


def _check_keys(config: Config, report: Report) -> None:
    """
    Every key is there, once, and opens something.
    """
    first: dict[bytes, int] = {}
    for index, key in enumerate(config.api_keys):
        path = ("api_keys", index)
        section = find(report.root, path)
        given = [child(section, name) for name in ("key", "sha256")]
        if isinstance(section, Section) and sum(map(_is_given, given)) != 1:
            report.error(path, "must hold either key or sha256")
        scopes = child(section, "scopes")
        if isinstance(scopes, Listing) and not scopes.items:
            report.error((*path, "scopes"), "must name what the key opens")
        if (key.key or key.sha256) and first.setdefault(key.digest, index) != index:
            other = dotted(("api_keys", first[key.digest]))
            report.error(path, f"is the key of {other} already")


def _is_given(node: Node | None) -> bool:
    """
    @return: whether anything stands there.
    """
    return node is not None and not (isinstance(node, Scalar) and node.kind is Kind.NULL)


def _check_openness(config: Config, report: Report) -> None:
    """
    Who listens to the world asks for keys.
    """
    if not config.api_keys and not is_loopback(config.host):
        report.warn(
            ("host",),
            "without api_keys, everybody who can reach this address can use every engine",
        )


def _check_management(config: Config, report: Report) -> None:
    """
    What may be changed is there.
    """
    ollamas = [engine for engine in _enabled(config) if isinstance(engine, Ollama)]
    if config.allow_destructive_ollama_api and not ollamas:
        report.warn(
            ("allow_destructive_ollama_api",), "has no effect: there is no engine of type ollama"
        )


def _check_exit(config: Config, report: Report, environ: Mapping[str, str]) -> None:
    """
    Engines are left running only where systemd lets them.
    """
    in_unit = "INVOCATION_ID" in environ
    if config.on_exit == "leave" and in_unit and environ.get("ENGINE_ROUTER_KILLMODE") != "process":
        report.error(
            ("on_exit",),
            "leave needs KillMode=process in the systemd unit, which ends the engines otherwise, "
            "and Environment=ENGINE_ROUTER_KILLMODE=process to confirm it",
        )
