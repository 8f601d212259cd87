# -*- test-case-name: ler.test.test_docs -*-
"""
The pages of the documentation, and what in them is to be tried.

A comment before a block says what becomes of it:

  - C{.. run} or C{.. run: fails}: its commands are run, and have to go well,
    or not;
  - C{.. run: python NAME}: it is run by Python, where the package NAME is
    installed;
  - C{.. prints}: the commands before it print this, among other things; C{...}
    stands for any text;
  - C{.. write: FILE}: it is the content of a file;
  - C{.. start}: its last command is a router, which is left running;
  - C{.. not run: REASON}: somebody else tries it, or nobody can.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from twisted.trial.unittest import SkipTest

import ler

ROOT = Path(ler.__file__).parent.parent
DOCS = ROOT / "docs"

_MARK = re.compile(r"\.\. (run|prints|write|start|not run)(?:: *(.*))?")
_CODE = re.compile(r"\.\. code(?:-block)?:: *(\S*)")
_DIRECTIVE = re.compile(r"\.\. [\w-]+::")

_COMMAND = re.compile(
    r"\s*(?:\$ )?(?:\S*/)?"
    r"(?:curl|docker|engine-router|make|pip|printf|python3?|routerctl|sudo|systemctl|twistd3?) "
)


@dataclass(frozen=True)
class Block:
    """
    A literal block.

    @ivar where: page and line.
    @ivar language: that of a C{code-block}; empty where none is named.
    @ivar mark: what becomes of it; empty when nothing is said.
    @ivar detail: the rest of the mark.
    """

    where: str
    language: str
    text: str
    mark: str = ""
    detail: str = ""

    @property
    def has_commands(self) -> bool:
        """
        Whether a reader is meant to run something of it.
        """
        return self.language in ("bash", "console", "python", "sh") or any(
            map(_COMMAND.match, self.text.splitlines())
        )

    def commands(self) -> str:
        """
        @return: a shell script.
        """
        lines = self.text.splitlines(keepends=True)
        if any(line.startswith("$ ") for line in lines):
            # What has no prompt, and does not go on what has, is output.
            lines = [line.removeprefix("$ ") for line in _prompted(lines)]
        return "".join(lines)


def _prompted(lines: list[str]) -> Iterator[str]:
    goes_on = False
    for line in lines:
        if goes_on or line.startswith("$ "):
            yield line
            goes_on = line.endswith("\\\n")


def pages() -> list[Path]:
    """
    @return: all of them, the README first.
    """
    if not DOCS.is_dir():
        raise SkipTest("not a checkout")
    return [ROOT / "README.rst", *sorted(DOCS.rglob("*.rst"))]


def blocks(page: Path) -> list[Block]:
    """
    @return: the literal blocks of a page, in order.
    """
    return list(_blocks(page.name, page.read_text(encoding="utf-8").splitlines()))


def _blocks(name: str, lines: list[str]) -> Iterator[Block]:
    mark, detail = "", ""
    at = 0
    while at < len(lines):
        line = lines[at].rstrip()
        marked = _MARK.fullmatch(line.strip())
        code = _CODE.match(line.strip())
        at += 1
        if marked:
            mark, detail = marked[1], marked[2] or ""
        elif code or (line.endswith("::") and not _DIRECTIVE.match(line.strip())):
            language = code[1] if code else ""
            start = at
            text, at = _indented(lines, at, len(line) - len(line.lstrip()))
            yield Block(f"{name}:{start}", language, text, mark, detail)
            mark, detail = "", ""


def _indented(lines: list[str], at: int, margin: int) -> tuple[str, int]:
    """
    @param margin: how far the text around is indented.
    @return: the block that begins there, less its own indent and options, and
        where it ends.
    """
    found = []
    while at < len(lines) and (
        not lines[at].strip() or len(lines[at]) - len(lines[at].lstrip()) > margin
    ):
        found.append(lines[at].rstrip())
        at += 1
    while found and (not found[0] or found[0].lstrip().startswith(":")):
        del found[0]
    depth = min((len(line) - len(line.lstrip()) for line in found if line), default=0)
    return "\n".join(line[depth:] for line in found).rstrip() + "\n", at
