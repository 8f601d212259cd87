# -*- test-case-name: ler.test.test_errors -*-
"""
Every failure that we can report to a client: status, type, code, and when to
try again.

A class names a situation; its three table rows say what each client dialect
makes of it.  The dialects in L{ler.web.dialects} render them; nothing else
chooses a status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

GIB = 1 << 30


class RouterError(Exception):
    """
    A failure with an answer for the client.

    @cvar code: the stable C{error.code} of the OpenAI dialect.
    @ivar openai: status and C{error.type} in the OpenAI dialect.
    @ivar anthropic: status and C{error.type} in the Anthropic dialect.
    @ivar ollama: status in the Ollama dialect, whose error is a plain string.
    @cvar param: the request field at fault, or L{None}.
    @ivar message: one sentence that names the cause and the cure.
    @ivar retry_after: seconds after which a retry can help, or L{None}.
    @ivar should_retry: L{False} stops the SDKs from retrying at once.
    @ivar headers: further response headers.
    """

    code: ClassVar[str] = "internal_error"
    openai: tuple[int, str] = (500, "server_error")
    anthropic: tuple[int, str] = (500, "api_error")
    ollama: int = 500
    param: ClassVar[str | None] = None
    should_retry: bool | None = None

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.headers = headers


# What the client did wrong.


class BadRequest(RouterError):
    """The request cannot be understood."""

    code = "invalid_request"
    openai = (400, "invalid_request_error")
    anthropic = (400, "invalid_request_error")
    ollama = 400


class InvalidJSON(BadRequest):
    """The body is not a JSON object."""

    code = "invalid_json"


class InvalidMultipart(BadRequest):
    """The body is not the multipart form that its head promises."""

    code = "invalid_multipart"


class MissingModel(BadRequest):
    """The body names no model."""

    code = "missing_model"
    param = "model"


class InvalidConfig(BadRequest):
    """The configuration file is wrong, so that it is not taken over."""

    code = "invalid_config"


class InvalidPath(BadRequest):
    """The path is not in its one normal form."""

    code = "invalid_path"


class UnknownModel(RouterError):
    """No engine owns the model."""

    code = "model_not_found"
    openai = (404, "invalid_request_error")
    anthropic = (404, "not_found_error")
    ollama = 404
    param = "model"


class NotSpoken(BadRequest):
    """The engine does not speak the dialect, and nothing translates it."""

    code = "unsupported_by_engine"


class UnknownPath(RouterError):
    """Nothing lives at this path."""

    code = "not_found"
    openai = (404, "invalid_request_error")
    anthropic = (404, "not_found_error")
    ollama = 404


class WrongMethod(RouterError):
    """The path exists, the method does not."""

    code = "method_not_allowed"
    openai = (405, "invalid_request_error")
    anthropic = (405, "invalid_request_error")
    ollama = 405

    def __init__(self, message: str, allowed: str) -> None:
        super().__init__(message, headers=(("Allow", allowed),))


class RequestTooLarge(RouterError):
    """The body is larger than the configured limit."""

    code = "request_too_large"
    openai = (413, "invalid_request_error")
    anthropic = (413, "request_too_large")
    ollama = 413


class UnsupportedEncoding(RouterError):
    """The body's content type or encoding cannot be read."""

    code = "unsupported_media_type"
    openai = (415, "invalid_request_error")
    anthropic = (415, "invalid_request_error")
    ollama = 415


class InvalidKey(RouterError):
    """The API key is missing or wrong."""

    code = "invalid_api_key"
    openai = (401, "authentication_error")
    anthropic = (401, "authentication_error")
    ollama = 401

    def __init__(self, message: str) -> None:
        super().__init__(message, headers=(("WWW-Authenticate", "Bearer"),))


class Forbidden(RouterError):
    """The request is understood and refused."""

    code = "forbidden"
    openai = (403, "permission_error")
    anthropic = (403, "permission_error")
    ollama = 403


class ForeignHost(Forbidden):
    """The Host or Origin header names somebody else."""

    code = "foreign_host"


class ControlPath(Forbidden):
    """The path would change what an engine holds; the slot alone may do that."""

    code = "control_path"


class DestructiveDisabled(Forbidden):
    """The request would change what a server keeps on its disk."""

    code = "destructive_api_disabled"


class CloudModel(Forbidden):
    """The model runs elsewhere, and the prompt would go there."""

    code = "cloud_model"


class NotOffered(RouterError):
    """What is asked for needs something that is not configured."""

    code = "not_offered"
    openai = (501, "invalid_request_error")
    anthropic = (501, "invalid_request_error")
    ollama = 501
    should_retry = False


class WebsocketUnavailable(NotOffered):
    """The library that speaks websocket is not installed."""

    code = "websocket_unavailable"


# What we, or the engines, cannot do now.


class Unavailable(RouterError):
    """We cannot serve this now; later we may."""

    code = "unavailable"
    openai = (503, "server_error")
    anthropic = (529, "overloaded_error")
    ollama = 503


class QueueFull(Unavailable):
    """Too many requests wait already."""

    code = "queue_full"


class DeadlineMissed(Unavailable):
    """The request cannot be let in within the time that it allows."""

    code = "deadline_missed"


class WouldSwap(Unavailable):
    """The request asks for no swap, and would need one."""

    code = "would_swap"
    should_retry = False


class ShuttingDown(Unavailable):
    """The router is stopping."""

    code = "shutting_down"


class Paused(Unavailable):
    """The operator has taken the memory back."""

    code = "paused"


class SlotPinned(Unavailable):
    """The engine that holds the memory is pinned: requests do not evict it."""

    code = "slot_pinned"


class EngineUnavailable(Unavailable):
    """The engine failed to start a moment ago and cools down."""

    code = "engine_unavailable"


class EngineStuck(Unavailable):
    """The old engine would not stop, so nothing else may start."""

    code = "engine_stuck"


class Unreachable(Unavailable):
    """
    A server gave no answer, or none that can be used: nobody knows what it
    holds.
    """

    code = "engine_unreachable"


class Refused(Unreachable):
    """
    Nobody listens where the server should: it holds nothing.
    """

    code = "engine_refuses"


class CutByDrain(Unavailable):
    """A running answer outlasted the drain."""

    code = "cut_by_drain"


class CutByOperator(Unavailable):
    """The operator has ended the request."""

    code = "cut_by_operator"
    should_retry = False


class Withdrawn(Unavailable):
    """An operator's order took the place of this one."""

    code = "withdrawn"


class InsufficientMemory(RouterError):
    """The model does not fit into what is, or would be, free."""

    code = "insufficient_memory"
    openai = (503, "server_error")
    should_retry = False

    def __init__(
        self,
        engine: str,
        need: int,
        room: int,
        detail: str = "",
    ) -> None:
        """
        @param engine: the key of the engine that does not fit.
        @param need: bytes that its configuration asks for.
        @param room: bytes that are, or would be, free.
        @param detail: a further sentence, such as who holds the rest.
        """
        super().__init__(
            f"engine {engine} needs {need / GIB:.1f} GiB (its 'memory:' setting), but only "
            f"{room / GIB:.1f} GiB can be free; free memory outside the router, or lower the "
            f"setting" + (f" ({detail})" if detail else "")
        )
        self.engine = engine
        self.need = need
        self.room = room


class EngineStartFailed(RouterError):
    """
    The engine ended, or could not be launched, before it was ready.

    @ivar lacked_memory: whether it said that memory was short.
    """

    code = "engine_start_failed"
    openai = (502, "server_error")
    should_retry = False
    lacked_memory = False


class EngineStartTimeout(RouterError):
    """The engine was not ready within its start timeout."""

    code = "engine_start_timeout"
    openai = (504, "server_error")
    anthropic = (504, "timeout_error")
    ollama = 504
    should_retry = False


class EngineDied(RouterError):
    """A warm engine ended, or dropped the connection."""

    code = "engine_died"
    openai = (502, "server_error")
    ollama = 502


class ModelUnloaded(EngineDied):
    """A server gave its model up without being asked to, which is no failure of it."""

    code = "model_unloaded"


class UpstreamTruncated(EngineDied):
    """The engine closed its answer before the end."""

    code = "upstream_truncated"


class UpstreamError(RouterError):
    """The engine answered an error after the stream was begun."""

    code = "upstream_error"
    openai = (502, "server_error")
    ollama = 502


class UpstreamRefused(RouterError):
    """
    The engine answered an error, in a shape that the client could not read.

    @ivar status: the engine's own status, which the client gets.
    """

    code = "upstream_refused"

    _ANTHROPIC: ClassVar[Mapping[int, str]] = {
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        503: "overloaded_error",
        504: "timeout_error",
        529: "overloaded_error",
    }

    def __init__(
        self, message: str, status: int, *, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(message, headers=headers)
        mine = status < 500
        self.status = status
        self.openai = (status, "invalid_request_error" if mine else "server_error")
        kind = self._ANTHROPIC.get(status, "invalid_request_error" if mine else "api_error")
        self.anthropic = (status, kind)
        self.ollama = status


class UpstreamTimeout(RouterError):
    """The engine did not accept the connection in time."""

    code = "upstream_timeout"
    openai = (504, "server_error")
    anthropic = (504, "timeout_error")
    ollama = 504
    should_retry = False


class InternalError(RouterError):
    """A bug of ours; the log has the traceback."""
