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

from treq.client import HTTPClient
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from ler.interfaces import IHealthCheck

MAX_BODY = 1 << 20
"""Bytes of an answer that are read."""

SNIPPET = 120
"""Characters of an answer that are shown."""

MIN_PAUSE_S = 0.02
MAX_PAUSE_S = 0.25
SHARE = 20
"""An engine is looked at again after a twentieth of the time that it took so
far, within these bounds: so much of a start may be lost by looking late."""

OK, NOT_FOUND = 200, 404


class NotReady(Exception):
    """
    An engine was not ready in time; the text is what it said last.
    """


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
            elapsed = clock.seconds() - began
            await deferLater(clock, min(max(elapsed / SHARE, MIN_PAUSE_S), MAX_PAUSE_S))

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
        if wanted in _model_ids(document):
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


def _model_ids(document: object) -> Iterator[str]:
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
        self._base_url = base_url
        self._path = path
        self._expectation = expectation
        self._client = HTTPClient(agent)
        self._clock = clock
        self._timeout = timeout
        self._headers = Headers()
        for name, value in headers.items():
            self._headers.addRawHeader(name, value)
        self._model = {} if model is None else {"model": model}

    def check(self) -> Deferred[str | None]:
        """
        @see: L{IHealthCheck.check}
        """
        completes = self._expectation == "completion"
        asking = Deferred.fromCoroutine(self._complete() if completes else self._look())
        asking.addErrback(_complaint)
        asking.addTimeout(
            self._timeout,
            self._clock,
            onTimeoutCancel=lambda *_: f"no answer within {self._timeout:g} s",
        )
        # A request that is cancelled fails in ways of its own, which must not
        # pass for an answer.
        cancelled = False

        def cancel(_: object) -> None:
            nonlocal cancelled
            cancelled = True
            asking.cancel()

        answer: Deferred[str | None] = Deferred(cancel)
        asking.addCallback(lambda result: None if cancelled else answer.callback(result))
        return answer

    async def _look(self) -> str | None:
        status, body = await self._request("GET", self._path)
        if status != OK:
            return _refusal(status, body)
        return mismatch(self._expectation, json.loads(body)) if self._expectation else None

    async def _complete(self) -> str | None:
        """
        Some engines have only one of the two routes.
        """
        chat = {"messages": [{"role": "user", "content": "hi"}]}
        status, body = await self._request("POST", "/v1/chat/completions", chat)
        if status == NOT_FOUND:
            status, body = await self._request("POST", "/v1/completions", {"prompt": "hi"})
        return None if status == OK else _refusal(status, body)

    async def _request(
        self, method: str, path: str, question: dict[str, Any] | None = None
    ) -> tuple[int, bytes]:
        """
        @return: status and body of the answer.
        """
        headers, data = self._headers, None
        if question is not None:
            document = {**self._model, **question, "max_tokens": 1, "stream": False}
            headers = headers.copy()
            headers.setRawHeaders("Content-Type", ["application/json"])
            data = _Question(json.dumps(document).encode())
        response = await self._client.request(
            method,
            self._base_url + path,
            headers=headers.copy(),
            data=data,
            allow_redirects=False,
            unbuffered=True,
            reactor=self._clock,
        )
        return response.code, await _read(response)


@implementer(IBodyProducer)
class _Question:
    """
    A short body, sent at once.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """
        Send it.
        """
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """
        It is too late for that.
        """

    resumeProducing = stopProducing = pauseProducing


def _complaint(failure: Failure) -> str:
    """
    @return: what went wrong with a question; all of it is the engine's doing.
    """
    return failure.getErrorMessage() or type(failure.value).__name__


def _refusal(status: int, body: bytes) -> str:
    said = " ".join(body[: 4 * SNIPPET].decode("utf-8", "replace").split())[:SNIPPET]
    return f"HTTP {status}: {said}" if said else f"HTTP {status}"


def _read(response: IResponse) -> Deferred[bytes]:
    body = _Body()
    response.deliverBody(body)
    return body.received


class _Body(Protocol):
    """
    Receives a body, unless it is too large.
    """

    def __init__(self) -> None:
        self.received: Deferred[bytes] = Deferred(lambda _: self._abort())
        self._data = bytearray()

    def dataReceived(self, data: bytes) -> None:
        self._data += data
        if len(self._data) > MAX_BODY and not self.received.called:
            self.received.errback(ValueError(f"an answer of more than {MAX_BODY} bytes"))
            self._abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.received.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.received.callback(bytes(self._data))
        else:
            self.received.errback(reason)

    def _abort(self) -> None:
        producer: Any = self.transport
        if producer is not None:
            producer.stopProducing()
