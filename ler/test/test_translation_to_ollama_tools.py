# -*- test-case-name: ler.test.test_translation_to_ollama_tools -*-
"""
Tests of L{ler.web.translation.to_ollama.tools}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import BadRequest
from ler.web.translation.fields import Fields
from ler.web.translation.to_ollama.tools import tools


def tool(name: str) -> dict[str, Any]:
    """
    @return: a tool, in either dialect.
    """
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


class ToolsTests(SynchronousTestCase):
    """
    L{tools} says what may be called.
    """

    def offered(self, *given: Any, **more: Any) -> list[dict[str, Any]]:
        """
        @return: Ollama's tools.
        """
        return tools(Fields({"tools": list(given), **more}, BadRequest))

    def test_all(self) -> None:
        """Tools go on as they are, less what is not the function."""
        both = [tool("weather"), tool("time")]
        self.assertEqual(both, self.offered({**both[0], "strict": True}, both[1]))
        for choice in ("auto", "required", None):
            self.assertEqual(both, self.offered(*both, tool_choice=choice))

    def test_none(self) -> None:
        """Tools that must not be called are not offered."""
        self.assertEqual([], self.offered(tool("weather"), tool_choice="none"))
        self.assertEqual([], self.offered())

    def test_chosen(self) -> None:
        """Where the client chooses, the others are not offered."""
        time, date = tool("time"), tool("date")
        every = [tool("weather"), time, date]
        one = {"type": "function", "function": {"name": "time"}}
        self.assertEqual([time], self.offered(*every, tool_choice=one))
        some = {"mode": "auto", "tools": [one, {"type": "function", "function": {"name": "date"}}]}
        choice = {"type": "allowed_tools", "allowed_tools": some}
        self.assertEqual([time, date], self.offered(*every, tool_choice=choice))

    def test_chosen_wrongly(self) -> None:
        """A choice that is not on offer is refused."""
        choice = {"type": "function", "function": {"name": "date"}}
        error = self.assertRaises(BadRequest, self.offered, tool("time"), tool_choice=choice)
        self.assertEqual("'tool_choice' names 'date', which is none of the 'tools'", error.message)

    def test_other_kinds(self) -> None:
        """A tool of another kind is refused."""
        custom = {"type": "custom", "custom": {"name": "patch"}}
        error = self.assertRaises(BadRequest, self.offered, custom)
        self.assertIn("'tools[0].type' must be function", error.message)
