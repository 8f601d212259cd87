# -*- test-case-name: ler.test.test_translation_to_ollama -*-
"""
Tests of L{ler.web.translation.to_ollama.generations}.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from ler.errors import BadRequest, UpstreamError
from ler.web.translation.contract import Circumstances
from ler.web.translation.to_ollama import ChatToOllama, CompletionToOllama

WALL = 1767225600.75

CHAT: dict[str, Any] = {
    "model": "qwen",
    "messages": [{"role": "user", "content": "Why is the sky blue?"}],
}

COMPLETION: dict[str, Any] = {"model": "coder", "prompt": "def add(a, b):\n"}

COUNTERS = {
    "total_duration": 4883583458,
    "load_duration": 1334875,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 342546000,
    "eval_count": 282,
    "eval_duration": 4535599000,
}

USAGE = {"prompt_tokens": 26, "completion_tokens": 282, "total_tokens": 308}

ABOUT = {"model": "qwen3:8b", "created_at": "2026-01-01T00:00:00.123456789Z"}

LOGPROBS = [
    {
        "token": "Ra",
        "logprob": -0.25,
        "bytes": [82, 97],
        "top_logprobs": [
            {"token": "Ra", "logprob": -0.25, "bytes": [82, 97]},
            {"token": "The", "logprob": -1.5, "bytes": [84, 104, 101]},
        ],
    },
    {"token": "yleigh", "logprob": -0.5},
]


def circumstances() -> Circumstances:
    """
    @return: a morning on which the client calls the model by its own name,
        and ids are numbers.
    """
    numbers = count(1)
    return Circumstances("qwen", wall=lambda: WALL, new_id=lambda: str(next(numbers)))


def chat_line(done: str | None = None, **message: Any) -> dict[str, Any]:
    """
    @param done: the reason why it is the last.
    @return: a line of C{/api/chat}.
    """
    line = {**ABOUT, "message": {"role": "assistant", "content": "", **message}}
    return {**line, "done": False} if done is None else {**line, **ended(done)}


def text_line(text: str, done: str | None = None, **more: Any) -> dict[str, Any]:
    """
    @param done: the reason why it is the last.
    @return: a line of C{/api/generate}.
    """
    line = {**ABOUT, "response": text, **more}
    return {**line, "done": False} if done is None else {**line, **ended(done)}


def ended(reason: str) -> dict[str, Any]:
    """
    @return: what a last line says beside its text.
    """
    return {"done": True, "done_reason": reason, **COUNTERS}


def tool_call(name: str, arguments: Any, **more: Any) -> dict[str, Any]:
    """
    @return: a call, as an Ollama says it.
    """
    return {**more, "function": {"name": name, "arguments": arguments}}


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    """
    @return: an event of a chat completion.
    """
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1767225600,
        "model": "qwen",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish, **more}],
    }


def streamed(translation: Any, *lines: dict[str, Any]) -> list[dict[str, Any]]:
    """
    @return: all the events that lines become.
    """
    translation.sent()
    events = [event for line in lines for event in translation.event(line)]
    return [*events, *translation.end()]


def answered(translation: Any, line: dict[str, Any]) -> Any:
    """
    @return: what a whole answer becomes.
    """
    translation.sent()
    return translation.document(line)


class ChatRequestTests(SynchronousTestCase):
    """
    L{ChatToOllama} asks for a chat.
    """

    def test_least(self) -> None:
        """The least request says that there is to be no stream, which Ollama would send."""
        translation = ChatToOllama(CHAT, circumstances())
        self.assertEqual("/api/chat", translation.path)
        self.assertFalse(translation.streams)
        self.assertEqual(
            {"model": "qwen3:8b", "messages": CHAT["messages"], "stream": False},
            translation.request("qwen3:8b"),
        )

    def test_most(self) -> None:
        """A request that says much goes on whole."""
        function = {"name": "weather", "parameters": {"type": "object", "properties": {}}}
        body = {
            **CHAT,
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0.2,
            "max_completion_tokens": 100,
            "stop": "END",
            "tools": [{"type": "function", "function": function}],
            "tool_choice": "auto",
            "parallel_tool_calls": True,
            "response_format": {"type": "json_object"},
            "reasoning_effort": "low",
            "logprobs": True,
            "top_logprobs": 2,
            "user": "ann",
            "store": False,
        }
        translation = ChatToOllama(body, circumstances())
        self.assertTrue(translation.streams)
        self.assertEqual(
            {
                "model": "qwen3:8b",
                "messages": CHAT["messages"],
                "stream": True,
                "options": {"temperature": 0.2, "num_predict": 100, "stop": ["END"]},
                "tools": [{"type": "function", "function": function}],
                "format": "json",
                "think": "low",
                "logprobs": True,
                "top_logprobs": 2,
            },
            translation.request("qwen3:8b"),
        )

    def test_refused(self) -> None:
        """What Ollama cannot do is refused before anybody waits for it."""
        error = self.assertRaises(BadRequest, ChatToOllama, {**CHAT, "n": 2}, circumstances())
        self.assertIn("'n' is beyond the engine", error.message)


class ChatAnswerTests(SynchronousTestCase):
    """
    L{ChatToOllama} answers in one piece.
    """

    def choice(self, line: dict[str, Any]) -> dict[str, Any]:
        """
        @return: the choice of the answer.
        """
        (choice,) = answered(ChatToOllama(CHAT, circumstances()), line)["choices"]
        return dict(choice)

    def test_text(self) -> None:
        """A text is a message, of the model that the client asked for."""
        self.assertEqual(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1767225600,
                "model": "qwen",
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": "Rayleigh."},
                        "finish_reason": "stop",
                    }
                ],
                "usage": USAGE,
            },
            answered(ChatToOllama(CHAT, circumstances()), chat_line("stop", content="Rayleigh.")),
        )

    def test_thinking(self) -> None:
        """What the model thought stands beside what it says."""
        choice = self.choice(chat_line("length", content="Ray", thinking="Light..."))
        self.assertEqual(
            {"role": "assistant", "content": "Ray", "reasoning_content": "Light..."},
            choice["message"],
        )
        self.assertEqual("length", choice["finish_reason"])

    def test_calls(self) -> None:
        """Calls have ids, and their arguments are text."""
        calls = [
            tool_call("weather", {"city": "Zürich"}, id="call_a"),
            tool_call("time", {}),
        ]
        choice = self.choice(chat_line("stop", tool_calls=calls))
        self.assertEqual(
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_a",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city": "Zürich"}'},
                    },
                    {
                        "id": "call_2",
                        "type": "function",
                        "function": {"name": "time", "arguments": "{}"},
                    },
                ],
            },
            choice["message"],
        )
        self.assertEqual("tool_calls", choice["finish_reason"])

    def test_logprobs(self) -> None:
        """Probabilities stand where a client looks for them, with all that it wants."""
        choice = self.choice({**chat_line("stop", content="Rayleigh"), "logprobs": LOGPROBS})
        second = {"token": "yleigh", "logprob": -0.5, "bytes": None, "top_logprobs": []}
        self.assertEqual({"content": [LOGPROBS[0], second]}, choice["logprobs"])

    def test_uncounted(self) -> None:
        """What the engine does not count is nothing."""
        line = {key: value for key, value in chat_line("stop").items() if key not in COUNTERS}
        answer = answered(ChatToOllama(CHAT, circumstances()), line)
        self.assertEqual(
            {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, answer["usage"]
        )

    def test_error(self) -> None:
        """An error is told in the engine's words."""
        translation = ChatToOllama(CHAT, circumstances())
        error = {"error": "model runner has stopped"}
        raised = self.assertRaises(UpstreamError, translation.document, error)
        self.assertEqual("model runner has stopped", raised.message)

    def test_senseless(self) -> None:
        """What no Ollama says is an error that tells what is wrong with it."""
        for answer, reason in (
            ({}, "'message' is missing"),
            ([], "the whole must be an object"),
            (chat_line(content=7), "'message.content' must be a string"),
            (chat_line(tool_calls=[{}]), "'message.tool_calls[0].function.name' must be a string"),
            (
                chat_line(tool_calls=[tool_call("f", [])]),
                "function.arguments' must be a JSON object",
            ),
            ({**chat_line("stop"), "eval_count": "many"}, "'eval_count' must be an integer"),
        ):
            translation = ChatToOllama(CHAT, circumstances())
            raised = self.assertRaises(UpstreamError, translation.document, answer)
            self.assertIn("the engine's answer cannot be read: ", raised.message)
            self.assertIn(reason, raised.message)


class ChatStreamTests(SynchronousTestCase):
    """
    L{ChatToOllama} answers piece by piece.
    """

    def setUp(self) -> None:
        """Ask for a stream."""
        self.translation = ChatToOllama({**CHAT, "stream": True}, circumstances())

    def test_text(self) -> None:
        """The role comes first, then each piece of text, then the reason for the end."""
        self.assertEqual(
            [
                chunk({"role": "assistant", "content": ""}),
                chunk({"content": "Ray"}),
                chunk({"content": "leigh"}),
                chunk({}, "stop"),
            ],
            streamed(
                self.translation,
                chat_line(content="Ray"),
                chat_line(),
                chat_line(content="leigh"),
                chat_line("stop"),
            ),
        )

    def test_thinking(self) -> None:
        """What the model thinks comes apart from what it says."""
        self.assertEqual(
            [
                {"role": "assistant", "content": ""},
                {"reasoning_content": "Hm"},
                {"reasoning_content": "m."},
                {"content": "Blue"},
                {},
            ],
            [
                event["choices"][0]["delta"]
                for event in streamed(
                    self.translation,
                    chat_line(thinking="Hm"),
                    chat_line(content="Blue", thinking="m."),
                    chat_line("stop"),
                )
            ],
        )

    def test_last_line_speaks(self) -> None:
        """A text in the last line is no less a text."""
        events = streamed(self.translation, chat_line("length", content="Blue"))
        self.assertEqual(
            [
                chunk({"role": "assistant", "content": ""}),
                chunk({"content": "Blue"}),
                chunk({}, "length"),
            ],
            events,
        )

    def test_calls(self) -> None:
        """Each call comes whole, with an index and an id of its own, though the engine
        numbers each line's anew."""
        events = streamed(
            self.translation,
            chat_line(content="Well,", tool_calls=[tool_call("a", {"x": 1}, id="call_x")]),
            chat_line(tool_calls=[tool_call("b", None), tool_call("c", '{"y": 2}')]),
            chat_line("stop"),
        )
        self.assertEqual(
            [
                chunk({"role": "assistant", "content": ""}),
                chunk({"content": "Well,"}),
                chunk({"tool_calls": [delta_call(0, "call_x", "a", '{"x": 1}')]}),
                chunk(
                    {
                        "tool_calls": [
                            delta_call(1, "call_2", "b", "{}"),
                            delta_call(2, "call_3", "c", '{"y": 2}'),
                        ]
                    }
                ),
                chunk({}, "tool_calls"),
            ],
            events,
        )

    def test_usage(self) -> None:
        """Who asks for the usage gets it at the very end."""
        body = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
        events = streamed(
            ChatToOllama(body, circumstances()), chat_line(content="x"), chat_line("stop")
        )
        self.assertEqual(chunk({}, "stop"), events[-2])
        self.assertEqual({**chunk({}), "choices": [], "usage": USAGE}, events[-1])

    def test_logprobs(self) -> None:
        """Probabilities come with the piece that they belong to, or alone."""
        events = streamed(
            self.translation,
            {**chat_line(content="Ra"), "logprobs": LOGPROBS[:1]},
            {**chat_line(), "logprobs": LOGPROBS[:1]},
            chat_line("stop"),
        )
        about: dict[str, Any] = {"logprobs": {"content": LOGPROBS[:1]}}
        self.assertEqual([chunk({"content": "Ra"}, **about), chunk({}, **about)], events[1:3])

    def test_error(self) -> None:
        """An error in the midst of a stream is told in the engine's words."""
        self.translation.event(chat_line(content="Ray"))
        raised = self.assertRaises(
            UpstreamError, self.translation.event, {"error": "an error was encountered"}
        )
        self.assertEqual("an error was encountered", raised.message)


def delta_call(index: int, id: str, name: str, arguments: str) -> dict[str, Any]:
    """
    @return: a call in an event of OpenAI's.
    """
    function = {"name": name, "arguments": arguments}
    return {"index": index, "id": id, "type": "function", "function": function}


class CompletionRequestTests(SynchronousTestCase):
    """
    L{CompletionToOllama} asks for a completion.
    """

    def test_raw(self) -> None:
        """The prompt goes to the model as it is, without any template."""
        body = {**COMPLETION, "stream": True, "max_tokens": 16, "logprobs": 3}
        translation = CompletionToOllama(body, circumstances())
        self.assertEqual("/api/generate", translation.path)
        self.assertEqual(
            {
                "model": "coder:7b",
                "prompt": "def add(a, b):\n",
                "raw": True,
                "stream": True,
                "options": {"num_predict": 16},
                "logprobs": True,
                "top_logprobs": 3,
            },
            translation.request("coder:7b"),
        )

    def test_suffix(self) -> None:
        """To fill a gap takes the model's template, so the prompt is not raw."""
        body = {**COMPLETION, "suffix": "\nprint(add(1, 2))"}
        self.assertEqual(
            {
                "model": "coder:7b",
                "prompt": "def add(a, b):\n",
                "suffix": "\nprint(add(1, 2))",
                "stream": False,
            },
            CompletionToOllama(body, circumstances()).request("coder:7b"),
        )

    def test_list_of_one(self) -> None:
        """One prompt may stand in a list."""
        request = CompletionToOllama({"prompt": ["a"]}, circumstances()).request("m")
        self.assertEqual("a", request["prompt"])

    def test_refused(self) -> None:
        """Tokens, more prompts than one, and none are refused: nothing would only load the
        model."""
        for prompt in (["a", "b"], [1, 2], [[1]], "", [], None, 7):
            error = self.assertRaises(
                BadRequest, CompletionToOllama, {"prompt": prompt}, circumstances()
            )
            self.assertIn("'prompt' must be one text that is not empty", error.message)

    def test_no_logprobs(self) -> None:
        """Who says that there shall be no probabilities gets none."""
        request = CompletionToOllama({"prompt": "a", "logprobs": False}, circumstances())
        self.assertNotIn("logprobs", request.request("m"))


class CompletionAnswerTests(SynchronousTestCase):
    """
    L{CompletionToOllama} answers.
    """

    def test_whole(self) -> None:
        """A text is a completion."""
        self.assertEqual(
            {
                "id": "cmpl-1",
                "object": "text_completion",
                "created": 1767225600,
                "model": "qwen",
                "choices": [
                    {
                        "index": 0,
                        "text": "    return a + b",
                        "logprobs": None,
                        "finish_reason": "length",
                    }
                ],
                "usage": USAGE,
            },
            answered(
                CompletionToOllama(COMPLETION, circumstances()),
                text_line("    return a + b", "length", context=[1, 2, 3]),
            ),
        )

    def test_stream(self) -> None:
        """Each piece of text is an event, then comes the reason for the end, then the usage."""
        body = {**COMPLETION, "stream": True, "stream_options": {"include_usage": True}}
        events = streamed(
            CompletionToOllama(body, circumstances()),
            text_line("a"),
            text_line("", thinking="Hm"),
            text_line(" + b"),
            text_line("", "stop"),
        )
        self.assertEqual(
            [("a", None), (" + b", None), ("", "stop")],
            [
                (choice["text"], choice["finish_reason"])
                for event in events
                for choice in event["choices"]
            ],
        )
        self.assertEqual(([], USAGE), (events[-1]["choices"], events[-1]["usage"]))

    def test_logprobs(self) -> None:
        """Probabilities have their older form, and their places in the whole text."""
        events = streamed(
            CompletionToOllama({**COMPLETION, "stream": True, "logprobs": 2}, circumstances()),
            text_line("Rayleigh", logprobs=LOGPROBS),
            text_line("Ra", logprobs=LOGPROBS[:1]),
            text_line("", "stop"),
        )
        tops = {"Ra": -0.25, "The": -1.5}
        self.assertEqual(
            [
                {
                    "tokens": ["Ra", "yleigh"],
                    "token_logprobs": [-0.25, -0.5],
                    "top_logprobs": [tops, {}],
                    "text_offset": [0, 2],
                },
                {
                    "tokens": ["Ra"],
                    "token_logprobs": [-0.25],
                    "top_logprobs": [tops],
                    "text_offset": [8],
                },
                None,
            ],
            [event["choices"][0]["logprobs"] for event in events],
        )

    def test_senseless(self) -> None:
        """What no Ollama says is an error."""
        translation = CompletionToOllama(COMPLETION, circumstances())
        raised = self.assertRaises(UpstreamError, translation.document, chat_line(content="x"))
        self.assertIn("'response' is missing", raised.message)


class SDKTests(SynchronousTestCase):
    """
    OpenAI's own client understands the answers.
    """

    CALLS = (tool_call("a", {"x": 1}), tool_call("b", {}))

    def test_whole(self) -> None:
        """A whole answer is one by the client's own types."""
        try:
            from openai.types import Completion
            from openai.types.chat import ChatCompletion
        except ImportError:
            raise SkipTest("openai is not installed") from None
        line = {**chat_line("stop", tool_calls=list(self.CALLS)), "logprobs": LOGPROBS}
        ChatCompletion.model_validate(answered(ChatToOllama(CHAT, circumstances()), line))
        spoken = text_line("x", "stop", logprobs=LOGPROBS)
        Completion.model_validate(answered(CompletionToOllama(COMPLETION, circumstances()), spoken))

    def test_stream(self) -> None:
        """The client puts a stream together to what was said."""
        try:
            from openai.lib.streaming.chat import ChatCompletionStreamState
            from openai.types.chat import ChatCompletionChunk
        except ImportError:
            raise SkipTest("openai is not installed") from None
        body = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
        state = ChatCompletionStreamState()
        for event in streamed(
            ChatToOllama(body, circumstances()),
            chat_line(thinking="Hm"),
            chat_line(content="Well,"),
            chat_line(tool_calls=[self.CALLS[0]]),
            chat_line(tool_calls=[self.CALLS[1]]),
            chat_line("stop"),
        ):
            state.handle_chunk(ChatCompletionChunk.model_validate(event))
        completion = state.get_final_completion()
        message = completion.choices[0].message
        self.assertEqual("Well,", message.content)
        self.assertEqual("tool_calls", completion.choices[0].finish_reason)
        self.assertEqual(
            [("a", '{"x": 1}'), ("b", "{}")],
            [(call.function.name, call.function.arguments) for call in message.tool_calls or ()],
        )
        assert completion.usage is not None
        self.assertEqual(USAGE["total_tokens"], completion.usage.total_tokens)
