# -*- test-case-name: ler.test.test_guardian -*-
"""
Tests for those parts of L{ler.engines.guardian} that run without a process.
L{ler.test.test_live_process} holds the others.
"""

from __future__ import annotations

import ast
import inspect
import sys

from twisted.trial.unittest import SynchronousTestCase

from ler.engines import backlog, guardian, procfs, tree


class ImportTests(SynchronousTestCase):
    """
    What the guardian is made of.
    """

    def test_standard_library_only(self) -> None:
        """
        It runs without site-packages, so it imports nothing from there.
        """
        ours = {"ler.engines", "ler.engines.backlog", "ler.engines.tree"}
        for module in (guardian, backlog, tree, procfs):
            for node in ast.walk(ast.parse(inspect.getsource(module))):
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    names = [node.module or ""]
                else:
                    continue
                for name in names:
                    root = name.partition(".")[0]
                    self.assertTrue(name in ours or root in sys.stdlib_module_names, name)
