"""
Tests for L{ler.config.reading} and L{ler.config.tree}.
"""

from __future__ import annotations

from ler.config.reading import MAX_BYTES, MAX_DEPTH, MAX_VALUES, read
from ler.config.report import Report
from ler.config.tree import Kind, Listing, Scalar, Section, dotted, find, line_of, texts, written
from ler.test.test_config import BASE, ConfigTestCase


class ReadTests(ConfigTestCase):
    """
    Tests for L{read} on what is YAML.
    """

    def read(self, text: str) -> Section:
        """
        @return: the tree of C{text}, which has no problems.
        """
        path = self.mktemp()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        report = Report(path)
        root = read(report)
        report.conclude()
        self.assertIs(root, report.root)
        return root

    def test_lines(self) -> None:
        """
        Keys, items and values know their lines.
        """
        root = self.read("# first\na:\n\n  - x\n  - y: [1,\n         2]\nb: z\n")
        self.assertEqual(2, line_of(root, ("a",)))
        self.assertEqual(4, line_of(root, ("a", 0)))
        self.assertEqual(5, line_of(root, ("a", 1, "y")))
        self.assertEqual(6, line_of(root, ("a", 1, "y", 1)))
        self.assertEqual(7, line_of(root, ("b",)))

    def test_lines_of_what_is_missing(self) -> None:
        """
        What was not written is where its section is.
        """
        root = self.read("\n\na:\n  b: 1\n")
        self.assertEqual(3, line_of(root, ("a", "missing", "deeper")))
        self.assertEqual(1, line_of(root, ("missing",)))
        self.assertEqual(4, line_of(root, ("a", "b", 0)))
        self.assertIsNone(find(root, ("a", "b", "c")))
        self.assertEqual("this", written(root, ("a", "c")))

    def test_kinds(self) -> None:
        """
        Plain scalars are what YAML 1.1, or 1.2, takes them for; quoted ones
        are text.
        """
        kinds = {
            Kind.TEXT: "x 1.2.3 1a a:b '5' \"no\" 'null' 127.0.0.1 e3 == << !!str&5 =",
            Kind.NUMBER: "0 -7 010 0x1F 0b11 0o17 1_000 12:30 1.5 1e3 1.5e3 .5e+3 .inf .nan",
            Kind.TRUTH: "true False YES no On off",
            Kind.NULL: "~ null Null",
            Kind.DATE: "2024-01-01 2001-12-14t21:59:43.10-05:00",
        }
        for kind, row in kinds.items():
            for text in row.split():
                scalar = find(self.read(f"a: {text.replace('&', ' ')}\n"), ("a",))
                assert isinstance(scalar, Scalar)
                self.assertEqual(kind, scalar.kind, text)

    def test_text_as_written(self) -> None:
        """
        A scalar keeps the text of the file.
        """
        root = self.read("a: 0b11\nb: 'it''s'\nc: |\n  two\n  lines\n")
        self.assertEqual(["0b11", "it's", "two\nlines\n"], list(texts(root)))

    def test_anchors(self) -> None:
        """
        An alias stands for what its anchor holds.
        """
        root = self.read("a: &x [1, {b: 2}]\nc: *x\n")
        self.assertEqual(find(root, ("a",)), find(root, ("c",)))
        self.assertEqual("'2'", written(root, ("c", 1, "b")))

    def test_merge(self) -> None:
        """
        A merge key brings the keys that a mapping does not have itself; of
        several mappings the first wins; lines are those of the origin.
        """
        root = self.read(
            "x: &x {a: 1, b: 1, c: 1}\ny: &y {c: 2, d: 2}\nz:\n  a: 0\n  <<: [*x, *y]\n"
            "w:\n  <<: *y\n"
        )
        merged = find(root, ("z",))
        assert isinstance(merged, Section)
        self.assertEqual({"a", "b", "c", "d"}, merged.nodes.keys())
        self.assertEqual(["'0'", "'1'", "'1'", "'2'"], [written(merged, (k,)) for k in "abcd"])
        self.assertEqual([4, 1, 1, 2], [line_of(merged, (key,)) for key in "abcd"])
        self.assertEqual("'2'", written(root, ("w", "d")))

    def test_byte_order_mark(self) -> None:
        """
        UTF-8 may begin with a byte order mark.
        """
        self.load(b"\xef\xbb\xbf" + BASE.encode())

    def test_unicode(self) -> None:
        """
        Text is Unicode, beyond the basic plane too.
        """
        root = self.read("a: caf\u00e9 \U0001f600\n")
        self.assertEqual(["caf\u00e9 \U0001f600"], list(texts(root)))

    def test_one_document(self) -> None:
        """
        The marks of a single document are no trouble.
        """
        self.assertIsInstance(find(self.read("---\na: []\n...\n"), ("a",)), Listing)


class RefusalTests(ConfigTestCase):
    """
    Tests for L{read} on what is no YAML, or not the kind we take.
    """

    rows: tuple[tuple[str | bytes, str], ...] = (
        ("", "is empty"),
        ("# nothing\n\n", "is empty"),
        ("---\n...\n", "is empty"),
        ("~\n", "is empty"),
        ("- a\n", "must be a mapping of keys to values"),
        ("just text\n", "must be a mapping of keys to values"),
        (
            "a: [1\n",
            "2: not YAML: expected ',' or ']', but got '<stream end>', while parsing a flow "
            "sequence that began on line 1",
        ),
        (
            "a: 'x\n\n",
            "3: not YAML: found unexpected end of stream, while scanning a quoted scalar "
            "that began on line 1",
        ),
        (
            "a: *x\n",
            "1: not YAML: an alias (*name) without its anchor; quote text that begins with *",
        ),
        (
            "*-x: y\n",
            "1: not YAML: an alias (*name) without its anchor; quote text that begins with *",
        ),
        (
            "a: &x 1\nb: &x 2\n",
            "2: not YAML: an anchor (&name) that exists already; quote text that begins with &",
        ),
        ("a: !x!y z\n", "1: not YAML: an unknown tag; quote text that begins with !"),
        ("a:\n\tb: 1\n", "2: not YAML: a tab character; indent with spaces"),
        (
            "a: b: c\n",
            "1: not YAML: a ':' that cannot stand here; check the indentation, and quote "
            "text that holds ': '",
        ),
        (
            "a: 1\n  b: 2\n",
            "2: not YAML: a ':' that cannot stand here; check the indentation, and "
            "quote text that holds ': '",
        ),
        (
            "a: 1\n---\nb: 2\n",
            "2: not YAML: a second document (---); a file holds one configuration",
        ),
        ("a: @x\n", "1: not YAML: a character that cannot begin text; quote it"),
        ("{a: 1}\nb: 2\n", "2: not YAML: a line that fits nowhere; check the indentation"),
        (
            "- a\nb: 1\n",
            "2: not YAML: a line that does not fit its neighbours; check the indentation, while "
            "parsing a block collection that began on line 1",
        ),
        (
            "a: 1\nb\nc: 2\n",
            "3: not YAML: a key without its ':', while scanning a simple key that began on line 2",
        ),
        ("a: * x\n", "1: not YAML: a lone & or *; quote it"),
        ('a: "\\q"\n', "1: not YAML: found unknown escape character 'q'"),
        (
            "%YAML 3.0\n---\na: 1\n",
            "1: not YAML: found incompatible YAML document (version 1.* is required)",
        ),
        ("a: \x07\n", "1: an unprintable character, 0x7"),
        (b"a: 1\nb: \xff\n", "2: bytes that are not UTF-8; save the file as UTF-8"),
        ("a: 1\n".encode("utf-16"), "is in UTF-16; save it as UTF-8"),
        ("a: 1\n".encode("utf-32"), "is in UTF-32; save it as UTF-8"),
        (b"\xfe\xff\x00a\x00:", "is in UTF-16; save it as UTF-8"),
        ('a: "\\0"\n', "1: an escape that stands for no text"),
        ('"\\uD800": 1\n', "1: an escape that stands for no text"),
        ("a: " + "[" * 10_000, f"1: nested more than {MAX_DEPTH} deep"),
        ("\n" + "- " * 10_000, f"2: nested more than {MAX_DEPTH} deep"),
        ("a: &a [*a]\n", "1: an alias inside of its own anchor, or too deep in others"),
        ("a: &a\n  <<: *a\n", "1: an alias inside of its own anchor, or too deep in others"),
        ("a: " + "x" * MAX_BYTES, "is larger than 1 MiB"),
    )

    def test_refused(self) -> None:
        """
        There is one problem, with the line where it shows.
        """
        for text, message in self.rows:
            self.assertEqual([message], self.problems(text), text[:80])

    def test_bomb(self) -> None:
        """
        Aliases that multiply are refused before they have multiplied.
        """
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        for n in range(1, 20):
            lines.append(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]")
        (problem,) = self.problems("\n".join(lines))
        self.assertIn(f"more than {MAX_VALUES} values, aliases counted each time", problem)

    def test_merge_bomb(self) -> None:
        """
        So are merge keys that multiply.
        """
        lines = ["a0: &a0 {x: 1}"]
        for n in range(1, 20):
            lines.append(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}")
        (problem,) = self.problems("\n".join(lines))
        self.assertIn(f"more than {MAX_VALUES} values, aliases counted each time", problem)


class KeyTests(ConfigTestCase):
    """
    Tests for what L{read} can step over.
    """

    rows = (
        ("port: 1\nport: 2\n", "7: port: the key stands on line 6 already"),
        (
            "    enabled: true\n    'enabled': true\n",
            "7: engines.a.enabled: the key stands on line 6 already",
        ),
        ("  a: {}\n", "6: engines.a: the key stands on line 2 already"),
        (
            "    env: {NO: x}\n",
            "6: engines.a.env.NO: YAML takes this key for a truth value: quote it",
        ),
        ("    env: {1e3: x}\n", "6: engines.a.env.1e3: YAML takes this key for a number: quote it"),
        (
            "    env: {2024-01-01: x}\n",
            "6: engines.a.env.2024-01-01: YAML takes this key for a date: quote it",
        ),
        ("    env: {~: x}\n", '6: engines.a.env["~"]: YAML takes this key for nothing: quote it'),
        ("    env: {[x]: y}\n", "6: engines.a.env: a key must be text"),
        ("    env: !!set {x: y}\n", "6: engines.a.env: a YAML tag that has no meaning here"),
        ("    cwd: !!binary aGk=\n", "6: engines.a.cwd: a YAML tag that has no meaning here"),
        ("    cwd: !mine x\n", "6: engines.a.cwd: a YAML tag that has no meaning here"),
        ("    <<: 5\n", "6: engines.a: << must name a mapping, or a list of them"),
        ("    <<: [{cwd: x}, 5]\n", "6: engines.a: << must name a mapping, or a list of them"),
    )

    def test_noted(self) -> None:
        """
        The problem has its line and key path.
        """
        for text, message in self.rows:
            self.assertEqual([message], self.problems(BASE + text), text)


class DottedTests(ConfigTestCase):
    """
    Tests for L{dotted}.
    """

    def test_dotted(self) -> None:
        """
        Plain keys are joined by dots, indices and other keys bracketed.
        """
        rows = {
            (): "",
            ("a",): "a",
            ("a", "b_c-d", 3, "e"): "a.b_c-d[3].e",
            ("engines", "llama.cpp", "port"): 'engines["llama.cpp"].port',
            ("a b",): '["a b"]',
            ('"\n\u00e9',): '["\\"\\n\\u00e9"]',
        }
        for path, text in rows.items():
            self.assertEqual(text, dotted(path))
