# -*- test-case-name: ler.test.test_config_model -*-
"""
One key of the configuration: a dataclass field with a help text and bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Bounds:
    """
    What a value must be beyond its type.

    @ivar minimum: the least number, or L{None}.
    @ivar maximum: the greatest number, or L{None}.
    @ivar exclusive: whether C{minimum} itself is too small.
    @ivar words: strings accepted beside the type (such as C{never}), each
        with the value that it stands for.
    @ivar blank: whether text may be empty, as it may anyway where that is the
        default.
    @ivar digits: whether text may also be a whole number, without quotes.
    @ivar path: a file or folder: relative ones are of the config's folder.
    @ivar check: a function of L{ler.config.values} from a value to a complaint
        or L{None}; of a mapping it judges each pair.
    @ivar plain: of a section: what makes one of the text that may stand for
        it, and that C{check} has judged.

    Of a list all of this is said of each item.
    """

    minimum: float | None = None
    maximum: float | None = None
    exclusive: bool = False
    words: Mapping[str, Any] = field(default_factory=dict)
    blank: bool = False
    digits: bool = False
    path: bool = False
    check: Callable[[Any], str | None] | None = None
    plain: Callable[[str], Any] | None = None


def setting(
    help: str,
    default: Any = MISSING,
    *,
    factory: Any = MISSING,
    minimum: float | None = None,
    maximum: float | None = None,
    exclusive: bool = False,
    words: Mapping[str, Any] | None = None,
    blank: bool = False,
    digits: bool = False,
    path: bool = False,
    check: Callable[[Any], str | None] | None = None,
    plain: Callable[[str], Any] | None = None,
) -> Any:
    """
    A dataclass field that knows its help text and its bounds.

    @param help: one sentence for the reference.
    @param default: the value when the key is absent; a field with neither
        C{default} nor C{factory} is required.
    """
    metadata = {
        "help": help,
        "bounds": Bounds(
            minimum, maximum, exclusive, words or {}, blank, digits, path, check, plain
        ),
    }
    if factory is not MISSING:
        return field(default_factory=factory, metadata=metadata)
    if default is not MISSING:
        return field(default=default, metadata=metadata)
    return field(metadata=metadata)
