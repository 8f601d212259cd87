# -*- test-case-name: ler.test.test_adoption -*-
"""
What runs already when the router starts: one resident is kept, the rest goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted.logger import Logger

from ler.interfaces import IEngine, Residency
from ler.slot.gathering import free_all, wait_for_all

_log = Logger()


async def adopt(engines: Mapping[str, IEngine]) -> Sequence[Residency]:
    """
    Ask all engines at once what they hold, and free all but one of those that
    hold something: the first that can stay as it is, with a single model.

    @return: what that one holds; nothing when none holds anything, several
        models when no engine holds a single one.
    @raise EngineStuck: when something is there that can be neither owned nor
        ended.
    """
    found = await wait_for_all([engine.loaded() for engine in engines.values()])
    holders: list[tuple[Residency, ...]] = [held for held in found if held]
    if not holders:
        return ()
    kept = min(holders, key=len)
    extras = [held for held in holders if held is not kept]
    for held in extras:
        _log.warn(
            "{extras} beside {kept}: it is freed",
            extras=", ".join(map(str, held)),
            kept=", ".join(map(str, kept)),
        )
    await free_all([engines[held[0].engine] for held in extras])
    return kept
