# -*- test-case-name: ler.test.test_config_builder -*-
"""
A tree of lines to frozen values, by the shapes of the fields.

Types are taken literally: C{"false"} is no truth value, C{"5"} no number,
C{NO} no text.  Every problem is noted and building goes on, with stand-ins
for what is missing; the report decides at the end.
"""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass, replace
from typing import Any

from ler.config.model import ENGINE_TYPES, ApiKey, ApiSwap, Config, Engine, GenericProcess
from ler.config.report import Report, suggestion
from ler.config.retired import PROTECTIVE, RETIRED
from ler.config.setting import Bounds
from ler.config.shape import Setting, Shape, settings
from ler.config.tree import KeyPath, Kind, Listing, Node, Scalar, Section, find
from ler.config.values import canonical_signal
from ler.config.variables import expand

ENGINE_KEY = r"(?!\.+$)[A-Za-z0-9._-]{1,64}"

# Decimals only: YAML's octal, hexadecimal and sexagesimal notations surprise.
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")

_TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}

# No value: none was written, or what was written is a problem, and noted.
_NONE: Any = object()

# What required keys are while they have no value.
_STAND_INS: Mapping[Any, Any] = {str: "", tuple: (), Mapping: {}}


class Builder:
    """
    Builds the configuration from one tree.
    """

    def __init__(self, report: Report, environ: Mapping[str, str], folder: str) -> None:
        """
        @param report: learns of every problem.
        @param environ: where C{${NAME}} is looked up.
        @param folder: the absolute path that relative ones begin at.
        """
        self._report = report
        self._environ = environ
        self._folder = folder
        self._retired: dict[tuple[type, str], list[KeyPath]] = {}

    def config(self, root: Section) -> Config:
        """
        @return: the configuration; fit for use only if the report has no
            errors.
        """
        config: Config = self._section(Config, root, ())
        for (section, key), paths in self._retired.items():
            more = f" (in {len(paths)} places)" if len(paths) > 1 else ""
            self._report.warn(paths[0], f"has no effect: {RETIRED[section][key].advice}{more}")
        return _discovering(config, root) if config.discover.enabled else config

    # Sections and their keys.

    def _section(self, section: type, node: Node, path: KeyPath, **given: Any) -> Any:
        """
        @param section: a dataclass of the model.
        @param given: fields that are not keys of the section.
        @return: an instance, with stand-ins where a required key has no value.
        """
        known = {setting.name: setting for setting in settings(section)}
        values = {
            name: _STAND_INS[setting.shape.base]
            for name, setting in known.items()
            if setting.required
        }
        if isinstance(node, Section):
            for name in node.nodes:
                if name not in known:
                    self._note_stranger(section, name, node.nodes[name], (*path, name))
            for name, setting in known.items():
                value = self._setting(setting, node.nodes.get(name), (*path, name))
                if value is not _NONE:
                    values[name] = value
        else:
            self._fail(path, "must be a mapping")
        return section(**values, **given)

    def _setting(self, setting: Setting, node: Node | None, path: KeyPath) -> Any:
        """
        @return: the value of one key of a section.
        """
        if node is None:
            return self._fail(path, "is required") if setting.required else _NONE
        if _is_empty(node) and setting.shape.holds_more and not setting.required:
            self._report.warn(path, "is empty, and read as if it were absent")
            return _NONE
        return self._value(setting.shape, node, path)

    def _note_stranger(self, section: type, name: str, node: Node, path: KeyPath) -> None:
        """
        Note a key that the section does not have.
        """
        retired = RETIRED.get(section, {}).get(name)
        if retired:
            self._retired.setdefault((section, name), []).append(path)
            if retired.known and isinstance(node, Section):
                for inner in node.nodes.keys() - retired.known:
                    self._fail_unknown((*path, inner), inner, retired.known)
        elif section is Config and name.lower() in PROTECTIVE:
            self._fail(path, "unknown key; did you mean 'api_keys'?")
        elif section is ApiKey:
            # The path of the whole: its name may be a secret gone astray.
            names = ", ".join(setting.name for setting in settings(ApiKey))
            self._fail(path[:-1], f"must be text, or a mapping of {names}")
        else:
            self._fail_unknown(path, name, [setting.name for setting in settings(section)])

    def _engine(self, key: str, node: Node, path: KeyPath) -> Any:
        """
        @return: the settings of one engine, by its type.
        """
        if not re.fullmatch(ENGINE_KEY, key):
            self._fail(path, "an engine's key is 1 to 64 letters, digits, '.', '_' and '-'")
        if not isinstance(node, Section):
            return self._fail(path, "must be a mapping")
        nodes = dict(node.nodes)
        given = nodes.pop("type", None)
        name = given.text if isinstance(given, Scalar) else ""
        if name in ENGINE_TYPES:
            rest = Section(node.line, nodes, node.lines)
            return _canonical(self._section(ENGINE_TYPES[name], rest, path, key=key))
        path = (*path, "type")
        wanted = f"one of {', '.join(ENGINE_TYPES)}"
        if given is None:
            return self._fail(path, f"is required: {wanted}")
        return self._fail(path, f"must be {wanted}{suggestion(name, ENGINE_TYPES)}")

    # Values.

    def _value(self, shape: Shape, node: Node, path: KeyPath) -> Any:
        """
        @return: what C{node} stands for where C{shape} is wanted.
        """
        if isinstance(node, Scalar):
            if node.kind is Kind.NULL and shape.nullable:
                return None
            if node.kind is Kind.TEXT and node.text in shape.words:
                return shape.words[node.text]
        if shape.command:
            return self._command(shape, node, path)
        if shape.base is tuple:
            return self._list(shape, node, path)
        if shape.base is Mapping:
            return self._mapping(shape, node, path)
        return self._single(shape, node, path)

    def _single(self, shape: Shape, node: Node, path: KeyPath) -> Any:
        """
        @return: a section, or what a scalar stands for.
        """
        if isinstance(shape.base, type) and is_dataclass(shape.base):
            if shape.bounds.plain is None or isinstance(node, Section):
                return self._section(shape.base, node, path)
            text = self._single(replace(shape, base=str), node, path)
            return shape.bounds.plain("" if text is _NONE else text)
        if shape.base is Any:
            return self._json(shape, node, path)
        value = self._scalar(shape, node, path)
        if value not in (_NONE, "") and shape.bounds.check:
            complaint = shape.bounds.check(value)
            if complaint:
                return self._fail(path, complaint)
        return value

    def _scalar(self, shape: Shape, node: Node, path: KeyPath) -> Any:
        """
        @return: a L{str}, L{bool}, L{int} or L{float}.
        """
        if isinstance(node, Scalar):
            if shape.base is str and _is_text(shape, node):
                return self._text(shape, node.text, path)
            if shape.base is bool and node.kind is Kind.TRUTH and node.text.lower() in _TRUTHS:
                return _TRUTHS[node.text.lower()]
            if shape.base in (int, float) and node.kind is Kind.NUMBER:
                notation = _WHOLE if shape.base is int else _NUMBER
                if notation.fullmatch(node.text):
                    number = shape.base(node.text)
                    if math.isfinite(number) and _within(shape.bounds, number):
                        return number
        return self._fail_unfit(shape, node, path)

    def _json(self, shape: Shape, node: Node, path: KeyPath) -> Any:
        """
        @return: what C{node} says in JSON; C{yes}, C{0x1F} and dates, which
            say nothing there, are problems.
        """
        if isinstance(node, Section):
            return self._mapping(replace(shape, base=Mapping, item=shape), node, path)
        if isinstance(node, Listing):
            return list(self._list(replace(shape, base=tuple, item=shape), node, path))
        if node.kind is Kind.NULL:
            return None
        return self._scalar(replace(shape, base=_json_base(node)), node, path)

    def _text(self, shape: Shape, text: str, path: KeyPath) -> Any:
        """
        @return: C{text} with its variables replaced.
        """
        try:
            text = expand(text, self._environ)
        except ValueError as e:
            return self._fail(path, str(e))
        if not shape.blank and not text.strip():
            return self._fail(path, "must not be blank")
        return self._absolute(text, path) if shape.bounds.path else text

    def _absolute(self, name: str, path: KeyPath) -> Any:
        """
        @return: a path that no longer depends on where the router runs.
        """
        expanded = os.path.expanduser(name)
        if expanded.startswith("~"):
            return self._fail(path, "begins with ~, but there is no such home folder")
        return os.path.normpath(os.path.join(self._folder, expanded))

    def _command(self, shape: Shape, node: Node, path: KeyPath) -> Any:
        """
        @return: the words of a command line.  Variables are replaced after
            splitting, so that each stays within its word.
        """
        if isinstance(node, Scalar) and node.kind is Kind.TEXT:
            try:
                # A shell joins lines that end in a backslash, shlex does not.
                words = shlex.split(node.text.replace("\\\n", ""))
            except ValueError as e:
                return self._fail(path, f"cannot be split into words: {e}")
            items = [Scalar(node.line, word, Kind.TEXT) for word in words]
            node = Listing(node.line, tuple(items))
        if isinstance(node, Listing) and not node.items and not shape.blank:
            return self._fail(path, "must name a program")
        return self._list(shape, node, path)

    def _list(self, shape: Shape, node: Node, path: KeyPath) -> Any:
        """
        @return: a L{tuple} of those items that have a value.
        """
        if not isinstance(node, Listing) or shape.item is None:
            return self._fail_unfit(shape, node, path)
        values = [
            self._value(shape.item, item, (*path, index)) for index, item in enumerate(node.items)
        ]
        return tuple(value for value in values if value is not _NONE)

    def _mapping(self, shape: Shape, node: Node, path: KeyPath) -> Any:
        """
        @return: a L{dict} of those entries that have a value.
        """
        if not isinstance(node, Section) or shape.item is None:
            return self._fail_unfit(shape, node, path)
        values = {}
        for name, inner in node.nodes.items():
            if path == ("engines",):  # The one mapping that holds several types.
                value = self._engine(name, inner, (*path, name))
            else:
                value = self._value(shape.item, inner, (*path, name))
            if value is not _NONE:
                values[name] = value
                complaint = shape.bounds.check and shape.bounds.check((name, value))
                if complaint:
                    # The path of the whole: a key may be a secret gone astray.
                    self._report.error(path, complaint, node.lines[name])
        return values

    # Problems.

    def _fail(self, path: KeyPath, message: str) -> Any:
        """
        Note a problem, and have no value.
        """
        self._report.error(path, message)
        return _NONE

    def _fail_unknown(self, path: KeyPath, name: str, known: Iterable[str]) -> None:
        """
        Note a key that means nothing.
        """
        self._fail(path, f"unknown key{suggestion(name, known)}")

    def _fail_unfit(self, shape: Shape, node: Node, path: KeyPath) -> Any:
        """
        Note a value of the wrong type, or out of range.
        """
        excuse = _excuse(shape, node) if isinstance(node, Scalar) else ""
        return self._fail(path, f"must be {shape.describe()}{excuse}")


def _discovering(config: Config, root: Section) -> Config:
    """
    @return: C{config}, with C{discover_models} true for the engines of the
        types that C{discover.enabled} speaks of, where it was not written.
    """
    return replace(
        config,
        engines={
            key: replace(engine, discover_models=True)
            if isinstance(engine, GenericProcess | ApiSwap)
            and find(root, ("engines", key, "discover_models")) is None
            else engine
            for key, engine in config.engines.items()
        },
    )


def _canonical(engine: Engine) -> Engine:
    """
    @return: C{engine}, in one spelling what can be spelled in two ways.
    """
    engine = replace(engine, base_url=engine.base_url.rstrip("/"))
    if isinstance(engine, GenericProcess):
        engine = replace(engine, stop_signal=canonical_signal(engine.stop_signal))
    return engine


def _is_text(shape: Shape, node: Scalar) -> bool:
    """
    @return: whether a scalar passes for text.
    """
    if shape.bounds.digits and node.kind is Kind.NUMBER:
        return _WHOLE.fullmatch(node.text) is not None
    return node.kind is Kind.TEXT


def _json_base(node: Scalar) -> type:
    """
    @return: the type of a scalar in JSON; of what YAML takes for anything but
        that, text is wanted.
    """
    if node.kind is Kind.NUMBER:
        return int if _WHOLE.fullmatch(node.text) else float
    return bool if node.text.lower() in ("true", "false") and node.kind is Kind.TRUTH else str


def _is_empty(node: Node) -> bool:
    """
    @return: whether a key was written without a value.
    """
    return isinstance(node, Scalar) and node.kind is Kind.NULL


def _within(bounds: Bounds, number: float) -> bool:
    """
    @return: whether C{number} keeps the bounds.
    """
    low, high = bounds.minimum, bounds.maximum
    above = low is None or number > low or (number == low and not bounds.exclusive)
    return above and (high is None or number <= high)


def _excuse(shape: Shape, node: Scalar) -> str:
    """
    @return: why a value that may look right is wrong, to end a message with.
    """
    if node.kind is Kind.NULL:
        return ", but is empty"
    if shape.base is str:
        return f"; YAML takes this for {node.kind.value}: quote it"
    if shape.base in (bool, int, float):
        if "${" in node.text:
            return "; ${NAME} works in text only"
        plain = _NUMBER.fullmatch(node.text) or node.text.lower() in _TRUTHS
        if node.kind is Kind.TEXT and plain:
            return ", without quotes"
        if node.kind is Kind.NUMBER and not plain:
            return ", in plain decimals"
    return suggestion(node.text, shape.words)
