# -*- test-case-name: ler.test.test_config_schema -*-
"""
The JSON Schema of a configuration, for editors: what L{ler.config.builder}
accepts, less the checks that look at more than one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, replace
from typing import Any

from ler.config.builder import ENGINE_KEY
from ler.config.model import ENGINE_TYPES, Config
from ler.config.retired import RETIRED, Retired
from ler.config.setting import Bounds
from ler.config.shape import Setting, Shape, settings

JSON = dict[str, Any]

_NAMES = {bool: "boolean", int: "integer", float: "number"}


def json_schema() -> JSON:
    """
    @return: a JSON Schema of the 2020-12 draft.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "engine-router",
        **_section(Config),
    }


def _section(section: type, **given: JSON) -> JSON:
    """
    @param given: properties, all required, that are no fields.
    @return: the schema of a dataclass.
    """
    known = settings(section)
    properties = {setting.name: _setting(setting) for setting in known}
    retired = {name: _retired(old) for name, old in RETIRED.get(section, {}).items()}
    if section is Config:
        properties["engines"]["additionalProperties"] = _engine()
        properties["engines"]["propertyNames"] = {"pattern": f"^{ENGINE_KEY}$"}
    return {
        "type": "object",
        "properties": {**given, **properties, **retired},
        "required": [*given, *(setting.name for setting in known if setting.required)],
        "additionalProperties": False,
    }


def _engine() -> JSON:
    """
    @return: the schema of an engine, one alternative a type.
    """
    return {
        "oneOf": [
            _section(section, type={"description": "Type of the engine.", "const": name})
            for name, section in ENGINE_TYPES.items()
        ]
    }


def _setting(setting: Setting) -> JSON:
    """
    @return: the schema of one key.
    """
    shape = setting.shape
    # An empty section or list loads, as if it were absent.
    nullable = shape.nullable or (shape.holds_more and not setting.required)
    schema = {"description": setting.help, **_shape(replace(shape, nullable=nullable))}
    if setting.default is not MISSING:
        schema["default"] = _written(setting.default, shape)
    return schema


def _retired(old: Retired) -> JSON:
    """
    @return: the schema of a key without effect.
    """
    schema: JSON = {"description": f"No effect: {old.advice}.", "deprecated": True}
    if old.known:
        schema["properties"] = {key: {} for key in sorted(old.known)}
        schema["additionalProperties"] = False
    return schema


def _written(value: Any, shape: Shape) -> Any:
    """
    @return: how a default would be written in the file.
    """
    for word, meaning in shape.bounds.words.items():
        if meaning == value:
            return word
    return list(value) if isinstance(value, tuple) else value


def _shape(shape: Shape) -> JSON:
    """
    @return: the schema of a shape.
    """
    if shape.base is Any:
        return {}
    options = [] if shape.base is None else _bases(shape)
    if shape.words:
        options.append({"enum": list(shape.words)})
    if shape.nullable:
        options.append({"type": "null"})
    return options[0] if len(options) == 1 else {"anyOf": options}


def _bases(shape: Shape) -> list[JSON]:
    """
    @return: the schemas of the ways to write a shape's base.
    """
    if shape.base is Mapping and shape.item:
        return [{"type": "object", "additionalProperties": _shape(shape.item)}]
    if shape.base is tuple and shape.item:
        items: JSON = {"type": "array", "items": _shape(shape.item)}
        if not shape.command:
            return [items]
        if not shape.blank:
            items["minItems"] = 1
        return [items, _text(shape)]
    if shape.base is str:
        return [_text(shape), {"type": "integer"}] if shape.bounds.digits else [_text(shape)]
    if shape.base in _NAMES:
        return [{"type": _NAMES[shape.base], **_range(shape.bounds)}]
    section = _section(shape.base)
    return [section] if shape.bounds.plain is None else [_text(shape), section]


def _text(shape: Shape) -> JSON:
    """
    @return: the schema of text.
    """
    return {"type": "string"} if shape.blank else {"type": "string", "pattern": r"\S"}


def _range(bounds: Bounds) -> JSON:
    """
    @return: the schema words for the bounds of a number.
    """
    low = "exclusiveMinimum" if bounds.exclusive else "minimum"
    limits = {low: bounds.minimum, "maximum": bounds.maximum}
    return {name: limit for name, limit in limits.items() if limit is not None}
