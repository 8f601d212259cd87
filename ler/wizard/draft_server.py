# -*- test-case-name: ler.test.test_wizard_drafts -*-
"""
Servers that are told over HTTP what to hold.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import yaml

from ler.wizard.draft import Draft, Undraftable, model_of_server
from ler.wizard.files import embeds
from ler.wizard.machine import Address, Machine, Process
from ler.wizard.preset import Preset, quoted, scalar
from ler.wizard.programs import OLLAMA, TABBYAPI, Program


def draft_server(
    preset: Preset,
    program: Program,
    address: Address,
    ids: Sequence[str],
    process: Process | None,
    machine: Machine,
) -> Draft:
    """
    @param ids: the models that it has.
    @param process: the server itself, if it can be seen.
    @raise Undraftable: when its keys cannot be had.
    """
    block = preset.engine
    block.put("base_url", address.url)
    unit = None if process is None else process.unit
    if unit is not None:
        block.put("systemd_unit", quoted(unit.name), "Started when it does not answer.")
        if unit.is_user:
            block.put("systemd_scope", "user")
    elif "systemd_unit" in block and not machine.has_unit(str(block.get("systemd_unit"))):
        block.put("systemd_unit", scalar(None), "It is no unit, so the router cannot start it.")
    if program is TABBYAPI:
        block.fill(_tabby_keys(process))
    title = f"{program.name} at {address}, with {len(ids)} model{'' if len(ids) == 1 else 's'}"
    if program is OLLAMA:
        # The others it tells the router itself.
        ids = [id for id in ids if embeds(id)]
    return Draft(title, program.preset, block, [*map(model_of_server, ids)])


def _tabby_keys(process: Process | None) -> Mapping[str, str]:
    """
    @return: what to write in place of the keys in the preset.
    """
    path = "" if process is None else os.path.join(process.folder, "api_tokens.yml")
    try:
        with open(path, encoding="utf-8") as file:
            tokens = yaml.safe_load(file)
        return {"ADMIN-KEY": str(tokens["admin_key"]), "API-KEY": str(tokens["api_key"])}
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError):
        raise Undraftable(
            "TabbyAPI runs, but its api_tokens.yml cannot be read: run this as the user who may"
        ) from None
