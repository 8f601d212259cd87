# -*- test-case-name: ler.test.test_wizard_preset -*-
"""
The presets as text that can be changed key by key, comments included.

A library that keeps the comments of any YAML would be large for this: the
presets are ours, and written in one way.  What is put into them is written by
PyYAML, value by value, and the whole is read by the router's own loader before
anybody else sees it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

import ler

INDENT = "    "
"""Before the keys of an engine, or of a model."""

_KEY = re.compile(rf"{INDENT}([\w-]+):")
# The loader takes these for numbers, which they are in YAML 1.2; PyYAML does not.
_NEWER_NUMBER = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)[eE][-+]?\d+|0o[0-7]+")
_SCALAR = re.compile(r"(\s*(?:- )?(?:[\w-]+: )?)(\S.*)")


def presets_folder() -> Path | None:
    """
    @return: where the presets are: in the checkout, or where they were
        installed beside this package; L{None} when they are nowhere.
    """
    package = Path(ler.__file__).resolve().parent
    folders = [package.parent / "presets"]
    folders += [parent / "share" / "engine-router" / "presets" for parent in package.parents]
    return next((folder for folder in folders if (folder / "ollama.yaml").is_file()), None)


def scalar(value: str | int | float | bool | None) -> str:
    """
    @return: C{value} as YAML writes it, in one line.
    """
    style = None
    if isinstance(value, str) and (not value.isprintable() or _NEWER_NUMBER.fullmatch(value)):
        style = '"'
    text = yaml.safe_dump(
        [value], default_style=style, allow_unicode=True, width=float("inf"), sort_keys=False
    )
    return text.removeprefix("- ").rstrip("\n")


def quoted(text: str) -> str:
    """
    @return: C{text} as the configuration writes it, where a dollar sign and a
        brace are a variable.
    """
    return scalar(text.replace("${", "$${"))


class Block:
    """
    The keys of one engine, or of one model, as lines of text.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        """
        @param lines: with the keys behind L{INDENT}; comments belong to the
            key that follows them.
        """
        self._parts: dict[str, list[str]] = {}
        key, lead = "", list[str]()
        for line in lines:
            match = _KEY.match(line)
            if match is not None:
                key = match[1]
                self._parts[key] = [*lead, line]
                lead = []
            elif key and line.startswith(f"{INDENT} "):
                self._parts[key] += [*lead, line]
                lead = []
            else:
                lead.append(line)

    @property
    def lines(self) -> list[str]:
        """
        @return: the lines of all keys.
        """
        return [line for part in self._parts.values() for line in part]

    def __contains__(self, key: str) -> bool:
        return key in self._parts

    def put(self, key: str, value: str, comment: str = "") -> None:
        """
        Write C{key} in place of what it was, comments included, or behind all
        other keys.

        @param value: YAML, in one line.
        """
        self._put(key, [f"{INDENT}{key}: {value}"], comment)

    def put_list(self, key: str, items: Iterable[str], comment: str = "") -> None:
        """
        Likewise a list.

        @param items: YAML, each in one line.
        """
        self._put(key, [f"{INDENT}{key}:", *(f"{INDENT}  - {item}" for item in items)], comment)

    def put_mapping(self, key: str, items: Mapping[str, str], comment: str = "") -> None:
        """
        Likewise a mapping.

        @param items: YAML, each in one line.
        """
        lines = [f"{INDENT}  {scalar(name)}: {value}" for name, value in items.items()]
        self._put(key, [f"{INDENT}{key}:", *lines], comment)

    def _put(self, key: str, lines: list[str], comment: str) -> None:
        before = [f"{INDENT}# {line}" for line in comment.splitlines()]
        gap = [""] if self._parts.get(key, ["x"])[0] == "" else []
        self._parts[key] = [*gap, *before, *lines]

    def get(self, key: str) -> Any:
        """
        @return: the value of C{key}; L{None} when it is not there.
        """
        document = yaml.safe_load("\n".join(self._parts.get(key, [])))
        return None if document is None else document[key]

    def replace_item(self, key: str, old: str, new: str) -> None:
        """
        Write another item into the list of C{key}.
        """
        part = self._parts[key]
        part[part.index(f"{INDENT}  - {old}")] = f"{INDENT}  - {new}"

    def add_item(self, key: str, item: str) -> None:
        """
        Write an item behind the others of the list of C{key}.
        """
        self._parts[key].append(f"{INDENT}  - {item}")

    def drop(self, *keys: str) -> None:
        """
        Leave C{keys} out, with their comments.
        """
        for key in keys:
            self._parts.pop(key, None)

    def fill(self, fillings: Mapping[str, str]) -> None:
        """
        Put words in place of those in capitals.
        """
        for lines in self._parts.values():
            lines[:] = [filled(line, fillings) for line in lines]


def filled(line: str, fillings: Mapping[str, str]) -> str:
    """
    @return: a line of YAML, other words in place of those in C{fillings}.
    """
    pattern = rf"\b({'|'.join(map(re.escape, fillings))})\b"
    match = _SCALAR.fullmatch(line)
    if not fillings or match is None or match[2].startswith("#") or not re.search(pattern, line):
        return line
    text = str(yaml.safe_load(match[2]))
    return match[1] + quoted(re.sub(pattern, lambda found: fillings[found[0]], text))


class Preset:
    """
    One file of C{presets/}.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    @property
    def engine(self) -> Block:
        """
        @return: its engine.
        """
        lines = self._section("engines")
        return Block(lines[1:])

    @property
    def model(self) -> Block:
        """
        @return: its first model.
        """
        [first, *rest] = self._section("models")
        end = next((at for at, line in enumerate(rest) if not line.startswith(INDENT)), len(rest))
        return Block([first.replace("  - ", INDENT, 1), *rest[:end]])

    def _section(self, name: str) -> list[str]:
        _, _, rest = self._text.partition(f"\n{name}:\n")
        lines = rest.splitlines()
        end = next((at for at, line in enumerate(lines) if re.match(r"\w", line)), len(lines))
        while end and not lines[end - 1].strip():
            end -= 1
        return lines[:end]
