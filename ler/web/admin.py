# -*- test-case-name: ler.test.test_admin -*-
"""
What the operator may do: swap, unload, pause, resume and reload, and see how
it goes.
"""

from __future__ import annotations

import json
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ler.engines.catalog import Catalog
from ler.errors import (
    BadRequest,
    InternalError,
    RouterError,
    UnknownModel,
    UnknownPath,
    UnsupportedEncoding,
)
from ler.interfaces import Residency
from ler.slot.slots import Slots
from ler.web.documents import object_in
from ler.web.endpoints import Document, Endpoint, Folder

_log = Logger()

REMEMBERED = 100
"""How many jobs are kept to be asked about."""


@dataclass
class Job:
    """
    Something the operator has asked for.

    @ivar state: C{running}, C{done} or C{failed}.
    """

    id: str
    what: str
    since: float
    state: str = "running"
    error: RouterError | None = None
    seconds: float | None = None

    def describe(self, now: float) -> dict[str, Any]:
        """
        @return: the job as JSON shows it.
        """
        seconds = now - self.since if self.seconds is None else self.seconds
        return {
            "job": self.id,
            "what": self.what,
            "state": self.state,
            "seconds": round(seconds, 3),
            "error": None
            if self.error is None
            else {"message": self.error.message, "code": self.error.code},
        }


class Jobs:
    """
    The operator's last jobs, by id.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def run(self, what: str, work: Deferred[Any]) -> tuple[Job, Deferred[None]]:
        """
        @param work: ends when the job does; it is not cancelled with anybody
            who watches.
        @return: the job, and a L{Deferred} firing with L{None} when it has
            ended, in whatever way.
        """
        job = Job(uuid.uuid4().hex[:12], what, self._clock.seconds())
        self._jobs[job.id] = job
        while len(self._jobs) > REMEMBERED:
            self._jobs.popitem(last=False)
        ended: Deferred[None] = Deferred(lambda _: None)

        def end(result: object) -> None:
            job.seconds = self._clock.seconds() - job.since
            job.state = "done"
            if isinstance(result, Failure):
                job.state = "failed"
                job.error = _as_error(result)
            if not ended.called:
                ended.callback(None)

        work.addBoth(end)
        return job, ended

    def describe(self) -> list[dict[str, Any]]:
        """
        @return: all that are remembered, the newest first.
        """
        now = self._clock.seconds()
        return [job.describe(now) for job in reversed(self._jobs.values())]

    def get(self, id: str) -> Job:
        """
        @raise UnknownPath: when there is none of that id.
        """
        job = self._jobs.get(id)
        if job is None:
            raise UnknownPath(f"there is no job '{id[:40]}', or it is long over")
        return job


def _as_error(failure: Failure) -> RouterError:
    if isinstance(failure.value, RouterError):
        return failure.value
    _log.failure("a job failed", failure)
    return InternalError("the router failed; its log has the traceback")


def admin_tree(
    slots: Slots,
    catalog: Catalog,
    engines: Mapping[str, Residency | None],
    clock: IReactorTime,
    jobs: Jobs,
    reload: Callable[[], Awaitable[Mapping[str, Any]]],
) -> Folder:
    """
    @param engines: what to bring up for an engine that is named by its key;
        L{None} where that is one of several models, which has to be named.
    @param jobs: what was asked for before, and will be.
    @param reload: reads the configuration anew, and says what has changed.
    @return: the resources under C{/admin}.
    """

    def started(request: Any, what: str, work: Deferred[Any]) -> Any:
        job, ended = jobs.run(what, work)
        return _told(request, job, ended, clock)

    async def swap(request: Any) -> Any:
        asked = asked_document(request)
        target = _target(asked, catalog, engines)
        return await started(request, f"swap to {target}", slots.bring_up(target))

    async def unload(request: Any) -> Any:
        asked_document(request)
        return await started(request, "unload", slots.unload())

    async def pause(request: Any) -> Any:
        reason = asked_document(request).get("reason", "the operator has paused the router")
        if not isinstance(reason, str) or not reason.strip():
            raise BadRequest("'reason' must be a text")
        return await started(request, "pause", slots.pause(reason))

    async def resume(request: Any) -> Any:
        asked_document(request)
        slots.resume()
        return {"resumed": True}

    async def renew(request: Any) -> Any:
        asked_document(request)
        return await reload()

    async def show(request: Any) -> Any:
        id = b"/".join(request.postpath).decode("latin-1")
        return jobs.get(id).describe(clock.seconds()) if id else {"jobs": jobs.describe()}

    return Folder(
        {
            "swap": Endpoint({"POST": swap}),
            "unload": Endpoint({"POST": unload}),
            "pause": Endpoint({"POST": pause}),
            "resume": Endpoint({"POST": resume}),
            "reload": Endpoint({"POST": renew}),
            "jobs": Endpoint({"GET": show}, tail=True),
        }
    )


async def _told(request: Any, job: Job, ended: Deferred[None], clock: IReactorTime) -> Any:
    """
    @return: the job: at once with status 202, or with C{?wait=1} when it has
        ended.
    """
    if request.uri.partition(b"?")[2] == b"wait=1":
        await ended
        if job.error is not None:
            raise job.error
        return job.describe(clock.seconds())
    body = json.dumps(job.describe(clock.seconds()), indent=1).encode() + b"\n"
    return Document(body, status=202)


def asked_document(request: Any) -> dict[str, Any]:
    """
    @return: the body, which is a JSON object or empty.  It has to be declared
        as JSON: a form on a web page cannot do that.
    """
    content_type = (request.getHeader(b"content-type") or b"").partition(b";")[0].strip().lower()
    if content_type != b"application/json":
        raise UnsupportedEncoding("send 'Content-Type: application/json'")
    return object_in(request, empty=True)


def _target(
    asked: Mapping[str, Any], catalog: Catalog, engines: Mapping[str, Residency | None]
) -> Residency:
    name = asked.get("engine", asked.get("model"))
    if not isinstance(name, str) or not name.strip():
        raise BadRequest("the body must name a 'model' or an 'engine'")
    if "engine" not in asked:
        return catalog.resolve(name).residency
    if name not in engines:
        raise UnknownModel(f"there is no engine '{name[:100]}'; there are {', '.join(engines)}")
    target = engines[name]
    if target is None:
        raise BadRequest(f"engine {name} holds one of several models: name the 'model'")
    return target
