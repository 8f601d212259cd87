# -*- test-case-name: ler.test.test_translation_ollama_conversation -*-
"""
Tests of L{ler.web.translation.ollama.conversation}.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import BadRequest
from ler.test.ollama_case import asked
from ler.web.translation.ollama.conversation import content, messages


def translated(*said: dict[str, Any]) -> list[dict[str, Any]]:
    """
    @return: the messages of a chat completion.
    """
    return messages(asked({"messages": list(said)}))


def calling(*names: str, **more: Any) -> dict[str, Any]:
    """
    @return: a message that calls tools, without ids.
    """
    calls = [{"function": {"name": name, "arguments": {}}} for name in names]
    return {"role": "assistant", "content": "", "tool_calls": calls, **more}


class RoleTests(SynchronousTestCase):
    """
    Who says something.
    """

    def test_lower_case(self) -> None:
        """Roles are written small."""
        self.assertEqual(
            [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}],
            translated({"role": "System", "content": "a"}, {"role": "USER", "content": "b"}),
        )

    def test_missing(self) -> None:
        """A message that nobody says is a mistake."""
        error = self.assertRaises(BadRequest, translated, {"content": "a"})
        self.assertIn("'messages[0].role'", error.message)

    def test_none(self) -> None:
        """There may be no messages at all."""
        self.assertEqual([], messages(asked({})))

    def test_thinking(self) -> None:
        """What the assistant thought goes back to it, and to nobody else."""
        self.assertEqual(
            [
                {"role": "user", "content": "a"},
                {
                    "role": "assistant",
                    "content": "b",
                    "reasoning_content": "hm",
                    "reasoning": "hm",
                },
            ],
            translated(
                {"role": "user", "content": "a", "thinking": "hm"},
                {"role": "assistant", "content": "b", "thinking": "hm"},
            ),
        )

    def test_no_content(self) -> None:
        """A message without content is empty."""
        self.assertEqual([{"role": "user", "content": ""}], translated({"role": "user"}))

    def test_parts(self) -> None:
        """Content in parts is OpenAI's, not Ollama's."""
        parts = [{"type": "text", "text": "a"}]
        error = self.assertRaises(BadRequest, translated, {"role": "user", "content": parts})
        self.assertEqual("'messages[0].content' must be a string", error.message)


class MediaTests(SynchronousTestCase):
    """
    Pictures and sounds.
    """

    def part(self, data: bytes) -> dict[str, Any]:
        """
        @return: C{data} as a part of a message.
        """
        [part] = self.parts(images=[b64encode(data).decode()])
        return part

    def parts(self, **message: Any) -> list[dict[str, Any]]:
        """
        @return: the parts of the user's C{message}.
        """
        [said] = translated({"role": "user", **message})
        parts: list[dict[str, Any]] = said["content"]
        return parts

    def test_pictures(self) -> None:
        """The name of a picture's type is read from the picture."""
        for data, name in [
            (b"\x89PNG\r\n\x1a\n", "image/png"),
            (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
            (b"GIF89a", "image/gif"),
            (b"RIFF\x24\x00\x0a\x00WEBPVP8 ", "image/webp"),
            (b"BM\x36\x00", "image/bmp"),
            (b"something else", "image/jpeg"),
        ]:
            url = f"data:{name};base64,{b64encode(data).decode()}"
            self.assertEqual({"type": "image_url", "image_url": {"url": url}}, self.part(data))

    def test_sounds(self) -> None:
        """Sounds that stand among the pictures are told from them."""
        for data, form in [
            (b"RIFF\x24\x00\x0a\x00WAVEfmt ", "wav"),
            (b"ID3\x04", "mp3"),
            (b"\xff\xfb\x90\x00", "mp3"),
            (b"fLaC", "flac"),
            (b"OggS", "ogg"),
        ]:
            sound = {"data": b64encode(data).decode(), "format": form}
            self.assertEqual({"type": "input_audio", "input_audio": sound}, self.part(data))

    def test_with_text(self) -> None:
        """The text comes before the pictures, and not at all when it is empty."""
        picture = {"type": "image_url", "image_url": {"url": "data:image/gif;base64,R0lGODlh"}}
        text = {"type": "text", "text": "What?"}
        images = ["R0lGODlh", "R0lGODlh"]
        self.assertEqual([text, picture, picture], self.parts(content="What?", images=images))
        self.assertEqual([picture, picture], self.parts(images=images))

    def test_prompt(self) -> None:
        """The text may have another name, as in a generation."""
        said = content(asked({"prompt": "What?", "images": ["R0lGODlh"]}), "prompt")
        self.assertEqual(said, self.parts(content="What?", images=["R0lGODlh"]))
        self.assertEqual("What?", content(asked({"prompt": "What?", "images": []}), "prompt"))

    def test_wrapped(self) -> None:
        """Base64 in lines becomes one line."""
        [part] = self.parts(images=["R0lG\r\nODlh\n"])
        self.assertEqual({"url": "data:image/gif;base64,R0lGODlh"}, part["image_url"])

    def test_long(self) -> None:
        """Of a large picture, only the beginning is looked at."""
        data = b64encode(b"\x89PNG" + bytes(100)).decode()
        [part] = self.parts(images=[data])
        self.assertTrue(part["image_url"]["url"].startswith("data:image/png;"))

    def test_wrong(self) -> None:
        """What is no base64, such as a path or an address, is a mistake."""
        for data in [
            "./cat.png",
            "data:image/png;base64,R0lG",
            "R0l",
            "\u00e9\u00e9\u00e9\u00e9",
            1,
        ]:
            message = {"role": "user", "images": ["R0lGODlh", data]}
            error = self.assertRaises(BadRequest, translated, message)
            self.assertEqual(
                "'messages[0].images[1]' must be a picture or a sound in base64", error.message
            )


class CallTests(SynchronousTestCase):
    """
    Calls of tools, and their results.
    """

    def test_call(self) -> None:
        """A call's arguments become a text, and what has no id gets one."""
        [said] = translated(
            {
                "role": "assistant",
                "content": "Let me look.",
                "tool_calls": [
                    {"function": {"index": 0, "name": "get", "arguments": {"city": "Köln"}}},
                    {"id": "call_9f0c", "function": {"name": "put"}},
                ],
            }
        )
        self.assertEqual("Let me look.", said["content"])
        self.assertEqual(
            [
                {
                    "id": "call00001",
                    "type": "function",
                    "function": {"name": "get", "arguments": '{"city": "Köln"}'},
                },
                {
                    "id": "call_9f0c",
                    "type": "function",
                    "function": {"name": "put", "arguments": "{}"},
                },
            ],
            said["tool_calls"],
        )

    def test_arguments_as_text(self) -> None:
        """Arguments that are a text already stay so."""
        function = {"name": "get", "arguments": '{"a":1}'}
        [said] = translated({"role": "assistant", "tool_calls": [{"function": function}]})
        self.assertEqual(function, said["tool_calls"][0]["function"])

    def test_wrong(self) -> None:
        """A call needs a name, and arguments that are an object."""
        for function, place in [
            ({"arguments": {}}, "'messages[0].tool_calls[0].function.name'"),
            ({"name": "f", "arguments": [1]}, "'messages[0].tool_calls[0].function.arguments'"),
        ]:
            message = {"role": "assistant", "tool_calls": [{"function": function}]}
            error = self.assertRaises(BadRequest, translated, message)
            self.assertIn(place, error.message)

    def ids(self, *results: dict[str, Any]) -> list[str]:
        """
        @return: the ids of calls that C{results} answer, where C{a}, C{b} and
            C{a} were called.
        """
        said = translated(
            calling("a", "b", "a"), *({"role": "tool", "content": "x", **r} for r in results)
        )
        return [message["tool_call_id"] for message in said if message["role"] == "tool"]

    def test_by_name(self) -> None:
        """A result belongs to the first open call of its tool, by either of its names."""
        self.assertEqual(
            ["call00002", "call00001", "call00003"],
            self.ids({"tool_name": "b"}, {"tool_name": "a"}, {"name": "a"}),
        )

    def test_by_order(self) -> None:
        """A result without a name belongs to the first open call."""
        self.assertEqual(["call00001", "call00002"], self.ids({}, {}))
        self.assertEqual(["call00001", "call00003"], self.ids({"tool_name": "a"}, {"name": "a"}))

    def test_by_id(self) -> None:
        """A result that says what it answers is believed."""
        self.assertEqual(
            ["call00003", "mine", "call00001"],
            self.ids({"tool_call_id": "call00003"}, {"tool_call_id": "mine"}, {"name": "a"}),
        )

    def test_too_many(self) -> None:
        """A result that answers nothing has an id all the same."""
        self.assertEqual("call00004", self.ids({}, {}, {}, {})[-1])

    def test_name(self) -> None:
        """The name of its tool stays with a result, for templates that print it."""
        result = {"role": "tool", "content": "11", "tool_name": "get"}
        self.assertEqual(
            {"role": "tool", "content": "11", "tool_call_id": "call00001", "name": "get"},
            translated(calling("get"), result)[-1],
        )

    def test_split(self) -> None:
        """Calls may be spread over messages before their results come."""
        result = {"role": "tool", "content": "x"}
        said = translated(calling("a"), calling("b"), result, result)
        self.assertEqual(
            ["call00001", "call00002"], [message["tool_call_id"] for message in said[2:]]
        )

    def test_given_up(self) -> None:
        """Calls that have no results when the talk goes on never get any."""
        said = translated(
            calling("a"),
            {"role": "user", "content": "Never mind."},
            calling("b"),
            {"role": "tool", "content": "x"},
        )
        self.assertEqual("call00002", said[-1]["tool_call_id"])
