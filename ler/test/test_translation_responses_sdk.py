# -*- test-case-name: ler.test.test_translation_responses_sdk -*-
"""
L{ler.web.translation.responses} under the eyes of OpenAI's own client.
"""

from __future__ import annotations

import json
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.test.test_translation_responses import ANSWER, CODEX, STREAM, translation

try:
    import openai
    from openai.types.responses import Response, ResponseStreamEvent
    from pydantic import TypeAdapter
except ImportError:
    reason: str | None = "the openai package is not installed"
else:
    reason = None
    # What the client brings with it has two names.
    httpx = import_module("httpx2" if find_spec("httpx2") else "httpx")

BODIES = (CODEX, {**CODEX, "reasoning": None})
"""Requests whose thoughts come as a summary, and as they are."""


def events(body: dict[str, Any]) -> list[dict[str, Any]]:
    """
    @return: what the client of C{body} gets for L{STREAM}.
    """
    made = translation(body)
    return [event for piece in STREAM for event in made.event(piece)] + made.end()


class ClientTests(SynchronousTestCase):
    """
    The client takes what it gets.
    """

    skip = reason

    def client(self, content: bytes, content_type: str) -> Any:
        """
        @return: a client of a server that always answers C{content}.
        """
        headers = {"content-type": content_type}
        transport = httpx.MockTransport(
            lambda _: httpx.Response(200, headers=headers, content=content)
        )
        return openai.OpenAI(
            api_key="x",
            base_url="http://127.0.0.1/v1",
            http_client=httpx.Client(transport=transport),
        )

    def check(self, response: Any) -> None:
        """
        C{response} holds everything that the engine said.
        """
        self.assertEqual("On it.", response.output_text)
        self.assertEqual(34, response.usage.total_tokens)
        self.assertEqual(
            ["reasoning", "message", "custom_tool_call", "function_call"],
            [item.type for item in response.output],
        )

    def test_document(self) -> None:
        """A response is one to the client, and has the types that it promises."""
        for body in BODIES:
            document = translation(body).document(ANSWER)
            self.check(Response.model_validate(document))
            client = self.client(json.dumps(document).encode(), "application/json")
            self.check(client.responses.create(model="local", input="hi"))

    def test_stream(self) -> None:
        """A stream is followed to its end, and its events have the types that they promise."""
        adapter = TypeAdapter(ResponseStreamEvent)
        for body in BODIES:
            said = events(body)
            for event in said:
                adapter.validate_python(event)
            frames = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in said)
            client = self.client(frames.encode(), "text/event-stream")
            with client.responses.stream(model="local", input="hi") as stream:
                self.assertEqual([e["type"] for e in said], [event.type for event in stream])
                self.check(stream.get_final_response())
