# -*- test-case-name: ler.test.test_slot_close -*-
"""
The end of a slot.
"""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.interfaces import IReactorTime

from ler.errors import RouterError
from ler.interfaces import IEngine
from ler.slot.gathering import wait_for_all
from ler.slot.leases import Leases

DRAIN_S = 5.0
"""How long running answers may go on when the router stops."""

CUT_GRACE_S = 5.0
"""How long a request that was cut may take to give its lease back."""


async def wind_up(
    engines: Mapping[str, IEngine],
    kept: str | None,
    leases: Leases,
    reason: RouterError,
    clock: IReactorTime,
) -> None:
    """
    Let running answers end, briefly, and close every engine but one.

    @param kept: the key of the engine that is left running, or L{None}.
    @param reason: what those who are cut are told.
    @raise EngineStuck: when an engine does not go; the others did.
    """
    cutting = clock.callLater(DRAIN_S, leases.cut, reason)
    await leases.drained().addTimeout(DRAIN_S + CUT_GRACE_S, clock, lambda *_: None)
    if cutting.active():
        cutting.cancel()
    await wait_for_all(
        [engine.leave() if key == kept else engine.close() for key, engine in engines.items()]
    )
