# -*- test-case-name: ler.test.test_health -*-
"""
Whether an engine can answer: one look, and looking until it can.

That a port is open, or that a health path says 200, proves little: some
engines say so while they still load, or with no model at all.  What must be
shown beside the status is a matter of configuration.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web.iweb import IAgent
from zope.interface import implementer

from ler.engines.control import Control
from ler.errors import Unreachable
from ler.interfaces import IHealthCheck

MIN_PAUSE_S = 0.02
MAX_PAUSE_S = 0.25
SHARE = 20
"""What is waited for is looked at again after a twentieth of the time that it
took so far, within these bounds: so much may be lost by looking late."""

COMPLETION = "completion"
"""The expectation that is a request for one token."""

OK, NOT_FOUND = 200, 404


class NotReady(Exception):
    """
    An engine was not ready in time; the text is what it said last.
    """


def pause(elapsed: float) -> float:
    """
    @param elapsed: seconds that something is waited for already.
    @return: seconds after which to look again.
    """
    return min(max(elapsed / SHARE, MIN_PAUSE_S), MAX_PAUSE_S)


def until_ready(check: IHealthCheck, clock: IReactorTime, timeout: float) -> Deferred[None]:
    """
    Look until an engine is ready.

    @param timeout: seconds after which to give up.
    @return: a L{Deferred} firing with L{None}, or failing with L{NotReady}.
    """
    last = "it was never asked"

    async def look() -> None:
        nonlocal last
        began = clock.seconds()
        while True:
            answer: str | None = await check.check()
            if answer is None:
                return
            last = answer
            await deferLater(clock, pause(clock.seconds() - began))

    def give_up(result: object, timeout: float) -> None:
        raise NotReady(last)

    return Deferred.fromCoroutine(look()).addTimeout(timeout, clock, onTimeoutCancel=give_up)


def mismatch(expectation: str, document: object) -> str | None:
    """
    @param expectation: C{key==value}, found in a top-level object or in one of
        a top-level list of them; or C{model:ID}, found as C{id}, C{model} or
        C{name} of an entry of a top-level list, or of C{data} or C{models}.
    @param document: an answer, parsed.
    @return: what is missing, or L{None}.
    """
    if expectation.startswith("model:"):
        wanted = expectation[len("model:") :].strip()
        if wanted in model_ids(document):
            return None
        return f"model {wanted} is not listed"
    key, _, value = (part.strip() for part in expectation.partition("=="))
    objects = document if isinstance(document, list) else [document]
    found = [entry[key] for entry in objects if isinstance(entry, dict) and key in entry]
    if any(value in _texts(candidate) for candidate in found):
        return None
    return f"{key} is {found[0]!r}, not {value}" if found else f"{key} is missing"


def _texts(value: object) -> set[str]:
    """
    @return: the ways to write a value: as JSON does, as Python does.
    """
    return {str(value), value if isinstance(value, str) else json.dumps(value)}


def model_ids(document: object) -> Iterator[str]:
    """
    @return: the models in any of the lists that engines answer with.
    """
    if isinstance(document, dict):
        lists = [document.get("data"), document.get("models")]
    else:
        lists = [document]
    for entries in lists:
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, str):
                yield entry
            elif isinstance(entry, dict):
                yield from (entry[name] for name in ("id", "model", "name") if name in entry)


def look(control: Control, path: str, expectation: str, timeout: float) -> Deferred[str | None]:
    """
    Ask for C{path} once.

    @param expectation: what the answer must show beside status 200; see
        L{mismatch}.
    @return: as L{IHealthCheck.check}.
    """

    async def ask() -> str | None:
        reply = await control.ask("GET", path, timeout=timeout)
        if reply.status != OK:
            return str(reply)
        return mismatch(expectation, reply.json) if expectation else None

    return Deferred.fromCoroutine(ask()).addErrback(_complaint)


def complete(control: Control, model: str | None, timeout: float) -> Deferred[str | None]:
    """
    Ask for a completion of one token.

    @param model: the name under which the engine knows its model; without it,
        the request names none.
    @param timeout: seconds for each of the two routes, of which some engines
        have only one.
    @return: as L{IHealthCheck.check}.
    """
    common = {"max_tokens": 1, "stream": False} | ({} if model is None else {"model": model})

    async def ask() -> str | None:
        body = {**common, "messages": [{"role": "user", "content": "hi"}]}
        reply = await control.ask("POST", "/v1/chat/completions", body=body, timeout=timeout)
        if reply.status == NOT_FOUND:
            body = {**common, "prompt": "hi"}
            reply = await control.ask("POST", "/v1/completions", body=body, timeout=timeout)
        return None if reply.status == OK else str(reply)

    return Deferred.fromCoroutine(ask()).addErrback(_complaint)


def _complaint(failure: Failure) -> str:
    failure.trap(Unreachable)
    return failure.getErrorMessage()


@implementer(IHealthCheck)
class HTTPHealthCheck:
    """
    A check of an engine's HTTP interface.
    """

    def __init__(
        self,
        base_url: str,
        path: str,
        expectation: str,
        *,
        agent: IAgent,
        clock: Any,
        timeout: float,
        headers: Mapping[str, str],
        model: str | None = None,
    ) -> None:
        """
        @param path: what is asked for, with status 200 wanted.
        @param expectation: what the answer must show beside it: nothing if
            empty, C{completion} for a completion instead of C{path}, else see
            L{mismatch}.
        @param clock: an C{IReactorTime}.
        @param timeout: the time limit of each check, in seconds.
        @param headers: headers of each request.
        @param model: the name under which the engine knows its model; without
            it, completions are asked for without a name.
        """
        self._control = Control(base_url, agent, clock, headers)
        self._path = path
        self._expectation = expectation
        self._timeout = timeout
        self._model = model

    def check(self) -> Deferred[str | None]:
        """
        @see: L{IHealthCheck.check}
        """
        if self._expectation == COMPLETION:
            return complete(self._control, self._model, self._timeout)
        return look(self._control, self._path, self._expectation, self._timeout)
