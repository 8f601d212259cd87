# -*- test-case-name: ler.test.test_translation_ollama_options -*-
"""
Tests of L{ler.web.translation.ollama.options}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import BadRequest
from ler.test.ollama_case import asked
from ler.web.translation.ollama.options import logprobs, settings, thinking


def options(**given: Any) -> dict[str, Any]:
    """
    @return: what becomes of C{options}.
    """
    return settings(asked({"options": given}))


class OptionTests(SynchronousTestCase):
    """
    How tokens are chosen.
    """

    def test_none(self) -> None:
        """Nothing is said that the client does not say."""
        self.assertEqual({}, settings(asked({})))
        self.assertEqual({}, settings(asked({"options": None})))
        self.assertEqual({}, options(temperature=None, stop=None))

    def test_same(self) -> None:
        """Most have the same name everywhere."""
        same = {
            "temperature": 0.7,
            "top_p": 0.9,
            "min_p": 0,
            "typical_p": 1.0,
            "presence_penalty": -0.5,
            "frequency_penalty": 0.5,
            "seed": 42,
            "top_k": 20,
            "repeat_last_n": 64,
            "mirostat": 2,
            "mirostat_tau": 5.0,
            "mirostat_eta": 0.1,
            "stop": ["\n", "User:"],
        }
        self.assertEqual(same, options(**same))

    def test_repetition(self) -> None:
        """A penalty of repetition is told under both of its names."""
        self.assertEqual(
            {"repeat_penalty": 1.1, "repetition_penalty": 1.1}, options(repeat_penalty=1.1)
        )

    def test_budget(self) -> None:
        """A budget of tokens is told; one that is not positive is none."""
        self.assertEqual({"max_tokens": 128}, options(num_predict=128))
        self.assertEqual({"max_tokens": 128}, options(num_predict=128.0))
        for none in (0, -1, -2):
            self.assertEqual({}, options(num_predict=none))

    def test_stop(self) -> None:
        """A text to stop at may stand alone, and an empty list is none."""
        self.assertEqual({"stop": ["###"]}, options(stop="###"))
        self.assertEqual({}, options(stop=[]))

    def test_dropped(self) -> None:
        """What belongs to the loading of a model is dropped, like what nobody knows."""
        self.assertEqual(
            {},
            options(
                num_ctx=8192,
                num_batch=512,
                num_gpu=99,
                main_gpu=0,
                num_thread=8,
                num_keep=4,
                use_mmap=True,
                low_vram=False,
                draft_num_predict=4,
                wild=["guess"],
            ),
        )

    def test_wrong(self) -> None:
        """An option of the wrong type is a mistake that is named."""
        mistakes: list[tuple[dict[str, Any], str]] = [
            ({"temperature": "hot"}, "'options.temperature' must be a number"),
            ({"temperature": True}, "'options.temperature' must be a number"),
            ({"temperature": float("inf")}, "'options.temperature' must be a number"),
            ({"seed": 1.5}, "'options.seed' must be an integer"),
            ({"stop": [1]}, "'options.stop' must be a string, or a list of strings"),
            ({"stop": {}}, "'options.stop' must be a list"),
        ]
        for given, rule in mistakes:
            error = self.assertRaises(BadRequest, options, **given)
            self.assertEqual(rule, error.message)


class FormatTests(SynchronousTestCase):
    """
    The form of the answer.
    """

    def test_none(self) -> None:
        """An empty format is none."""
        for none in (None, ""):
            self.assertEqual({}, settings(asked({"format": none})))

    def test_json(self) -> None:
        """Any JSON may be wanted."""
        self.assertEqual(
            {"response_format": {"type": "json_object"}}, settings(asked({"format": "json"}))
        )

    def test_schema(self) -> None:
        """JSON of a certain schema may be wanted."""
        schema = {"type": "object", "properties": {"age": {"type": "integer"}}}
        self.assertEqual(
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "response", "schema": schema, "strict": True},
                }
            },
            settings(asked({"format": schema})),
        )

    def test_wrong(self) -> None:
        """There is no other format."""
        for wrong in ("yaml", True, ["json"]):
            error = self.assertRaises(BadRequest, settings, asked({"format": wrong}))
            self.assertEqual("'format' must be \"json\" or a JSON schema", error.message)


class ThinkingTests(SynchronousTestCase):
    """
    How much the model thinks.
    """

    def test_switch(self) -> None:
        """Thinking is switched where templates look for it."""
        for think in (True, False):
            self.assertEqual(
                {"chat_template_kwargs": {"enable_thinking": think}},
                thinking(asked({"think": think})),
            )

    def test_unsaid(self) -> None:
        """The engine decides when the client does not."""
        self.assertEqual({}, thinking(asked({})))

    def test_level(self) -> None:
        """A level is an effort, and the most is what every engine knows."""
        for think, effort in [
            ("low", "low"),
            ("medium", "medium"),
            ("high", "high"),
            ("max", "high"),
        ]:
            self.assertEqual({"reasoning_effort": effort}, thinking(asked({"think": think})))

    def test_wrong(self) -> None:
        """There is no other way to think."""
        others: tuple[Any, ...] = ("hard", "", 1, {}, [])
        for wrong in others:
            error = self.assertRaises(BadRequest, thinking, asked({"think": wrong}))
            self.assertEqual(
                "'think' must be true, false, or one of low, medium, high, max", error.message
            )


class ProbabilityTests(SynchronousTestCase):
    """
    The probabilities of tokens.
    """

    def test_unwanted(self) -> None:
        """They are not asked for unless the client says so, whatever else it says."""
        for body in ({}, {"logprobs": False}, {"top_logprobs": 5}):
            self.assertIsNone(logprobs(asked(body)))

    def test_wanted(self) -> None:
        """They come with as many alternatives as are wanted."""
        self.assertEqual(0, logprobs(asked({"logprobs": True})))
        self.assertEqual(20, logprobs(asked({"logprobs": True, "top_logprobs": 20})))

    def test_wrong(self) -> None:
        """There are bounds to the number of alternatives."""
        for wrong in (-1, 21):
            error = self.assertRaises(BadRequest, logprobs, asked({"top_logprobs": wrong}))
            self.assertEqual("'top_logprobs' must be between 0 and 20", error.message)
