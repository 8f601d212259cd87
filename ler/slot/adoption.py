# -*- test-case-name: ler.test.test_adoption -*-
"""
What runs already when the router starts: one resident is kept, the rest goes.
"""

from __future__ import annotations

from collections.abc import Mapping

from twisted.logger import Logger

from ler.interfaces import IEngine, Residency
from ler.slot.gathering import free_all, wait_for_all

_log = Logger()


async def adopt(engines: Mapping[str, IEngine]) -> Residency | None:
    """
    Ask all engines at once what they hold, keep the first that holds
    something, and stop whatever runs beside it.

    @return: what is resident, or L{None}.
    @raise EngineStuck: when something is there that can be neither owned nor
        ended.
    """
    found = await wait_for_all([engine.loaded() for engine in engines.values()])
    held: list[Residency] = [residency for residencies in found for residency in residencies]
    if not held:
        return None
    resident = held[0]
    extras = {extra.engine: extra for extra in held if extra.engine != resident.engine}
    for extra in extras.values():
        _log.warn(
            "{extra} runs beside {resident} and is stopped",
            extra=str(extra),
            resident=str(resident),
        )
    await free_all([engines[key] for key in extras])
    return resident
