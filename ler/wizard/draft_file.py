# -*- test-case-name: ler.test.test_wizard_drafts -*-
"""
Model files that nobody serves yet.
"""

from __future__ import annotations

from ler.wizard.draft import GIB, Draft, ModelDraft, put_memory
from ler.wizard.files import ModelFile, embeds
from ler.wizard.machine import Machine
from ler.wizard.preset import Preset, quoted


def draft_file(preset: Preset, server: str, model: ModelFile, machine: Machine) -> Draft:
    """
    @param preset: that of llama-server.
    @param server: the path of this.
    """
    block, about = preset.engine, preset.model
    block.replace_item("start_cmd", "llama-server", quoted(server))
    if embeds(model.name):
        block.add_item("start_cmd", "--embeddings")
        block.put("exclusive", "false", "It is small, and may stay beside others.")
    block.fill({"MODEL_FILE": model.path, "MODEL_ID": model.name})
    put_memory(block, model.size, machine.memory)
    about.drop("id", "engine")
    return Draft(
        f"{model.path} ({model.size / GIB:.1f} GiB), by llama-server",
        model.name,
        block,
        [ModelDraft(model.name, about)],
    )
