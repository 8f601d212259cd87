# -*- test-case-name: ler.test.test_translation_anthropic_sdk -*-
"""
Tests of L{ler.web.translation.anthropic} with Anthropic's own client.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from ler.test.test_translation_anthropic import (
    ANSWER,
    CHUNKS,
    CLAUDE_CODE,
    EVENTS,
    MESSAGE,
    PLAIN,
    translated,
    translation,
)
from ler.web.dialects import ANTHROPIC


class ClientTests(SynchronousTestCase):
    """
    What the client makes of our answers.
    """

    def setUp(self) -> None:
        """
        Make a client whose server is ours.
        """
        try:
            anthropic = import_module("anthropic")
        except ImportError as e:
            raise SkipTest(str(e)) from e
        # Its HTTP library has had two names.
        self.http = import_module(anthropic.DefaultHttpxClient.__base__.__module__)
        transport = self.http.MockTransport(self.answer)
        self.client = anthropic.Anthropic(
            api_key="none",
            base_url="http://router.example",
            http_client=anthropic.DefaultHttpxClient(transport=transport),
        )
        self.addCleanup(self.client.close)
        self.adapter: Any = import_module("pydantic").TypeAdapter
        self.types: Any = import_module("anthropic.types")

    def answer(self, request: Any) -> Any:
        """
        @return: what a client gets, from an engine that says L{ANSWER}.
        """
        given = translation(json.loads(request.read()))
        if not given.streams:
            return self.http.Response(200, json=given.document(ANSWER))
        content = b"".join(map(ANTHROPIC.encode, translated(given, CHUNKS)))
        return self.http.Response(
            200, content=content, headers={"Content-Type": "text/event-stream"}
        )

    def fields(self, message: Any) -> dict[str, Any]:
        """
        @return: what the client has understood.
        """
        fields: dict[str, Any] = message.to_dict(exclude_unset=False, exclude_none=True)
        return fields

    def test_document(self) -> None:
        """It reads a whole answer as we wrote it."""
        message = self.client.messages.create(**PLAIN)
        self.assertEqual(MESSAGE, message.to_dict())
        self.assertEqual("Read", message.content[2].name)

    def test_stream(self) -> None:
        """It puts a stream together into the same message."""
        with self.client.messages.stream(**PLAIN) as stream:
            message = stream.get_final_message()
        whole = self.client.messages.create(**PLAIN)
        self.assertEqual(self.fields(whole), self.fields(message))

    def test_text_stream(self) -> None:
        """It finds the text."""
        with self.client.messages.stream(**PLAIN) as stream:
            self.assertEqual("I look again.", "".join(stream.text_stream))

    def test_types(self) -> None:
        """Every event, and the message, is of a type that it knows."""
        event_type = self.adapter(self.types.RawMessageStreamEvent)
        for event in EVENTS:
            event_type.validate_python(event)
        self.types.Message.model_validate(MESSAGE)

    def test_request(self) -> None:
        """The request that we read is one that it can send."""
        body = self.adapter(self.types.MessageCreateParams).validate_python(CLAUDE_CODE)
        self.assertEqual(CLAUDE_CODE["model"], body["model"])
