# -*- test-case-name: ler.test.test_translation_to_ollama_conversation -*-
"""
Tests of L{ler.web.translation.to_ollama.conversation}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import BadRequest
from ler.web.translation.fields import Fields
from ler.web.translation.to_ollama.conversation import messages

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5C"


def said(*given: Any) -> list[dict[str, Any]]:
    """
    @return: Ollama's messages.
    """
    return messages(Fields({"messages": list(given)}, BadRequest))


def called(arguments: Any, **more: Any) -> dict[str, Any]:
    """
    @return: a message of OpenAI's that calls a tool.
    """
    call = {"type": "function", "function": {"name": "weather", "arguments": arguments}, **more}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


class MessagesTests(SynchronousTestCase):
    """
    L{messages} says what was said before.
    """

    def complaint(self, *given: Any) -> str:
        """
        @return: what is wrong with messages.
        """
        error: BadRequest = self.assertRaises(BadRequest, said, *given)
        return error.message

    def test_texts(self) -> None:
        """Roles and texts go on, a developer's as the system's."""
        self.assertEqual(
            [
                {"role": "system", "content": "Be brief."},
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": ""},
            ],
            said(
                {"role": "developer", "content": "Be brief."},
                {"role": "System", "content": "Be kind."},
                {"role": "user", "content": "Hi", "name": "ann"},
                {"role": "assistant", "content": None, "refusal": None},
            ),
        )

    def test_parts(self) -> None:
        """The parts of a message become one text, and its images and sounds a list."""
        parts = [
            {"type": "text", "text": "What is"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
            {"type": "text", "text": "this?"},
            {"type": "image_url", "image_url": "DATA:;BASE64,AAAA"},
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        ]
        self.assertEqual(
            [{"role": "user", "content": "What is\nthis?", "images": [PIXEL, "AAAA", "UklGRg=="]}],
            said({"role": "user", "content": parts}),
        )

    def test_image_elsewhere(self) -> None:
        """An image that is not in the request is refused, with the cure."""
        for url in ("https://example.com/cat.png", "file:///cat.png", "data:image/png,%89PNG"):
            part = {"type": "image_url", "image_url": {"url": url}}
            self.assertEqual(
                "'messages[0].content[0].image_url.url' must be the image itself, as in "
                "data:image/png;base64,iVBORw0...: the engine of this model fetches none",
                self.complaint({"role": "user", "content": [part]}),
            )

    def test_unknown_part(self) -> None:
        """A part that would be lost is refused."""
        for part in ({"type": "file", "file": {"file_id": "file-1"}}, {}, {"type": ["text"]}):
            complaint = self.complaint({"role": "user", "content": [part]})
            self.assertIn("'messages[0].content[0].type' must be text, image_url", complaint)

    def test_thinking(self) -> None:
        """What the model thought goes on, under either name that engines have for it."""
        for name in ("reasoning_content", "reasoning"):
            self.assertEqual(
                [{"role": "assistant", "content": "4", "thinking": "2 and 2"}],
                said({"role": "assistant", "content": "4", name: "2 and 2"}),
            )

    def test_calls(self) -> None:
        """Arguments become an object, and what a tool said gets the tool's name."""
        answer = {"role": "tool", "tool_call_id": "call_1", "content": "11 degrees"}
        self.assertEqual(
            [
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [
                        {
                            "function": {"name": "weather", "arguments": {"city": "Zürich"}},
                            "id": "call_1",
                        }
                    ],
                },
                {
                    "role": "tool",
                    "content": "11 degrees",
                    "tool_name": "weather",
                    "tool_call_id": "call_1",
                },
            ],
            said(called('{"city": "Zürich"}', id="call_1"), answer),
        )

    def test_answer_to_the_latest(self) -> None:
        """When an id is used again, the latest call before the answer counts."""
        other = called("{}", id="a")
        other["tool_calls"][0]["function"]["name"] = "time"
        answer = {"role": "tool", "tool_call_id": "a", "content": ""}
        heard = said(called("{}", id="a"), answer, other, answer)
        self.assertEqual("weather", heard[1]["tool_name"])
        self.assertEqual("time", heard[3]["tool_name"])

    def test_unknown_call(self) -> None:
        """An answer to no known call has the name that it says, or none."""
        answer = {"role": "tool", "tool_call_id": "a", "content": "x"}
        expected = {"role": "tool", "content": "x", "tool_call_id": "a"}
        self.assertEqual([expected], said(answer))
        self.assertEqual(
            [{**expected, "tool_name": "weather"}], said({**answer, "name": "weather"})
        )

    def test_no_arguments(self) -> None:
        """A tool without arguments is called with an empty object."""
        for nothing in ("", None, "{}"):
            (message,) = said(called(nothing))
            self.assertEqual(
                [{"function": {"name": "weather", "arguments": {}}}], message["tool_calls"]
            )

    def test_broken_arguments(self) -> None:
        """Arguments that are no JSON object are refused, however they are broken."""
        for broken in ('{"city', "[]", "1", '{"a": NaN}', "[" * 100_000, {"city": "x"}, "\ud800"):
            complaint = self.complaint(called(broken))
            self.assertIn("'messages[0].tool_calls[0].function.arguments' must be", complaint)

    def test_empty(self) -> None:
        """Nothing to answer is refused: Ollama would take it for a wish to load the model."""
        self.assertIn("must not be empty", self.complaint())
