"""
The keys of the configuration, from the fields that the loader reads:
C{.. settings:: SECTION}.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from generated import Generated, indented, table
from sphinx.application import Sphinx

from ler.config import model
from ler.config.retired import RETIRED
from ler.config.shape import Setting, Shape, settings

NAMES = {
    "Config": "",
    "Model": "models",
    "ApiKey": "api_keys",
    "Discover": "discover",
    "Scheduler": "scheduler",
    "Engine": "engine",
    "Server": "server",
    **{section.__name__: name for name, section in model.ENGINE_TYPES.items()},
}
"""What stands before the keys of a section, by the name of its class."""


class Settings(Generated):
    """
    The keys of one section, or some of them.  Of a section that extends
    another these are the keys that it adds or changes.
    """

    required_arguments = 1
    option_spec: ClassVar[Any] = {"only": directives.unchanged, "rest": directives.flag}

    def text(self) -> str:
        """
        @see: L{Generated.text}
        """
        name = self.arguments[0]
        section = getattr(model, name)
        known = {setting.name: setting for setting in settings(section)}
        told: set[str] = self.env.temp_data.setdefault("settings", set())
        chosen = self.options["only"].split() if "only" in self.options else own_keys(section)
        if not known.keys() >= set(chosen):
            raise self.error(f"{name} has no {', '.join(sorted(set(chosen) - known.keys()))}")
        if "rest" in self.options:
            chosen = [key for key in chosen if f"{name}.{key}" not in told]
        told.update(f"{name}.{key}" for key in chosen)
        return "".join(entry(name, known[key]) for key in chosen)


class Retired(Generated):
    """
    The keys that older routers knew.
    """

    def text(self) -> str:
        """
        @see: L{Generated.text}
        """
        rows = [
            (f"``{full_name(section.__name__, key)}``", old.advice)
            for section, keys in RETIRED.items()
            for key, old in keys.items()
        ]
        return table(["Key", "Instead"], rows, "30 70")


def own_keys(section: type) -> list[str]:
    """
    @return: the keys that a section adds to the one that it extends, or changes.
    """
    base = section.__bases__[0]
    inherited = () if base is object else settings(base)
    return [setting.name for setting in settings(section) if setting not in inherited]


def full_name(section: str, key: str) -> str:
    """
    @return: how a key is called in the documentation.
    """
    return f"{NAMES[section]}.{key}".lstrip(".")


def entry(section: str, setting: Setting) -> str:
    """
    @return: what is to be said of one key.
    """
    facts = [kind(setting.shape)]
    if setting.required:
        facts.append("required")
    elif setting.default is not MISSING:
        facts.append(f"default: {written(setting.default, setting.shape)}")
    body = f"{escaped(setting.help)}\n\n*{escaped('; '.join(facts))}*\n"
    return f".. setting:: {full_name(section, setting.name)}\n\n{indented(body)}\n"


def escaped(text: str) -> str:
    """
    @return: reStructuredText that shows C{text} as it is.
    """
    return re.sub(r"([\\*`|_])", r"\\\1", text)


def kind(shape: Shape) -> str:
    """
    @return: in words, which values are accepted.
    """
    described = shape.describe()
    if shape.item is None or shape.command or shape.item.base is Any:
        return described
    item = "sections" if shape.item.holds_more else shape.item.describe()
    if shape.base is Mapping:
        return f"{described} to {item}"
    return f"{described} of {item}" if shape.item.holds_more else f"{described}, each {item}"


def written(value: Any, shape: Shape) -> str:
    """
    @return: how a default would be written in the file.
    """
    for word, meaning in shape.bounds.words.items():
        if meaning == value:
            return word
    if value in (None, {}, (), ""):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def setup(app: Sphinx) -> dict[str, bool]:
    """
    Make the directives known.
    """
    app.add_object_type("setting", "setting", "pair: %s; setting", ref_nodeclass=nodes.emphasis)
    app.add_directive("settings", Settings)
    app.add_directive("retired-settings", Retired)
    return {"parallel_read_safe": True}
