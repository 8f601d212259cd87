# -*- test-case-name: ler.test.test_gathering -*-
"""
Waiting for several things at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredList

from ler.interfaces import IEngine

T = TypeVar("T")


async def wait_for_all(waiting: Iterable[Deferred[T]]) -> list[T]:
    """
    Wait until every one of C{waiting} has ended, well or not.

    @return: their results.
    @raise Exception: the first failure, when there is any.
    """
    outcomes: list[tuple[bool, Any]] = await DeferredList(list(waiting), consumeErrors=True)
    for succeeded, failure in outcomes:
        if not succeeded:
            failure.raiseException()
    return [result for _, result in outcomes]


async def free_all(engines: Iterable[IEngine]) -> None:
    """
    Stop C{engines}, each whatever becomes of the others.

    @raise EngineStuck: when one of them does not go.
    """
    await wait_for_all([engine.free() for engine in engines])
