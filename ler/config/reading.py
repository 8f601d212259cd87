# -*- test-case-name: ler.test.test_config_reading -*-
"""
A YAML file to a tree of lines, strictly.

PyYAML parses.  Its constructors are not used: they forget lines, keep the last
of two equal keys in silence, and turn C{NO} into C{False}.
"""

from __future__ import annotations

import re

import yaml
from yaml.error import MarkedYAMLError
from yaml.reader import ReaderError

from ler.config.report import Report
from ler.config.tree import KeyPath, Kind, Listing, Node, Scalar, Section

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_VALUES = 50_000

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_COLLECTIONS = (_TAG + "seq", _TAG + "map")
_SCALARS = {
    _TAG + "str": Kind.TEXT,
    _TAG + "int": Kind.NUMBER,
    _TAG + "float": Kind.NUMBER,
    _TAG + "bool": Kind.TRUTH,
    _TAG + "null": Kind.NULL,
    _TAG + "timestamp": Kind.DATE,
    _TAG + "merge": Kind.TEXT,
    _TAG + "value": Kind.TEXT,
}

# Numbers of YAML 1.2 that PyYAML, being of YAML 1.1, takes for text.
_NEWER_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+|0o[0-7]+")

# Escapes can write what no file name, header or UTF-8 can hold.
_NO_TEXT = re.compile(r"[\0\ud800-\udfff]")

_BOMS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)

# PyYAML's sentences that puzzle, or that quote what may be a secret.
_CLEARER = {
    "found undefined alias": "an alias (*name) without its anchor; quote text that begins with *",
    "second occurrence": "an anchor (&name) that exists already; quote text that begins with &",
    "found undefined tag handle": "an unknown tag; quote text that begins with !",
    "found character '\\t'": "a tab character; indent with spaces",
    "found character": "a character that cannot begin text; quote it",
    "mapping values are not allowed here": "a ':' that cannot stand here; check the indentation, "
    "and quote text that holds ': '",
    "expected '<document start>'": "a line that fits nowhere; check the indentation",
    "expected <block end>": "a line that does not fit its neighbours; check the indentation",
    "could not find expected ':'": "a key without its ':'",
    "expected alphabetic": "a lone & or *; quote it",
    "but found another document": "a second document (---); a file holds one configuration",
}


def read(report: Report) -> Section:
    """
    Read the report's file.  What is wrong but can be stepped over is noted in
    the report, which learns the tree, too.

    @return: the top level.
    @raise ConfigError: if there is nothing to go on with.
    """
    text = _decoded(_contents(report), report)
    try:
        composed = _Composer(text).get_single_node()
        root = None if composed is None else _Planter(report).plant(composed, ())
    except ReaderError as e:
        line = text.count("\n", 0, e.position) + 1
        raise report.fatal(f"an unprintable character, {e.character:#x}", line) from None
    except MarkedYAMLError as e:
        raise report.fatal(*_explained(e)) from None
    except _Refused as e:
        raise report.fatal(str(e), e.line) from None
    if root is None or (isinstance(root, Scalar) and root.kind is Kind.NULL):
        raise report.fatal("is empty")
    if not isinstance(root, Section):
        raise report.fatal("must be a mapping of keys to values")
    report.root = root
    return root


def _contents(report: Report) -> bytes:
    """
    @return: the bytes of the report's file.
    """
    try:
        with open(report.file, "rb") as file:
            contents = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as e:
        reason = e.strerror if isinstance(e, OSError) else e
        raise report.fatal(f"cannot be read: {reason}") from None
    if len(contents) > MAX_BYTES:
        raise report.fatal(f"is larger than {MAX_BYTES >> 20} MiB")
    return contents


def _decoded(contents: bytes, report: Report) -> str:
    """
    @return: the text of C{contents}, which must be UTF-8.
    """
    for bom, name in _BOMS:
        if contents.startswith(bom):
            raise report.fatal(f"is in {name}; save it as UTF-8")
    try:
        return contents.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = contents.count(b"\n", 0, e.start) + 1
        raise report.fatal("bytes that are not UTF-8; save the file as UTF-8", line) from None


def _explained(e: MarkedYAMLError) -> tuple[str, int]:
    """
    @return: what makes the text no YAML, and the line where it ceased to be.
    """
    problem = e.problem or "cannot be parsed"
    for beginning, clearer in _CLEARER.items():
        if problem.startswith(beginning):
            problem = clearer
    line = e.problem_mark.line + 1 if e.problem_mark else 0
    begun = e.context_mark.line + 1 if e.context_mark else line
    if begun != line and e.context and e.context.startswith("while"):
        problem += f", {e.context} that began on line {begun}"
    return f"not YAML: {problem}", line


def _line(node: yaml.Node) -> int:
    """
    @return: where a node begins, counted from 1.
    """
    return int(node.start_mark.line) + 1


class _Refused(Exception):
    """
    What is YAML, but would cost too much, or cannot be text.
    """

    def __init__(self, message: str, node: yaml.Node) -> None:
        super().__init__(message)
        self.line = _line(node)


class _Composer(yaml.SafeLoader):
    """
    Refuses deep nesting before it becomes deep recursion.
    """

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """
        Compose one node, as the overridden method.
        """
        self._depth += 1
        if parent is not None and self._depth > MAX_DEPTH:
            raise _Refused(f"nested more than {MAX_DEPTH} deep", parent)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Planter:
    """
    Grows our tree from PyYAML's graph, where an alias shares its anchor's
    node.  The tree holds copies instead, hence the limits.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._count = 0

    def plant(self, node: yaml.Node, path: KeyPath, depth: int = 0) -> Node:
        """
        @return: the tree of C{node}.
        @raise _Refused: if it would be endless, or enormous.
        """
        self._count += 1
        if self._count > MAX_VALUES:
            raise _Refused(f"more than {MAX_VALUES} values, aliases counted each time", node)
        if depth > MAX_DEPTH:
            raise _Refused("an alias inside of its own anchor, or too deep in others", node)
        line = _line(node)
        if isinstance(node, yaml.ScalarNode):
            return Scalar(line, node.value, self._kind(node, path))
        if node.tag not in _COLLECTIONS:
            self._report.error(path, "a YAML tag that has no meaning here", line)
        if isinstance(node, yaml.MappingNode):
            return self._section(node, path, depth)
        items = (self.plant(item, (*path, i), depth + 1) for i, item in enumerate(node.value))
        return Listing(line, tuple(items))

    def _section(self, node: yaml.MappingNode, path: KeyPath, depth: int) -> Section:
        """
        @return: the mapping, its own keys before those that C{<<} brings.
        """
        nodes: dict[str, Node] = {}
        lines: dict[str, int] = {}
        bases: list[Section] = []
        for key, value in node.value:
            line = _line(key)
            if key.tag == _MERGE:
                bases += self._bases(value, path, depth + 1)
                continue
            if not isinstance(key, yaml.ScalarNode):
                self._report.error(path, "a key must be text", line)
                continue
            name, inner = key.value, (*path, key.value)
            kind = self._kind(key, inner)
            if kind is not Kind.TEXT:
                self._report.error(inner, f"YAML takes this key for {kind.value}: quote it", line)
            if name in nodes:
                first = lines[name]
                self._report.error(inner, f"the key stands on line {first} already", line)
                continue
            nodes[name] = self.plant(value, inner, depth + 1)
            lines[name] = line
        for base in bases:
            for name, inherited in base.nodes.items():
                nodes.setdefault(name, inherited)
                lines.setdefault(name, base.lines[name])
        return Section(_line(node), nodes, lines)

    def _bases(self, node: yaml.Node, path: KeyPath, depth: int) -> list[Section]:
        """
        @return: the mappings that a merge key names, the strongest first.
        """
        planted = self.plant(node, path, depth)
        bases = planted.items if isinstance(planted, Listing) else (planted,)
        sections = [base for base in bases if isinstance(base, Section)]
        if len(sections) < len(bases):
            self._report.error(path, "<< must name a mapping, or a list of them", planted.line)
        return sections

    def _kind(self, node: yaml.ScalarNode, path: KeyPath) -> Kind:
        """
        @return: what YAML 1.1, or 1.2, takes the scalar for.
        @raise _Refused: if it is no text to begin with.
        """
        if _NO_TEXT.search(node.value):
            raise _Refused("an escape that stands for no text", node)
        if node.tag not in _SCALARS:
            self._report.error(path, "a YAML tag that has no meaning here", _line(node))
        is_plain = node.style is None
        if is_plain and _NEWER_NUMBER.fullmatch(node.value):
            return Kind.NUMBER
        return _SCALARS.get(node.tag, Kind.TEXT)
