# -*- test-case-name: ler.test.test_config_retired -*-
"""
Keys that older routers knew and this one does without.

They load, with one warning that names the successor, so that a working
configuration keeps working.  Nothing that protects is ever retired: a key that
only resembles C{api_keys} stays an unknown key, and so does one that strayed
into a section listed here, where it would lose its effect in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ler.config.model import Config, Discover, Ds4, GenericProcess, Model, Systemd


@dataclass(frozen=True)
class Retired:
    """
    A key without effect.

    @ivar advice: what serves its purpose now.
    @ivar known: the keys of the section that it used to be; if there are
        none, any value is accepted.
    """

    advice: str
    known: frozenset[str] = frozenset()


def _section(advice: str, keys: str) -> Retired:
    """
    @return: a retired section that knew C{keys}.
    """
    return Retired(advice, frozenset(keys.split()))


_NO_PICKER = Retired("the router never answers with another model than the one asked for")
_UNIT_OWNS = Retired("the router asks systemd for the unit's processes, and owns those it starts")

RETIRED: Mapping[type, Mapping[str, Retired]] = {
    Config: {
        "smart": _section(
            _NO_PICKER.advice,
            "aliases policy policies weights catch_cloud_models catch_unknown_models "
            "override_exact_model_ids swap_margin min_confidence swap_cost_horizon_s retry "
            "benchmarks calibration_enabled",
        ),
        "routing_mode": _NO_PICKER,
        "ds4": _section(
            "configure the server under engines, with type: ds4",
            "enabled base_url control systemd_user_unit serve_script process_pattern "
            "health_path start_timeout_s stop_timeout_s log_file control_headers",
        ),
        "ollama": _section(
            "configure the server under engines, with type: ollama",
            "enabled base_url health_path unload_timeout_s systemd_unit tags_cache_ttl_s "
            "control_headers",
        ),
    },
    GenericProcess: {
        "process_pattern": Retired("the router owns the whole process tree itself"),
    },
    Systemd: {"process_pattern": _UNIT_OWNS},
    Ds4: {"process_pattern": _UNIT_OWNS},
    Discover: {
        "port_probe": _section("only engines that are configured are asked", "enabled"),
    },
    Model: {
        "memory_gb": Retired("set memory, in GiB"),
        "quality_tier": _NO_PICKER,
        "speed_tier": _NO_PICKER,
        "strengths": _NO_PICKER,
        "smart_enabled": _NO_PICKER,
    },
}

# What people write when they mean api_keys, beside what resembles it.
PROTECTIVE = frozenset(
    ("auth", "authorization", "bearer", "key", "keys", "password", "secret", "token", "tokens")
)
