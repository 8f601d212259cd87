# -*- test-case-name: ler.test.test_config -*-
"""
From a file to a configuration that can be used, or a report why not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from ler.config.builder import Builder
from ler.config.checks import check
from ler.config.model import Config
from ler.config.ports import allot
from ler.config.reading import read
from ler.config.report import Report


@dataclass(frozen=True)
class Loaded:
    """
    A configuration fit for use.

    @ivar config: its values.
    @ivar warnings: what is likely a mistake, one line each, with its place.
    """

    config: Config
    warnings: tuple[str, ...]


def load(path: str, environ: Mapping[str, str]) -> Loaded:
    """
    Read a configuration.  It reads files, so it blocks for a moment.

    @param path: the YAML file.
    @param environ: the environment, for C{${NAME}}, PATH and systemd's marks.
    @raise ConfigError: with all problems at once.
    """
    report = Report(path)
    root = read(report)
    folder = os.path.dirname(os.path.abspath(path))
    config = Builder(report, environ, folder).config(root)
    config = allot(config, report)
    check(config, report, environ)
    report.conclude()
    return Loaded(config, report.warnings)
