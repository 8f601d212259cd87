# -*- test-case-name: ler.test.test_ctl_completion -*-
"""
Tests for L{ler.ctl.completion}; shells are tried in L{ler.test.test_live_ctl}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ler.ctl.completion import FILES, Candidate, candidates
from ler.ctl.options import make_parser


class CandidatesTests(SynchronousTestCase):
    """
    L{candidates}
    """

    def words(self, *typed: str) -> list[str]:
        """
        @return: what the last word may become.
        """
        ids = {"models": ["qwen3:8b", "qwen3:32b", "gpt-oss"], "engines": ["ollama", "vllm"]}
        found = candidates(make_parser(), typed, ids.__getitem__)
        return [candidate.word for candidate in found]

    def test_commands(self) -> None:
        """First comes a command."""
        self.assertEqual(["status"], self.words("st"))
        self.assertIn("explain", self.words(""))
        self.assertIn("explain", self.words())

    def test_help(self) -> None:
        """A command comes with its help."""
        [found] = candidates(make_parser(), ["unl"], lambda what: [])
        self.assertEqual("unload\tempty the memory", str(found))
        self.assertEqual("x", str(Candidate("x")))

    def test_models(self) -> None:
        """Some commands take a model, once."""
        self.assertEqual(["qwen3:8b", "qwen3:32b"], self.words("use", "qwen3"))
        self.assertEqual([], self.words("use", "gpt-oss", ""))

    def test_engines(self) -> None:
        """Some take an engine, and options before or after it."""
        self.assertEqual(["vllm"], self.words("logs", "-f", "v"))
        self.assertIn("--follow", self.words("logs", "ollama", "-"))

    def test_options(self) -> None:
        """What begins with a dash is an option of the command, with its help filled in."""
        self.assertEqual(["--json"], self.words("status", "--j"))
        [found] = candidates(make_parser(), ["history", "--lim"], lambda what: [])
        self.assertEqual("how many (20)", found.help)

    def test_values(self) -> None:
        """The value of an option is one of its choices, a file, or anything."""
        self.assertEqual(["always"], self.words("--color", "al"))
        self.assertEqual([FILES], self.words("status", "--config", "/etc/"))
        self.assertEqual([], self.words("--url", ""))

    def test_after_values(self) -> None:
        """The word after the value of an option is no value."""
        self.assertEqual(["status"], self.words("--url", "http://x", "--json", "sta"))

    def test_files(self) -> None:
        """A configuration is a file."""
        self.assertEqual([FILES], self.words("check", "conf"))

    def test_choices(self) -> None:
        """An argument may be one of a few words."""
        self.assertEqual(["bash", "zsh", "fish"], self.words("completion", ""))

    def test_prose(self) -> None:
        """Nobody guesses the words of a reason."""
        self.assertEqual([], self.words("pause", "because", ""))

    def test_unknown(self) -> None:
        """After a command that there is none of, nothing comes."""
        self.assertEqual([], self.words("stats", ""))
