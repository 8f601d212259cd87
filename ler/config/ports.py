# -*- test-case-name: ler.test.test_config_ports -*-
"""
Which port each engine gets, put in place of C{{port}}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import TypeVar

from ler.config.model import Config, Engine, GenericProcess
from ler.config.report import Report
from ler.config.values import address, http_url

FIRST = 18000

_MARK = "{port}"

_Text = TypeVar("_Text", str, tuple[str, ...], Mapping[str, str])


def allot(config: Config, report: Report) -> Config:
    """
    Choose a port for every C{port: auto}, those of disabled engines too, so
    that enabling one moves no other: in the order of the engines the first
    from L{FIRST} up that the configuration does not name.

    What runs on the machine has no say: the same configuration gives the same
    ports, so that an engine that was left running is found again.

    @return: C{config} with the ports filled in.
    """
    engines = config.engines.values()
    named = {config.port, *(port for engine in engines for port in _named(engine))}
    free = (port for port in count(FIRST) if port not in named)
    allotted = {
        key: _allot(engine, report, free) if isinstance(engine, GenericProcess) else engine
        for key, engine in config.engines.items()
    }
    return replace(config, engines=allotted)


def _named(engine: Engine) -> Iterator[int]:
    """
    @return: the ports that an engine asks for by number.
    """
    if isinstance(engine, GenericProcess) and isinstance(engine.port, int):
        yield engine.port
    if _MARK not in engine.base_url:
        yield address(engine.base_url)[1]


def _allot(engine: GenericProcess, report: Report, free: Iterator[int]) -> GenericProcess:
    """
    @return: C{engine} with its port in every place that asks for it.
    """
    path = ("engines", engine.key)
    asking = [
        name
        for name in ("base_url", "start_cmd", "stop_cmd", "env")
        if _fill(getattr(engine, name), 0) != getattr(engine, name)
    ]
    if engine.port is None:
        for name in asking:
            report.error((*path, name), "{port} needs 'port:', a number or auto")
        return replace(engine, base_url="") if asking else engine
    if engine.port == "auto":
        port = next(free)
        if engine.start_cmd and not {"start_cmd", "env"} & set(asking):
            report.error(
                (*path, "start_cmd"),
                "must hold {port}, here or in env: the server cannot guess what auto chose",
            )
    else:
        port = engine.port
    base_url = _fill(engine.base_url, port)
    if base_url and (http_url(base_url) or address(base_url)[1] != port):
        report.error((*path, "base_url"), "must hold {port}, or the number that 'port:' says")
        base_url = ""
    return replace(
        engine,
        port=port,
        base_url=base_url,
        start_cmd=_fill(engine.start_cmd, port),
        stop_cmd=_fill(engine.stop_cmd, port),
        env=_fill(engine.env, port),
    )


def _fill(text: _Text, port: int) -> _Text:
    """
    @return: C{text}, or all text that it holds, with a port for the mark.
    """
    if isinstance(text, str):
        return text.replace(_MARK, str(port))
    if isinstance(text, tuple):
        return tuple(_fill(word, port) for word in text)
    return {name: _fill(value, port) for name, value in text.items()}
