# -*- test-case-name: ler.test.test_translation_anthropic_conversation -*-
"""
Tests of L{ler.web.translation.anthropic.conversation}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import BadRequest
from ler.web.translation.anthropic.conversation import messages
from ler.web.translation.fields import Fields

PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}}
PNG_PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}


def text(said: str, **more: Any) -> dict[str, Any]:
    """
    @return: a block, or a part, of text.
    """
    return {"type": "text", "text": said, **more}


def user(content: Any) -> dict[str, Any]:
    """
    @return: a message of the user, in either API.
    """
    return {"role": "user", "content": content}


def assistant(content: Any, **more: Any) -> dict[str, Any]:
    """
    @return: a message of the model, in either API.
    """
    return {"role": "assistant", "content": content, **more}


def tool_use(id: str, **arguments: Any) -> dict[str, Any]:
    """
    @return: the block of a call.
    """
    return {"type": "tool_use", "id": id, "name": "look", "input": arguments}


def tool_call(id: str, **arguments: Any) -> dict[str, Any]:
    """
    @return: the same call in a chat completion.
    """
    function = {"name": "look", "arguments": json.dumps(arguments, ensure_ascii=False)}
    return {"id": id, "type": "function", "function": function}


def tool_result(id: str, content: Any, **more: Any) -> dict[str, Any]:
    """
    @return: the block of what a call gave.
    """
    return {"type": "tool_result", "tool_use_id": id, "content": content, **more}


def tool(id: str, content: str) -> dict[str, Any]:
    """
    @return: the same in a chat completion.
    """
    return {"role": "tool", "tool_call_id": id, "content": content}


class ConversationCase(SynchronousTestCase):
    """
    Says what becomes of messages.
    """

    def assert_messages(
        self, expected: list[dict[str, Any]], *given: dict[str, Any], system: Any = None
    ) -> None:
        """
        Fail unless C{given} become C{expected}.
        """
        body = {"messages": list(given), "system": system}
        self.assertEqual(expected, messages(Fields(body, BadRequest)))

    def assert_refused(self, sentence: str, *given: Any, system: Any = None) -> None:
        """
        Fail unless C{given} are refused with C{sentence}.
        """
        body = {"messages": list(given), "system": system}
        error = self.assertRaises(BadRequest, messages, Fields(body, BadRequest))
        self.assertEqual(sentence, error.message)


class InstructionTests(ConversationCase):
    """
    The C{system} field, and messages of that role.
    """

    def test_string(self) -> None:
        """A string is the first message."""
        expected = [{"role": "system", "content": "Be brief."}, user("Hi")]
        self.assert_messages(expected, user("Hi"), system="Be brief.")

    def test_blocks(self) -> None:
        """Blocks are put together as paragraphs, without what is said of caches."""
        system = [text("Be brief.", cache_control={"type": "ephemeral"}), text(""), text("Or not.")]
        expected = [{"role": "system", "content": "Be brief.\n\nOr not."}, user("Hi")]
        self.assert_messages(expected, user("Hi"), system=system)

    def test_nothing(self) -> None:
        """Empty instructions are no message."""
        for system in (None, "", [], [text("")]):
            self.assert_messages([user("Hi")], user("Hi"), system=system)

    def test_attribution(self) -> None:
        """What Claude Code says for Anthropic's books is left out, and no more than that."""
        head = "x-anthropic-billing-header: cc_version=2.1.197.a1b; cc_entrypoint=cli; cch=0f3a9;"
        for system in (
            [text(head), text("You are Claude Code.")],
            f"{head}You are Claude Code.",
            f"{head}\nYou are Claude Code.",
        ):
            expected = [{"role": "system", "content": "You are Claude Code."}, user("Hi")]
            self.assert_messages(expected, user("Hi"), system=system)
        said = f"Never say {head}"
        expected = [{"role": "system", "content": said}, user("Hi")]
        self.assert_messages(expected, user("Hi"), system=said)

    def test_leading_message(self) -> None:
        """A message of that role at the beginning belongs to the instructions."""
        expected = [{"role": "system", "content": "Be brief.\n\nBe kind."}, user("Hi")]
        given = ({"role": "system", "content": "Be kind."}, user("Hi"))
        self.assert_messages(expected, *given, system="Be brief.")

    def test_later_message(self) -> None:
        """Later ones are said by the user: many templates take them at the beginning only."""
        later = {"role": "system", "content": [text("Be brief.")]}
        self.assert_messages([user("Hi\n\nBe brief.")], user("Hi"), later)
        self.assert_messages(
            [user("Hi"), assistant("Yes?"), user("Be brief.\n\nWell")],
            *(user("Hi"), assistant("Yes?"), later, user("Well")),
        )

    def test_among_results(self) -> None:
        """Behind results they are part of the last one, so that the work with tools goes on."""
        later = {"role": "system", "content": "Be brief."}
        given = [user("Hi"), assistant([tool_use("1")]), user([tool_result("1", "a bird")])]
        expected = [user("Hi"), assistant("", tool_calls=[tool_call("1")])]
        self.assert_messages([*expected, tool("1", "a bird\n\nBe brief.")], *given, later)
        # But never between a call and its result.
        between = [*given[:2], later, given[2]]
        self.assert_messages([*expected, tool("1", "a bird"), user("Be brief.")], *between)

    def test_empty_later_message(self) -> None:
        """An empty one changes nothing."""
        self.assert_messages([user("Hi")], user("Hi"), {"role": "system", "content": ""})

    def test_others(self) -> None:
        """Instructions that are not text are refused."""
        self.assert_refused(
            "'system[0].type' must be 'text': instructions are nothing else",
            *[user("Hi")],
            system=[PNG],
        )


class UserTests(ConversationCase):
    """
    What the user says.
    """

    def test_texts(self) -> None:
        """Nothing but text is plain text, which every template takes."""
        self.assert_messages([user("One.\n\nTwo.")], user([text("One."), text("Two.")]))

    def test_images(self) -> None:
        """Images stand where they stood, with their data or where they are found."""
        there = {"type": "image", "source": {"type": "url", "url": "https://example.org/b.png"}}
        there_part = {"type": "image_url", "image_url": {"url": "https://example.org/b.png"}}
        self.assert_messages(
            [user([text("This"), PNG_PART, text("or this?"), there_part])],
            user([text("This"), PNG, text("or this?"), there]),
        )

    def test_documents(self) -> None:
        """Documents of text become text, headed by what they are called."""
        source = {"type": "text", "media_type": "text/plain", "data": "Wrens are small."}
        titled = {"type": "document", "source": source, "title": "Wrens", "context": "By a friend."}
        blocks = {"type": "content", "content": [text("Look:"), PNG]}
        string = {"type": "content", "content": "Or do not."}
        self.assert_messages(
            [user("Wrens\n\nBy a friend.\n\nWrens are small.\n\nOr do not.")],
            user([titled, {"type": "document", "source": string}]),
        )
        self.assert_messages(
            [user([text("Look:"), PNG_PART])], user([{"type": "document", "source": blocks}])
        )

    def test_search_results(self) -> None:
        """What the client has found becomes text, with its source."""
        found = {
            "type": "search_result",
            "source": "https://example.org/wren",
            "title": "Wrens",
            "content": [text("They are small.")],
            "citations": {"enabled": True},
        }
        self.assert_messages(
            [user("Wrens\n\nhttps://example.org/wren\n\nThey are small.")], user([found])
        )

    def test_turns(self) -> None:
        """Messages that follow each other are one turn."""
        self.assert_messages([user("One.\n\nTwo.")], user("One."), user([text("Two.")]))

    def test_silence(self) -> None:
        """A user who says nothing has a message all the same."""
        for content in ("", [], [text("")]):
            self.assert_messages([user("")], user(content))

    def test_files(self) -> None:
        """What cannot be shown to the engine is refused, not left out."""
        pdf = {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}
        self.assert_refused(
            "'messages[0].content[0].source.type' must be 'text' or 'content': this engine reads "
            "no PDF and no files",
            user([{"type": "document", "source": pdf}]),
        )
        self.assert_refused(
            "'messages[0].content[0].source.type' must be 'base64' or 'url': the router keeps no "
            "files",
            user([{"type": "image", "source": {"type": "file", "file_id": "file_1"}}]),
        )
        self.assert_refused(
            "'messages[0].content[1].type': this engine cannot be given 'container_upload' "
            "blocks; leave them out, or write them as text",
            user([text("Hi"), {"type": "container_upload", "file_id": "file_1"}]),
        )


class ToolTests(ConversationCase):
    """
    Calls of tools and what they gave.
    """

    def test_round(self) -> None:
        """Results follow their calls; what the user says besides stands behind them."""
        self.assert_messages(
            [
                user("Look!"),
                assistant("I look.", tool_calls=[tool_call("1", at="the wren"), tool_call("2")]),
                tool("1", "It sings."),
                tool("2", "One.\n\nTwo."),
                user("And?"),
            ],
            user("Look!"),
            assistant([text("I look."), tool_use("1", at="the wren"), tool_use("2")]),
            user(
                [
                    tool_result("1", "It sings.", cache_control={"type": "ephemeral"}),
                    tool_result("2", [text("One."), text("Two.")]),
                    text("And?"),
                ]
            ),
        )

    def test_split_turns(self) -> None:
        """Calls, and results, in messages of their own belong together."""
        self.assert_messages(
            [
                assistant("", tool_calls=[tool_call("1"), tool_call("2")]),
                tool("1", "a"),
                tool("2", "b"),
            ],
            assistant([tool_use("1")]),
            assistant([tool_use("2")]),
            user([tool_result("1", "a")]),
            user([tool_result("2", "b")]),
        )

    def test_images(self) -> None:
        """An image that a tool gave is shown by the user."""
        self.assert_messages(
            [tool("1", "The wren:\n\n[image, shown below]"), user([PNG_PART, text("And?")])],
            user([tool_result("1", [text("The wren:"), PNG]), text("And?")]),
        )

    def test_failure(self) -> None:
        """A call that failed says so."""
        self.assert_messages(
            [tool("1", "Error: no bird"), tool("2", "a bird")],
            user([tool_result("1", "no bird", is_error=True), tool_result("2", "a bird")]),
        )

    def test_nothing(self) -> None:
        """A call that gave nothing has a result all the same."""
        nothing: tuple[Any, ...] = (None, "", [])
        for content in nothing:
            self.assert_messages([tool("1", "")], user([tool_result("1", content)]))

    def test_found_tools(self) -> None:
        """Tools that a search for tools has found are named."""
        found = {"type": "tool_reference", "tool_name": "look"}
        self.assert_messages(
            [tool("1", "The tool look can be called.")], user([tool_result("1", [found])])
        )

    def test_arguments(self) -> None:
        """Arguments are JSON as models write it, and an object even when nothing is given."""
        self.assert_messages(
            [assistant("", tool_calls=[tool_call("1", at="Zaunkönig"), tool_call("2")])],
            assistant([tool_use("1", at="Zaunkönig"), {**tool_use("2"), "input": None}]),
        )


class AssistantTests(ConversationCase):
    """
    What the model said.
    """

    def test_text(self) -> None:
        """Its text is put together as it was written: citations cut it anywhere."""
        self.assert_messages(
            [user("Hi"), assistant("The wren is small.")],
            *(user("Hi"), assistant([text("The wren "), text("is small.")])),
        )

    def test_thinking(self) -> None:
        """Its thoughts go back to it, under both the names that engines know."""
        thinking = {"type": "thinking", "thinking": "A bird?", "signature": "EqQB"}
        self.assert_messages(
            [assistant("A wren.", reasoning_content="A bird?", reasoning="A bird?")],
            assistant([thinking, text("A wren.")]),
        )

    def test_other_models(self) -> None:
        """What another model left behind, and this one cannot read, is left out."""
        search = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
        found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
        hidden = {"type": "redacted_thinking", "data": "EmwK"}
        self.assert_messages(
            [assistant("A wren.")], assistant([hidden, search, found, text("A wren.")])
        )

    def test_silence(self) -> None:
        """A turn of which nothing is left is no message."""
        hidden = {"type": "redacted_thinking", "data": "EmwK"}
        for content in ("", [], [hidden]):
            self.assert_messages(
                [user("Hi"), user("Well?")], user("Hi"), assistant(content), user("Well?")
            )


class MistakeTests(ConversationCase):
    """
    Messages that cannot be read.
    """

    def test_none(self) -> None:
        """Without a message there is nothing to answer."""
        sentence = "'messages' must hold a message of the user"
        self.assert_refused(sentence)
        self.assert_refused(sentence, assistant(""))
        self.assert_refused(sentence, {"role": "system", "content": "Be brief."}, system="Hm")

    def test_shapes(self) -> None:
        """Each mistake is named with its place."""
        for given, sentence in (
            ("Hi", "'messages[0]' must be an object"),
            ({"content": "Hi"}, "'messages[0].role' must be a string that is not empty"),
            (
                {"role": "tool", "content": "Hi"},
                "'messages[0].role' must be 'user', 'assistant' or 'system'",
            ),
            (user(1), "'messages[0].content' must be a list"),
            (user(["Hi"]), "'messages[0].content[0]' must be an object"),
            (
                user([text(""), {}]),
                "'messages[0].content[1].type' must be a string that is not empty",
            ),
            (user([{"type": "text", "text": 1}]), "'messages[0].content[0].text' must be a string"),
            (
                user([tool_result("", "a")]),
                "'messages[0].content[0].tool_use_id' must be a string that is not empty",
            ),
            (
                user([tool_result("1", [{"type": "text", "text": 1}])]),
                "'messages[0].content[0].content[0].text' must be a string",
            ),
            (
                assistant([{**tool_use("1"), "input": "x"}]),
                "'messages[0].content[0].input' must be an object",
            ),
        ):
            self.assert_refused(sentence, given)
