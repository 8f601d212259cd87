# -*- test-case-name: ler.test.test_translation -*-
"""
What L{ITranslation} asks of every translation, and clients of each kind of
those that are for them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count
from typing import Any

from zope.interface.verify import verifyObject

from ler.errors import BadRequest, UpstreamError
from ler.test.odd_json import ODD, variants
from ler.test.spoken import accumulated
from ler.web.translation.contract import Circumstances, ITranslation, Maker

ROUNDS = 800


class TranslationContract:
    """
    What every translation must do; a subclass defines what makes it, where the
    engine takes the request, a body that says much, and what an engine may
    answer to that.
    """

    make: Maker
    path: str
    body: dict[str, Any]
    whole: Any

    def made(self: Any, body: Any) -> Any:
        """
        @return: a translation of C{body}.
        """
        numbers = count(1)
        circumstances = Circumstances("name", new_id=lambda: f"{next(numbers):032}")
        return type(self).make(body, circumstances)

    def sent(self: Any, *, stream: bool = False) -> Any:
        """
        @return: a translation whose request is on its way.
        """
        made = self.made({**self.body, "stream": stream})
        made.request("served")
        made.sent()
        return made

    def test_interface(self: Any) -> None:
        """It provides L{ITranslation}."""
        made = self.made(self.body)
        self.assertTrue(verifyObject(ITranslation, made))
        self.assertEqual(self.path, made.path)

    def test_document(self: Any) -> None:
        """A request that wants no stream gets one document, and stays as it was."""
        body = {**self.body, "stream": False}
        before = json.dumps(body)
        made = self.made(body)
        self.assertIs(False, made.streams)
        request = made.request("served")
        self.assertEqual("served", request["model"])
        self.assertFalse(request.get("stream"))
        made.sent()
        json.dumps([request, made.document(self.whole)])
        self.assertEqual(before, json.dumps(body))

    def test_error(self: Any) -> None:
        """An error is told in the engine's words."""
        answer = {"error": {"message": "no memory"}}
        error = self.assertRaises(UpstreamError, self.sent().document, answer)
        self.assertEqual("no memory", error.message)

    def test_no_object(self: Any) -> None:
        """What is no object at all is no answer of an engine's."""
        for odd in ODD:
            if not isinstance(odd, dict):
                self.assertRaises(UpstreamError, self.sent().document, odd)

    def test_odd_requests(self: Any) -> None:
        """Whatever a client sends is translated, or refused as its mistake."""
        refused = 0
        for body in variants(self.body, 1, ROUNDS):
            try:
                made = self.made(body)
            except BadRequest as error:
                self.assertTrue(error.message)
                refused += 1
            else:
                json.dumps(made.request("served"))
        self.assertTrue(0 < refused < ROUNDS)

    def test_odd_documents(self: Any) -> None:
        """Whatever an engine answers is translated, or is its failure."""
        failed = 0
        for answer in variants(self.whole, 2, ROUNDS):
            made = self.sent()
            try:
                json.dumps(made.document(answer))
            except UpstreamError as error:
                self.assertTrue(error.message)
                failed += 1
        self.assertTrue(0 < failed < ROUNDS)


class EmbeddingsContract(TranslationContract):
    """
    What embeddings must do, which are never streamed.
    """

    def test_stream(self: Any) -> None:
        """Nothing is a stream, whatever the client wants or the engine says."""
        made = self.made({**self.body, "stream": True})
        self.assertIs(False, made.streams)
        self.assertNotIn("stream", made.request("served"))
        made.sent()
        for odd in (*ODD, self.whole):
            self.assertRaises(UpstreamError, made.event, odd)
        self.assertEqual([], made.end())


class StreamContract(TranslationContract):
    """
    What all others must do; a subclass also defines the events of an engine's
    stream.
    """

    events: Sequence[Any]

    def check(self: Any, said: list[Any]) -> None:
        """
        Fail unless C{said} is a stream that a client can read.
        """
        raise NotImplementedError

    def test_stream(self: Any) -> None:
        """A request that wants a stream gets events."""
        made = self.made({**self.body, "stream": True})
        self.assertIs(True, made.streams)
        self.assertIs(True, made.request("served")["stream"])
        made.sent()
        said = [said for event in self.events for said in made.event(event)]
        said += made.end()
        json.dumps(said)
        self.check(said)

    def test_silence(self: Any) -> None:
        """A stream in which nothing is said ends like any other."""
        self.check(self.sent(stream=True).end())

    def test_error_event(self: Any) -> None:
        """An error in a stream is told in the engine's words."""
        event = {"error": {"message": "no memory"}}
        error = self.assertRaises(UpstreamError, self.sent(stream=True).event, event)
        self.assertEqual("no memory", error.message)

    def test_no_object_event(self: Any) -> None:
        """What is no object at all is no event of an engine's."""
        for odd in ODD:
            if not isinstance(odd, dict):
                self.assertRaises(UpstreamError, self.sent(stream=True).event, odd)

    def test_odd_streams(self: Any) -> None:
        """Whatever an engine streams is translated, or is its failure; the end raises nothing
        even then."""
        failed = 0
        for events in variants(list(self.events), 3, ROUNDS):
            made = self.sent(stream=True)
            said: list[Any] = []
            error = None
            try:
                for event in events if isinstance(events, list) else [events]:
                    said += made.event(event)
            except UpstreamError as e:
                error = e
            said += made.end()
            json.dumps(said)
            if error is None:
                self.check(said)
            else:
                self.assertTrue(error.message)
                failed += 1
        self.assertTrue(0 < failed < ROUNDS)


class OllamaClientsContract(StreamContract):
    """
    What Ollama's clients rely on.
    """

    def check(self: Any, said: list[Any]) -> None:
        """
        The last line says that it is, and no other does.
        """
        self.assertEqual([False] * (len(said) - 1) + [True], [line["done"] for line in said])


class AnthropicContract(StreamContract):
    """
    What Anthropic's clients rely on.
    """

    def check(self: Any, said: list[Any]) -> None:
        """
        The events come in the order that clients insist on.
        """
        start, *middle, delta, stop = said
        self.assertEqual(
            ["message_start", "message_delta", "message_stop"],
            [event["type"] for event in (start, delta, stop)],
        )
        accumulated(middle)


class ResponsesContract(StreamContract):
    """
    What clients of the Responses API rely on.
    """

    def check(self: Any, said: list[Any]) -> None:
        """
        The events are numbered, and the first and the last tell of the response.
        """
        self.assertEqual(list(range(len(said))), [event["sequence_number"] for event in said])
        self.assertEqual("response.created", said[0]["type"])
        self.assertIn(said[-1]["type"], ("response.completed", "response.incomplete"))


class OpenAIClientsContract(StreamContract):
    """
    What OpenAI's clients rely on.
    """

    def check(self: Any, said: list[Any]) -> None:
        """
        The last choice has a reason to finish; after it there is the usage.
        """
        *_, last, usage = said
        self.assertTrue(last["choices"][0]["finish_reason"])
        self.assertIn("total_tokens", usage["usage"])
