# -*- test-case-name: ler.test.test_config_secrets -*-
"""
What of a configuration must not be shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from ler.config.engines import Engine
from ler.config.model import Config

SECRET = re.compile(
    r"authorization|cookie|secret|passw(or)?d|(^|[-_])(api[-_]?)?key$|(^|[-_])token$",
    re.IGNORECASE,
)
"""Names of headers, variables and options whose values are secrets."""


def secrets_of(config: Config) -> set[str]:
    """
    @return: the keys of clients, those that engines are shown, and those that
        engines are started with.
    """
    secrets = {key.key or "" for key in config.api_keys}
    for engine in config.engines.values():
        secrets.update(_secrets_of(engine))
    return secrets - {""}


def _secrets_of(engine: Engine) -> Iterator[str]:
    for field in fields(engine):
        value = getattr(engine, field.name)
        if field.name == "env" or field.name.endswith("_headers"):
            yield from _named(value)
        elif field.name.endswith(("_cmd", "_script")):
            yield from _optional(value)


def _named(values: Mapping[str, Any]) -> Iterator[str]:
    """
    @return: the secrets among headers or variables, without a C{Bearer}.
    """
    for name, value in values.items():
        words = str(value).split()
        if words and SECRET.search(name):
            yield words[-1]


def _optional(command: Sequence[str]) -> Iterator[str]:
    """
    @return: the secrets among the options of a command line.
    """
    for argument, following in zip(command, [*command[1:], ""], strict=False):
        name, equals, value = argument.partition("=")
        if name.startswith("-") and SECRET.search(name):
            yield value if equals else following
