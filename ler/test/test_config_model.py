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
    Config,
    GenericProcess,
    Model,
    Scheduler,
    default_state_dir,
)
from ler.config.shape import Setting, settings
from ler.test.test_config import ConfigTestCase

# Keys that take not just anything, with a value that is not the default.
VALUES: Mapping[str, Any] = {
    "aliases": {"x": "served"},
    "allowed_origins": ["https://app.example"],
    "base_url": "http://box:9003",
    "control_paths": ["/pause"],
    "cwd": "/srv",
    "engine": "b",
    "host": "::1",
    "log_file": "/var/log/x.log",
    "memory_assist": ["drop_cache"],
    "port": 9001,
    "ready_check": "status==ok",
    "ready_path": "/v1/models",
    "state_dir": "/var/lib/x",
    "state_file": "/var/lib/x.json",
    "stop_signal": "SIGINT",
}

# Keys whose values are sections, which have rows of their own.
SECTIONS = ("engines", "models", "scheduler")


def document() -> dict[str, Any]:
    """
    @return: a configuration, as JSON.
    """

    def engine(port: int) -> dict[str, Any]:
        url = f"http://box:{port}"
        return {"type": "generic_process", "base_url": url, "start_cmd": [sys.executable]}

    return {
        "engines": {"a": engine(9001), "b": {**engine(9002), "served_models": ["served"]}},
        "models": [{"id": "m", "engine": "a"}],
        "scheduler": {},
    }


# Where each section stands in the document, and in what is read from it.
PLACES: Mapping[type, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    Config: (lambda it: it, lambda config: config),
    GenericProcess: (lambda it: it["engines"]["a"], lambda config: config.engines["a"]),
    Model: (lambda it: it["models"][0], lambda config: config.models[0]),
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
                if setting.name in SECTIONS:
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
                    self.assertIn(inner.base, PLACES)

    def test_defaults_are_accepted(self) -> None:
        """
        A default could have been written in the file.
        """
        for section in PLACES:
            for setting in settings(section):
                check, default = setting.shape.bounds.check, setting.default
                if check and isinstance(default, str | tuple):
                    for value in [default] if isinstance(default, str) else default:
                        self.assertIsNone(check(value), setting.name)

    def test_every_key_has_help(self) -> None:
        """
        Every field is a key, explained in a sentence; but an engine's key is
        the key of its section.
        """
        for section in PLACES:
            names = [setting.name for setting in settings(section)]
            expected = [field.name for field in fields(section) if field.name != "key"]
            self.assertEqual(expected, names)
            for setting in settings(section):
                self.assertRegex(setting.help, r"\.$", setting.name)


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
