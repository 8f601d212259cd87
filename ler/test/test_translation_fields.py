# -*- test-case-name: ler.test.test_translation_fields -*-
"""
Tests of L{ler.web.translation.fields}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import BadRequest, UpstreamError
from ler.web.translation.fields import Fields, readable

INFINITE = (float("inf"), float("nan"))

VALUES: tuple[Any, ...] = (True, 0, 1.5, *INFINITE, "", "text", [], [{}], ["text"], {}, {"a": 1})
"""One value or more of each kind."""

TAKERS: dict[str, tuple[Callable[[Fields, str], Any], tuple[Any, ...], str]] = {
    "text": (Fields.text, ("", "text"), "a string"),
    "required": (Fields.required, ("text",), "a string that is not empty"),
    "number": (Fields.number, (0, 1.5), "a number"),
    "integer": (Fields.integer, (0,), "an integer"),
    "flag": (Fields.flag, (True,), "true or false"),
    "items": (Fields.items, ([], [{}], ["text"]), "a list"),
    "object": (Fields.object, ({}, {"a": 1}), "an object"),
}
"""How a member is taken, those of L{VALUES} that may be, and what it is called."""


class FieldsTests(SynchronousTestCase):
    """
    L{Fields} gives values of one kind, and complains of all others.
    """

    def test_kinds(self) -> None:
        """Each way to take a member gives those of its kind as they are, and no others."""
        for name, (take, right, called) in TAKERS.items():
            for value in VALUES:
                fields = Fields({"key": value}, BadRequest)
                # Equality would take true for 1.
                if any(value == good and type(value) is type(good) for good in right):
                    self.assertEqual(value, take(fields, "key"), name)
                else:
                    error = self.assertRaises(BadRequest, take, fields, "key")
                    self.assertEqual(f"'key' must be {called}", error.message)

    def test_absent(self) -> None:
        """What is null is as absent as what is not there."""
        for fields in (Fields({}, BadRequest), Fields({"key": None}, BadRequest)):
            for take in (Fields.value, Fields.text, Fields.number, Fields.integer, Fields.flag):
                self.assertIsNone(take(fields, "key"))
            self.assertEqual([], fields.items("key"))
            self.assertEqual([], fields.each("key"))
            self.assertEqual({}, fields.object("key"))
            self.assertIsNone(fields.fields("key").value("more"))
            self.assertRaises(BadRequest, fields.required, "key")

    def test_integer_as_float(self) -> None:
        """An integer may be written with a fraction of nothing, and be of any size."""
        fields = Fields({"float": 12.0, "big": 10**400}, BadRequest)
        self.assertEqual("12", str(fields.integer("float")))
        self.assertEqual(10**400, fields.integer("big"))

    def test_texts(self) -> None:
        """A string alone is a list of it, and a list of strings holds nothing else."""
        for value, texts in (("a", ["a"]), (["a", ""], ["a", ""]), ([], []), (None, [])):
            self.assertEqual(texts, Fields({"key": value}, BadRequest).texts("key"))
        for wrong, called in (({}, "a list"), (["a", 1], "a string, or a list of strings")):
            error = self.assertRaises(BadRequest, Fields({"key": wrong}, BadRequest).texts, "key")
            self.assertEqual(f"'key' must be {called}", error.message)

    def test_written(self) -> None:
        """An object becomes its text; what is one already stays."""
        for value, text in (
            ({"a": "ö"}, '{"a": "ö"}'),
            ({}, "{}"),
            ('{"a":', '{"a":'),
            ("", ""),
            (None, ""),
        ):
            self.assertEqual(text, Fields({"key": value}, BadRequest).written("key"))

    def test_not_written(self) -> None:
        """What has no text in JSON is as wrong as what is no object."""
        deep: dict[str, Any] = {}
        for _ in range(100_000):
            deep = {"a": deep}
        odd: tuple[Any, ...] = ([], 1, True, {"a": float("nan")}, deep)
        for value in odd:
            error = self.assertRaises(BadRequest, Fields({"key": value}, BadRequest).written, "key")
            self.assertEqual("'key' must be a JSON object", error.message)

    def test_place(self) -> None:
        """A complaint names the whole way to the member."""
        body = Fields({"messages": [{}, {"function": {"name": 1}}]}, BadRequest)
        message = body.each("messages")[1]
        self.assertEqual("messages[1]", message.place)
        error = self.assertRaises(BadRequest, message.fields("function").text, "name")
        self.assertEqual("'messages[1].function.name' must be a string", error.message)

    def test_objects_in_a_list(self) -> None:
        """A list of objects holds nothing else."""
        body = Fields({"tools": [{}, None]}, BadRequest)
        error = self.assertRaises(BadRequest, body.each, "tools")
        self.assertEqual("'tools[1]' must be an object", error.message)

    def test_no_object(self) -> None:
        """What is no object at all has no place to name."""
        error = self.assertRaises(UpstreamError, Fields, [], UpstreamError)
        self.assertEqual("the whole must be an object", error.message)


class ReadableTests(SynchronousTestCase):
    """
    L{readable} tells an answer from an error.
    """

    def test_answer(self) -> None:
        """An answer's members are there to be taken, and complained of."""
        fields = readable({"done": True, "error": None, "model": 1})
        self.assertIs(True, fields.flag("done"))
        error = self.assertRaises(UpstreamError, fields.text, "model")
        self.assertEqual(
            "the engine's answer cannot be read: 'model' must be a string", error.message
        )

    def test_no_error(self) -> None:
        """Some engines say with each answer that there is no error."""
        for nothing in (None, False, ""):
            self.assertEqual("x", readable({"error": nothing, "id": "x"}).text("id"))

    def words(self, answer: Any) -> str:
        """
        @return: the error that C{answer} is.
        """
        error: UpstreamError = self.assertRaises(UpstreamError, readable, answer)
        return error.message

    def test_errors(self) -> None:
        """An error is told in the engine's words, in whichever form it has them."""
        for answer, words in (
            ({"error": "no memory"}, "no memory"),
            ({"error": {"message": "no memory", "code": 500}}, "no memory"),
            ({"error": {"code": 500}}, '{"code": 500}'),
            ({"error": {"message": ""}}, '{"message": ""}'),
            ({"error": {"message": ["no", "memory"]}}, '["no", "memory"]'),
            ({"error": {}}, "{}"),
            ({"error": ["no"]}, '["no"]'),
            ({"object": "error", "message": "no memory", "code": 500}, "no memory"),
            ({"object": "error"}, '{"object": "error"}'),
        ):
            self.assertEqual(words, self.words(answer))

    def test_long_error(self) -> None:
        """Not more of an error is told than anyone would read."""
        self.assertEqual(500, len(self.words({"error": "x" * 10_000})))
        self.assertEqual(500, len(self.words({"error": ["x" * 10_000]})))

    def test_deep_error(self) -> None:
        """An error without an end is one all the same."""
        deep: list[Any] = []
        for _ in range(100_000):
            deep = [deep]
        self.assertIn("cannot be read", self.words({"error": deep}))

    def test_no_object(self) -> None:
        """What is no object is no answer."""
        odd: tuple[Any, ...] = (None, [], "text", 1, True)
        for answer in odd:
            self.assertEqual(
                "the engine's answer cannot be read: the whole must be an object",
                self.words(answer),
            )
