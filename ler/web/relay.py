# -*- test-case-name: ler.test.test_relay -*-
"""
One request through the router: wait for a lease, send it up, bring the answer
down, and give the lease back, whatever happens on the way.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionRefusedError, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from ler.errors import (
    EngineDied,
    InternalError,
    RouterError,
    UpstreamError,
    UpstreamTimeout,
    UpstreamTruncated,
)
from ler.interfaces import Residency
from ler.journal import Journal
from ler.metrics import Metrics
from ler.slot.leases import Lease
from ler.upstream import Answer, FileSpan, HeaderList, PartsProducer, Upstream
from ler.web.body_copy import BodyCopy
from ler.web.client_stream import ClientStream
from ler.web.dialects import EVENT_STREAM, IDialect
from ler.web.frames import EventFrames
from ler.web.heartbeat import Heartbeat

ERROR_BODY = 1 << 16
"""How much of an engine's error is read to quote it in a stream."""

QUOTED = 500
"""How much of it is quoted."""

LAST_WORDS_S = 1.0
"""How long after a broken connection it may be told that the engine is lost."""


@dataclass(frozen=True)
class RelayOptions:
    """
    What the configuration says about waiting.

    @ivar heartbeats: whether streams get any.
    @ivar interval: seconds between them.
    @ivar grace: seconds that the headers of a waiting stream are held.
    @ivar stall_timeout: seconds that a client may stop reading, or L{None}.
    """

    heartbeats: bool = True
    interval: float = 10.0
    grace: float = 2.0
    stall_timeout: float | None = 300.0


@dataclass(frozen=True)
class Job:
    """
    What is to be asked of an engine.

    @ivar residency: what must be resident.
    @ivar method: the HTTP method.
    @ivar target: path and query, as they go up.
    @ivar headers: as they go up.
    @ivar parts: the body, in parts.
    @ivar model: the name that the client used, for the log.
    @ivar streams: whether the answer will be a stream of events, so that the
        client may be sent heartbeats before it comes.
    """

    residency: Residency
    method: bytes
    target: bytes
    headers: HeaderList
    parts: list[bytes | FileSpan]
    model: str
    streams: bool


class Relay:
    """
    Carries requests between clients and the engines of one router.
    """

    _log = Logger()

    def __init__(
        self,
        acquire: Callable[[Residency], Deferred[Lease]],
        upstreams: Mapping[str, Upstream],
        clock: IReactorTime,
        metrics: Metrics,
        journal: Journal,
        options: RelayOptions,
    ) -> None:
        """
        @param acquire: asks for a lease.
        @param upstreams: the way to each engine, by key.
        @param journal: is told of every request.
        """
        self._acquire = acquire
        self._upstreams = upstreams
        self._clock = clock
        self._metrics = metrics
        self._journal = journal
        self._options = options

    def carry(self, request: Any, dialect: IDialect, job: Job) -> None:
        """
        Answer C{request} with what the engine says to C{job}.
        """
        passage = _Passage(self, request, dialect, job)
        passage.start()


class _Passage:
    """
    One request on its way.
    """

    def __init__(self, relay: Relay, request: Any, dialect: IDialect, job: Job) -> None:
        self._relay = relay
        self._clock = relay._clock
        self._options = relay._options
        self._request = request
        self._dialect = dialect
        self._job = job
        self._began = self._clock.seconds()
        self._entry = relay._journal.begin(
            request.request_id,
            engine=job.residency.engine,
            model=job.model,
            path=job.target.partition(b"?")[0].decode("ascii"),
            key=None,
            cancel=self._cut,
        )
        self._waited: float | None = None
        self._first_byte: float | None = None
        self._end_reason: RouterError | None = None
        self._outcome = "ok"
        self._work: Deferred[None] | None = None
        self._cancelled = False
        self._ended = False
        self._stream = ClientStream(
            request, dialect, self._clock, self._options.stall_timeout, self._client_gone
        )
        self._frames: EventFrames | None = None
        self._heartbeat = Heartbeat(
            self._clock, self._options.interval, lambda: self._stream.silent_for, self._beat
        )

    def start(self) -> None:
        """
        Go.
        """
        self._work = Deferred.fromCoroutine(self._go())
        self._work.addErrback(lambda failure: self._relay._log.failure("a relay failed", failure))

    async def _go(self) -> None:
        error: RouterError | None = None
        try:
            await self._attempt()
        except RouterError as e:
            error = e
        except Exception:
            if not self._cancelled:
                self._relay._log.failure("request {id}", id=self._request.request_id)
                error = InternalError("the router failed; its log has the traceback")
        self._heartbeat.stop()
        if self._cancelled:
            # What came of that, deep in the HTTP client, is noise.
            error = self._end_reason
        if error is not None:
            self._fail(error)
        self._report()

    async def _attempt(self) -> None:
        """
        Where a connection is refused nothing was sent: the engine has just
        gone, and the request may stand in line once more.
        """
        try:
            await self._with_lease()
        except ConnectionRefusedError:
            if self._cancelled:
                return
            # The slot may not have heard yet that the engine is gone.
            await deferLater(self._clock, LAST_WORDS_S)
            try:
                await self._with_lease()
            except ConnectionRefusedError as e:
                raise EngineDied(f"engine {self._job.residency.engine} refuses connections") from e

    async def _with_lease(self) -> None:
        self._beat_in(self._options.grace)
        lease = await self._relay._acquire(self._job.residency)
        upstream = self._relay._upstreams[self._job.residency.engine]
        try:
            self._waited = self._clock.seconds() - self._began
            self._entry.admitted()
            lease.on_cut(self._cut)
            if self._end_reason is not None:
                raise self._end_reason
            self._beat_in(self._options.interval)
            await upstream.admission()
            try:
                await self._exchange(upstream)
            except EngineDied:
                # The slot hears of an engine's end by another way, knows its
                # exit status and last words, and cuts us with them.
                if not self._cancelled:
                    await deferLater(self._clock, LAST_WORDS_S)
                raise
            finally:
                upstream.leave()
        finally:
            lease.release()

    async def _exchange(self, upstream: Upstream) -> None:
        job = self._job
        headers = job.headers
        if job.streams:
            # Heartbeats have no place in what the engine has compressed.
            headers = [pair for pair in headers if pair[0].lower() != b"accept-encoding"]
        body = PartsProducer(job.parts, self._clock) if job.parts else None
        try:
            await self._ask(upstream, headers, body)
        finally:
            if body is not None:
                # An engine may answer before it has read everything, and the
                # file goes with the client's request.
                body.stopProducing()

    async def _ask(
        self, upstream: Upstream, headers: HeaderList, body: PartsProducer | None
    ) -> None:
        job = self._job
        try:
            answer = await upstream.send(job.method, job.target, headers, body)
        except ConnectionRefusedError:
            raise
        except (TimeoutError, ConnectError) as e:
            raise UpstreamTimeout(
                f"engine {job.residency.engine} did not accept a connection: {e}"
            ) from e
        except Exception as e:
            raise EngineDied(
                f"engine {job.residency.engine} dropped the request before it answered"
            ) from e
        await self._answer(answer)

    # Bringing the answer down.

    async def _answer(self, answer: Answer) -> None:
        stream = self._stream
        events = _is_stream(answer)
        if stream.committed and not events:
            raise await self._quoted(answer)
        if not stream.committed:
            stream.framed = events
            headers = list(answer.headers)
            if answer.length is not None and not events:
                headers.append((b"Content-Length", str(answer.length).encode()))
            stream.commit(answer.status, answer.phrase, headers)
        if events:
            self._frames = EventFrames()
        else:
            self._heartbeat.stop()
        body = BodyCopy(self._arrived, self._clock)
        answer.response.deliverBody(body)
        stream.attach(body.transport)
        try:
            end = await body.done
        finally:
            stream.attach(None)
            # The lease is given back when the engine can know that nobody
            # listens any more.
            await body.closed()
        self._conclude(end)

    def _arrived(self, data: bytes) -> None:
        if self._frames is not None:
            data = self._frames.feed(data)
            if not data:
                return
            self._ended = self._ended or self._dialect.is_end(data)
        if self._first_byte is None:
            self._first_byte = self._clock.seconds() - self._began
        self._stream.write(data)

    def _conclude(self, end: Exception) -> None:
        """
        The engine has said all, or has stopped in the middle.
        """
        clean = isinstance(end, (ResponseDone, PotentialDataLoss))
        whole = clean
        if self._frames is not None:
            rest = self._frames.flush()
            ends = self._dialect.is_end(rest)
            whole = self._ended or ends or (clean and not self._dialect.must_end())
            if whole and (clean or ends):
                self._stream.write(rest)
        if whole:
            self._stream.finish()
        else:
            raise UpstreamTruncated(
                f"engine {self._job.residency.engine} stopped in the middle of its answer"
            )

    async def _quoted(self, answer: Answer) -> RouterError:
        """
        @return: what the engine answered instead of the stream that the
            client was promised.
        """
        said = bytearray()

        def arrived(data: bytes) -> None:
            said.extend(data)
            if len(said) > ERROR_BODY:
                body.hang_up()

        body = BodyCopy(arrived, self._clock)
        answer.response.deliverBody(body)
        try:
            await body.done
        finally:
            await body.closed()
        return UpstreamError(
            f"engine {self._job.residency.engine} answered {answer.status}: "
            f"{_message_in(bytes(said))}"
        )

    # What may come in between.

    def _beat_in(self, delay: float) -> None:
        if self._job.streams and self._options.heartbeats:
            self._heartbeat.begin(delay)

    def _beat(self) -> None:
        if self._ended:
            return
        if not self._stream.committed:
            self._stream.commit_events()
        if self._frames is None or self._frames.at_boundary:
            self._stream.heartbeat()

    def _client_gone(self, how: str) -> None:
        if not self._cancelled:
            self._outcome = f"client_{how}"
            self._cancel()

    def _cut(self, reason: RouterError) -> None:
        if not self._cancelled:
            self._end_reason = reason
            self._cancel()

    def _cancel(self) -> None:
        # Once: a second time would cancel the wait for the connection to end.
        self._cancelled = True
        if self._work is not None:
            self._work.cancel()

    def _fail(self, error: RouterError) -> None:
        if self._ended:
            # The client has had everything, and nothing may follow it.
            self._stream.finish()
            return
        self._outcome = error.code
        if self._frames is not None:
            # In the middle of a frame there is no place for an error.
            self._stream.framed = self._frames.at_boundary
        self._stream.fail(error)

    def _report(self) -> None:
        """
        One line and a few numbers for every request.
        """
        seconds = self._clock.seconds() - self._began
        stream = self._stream
        gone = self._outcome.startswith("client_")
        status = 499 if gone else stream.status
        self._entry.ended(status=status, outcome=self._outcome, sent=stream.sent)
        self._relay._metrics.request_ended(
            engine=self._job.residency.engine,
            status=status,
            outcome=self._outcome,
            seconds=seconds,
            waited=self._waited,
            first_byte=self._first_byte,
        )
        self._relay._log.info(
            "{id} {method} {path} model={model} engine={engine} status={status} "
            "outcome={outcome} waited={waited} first_byte={first_byte} seconds={seconds:.3f} "
            "bytes={sent}",
            id=self._request.request_id,
            method=self._job.method.decode("ascii"),
            path=self._job.target.partition(b"?")[0].decode("ascii"),
            model=self._job.model,
            engine=self._job.residency.engine,
            status=status,
            outcome=self._outcome,
            waited=_seconds(self._waited),
            first_byte=_seconds(self._first_byte),
            seconds=seconds,
            sent=stream.sent,
        )


def _is_stream(answer: Answer) -> bool:
    """
    @return: whether C{answer} is a stream of events that we can read.
    """
    return (
        200 <= answer.status < 300
        and answer.content_type == EVENT_STREAM
        and not any(name.lower() == b"content-encoding" for name, _ in answer.headers)
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _message_in(body: bytes) -> str:
    """
    @return: the words in an engine's error body.
    """
    text = body.decode("utf-8", "replace")
    try:
        said: Any = json.loads(text)
        while isinstance(said, dict):
            said = said.get("message") or said.get("error") or said.get("detail")
        if isinstance(said, str) and said:
            text = said
    except (ValueError, RecursionError):
        pass
    return text.strip()[:QUOTED] or "nothing"
