# -*- test-case-name: ler.test.test_translation_responses_answer -*-
"""
Tests of L{ler.web.translation.responses.answer} and of the items in
L{ler.web.translation.responses.items}: streams.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import UpstreamError
from ler.test.test_translation_responses import CODEX, chunk, translation

PLAIN = {"input": "hi", "stream": True}

USAGE = {"choices": [], "usage": {"prompt_tokens": 25, "completion_tokens": 3}}


def call(index: int | None = None, **members: Any) -> dict[str, Any]:
    """
    @return: an event with a piece of a call, C{members} being those of its
        function but for C{id}.
    """
    piece: dict[str, Any] = {} if index is None else {"index": index}
    if "id" in members:
        piece["id"] = members.pop("id")
    return chunk(tool_calls=[{**piece, "function": members}])


class StreamCase(SynchronousTestCase):
    """
    Looks at streams.
    """

    def streamed(self, body: dict[str, Any], *events: dict[str, Any]) -> list[dict[str, Any]]:
        """
        @return: what the client of C{body} gets for C{events} and their end,
            less the numbers, which are checked.
        """
        made = translation(body)
        made.sent()
        said = [event for piece in events for event in made.event(piece)] + made.end()
        self.assertEqual(list(range(len(said))), [event.pop("sequence_number") for event in said])
        return said

    def between(self, body: dict[str, Any], *events: dict[str, Any]) -> list[dict[str, Any]]:
        """
        @return: like L{streamed}, without what begins and ends a response.
        """
        said = self.streamed(body, *events)
        self.assertEqual(
            ["response.created", "response.in_progress"], [event["type"] for event in said[:2]]
        )
        self.assertEqual("response.completed", said[-1]["type"])
        self.assertEqual(
            [event["item"] for event in said if event["type"] == "response.output_item.done"],
            sorted(said[-1]["response"]["output"], key=self.order(said).index),
        )
        return said[2:-1]

    def order(self, said: list[dict[str, Any]]) -> list[Any]:
        """
        @return: the items in the order in which they were done.
        """
        return [event["item"] for event in said if event["type"] == "response.output_item.done"]


class LifeTests(StreamCase):
    """
    How a response begins and ends.
    """

    def test_life(self) -> None:
        """The first event of the engine begins a response, and its end completes it."""
        made = translation(PLAIN)
        made.sent()
        created, in_progress = made.event(chunk(role="assistant", content=None))
        self.assertEqual("response.created", created["type"])
        self.assertEqual("response.in_progress", in_progress["type"])
        response = created["response"]
        self.assertEqual(response, in_progress["response"])
        self.assertEqual(
            ("resp_1", "in_progress", [], None, "local"),
            tuple(response[key] for key in ("id", "status", "output", "usage", "model")),
        )
        self.assertEqual([], made.event(chunk("stop")))
        self.assertEqual([], made.event(USAGE))
        [completed] = made.end()
        self.assertEqual("response.completed", completed["type"])
        self.assertEqual(2, completed["sequence_number"])
        self.assertEqual(
            {
                **response,
                "status": "completed",
                "completed_at": 1700000001,
                "usage": {
                    "input_tokens": 25,
                    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                    "output_tokens": 3,
                    "output_tokens_details": {"reasoning_tokens": 0},
                    "total_tokens": 28,
                },
            },
            completed["response"],
        )

    def test_silence(self) -> None:
        """A stream without events is a response without output."""
        self.assertEqual(
            ["response.created", "response.in_progress", "response.completed"],
            [event["type"] for event in self.streamed(PLAIN)],
        )

    def test_cut(self) -> None:
        """A response that was too long is incomplete, and so is what was written last."""
        said = self.streamed(
            PLAIN,
            chunk(reasoning_content="hm"),
            call(0, id="a", name="one", arguments="{}"),
            call(1, id="b", name="two", arguments='{"x": '),
            chunk("length"),
        )
        self.assertEqual("response.incomplete", said[-1]["type"])
        response = said[-1]["response"]
        self.assertEqual("incomplete", response["status"])
        self.assertEqual({"reason": "max_output_tokens"}, response["incomplete_details"])
        self.assertEqual(
            ["completed", "completed", "incomplete"],
            [item["status"] for item in response["output"]],
        )

    def test_filtered(self) -> None:
        """A response that was filtered is incomplete."""
        said = self.streamed(PLAIN, chunk("content_filter"))
        self.assertEqual({"reason": "content_filter"}, said[-1]["response"]["incomplete_details"])

    def test_early(self) -> None:
        """What the engine has finished is done at once, and not when its stream ends."""
        made = translation(PLAIN)
        made.event(call(0, id="a", name="look", arguments="{}"))
        self.assertEqual(
            ["response.function_call_arguments.done", "response.output_item.done"],
            [event["type"] for event in made.event(chunk("tool_calls"))],
        )

    def test_error(self) -> None:
        """An error in the stream is the engine's."""
        made = translation(PLAIN)
        made.event(chunk(content="On"))
        error = self.assertRaises(
            UpstreamError, made.event, {"error": {"message": "out of memory", "code": 500}}
        )
        self.assertEqual("out of memory", error.message)


class ProseTests(StreamCase):
    """
    Words and thoughts.
    """

    def test_message(self) -> None:
        """What the model says is a message with one part."""
        place = {"item_id": "msg_2", "output_index": 0, "content_index": 0}
        empty = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        full = {**empty, "text": "On it."}
        item = {"type": "message", "id": "msg_2", "role": "assistant"}
        self.assertEqual(
            [
                {
                    "type": "response.output_item.added",
                    "output_index": 0,
                    "item": {**item, "status": "in_progress", "content": []},
                },
                {"type": "response.content_part.added", **place, "part": empty},
                {"type": "response.output_text.delta", **place, "delta": "On", "logprobs": []},
                {"type": "response.output_text.delta", **place, "delta": " it.", "logprobs": []},
                {"type": "response.output_text.done", **place, "text": "On it.", "logprobs": []},
                {"type": "response.content_part.done", **place, "part": full},
                {
                    "type": "response.output_item.done",
                    "output_index": 0,
                    "item": {**item, "status": "completed", "content": [full]},
                },
            ],
            self.between(
                PLAIN,
                chunk(role="assistant", content=""),
                chunk(content="On"),
                chunk(content=" it."),
                chunk("stop"),
            ),
        )

    def test_logprobs(self) -> None:
        """The probabilities of the words go with them, and with the whole."""
        tokens = [{"token": "a", "logprob": -1.5, "bytes": [97], "top_logprobs": []}]
        event = chunk(content="a")
        event["choices"][0]["logprobs"] = {"content": tokens}
        said = self.between({**PLAIN, "top_logprobs": 1}, event, event)
        self.assertEqual([tokens, tokens], [said[2]["logprobs"], said[3]["logprobs"]])
        self.assertEqual(tokens * 2, said[4]["logprobs"])
        self.assertEqual(tokens * 2, said[6]["item"]["content"][0]["logprobs"])

    def test_thoughts(self) -> None:
        """What the model thinks is a reasoning whose content is the text."""
        place = {"item_id": "rs_2", "output_index": 0, "content_index": 0}
        item = {"type": "reasoning", "id": "rs_2", "summary": []}
        full = {"type": "reasoning_text", "text": "hmm"}
        self.assertEqual(
            [
                {
                    "type": "response.output_item.added",
                    "output_index": 0,
                    "item": {**item, "status": "in_progress", "content": []},
                },
                {"type": "response.content_part.added", **place, "part": {**full, "text": ""}},
                {"type": "response.reasoning_text.delta", **place, "delta": "hm"},
                {"type": "response.reasoning_text.delta", **place, "delta": "m"},
                {"type": "response.reasoning_text.done", **place, "text": "hmm"},
                {"type": "response.content_part.done", **place, "part": full},
                {
                    "type": "response.output_item.done",
                    "output_index": 0,
                    "item": {
                        **item,
                        "status": "completed",
                        "content": [full],
                        "encrypted_content": "engine-router:hmm",
                    },
                },
            ],
            self.between(PLAIN, chunk(reasoning="hm"), chunk(reasoning_content="m")),
        )

    def test_summary(self) -> None:
        """To a client that asks for a summary, what the model thinks is one."""
        place = {"item_id": "rs_2", "output_index": 0, "summary_index": 0}
        item = {"type": "reasoning", "id": "rs_2"}
        full = {"type": "summary_text", "text": "hm"}
        added, done = (
            "response.reasoning_summary_part.added",
            "response.reasoning_summary_part.done",
        )
        self.assertEqual(
            [
                {
                    "type": "response.output_item.added",
                    "output_index": 0,
                    "item": {**item, "status": "in_progress", "summary": []},
                },
                {"type": added, **place, "part": {**full, "text": ""}},
                {"type": "response.reasoning_summary_text.delta", **place, "delta": "hm"},
                {"type": "response.reasoning_summary_text.done", **place, "text": "hm"},
                {"type": done, **place, "part": full},
                {
                    "type": "response.output_item.done",
                    "output_index": 0,
                    "item": {
                        **item,
                        "status": "completed",
                        "summary": [full],
                        "encrypted_content": "engine-router:hm",
                    },
                },
            ],
            self.between(CODEX, chunk(reasoning_content="hm")),
        )

    def test_one_after_another(self) -> None:
        """What is said, thought or called ends what was said or thought before."""
        said = self.between(
            PLAIN,
            chunk(reasoning_content="hm"),
            chunk(content="So:"),
            chunk(reasoning_content="or?"),
            call(0, id="a", name="look", arguments="{}"),
            chunk(content="Done."),
        )
        self.assertEqual(
            [
                ("added", 0, "reasoning"),
                ("done", 0, "reasoning"),
                ("added", 1, "message"),
                ("done", 1, "message"),
                ("added", 2, "reasoning"),
                ("done", 2, "reasoning"),
                ("added", 3, "function_call"),
                ("added", 4, "message"),
                ("done", 3, "function_call"),
                ("done", 4, "message"),
            ],
            [
                (event["type"].rpartition(".")[2], event["output_index"], event["item"]["type"])
                for event in said
                if "item" in event
            ],
        )

    def test_refusal(self) -> None:
        """A refusal is said."""
        said = self.between(PLAIN, chunk(content=None, refusal="No."))
        self.assertEqual("No.", said[-1]["item"]["content"][0]["text"])


class CallTests(StreamCase):
    """
    Calls of tools.
    """

    def test_function(self) -> None:
        """The arguments of a function come as they are written."""
        place = {"item_id": "fc_2", "output_index": 0}
        item = {"type": "function_call", "id": "fc_2", "call_id": "a", "name": "exec_command"}
        arguments = '{"cmd": "ls"}'
        self.assertEqual(
            [
                {
                    "type": "response.output_item.added",
                    "output_index": 0,
                    "item": {**item, "status": "in_progress", "arguments": ""},
                },
                {"type": "response.function_call_arguments.delta", **place, "delta": '{"cmd"'},
                {"type": "response.function_call_arguments.delta", **place, "delta": ': "ls"}'},
                {
                    "type": "response.function_call_arguments.done",
                    **place,
                    "name": "exec_command",
                    "arguments": arguments,
                },
                {
                    "type": "response.output_item.done",
                    "output_index": 0,
                    "item": {**item, "status": "completed", "arguments": arguments},
                },
            ],
            self.between(
                CODEX,
                call(0, id="a", name="exec_command", arguments=""),
                call(0, arguments='{"cmd"'),
                call(0, arguments=': "ls"}'),
            ),
        )

    def test_freeform(self) -> None:
        """The input of a tool of free form is read out of the arguments."""
        place = {"item_id": "ctc_2", "output_index": 0}
        item = {"type": "custom_tool_call", "id": "ctc_2", "call_id": "a", "name": "apply_patch"}
        self.assertEqual(
            [
                {
                    "type": "response.output_item.added",
                    "output_index": 0,
                    "item": {**item, "status": "in_progress", "input": ""},
                },
                {"type": "response.custom_tool_call_input.delta", **place, "delta": "*** Be"},
                {"type": "response.custom_tool_call_input.delta", **place, "delta": "gin\n"},
                {"type": "response.custom_tool_call_input.done", **place, "input": "*** Begin\n"},
                {
                    "type": "response.output_item.done",
                    "output_index": 0,
                    "item": {**item, "status": "completed", "input": "*** Begin\n"},
                },
            ],
            self.between(
                CODEX,
                call(0, id="a", name="apply_patch", arguments='{"input": '),
                call(0, arguments='"*** Be'),
                call(0, arguments='gin\\n"'),
                call(0, arguments="}"),
            ),
        )

    def test_formless(self) -> None:
        """A tool of free form gets the arguments as they are, if they have no form."""
        said = self.between(CODEX, call(0, id="a", name="apply_patch", arguments="*** Begin"))
        self.assertEqual("*** Begin", said[1]["delta"])
        self.assertEqual("*** Begin", said[-1]["item"]["input"])

    def test_namespace(self) -> None:
        """A tool in a namespace is called by its own name, in it."""
        said = self.between(CODEX, call(0, id="a", name="mcp__docs__find", arguments="{}"))
        item = said[-1]["item"]
        self.assertEqual(("mcp__docs", "find"), (item["namespace"], item["name"]))

    def test_mixed(self) -> None:
        """Calls whose pieces come mixed are items of their own."""
        said = self.between(
            CODEX,
            call(0, id="a", name="exec_command"),
            call(1, id="b", name="apply_patch"),
            call(1, arguments='{"input": "x'),
            call(0, arguments='{"cmd":'),
            call(1, arguments='y"}'),
            call(0, arguments=' "ls"}'),
            chunk("tool_calls"),
        )
        self.assertEqual(
            [(1, "x"), (0, '{"cmd":'), (1, "y"), (0, ' "ls"}')],
            [(e["output_index"], e["delta"]) for e in said if e["type"].endswith(".delta")],
        )
        self.assertEqual(
            [(0, '{"cmd": "ls"}'), (1, "xy")],
            [
                (e["output_index"], e["item"].get("arguments") or e["item"].get("input"))
                for e in said
                if e["type"] == "response.output_item.done"
            ],
        )

    def called(self, *events: dict[str, Any]) -> list[tuple[str, str, str]]:
        """
        @return: how the client is told to call what, and with which arguments.
        """
        said = self.streamed(PLAIN, *events)
        return [
            (item["call_id"], item["name"], item["arguments"])
            for item in said[-1]["response"]["output"]
        ]

    def test_same_index(self) -> None:
        """Calls that an engine does not count are told apart by what it calls them."""
        for index in (0, None):
            self.assertEqual(
                [("a", "one", '{"x": 1}'), ("b", "two", "{}")],
                self.called(
                    call(index, id="a", name="one", arguments='{"x"'),
                    call(index, id="a", name="one", arguments=": 1}"),
                    call(index, id="b", name="two", arguments="{}"),
                ),
            )

    def test_uncounted(self) -> None:
        """Calls that come together are told apart by where they stand."""
        calls = [{"function": {"name": name, "arguments": "{}"}} for name in ("one", "two")]
        self.assertEqual(
            [("call_2", "one", "{}"), ("call_3", "two", "{}")], self.called(chunk(tool_calls=calls))
        )

    def test_no_arguments(self) -> None:
        """A call without arguments has none, in JSON."""
        self.assertEqual([("a", "one", "{}")], self.called(call(0, id="a", name="one")))

    def test_late_name(self) -> None:
        """A call begins when its tool is known, with the arguments that came before."""
        self.assertEqual(
            [("a", "one", '{"x": 1}')],
            self.called(call(0, id="a", arguments='{"x"'), call(0, name="one", arguments=": 1}")),
        )

    def test_decoded(self) -> None:
        """Arguments may have been decoded by the engine."""
        self.assertEqual(
            [("a", "one", '{"x": 1}')], self.called(call(0, id="a", name="one", arguments={"x": 1}))
        )

    def test_late_piece(self) -> None:
        """What the engine says of a call after it is done is nothing."""
        self.assertEqual(
            [("a", "one", "{}")],
            self.called(
                call(0, id="a", name="one", arguments="{}"),
                chunk("tool_calls"),
                call(0, arguments=" "),
            ),
        )

    def test_nameless(self) -> None:
        """A call of no tool is the engine's fault, and left out where it does not say that it
        is done."""
        nameless = call(0, id="a", name="", arguments="{}")
        self.assertEqual([], self.called(nameless))
        self.assertEqual([], self.called(nameless, chunk("length")))
        made = translation(PLAIN)
        made.event(nameless)
        self.assertRaises(UpstreamError, made.event, chunk("tool_calls"))
