# -*- test-case-name: ler.test.test_config_report -*-
"""
Everything that is wrong with a configuration, in one report.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from ler.config.tree import KeyPath, Node, dotted, line_of, written


@dataclass(frozen=True, order=True)
class Problem:
    """
    One thing that is wrong.

    @ivar line: counted from 1; 0 concerns the file as a whole.
    @ivar path: the key path, or the empty string.
    @ivar message: what is wrong and what would be right.
    """

    line: int
    path: str
    message: str

    def located(self, file: str) -> str:
        """
        @return: one line of a report: C{file:line: key.path: message}.
        """
        where = f"{file}:{self.line}" if self.line else file
        return ": ".join(part for part in (where, self.path, self.message) if part)


class ConfigError(Exception):
    """
    A configuration cannot be used.

    @ivar file: the path of the file, as it was given.
    @ivar problems: every L{Problem}, by line.
    """

    def __init__(self, file: str, problems: Iterable[Problem]) -> None:
        self.file = file
        self.problems = tuple(sorted(problems))
        super().__init__(file, self.problems)

    def __str__(self) -> str:
        count = len(self.problems)
        lines = [problem.located(self.file) for problem in self.problems]
        return "\n".join([*lines, f"{count} problem{'s' if count != 1 else ''}"])


class Report:
    """
    Collects what is found, so that a reader need not stop at the first error.

    @ivar root: the tree that key paths are looked up in, once it is read.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.root: Node | None = None
        self._errors: list[Problem] = []
        self._warnings: list[Problem] = []

    def error(self, path: KeyPath, message: str, line: int | None = None) -> None:
        """
        Note what makes the configuration unusable.

        @param path: where, as keys and indices.
        @param message: a sentence that never shows a value in which a
            variable was replaced, nor any key, header or environment value.
        @param line: where, if the tree does not know.
        """
        self._errors.append(self._problem(path, message, line))

    def warn(self, path: KeyPath, message: str) -> None:
        """
        Note what is likely a mistake, but can be used.  See L{error}.
        """
        self._warnings.append(self._problem(path, message, None))

    def written(self, path: KeyPath) -> str:
        """
        @return: the text at C{path} as the file has it, fit for a message.
        """
        return written(self.root, path)

    @property
    def warnings(self) -> tuple[str, ...]:
        """
        The warnings, as located lines.
        """
        return tuple(problem.located(self.file) for problem in sorted(self._warnings))

    def fatal(self, message: str, line: int = 0) -> ConfigError:
        """
        Note what leaves nothing to go on with.

        @return: the error to raise at once.
        """
        self.error((), message, line)
        return ConfigError(self.file, self._errors)

    def conclude(self) -> None:
        """
        @raise ConfigError: if there was any error.
        """
        if self._errors:
            raise ConfigError(self.file, self._errors)

    def _problem(self, path: KeyPath, message: str, line: int | None) -> Problem:
        return Problem(line_of(self.root, path) if line is None else line, dotted(path), message)


def suggestion(word: str, known: Iterable[str]) -> str:
    """
    @return: the end of a message that proposes the nearest known word, or
        the empty string.
    """
    candidates = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(word.lower(), candidates, n=1)
    return f"; did you mean {candidates[near[0]]!r}?" if near else ""
