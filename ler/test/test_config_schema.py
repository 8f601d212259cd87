"""
Tests for L{ler.config.schema}: it says what the loader does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml
from twisted.trial.unittest import SynchronousTestCase

from ler.config import json_schema
from ler.config.model import ENGINE_TYPES, ApiKey, Config, Discover, Model, Scheduler
from ler.config.shape import settings
from ler.test.test_config import BASE, ConfigTestCase
from ler.test.test_config_builder import MALFORMED, SWAP
from ler.test.test_config_checks import ACCEPTED
from ler.test.test_config_model import FIXED, PLACES, SECTIONS, document, sample

TYPES: Mapping[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}


def is_valid(value: Any, schema: Mapping[str, Any]) -> bool:
    """
    @return: whether C{value} satisfies C{schema}, of which only the words
        are understood that ours uses.
    """
    return all(WORDS[word](value, wanted, schema) for word, wanted in schema.items())


def is_of_type(value: Any, name: str) -> bool:
    """
    @return: whether C{value} is of a JSON type.
    """
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, TYPES[name])


def additional_fit(value: Any, wanted: Any, schema: Mapping[str, Any]) -> bool:
    """
    @return: whether the properties that the schema does not name satisfy it.
    """
    others = value.keys() - schema.get("properties", {}).keys() if isinstance(value, dict) else ()
    if wanted is False:
        return not others
    return all(is_valid(value[name], wanted) for name in others)


def annotation(value: Any, wanted: Any, schema: Mapping[str, Any]) -> bool:
    """
    A word that only explains.
    """
    return True


WORDS: Mapping[str, Any] = {
    "$schema": annotation,
    "title": annotation,
    "description": annotation,
    "default": annotation,
    "deprecated": annotation,
    "type": lambda value, name, _: is_of_type(value, name),
    "const": lambda value, wanted, _: value == wanted,
    "enum": lambda value, wanted, _: value in wanted,
    "pattern": lambda value, regex, _: not isinstance(value, str) or re.search(regex, value),
    "minimum": lambda value, limit, _: value >= limit,
    "exclusiveMinimum": lambda value, limit, _: value > limit,
    "maximum": lambda value, limit, _: value <= limit,
    "minItems": lambda value, count, _: len(value) >= count,
    "items": lambda value, inner, _: all(is_valid(item, inner) for item in value),
    "anyOf": lambda value, inner, _: any(is_valid(value, each) for each in inner),
    "oneOf": lambda value, inner, _: sum(is_valid(value, each) for each in inner) == 1,
    "properties": lambda value, inner, _: (
        not isinstance(value, dict)
        or all(is_valid(value[name], inner[name]) for name in value.keys() & inner.keys())
    ),
    "propertyNames": lambda value, inner, _: all(is_valid(name, inner) for name in value),
    "required": lambda value, names, _: set(names) <= value.keys(),
    "additionalProperties": additional_fit,
}

# Problems that a schema cannot know of: how a value is spelled, what a text must
# look like beyond being there.
BEYOND = re.compile(
    "in plain decimals|must begin with|must be a signal|must be key==value|an IP address|printable"
    "|has a name|may not set|cannot be split|no such home|must look like|load_body[.]|must be a key"
    "|must be keys|must be three numbers|name of a systemd unit|hexadecimal"
)


class AgreementTests(ConfigTestCase):
    """
    The schema and the loader agree.
    """

    def test_accepted(self) -> None:
        """
        What loads satisfies the schema.
        """
        schema = json_schema()
        whole = document()
        for section, (place, _) in PLACES.items():
            for setting in settings(section):
                # Addresses and pins would not fit beside each other.
                left_out = setting.name in (*SECTIONS, "base_url", "pin")
                if not left_out and (section, setting.name) not in FIXED:
                    place(whole)[setting.name] = sample(setting)
        whole["models"][0]["engine"] = "swap"
        whole["preload"] = ["a"]
        whole["engines"]["c"] = {**whole["engines"]["b"], "served_models": [], "port": "auto"}
        whole["engines"]["c"].update(base_url="http://x:{port}", start_cmd="x {port}")
        texts = [
            json.dumps(whole),
            *(BASE + text for text in ACCEPTED),
            BASE + "    env:\n    cwd:\n    port:\nmodels:\naliases:\napi_keys:\nscheduler:\n",
            BASE + "drain_timeout_s: never\nmax_body_mb: 5\nport: 0\n",
            BASE + "    stop_cmd: ''\n    ready_check: ''\n    process_pattern: [1]\n",
            BASE + SWAP + "    load_body: {a: [1, -2.5, {b: null}, true, x], c: {}}\n",
            BASE + "    stop_signal: 15\n    idle_unload_s: 5\n",
            BASE + "discover: {enabled: true, port_probe: {enabled: false}}\n",
            BASE + "discover:\nsmart:\nds4: 5\nrouting_mode: {a: b}\n",
        ]
        for text in texts:
            self.load(text)
            self.assertTrue(is_valid(yaml.safe_load(text), schema), text)

    def test_refused(self) -> None:
        """
        What is malformed does not satisfy the schema, either.
        """
        schema = json_schema()
        compared = 0
        for row, message in MALFORMED:
            # YAML 1.1 loses the first two; the last is an integer in JSON.
            if not BEYOND.search(message) and not re.search(r"1e3|!!|8077\.0|9{99}", row):
                self.assertFalse(is_valid(yaml.safe_load(BASE + row), schema), row)
                compared += 1
        self.assertGreater(compared, 60)


class SchemaTests(SynchronousTestCase):
    """
    Tests for L{json_schema}.
    """

    def test_is_json(self) -> None:
        """
        The schema is JSON, and the same each time.
        """
        schema = json_schema()
        self.assertEqual(schema, json.loads(json.dumps(schema)))
        self.assertEqual(json.dumps(schema), json.dumps(json_schema()))
        self.assertEqual("https://json-schema.org/draft/2020-12/schema", schema["$schema"])

    def test_everything_is_described(self) -> None:
        """
        Every key of every section is there with its help.
        """
        top = json_schema()["properties"]
        engines = top["engines"]["additionalProperties"]["oneOf"]
        sections = {
            Config: top,
            Model: top["models"]["anyOf"][0]["items"]["properties"],
            ApiKey: top["api_keys"]["anyOf"][0]["items"]["anyOf"][1]["properties"],
            Discover: top["discover"]["anyOf"][0]["properties"],
            Scheduler: top["scheduler"]["anyOf"][0]["properties"],
            **{
                kind: one["properties"]
                for kind, one in zip(ENGINE_TYPES.values(), engines, strict=True)
            },
        }
        for section, properties in sections.items():
            for setting in settings(section):
                self.assertEqual(setting.help, properties[setting.name]["description"])

    def test_details(self) -> None:
        """
        Bounds, words, defaults and what is retired are told.
        """
        top = json_schema()["properties"]
        self.assertEqual(
            {
                "description": "Port to listen on.",
                "type": "integer",
                "minimum": 0,
                "maximum": 65535,
                "default": 8077,
            },
            top["port"],
        )
        self.assertEqual(
            [{"type": "number", "minimum": 0}, {"enum": ["never"]}],
            top["drain_timeout_s"]["anyOf"],
        )
        self.assertEqual(300.0, top["drain_timeout_s"]["default"])
        self.assertEqual(["stat_refresh"], top["memory_assist"]["default"])
        self.assertNotIn("default", top["state_dir"])
        self.assertTrue(top["routing_mode"]["deprecated"])
        self.assertEqual(["engines"], json_schema()["required"])
