# -*- test-case-name: ler.test.test_translation_chain -*-
"""
Tests of L{ler.web.translation.chain}.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from ler.errors import BadRequest, UpstreamError
from ler.web.translation.chain import Chain
from ler.web.translation.contract import Circumstances, ITranslation


@implementer(ITranslation)
class Spelling:
    """
    A translation that notes what passes through it.  Of an event it makes two.
    """

    streams = True

    def __init__(self, name: str, body: Mapping[str, Any], circumstances: Circumstances) -> None:
        if "mistake" in body:
            raise BadRequest(f"{name} takes no mistake")
        self.path = f"/{name}"
        self.sent_at = 0.0
        self._name = name
        self._body = body
        self._now = circumstances.now

    def request(self, model: str) -> dict[str, Any]:
        """Say through whom it went."""
        return {**self._body, "model": model, "through": [*self._through(self._body), self._name]}

    def sent(self) -> None:
        """Note when."""
        self.sent_at = self._now()

    def document(self, answer: Any) -> dict[str, Any]:
        """Say through whom it came."""
        return {**answer, "through": [*self._through(answer), self._name]}

    def event(self, event: Any) -> list[dict[str, Any]]:
        """Say everything twice, except errors."""
        if "error" in event:
            raise UpstreamError(f"{self._name} heard of it")
        return [{**event, self._name: number} for number in (1, 2)]

    def end(self) -> list[dict[str, Any]]:
        """Say goodbye."""
        return [{"end": self._name}]

    @staticmethod
    def _through(value: Mapping[str, Any]) -> list[str]:
        return list(value.get("through", []))


def chained(**body: Any) -> Chain:
    """
    @return: a chain of two, for a client that calls the model by its own name.
    """
    make = partial(Chain, partial(Spelling, "near"), partial(Spelling, "far"))
    return make({"model": "name", **body}, Circumstances("name", now=lambda: 7.0))


class ChainTests(SynchronousTestCase):
    """
    L{Chain} is a translation made of two.
    """

    def test_interface(self) -> None:
        """It is a translation to the engine's dialect, for the client."""
        chain = chained()
        self.assertTrue(verifyObject(ITranslation, chain))
        self.assertEqual("/far", chain.path)
        self.assertTrue(chain.streams)

    def test_request(self) -> None:
        """A request goes through the client's side first, and names the engine's model."""
        self.assertEqual(
            {"model": "served", "text": "x", "through": ["near", "far"]},
            chained(text="x").request("served"),
        )

    def test_mistake(self) -> None:
        """What either side refuses is refused at once."""
        error = self.assertRaises(BadRequest, chained, mistake=1)
        self.assertEqual("near takes no mistake", error.message)

    def test_sent(self) -> None:
        """Both sides learn when the request goes off."""
        sides: list[Spelling] = []

        def noted(name: str, body: Mapping[str, Any], circumstances: Circumstances) -> Spelling:
            sides.append(Spelling(name, body, circumstances))
            return sides[-1]

        chain = Chain(
            partial(noted, "near"), partial(noted, "far"), {}, Circumstances("m", now=lambda: 7.0)
        )
        chain.sent()
        self.assertEqual([7.0, 7.0], [side.sent_at for side in sides])

    def test_document(self) -> None:
        """An answer comes through the engine's side first."""
        self.assertEqual(
            {"text": "x", "through": ["far", "near"]}, chained().document({"text": "x"})
        )

    def test_events(self) -> None:
        """Everything that the engine's side makes of an event goes through the client's, in
        order."""
        self.assertEqual(
            [
                {"far": 1, "near": 1},
                {"far": 1, "near": 2},
                {"far": 2, "near": 1},
                {"far": 2, "near": 2},
            ],
            chained().event({}),
        )

    def test_error(self) -> None:
        """An error of the engine goes to nobody else."""
        error = self.assertRaises(UpstreamError, chained().event, {"error": "x"})
        self.assertEqual("far heard of it", error.message)

    def test_end(self) -> None:
        """The last words of the engine's side go through the client's, which then has its
        own."""
        self.assertEqual(
            [{"end": "far", "near": 1}, {"end": "far", "near": 2}, {"end": "near"}],
            chained().end(),
        )
