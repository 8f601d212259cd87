# -*- test-case-name: ler.test.test_wizard_drafts -*-
"""
Servers of one model, which the router is to start and stop as somebody else
does by now.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress

from ler.wizard.draft import Draft, ModelDraft, Undraftable, client_name, put_memory
from ler.wizard.files import embeds
from ler.wizard.machine import Address, Machine, Process
from ler.wizard.preset import Block, Preset, quoted
from ler.wizard.programs import KOBOLDCPP, MLX, Program, value_of, with_port

METRICS_PORT = "17801"
"""Where a MAX shows its metrics: any port that nothing else is likely to use."""

PASSED_ON = re.compile(
    r"(CUDA|HIP|ROCR|HSA|GGML|LLAMA|VLLM|SGLANG|SGL|MAX|MODULAR|HF|TRANSFORMERS|PYTORCH|OMP)_\w+"
    r"|LD_LIBRARY_PATH|PYTHONPATH|VIRTUAL_ENV"
)
"""Variables without which a server might not run as it does."""

HELD_BACK = re.compile(r".*(KEY|TOKEN|SECRET|PASSWORD).*|LLAMA_ARG_(PORT|HOST)")
"""Of these, what is secret or for the router to say."""


def draft_process(
    preset: Preset,
    program: Program,
    process: Process,
    address: Address | None,
    ids: Sequence[str] | None,
    machine: Machine,
) -> Draft:
    """
    @param address: where it listens, if it does.
    @param ids: the models that it tells of; L{None} when it does not answer.
    @raise Undraftable: when the router could not start it.
    """
    if any(not word.strip() or not _is_text(word) for word in process.argv):
        raise Undraftable(
            f"{program.name} (pid {process.pid}) has a command line that no configuration can hold"
        )
    block = (
        _in_unit(preset, process, address) if process.unit else _launched(preset, process, machine)
    )
    names = list(ids or _loaded(program, process))
    if program is MLX:
        # It lists whatever lies in the cache.
        names = _loaded(program, process)
    block.fill({"MODEL_ID": names[0] if names else "", "METRICS_PORT": METRICS_PORT})
    if not names:
        block.put("discover_models", "true", "Its models are read off its command line.")
        if program is KOBOLDCPP:
            block.drop("ready_check")
    key = value_of(process.argv, ("--api-key",))
    if key is not None:
        for headers in ("control_headers", "upstream_headers"):
            block.put_mapping(headers, {"Authorization": quoted(f"Bearer {key}")})
    if names and embeds(names[0]):
        block.put("exclusive", "false", "It is small, and may stay beside others.")
    options = {word.partition("=")[0] for word in process.argv}
    if not all(options.intersection(group) for group in program.sized_by):
        block.put("sizing", "from_free", "It fits itself into what is free.")
    put_memory(block, _size(program, process), machine.memory)
    where = "" if address is None else f" at {address}"
    silent = ", which does not answer yet" if ids is None else ""
    return Draft(
        f"{program.name}{where} (pid {process.pid}){silent}",
        client_name(names[0]) if names else program.preset,
        block,
        [_model(preset, program, process, name) for name in names],
        _advice(program, process),
    )


def _launched(preset: Preset, process: Process, machine: Machine) -> Block:
    """
    @return: an engine that the router starts with the command line of
        C{process}.
    """
    block = preset.engine
    program, *arguments = with_port(process.argv)
    block.put_list(
        "start_cmd",
        [quoted(word) for word in (_program_path(program, process), *arguments)],
        "As it was running, but on a port of the router's.",
    )
    if process.folder:
        block.put("cwd", quoted(process.folder))
    passed_on = {
        name: value
        for name, value in process.environ.items()
        if PASSED_ON.fullmatch(name)
        and not HELD_BACK.fullmatch(name)
        and machine.environ.get(name) != value
        and value.strip()
        and _is_text(value)
    }
    if passed_on:
        environ = {**(block.get("env") or {}), **passed_on}
        block.put_mapping("env", {name: quoted(value) for name, value in environ.items()})
    return block


def _in_unit(preset: Preset, process: Process, address: Address | None) -> Block:
    """
    @return: an engine of which systemd starts and stops the unit.
    """
    assert process.unit is not None
    if address is None:
        raise Undraftable(
            f"{process.unit.name} does not listen yet; run this again when it answers"
        )
    given = preset.engine
    block = Block([])
    block.put("type", "systemd")
    block.put("control", "systemd-user" if process.unit.is_user else "systemd")
    block.put("unit", quoted(process.unit.name))
    block.put("base_url", address.url)
    block.put("health_path", quoted(given.get("ready_path") or "/v1/models"))
    for key in ("ready_check", "ready_timeout_s", "start_timeout_s", "sizing"):
        if key in given:
            value = given.get(key)
            block.put(key, quoted(value) if isinstance(value, str) else str(value))
    return block


def _model(preset: Preset, program: Program, process: Process, name: str) -> ModelDraft:
    """
    @return: a model that the server calls C{name}.
    """
    block = preset.model
    block.drop("id", "engine", "context_length")
    block.fill({"MODEL_ID": name})
    context = value_of(process.argv, program.context)
    if context is not None and context.isdecimal() and int(context):
        block.put("context_length", context)
    return ModelDraft(client_name(name), block)


def _loaded(program: Program, process: Process) -> list[str]:
    """
    @return: the model that the command line names, if it does.
    """
    model = value_of(process.argv, program.loads)
    return [client_name(model)] if model else []


def _size(program: Program, process: Process) -> int:
    """
    @return: the bytes of the file that it loads, 0 when that is not known.
    """
    path = os.path.join(process.folder, value_of(process.argv, program.loads) or "")
    with suppress(OSError):
        if os.path.isfile(path):
            return os.path.getsize(path)
    return 0


def _program_path(name: str, process: Process) -> str:
    """
    @return: the executable, however the router will look for it.
    """
    if os.sep in name:
        return os.path.join(process.folder, name)
    return shutil.which(name, path=process.environ.get("PATH")) or name


def _advice(program: Program, process: Process) -> list[str]:
    if process.unit is not None:
        scope = "" if process.unit.is_user else ", which the system may have to permit"
        return [f"the router will start and stop {process.unit.name}{scope}"]
    return [
        f"{program.name} goes on with its memory until you stop it: kill {process.pid}. The router "
        "starts its own"
    ]


def _is_text(word: str) -> bool:
    try:
        word.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in word
