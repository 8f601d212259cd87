"""
Tests for L{ler.config.retired}.
"""

from __future__ import annotations

from ler.config.retired import RETIRED
from ler.config.shape import settings
from ler.test.test_config import BASE, ConfigTestCase


class RetiredTests(ConfigTestCase):
    """
    Keys of older routers.
    """

    def test_keys_load(self) -> None:
        """
        Each loads with one warning that names the successor.
        """
        no_picker = "the router never answers with another model than the one asked for"
        unit_owns = "the router asks systemd for the unit's processes, and owns those it starts"
        rows = {
            "smart: {policy: fast, retry: {x: 1}}": f"smart: has no effect: {no_picker}",
            "smart:": f"smart: has no effect: {no_picker}",
            "routing_mode: smart": f"routing_mode: has no effect: {no_picker}",
            "discover: {enabled: true, port_probe: {enabled: false}}": (
                "discover.port_probe: has no effect: only engines that are configured are asked"
            ),
            "ds4: {enabled: true, control: process}": (
                "ds4: has no effect: configure the server under engines, with type: ds4"
            ),
            "ollama: {base_url: 'http://x'}": (
                "ollama: has no effect: configure the server under engines, with type: ollama"
            ),
            "    process_pattern: llama-server": (
                "engines.a.process_pattern: has no effect: the router owns the whole process tree "
                "itself"
            ),
            "  b: {type: systemd, unit: x, base_url: 'http://x', process_pattern: x}": (
                f"engines.b.process_pattern: has no effect: {unit_owns}"
            ),
            "  b: {type: ds4, process_pattern: x}": (
                f"engines.b.process_pattern: has no effect: {unit_owns}"
            ),
            "models: [{id: m, engine: a, memory_gb: 8}]": (
                "models[0].memory_gb: has no effect: set memory, in GiB"
            ),
            **{
                f"models: [{{id: m, engine: a, {key}: {value}}}]": (
                    f"models[0].{key}: has no effect: {no_picker}"
                )
                for key, value in {
                    "quality_tier": 3,
                    "speed_tier": 3,
                    "strengths": "{coding: 0.5}",
                    "smart_enabled": "false",
                }.items()
            },
        }
        for text, message in rows.items():
            self.assertEqual([f"6: {message}"], self.warnings(f"{BASE}{text}\n"), text)
        mentioned = {message.split(":")[0].split(".")[-1] for message in rows.values()}
        self.assertEqual({key for keys in RETIRED.values() for key in keys}, mentioned)

    def test_once(self) -> None:
        """
        A key in many places gives one warning, at the first.
        """
        models = "".join(f"- {{id: m{n}, engine: a, memory_gb: 8}}\n" for n in range(3))
        self.assertEqual(
            ["7: models[0].memory_gb: has no effect: set memory, in GiB (in 3 places)"],
            self.warnings(f"{BASE}models:\n{models}"),
        )

    def test_strays(self) -> None:
        """
        A key that strayed into a section without effect is not lost: it might
        be one that protects.
        """
        for section in ("smart", "ds4", "ollama", "discover"):
            (problem,) = self.problems(f"{BASE}{section}: {{api_keys: [x]}}\n")
            self.assertEqual(f"6: {section}.api_keys: unknown key", problem)

    def test_nothing_is_both(self) -> None:
        """
        A key that has an effect is not retired.
        """
        for section, keys in RETIRED.items():
            live = {setting.name for setting in settings(section)}
            self.assertEqual(set(), live & keys.keys())
