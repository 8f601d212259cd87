"""
What the directives of this folder have in common: they write reStructuredText.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from docutils import nodes
from sphinx.util.docutils import SphinxDirective


class Generated(SphinxDirective):
    """
    A directive that stands for text made from the code.
    """

    def text(self) -> str:
        """
        @return: the text, in reStructuredText.
        """
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """
        @see: L{SphinxDirective.run}
        """
        return self.parse_text_to_nodes(self.text())


def indented(text: str, by: str = "   ") -> str:
    """
    @return: C{text}, as a part of what stands before it.
    """
    return "".join(by + line if line.strip() else line for line in text.splitlines(keepends=True))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], widths: str = "auto") -> str:
    """
    @param widths: of the columns, relative to each other.
    @return: a table.
    """
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in [head, *rows]:
        for at, cell in enumerate(row):
            lines.append(("   * - " if at == 0 else "     - ") + indented(cell, " " * 7).strip())
    return "\n".join([*lines, ""])


def words(items: Iterable[str], last: str = "or") -> str:
    """
    @return: C{items} in a sentence.
    """
    *first, final = items
    return f"{', '.join(first)} {last} {final}" if first else final
