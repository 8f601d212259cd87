# -*- test-case-name: ler.test.test_config_places -*-
"""
Where a configuration is, when nobody says so, and how its router is reached.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from ler.config.builder import Builder
from ler.config.model import Config
from ler.config.reading import read
from ler.config.report import ConfigError, Report

VARIABLE = "ROUTER_CONFIG"

_UNSPECIFIED = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""By addresses that stand for all of a machine: one of it that can be called."""


def own_place(environ: Mapping[str, str]) -> str:
    """
    @return: where a user's own configuration goes.
    """
    if environ.get(VARIABLE):
        return environ[VARIABLE]
    folder = environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.path.join(folder, "engine-router", "config.yaml")


def places(environ: Mapping[str, str]) -> list[str]:
    """
    @return: where a configuration is looked for, the first place first.
    """
    if environ.get(VARIABLE):
        return [environ[VARIABLE]]
    return ["config.yaml", own_place(environ), "/etc/engine-router/config.yaml"]


def find(environ: Mapping[str, str]) -> str | None:
    """
    @return: the first of the L{places} where there is a file, or L{None}.
    """
    return next((path for path in places(environ) if os.path.isfile(path)), None)


@dataclass(frozen=True)
class Reach:
    """
    What a client must know of a configured router.

    @ivar url: where it listens.
    @ivar key: a key that opens it, or L{None}.
    """

    url: str
    key: str | None


def reach(path: str, environ: Mapping[str, str]) -> Reach | None:
    """
    Read no more of a configuration than it takes to talk to its router, which
    may run on an earlier and better version of the file.

    @return: L{None} when the file cannot be read, or is for something else.
    """
    report = Report(path)
    try:
        root = read(report)
    except ConfigError:
        return None
    if "engines" not in root.nodes:
        return None
    config = Builder(report, environ, os.path.dirname(os.path.abspath(path))).config(root)
    host = _UNSPECIFIED.get(config.host, config.host)
    return Reach(f"http://{f'[{host}]' if ':' in host else host}:{config.port}", _key(config))


def _key(config: Config) -> str | None:
    """
    @return: the key that opens most.
    """
    keys = sorted(config.api_keys, key=lambda key: "admin" not in key.scopes)
    return next((key.key for key in keys if key.key), None)
