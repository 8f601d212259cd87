# -*- test-case-name: ler.test.test_config_reading -*-
"""
The configuration as it was written: a tree that knows its lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

KeyPath = tuple[str | int, ...]


class Kind(Enum):
    """
    What YAML takes a scalar for; the value finishes "YAML takes this for ...".
    """

    TEXT = "text"
    NUMBER = "a number"
    TRUTH = "a truth value"
    DATE = "a date"
    NULL = "nothing"


@dataclass(frozen=True)
class Scalar:
    """
    A single value, not yet interpreted.

    @ivar line: where it begins, counted from 1.
    @ivar text: what stands in the file, less quotes and escapes.
    """

    line: int
    text: str
    kind: Kind


@dataclass(frozen=True)
class Listing:
    """
    A list of nodes.
    """

    line: int
    items: tuple[Node, ...]


@dataclass(frozen=True)
class Section:
    """
    A mapping of keys to nodes, merge keys already resolved.

    @ivar lines: where each key stands.
    """

    line: int
    nodes: Mapping[str, Node]
    lines: Mapping[str, int]


Node = Scalar | Listing | Section


def child(node: Node | None, step: str | int) -> Node | None:
    """
    @return: what C{node} holds under a key or an index, or L{None}.
    """
    if isinstance(node, Section) and isinstance(step, str):
        return node.nodes.get(step)
    if isinstance(node, Listing) and isinstance(step, int) and step < len(node.items):
        return node.items[step]
    return None


def find(root: Node | None, path: KeyPath) -> Node | None:
    """
    @return: the node at C{path}, or L{None} when nothing was written there.
    """
    node = root
    for step in path:
        node = child(node, step)
    return node


def line_of(root: Node | None, path: KeyPath) -> int:
    """
    @return: the line of the last key of C{path} that was written: for a
        missing key, the line of the section that lacks it.
    """
    line = 1
    node = root
    for step in path:
        parent, node = node, child(node, step)
        if node is None:
            break
        if isinstance(parent, Section) and isinstance(step, str):
            line = parent.lines[step]
        else:
            line = node.line
    return line


def written(root: Node | None, path: KeyPath) -> str:
    """
    @return: the text at C{path} as it stands in the file, in quotes: what a
        message may show, since C{${NAME}} is not yet replaced in it.
    """
    node = find(root, path)
    return repr(node.text) if isinstance(node, Scalar) else "this"


def texts(node: Node | None) -> Iterator[str]:
    """
    @return: the text of every scalar, as it stands in the file.
    """
    if isinstance(node, Scalar):
        yield node.text
    elif isinstance(node, Listing):
        for item in node.items:
            yield from texts(item)
    elif isinstance(node, Section):
        for inner in node.nodes.values():
            yield from texts(inner)


def dotted(path: KeyPath) -> str:
    """
    @return: C{path} as people write it: C{engines.a.start_cmd[2]}; keys that
        a dot would garble go in brackets, C{engines["llama.cpp"].port}.
    """
    out = ""
    for step in path:
        if isinstance(step, int):
            out += f"[{step}]"
        elif re.fullmatch(r"[\w-]+", step):
            out += f".{step}" if out else step
        else:
            out += f"[{json.dumps(step)}]"
    return out
