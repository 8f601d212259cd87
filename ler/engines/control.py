# -*- test-case-name: ler.test.test_control -*-
"""
The router's own requests to an engine: short, bounded, limited in time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from treq.client import HTTPClient
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IConsumer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from ler.errors import Refused, Unreachable

MAX_BODY = 1 << 20
"""Bytes of an answer that are read."""

SNIPPET = 160
"""Characters of an answer that are shown."""


@dataclass(frozen=True)
class Reply:
    """
    What a server answered.

    @ivar status: its HTTP status.
    @ivar text: its body.
    @ivar retry_after: seconds after which it wants to be asked again, or
        L{None}.
    """

    status: int
    text: str
    retry_after: float | None = None

    def __str__(self) -> str:
        """
        @return: status and body on one short line.
        """
        said = " ".join(self.text[: 4 * SNIPPET].split())[:SNIPPET]
        return f"HTTP {self.status}: {said}" if said else f"HTTP {self.status}"

    @cached_property
    def json(self) -> Any:
        """
        @return: what its body's JSON holds; L{None} if it is no JSON.
        """
        return _parsed(self.text)

    def events(self) -> list[Any]:
        """
        @return: what the C{data} lines of its body hold, of those that are
            JSON, in order.
        """
        lines = (line for line in self.text.splitlines() if line.startswith("data:"))
        parsed = (_parsed(line[len("data:") :]) for line in lines)
        return [event for event in parsed if event is not None]


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


class Control:
    """
    Asks one server.

    @ivar clock: the C{IReactorTime} that limits its requests.
    """

    def __init__(
        self, base_url: str, agent: IAgent, clock: Any, headers: Mapping[str, str]
    ) -> None:
        """
        @param headers: headers of every request.
        """
        self.clock = clock
        self._base_url = base_url.rstrip("/")
        self._client = HTTPClient(agent)
        self._headers = headers

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Iterable[tuple[str, str]] = (),
        headers: Iterable[tuple[str, str]] = (),
        body: object = None,
        timeout: float,
    ) -> Deferred[Reply]:
        """
        Send one request.  Redirections are not followed.

        @param path: the path, percent-encoded, with or without a query.
        @param query: further names and values for the query.
        @param headers: headers of this request; they replace those of every
            request.
        @param body: what the request's JSON shall hold, or L{None} for no
            body.
        @param timeout: seconds until the answer must be complete.
        @return: a L{Deferred} firing with a L{Reply} of any status, or failing
            with L{Refused} or L{Unreachable}.
        """
        asking = Deferred.fromCoroutine(self._ask(method, path, query, headers, body))
        asking.addErrback(_trouble)
        asking.addTimeout(timeout, self.clock, onTimeoutCancel=_too_late)
        # A request that is cancelled fails in ways of its own, which must not
        # pass for the server's.
        cancelled = False

        def cancel(_: object) -> None:
            nonlocal cancelled
            cancelled = True
            asking.cancel()

        answer: Deferred[Reply] = Deferred(cancel)
        asking.addBoth(lambda result: None if cancelled else answer.callback(result))
        return answer

    async def _ask(
        self,
        method: str,
        path: str,
        query: Iterable[tuple[str, str]],
        headers: Iterable[tuple[str, str]],
        body: object,
    ) -> Reply:
        fields, data = Headers(), None
        if body is not None:
            fields.setRawHeaders("Content-Type", ["application/json"])
            data = _Question(json.dumps(body).encode())
        for name, value in (*self._headers.items(), *headers):
            fields.setRawHeaders(name, [value])
        encoded = urlencode(list(query))
        mark = "&" if "?" in path else "?"
        response = await self._client.request(
            method,
            self._base_url + path + (mark + encoded if encoded else ""),
            headers=fields,
            data=data,
            allow_redirects=False,
            unbuffered=True,
            reactor=self.clock,
        )
        text = (await _read(response)).decode("utf-8", "replace")
        return Reply(response.code, text, _retry_after(response.headers))


def _retry_after(headers: Headers) -> float | None:
    """
    @return: seconds; the header's other form, a date, is no use to us.
    """
    with suppress(ValueError):
        for value in headers.getRawHeaders("Retry-After", []):
            return float(max(int(value), 0))
    return None


def _trouble(failure: Failure) -> Failure:
    """
    @return: the failure of a request as one of ours.
    """
    # An agent wraps what befell a connection that was open already.
    while reasons := getattr(failure.value, "reasons", None):
        failure = reasons[-1]
    text = failure.getErrorMessage() or type(failure.value).__name__
    made: Callable[[str], Unreachable]
    made = Refused if failure.check(ConnectionRefusedError) else Unreachable
    return Failure(made(text))


def _too_late(result: object, timeout: float) -> Failure:
    return Failure(Unreachable(f"no answer within {timeout:g} s"))


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
