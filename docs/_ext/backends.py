"""
Backends, from their presets and from C{checked.yaml}, which says what was
checked: C{.. backend:: NAME} and C{.. backends::}.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from generated import Generated, indented, table, words
from sphinx.application import Sphinx

from ler.config.model import ENGINE_TYPES
from ler.config.shape import settings

DOCS = Path(__file__).resolve().parent.parent
PRESETS = sorted((DOCS.parent / "presets").glob("*.yaml"))
CHECKED = DOCS / "backends" / "checked.yaml"

Preset = Mapping[str, Any]


def read_preset(path: Path) -> Preset:
    """
    @return: the keys of the engine in a preset, with the defaults of its type.
    """
    [engine] = yaml.safe_load(path.read_text(encoding="utf-8"))["engines"].values()
    section = ENGINE_TYPES[engine["type"]]
    return {**{setting.name: setting.default for setting in settings(section)}, **engine}


class Backend(Generated):
    """
    What a preset says, in words, and the preset itself.
    """

    required_arguments = 1

    def text(self) -> str:
        """
        @see: L{Generated.text}
        """
        name = self.arguments[0]
        [path] = (path for path in PRESETS if path.stem == name)
        for used in (path, CHECKED):
            self.env.note_dependency(str(used))
        preset = read_preset(path)
        checked = yaml.safe_load(CHECKED.read_text(encoding="utf-8"))[name]
        facts = {
            "Type": f"``{preset['type']}``",
            "Speaks": f"{words(preset['speaks'], 'and')} (see :doc:`/endpoints`)",
            "Ready when": _ready(preset),
            "Gives its memory back by": _freed(preset),
            "Sizes itself": f"``{preset['sizing']}``",
            "Checked against": checked["against"],
            "Checked": checked["checked"],
        }
        told = "".join(f":{fact}: {text}\n" for fact, text in facts.items())
        source = indented(path.read_text(encoding="utf-8"))
        return f"{told}\n``presets/{path.name}``:\n\n.. code-block:: yaml\n\n{source}\n"


def _ready(preset: Preset) -> str:
    if preset["ready_check"] == "completion":
        return "it completes one token"
    probe = preset.get("ready_path") or preset["health_path"]
    shown = f" and shows ``{preset['ready_check']}``" if preset["ready_check"] else ""
    answers = f"``{probe}`` answers 200{shown}"
    if preset["type"] == "generic_process":
        return answers
    return f"{answers}; a model, when the server says that it is loaded"


def _freed(preset: Preset) -> str:
    if preset["type"] == "ollama":
        return "unloading the model, and waiting until it is gone from ``/api/ps``"
    if preset["type"] == "api_swap":
        request = f"{preset['unload_method']} {preset['unload_path']}"
        return f"``{request}``, and waiting until ``{preset['loaded_path']}`` shows it no more"
    scope = "the server" if preset["stop_scope"] == "leader" else "its whole group"
    first = f"``{preset['stop_signal']}`` to {scope}"
    if preset["stop_cmd"]:
        first = f"``{' '.join(preset['stop_cmd'])}``, then {first}"
    return f"{first}, and after {preset['stop_timeout_s']} s SIGKILL to whatever is left"


class Backends(Generated):
    """
    All of them, in a table.
    """

    def text(self) -> str:
        """
        @see: L{Generated.text}
        """
        self.env.note_dependency(str(CHECKED))
        checked = yaml.safe_load(CHECKED.read_text(encoding="utf-8"))
        rows = []
        for path in PRESETS:
            self.env.note_dependency(str(path))
            said = checked[path.stem]
            kind = f"``{read_preset(path)['type']}``"
            rows.append((f":doc:`backends/{path.stem}`", kind, said["against"], said["checked"]))
        return table(["Preset", "Type", "Against", "Checked"], rows, "18 16 26 40")


def setup(app: Sphinx) -> dict[str, bool]:
    """
    Make the directives known.
    """
    app.add_directive("backend", Backend)
    app.add_directive("backends", Backends)
    return {"parallel_read_safe": True}
