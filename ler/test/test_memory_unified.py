"""
Tests for L{ler.memory.unified}.
"""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from ler.memory.unified import is_unified


class IsUnifiedTests(SynchronousTestCase):
    """
    L{is_unified} on made-up machines.
    """

    def setUp(self) -> None:
        """
        An empty machine.
        """
        self.root = self.mktemp()

    def look(self, **files: str) -> bool:
        """
        @param files: contents, by C{nvidia} or C{amd}.
        @return: what is found.
        """
        places = {
            "nvidia": ("gpus", "0000:01:00.0", "information"),
            "amd": ("drm", "card0", "device", "mem_info_vram_total"),
        }
        for name, text in files.items():
            path = os.path.join(self.root, *places[name])
            os.makedirs(os.path.dirname(path))
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        return is_unified("linux", os.path.join(self.root, "gpus"), os.path.join(self.root, "drm"))

    def test_apple(self) -> None:
        """
        A Mac shares its memory.
        """
        self.assertTrue(is_unified("darwin"))

    def test_nothing(self) -> None:
        """
        Without a GPU there is no other memory.
        """
        self.assertTrue(self.look())

    def test_integrated(self) -> None:
        """
        NVIDIA's integrated parts share it.
        """
        self.assertTrue(self.look(nvidia="Model: \t\t NVIDIA GB10\nIRQ: 5\n"))

    def test_discrete(self) -> None:
        """
        A card has its own.
        """
        self.assertFalse(self.look(nvidia="Model: \t\t NVIDIA GeForce RTX 4090\n"))

    def test_carve_out(self) -> None:
        """
        What the firmware sets aside for an APU is no card.
        """
        self.assertTrue(self.look(amd=f"{512 << 20}\n"))

    def test_amd_card(self) -> None:
        """
        A card of AMD's has its own.
        """
        self.assertFalse(self.look(amd=f"{24 << 30}\n"))

    def test_odd(self) -> None:
        """
        What cannot be read proves nothing.
        """
        self.assertTrue(self.look(amd="?\n"))
