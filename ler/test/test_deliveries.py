# -*- test-case-name: ler.test.test_deliveries -*-
"""
Tests for L{ler.web.deliveries}: answers that are translated on their way to the
client.  Those that are not are in L{ler.test.test_relay_bodies}.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from zope.interface import implementer

from ler.errors import UpstreamError
from ler.test.relay_case import EVENTS, INTERVAL, LOST, PLAIN, RelayTestCase, job_of
from ler.web.beats import Beats
from ler.web.deliveries import translated
from ler.web.dialects import ANTHROPIC, OLLAMA, OPENAI, IDialect
from ler.web.job import Translated
from ler.web.translation.contract import ITranslation

NDJSON = {b"Content-Type": b"application/x-ndjson"}

SAID = b'data: {"text": "a"}\n\n'
STOP = b'data: {"text": "b", "finish_reason": "stop"}\n\n'
USAGE = b'data: {"usage": 7}\n\n'
DONE = b"data: [DONE]\n\n"


@implementer(ITranslation)
class FakeTranslation:
    """
    Tells the client what it was told, in a dialect of its own.

    @ivar sent_at: the number of times that the request was sent.
    """

    path = "/v1/chat/completions"

    def __init__(self, streams: bool) -> None:
        self.streams = streams
        self.sent_at = 0

    def request(self, model: str) -> dict[str, Any]:
        """
        @see: L{ITranslation.request}
        """
        return {"model": model}

    def sent(self) -> None:
        """
        @see: L{ITranslation.sent}
        """
        self.sent_at += 1

    def document(self, answer: Any) -> Any:
        """
        @see: L{ITranslation.document}
        """
        if "text" not in answer:
            raise UpstreamError("it said nothing")
        return {"type": "whole", "said": answer["text"]}

    def event(self, event: Any) -> list[dict[str, Any]]:
        """
        @see: L{ITranslation.event}
        """
        if "error" in event:
            raise UpstreamError(event["error"])
        if "bug" in event:
            raise KeyError("bug")
        return [{"type": "piece", "said": event["text"]}] if "text" in event else []

    def end(self) -> list[dict[str, Any]]:
        """
        @see: L{ITranslation.end}
        """
        return [{"type": "end"}]


class TranslatedCase(RelayTestCase):
    """
    A client that speaks Anthropic's dialect, and an engine that speaks
    OpenAI's.
    """

    dialect: IDialect = ANTHROPIC
    engine: IDialect = OPENAI

    def carry(self, request: Any) -> None:
        """
        Give C{request} to the relay, with a translation.
        """
        self.translation = FakeTranslation(self.streams)
        job = dataclasses.replace(
            job_of(request, self.streams, self.dialect),
            translated=Translated(self.translation, self.engine),
        )
        self.relay.carry(request, self.dialect, job)

    def events(self) -> list[Any]:
        """
        @return: what the client was told so far, without heartbeats.
        """
        return [event for event in self.dialect.decode(self.body) if event["type"] != "ping"]


PIECES = [{"type": "piece", "said": "a"}, {"type": "piece", "said": "b"}]
END = {"type": "end"}


class StreamTests(TranslatedCase):
    """
    A stream of one dialect becomes one of another.
    """

    def test_whole(self) -> None:
        """
        It is translated event by event, and ended as its clients expect.
        """
        response = self.streaming(SAID)
        reply = self.client.reply()
        self.assertEqual((reply.status, reply.one(b"content-type")), (200, b"text/event-stream"))
        self.assertEqual(self.body, b'event: piece\ndata: {"type": "piece", "said": "a"}\n\n')
        response.write(STOP + USAGE + DONE)
        response.end()
        self.assertEqual(self.events(), [*PIECES, END])
        self.assertTrue(self.client.reply().complete)
        self.assertEqual(self.translation.sent_at, 1)
        self.assert_over("ok")

    def test_every_split(self) -> None:
        """
        However the engine's bytes are cut, the client is told the same.
        """
        for ends in (b"\n", b"\r\n"):
            stream = (b": hello\n\n" + SAID + STOP + USAGE + DONE).replace(b"\n", ends)
            for at in range(len(stream)):
                self.reconnect()
                response = self.streaming(stream[:at], stream[at:])
                response.end()
                self.assertEqual(self.events(), [*PIECES, END])

    def test_text_split(self) -> None:
        """
        A character that comes in two halves is one.
        """
        said = 'data: {"text": "\u00fc\u2028", "finish_reason": "stop"}\n\n'.encode()
        at = said.index("\u00fc".encode()) + 1
        response = self.streaming(said[:at], said[at:], DONE)
        response.end()
        self.assertEqual(self.events(), [{"type": "piece", "said": "\u00fc\u2028"}, END])

    def test_headers(self) -> None:
        """
        What the engine says of its own stream is not said of the other.
        """
        self.ask()
        response = self.sent().respond(200, {**EVENTS, b"X-Engine": b"1"}, length=5)
        response.write(SAID)
        reply = self.client.reply()
        self.assertEqual(reply.all(b"content-length") + reply.all(b"x-engine"), [])
        self.assertFalse(self.sent().headers.hasHeader(b"accept-encoding"))
        response.write(STOP)
        response.end()
        self.assert_over("ok")

    def test_waiting(self) -> None:
        """
        The client is sent heartbeats of its own dialect, before and between
        events, and comments of the engine are not passed on.
        """
        response = self.streaming()
        self.clock.advance(INTERVAL)
        self.clock.advance(INTERVAL)
        self.assertEqual(self.body, ANTHROPIC.heartbeat * 2)
        response.write(b": ping\n\n" + SAID + b'data: {"te')
        self.clock.pump([INTERVAL] * 2)
        response.write(b'xt": "b", "finish_reason": "stop"}\n\n' + DONE)
        response.end()
        self.assertEqual(self.events(), [*PIECES, END])
        self.assertGreater(self.body.count(ANTHROPIC.heartbeat), 2)
        self.assertTrue(self.body.endswith(b'{"type": "end"}\n\n'))

    def test_heavy(self) -> None:
        """
        A client with a timer of its own is sent an event that says nothing
        now and then.
        """
        self.relay._options = dataclasses.replace(self.options, heavy_interval=25.0)
        self.dialect = OPENAI

        def carry(request: Any) -> None:
            job = job_of(request, True)
            beats = Beats(b": x\n", b"data: {}\n\n")
            self.relay.carry(request, OPENAI, dataclasses.replace(job, beats=beats))

        self.patch(self, "carry", carry)
        self.site.resource._carry = carry
        self.door.open = False
        self.ask()
        self.clock.advance(2.0)
        self.clock.pump([INTERVAL] * 6)
        self.assertEqual(
            self.body.replace(b": x position=1\n", b".").replace(b"data: {}\n\n", b"!"), b"...!..!"
        )
        self.client.leave()

    def test_error_inside(self) -> None:
        """
        An error in the engine's stream is one in the client's, and the engine
        is left.
        """
        response = self.streaming(SAID, b'data: {"error": "out of memory"}\n\n')
        self.assertEqual(response.transport.producerState, "stopped")
        response.end(LOST)
        piece, error = self.events()
        self.assertEqual((piece["said"], error["type"]), ("a", "error"))
        self.assertEqual(error["error"]["message"], "out of memory")
        self.assert_over("upstream_error")

    def test_error_at_the_end(self) -> None:
        """
        So is one that comes together with the end mark.
        """
        response = self.streaming(SAID, b'data: {"error": "out of memory"}\n\n' + DONE)
        response.end()
        self.assertEqual(self.events()[-1]["error"]["message"], "out of memory")
        self.assert_over("upstream_error")

    def test_bug(self) -> None:
        """
        A bug of ours is told as one, and logged.
        """
        response = self.streaming(SAID, b'data: {"bug": 1}\n\n')
        response.end(LOST)
        self.assertEqual(self.events()[-1]["error"]["type"], "api_error")
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.assert_over("internal_error")

    def test_no_json(self) -> None:
        """
        So is an event that cannot be read.
        """
        for frame in (b"data: {\n\n", b"data: \xff\n\n", b"data: " + b"[" * 100_000 + b"\n\n"):
            self.reconnect()
            response = self.streaming(SAID, frame)
            response.end(LOST)
            message = self.events()[-1]["error"]["message"]
            self.assertEqual(message, "engine a sent an event that is no JSON")
        self.assert_over("upstream_error", requests=3)

    def test_no_number(self) -> None:
        """
        So is a number that JSON has not.
        """
        response = self.streaming(SAID, b'data: {"text": 1e999}\n\n')
        response.end(LOST)
        self.assertIn("no form in JSON", self.events()[-1]["error"]["message"])
        self.assert_over("upstream_error")

    def test_endless_event(self) -> None:
        """
        An event without end is not collected for ever.
        """
        self.patch(translated, "LONGEST", 100)
        response = self.streaming(SAID, b"data: " + b"x" * 100)
        response.end(LOST)
        message = self.events()[-1]["error"]["message"]
        self.assertEqual(message, "engine a sent an event that has no end")
        self.assert_over("upstream_error")

    def test_truncated(self) -> None:
        """
        A stream that ends in the middle does not end well.
        """
        response = self.streaming(SAID)
        response.end()
        self.have_last_words()
        self.assertEqual(self.events()[-1]["type"], "error")
        self.assert_over("upstream_truncated")

    def test_broken_after_the_end(self) -> None:
        """
        A connection that breaks after the last word takes nothing away.
        """
        response = self.streaming(SAID, STOP)
        response.end(LOST)
        self.have_last_words()
        self.assertEqual(self.events(), [*PIECES, END])
        self.assertTrue(self.client.reply().complete)
        self.assert_over("ok")

    def test_no_stream(self) -> None:
        """
        An engine that answers with something else has not done what it was
        asked.
        """
        self.ask()
        response = self.sent().respond(200, PLAIN)
        response.write(b'{"text": "a"}')
        response.end()
        self.assertEqual(self.client.reply().status, 502 if self.dialect is OPENAI else 500)
        self.assertIn('answered 200: {"text": "a"}', json.loads(self.body)["error"]["message"])
        self.assert_over("upstream_error", 500)

    def test_compressed(self) -> None:
        """
        Nor has one that compresses its answer.
        """
        self.ask()
        response = self.sent().respond(200, {**EVENTS, b"Content-Encoding": b"gzip"})
        response.write(b"\x1f\x8b")
        self.assertEqual(response.transport.producerState, "stopped")
        response.end(LOST)
        self.assertIn("compressed", json.loads(self.body)["error"]["message"])
        self.assert_over("upstream_error", 500)

    def test_refused(self) -> None:
        """
        The engine's refusal is told in the client's dialect, with its status.
        """
        self.ask()
        response = self.sent().respond(400, PLAIN)
        response.write(b'{"error": {"message": "too long", "code": 400}}')
        response.end()
        error = json.loads(self.body)
        self.assertEqual((self.client.reply().status, error["type"]), (400, "error"))
        self.assertEqual(error["error"]["type"], "invalid_request_error")
        self.assertEqual(error["error"]["message"], "engine a answered 400: too long")
        self.assert_over("upstream_refused", 400)


class OllamaTests(TranslatedCase):
    """
    From lines of JSON to lines of JSON.
    """

    dialect = OLLAMA
    engine = OLLAMA

    def test_lines(self) -> None:
        """
        Each event is a line; the end is seen inside of none.
        """
        self.ask()
        response = self.sent().respond(200, NDJSON)
        inside = {"text": "a", "arguments": {"done": True, "error": 1}}
        response.write(json.dumps(inside).encode() + b'\n{"text": "b", "done": tr')
        self.assertEqual(self.events(), PIECES[:1])
        self.clock.pump([INTERVAL] * 2)
        response.write(b"ue}\n")
        response.end()
        self.assertEqual(self.events(), [*PIECES, END])
        self.assertIn(b'"a"}\n ', self.body)
        self.assertNotIn(b"\n\n", self.body)
        self.assert_over("ok")


class DocumentTests(TranslatedCase):
    """
    A whole answer of one dialect becomes one of another.
    """

    streams = False

    def answered(self, body: bytes, end: Exception | None = None) -> Any:
        """
        @return: what the client is told when the engine answers C{body}.
        """
        self.reconnect()
        self.ask()
        response = self.sent().respond(200, PLAIN)
        response.write(body[:3])
        response.write(body[3:])
        response.end(*([] if end is None else [end]))
        return json.loads(self.body)

    def test_whole(self) -> None:
        """
        It is translated when it is complete.
        """
        self.assertEqual(self.answered(b'{"text": "a"}'), {"type": "whole", "said": "a"})
        reply = self.client.reply()
        self.assertEqual((reply.status, reply.one(b"content-type")), (200, b"application/json"))
        self.assert_over("ok")

    def test_misunderstood(self) -> None:
        """
        What cannot be understood is an error.
        """
        for body, words in (
            (b"<html>", "no JSON"),
            (b'{"x": 1}', "it said nothing"),
            (b"[" * 100_000, "no JSON"),
            (b'{"text": 1e999}', "no form in JSON"),
        ):
            self.assertIn(words, self.answered(body)["error"]["message"])
            self.assertEqual(self.client.reply().status, 500)
        self.assert_over("upstream_error", 500, requests=4)

    def test_truncated(self) -> None:
        """
        Half an answer is none.
        """
        self.reconnect()
        self.ask()
        response = self.sent().respond(200, PLAIN)
        response.write(b'{"text": "a"')
        response.end(LOST)
        self.have_last_words()
        self.assertEqual(self.client.reply().status, 500)
        self.assert_over("upstream_truncated", 500)

    def test_endless(self) -> None:
        """
        An answer without end is not collected for ever.
        """
        self.patch(translated, "LONGEST", 1 << 20)
        self.ask()
        response = self.sent().respond(200, PLAIN)
        response.write(b"x" * (1 << 21))
        self.assertEqual(response.transport.producerState, "stopped")
        response.end(LOST)
        self.assertIn("more than 1 MiB", json.loads(self.body)["error"]["message"])
        self.assert_over("upstream_error", 500)
