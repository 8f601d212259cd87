# -*- test-case-name: ler.test.test_translation -*-
"""
JSON as it should not be: what someone really sends, with something wrong in it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    1.5,
    1e300,
    10**400,
    float("inf"),
    float("nan"),
    "",
    "text",
    "{",
    "{}",
    "\ud800",
    "[" * 5000,
    [],
    [None],
    [[]],
    [{}],
    ["text"],
    {},
    {"": {"": []}},
    {"type": "text"},
    {"type": ["text"]},
    {"text": 1},
    {"function": {"name": {}}, "index": []},
)
"""What may stand anywhere in JSON, and where it is not expected."""


def variants(value: Any, seed: int, count: int) -> Iterator[Any]:
    """
    @param value: any JSON value.
    @return: C{count} copies of it, each with one to three mistakes; with the
        same seed, the same ones.
    """
    random = Random(seed)
    for _ in range(count):
        variant = [copy.deepcopy(value)]
        for _ in range(random.randint(1, 3)):
            places = list(_places(variant))
            _spoil(*random.choice(places), places, random)
            variant = variant or [None]
        yield variant[0]


def _places(holder: Any) -> Iterator[tuple[Any, Any]]:
    """
    @return: every list and object within, with each of its indexes or keys.
    """
    keys = holder if isinstance(holder, dict) else range(len(holder))
    for key in list(keys):
        yield holder, key
        if isinstance(holder[key], (dict, list)):
            yield from _places(holder[key])


def _spoil(holder: Any, key: Any, places: list[tuple[Any, Any]], random: Random) -> None:
    """
    Have something missing there, twice there, deeper, elsewhere, or odd.
    """
    mistake = random.randrange(7)
    if mistake == 0:
        del holder[key]
    elif mistake == 1 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    elif mistake == 2:
        holder[key] = [holder[key]]
    elif mistake == 3:
        other, there = random.choice(places)
        holder[key] = copy.deepcopy(other[there])
    else:
        holder[key] = copy.deepcopy(random.choice(ODD))
