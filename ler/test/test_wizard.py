# -*- test-case-name: ler.test.test_wizard -*-
"""
Tests for L{ler.wizard.program}.
"""

from __future__ import annotations

import io
import os
from contextlib import redirect_stderr
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from ler.config import Config, load
from ler.wizard import main
from ler.wizard import program as module
from ler.wizard.draft import Draft, ModelDraft
from ler.wizard.preset import Block
from ler.wizard.program import numbers_in
from ler.wizard.survey import Survey


def draft(key: str, *ids: str) -> Draft:
    """
    @return: something that can be configured.
    """
    return Draft(
        f"a {key}",
        key,
        Block(["    type: remote", "    base_url: http://127.0.0.1:1"]),
        [ModelDraft(id, Block([])) for id in ids],
        [f"mind {key}"],
    )


class WizardTests(SynchronousTestCase):
    """
    C{engine-router init}
    """

    def setUp(self) -> None:
        """
        There is something to be found.
        """
        self.path = Path(self.mktemp()).absolute() / "config.yaml"
        self.environ = {"ROUTER_CONFIG": str(self.path), "PATH": "/bin"}
        self.found = Survey([draft("one", *"abcdef"), draft("two", "x"), draft("three")], ["hm"])

    def init(self, *argv: str, answers: str = "") -> int:
        """
        Run the wizard; L{out} and L{err} hold what it says.

        @param answers: what the user types.
        @return: the exit status.
        """
        out = io.StringIO()
        with redirect_stderr(io.StringIO()) as err:
            status = main(
                argv,
                environ=self.environ,
                survey=lambda presets: self.found,
                source=io.StringIO(answers),
                out=out,
            )
        self.out, self.err = out.getvalue(), err.getvalue()
        return status

    def config(self) -> Config:
        """
        @return: what was written.
        """
        return load(str(self.path), self.environ).config

    def assert_unfinished(self, complaint: str, *argv: str, answers: str = "") -> None:
        """
        The wizard writes nothing, and says why.
        """
        before = self.path.read_bytes() if self.path.exists() else None
        self.assertEqual(1, self.init(*argv, answers=answers), self.out)
        self.assertIn(complaint, self.err)
        self.assertEqual(before, self.path.read_bytes() if self.path.exists() else None)

    # What is found.

    def test_detect_only(self) -> None:
        """What is found can be told without writing anything."""
        self.assertEqual(0, self.init("--detect-only"))
        self.assertEqual(
            "  1  a one: a, b, c, d, e, ...\n  2  a two: x\n  3  a three\n  -  hm\n", self.out
        )
        self.assertFalse(self.path.exists())

    def test_nothing(self) -> None:
        """Where nothing is found it is told what helps."""
        self.found = Survey([], ["hm"])
        for argv in ((), ("--yes",), ("--detect-only",)):
            self.assert_unfinished("--example writes something", *argv)
            self.assertIn("  -  hm\n", self.out)

    # What is chosen.

    def test_yes(self) -> None:
        """Without being asked one gets it all."""
        self.assertEqual(0, self.init("--yes"), self.err)
        self.assertEqual(["one", "two", "three"], [*self.config().engines])
        self.assertIn(
            f"{self.path} is written: one, two, three\n- mind one\n- mind two\n", self.out
        )
        self.assertTrue(self.out.endswith("start the router:\n  engine-router\n"))

    def test_choice(self) -> None:
        """Who is asked may choose, and try again."""
        for answers, keys in (
            ("\n", ["one", "two", "three"]),
            ("ALL\n", ["one", "two", "three"]),
            ("3 1\n", ["three", "one"]),
            ("0\n4\nx\n2-3\n", ["two", "three"]),
        ):
            self.assertEqual(0, self.init("--force", answers=answers))
            self.assertEqual(keys, [*self.config().engines])

    def test_none(self) -> None:
        """Nothing is a choice, too."""
        self.assert_unfinished("nothing was chosen", answers="none\n")

    def test_nobody(self) -> None:
        """Where nobody can be asked it is told what helps."""
        self.assert_unfinished("--yes asks nothing")

    def test_interrupted(self) -> None:
        """Ctrl-C leaves everything as it was."""

        def interrupt(presets: Path) -> Survey:
            raise KeyboardInterrupt

        with redirect_stderr(io.StringIO()) as err:
            self.assertEqual(130, main([], environ=self.environ, survey=interrupt))
        self.assertIn("nothing was written", err.getvalue())

    # What is there already.

    def test_in_the_way(self) -> None:
        """A file that is there is replaced by those only who say so."""
        self.init("--yes")
        for argv in (("--yes",), ("--example",)):
            self.assert_unfinished(f"{self.path} is there already; --force", *argv)
        for answers in ("\n", "n\n", ""):
            self.assert_unfinished("", answers=answers)

    def test_replaced(self) -> None:
        """It is kept, and told where."""
        self.path.parent.mkdir()
        self.path.write_text("old")
        for argv, answers, old in ((("--yes", "--force"), "", "old"), ((), "y\n1\n", "old2")):
            self.assertEqual(0, self.init(*argv, answers=answers), self.err)
            self.assertIn(f"the file that was there is now {self.path}.{old}\n", self.out)
            self.assertTrue(os.path.exists(f"{self.path}.{old}"))

    # What is written.

    def test_example(self) -> None:
        """An example is written without looking."""
        self.found = Survey([], [])
        self.assertEqual(0, self.init("--example"), self.err)
        self.assertEqual(["ollama"], [*self.config().engines])

    def test_elsewhere(self) -> None:
        """The file may be anywhere; then the router must be told."""
        path = os.path.abspath(self.mktemp())
        self.assertEqual(0, self.init("--yes", "--config", path), self.err)
        self.assertIn(f"engine-router --config {path}\n", self.out)
        self.assertFalse(self.path.exists())

    def test_address(self) -> None:
        """The router may listen elsewhere; where others can reach it, it is locked."""
        self.assertEqual(0, self.init("--yes", "--port=9000"))
        config = self.config()
        self.assertEqual(("127.0.0.1", 9000, ()), (config.host, config.port, config.api_keys))
        self.assertEqual(0, self.init("--yes", "--host", "0.0.0.0", "--force"))
        self.assertEqual("0.0.0.0", self.config().host)
        self.assertEqual(1, len(self.config().api_keys))
        self.assertRegex(self.out, r"clients need this key, which is in the file: \S{32}\n")
        self.assertNotIn("without api_keys", self.out)

    def test_warning(self) -> None:
        """What the loader finds suspicious is told."""
        self.found.drafts[0].block.put("memory", "5")
        self.init("--yes")
        self.assertIn(f"{self.path}:", self.out)
        self.assertIn("engines.one.memory: has no effect", self.out)

    def test_contradiction(self) -> None:
        """What makes no configuration is not written, and told."""
        self.assert_unfinished("is the address of the router itself", "--yes", "--port=1")

    def test_impossible(self) -> None:
        """Where nothing can be written it is told."""
        self.assert_unfinished("/dev/null/x cannot be written", "--yes", "--config=/dev/null/x")

    def test_no_presets(self) -> None:
        """Without presets there is nothing to begin with."""
        self.patch(module, "presets_folder", lambda: None)
        self.assert_unfinished("the presets are not installed", "--yes")

    def test_usage(self) -> None:
        """Options are judged before anything is done."""
        for argv in (("--port=0",), ("--port=x",), ("--host=a b",), ("--what",)):
            with redirect_stderr(io.StringIO()):
                self.assertEqual(2, self.assertRaises(SystemExit, main, argv).code)


class NumbersTests(SynchronousTestCase):
    """
    L{numbers_in}
    """

    def test_numbers(self) -> None:
        """Numbers and ranges are understood, each number once."""
        for text, numbers in (
            ("1", [1]),
            ("3, 1 2", [3, 1, 2]),
            ("2-4,3", [2, 3, 4]),
            ("5", [5]),
        ):
            self.assertEqual(numbers, numbers_in(text, 5))

    def test_others(self) -> None:
        """Anything else is nothing."""
        for text in ("", "0", "6", "1-6", "3-2", "x", "1 x", "-1", "1--2"):
            self.assertEqual([], numbers_in(text, 5))
