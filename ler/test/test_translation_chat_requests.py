# -*- test-case-name: ler.test.test_translation_chat_requests -*-
"""
Tests of L{ler.web.translation.chat_requests}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ler.web.translation.chat_requests import (
    call,
    content,
    image_part,
    in_schema,
    joined,
    streaming,
    text_part,
    thought,
)


class ContentTests(SynchronousTestCase):
    """
    What a message holds.
    """

    def test_texts(self) -> None:
        """Texts alone are one text, a paragraph each, and what says nothing is left out."""
        self.assertEqual("a\n\nb", content([text_part("a"), text_part(""), text_part("b")]))
        self.assertEqual("", content([]))
        self.assertEqual("a\n\nb", joined(["a", None, "", "b"]))

    def test_parts(self) -> None:
        """With an image among them they stay parts."""
        parts = [text_part("What?"), image_part("data:image/png;base64,iVBO", "low")]
        self.assertEqual(
            [
                {"type": "text", "text": "What?"},
                {
                    "type": "image_url",
                    "image_url": {"url": "data:image/png;base64,iVBO", "detail": "low"},
                },
            ],
            content(parts),
        )
        self.assertEqual(
            {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
            image_part("https://example.org/a.png"),
        )

    def test_thought(self) -> None:
        """Earlier thoughts go up under both names that engines have for them."""
        self.assertEqual({"reasoning_content": "hm", "reasoning": "hm"}, thought("hm"))
        self.assertEqual({}, thought(""))
        self.assertEqual({}, thought(None))

    def test_call(self) -> None:
        """A call without arguments has none, in JSON."""
        for arguments, expected in (('{"a": 1}', '{"a": 1}'), ("", "{}")):
            self.assertEqual(
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "look", "arguments": expected},
                },
                call("call_1", "look", arguments),
            )


class RequestTests(SynchronousTestCase):
    """
    What stands beside the messages.
    """

    def test_streaming(self) -> None:
        """A stream is asked for with the count of its tokens."""
        self.assertEqual({"stream": True, "stream_options": {"include_usage": True}}, streaming())

    def test_schema(self) -> None:
        """A schema has a name, of which engines make nothing."""
        schema = {"type": "object"}
        self.assertEqual(
            {
                "type": "json_schema",
                "json_schema": {"name": "response", "schema": schema, "strict": True},
            },
            in_schema(schema, strict=True),
        )
        self.assertEqual("bird", in_schema(schema, "bird")["json_schema"]["name"])
