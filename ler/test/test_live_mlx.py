# -*- test-case-name: ler.test.test_live_mlx -*-
"""
Live tests of two kinds of real engine behind one router: llama.cpp and MLX.
"""

from __future__ import annotations

from ler.demo.__main__ import TINY_MLX_MODELS, TINY_MODELS
from ler.test.demo_case import DemoCase

BIRDS = TINY_MODELS["tiny-birds"]
FISH = TINY_MLX_MODELS["tiny-fish"]


class MLXTests(DemoCase):
    """
    C{python -m ler.demo --mlx}
    """

    needs = (*DemoCase.needs, "mlx_lm")

    def test_takes_turns(self) -> None:
        """They swap back and forth, for whole answers and for streams, and are weighed."""
        router = self.start_demo("--mlx")
        for ask in (self.answer, self.streamed_answer):
            self.assert_says(BIRDS, ask(router, "tiny-birds"))
            self.assert_says(FISH, ask(router, "tiny-fish"))
        status = router.get("/status")
        [slot] = status["slots"]
        self.assertEqual(
            ["tiny-fish", "tiny-birds", "tiny-fish", "tiny-birds"],
            [swap["to"] for swap in slot["last_swaps"]],
        )
        self.assertEqual({True}, {swap["ok"] for swap in slot["last_swaps"]})
        self.assertEqual({"tiny-birds", "tiny-fish"}, status["memory"]["ledger"].keys())
        engines = status["engines"]
        self.assertEqual(
            {"tiny-birds": False, "tiny-trees": False, "tiny-fish": True},
            {name: engine["process_running"] for name, engine in engines.items()},
        )
