# -*- test-case-name: ler.test.test_making -*-
"""
From the settings of an engine, of whatever type, to the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from ler.config import ApiSwap, Engine, GenericProcess, Ollama, Remote, Server, Systemd
from ler.engines.api_swap import ApiSwapServer
from ler.engines.control import Control
from ler.engines.generic_process import GenericProcessEngine
from ler.engines.model_server import ModelServerEngine
from ler.engines.ollama import OllamaServer
from ler.engines.process import Threads
from ler.engines.remote import RemoteEngine
from ler.engines.systemd import make_systemd_engine
from ler.engines.unit import SystemdUnit
from ler.engines.unit_log import UnitLog
from ler.interfaces import IEngine, ILog, IModelServer, IStateStore
from ler.upstream import engine_agent

REMOTE_TIMEOUT_S = 10.0
"""How long a connection to somebody else's server may take."""


@dataclass(frozen=True)
class Surroundings:
    """
    What all engines of one router have in common.

    @ivar reactor: the real reactor, or one as capable.
    @ivar store: where guardians are recorded.
    @ivar state_dir: the router's state folder.
    @ivar instance: what marks the router's processes; the same after a
        restart.
    @ivar environ: the router's own environment.
    @ivar threads: like C{deferToThread}.
    @ivar unified: whether the GPU has its memory from the host.
    @ivar redact: takes secrets out of what engines print.
    """

    reactor: Any
    store: IStateStore
    state_dir: str
    instance: str
    environ: Mapping[str, str]
    threads: Threads
    unified: bool
    redact: Callable[[str], str] = str


@singledispatch
def make_engine(config: Engine, names: Collection[str], around: Surroundings) -> IEngine:
    """
    @param config: its settings.
    @param names: what its configured models are called in requests to it; they
        may change, and be read again.
    @return: the engine that they describe.
    """
    raise TypeError(f"no engine is made of {type(config).__name__}")


@make_engine.register
def _(config: GenericProcess, names: Collection[str], around: Surroundings) -> IEngine:
    return GenericProcessEngine(
        config, unified=around.unified, **_process_tools(config, names, around)
    )


@make_engine.register
def _(config: Systemd, names: Collection[str], around: Surroundings) -> IEngine:
    return make_systemd_engine(config, **_process_tools(config, names, around))


def _process_tools(
    config: GenericProcess | Systemd, names: Collection[str], around: Surroundings
) -> dict[str, Any]:
    return {
        "reactor": around.reactor,
        "agent": engine_agent(around.reactor, config.ready_timeout_s, idle=1),
        "store": around.store,
        "state_dir": around.state_dir,
        "instance": around.instance,
        "environ": around.environ,
        "threads": around.threads,
        "model_name": next(iter(names), None),
        "redact": around.redact,
    }


@make_engine.register
def _(config: ApiSwap, names: Collection[str], around: Surroundings) -> IEngine:
    return _model_server(config, ApiSwapServer(config, _control(config, around)), around)


@make_engine.register
def _(config: Ollama, names: Collection[str], around: Surroundings) -> IEngine:
    return _model_server(config, OllamaServer(config, _control(config, around), names), around)


@make_engine.register
def _(config: Remote, names: Collection[str], around: Surroundings) -> IEngine:
    agent = engine_agent(around.reactor, REMOTE_TIMEOUT_S, idle=1)
    return RemoteEngine(
        config, Control(config.base_url, agent, around.reactor, config.control_headers)
    )


def make_logs(
    configs: Mapping[str, Engine], engines: Mapping[str, IEngine], around: Surroundings
) -> dict[str, ILog]:
    """
    @param configs: the settings of C{engines}, by key.
    @return: the logs of those engines that have one here: of processes of ours,
        and of units of systemd.
    """
    logs: dict[str, ILog] = {}
    for key, engine in engines.items():
        unit = _unit_of(configs[key])
        if ILog.providedBy(engine):
            logs[key] = ILog(engine)
        elif unit is not None:
            logs[key] = UnitLog(
                *unit, reactor=around.reactor, environ=around.environ, redact=around.redact
            )
    return logs


def _unit_of(config: Engine) -> tuple[str, bool] | None:
    """
    @return: the unit that runs the engine, and whether it is one of the user's;
        L{None} when none does.
    """
    if isinstance(config, Systemd) and config.unit_name is not None:
        return config.unit_name, config.control == "systemd-user"
    if isinstance(config, Server) and config.systemd_unit is not None:
        return config.systemd_unit, config.systemd_scope == "user"
    return None


def _control(config: Server, around: Surroundings) -> Control:
    agent = engine_agent(around.reactor, config.ready_timeout_s, idle=1)
    return Control(config.base_url, agent, around.reactor, config.control_headers)


def _model_server(config: Server, server: IModelServer, around: Surroundings) -> IEngine:
    unit = None
    if config.systemd_unit is not None:
        unit = SystemdUnit(
            config.systemd_unit,
            config.systemd_scope,
            reactor=around.reactor,
            environ=around.environ,
            threads=around.threads,
            start_timeout=config.server_start_timeout_s,
        )
    return ModelServerEngine(config, server, unit=unit, clock=around.reactor)
