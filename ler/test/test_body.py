# -*- test-case-name: ler.test.test_body -*-
"""
Tests for L{ler.web.body}.
"""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import InvalidJSON, MissingModel, RouterError
from ler.upstream import FileSpan
from ler.web.body import MAX_MEMBERS, JSONBody

DEPTH = 128


def read(data: bytes, depth: int = DEPTH) -> JSONBody:
    """
    @return: C{data}, understood.
    """
    return JSONBody(BytesIO(data), depth)


def rewritten(data: bytes, model: str, floor: int | None = None) -> bytes:
    """
    @return: what an engine gets of C{data}.
    """
    return sent(read(data).rewritten(model, floor))


def sent(parts: list[bytes | FileSpan]) -> bytes:
    """
    @return: a body that consists of C{parts}.
    """
    data = b""
    for part in parts:
        if isinstance(part, FileSpan):
            part.file.seek(part.start)
            data += part.file.read(len(part))
        else:
            data += part
    return data


class BodyCase(SynchronousTestCase):
    """
    A test of a body.
    """

    def refuse(self, error: type[RouterError], data: bytes, depth: int = DEPTH) -> str:
        """
        Assert that C{data} is refused.

        @return: what the client is told.
        """
        raised: RouterError = self.assertRaises(error, read, data, depth)
        self.assertIs(error, type(raised))
        return raised.message


class ModelTests(BodyCase):
    """
    The model that a body asks for.
    """

    def test_found(self) -> None:
        """The model may stand anywhere, be written in any way, and be of any
        script."""
        for data, model in {
            b'{"model":"a"}': "a",
            b' \r\n\t{ "model" : "a" } \n': "a",
            b'{"messages":[{"model":"no"}],"model":"yes","x":{"model":"no"}}': "yes",
            b'{"mod\\u0065l":"a"}': "a",
            b'{"\\u006d\\u006f\\u0064\\u0065\\u006c":"\\u0061\\/b"}': "a/b",
            '{"prompt":"größer 模型 🦊","model":"模型🦊"}'.encode(): "模型🦊",
            b'{"model":"\\ud83e\\udd8a"}': "🦊",
            b'{"Model":"no","model ":"no","model":"a"}': "a",
            b'{"x":"\\"model\\":\\"no\\"","model":"a"}': "a",
            b'{"model":"a\\u0000b"}': "a\0b",
        }.items():
            self.assertEqual(model, read(data).model)

    def test_missing(self) -> None:
        """A body that names none is refused."""
        for data in (
            b"{}",
            b'{"Model":"a"}',
            b'{"x":{"model":"a"}}',
            b'{"messages":[{"model":"a"}]}',
        ):
            self.assertIn("must name a 'model'", self.refuse(MissingModel, data))

    def test_no_name(self) -> None:
        """A model that is not a string, or blank, is none."""
        for value in (
            b"null",
            b"1",
            b"1.5",
            b"true",
            b"[]",
            b'["a"]',
            b"{}",
            b'{"id":"a"}',
            b'""',
            b'" "',
            b'"\\n\\t\\u00a0"',
        ):
            self.refuse(MissingModel, b'{"model":' + value + b"}")

    def test_half_character(self) -> None:
        """Half a character cannot be sent on, so it is no name."""
        for value in (rb'"\ud800"', rb'"a\udfffb"', rb'"\ude00\ud83d"'):
            self.refuse(MissingModel, b'{"model":' + value + b"}")

    def test_twice(self) -> None:
        """A body that names two is refused, even the same one: engines differ
        in which of them counts."""
        for data in (
            b'{"model":"a","model":"b"}',
            b'{"model":"a","x":1,"model":"a"}',
            b'{"model":"a","mod\\u0065l":"b"}',
            b'{"mod\\u0065l":"a","model":"b"}',
            b'{"model":null,"model":"b"}',
        ):
            self.assertIn("twice", self.refuse(MissingModel, data))


class StreamTests(BodyCase):
    """
    What a body says of streams.
    """

    def test_stream(self) -> None:
        """It is told as it was said, for others to judge."""
        for value in (True, False, None, 1, "true", [True]):
            said = json.dumps({"model": "a", "stream": value}).encode()
            self.assertEqual(read(said).stream, value)
        self.assertIsNone(read(b'{"model":"a"}').stream)


class DocumentTests(BodyCase):
    """
    What a body says as a whole.
    """

    def test_document(self) -> None:
        """It is decoded; of two members of one name the last counts."""
        document = read(b'{"a":[1,{"b":"\\u00fc"}],"model":"m","x":1,"x":null}').document
        self.assertEqual(document, {"a": [1, {"b": "\u00fc"}], "model": "m", "x": None})


class NamedTests(BodyCase):
    """
    Bodies whose model something else names.
    """

    def test_inserted(self) -> None:
        """The name is put in, and all else stays."""
        for data, rewritten in (
            (b'{ "x":1}', b'{"model": "b",  "x":1}'),
            (b"{}", b'{"model": "b"}'),
            (b'{"model":"c", "x":1}', b'{"model":"b", "x":1}'),
        ):
            body = JSONBody(BytesIO(data), DEPTH, "a")
            self.assertEqual(body.model, "a")
            self.assertEqual(sent(body.rewritten("b")), rewritten)


class SyntaxTests(BodyCase):
    """
    What is no JSON object goes no further: some engines would answer a 500.
    """

    def test_empty(self) -> None:
        """An empty body is told apart."""
        for data in (b"", b" ", b"\r\n\t"):
            self.assertIn("empty", self.refuse(InvalidJSON, data))

    def test_no_object(self) -> None:
        """Other values are refused."""
        for data in (
            b"[]",
            b'[{"model":"a"}]',
            b'"model"',
            b"1",
            b"null",
            b"true",
            b"model=a",
            b"<model/>",
            b"--x\r\nContent-Disposition: form-data",
        ):
            self.assertIn("JSON object", self.refuse(InvalidJSON, data))

    def test_malformed(self) -> None:
        """Whatever a strict parser refuses is refused."""
        for data in (
            b"{",
            b"}",
            b'{"model"',
            b'{"model"}',
            b'{"model":',
            b'{"model":}',
            b'{"model":"a"',
            b'{"model":"a',
            b'{"model":"a\\"}',
            b'{"model":"a"]',
            b'{"model":"a"}}',
            b'{"model":"a"}{"model":"b"}',
            b'{"model":"a"} x',
            b'{"model":"a"}\x00',
            b'{"model":"a"}\xc2\xa0',
            b'{"model":"a",}',
            b'{,"model":"a"}',
            b'{"model":"a",,"x":1}',
            b'{"model":"a" "x":1}',
            b'{"model":"a";"x":1}',
            b'{"model"="a"}',
            b"{'model':'a'}",
            b'{model:"a"}',
            b'{1:2,"model":"a"}',
            b'{"model":"a","x":01}',
            b'{"model":"a","x":+1}',
            b'{"model":"a","x":.5}',
            b'{"model":"a","x":0x1}',
            b'{"model":"a","x":tru}',
            b'{"model":"a","x":[1,]}',
            b'{"model":"a\nb"}',
            b'{"model":"a\x00"}',
            b'{"model":"\\x61"}',
            b'{"model":"\\u12"}',
            b'{"model":"a"} // why',
            b'/* why */{"model":"a"}',
        ):
            self.refuse(InvalidJSON, data)

    def test_no_numbers(self) -> None:
        """Python's words for what is no number are no JSON."""
        for word in (b"NaN", b"Infinity", b"-Infinity", b"[NaN]", b'{"x":-Infinity}'):
            message = self.refuse(InvalidJSON, b'{"model":"a","temperature":' + word + b"}")
            self.assertIn("is not JSON", message)

    def test_encoding(self) -> None:
        """JSON is UTF-8, without a mark of the byte order."""
        text = '{"model":"ä"}'
        for data in (
            text.encode("latin-1"),
            text.encode("utf-16"),
            text.encode("utf-16-le"),
            text.encode("utf-32"),
            text.encode("utf-8-sig"),
            b'{"model":"a\xff"}',
            b'{"model":"\xc0\xaf"}',
            b'{"model":"\xed\xa0\x80"}',
            b'{"model":"a"}\x80',
        ):
            self.refuse(InvalidJSON, data)

    def test_numbers(self) -> None:
        """Large numbers pass; absurd ones are refused in no time."""
        for number in (b"9" * 400, b"-1e400", b"1e-999", b"0." + b"3" * 9999):
            self.assertEqual("a", read(b'{"model":"a","seed":' + number + b"}").model)
        self.refuse(InvalidJSON, b'{"model":"a","seed":' + b"9" * 1_000_000 + b"}")

    def test_members(self) -> None:
        """An object with members without end is refused in no time."""
        most = b",".join(b'"x":1' for _ in range(MAX_MEMBERS - 1))
        self.assertEqual("a", read(b'{"model":"a",' + most + b"}").model)
        many = b'{"model":"a"' + b',"x":1' * 1_000_000 + b"}"
        self.assertIn("members", self.refuse(InvalidJSON, many))


class DepthTests(BodyCase):
    """
    How deep a body may be nested.
    """

    def test_limit(self) -> None:
        """The limit counts the object itself, lists and objects alike."""
        self.assertEqual("a", read(b'{"model":"a","x":[{"y":[]}]}', 4).model)
        message = self.refuse(InvalidJSON, b'{"model":"a","x":[{"y":[]}]}', 3)
        self.assertEqual("the body is nested deeper than 3 levels", message)

    def test_breadth(self) -> None:
        """Many brackets beside each other are not deep."""
        self.assertEqual("a", read(b'{"x":[' + b"[],{}," * 9999 + b'1],"model":"a"}', 3).model)

    def test_strings(self) -> None:
        """Brackets in strings are text, whatever is escaped in these."""
        for text in (b"[" * 999, b'\\"[' * 999, b'\\\\\\"{' * 999, b"\\\\" * 3 + b"[{" * 999):
            self.assertEqual("a", read(b'{"x":"' + text + b'","model":"a"}', 3).model)
        self.refuse(InvalidJSON, b'{"x":"\\\\",' + b'"y":[' * 999, 3)

    def test_bombs(self) -> None:
        """What is made to exhaust a parser is refused in no time and space."""
        deep = 200_000
        for data in (
            b"[" * deep,
            b"[" * deep + b"]" * deep,
            b'{"model":"a","x":' + b"[" * deep + b"]" * deep + b"}",
            b'{"x":' * deep + b"1" + b"}" * deep,
            b'{"model":"a","x":' + b'[{"y":' * deep,
            b'{"x":' + b"[]" * DEPTH + b'"' + b'\\"' * deep,
            b'{"x":' + b"[]" * DEPTH + b'"' + b'\\"' * deep + b"\\",
            b'{"x":' + b"[]" * DEPTH + b'"' * deep,
        ):
            self.refuse(InvalidJSON, data)


class RewriteTests(BodyCase):
    """
    Only the bytes of a value are replaced.
    """

    def test_untouched(self) -> None:
        """A body that needs no change goes on byte for byte."""
        for data in (
            b'{"model":"a"}',
            b' { "x" : 1.0e0 ,\r\n"model":"\\u0061", "y":"\\/" }\n',
            '{"x":"ü","model":"a","x":"\\ud800"}'.encode(),
        ):
            self.assertEqual(data, rewritten(data, "a"))

    def test_alias(self) -> None:
        """The name that the engine expects takes the place of the client's."""
        for data, expected in {
            b'{"model":"a"}': b'{"model":"new"}',
            b'{ "x":[1, 2],"model" :\t"a" , "y":1.50}': (
                b'{ "x":[1, 2],"model" :\t"new" , "y":1.50}'
            ),
            b'{"mod\\u0065l":"\\u0061"}': b'{"mod\\u0065l":"new"}',
            '{"x":"ä模🦊","model":"ü","y":"é"}'.encode(): (
                '{"x":"ä模🦊","model":"new","y":"é"}'.encode()
            ),
            b'{"x":{"model":"a"},"model":"a"}': b'{"x":{"model":"a"},"model":"new"}',
        }.items():
            self.assertEqual(expected, rewritten(data, "new"))

    def test_any_name(self) -> None:
        """The engine's name may be any text."""
        for name in ('a"b\\c', "/models/größe", "模🦊"):
            sent = rewritten(b'{"model":"a","x":1}', name)
            self.assertEqual({"model": name, "x": 1}, json.loads(sent))

    def test_length(self) -> None:
        """The parts know their length, so that it can be declared."""
        data = '{"x":"ä","model":"old","max_tokens":1}'.encode()
        for model, floor in (("old", None), ("new", None), ("new", 5)):
            length = sum(len(part) for part in read(data).rewritten(model, floor))
            self.assertEqual(len(rewritten(data, model, floor)), length)


class ThinkingTests(BodyCase):
    """
    Small budgets switch the thinking of a reasoning model off.
    """

    said = b'"chat_template_kwargs": {"enable_thinking": false}, '

    def off(self, members: bytes, floor: int | None = 100) -> bool:
        """
        @return: whether thinking is switched off in a body with C{members}.
        """
        data = b'{"model":"a"' + members + b"}"
        sent = rewritten(data, "a", floor)
        if sent == data:
            return False
        before, after = json.loads(data), json.loads(sent)
        kwargs = {**(before.pop("chat_template_kwargs", None) or {}), "enable_thinking": False}
        self.assertEqual({**before, "chat_template_kwargs": kwargs}, after)
        return True

    def test_below(self) -> None:
        """A budget below the floor switches it off."""
        self.assertTrue(self.off(b',"max_tokens":99'))

    def test_nothing_else_changes(self) -> None:
        """What is said is put in front of everything else."""
        data = b' { "model":"a", "max_tokens": 9 }'
        self.assertEqual(
            b" {" + self.said + b' "model":"a", "max_tokens": 9 }', rewritten(data, "a", 10)
        )

    def test_at_the_floor(self) -> None:
        """A budget that reaches the floor does not."""
        self.assertFalse(self.off(b',"max_tokens":100'))

    def test_above(self) -> None:
        """A budget above the floor does not."""
        self.assertFalse(self.off(b',"max_tokens":101'))

    def test_no_floor(self) -> None:
        """A model without a floor is left alone."""
        self.assertFalse(self.off(b',"max_tokens":1', None))

    def test_no_budget(self) -> None:
        """Without a budget nothing is switched."""
        self.assertFalse(self.off(b""))

    def test_newer_key(self) -> None:
        """The newer name of the budget counts as well."""
        self.assertTrue(self.off(b',"max_completion_tokens":99'))

    def test_newer_key_first(self) -> None:
        """Of two budgets the one under the newer name counts."""
        self.assertFalse(self.off(b',"max_tokens":1,"max_completion_tokens":500'))
        self.assertTrue(self.off(b',"max_completion_tokens":1,"max_tokens":500'))

    def test_null_budget(self) -> None:
        """A budget of null is none, so that the other counts."""
        self.assertFalse(self.off(b',"max_tokens":null'))
        self.assertTrue(self.off(b',"max_completion_tokens":null,"max_tokens":9'))

    def test_fractions(self) -> None:
        """A budget may be any number."""
        self.assertTrue(self.off(b',"max_tokens":99.9'))
        self.assertTrue(self.off(b',"max_tokens":0'))
        self.assertTrue(self.off(b',"max_tokens":-1'))
        self.assertFalse(self.off(b',"max_tokens":1e3'))

    def test_no_number(self) -> None:
        """What is no number is no budget; true is none, either."""
        for value in (b"true", b"false", b'"9"', b"[9]", b'{"x":9}'):
            self.assertFalse(self.off(b',"max_tokens":' + value))

    def test_client_says_on(self) -> None:
        """A client that wants thinking gets it."""
        self.assertFalse(
            self.off(b',"max_tokens":9,"chat_template_kwargs":{"enable_thinking":true}')
        )

    def test_client_says_off(self) -> None:
        """A client that has switched it off itself is passed on as it is."""
        self.assertFalse(
            self.off(b',"max_tokens":9,"chat_template_kwargs":{"enable_thinking":false}')
        )

    def test_client_says_null(self) -> None:
        """A client that says anything about it is left alone."""
        self.assertFalse(
            self.off(b',"max_tokens":9,"chat_template_kwargs":{"enable_thinking":null}')
        )

    def test_other_kwargs(self) -> None:
        """Other words to the template are kept."""
        self.assertTrue(
            self.off(
                b',"chat_template_kwargs":{"effort":"high","x":["\\u00e4",1.5]},"max_tokens":9'
            )
        )

    def test_empty_kwargs(self) -> None:
        """Where nothing is said to the template, or null, this is."""
        self.assertTrue(self.off(b',"max_tokens":9,"chat_template_kwargs":{}'))
        self.assertTrue(self.off(b',"max_tokens":9,"chat_template_kwargs":null'))

    def test_strange_kwargs(self) -> None:
        """What the engine will refuse anyway is left to it."""
        for value in (b"[]", b'"x"', b"1"):
            self.assertFalse(self.off(b',"max_tokens":9,"chat_template_kwargs":' + value))

    def test_top_level_word(self) -> None:
        """The word at another place says nothing."""
        self.assertTrue(self.off(b',"max_tokens":9,"enable_thinking":true'))

    def test_with_alias(self) -> None:
        """It goes together with another name, in any order of the members."""
        for data in (
            b'{"model":"a","chat_template_kwargs":{},"max_tokens":9}',
            b'{"chat_template_kwargs":{},"max_tokens":9,"model":"a"}',
            b'{"max_tokens":9,"model":"a"}',
        ):
            sent: Any = json.loads(rewritten(data, "new", 10))
            self.assertEqual(
                {
                    "model": "new",
                    "max_tokens": 9,
                    "chat_template_kwargs": {"enable_thinking": False},
                },
                sent,
            )
