# -*- test-case-name: ler.test.test_translation_to_ollama_options -*-
"""
Tests of L{ler.web.translation.to_ollama.options}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import BadRequest
from ler.web.translation.fields import Fields
from ler.web.translation.to_ollama.options import refuse_lost, settings

SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


def set_by(**body: Any) -> dict[str, Any]:
    """
    @return: what a body makes of Ollama's request.
    """
    return settings(Fields(body, BadRequest))


class OptionsTests(SynchronousTestCase):
    """
    L{settings} says how to sample.
    """

    def test_names(self) -> None:
        """Everything that Ollama can do has its name there."""
        same: dict[str, Any] = {
            "temperature": 0,
            "top_p": 0.9,
            "min_p": 0.05,
            "typical_p": 0.7,
            "presence_penalty": -1.5,
            "frequency_penalty": 1.0,
            "seed": 42,
            "top_k": 40,
            "repeat_last_n": 64,
            "mirostat": 2,
            "mirostat_tau": 5.0,
            "mirostat_eta": 0.1,
        }
        self.assertEqual(
            {"options": {**same, "repeat_penalty": 1.1, "num_predict": 100, "stop": ["a", "b"]}},
            set_by(**same, repetition_penalty=1.1, max_tokens=100.0, stop=["a", "b"]),
        )

    def test_silence(self) -> None:
        """What the client does not say is left to the model's file."""
        self.assertEqual({}, set_by())
        self.assertEqual({}, set_by(temperature=None, stop=None, max_tokens=None, user="ann"))
        self.assertEqual({}, set_by(stop=[], response_format={"type": "text"}))

    def test_stop(self) -> None:
        """One text to stop at is a list of one."""
        self.assertEqual({"options": {"stop": ["END"]}}, set_by(stop="END"))
        error = self.assertRaises(BadRequest, set_by, stop=["a", 1])
        self.assertEqual("'stop' must be a string, or a list of strings", error.message)

    def test_budget(self) -> None:
        """The newer name of the budget wins, and less than nothing is no end."""
        self.assertEqual(
            {"options": {"num_predict": 7}}, set_by(max_tokens=5, max_completion_tokens=7)
        )
        self.assertEqual({"options": {"num_predict": -1}}, set_by(max_tokens=-2))

    def test_no_budget(self) -> None:
        """A budget of nothing is refused: Ollama would go on without end."""
        error = self.assertRaises(BadRequest, set_by, max_tokens=0)
        self.assertEqual("'max_tokens' must be at least 1", error.message)

    def test_wrong(self) -> None:
        """Numbers are numbers."""
        self.assertRaises(BadRequest, set_by, temperature="hot")
        self.assertRaises(BadRequest, set_by, top_k=0.5)
        self.assertRaises(BadRequest, set_by, top_p=float("inf"))


class FormatTests(SynchronousTestCase):
    """
    L{settings} says in which form.
    """

    def test_json(self) -> None:
        """Any JSON is a word."""
        self.assertEqual({"format": "json"}, set_by(response_format={"type": "json_object"}))
        empty = {"type": "json_schema", "json_schema": {"name": "any"}}
        self.assertEqual({"format": "json"}, set_by(response_format=empty))

    def test_schema(self) -> None:
        """A schema stands for itself, wherever the client has it."""
        said = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
        self.assertEqual({"format": SCHEMA}, set_by(response_format=said))
        llama = {"type": "json_object", "schema": SCHEMA}
        self.assertEqual({"format": SCHEMA}, set_by(response_format=llama))

    def test_unknown(self) -> None:
        """Another format is refused."""
        error = self.assertRaises(BadRequest, set_by, response_format={"type": "xml"})
        self.assertIn("'response_format.type' must be text, json_object or", error.message)


class ThinkingTests(SynchronousTestCase):
    """
    L{settings} says whether to think, and how much.
    """

    def test_template(self) -> None:
        """A switch of the template is Ollama's switch, under both its names."""
        for name in ("enable_thinking", "thinking"):
            for value in (True, False):
                self.assertEqual({"think": value}, set_by(chat_template_kwargs={name: value}))
        self.assertEqual({}, set_by(chat_template_kwargs={"foo": 1}))

    def test_effort(self) -> None:
        """Each effort has its level, wherever the client has it."""
        for effort, level in (
            ("none", False),
            ("minimal", "low"),
            ("low", "low"),
            ("Medium", "medium"),
            ("high", "high"),
            ("xhigh", "max"),
        ):
            self.assertEqual({"think": level}, set_by(reasoning_effort=effort))
            self.assertEqual({"think": level}, set_by(reasoning={"effort": effort}))

    def test_both(self) -> None:
        """An effort says more than a switch, unless that is off."""
        on, off = {"enable_thinking": True}, {"enable_thinking": False}
        self.assertEqual(
            {"think": "high"}, set_by(reasoning_effort="high", chat_template_kwargs=on)
        )
        self.assertEqual(
            {"think": False}, set_by(reasoning_effort="high", chat_template_kwargs=off)
        )

    def test_unknown(self) -> None:
        """An effort that nobody knows is refused."""
        error = self.assertRaises(BadRequest, set_by, reasoning_effort="some")
        self.assertIn("'reasoning_effort' must be one of none, minimal, low", error.message)


class LostTests(SynchronousTestCase):
    """
    L{refuse_lost} refuses what Ollama has no word for.
    """

    def test_refused(self) -> None:
        """What would change the answer is refused, with what to do about it."""
        for body, cure in (
            ({"n": 2}, "leave it out, and ask more than once"),
            ({"best_of": 3}, "leave it out"),
            ({"echo": True}, "leave it out"),
            ({"logit_bias": {"50256": -100}}, "leave it out"),
            ({"modalities": ["text", "audio"]}, "leave it out"),
            ({"functions": [{"name": "f"}]}, "send 'tools' in its place"),
            ({"grammar": 'root ::= "a"'}, "send 'response_format' in its place"),
            ({"guided_json": SCHEMA}, "send 'response_format' in its place"),
        ):
            error = self.assertRaises(BadRequest, refuse_lost, Fields(body, BadRequest))
            self.assertIn(f"'{next(iter(body))}' is beyond the engine", error.message)
            self.assertTrue(error.message.endswith(f": {cure}"), error.message)

    def test_harmless(self) -> None:
        """What says no more than silence does is no harm."""
        body = {
            "n": 1,
            "best_of": 1,
            "echo": False,
            "logit_bias": {},
            "modalities": ["text"],
            "functions": None,
            "grammar": "",
        }
        self.assertIsNone(refuse_lost(Fields(body, BadRequest)))  # type: ignore[func-returns-value]
