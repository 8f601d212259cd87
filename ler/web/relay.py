# -*- test-case-name: ler.test.test_relay -*-
"""
One request through the router: wait for a lease, send it up, bring the answer
down, and give the lease back, whatever happens on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionRefusedError, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from ler.errors import EngineDied, InternalError, RouterError, UpstreamTimeout
from ler.slot.slots import Slots
from ler.upstream import Answer, HeaderList, PartsProducer, Upstream
from ler.web.body_copy import BodyCopy
from ler.web.client_stream import ClientStream
from ler.web.deliveries import IDelivery, deliver
from ler.web.dialects import IDialect
from ler.web.heartbeat import Heartbeat
from ler.web.job import Job
from ler.web.prospect import Prospect
from ler.web.record import Recorder

LAST_WORDS_S = 1.0
"""How long after a broken connection it may be told that the engine is lost."""


@dataclass(frozen=True)
class RelayOptions:
    """
    What the configuration says about waiting.

    @ivar heartbeats: whether streams get any.
    @ivar interval: seconds between them.
    @ivar heavy_interval: seconds between events that say nothing, see
        L{Beats.heavy<ler.web.beats.Beats>}; L{None} for never.
    @ivar grace: seconds that the headers of a waiting stream are held.
    @ivar stall_timeout: seconds that a client may stop reading, or L{None}.
    """

    heartbeats: bool = True
    interval: float = 10.0
    heavy_interval: float | None = None
    grace: float = 2.0
    stall_timeout: float | None = 300.0


class Relay:
    """
    Carries requests between clients and the engines of one router.
    """

    _log = Logger()

    def __init__(
        self,
        slots: Slots,
        upstreams: Mapping[str, Upstream],
        clock: IReactorTime,
        recorder: Recorder,
        options: RelayOptions,
    ) -> None:
        """
        @param slots: where requests wait for their engine.
        @param upstreams: the way to each engine, by key.
        @param recorder: is told of every request.
        """
        self._slots = slots
        self._upstreams = upstreams
        self._clock = clock
        self._recorder = recorder
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
        self._record = relay._recorder.begin(request, job, self._cut)
        self._end_reason: RouterError | None = None
        self._work: Deferred[None] | None = None
        self._cancelled = False
        self._stream = ClientStream(
            request, dialect, self._clock, self._options.stall_timeout, self._client_gone
        )
        self._delivery: IDelivery | None = None
        self._last_event = self._record.began
        self._prospect: Prospect | None = None
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
        left = self._record.outcome.startswith("client_")
        self._record.ended(499 if left else self._stream.status, self._stream.sent)

    async def _attempt(self) -> None:
        """
        Where a connection is refused nothing was sent: the engine has just
        gone, and the request may stand in line once more.
        """
        try:
            await self._visit()
        except ConnectionRefusedError:
            if self._cancelled:
                return
            # The slot may not have heard yet that the engine is gone.
            await deferLater(self._clock, LAST_WORDS_S)
            try:
                await self._visit()
            except ConnectionRefusedError as e:
                raise EngineDied(f"engine {self._job.engine} refuses connections") from e

    async def _visit(self) -> None:
        self._beat_in(self._options.grace)
        if self._job.residency is None:
            await self._admitted()
            return
        residency, wish = self._job.residency, self._job.wish
        slots = self._relay._slots
        granted = slots.acquire(residency, wish)
        if not granted.called:
            expectation = slots.expect(residency, wish.priority)
            self._prospect = Prospect(expectation, self._clock.seconds())
        lease = await granted
        self._prospect = None
        try:
            if self._job.keep_alive is not None:
                slots.keep(residency, self._job.keep_alive)
            lease.on_cut(self._cut)
            if self._end_reason is not None:
                raise self._end_reason
            await self._admitted()
        finally:
            lease.release()

    async def _admitted(self) -> None:
        self._record.admitted()
        self._beat_in(self._options.interval)
        upstream = self._relay._upstreams[self._job.engine]
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

    async def _exchange(self, upstream: Upstream) -> None:
        job = self._job
        headers = job.headers
        if job.beats is not None or job.translated is not None:
            # What the engine has compressed can be read by its client only.
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
        if job.translated is not None:
            job.translated.translation.sent()
        try:
            answer = await upstream.send(job.method, job.target, headers, body)
        except ConnectionRefusedError:
            raise
        except (TimeoutError, ConnectError) as e:
            raise UpstreamTimeout(f"engine {job.engine} did not accept a connection: {e}") from e
        except Exception as e:
            raise EngineDied(f"engine {job.engine} dropped the request before it answered") from e
        await self._answer(answer)

    # Bringing the answer down.

    async def _answer(self, answer: Answer) -> None:
        delivery = self._delivery = deliver(self._job, self._dialect, answer, self._stream)
        body = BodyCopy(lambda data: self._arrived(delivery, body, data), self._clock)
        if not self._stream.framed:
            self._heartbeat.stop()
        answer.response.deliverBody(body)
        self._stream.attach(body.transport)
        try:
            end = await body.done
        finally:
            self._stream.attach(None)
            # The lease is given back when the engine can know that nobody
            # listens any more.
            await body.closed()
        delivery.conclude(isinstance(end, (ResponseDone, PotentialDataLoss)))

    def _arrived(self, delivery: IDelivery, body: BodyCopy, data: bytes) -> None:
        if self._cancelled:
            return
        self._last_event = self._clock.seconds()
        self._record.heard(data)
        sent = self._stream.sent
        try:
            delivery.arrived(data)
        except RouterError as error:
            self._cut(error)
        except Exception:
            self._relay._log.failure("request {id}", id=self._request.request_id)
            self._cut(InternalError("the router failed; its log has the traceback"))
        else:
            if self._stream.sent > sent:
                self._record.spoke()
            if delivery.satisfied:
                body.hang_up()

    # What may come in between.

    def _beat_in(self, delay: float) -> None:
        if self._job.beats is not None and self._options.heartbeats:
            self._heartbeat.begin(delay)

    def _beat(self) -> None:
        delivery = self._delivery
        if delivery is not None and (delivery.ended or not delivery.at_boundary):
            return
        if not self._stream.committed:
            prospect = self._prospect
            self._stream.commit_stream(
                [] if prospect is None else prospect.headers(self._clock.seconds())
            )
        self._stream.heartbeat(self._next_beat())

    def _next_beat(self) -> bytes:
        beats, every = self._job.beats, self._options.heavy_interval
        assert beats is not None
        now = self._clock.seconds()
        if beats.heavy is None or every is None or now - self._last_event < every:
            prospect = self._prospect
            return beats.light if prospect is None else beats.telling(prospect.remark(now))
        self._last_event = now
        return beats.heavy

    def _client_gone(self, how: str) -> None:
        if not self._cancelled:
            self._record.outcome = f"client_{how}"
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
        delivery, stream = self._delivery, self._stream
        if delivery is not None and delivery.ended:
            # The client has had everything, and nothing may follow it.
            delivery.complete()
            return
        self._record.outcome = error.code
        if delivery is not None and stream.framed:
            # In the middle of a frame there is no place for an error.
            stream.framed = delivery.at_boundary
        stream.fail(error)
