# -*- test-case-name: ler.test.test_wizard_asking -*-
"""
Tests for L{ler.wizard.asking}; real servers are asked in
L{ler.test.test_live_wizard}.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ler.wizard.asking import Asker, in_parallel
from ler.wizard.machine import Address
from ler.wizard.programs import KOBOLDCPP, LLAMA_SERVER, LM_STUDIO, OLLAMA

ADDRESS = Address("127.0.0.1", 1)


class AskerTests(SynchronousTestCase):
    """
    L{Asker}
    """

    def asker(self, **answers: Any) -> Asker:
        """
        @param answers: by the last segment of the path.
        @return: one that is answered so.
        """
        self.asked: list[tuple[str, Mapping[str, str]]] = []

        def fetch(address: Address, path: str, headers: Mapping[str, str]) -> Any:
            self.asked.append((path, headers))
            return answers.get(path.rpartition("/")[2].replace("-", "_") or "root")

        return Asker(fetch)

    def test_identify(self) -> None:
        """Two servers say who they are; others do not."""
        self.assertIs(OLLAMA, self.asker(root="Ollama is running").identify(ADDRESS))
        lm_studio = self.asker(lmstudio_greeting={"lmstudio": True})
        self.assertIs(LM_STUDIO, lm_studio.identify(ADDRESS))
        for answer in ({"lmstudio": False}, {}, "Ollama is running", None):
            other = self.asker(root="<html>", lmstudio_greeting=answer)
            self.assertIsNone(other.identify(ADDRESS))

    def test_models(self) -> None:
        """Each kind of server lists its models in its own way."""
        openai = self.asker(models={"data": [{"id": "a"}, {"id": "b"}]})
        self.assertEqual(["a", "b"], openai.models(LLAMA_SERVER, ADDRESS, None))
        ollama = self.asker(tags={"models": [{"name": "a:b"}]})
        self.assertEqual(["a:b"], ollama.models(OLLAMA, ADDRESS, None))
        lm_studio = self.asker(models={"models": [{"key": "x/y"}]})
        self.assertEqual(["x/y"], lm_studio.models(LM_STUDIO, ADDRESS, None))
        self.assertEqual("/api/v1/models", self.asked[-1][0])

    def test_koboldcpp(self) -> None:
        """KoboldCpp has one model, or none."""
        for answer, ids in (
            ({"result": "koboldcpp/a"}, ["a"]),
            ({"result": "inactive"}, None),
            ({"result": 5}, None),
            ("", None),
        ):
            self.assertEqual(ids, self.asker(model=answer).models(KOBOLDCPP, ADDRESS, None))

    def test_key(self) -> None:
        """A server that wants a key is shown it."""
        asker = self.asker()
        asker.models(LLAMA_SERVER, ADDRESS, "secret")
        self.assertEqual([("/v1/models", {"Authorization": "Bearer secret"})], self.asked)

    def test_nonsense(self) -> None:
        """What is no list is no answer; what is no name is passed over."""
        nonsense: tuple[Any, ...] = (None, "text", [], {"data": {}}, {"models": []})
        for answer in nonsense:
            self.assertIsNone(self.asker(models=answer).models(LLAMA_SERVER, ADDRESS, None))
        entries = [{"id": "a"}, {"id": 5}, {"id": ""}, {"id": "b\n"}, "c", {}, {"id": "a"}]
        asker = self.asker(models={"data": entries})
        self.assertEqual(["a"], asker.models(LLAMA_SERVER, ADDRESS, None))

    def test_in_parallel(self) -> None:
        """Many are asked at a time, and their answers stay in order."""
        self.assertEqual([2, 4, 6], in_parallel(lambda number: 2 * number, [1, 2, 3]))
        self.assertEqual([], in_parallel(str, []))
