# -*- test-case-name: ler.test.test_translation_chat_answers -*-
"""
Tests of L{ler.web.translation.chat_answers}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import UpstreamError
from ler.web.translation.chat_answers import (
    Usage,
    first_choice,
    message_of,
    only_choice,
    text_of,
    thinking_of,
    usage_of,
)
from ler.web.translation.fields import readable


class ChoiceTests(SynchronousTestCase):
    """
    L{first_choice}, L{only_choice} and L{message_of}.
    """

    def text(self, choice: dict[str, Any]) -> str:
        """
        @return: what is said in C{choice}.
        """
        return text_of(message_of(readable(choice)))

    def test_first(self) -> None:
        """Of several choices only the first counts, wherever it stands."""
        for index in (0, None):
            answer = readable({"choices": [{"index": 1, "a": 1}, {"index": index, "a": 0}]})
            choice = first_choice(answer)
            assert choice is not None
            self.assertEqual(0, choice.value("a"))
            self.assertEqual(0, only_choice(answer).value("a"))

    def test_none(self) -> None:
        """An event may have none, a whole answer must have one."""
        nothing: tuple[dict[str, Any], ...] = (
            {},
            {"choices": None},
            {"choices": []},
            {"choices": [{"index": 1}]},
        )
        for answer in nothing:
            self.assertIsNone(first_choice(readable(answer)))
            error = self.assertRaises(UpstreamError, only_choice, readable(answer))
            self.assertEqual(
                "the engine's answer cannot be read: 'choices' must be a list that holds an answer",
                error.message,
            )

    def test_odd(self) -> None:
        """A choice is an object."""
        error = self.assertRaises(UpstreamError, first_choice, readable({"choices": [1]}))
        self.assertIn("'choices[0]' must be an object", error.message)

    def test_message(self) -> None:
        """What is said is whole, or a piece; or there is nothing."""
        self.assertEqual("Hi", self.text({"message": {"content": "Hi"}}))
        self.assertEqual("Hi", self.text({"message": None, "delta": {"content": "Hi"}}))
        self.assertEqual("", self.text({}))


class MessageTests(SynchronousTestCase):
    """
    L{text_of} and L{thinking_of}.
    """

    def test_text(self) -> None:
        """A model may say that it will not answer."""
        self.assertEqual("Hi", text_of(readable({"content": "Hi", "refusal": None})))
        self.assertEqual("No.", text_of(readable({"content": None, "refusal": "No."})))
        self.assertEqual("", text_of(readable({"content": None})))

    def test_thinking(self) -> None:
        """Thoughts have two names, which may stand for the same."""
        for message in (
            {"reasoning": "hm"},
            {"reasoning_content": "hm"},
            {"reasoning_content": None, "reasoning": "hm"},
            {"reasoning_content": "hm", "reasoning": "hm"},
        ):
            self.assertEqual("hm", thinking_of(readable(message)))
        self.assertEqual("", thinking_of(readable({"reasoning": ""})))


class UsageTests(SynchronousTestCase):
    """
    L{usage_of}.
    """

    def usage(self, **usage: Any) -> Usage | None:
        """
        @return: what is read of it.
        """
        return usage_of(readable({"usage": usage}))

    def test_all(self) -> None:
        """Everything that is told is read."""
        self.assertEqual(
            Usage(read=36, cached=35, written=8, thought=4),
            self.usage(
                prompt_tokens=36,
                completion_tokens=8,
                total_tokens=44,
                prompt_tokens_details={"cached_tokens": 35},
                completion_tokens_details={"reasoning_tokens": 4},
            ),
        )

    def test_less(self) -> None:
        """What is not told is nothing, and so is what cannot be."""
        self.assertEqual(Usage(36, 0, 8), self.usage(prompt_tokens=36, completion_tokens=8))
        self.assertEqual(Usage(36), self.usage(prompt_tokens=36, prompt_tokens_details=None))
        self.assertEqual(Usage(written=8), self.usage(prompt_tokens=-1, completion_tokens=8))

    def test_none(self) -> None:
        """There may be no usage yet."""
        nothing: tuple[dict[str, Any], ...] = ({}, {"usage": None}, {"usage": {}})
        for answer in nothing:
            self.assertIsNone(usage_of(readable(answer)))
