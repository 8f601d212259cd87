"""
Tests for L{ler.config.shape}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from typing import Any, Literal

from twisted.trial.unittest import SynchronousTestCase

from ler.config.setting import setting
from ler.config.shape import settings


@dataclass(frozen=True)
class Inner:
    """A section in another."""

    x: int = setting("X.", 1)


@dataclass(frozen=True)
class Example:
    """One field of each kind."""

    key: str
    must: str = setting("Must.")
    run_cmd: tuple[str, ...] = setting("Run.")
    text: str = setting("Text.", "x")
    maybe: str | None = setting("Maybe.", None)
    empty: str = setting("Empty.", "")
    truth: bool = setting("Truth.", True)
    count: int = setting("Count.", 1, minimum=1, maximum=9)
    size: float = setting("Size.", 1.0, minimum=0, exclusive=True)
    limit: float | None = setting("Limit.", None, minimum=0, words={"never": None})
    word: Literal["a", "b"] = setting("Word.", "a")
    either: int | Literal["auto"] | None = setting("Either.", None)
    texts: tuple[str, ...] = setting("Texts.", ())
    words: tuple[Literal["a", "b"], ...] = setting("Words.", ())
    texts_by_name: Mapping[str, str] = setting("Texts by name.", factory=dict)
    json: Mapping[str, Any] = setting("JSON.", factory=dict)
    counts: tuple[int, ...] = setting("Counts.", (), minimum=1, maximum=9)
    perhaps: str = setting("Perhaps.", "x", blank=True)
    mixed: str = setting("Mixed.", "x", digits=True)
    start_script: tuple[str, ...] = setting("Start.", ())
    stop_cmd: tuple[str, ...] = setting("Stop.", ())
    inner: Inner = setting("Inner.", factory=Inner)
    inners: tuple[Inner, ...] = setting("Inners.", ())


class SettingsTests(SynchronousTestCase):
    """
    Tests for L{settings}.
    """

    def setUp(self) -> None:
        """
        Read the example.
        """
        self.settings = {each.name: each for each in settings(Example)}
        self.shapes = {name: each.shape for name, each in self.settings.items()}

    def test_only_settings(self) -> None:
        """
        A field that is no setting is no key.
        """
        self.assertNotIn("key", self.settings)

    def test_described(self) -> None:
        """
        Every shape can be put into words.
        """
        expected = {
            "must": "text",
            "text": "text",
            "maybe": "text",
            "empty": "text",
            "truth": "true or false",
            "count": "a whole number from 1 to 9",
            "size": "a number above 0",
            "limit": "a number of at least 0, or never",
            "word": "one of a, b",
            "either": "a whole number, or auto",
            "texts": "a list",
            "words": "a list",
            "texts_by_name": "a mapping",
            "json": "a mapping",
            "counts": "a list",
            "perhaps": "text",
            "mixed": "text or a whole number",
            "start_script": "a command line, as a list or as text",
            "run_cmd": "a command line, as a list or as text",
            "stop_cmd": "a command line, as a list or as text",
            "inner": "a mapping",
            "inners": "a list",
        }
        self.assertEqual(expected, {name: it.describe() for name, it in self.shapes.items()})

    def test_required(self) -> None:
        """
        A field without a default is required.
        """
        required = {name for name, each in self.settings.items() if each.required}
        self.assertEqual({"must", "run_cmd"}, required)

    def test_nullable(self) -> None:
        """
        Nothing is an answer where the type says so and no word does.
        """
        nullable = {name for name, shape in self.shapes.items() if shape.nullable}
        self.assertEqual({"maybe", "either"}, nullable)

    def test_blank(self) -> None:
        """
        Text may be blank where that is the default or said, in a command line, and as
        the value of a name.
        """
        blank = {name for name, shape in self.shapes.items() if shape.blank}
        self.assertEqual({"empty", "perhaps", "start_script", "stop_cmd"}, blank)
        items = {name for name, it in self.shapes.items() if it.item and it.item.blank}
        expected = {"run_cmd", "start_script", "stop_cmd", "texts_by_name", "json"}
        self.assertEqual(expected, items)

    def test_items(self) -> None:
        """
        Lists and mappings know what they hold.
        """
        items = {name: shape.item for name, shape in self.shapes.items() if shape.item}
        self.assertEqual(str, items["texts"].base)
        self.assertEqual({"a": "a", "b": "b"}, items["words"].words)
        self.assertEqual(str, items["texts_by_name"].base)
        self.assertEqual(Any, items["json"].base)
        self.assertEqual("a value that JSON can hold", items["json"].describe())
        self.assertEqual("a whole number from 1 to 9", items["counts"].describe())
        self.assertEqual(Inner, items["inners"].base)
        self.assertEqual(Inner, self.shapes["inner"].base)

    def test_defaults(self) -> None:
        """
        A default that a function makes is not known, but for the empty one.
        """
        self.assertIs(MISSING, self.settings["must"].default)
        self.assertIs(MISSING, self.settings["inner"].default)
        self.assertEqual({}, self.settings["texts_by_name"].default)
        self.assertEqual("x", self.settings["text"].default)
