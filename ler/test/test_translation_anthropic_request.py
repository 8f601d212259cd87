# -*- test-case-name: ler.test.test_translation_anthropic_request -*-
"""
Tests of L{ler.web.translation.anthropic.request}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import BadRequest
from ler.web.translation.anthropic.request import chat_request
from ler.web.translation.fields import Fields

MESSAGES = [{"role": "user", "content": "Hi"}]

SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}

LOOK = {"name": "look", "description": "Look at it.", "input_schema": SCHEMA}
LOOK_FUNCTION = {
    "type": "function",
    "function": {"name": "look", "description": "Look at it.", "parameters": SCHEMA},
}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}


class RequestCase(SynchronousTestCase):
    """
    Says what becomes of a request beside its messages.
    """

    def assert_becomes(self, expected: dict[str, Any], **given: Any) -> None:
        """
        Fail unless the fields C{given} become C{expected}.
        """
        request = chat_request(Fields({"messages": MESSAGES, **given}, BadRequest))
        self.assertEqual({"messages": MESSAGES, **expected}, request)

    def assert_refused(self, sentence: str, **given: Any) -> None:
        """
        Fail unless C{given} are refused with C{sentence}.
        """
        body = Fields({"messages": MESSAGES, **given}, BadRequest)
        error = self.assertRaises(BadRequest, chat_request, body)
        self.assertEqual(sentence, error.message)


class SamplingTests(RequestCase):
    """
    How the answer is to be written.
    """

    def test_same_names(self) -> None:
        """Four settings have the same names."""
        same = {"max_tokens": 1024, "temperature": 0, "top_p": 0.9, "top_k": 40}
        self.assert_becomes(same, **same)

    def test_defaults(self) -> None:
        """Nothing is made up where nothing is said."""
        self.assert_becomes({})
        self.assert_becomes({}, max_tokens=None, temperature=None, stop_sequences=[], tools=None)

    def test_stop_sequences(self) -> None:
        """Texts that end the answer have another name."""
        self.assert_becomes({"stop": ["\n\nHuman:"]}, stop_sequences=["\n\nHuman:"])

    def test_dropped(self) -> None:
        """What does not change the answer is left out."""
        self.assert_becomes(
            {},
            metadata={"user_id": "user_1"},
            service_tier="auto",
            cache_control={"type": "ephemeral"},
            context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            anthropic_beta=["effort-2025-11-24"],
            speed="fast",
        )

    def test_mistakes(self) -> None:
        """Each mistake is named."""
        self.assert_refused("'max_tokens' must be a number", max_tokens="1024")
        self.assert_refused("'temperature' must be a number", temperature=True)
        self.assert_refused("'top_p' must be a number", top_p=float("inf"))
        self.assert_refused("'stop_sequences' must be a list", stop_sequences={})
        self.assert_refused(
            "'stop_sequences' must be a string, or a list of strings", stop_sequences=["x", 1]
        )


class ToolTests(RequestCase):
    """
    Tools that are offered.
    """

    def test_functions(self) -> None:
        """Tools become functions."""
        bare = {"type": "custom", "name": "wait", "cache_control": {"type": "ephemeral"}}
        wait = {"name": "wait", "parameters": {"type": "object", "properties": {}}}
        self.assert_becomes(
            {"tools": [LOOK_FUNCTION, {"type": "function", "function": wait}]},
            tools=[LOOK, bare],
        )

    def test_strict(self) -> None:
        """Arguments that must follow the schema still must."""
        function = {**LOOK, "parameters": SCHEMA, "strict": True}
        del function["input_schema"]
        self.assert_becomes(
            {"tools": [{"type": "function", "function": function}]},
            tools=[{**LOOK, "strict": True}],
        )

    def test_choice(self) -> None:
        """A choice has other names."""
        named = {"type": "function", "function": {"name": "look"}}
        for given, expected in (
            ({"type": "auto"}, "auto"),
            ({"type": "any"}, "required"),
            ({"type": "none"}, "none"),
            ({"type": "tool", "name": "look"}, named),
        ):
            self.assert_becomes(
                {"tools": [LOOK_FUNCTION], "tool_choice": expected}, tools=[LOOK], tool_choice=given
            )

    def test_one_at_a_time(self) -> None:
        """A client may want one call at a time."""
        self.assert_becomes(
            {"tools": [LOOK_FUNCTION], "tool_choice": "auto", "parallel_tool_calls": False},
            tools=[LOOK],
            tool_choice={"type": "auto", "disable_parallel_tool_use": True},
        )

    def test_idle_choice(self) -> None:
        """A choice among no tools goes nowhere, unless it insists on one."""
        self.assert_becomes({}, tool_choice={"type": "auto"})
        self.assert_becomes({}, tool_choice={"type": "none"}, tools=[])
        sentence = "'tool_choice' asks for a tool, but 'tools' offers none"
        self.assert_refused(sentence, tool_choice={"type": "any"})
        self.assert_refused(sentence, tool_choice={"type": "tool", "name": "look"}, tools=[])

    def test_tools_of_others(self) -> None:
        """Beside tools of the client's own, the model does without Anthropic's."""
        self.assert_becomes({"tools": [LOOK_FUNCTION]}, tools=[SEARCH, LOOK])

    def test_only_tools_of_others(self) -> None:
        """A request that is about Anthropic's tools would get an answer made up."""
        self.assert_refused(
            "'tools' holds only tools that Anthropic's own models and servers know; this engine "
            "can be given tools that are described by an 'input_schema'",
            tools=[SEARCH],
        )
        self.assert_refused(
            "'tool_choice' asks for 'web_search', but 'tools' does not describe it by an "
            "'input_schema', so this engine cannot be given it",
            tools=[SEARCH, LOOK],
            tool_choice={"type": "tool", "name": "web_search"},
        )

    def test_mistakes(self) -> None:
        """Each mistake is named."""
        for tools, sentence in (
            ({}, "'tools' must be a list"),
            (["look"], "'tools[0]' must be an object"),
            ([{"input_schema": {}}], "'tools[0].name' must be a string that is not empty"),
            ([{**LOOK, "input_schema": 1}], "'tools[0].input_schema' must be an object"),
            ([{**LOOK, "description": 1}], "'tools[0].description' must be a string"),
        ):
            self.assert_refused(sentence, tools=tools)
        self.assert_refused("'tool_choice' must be an object", tool_choice="auto")
        self.assert_refused(
            "'tool_choice.type' must be 'auto', 'any', 'tool' or 'none'",
            tool_choice={"type": "required"},
        )


class FormatTests(RequestCase):
    """
    Answers of a certain form.
    """

    def test_schema(self) -> None:
        """A schema is a response format, under both its names."""
        given = {"type": "json_schema", "schema": SCHEMA}
        described = {"name": "response", "schema": SCHEMA, "strict": True}
        expected = {"response_format": {"type": "json_schema", "json_schema": described}}
        self.assert_becomes(expected, output_config={"format": given})
        self.assert_becomes(expected, output_format=given)
        self.assert_becomes({}, output_config={"format": None}, output_format=None)

    def test_mistakes(self) -> None:
        """Each mistake is named."""
        self.assert_refused(
            "'output_config.format.type' must be 'json_schema'",
            output_config={"format": {"type": "json"}},
        )
        self.assert_refused(
            "'output_format.schema' must be an object", output_format={"type": "json_schema"}
        )


class ReasoningTests(RequestCase):
    """
    Whether the model thinks.
    """

    def test_thinking(self) -> None:
        """Templates have one switch for it."""
        for kind, thinks in (("enabled", True), ("adaptive", True), ("disabled", False)):
            self.assert_becomes(
                {"chat_template_kwargs": {"enable_thinking": thinks}},
                thinking={"type": kind, "budget_tokens": 1024},
            )

    def test_default(self) -> None:
        """Where the client says nothing that can be told, the model does as it uses to."""
        self.assert_becomes({}, thinking=None)
        self.assert_becomes({}, thinking={"type": "between_tools"})

    def test_effort(self) -> None:
        """Engines know three efforts, and none of a model that does not think."""
        for given, expected in (
            ("low", "low"),
            ("medium", "medium"),
            ("high", "high"),
            ("xhigh", "high"),
            ("max", "high"),
        ):
            self.assert_becomes({"reasoning_effort": expected}, output_config={"effort": given})
        self.assert_becomes({}, output_config={"effort": "heroic"})
        self.assert_becomes(
            {"chat_template_kwargs": {"enable_thinking": False}},
            output_config={"effort": "high"},
            thinking={"type": "disabled"},
        )

    def test_mistakes(self) -> None:
        """Each mistake is named."""
        self.assert_refused("'thinking' must be an object", thinking=True)
        self.assert_refused("'thinking.type' must be a string", thinking={"type": 1})
        self.assert_refused("'output_config.effort' must be a string", output_config={"effort": 1})


class BegunTests(RequestCase):
    """
    Answers that the client has begun.
    """

    def test_begun(self) -> None:
        """The model goes on with them, without thinking first."""
        said = [*MESSAGES, {"role": "assistant", "content": "{"}]
        self.assert_becomes(
            {
                "messages": said,
                "add_generation_prompt": False,
                "continue_final_message": True,
                "chat_template_kwargs": {"enable_thinking": False},
            },
            messages=said,
        )

    def test_called(self) -> None:
        """A call that has no result yet is no beginning."""
        call = {"type": "tool_use", "id": "1", "name": "look", "input": {}}
        body = {"messages": [*MESSAGES, {"role": "assistant", "content": [call]}]}
        self.assertEqual(["messages"], list(chat_request(Fields(body, BadRequest))))
