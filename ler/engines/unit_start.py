# -*- test-case-name: ler.test.test_systemd -*-
"""
One start of a unit: whether it has come to answer, and whether it still can.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from ler.engines.output import lacks_memory
from ler.engines.unit import ISystemdUnit
from ler.engines.unit_status import UnitStatus, story
from ler.errors import EngineStartFailed, Unreachable
from ler.interfaces import IHealthCheck

LOOK_S = 1.0
"""How often at most the unit is looked at while its server does not answer."""


@implementer(IHealthCheck)
class UnitStart:
    """
    Whether the unit's server can answer; fails once that cannot be hoped for.
    """

    def __init__(
        self, key: str, unit: ISystemdUnit, check: IHealthCheck, begun: UnitStatus, clock: Any
    ) -> None:
        """
        @param begun: what was seen first.
        """
        self._key = key
        self._unit = unit
        self._check = check
        self._begun = begun
        self._clock = clock
        self._looked = clock.seconds()

    def check(self) -> Deferred[str | None]:
        """
        @see: L{IHealthCheck.check}
        @return: as there, or failing with L{EngineStartFailed} when the unit
            has ended, or was restarted.
        """
        return Deferred.fromCoroutine(self._answer())

    async def _answer(self) -> str | None:
        complaint: str | None = await self._check.check()
        if complaint is None or self._clock.seconds() - self._looked < LOOK_S:
            return complaint
        try:
            status = await self._unit.look()
        except Unreachable:
            return complaint
        finally:
            self._looked = self._clock.seconds()
        await self.judge(status)
        return complaint

    async def judge(self, status: UnitStatus) -> None:
        """
        @raise EngineStartFailed: when this start has failed.
        """
        if status.runs and status.run == self._begun.run:
            return
        lines = await self._unit.last_lines()
        what = "was restarted" if status.runs else "ended"
        failed = EngineStartFailed(
            f"engine {self._key}: {self._unit.name} {what} before it was ready; "
            f"it {story(status, lines)}"
        )
        failed.lacked_memory = lacks_memory(lines)
        raise failed
