# -*- test-case-name: ler.test.test_translation_chat_answers -*-
"""
What chat completions say: whole ones, and the events of streams.
L{readable<ler.web.translation.fields.readable>} comes before all this.
"""

from __future__ import annotations

from dataclasses import dataclass

from ler.web.translation.fields import Fields


@dataclass(frozen=True)
class Usage:
    """
    How many tokens there were.

    @ivar read: those of the prompt.
    @ivar cached: those of them that were read before.
    @ivar written: those of the answer.
    @ivar thought: those of them that the model only thought.
    """

    read: int = 0
    cached: int = 0
    written: int = 0
    thought: int = 0


def first_choice(answer: Fields) -> Fields | None:
    """
    @return: the only choice that was asked for; L{None} where it is not, as in
        the event that tells how many tokens there were.
    """
    return next((one for one in answer.each("choices") if not one.integer("index")), None)


def only_choice(answer: Fields) -> Fields:
    """
    @param answer: a whole one.
    @raise UpstreamError: when the choice is not there.
    """
    choice = first_choice(answer)
    if choice is None:
        raise answer.wrong("choices", "a list that holds an answer")
    return choice


def message_of(choice: Fields) -> Fields:
    """
    @return: what is said in it: a whole message, or what is new of one.
    """
    return choice.fields("delta" if choice.value("message") is None else "message")


def thinking_of(message: Fields) -> str:
    """
    @return: what the model thought, for which there are two names.
    """
    return message.text("reasoning_content") or message.text("reasoning") or ""


def text_of(message: Fields) -> str:
    """
    @return: what the model said, be it that it will not answer.
    """
    return message.text("content") or message.text("refusal") or ""


def usage_of(answer: Fields) -> Usage | None:
    """
    @return: L{None} when nothing is said of it.  Some engines count in every
        event, so that the last one is right.
    """
    usage = answer.fields("usage")
    if usage.value("prompt_tokens") is None and usage.value("completion_tokens") is None:
        return None
    return Usage(
        _count(usage, "prompt_tokens"),
        _count(usage.fields("prompt_tokens_details"), "cached_tokens"),
        _count(usage, "completion_tokens"),
        _count(usage.fields("completion_tokens_details"), "reasoning_tokens"),
    )


def _count(fields: Fields, key: str) -> int:
    return max(fields.integer(key) or 0, 0)
