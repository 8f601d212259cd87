# -*- test-case-name: ler.test.test_translation_responses_freeform -*-
"""
Tests of L{ler.web.translation.responses.freeform}.
"""

from __future__ import annotations

import json
import random

from twisted.trial.unittest import SynchronousTestCase

from ler.web.translation.responses.freeform import FreeformReader, wrapped

TEXTS = (
    "",
    "*** Begin Patch\n*** Add File: a.txt\n+one\n*** End Patch\n",
    '"quoted" \\ and \\n, {"input": "x"}',
    "gr\u00fc\u00dfe \U0001f986\u2028\x00\x7f",
)


class WrappedTests(SynchronousTestCase):
    """
    L{wrapped} makes arguments of an input.
    """

    def test_round_trip(self) -> None:
        """What is made of an input is read as that."""
        for text in TEXTS:
            reader = FreeformReader()
            self.assertEqual(text, reader.feed(wrapped(text)))
            self.assertEqual((text, ""), reader.finish())


class FreeformReaderTests(SynchronousTestCase):
    """
    L{FreeformReader} reads while it is written.
    """

    def read(self, *fragments: str) -> tuple[list[str], tuple[str, str]]:
        """
        @return: what each of C{fragments} adds, and how it ends.
        """
        reader = FreeformReader()
        return [reader.feed(fragment) for fragment in fragments], reader.finish()

    def test_fragments(self) -> None:
        """Text is read as soon as it is there."""
        self.assertEqual(
            (["", "", "one", "\n", "two", ""], ("one\ntwo", "")),
            self.read('{"in', 'put": "', "one", "\\n", "two", '"}'),
        )

    def test_cut_characters(self) -> None:
        """A character is read when it is whole."""
        self.assertEqual(
            (["a", "\u00fc", "", "\U0001f986", "", '"'], ('a\u00fc\U0001f986"', "")),
            self.read('{"input":"a\\u0', "0fc", "\\ud83e", "\\udd86", "\\", '""}'),
        )

    def test_anywhere(self) -> None:
        """Wherever the arguments are cut, and however they are escaped, the same is read."""
        source = random.Random(7)
        for text in TEXTS:
            for escaped in (True, False):
                arguments = json.dumps({"input": text}, ensure_ascii=escaped, indent=1)
                for _ in range(50):
                    cuts = sorted(source.randrange(len(arguments)) for _ in range(4))
                    edges = zip([0, *cuts], [*cuts, None], strict=True)
                    added, end = self.read(*(arguments[a:b] for a, b in edges))
                    self.assertEqual((text, ""), ("".join(added), end[1]))
                    self.assertEqual(text, end[0])

    def test_late(self) -> None:
        """Arguments in another order are read at the end."""
        self.assertEqual((["", ""], ("one", "one")), self.read('{"why": 1, ', '"input": "one"}'))

    def test_other_forms(self) -> None:
        """Arguments in another form are the input as they are."""
        for arguments in ("*** Begin Patch", '{"patch": "x"}', '{"input": 1}', '["x"]', "1", ""):
            self.assertEqual(([""], (arguments, arguments)), self.read(arguments))

    def test_broken_off(self) -> None:
        """Arguments that break off end with what was read."""
        self.assertEqual((["one"], ("one", "")), self.read('{"input": "one\\u00'))

    def test_half_a_pair(self) -> None:
        """Half a character, which no text has, is read at the end."""
        added, (text, rest) = self.read('{"input": "a\\ud83e', ' b"}')
        self.assertEqual((["a", ""], "a\ud83e b", "\ud83e b"), (added, text, rest))
