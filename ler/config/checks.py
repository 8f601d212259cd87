# -*- test-case-name: ler.test.test_config_checks -*-
"""
What no single key can tell: whether the parts of a configuration fit together.

The configuration may hold stand-ins (empty text) for what is a problem
already; they are passed over.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Mapping

from ler.config.model import Config, GenericProcess
from ler.config.report import Report, suggestion
from ler.config.tree import Section, dotted, find, texts
from ler.config.values import address, is_loopback, local


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
    _check_openness(config, report)
    _check_exit(config, report, environ)


def _declared(report: Report) -> tuple[str, ...]:
    """
    @return: the keys of all engines that were written, broken ones too.
    """
    written = find(report.root, ("engines",))
    return tuple(written.nodes) if isinstance(written, Section) else ()


def _enabled(config: Config) -> list[GenericProcess]:
    """
    @return: the engines that take part.
    """
    return [engine for engine in config.engines.values() if engine.enabled]


def _check_engines(config: Config, report: Report, environ: Mapping[str, str]) -> None:
    """
    There is an engine to run, and its program can be found.
    """
    enabled = _enabled(config)
    written = find(report.root, ("engines",))
    if not enabled and isinstance(written, Section) and len(written.nodes) == len(config.engines):
        report.error(("engines",), "no engine is enabled")
    for engine in enabled:
        if engine.start_cmd and not _runnable(engine, environ):
            report.warn(
                ("engines", engine.key, "start_cmd"),
                "its program is neither on PATH nor an executable file, so a start would fail",
            )


def _runnable(engine: GenericProcess, environ: Mapping[str, str]) -> bool:
    """
    @return: whether the engine's program can be found, as it will be looked
        for: from its working directory, on its own PATH.
    """
    program = engine.start_cmd[0]
    if os.sep in program:
        program = os.path.join(engine.cwd or "", program)
    path = {**environ, **engine.env}.get("PATH", os.defpath)
    return shutil.which(program, path=path) is not None


def _check_addresses(config: Config, report: Report) -> None:
    """
    Engines share an address only where one runs at a time, and none has ours.
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
        if len(engines) > 1 and not all(engine.exclusive for engine in engines):
            names = " and ".join(engine.key for engine in engines)
            path = ("engines", engines[-1].key, "base_url")
            report.error(path, f"{names} share this address, which only exclusive engines may")


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


def _check_openness(config: Config, report: Report) -> None:
    """
    Who listens to the world asks for keys.
    """
    if not config.api_keys and not is_loopback(config.host):
        report.warn(
            ("host",),
            "without api_keys, everybody who can reach this address can use every engine",
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
