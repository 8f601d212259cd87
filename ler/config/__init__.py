# -*- test-case-name: ler.test.test_config -*-
"""
Strict YAML to frozen values.

L{ler.config.model} and L{ler.config.engines} hold the values and are the one
source of what the loader accepts and of the JSON schema.  On the way from a
file to them:

  1. L{ler.config.reading} makes a L{tree<ler.config.tree>} of lines.
  2. L{ler.config.builder} makes values of it, by the
     L{shapes<ler.config.shape>} of the fields; L{ler.config.retired} knows
     the keys of older routers.
  3. L{ler.config.ports} allots ports.
  4. L{ler.config.checks} looks at how the parts fit together, and
     L{ler.config.engine_checks} at each engine.

What is wrong goes into one L{report<ler.config.report>}, with file and line.
"""

from ler.config.loader import Loaded, load
from ler.config.model import (
    ApiKey,
    ApiSwap,
    Config,
    Discover,
    Ds4,
    Engine,
    GenericProcess,
    Model,
    Ollama,
    Remote,
    Scheduler,
    Server,
    Systemd,
)
from ler.config.report import ConfigError, Problem
from ler.config.schema import json_schema

__all__ = [
    "ApiKey",
    "ApiSwap",
    "Config",
    "ConfigError",
    "Discover",
    "Ds4",
    "Engine",
    "GenericProcess",
    "Loaded",
    "Model",
    "Ollama",
    "Problem",
    "Remote",
    "Scheduler",
    "Server",
    "Systemd",
    "json_schema",
    "load",
]
