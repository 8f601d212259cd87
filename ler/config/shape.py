# -*- test-case-name: ler.test.test_config_shape -*-
"""
What each key accepts, worked out from the fields of L{ler.config.model}: the
one reading of them that the loader and the JSON schema share.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ler.config.setting import Bounds


@dataclass(frozen=True)
class Shape:
    """
    The values that are accepted at one place.

    @ivar base: L{str}, L{bool}, L{int}, L{float}, L{tuple}, L{Mapping}, a
        dataclass, L{Any} for whatever JSON can hold, or L{None} where only
        words are accepted.
    @ivar item: the shape of what a list or a mapping holds.
    @ivar words: the text that is accepted beside C{base}, each with the value
        that it stands for.
    @ivar nullable: whether an empty value means L{None}.
    @ivar blank: whether text may be blank, or a command line empty.
    @ivar command: a command line: a list of words, or text to be split.
    """

    base: Any
    bounds: Bounds
    item: Shape | None = None
    words: Mapping[str, Any] = field(default_factory=dict)
    nullable: bool = False
    blank: bool = False
    command: bool = False

    @property
    def holds_more(self) -> bool:
        """
        Whether it is a list, a mapping or a section.
        """
        return self.base in (tuple, Mapping) or is_dataclass(self.base)

    def describe(self) -> str:
        """
        @return: the end of a sentence that begins with "must be".
        """
        names = {
            str: "text",
            bool: "true or false",
            int: "a whole number",
            float: "a number",
            tuple: "a command line, as a list or as text" if self.command else "a list",
            Mapping: "a mapping",
            Any: "a value that JSON can hold",
        }
        words = list(self.words)
        if self.base is None:
            return words[0] if len(words) == 1 else f"one of {', '.join(words)}"
        text = names.get(self.base, "a mapping") + _range(self.bounds)
        if self.bounds.digits:
            text += " or a whole number"
        return text + "".join(f", or {word}" for word in words)


@dataclass(frozen=True)
class Setting:
    """
    One key.

    @ivar default: the value when the key is absent, or L{MISSING} for a
        default that is made by a function.
    """

    name: str
    help: str
    shape: Shape
    required: bool
    default: Any


@cache
def settings(section: type) -> tuple[Setting, ...]:
    """
    @param section: a dataclass of L{ler.config.model}.
    @return: its keys, in order.
    """
    hints = get_type_hints(section)
    found = []
    for key in fields(section):
        bounds = key.metadata.get("bounds")
        if bounds is None:
            continue
        required = key.default is MISSING and key.default_factory is MISSING
        command = key.name.endswith(("_cmd", "_script"))
        shape = _shape(
            hints[key.name],
            bounds,
            blank=not required if command else bounds.blank or key.default == "",
            command=command,
        )
        default = {} if key.default_factory is dict else key.default
        found.append(Setting(key.name, key.metadata["help"], shape, required, default))
    return tuple(found)


def _shape(hint: Any, bounds: Bounds, blank: bool = False, command: bool = False) -> Shape:
    """
    @return: the shape of a type hint.
    """
    options = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    words: dict[str, Any] = {}
    bases = []
    for option in options:
        if get_origin(option) is Literal:
            words.update((word, word) for word in get_args(option))
        elif option is not type(None):
            bases.append(option)
    words.update(bounds.words)
    (base,) = bases or (None,)
    item = None
    if get_origin(base) is tuple:
        # What is said of a list is meant for its items.
        item, bounds = _shape(get_args(base)[0], bounds, blank=command), Bounds()
    elif get_origin(base) is Mapping:
        item = _shape(get_args(base)[1], Bounds(), blank=True)
    return Shape(
        get_origin(base) or base,
        bounds,
        item,
        words,
        nullable=type(None) in options and None not in bounds.words.values(),
        blank=blank,
        command=command,
    )


def _range(bounds: Bounds) -> str:
    """
    @return: C{" from 1 to 9"}, C{" of at least 1"}, C{" above 0"} or nothing.
    """
    if bounds.minimum is None:
        return ""
    if bounds.maximum is not None:
        return f" from {bounds.minimum} to {bounds.maximum}"
    return f" {'above' if bounds.exclusive else 'of at least'} {bounds.minimum}"
