# -*- test-case-name: ler.test.test_translation_responses_tools -*-
"""
Tests of L{ler.web.translation.responses.tools}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.errors import BadRequest
from ler.web.translation.fields import Fields
from ler.web.translation.responses.tools import Offer, Tool, function_name

LOOK = {"type": "function", "name": "look", "parameters": {"type": "object"}}
PATCH = {"type": "custom", "name": "patch"}
EYES = {"type": "namespace", "name": "mcp__eyes", "description": "", "tools": [LOOK, PATCH]}


def offer(*tools: Any) -> Offer:
    """
    @return: one of C{tools}.
    """
    return Offer(Fields({"tools": list(tools)}, BadRequest).each("tools"))


def names(offer: Offer) -> list[str]:
    """
    @return: what the engine calls the tools.
    """
    return [function["function"]["name"] for function in offer.functions]


def choose(offer: Offer, choice: Any) -> Any:
    """
    @return: the choice of the chat for C{choice}, the client's.
    """
    return offer.choose(Fields({"tool_choice": choice}, BadRequest))


class NameTests(SynchronousTestCase):
    """
    L{function_name} makes one name of two.
    """

    def test_joined(self) -> None:
        """A namespace stands before the name, apart from it."""
        for namespace, name, joined in (
            (None, "look", "look"),
            ("functions", "look", "look"),
            ("mcp__eyes", "look", "mcp__eyes__look"),
            ("mcp__eyes__", "look", "mcp__eyes__look"),
            ("mcp__eyes", "_look", "mcp__eyes_look"),
        ):
            self.assertEqual(joined, function_name(name, namespace))


class OfferTests(SynchronousTestCase):
    """
    L{Offer} makes functions of tools.
    """

    def test_function(self) -> None:
        """A function stays one, with what is said of it."""
        full = {**LOOK, "description": "Looks.", "strict": True, "defer_loading": True}
        self.assertEqual(
            [
                {
                    "type": "function",
                    "function": {
                        "name": "look",
                        "description": "Looks.",
                        "parameters": {"type": "object"},
                        "strict": True,
                    },
                }
            ],
            offer(full).functions,
        )

    def test_bare(self) -> None:
        """A function of which nothing is said takes no arguments."""
        self.assertEqual(
            {"name": "look", "parameters": {"type": "object", "properties": {}}},
            offer({"type": "function", "name": "look"}).functions[0]["function"],
        )

    def test_freeform(self) -> None:
        """A tool that takes text is a function that takes nothing else."""
        function = offer(PATCH).functions[0]["function"]
        self.assertEqual(["input"], function["parameters"]["required"])
        self.assertEqual("", function["description"])

    def test_namespaces(self) -> None:
        """Tools in a namespace are known to both sides by their own names."""
        made = offer(LOOK, EYES)
        self.assertEqual(["look", "mcp__eyes__look", "mcp__eyes__patch"], names(made))
        self.assertEqual(Tool("look"), made.tool("look"))
        self.assertEqual(Tool("look", "mcp__eyes"), made.tool("mcp__eyes__look"))
        self.assertEqual(Tool("patch", "mcp__eyes", True), made.tool("mcp__eyes__patch"))

    def test_unknown(self) -> None:
        """What the engine makes up is called as a function, for the client to refuse."""
        self.assertEqual(Tool("dream"), offer(LOOK).tool("dream"))

    def test_twice(self) -> None:
        """A tool that is offered twice is offered once."""
        self.assertEqual(["look"], names(offer(LOOK, LOOK)))

    def test_hosted(self) -> None:
        """Tools that only OpenAI has are left out."""
        self.assertEqual(
            ["look"],
            names(
                offer(
                    {"type": "web_search"},
                    {"type": "mcp", "server_label": "deepwiki", "server_url": "https://x"},
                    LOOK,
                    {"type": "image_generation"},
                    {"type": "local_shell"},
                )
            ),
        )

    def test_wrong(self) -> None:
        """A tool that makes no sense is refused by its place."""
        for tool, message in (
            ({}, "'tools[0].type' must be a string that is not empty"),
            ({"type": "function"}, "'tools[0].name' must be a string that is not empty"),
            ({**LOOK, "parameters": []}, "'tools[0].parameters' must be an object"),
            (
                {**EYES, "tools": [{"type": "function"}]},
                "'tools[0].tools[0].name' must be a string that is not empty",
            ),
        ):
            error = self.assertRaises(BadRequest, offer, tool)
            self.assertEqual(message, error.message)


class ChoiceTests(SynchronousTestCase):
    """
    L{Offer.choose} narrows what may be called.
    """

    def test_words(self) -> None:
        """The words are the chat's."""
        for choice in (None, "auto", "none", "required"):
            self.assertEqual(choice, choose(offer(LOOK), choice))

    def test_one(self) -> None:
        """One tool is chosen by the name that the engine knows."""
        for choice, name in (
            ({"type": "function", "name": "look"}, "look"),
            ({"type": "custom", "name": "patch"}, "mcp__eyes__patch"),
            ({"type": "function", "name": "look", "namespace": "mcp__eyes"}, "mcp__eyes__look"),
        ):
            self.assertEqual(
                {"type": "function", "function": {"name": name}}, choose(offer(LOOK, EYES), choice)
            )

    def test_allowed(self) -> None:
        """Where some tools are allowed, the others are not offered."""
        made = offer(LOOK, PATCH)
        allowed = [{"type": "custom", "name": "patch"}, {"type": "image_generation"}]
        choice = {"type": "allowed_tools", "mode": "required", "tools": allowed}
        self.assertEqual("required", choose(made, choice))
        self.assertEqual(["patch"], names(made))

    def test_absent(self) -> None:
        """A choice of what is not there is refused."""
        message = (
            "'tool_choice' names none of the functions and custom tools in 'tools', and no engine "
            "here has others"
        )
        for choice in ({"type": "function", "name": "dream"}, {"type": "web_search"}, {}):
            error = self.assertRaises(BadRequest, choose, offer(LOOK), choice)
            self.assertEqual(message, error.message)

    def test_nothing_to_choose(self) -> None:
        """A call that must be made, of nothing, is refused."""
        error = self.assertRaises(BadRequest, choose, offer({"type": "web_search"}), "required")
        self.assertEqual(
            "'tool_choice' is required, but none of the 'tools' is a function or a custom tool, "
            "and no engine here has others",
            error.message,
        )

    def test_wrong(self) -> None:
        """Other choices are refused."""
        error = self.assertRaises(BadRequest, choose, offer(LOOK), "any")
        self.assertEqual(
            "'tool_choice' must be auto, none, required, or an object naming a tool",
            error.message,
        )
