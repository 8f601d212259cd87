# -*- test-case-name: ler.test.test_translation_responses_conversation -*-
"""
Tests of L{ler.web.translation.responses.conversation}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import BadRequest
from ler.web.translation.fields import Fields
from ler.web.translation.responses.conversation import messages, offered

PICTURE = "data:image/png;base64,iVBORw0KGgo="


def said(role: str, *texts: str) -> dict[str, Any]:
    """
    @return: an item with C{texts}, a part each.
    """
    return {"role": role, "content": [{"type": "input_text", "text": text} for text in texts]}


def call(call_id: str) -> dict[str, Any]:
    """
    @return: a call of a function.
    """
    return {"type": "function_call", "call_id": call_id, "name": "look", "arguments": "{}"}


def output(call_id: str, output: Any) -> dict[str, Any]:
    """
    @return: what a function returned.
    """
    return {"type": "function_call_output", "call_id": call_id, "output": output}


class MessagesCase(SynchronousTestCase):
    """
    Looks at conversations.
    """

    def messages(self, *items: Any, **body: Any) -> list[dict[str, Any]]:
        """
        @return: the messages for an input of C{items}.
        """
        return messages(Fields({"input": list(items), **body}, BadRequest))

    def assert_refused(self, message: str, *items: Any, **body: Any) -> None:
        """
        The input is refused with C{message}.
        """
        error = self.assertRaises(BadRequest, self.messages, *items, **body)
        self.assertEqual(message, error.message)


class TurnTests(MessagesCase):
    """
    Items become turns.
    """

    def test_instructions(self) -> None:
        """What neither side says comes first, as one message."""
        self.assertEqual(
            [
                {"role": "system", "content": "Be brief.\n\nBe kind.\n\nBe English."},
                {"role": "user", "content": "hi"},
            ],
            self.messages(
                said("system", "Be kind."),
                said("developer", "Be English."),
                said("user", "hi"),
                instructions="Be brief.",
            ),
        )

    def test_later_instructions(self) -> None:
        """What neither side says later is said by the user, where it was."""
        self.assertEqual(
            [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": "Hello."},
                {"role": "user", "content": "You may write now.\n\nWrite."},
            ],
            self.messages(
                said("user", "hi"),
                {"role": "assistant", "content": "Hello."},
                said("developer", "You may write now."),
                said("user", "Write."),
            ),
        )

    def test_parts(self) -> None:
        """The parts of a message, of any side, become one text."""
        refusal = {"type": "refusal", "refusal": "No."}
        spoken = {"type": "output_text", "text": "Not that."}
        self.assertEqual(
            [
                {"role": "user", "content": "one\n\ntwo"},
                {"role": "assistant", "content": "No.\n\nNot that."},
            ],
            self.messages(
                said("user", "one", "two"),
                {"type": "message", "role": "assistant", "content": [refusal, spoken]},
            ),
        )

    def test_calls(self) -> None:
        """Calls at one time are one message, after which their results come."""
        calls = [
            {"id": id, "type": "function", "function": {"name": "look", "arguments": "{}"}}
            for id in ("a", "b")
        ]
        self.assertEqual(
            [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": "", "tool_calls": calls},
                {"role": "tool", "content": "1", "tool_call_id": "a"},
                {"role": "tool", "content": "2", "tool_call_id": "b"},
                {"role": "assistant", "content": "Done."},
            ],
            self.messages(
                said("user", "hi"),
                call("a"),
                call("b"),
                output("a", "1"),
                output("b", [{"type": "input_text", "text": "2"}]),
                {"role": "assistant", "content": "Done."},
            ),
        )

    def test_namespace(self) -> None:
        """A call in a namespace has the name under which the engine knows the tool."""
        item = {**call("a"), "namespace": "mcp__eyes"}
        [message] = self.messages(item)
        self.assertEqual("mcp__eyes__look", message["tool_calls"][0]["function"]["name"])

    def test_no_arguments(self) -> None:
        """A call without arguments has none, in JSON."""
        [message] = self.messages({**call("a"), "arguments": ""})
        self.assertEqual("{}", message["tool_calls"][0]["function"]["arguments"])

    def test_other_outputs(self) -> None:
        """A result may be nothing, or an object, which is told as JSON."""
        self.assertEqual(
            ["", '{"ok": "ja"}'],
            [m["content"] for m in self.messages(output("a", None), output("b", {"ok": "ja"}))],
        )

    def test_agents(self) -> None:
        """What another agent says comes from the user, the part included that it calls
        encrypted."""
        self.assertEqual(
            [{"role": "user", "content": "From the root:\n\nCount the files."}],
            self.messages(
                {
                    "type": "agent_message",
                    "content": [
                        {"type": "input_text", "text": "From the root:"},
                        {"type": "encrypted_content", "encrypted_content": "Count the files."},
                    ],
                }
            ),
        )

    def test_hosted(self) -> None:
        """What tools did that are not here, and what is for others, is left out."""
        self.assertEqual(
            [{"role": "user", "content": "hi"}],
            self.messages(
                {"type": "web_search_call", "id": "ws_1", "status": "completed"},
                {"type": "additional_tools", "role": "developer", "tools": []},
                said("user", "hi"),
                {"type": "something_new"},
            ),
        )


class ReasoningTests(MessagesCase):
    """
    Thoughts go back to the model.
    """

    def thoughts(self, **item: Any) -> Any:
        """
        @return: what is told of a reasoning.
        """
        answer = {"role": "assistant", "content": "Done."}
        [message] = self.messages({"type": "reasoning", **item}, answer)
        self.assertEqual(message.get("reasoning_content"), message.get("reasoning"))
        return message.get("reasoning_content")

    def test_forms(self) -> None:
        """Thoughts are taken from their text, else from what the client kept, else from their
        summary; and told by both names that engines have for them."""
        summary = [{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}]
        content = [{"type": "reasoning_text", "text": "text"}]
        kept = "engine-router:kept"
        self.assertEqual("one\n\ntwo", self.thoughts(summary=summary))
        self.assertEqual("kept", self.thoughts(summary=summary, encrypted_content=kept))
        self.assertEqual(
            "text", self.thoughts(summary=summary, content=content, encrypted_content=kept)
        )

    def test_foreign(self) -> None:
        """What another service encrypted is left out."""
        self.assertIsNone(self.thoughts(summary=[], encrypted_content="gAAAAABo"))

    def test_in_vain(self) -> None:
        """Thoughts that led to nothing are left out."""
        self.assertEqual(
            [{"role": "user", "content": "hi"}],
            self.messages(
                said("user", "hi"),
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
            ),
        )


class ImageTests(MessagesCase):
    """
    Images are shown where a chat can have them.
    """

    def test_user(self) -> None:
        """An image from the user stands among the texts."""
        image = {"type": "input_image", "image_url": PICTURE, "detail": "low"}
        text = {"type": "input_text", "text": "What is it?"}
        self.assertEqual(
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}},
                        {"type": "text", "text": "What is it?"},
                    ],
                }
            ],
            self.messages({"role": "user", "content": [image, text]}),
        )

    def test_detail(self) -> None:
        """A detail that chats do not know is left out."""
        image = {"type": "input_image", "image_url": PICTURE, "detail": "original"}
        [message] = self.messages({"role": "user", "content": [image]})
        self.assertEqual({"url": PICTURE}, message["content"][0]["image_url"])

    def test_result(self) -> None:
        """Images in results follow after the last of them, from the user."""
        image = {"type": "input_image", "image_url": PICTURE}
        seen = {"type": "image_url", "image_url": {"url": PICTURE}}
        self.assertEqual(
            [
                {"role": "tool", "content": "Here.", "tool_call_id": "a"},
                {"role": "tool", "content": "2", "tool_call_id": "b"},
                {"role": "user", "content": [seen]},
            ],
            self.messages(
                call("a"),
                call("b"),
                output("a", [{"type": "input_text", "text": "Here."}, image]),
                output("b", "2"),
            )[1:],
        )

    def test_result_and_answer(self) -> None:
        """Images in results come before whatever is said next."""
        image = {"type": "input_image", "image_url": PICTURE}
        answer = {"role": "assistant", "content": "A cat."}
        roles = [m["role"] for m in self.messages(call("a"), output("a", [image]), answer)]
        self.assertEqual(["assistant", "tool", "user", "assistant"], roles)


class RefusalTests(MessagesCase):
    """
    What cannot be had, or makes no sense.
    """

    def test_empty(self) -> None:
        """An input that holds nothing is refused, a text that is empty is not."""
        self.assert_refused("'input' must not be empty: there is nothing to answer")
        self.assert_refused("'input' must not be empty: there is nothing to answer", input=None)
        self.assertEqual([{"role": "user", "content": ""}], self.messages(input=""))

    def test_kept(self) -> None:
        """What refers to things that are elsewhere is refused, with what to do instead."""
        self.assert_refused(
            "'input[0]' refers to something that the router did not keep: send the item itself "
            "(clients do when 'store' is false)",
            {"type": "item_reference", "id": "msg_1"},
        )
        self.assert_refused(
            "'input[1]' is about a summary that only OpenAI's own service can write and read: "
            "begin a new conversation",
            said("user", "hi"),
            {"type": "compaction", "encrypted_content": "gAAAAABo"},
        )

    def test_files(self) -> None:
        """A file is refused, and an image that is one."""
        file = {"type": "input_file", "filename": "a.pdf", "file_data": "JVBERi0="}
        self.assert_refused(
            "'input[0].content[0]' is a file, which no engine here can read: send its text as "
            "input_text",
            {"role": "user", "content": [file]},
        )
        image = {"type": "input_image", "file_id": "file-1"}
        self.assert_refused(
            "'input[0].content[0]' has no 'image_url', and the router keeps no files: send the "
            "image as a data: URL",
            {"role": "user", "content": [image]},
        )

    def test_wrong(self) -> None:
        """A wrong value is refused by its name."""
        self.assert_refused("'input' must be a list", input=1)
        self.assert_refused("'input[0]' must be an object", "hi")
        self.assert_refused("'input[0].role' must be a string that is not empty", {"content": ""})
        self.assert_refused(
            "'input[0].role' must be user, assistant, system or developer",
            {"role": "tool", "content": ""},
        )
        self.assert_refused(
            "'input[0].content[0].type' must be input_text, output_text or input_image",
            {"role": "user", "content": [{"type": "input_video"}]},
        )
        self.assert_refused("'input[0].call_id' must be a string that is not empty", call(""))
        self.assert_refused(
            "'input[0].name' must be a string that is not empty", {**call("a"), "name": None}
        )


class OfferedTests(SynchronousTestCase):
    """
    Where the tools are.
    """

    def test_within(self) -> None:
        """Tools within the input are offered as those beside it."""
        tools = offered(
            Fields(
                {
                    "tools": [{"name": "a"}],
                    "input": [
                        {"type": "additional_tools", "tools": [{"name": "b"}, {"name": "c"}]},
                        said("user", "hi"),
                    ],
                },
                BadRequest,
            )
        )
        self.assertEqual(["a", "b", "c"], [tool.text("name") for tool in tools])

    def test_none(self) -> None:
        """There may be none."""
        self.assertEqual([], offered(Fields({"input": "hi"}, BadRequest)))
