"""
Tests for L{ler.config.model}: every key is read, and no key is forgotten.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from ler.config.model import (
    ENGINE_TYPES,
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
    Systemd,
    default_state_dir,
)
from ler.config.shape import Setting, settings
from ler.test.test_config import ConfigTestCase

# Keys that take not just anything, with a value that is not the default.
VALUES: Mapping[str, Any] = {
    "without_swap": {"title-*": "refuse"},
    "aliases": {"x": "served"},
    "allowed_origins": ["https://app.example"],
    "base_url": "http://box:9003",
    "capabilities": ["vision", "thinking"],
    "control": "process",
    "control_paths": ["/pause"],
    "cwd": "/srv",
    "engine": "b",
    "host": "::1",
    "health_path": "/up",
    "load_check": "status==ok",
    "load_path": "/load",
    "loaded_filter": "state==loaded",
    "loaded_path": "/loaded",
    "log_file": "/var/log/x.log",
    "memory_assist": ["drop_cache"],
    "ollama_version": "0.33.1",
    "port": 9001,
    "preload": ["m"],
    "scopes": ["inference", "admin"],
    "ready_check": "status==ok",
    "ready_path": "/v1/models",
    "request_log": "/var/log/x.jsonl",
    "sleep_level": 2,
    "speaks": ["openai", "anthropic"],
    "state_dir": "/var/lib/x",
    "state_file": "/var/lib/x.json",
    "stop_signal": "SIGINT",
    "unload_check": "status==ok",
    "unload_path": "/unload",
}

# Keys that can be written with their default only, or only in place of another.
FIXED = {
    (ApiKey, "sha256"),
    (Discover, "collision"),
    (Remote, "exclusive"),
    (Remote, "pin"),
}

# Keys whose values are sections, which have rows of their own.
SECTIONS = ("api_keys", "discover", "engines", "models", "scheduler")


def document() -> dict[str, Any]:
    """
    @return: a configuration, as JSON.
    """

    def engine(kind: str, port: int, **more: Any) -> dict[str, Any]:
        return {"type": kind, "base_url": f"http://box:{port}", **more}

    program = [sys.executable]
    return {
        "engines": {
            "a": engine("generic_process", 9001, start_cmd=program),
            "b": engine("generic_process", 9102, start_cmd=program, served_models=["served"]),
            "swap": engine("api_swap", 9103, systemd_unit="swap.service"),
            "tags": engine("ollama", 9104),
            "unit": engine("systemd", 9105, control="process", serve_script=program),
            "ds4": engine("ds4", 9106, serve_script=program),
            "far": engine("remote", 9107),
        },
        "models": [{"id": "m", "engine": "swap"}],
        "api_keys": [{"key": "k", "scopes": ["read"]}],
        "scheduler": {},
        "discover": {},
    }


def _engine(key: str) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """
    @return: the place of an engine.
    """
    return (lambda it: it["engines"][key], lambda config: config.engines[key])


# Where each section stands in the document, and in what is read from it.
PLACES: Mapping[type, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    Config: (lambda it: it, lambda config: config),
    GenericProcess: _engine("a"),
    ApiSwap: _engine("swap"),
    Ollama: _engine("tags"),
    Systemd: _engine("unit"),
    Ds4: _engine("ds4"),
    Remote: _engine("far"),
    Model: (lambda it: it["models"][0], lambda config: config.models[0]),
    Discover: (lambda it: it["discover"], lambda config: config.discover),
    ApiKey: (lambda it: it["api_keys"][0], lambda config: config.api_keys[0]),
    Scheduler: (lambda it: it["scheduler"], lambda config: config.scheduler),
}


def sample(setting: Setting) -> Any:
    """
    @return: a value for a key, other than its default, as JSON.
    """
    if setting.name in VALUES:
        return VALUES[setting.name]
    if setting.shape.base is bool:
        return not setting.default
    if setting.shape.base is None:
        return next(word for word in setting.shape.words if word != setting.default)
    if setting.shape.item and setting.shape.item.base is int:
        return [404]
    samples = {int: 17, float: 17.5, str: "text", tuple: ["one", "two"], Mapping: {"X-A": "b"}}
    return samples[setting.shape.base]


class EveryKeyTests(ConfigTestCase):
    """
    Tests for all the fields.
    """

    def test_every_key_is_read(self) -> None:
        """
        A value other than the default is found in the field of its key.
        """
        for section, (place, part) in PLACES.items():
            for setting in settings(section):
                if setting.name in SECTIONS or (section, setting.name) in FIXED:
                    continue
                value = sample(setting)
                written = document()
                place(written)[setting.name] = value
                found = getattr(part(self.load(json.dumps(written)).config), setting.name)
                name = f"{section.__name__}.{setting.name}"
                self.assertEqual(tuple(value) if isinstance(value, list) else value, found, name)
                self.assertNotEqual(setting.default, found, name)

    def test_every_section_is_here(self) -> None:
        """
        No section of the configuration is left out above.
        """
        self.assertLessEqual(set(ENGINE_TYPES.values()), PLACES.keys())
        for section in PLACES:
            for setting in settings(section):
                inner = setting.shape.item or setting.shape
                if setting.name in SECTIONS:
                    self.assertIn(inner.base, {Engine, *PLACES})

    def test_defaults_are_accepted(self) -> None:
        """
        A default could have been written in the file.
        """
        for section in PLACES:
            for setting in settings(section):
                shape, default = setting.shape.item or setting.shape, setting.default
                if shape.bounds.check and default and isinstance(default, str | tuple):
                    for value in [default] if isinstance(default, str) else default:
                        self.assertIsNone(shape.bounds.check(value), setting.name)

    def test_every_key_has_help(self) -> None:
        """
        Every field is a key, explained in a sentence; but an engine's key is
        the key of its section.
        """
        for section in PLACES:
            names = [setting.name for setting in settings(section)]
            expected = [field.name for field in fields(section) if field.metadata]
            self.assertEqual(expected, names)
            for setting in settings(section):
                self.assertRegex(setting.help, r"\.$", setting.name)


class SystemdTests(ConfigTestCase):
    """
    Tests for L{Systemd}.
    """

    def test_unit_name(self) -> None:
        """
        The unit may go by either key; the older type has a default.
        """
        rows = {
            "unit: x.service": "x.service",
            "systemd_user_unit: y.service": "y.service",
            "control: process\n    serve_script: " + sys.executable: None,
        }
        for text, name in rows.items():
            engine = self.load(
                f"engines:\n  a:\n    type: systemd\n    base_url: http://x\n    {text}\n"
            ).config.engines["a"]
            assert isinstance(engine, Systemd)
            self.assertEqual(name, engine.unit_name)
        self.assertEqual("ds4.service", Ds4(key="a").unit_name)
        self.assertEqual("x", Ds4(key="a", systemd_user_unit="x").unit_name)


class StateDirTests(ConfigTestCase):
    """
    Tests for L{default_state_dir}.
    """

    def test_systemd(self) -> None:
        """
        systemd says where state goes; of several folders the first counts.
        """
        self.patch(os, "environ", {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", "HOME": "/h"})
        self.assertEqual("/var/lib/a", default_state_dir())

    def test_xdg(self) -> None:
        """
        Else the XDG folder of the user does.
        """
        self.patch(os, "environ", {"XDG_STATE_HOME": "/x", "HOME": "/h"})
        self.assertEqual("/x/engine-router", default_state_dir())
        self.patch(os, "environ", {"HOME": "/h"})
        self.assertEqual("/h/.local/state/engine-router", default_state_dir())
