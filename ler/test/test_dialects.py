# -*- test-case-name: ler.test.test_dialects -*-
"""
Tests of L{ler.web.dialects}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ler.errors import (
    BadRequest,
    ControlPath,
    CutByDrain,
    EngineDied,
    EngineStartFailed,
    EngineStartTimeout,
    EngineStuck,
    EngineUnavailable,
    ForeignHost,
    InsufficientMemory,
    InternalError,
    InvalidJSON,
    InvalidKey,
    InvalidPath,
    MissingModel,
    Paused,
    QueueFull,
    RequestTooLarge,
    RouterError,
    ShuttingDown,
    UnknownModel,
    UnknownPath,
    UnsupportedEncoding,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamTruncated,
    Withdrawn,
    WrongMethod,
)
from ler.web.dialects import (
    ANTHROPIC,
    OLLAMA,
    OLLAMA_OTHER,
    OPENAI,
    OPENAI_OTHER,
    RAW,
    RESPONSES,
    IDialect,
    Rendered,
    dialect_of,
)

ID = "req_1"

NO_RETRY = ("x-should-retry", "false")


def after(seconds: str) -> tuple[str, str]:
    """
    @return: the header that says when to come back.
    """
    return ("Retry-After", seconds)


BAD = (400, "invalid_request_error")
UNAVAILABLE = (503, "server_error")
GATEWAY = (502, "server_error")
TIMEOUT = (504, "server_error")
OVERLOADED = (529, "overloaded_error")
API_ERROR = (500, "api_error")
ANTHROPIC_TIMEOUT = (504, "timeout_error")

Answer = tuple[RouterError, str, tuple[int, str], tuple[int, str], tuple[tuple[str, str], ...]]

ANSWERS: list[Answer] = [
    # The error, its code, what the OpenAI and the Anthropic dialect make of it, more headers.
    (BadRequest("no"), "invalid_request", BAD, BAD, ()),
    (InvalidJSON("no"), "invalid_json", BAD, BAD, ()),
    (MissingModel("no"), "missing_model", BAD, BAD, ()),
    (InvalidPath("no"), "invalid_path", BAD, BAD, ()),
    (UnknownModel("no"), "model_not_found", (404, BAD[1]), (404, "not_found_error"), ()),
    (UnknownPath("no"), "not_found", (404, BAD[1]), (404, "not_found_error"), ()),
    (
        WrongMethod("no", "POST"),
        "method_not_allowed",
        (405, BAD[1]),
        (405, BAD[1]),
        (("Allow", "POST"),),
    ),
    (RequestTooLarge("no"), "request_too_large", (413, BAD[1]), (413, "request_too_large"), ()),
    (UnsupportedEncoding("no"), "unsupported_media_type", (415, BAD[1]), (415, BAD[1]), ()),
    (
        InvalidKey("no"),
        "invalid_api_key",
        (401, "authentication_error"),
        (401, "authentication_error"),
        (("WWW-Authenticate", "Bearer"),),
    ),
    (ForeignHost("no"), "foreign_host", (403, "permission_error"), (403, "permission_error"), ()),
    (ControlPath("no"), "control_path", (403, "permission_error"), (403, "permission_error"), ()),
    (QueueFull("no", retry_after=10.0), "queue_full", UNAVAILABLE, OVERLOADED, (after("10"),)),
    (ShuttingDown("no", retry_after=5.0), "shutting_down", UNAVAILABLE, OVERLOADED, (after("5"),)),
    (Paused("no"), "paused", UNAVAILABLE, OVERLOADED, ()),
    (
        EngineUnavailable("no", retry_after=59.1),
        "engine_unavailable",
        UNAVAILABLE,
        OVERLOADED,
        (after("60"),),
    ),
    (
        EngineUnavailable("no", retry_after=60.1),
        "engine_unavailable",
        UNAVAILABLE,
        OVERLOADED,
        (NO_RETRY,),
    ),
    (EngineStuck("no", retry_after=5.0), "engine_stuck", UNAVAILABLE, OVERLOADED, (after("5"),)),
    (CutByDrain("no", retry_after=0.0), "cut_by_drain", UNAVAILABLE, OVERLOADED, (after("1"),)),
    (Withdrawn("no"), "withdrawn", UNAVAILABLE, OVERLOADED, ()),
    (
        InsufficientMemory("a", 90 << 30, 60 << 30),
        "insufficient_memory",
        UNAVAILABLE,
        API_ERROR,
        (NO_RETRY,),
    ),
    (
        EngineStartFailed("no", retry_after=10.0),
        "engine_start_failed",
        GATEWAY,
        API_ERROR,
        (after("10"), NO_RETRY),
    ),
    (EngineStartTimeout("no"), "engine_start_timeout", TIMEOUT, ANTHROPIC_TIMEOUT, (NO_RETRY,)),
    (EngineDied("no"), "engine_died", GATEWAY, API_ERROR, ()),
    (UpstreamTruncated("no"), "upstream_truncated", GATEWAY, API_ERROR, ()),
    (UpstreamError("no"), "upstream_error", GATEWAY, API_ERROR, ()),
    (UpstreamRefused("no", 404), "upstream_refused", (404, BAD[1]), (404, "not_found_error"), ()),
    (UpstreamRefused("no", 422), "upstream_refused", (422, BAD[1]), (422, BAD[1]), ()),
    (UpstreamRefused("no", 500), "upstream_refused", (500, "server_error"), API_ERROR, ()),
    (UpstreamRefused("no", 503), "upstream_refused", UNAVAILABLE, (503, OVERLOADED[1]), ()),
    (UpstreamTimeout("no"), "upstream_timeout", TIMEOUT, ANTHROPIC_TIMEOUT, (NO_RETRY,)),
    (InternalError("no"), "internal_error", (500, "server_error"), API_ERROR, ()),
]

JSON_TYPE = ("Content-Type", "application/json")

DIED = EngineDied('killed by SIGKILL: "out of memory"\nü')


def data_of(frame: bytes) -> Any:
    """
    @return: what the JSON in the C{data} line of a frame holds.
    """
    (line,) = (line for line in frame.split(b"\n") if line.startswith(b"data: {"))
    return json.loads(line.removeprefix(b"data: "))


class DialectContract:
    """
    What every dialect must do; a subclass defines C{dialect}, and streams that
    have come to their end and that have not.
    """

    dialect: IDialect
    ended: tuple[bytes, ...]
    not_ended: tuple[bytes, ...]

    def test_interface(self: Any) -> None:
        """
        The dialect provides L{IDialect}.
        """
        self.assertTrue(verifyObject(IDialect, self.dialect))

    def test_end(self: Any) -> None:
        """
        The mark at the end of a stream is recognized, wherever it stands among
        the frames and however its lines end.
        """
        for mark in self.ended:
            for frames in (mark, b"data: {}\n\n" + mark, mark + b"data: {}\n\n"):
                self.assertTrue(self.dialect.is_end(frames), frames)
                self.assertTrue(self.dialect.is_end(frames.replace(b"\n", b"\r\n")), frames)
                self.assertTrue(self.dialect.is_end(frames.replace(b"\n", b"\r")), frames)

    def test_not_the_end(self: Any) -> None:
        """
        Nothing else is taken for it, least of all what the model writes.
        """
        for frames in self.not_ended:
            self.assertFalse(self.dialect.is_end(frames), frames)

    def test_own_errors(self: Any) -> None:
        """
        The dialect knows its own errors, and no others.
        """
        own = json.loads(self.dialect.render(DIED, ID).body)
        self.assertTrue(self.dialect.is_error(own))
        others: list[Any] = [
            {},
            [],
            None,
            "no",
            5,
            {"error": None},
            {"error": {}},
            {"detail": "no"},
        ]
        for said in others:
            self.assertFalse(self.dialect.is_error(said))

    def test_cut(self: Any) -> None:
        """
        What it encodes is one frame that it decodes, wherever it is cut.
        """
        event = {"type": "x", "text": "\u00fc\u2028\u0085\n\n", "more": [1, None]}
        frame = self.dialect.encode(event)
        self.assertTrue(frame.isascii())
        self.assertFalse(self.dialect.is_end(frame))
        for at in range(len(frame) + 1):
            frames = self.dialect.frames(1 << 20)
            came = frames.feed(frame[:at]) + frames.feed(frame[at:])
            self.assertEqual((came, frames.flush()), (frame, b""))
            self.assertEqual(self.dialect.decode(came), [event])

    def test_several(self: Any) -> None:
        """
        Several frames are several events; heartbeats and the end mark are
        none.
        """
        one, two = {"type": "a"}, {"type": "b"}
        frames = self.dialect.encode(one) + self.dialect.heartbeat + self.dialect.encode(two)
        decoded = self.dialect.decode(frames + self.dialect.closing)
        self.assertEqual([event for event in decoded if event["type"] != "ping"], [one, two])

    def test_no_json(self: Any) -> None:
        """
        A frame that holds no JSON is an error.
        """
        frame = self.dialect.encode({"type": "x"}).replace(b"{", b"{{")
        self.assertRaises(ValueError, self.dialect.decode, frame)


class EventsContract(DialectContract):
    """
    What the dialects with server-sent events have in common.
    """

    def test_line_ends(self: Any) -> None:
        """
        Lines may end in three ways, and the data of an event may have several
        lines.
        """
        frames = b'id: 1\nevent: x\ndata: {"type":\ndata:  "x"}\n\ndata:{"type": "y"}\n\n'
        for end in (b"\n", b"\r\n", b"\r"):
            decoded = self.dialect.decode(frames.replace(b"\n", end))
            self.assertEqual(decoded, [{"type": "x"}, {"type": "y"}])

    def test_frame_is_whole(self: Any) -> None:
        """
        An error in a stream ends with a blank line, and is ASCII without
        another.
        """
        frame = self.dialect.error_frame(DIED, ID)
        self.assertTrue(frame.isascii())
        for part in frame.removesuffix(b"\n\n").split(b"\n\n"):
            self.assertRegex(part, rb"\A(event: [a-z.]+\n)?data: [^\n]+\Z")


class OpenAIContract(EventsContract):
    """
    What the dialects of the OpenAI API have in common.
    """

    def test_heartbeat(self: Any) -> None:
        """
        A heartbeat is a comment with one line feed and no blank line.
        """
        self.assertEqual(self.dialect.heartbeat, b": keep-alive\n")

    def test_errors(self: Any) -> None:
        """
        Each error has its status, its type, its code and its headers.
        """
        for error, code, (status, type_), _, headers in ANSWERS:
            rendered = self.dialect.render(error, ID)
            said = {
                "error": {
                    "message": error.message,
                    "type": type_,
                    "param": "model" if code in ("missing_model", "model_not_found") else None,
                    "code": code,
                }
            }
            self.assertEqual(json.loads(rendered.body), said)
            self.assertEqual(rendered, Rendered(status, (JSON_TYPE, *headers), rendered.body), code)


class OpenAITests(OpenAIContract, SynchronousTestCase):
    """
    The dialect of chats and completions.
    """

    dialect = OPENAI
    ended = (
        b"data: [DONE]\n\n",
        b"data:[DONE]\n\n",
        b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n',
        b'data: {"choices":[{"delta":{},"finish_reason":"length"}]}\n\n',
        b'data: {"error":{"code":500,"message":"no"}}\n\n',
        b'data: {"error": "no"}\n\n',
    )
    not_ended = (
        b'data: {"choices": [{"delta": {"content": "x"}, "finish_reason": null}]}\n\n',
        b'data: {"error": null, "choices": [{"delta": {"content": "x"}}]}\n\n',
        rb'data: {"choices": [{"delta": {"content": "\ndata: {\"error\": {}}"}}]}' + b"\n\n",
        b'data: {"choices": [{"delta": {"content": "data: [DONE]"}}]}\n\n',
        rb'data: {"choices": [{"delta": {"content": "\ndata: [DONE]"}}]}' + b"\n\n",
        rb'data: {"choices": [{"delta": {"content": "{\"finish_reason\": \"stop\"}"}}]}' + b"\n\n",
        b"data: [DONE",
        b"",
    )

    def test_error_frame(self) -> None:
        """
        An error in a stream is a chunk of its own, and then the stream is
        done.
        """
        frame = self.dialect.error_frame(DIED, ID)
        self.assertTrue(frame.endswith(b"\n\ndata: [DONE]\n\n"))
        self.assertEqual(
            data_of(frame),
            {
                "error": {
                    "message": DIED.message,
                    "type": "server_error",
                    "param": None,
                    "code": "engine_died",
                }
            },
        )

    def test_must_end(self) -> None:
        """
        A stream without its mark was cut short.
        """
        self.assertTrue(self.dialect.must_end())


class OpenAIOtherTests(OpenAIContract, SynchronousTestCase):
    """
    The dialect of all other endpoints.
    """

    dialect = OPENAI_OTHER
    ended = OpenAITests.ended
    not_ended = OpenAITests.not_ended

    def test_must_end(self) -> None:
        """
        A stream of another kind may end without a mark.
        """
        self.assertFalse(self.dialect.must_end())


class ResponsesTests(OpenAIContract, SynchronousTestCase):
    """
    The dialect of the Responses API.
    """

    dialect = RESPONSES
    ended = (
        b"event: response.completed\ndata: {}\n\n",
        b"event:response.failed\ndata: {}\n\n",
        b"event: response.incomplete\ndata: {}\n\n",
        b'data: {"type":"response.completed"}\n\n',
        b'data: {"sequence_number": 1, "type" : "response.failed"}\n\n',
    )
    not_ended = (
        b'event: response.created\ndata: {"type": "response.created"}\n\n',
        b'event: response.output_text.delta\ndata: {"delta": "event: response.completed"}\n\n',
        rb'data: {"delta": "{\"type\": \"response.completed\"}"}' + b"\n\n",
        b"event: response.completed_in_part\ndata: {}\n\n",
        b"data: [DONE]\n\n",
        b"",
    )

    def test_error_frame(self) -> None:
        """
        An error in a stream is a response that failed, with the error both
        where the API has it and at the top.
        """
        frame = self.dialect.error_frame(DIED, ID)
        self.assertTrue(frame.startswith(b"event: response.failed\ndata: {"))
        said = data_of(frame)
        self.assertEqual(said["type"], "response.failed")
        self.assertEqual(said["error"]["message"], DIED.message)
        self.assertEqual(said["error"]["code"], "engine_died")
        response = said["response"]
        self.assertEqual(response["status"], "failed")
        self.assertEqual(response["error"], {"code": "engine_died", "message": DIED.message})
        self.assertIsInstance(response["created_at"], int)
        self.assertTrue(self.dialect.is_end(frame))

    def test_must_end(self) -> None:
        """
        A stream without its mark was cut short.
        """
        self.assertTrue(self.dialect.must_end())


class AnthropicTests(EventsContract, SynchronousTestCase):
    """
    The dialect of the Messages API.
    """

    dialect = ANTHROPIC
    ended = (
        b'event: message_stop\ndata: {"type": "message_stop"}\n\n',
        b"event:message_stop\ndata: {}\n\n",
        b'event: error\ndata: {"type": "error"}\n\n',
    )
    not_ended = (
        b'event: message_start\ndata: {"type": "message_start"}\n\n',
        b'event: content_block_delta\ndata: {"delta": {"text": "event: message_stop"}}\n\n',
        b'event: content_block_delta\ndata: {"delta": {"text": "event: error"}}\n\n',
        b"event: errors\ndata: {}\n\n",
        b"event: ping\ndata: {}\n\n",
        b"",
    )

    def test_heartbeat(self) -> None:
        """
        A heartbeat is an event of the API's own.
        """
        self.assertEqual(self.dialect.heartbeat, b'event: ping\ndata: {"type": "ping"}\n\n')

    def test_errors(self) -> None:
        """
        Each error has its status, its type and its headers, and the id of the
        request in two places.
        """
        for error, code, _, (status, type_), headers in ANSWERS:
            rendered = self.dialect.render(error, ID)
            said = {
                "type": "error",
                "error": {"type": type_, "message": error.message},
                "request_id": ID,
            }
            self.assertEqual(json.loads(rendered.body), said)
            expected = (JSON_TYPE, ("request-id", ID), *headers)
            self.assertEqual(rendered, Rendered(status, expected, rendered.body), code)

    def test_error_frame(self) -> None:
        """
        An error in a stream is an event that ends it.
        """
        frame = self.dialect.error_frame(DIED, ID)
        self.assertTrue(frame.startswith(b"event: error\ndata: {"))
        self.assertEqual(
            data_of(frame),
            {
                "type": "error",
                "error": {"type": "api_error", "message": DIED.message},
                "request_id": ID,
            },
        )
        self.assertTrue(self.dialect.is_end(frame))

    def test_must_end(self) -> None:
        """
        A stream without its mark was cut short.
        """
        self.assertTrue(self.dialect.must_end())


class OllamaTests(DialectContract, SynchronousTestCase):
    """
    The dialect of Ollama's API.
    """

    dialect = OLLAMA
    ended = ()
    not_ended = (
        b'{"message": {"content": "x"}, "done": false}\n',
        b'{"message": {"content": "\\"done\\": true"}, "done": false}\n',
        b'{"message": {"tool_calls": [{"function": {"arguments": {"done": true}}}]}}\n',
        b'{"message": {"tool_calls": [{"function": {"arguments": {"error": "x"}}}]}}\n',
        b'{"done": true, half',
        b"",
    )

    def test_ends(self) -> None:
        """
        A stream ends with a line that says so, or with an error.
        """
        for mark in (b'{"done": true}\n', b'{"x":1,"done":true}\r\n', b'{"error":"no"}\n'):
            for frames in (mark, b'{"done": false}\n' + mark, mark + b"{}\n"):
                self.assertTrue(self.dialect.is_end(frames))

    def test_heartbeat(self) -> None:
        """
        A heartbeat is a blank before the next line, never a blank line.
        """
        self.assertEqual(self.dialect.heartbeat, b" ")
        self.assertEqual(self.dialect.decode(b'  {"a": 1}\n'), [{"a": 1}])

    def test_errors(self) -> None:
        """
        An error is a plain text, with its status and its headers.
        """
        for error, code, _, _, headers in ANSWERS:
            rendered = self.dialect.render(error, ID)
            self.assertEqual(json.loads(rendered.body), {"error": error.message})
            expected = Rendered(error.ollama, (JSON_TYPE, *headers), rendered.body)
            self.assertEqual(rendered, expected, code)

    def test_error_frame(self) -> None:
        """
        An error in a stream is a line that ends it.
        """
        frame = self.dialect.error_frame(DIED, ID)
        self.assertEqual(json.loads(frame), {"error": DIED.message})
        self.assertEqual((frame.count(b"\n"), frame[-1:]), (1, b"\n"))
        self.assertTrue(self.dialect.is_end(frame))

    def test_must_end(self) -> None:
        """
        A stream without its mark was cut short, unless it is about models.
        """
        self.assertTrue(self.dialect.must_end())
        self.assertFalse(OLLAMA_OTHER.must_end())


class RawTests(SynchronousTestCase):
    """
    Answers that nobody looks at.
    """

    def test_no_streams(self) -> None:
        """
        No answer is taken for a stream of events, and apart.
        """
        self.assertNotIn(RAW.content_type, (b"", b"text/event-stream", b"application/x-ndjson"))

    def test_errors(self) -> None:
        """
        Only these may have errors of any shape.
        """
        self.assertFalse(RAW.own_errors)
        for dialect in (OPENAI, OPENAI_OTHER, RESPONSES, ANTHROPIC, OLLAMA, OLLAMA_OTHER):
            self.assertTrue(dialect.own_errors)


class DialectOfTests(SynchronousTestCase):
    """
    L{dialect_of} knows who calls a path.
    """

    def test_by_path(self) -> None:
        """
        Each path has the dialect of its clients.
        """
        for path, dialect in (
            ("/v1/chat/completions", OPENAI),
            ("/v1/completions", OPENAI),
            ("/v1/embeddings", OPENAI),
            ("/v1/responses", RESPONSES),
            ("/v1/messages", ANTHROPIC),
            ("/v1/messages/count_tokens", ANTHROPIC),
            ("/v1/audio/speech", OPENAI_OTHER),
            ("/elsewhere", OPENAI_OTHER),
            ("/api/chat", OLLAMA),
            ("/api/embeddings", OLLAMA),
            ("/api/tags", OLLAMA_OTHER),
            ("/api/nowhere", OLLAMA_OTHER),
        ):
            self.assertIs(dialect_of(path), dialect, path)
