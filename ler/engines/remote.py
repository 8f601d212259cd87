# -*- test-case-name: ler.test.test_remote -*-
"""
Somebody else's server or cluster, which is never started and never stopped.

It takes none of our memory, so there is nothing to be given back: to bring it
up is to look whether it is there.  That it has gone is found by the request
that is refused, which asks no more than the next one to find it back.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from ler.config.model import Remote
from ler.engines.control import Control
from ler.engines.listing import listed
from ler.errors import EngineStartFailed, Unreachable
from ler.interfaces import IEngine, IEngineWatcher, IModelLister, Residency

ANSWER_S = 5.0
"""How long it may take to answer us."""

OK, SERVER_ERROR = 200, 500


@implementer(IEngine, IModelLister)
class RemoteEngine:
    """
    One configured C{remote}.
    """

    def __init__(self, config: Remote, control: Control) -> None:
        self.key = config.key
        self.base_url = config.base_url.rstrip("/")
        self._health_path = config.health_path
        self._control = control

    # IEngine

    def bring_up(self, model: str | None) -> Deferred[None]:
        """
        @see: L{IEngine.bring_up}
        """
        return Deferred.fromCoroutine(self._look())

    async def _look(self) -> None:
        try:
            reply = await self._control.ask("GET", self._health_path, timeout=ANSWER_S)
        except Unreachable as e:
            complaint = e.message
        else:
            # Whoever wants a key, or knows no such path, is there.
            if reply.status < SERVER_ERROR:
                return
            complaint = str(reply)
        raise EngineStartFailed(
            f"engine {self.key} is not there: {self.base_url}{self._health_path} says "
            f"'{complaint}'; the router cannot start it: start it where it runs, or correct "
            "its 'base_url'"
        )

    def free(self) -> Deferred[None]:
        """
        @see: L{IEngine.free}
        """
        return succeed(None)

    close = leave = free

    def loaded(self) -> Deferred[tuple[Residency, ...]]:
        """
        @see: L{IEngine.loaded}
        """
        return succeed(())

    def watch(self, watcher: IEngineWatcher) -> None:
        """
        @see: L{IEngine.watch}
        """

    def alive(self) -> bool | None:
        """
        @see: L{IEngine.alive}
        """
        return None

    def describe(self) -> dict[str, Any]:
        """
        @see: L{IEngine.describe}
        """
        return {"type": "remote", "base_url": self.base_url}

    # IModelLister

    def list_models(self) -> Deferred[list[str] | None]:
        """
        @see: L{IModelLister.list_models}
        """
        return Deferred.fromCoroutine(self._list())

    async def _list(self) -> list[str] | None:
        try:
            reply = await self._control.ask("GET", "/v1/models", timeout=ANSWER_S)
        except Unreachable:
            return None
        return listed(reply.json) if reply.status == OK else None
