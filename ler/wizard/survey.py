# -*- test-case-name: ler.test.test_wizard_survey -*-
"""
Everything on this machine that serves models, or could.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ler.wizard.asking import Asker, in_parallel
from ler.wizard.draft import Draft, Undraftable
from ler.wizard.draft_file import draft_file
from ler.wizard.draft_process import draft_process
from ler.wizard.draft_server import draft_server
from ler.wizard.files import ModelFile, model_files, places
from ler.wizard.machine import Address, Listener, Machine, Process
from ler.wizard.preset import Preset
from ler.wizard.programs import (
    LLAMA_SERVER,
    LM_STUDIO,
    OLLAMA,
    PROGRAMS,
    Program,
    program_of,
    value_of,
)

MARK = "ENGINE_ROUTER_INSTANCE"
"""The variable that every engine of a router has in its environment."""


@dataclass(frozen=True)
class Server:
    """
    A program that runs.

    @ivar process: the first of its processes, if it can be seen.
    @ivar addresses: where it may listen, the likeliest first.
    """

    program: Program
    process: Process | None
    addresses: Sequence[Address]


@dataclass
class Survey:
    """
    What was found.

    @ivar drafts: what can be configured.
    @ivar notes: what cannot, and what to do about it.
    """

    drafts: list[Draft]
    notes: list[str]


class Surveyor:
    """
    Looks around.
    """

    def __init__(self, machine: Machine, asker: Asker, presets: Path) -> None:
        """
        @param presets: the folder of the presets.
        """
        self._machine = machine
        self._asker = asker
        self._presets = presets

    def survey(self) -> Survey:
        """
        @return: what there is.
        """
        listeners = self._machine.listeners()
        processes = {process.pid: process for process in self._machine.processes()}
        servers = list(_servers(processes, listeners))
        servers += self._unseen(listeners, servers)
        found = Survey([], [])
        for draft in in_parallel(self._draft, servers):
            if isinstance(draft, Draft):
                found.drafts.append(draft)
            else:
                found.notes.append(draft)
        self._add_files(found, servers)
        self._add_installed(found, servers)
        return found

    def _preset_file(self, program: Program) -> Path:
        return self._presets / f"{program.preset}.yaml"

    def _preset(self, program: Program) -> Preset:
        return Preset(self._preset_file(program).read_text(encoding="utf-8"))

    def _unseen(self, listeners: Sequence[Listener], seen: Sequence[Server]) -> list[Server]:
        """
        @return: servers that listen where they usually do, though nobody can
            be seen to do so.
        """
        known = {address for server in seen for address in server.addresses}
        # One that listens on IPv6, too, is one.
        usual = {
            listener.address.port: listener.address
            for listener in reversed(listeners)
            if listener.address.port in (OLLAMA.port, LM_STUDIO.port)
            and listener.address not in known
        }.values()
        kinds = in_parallel(self._asker.identify, usual)
        return [
            Server(kind, None, [address])
            for kind, address in zip(kinds, usual, strict=True)
            if kind is not None
        ]

    def _draft(self, server: Server) -> Draft | str:
        """
        @return: how to configure C{server}, or why it cannot be.
        """
        program, process = server.program, server.process
        who = program.name if process is None else f"{program.name} (pid {process.pid})"
        if process is not None and MARK in process.environ:
            return f"{who} belongs to an engine-router that runs already"
        if process is not None and not process.is_ours and not process.unit and program.is_launched:
            return (
                f"{who} runs as {process.user} or in a container, where the router cannot start "
                f"it: {self._preset_file(program)} says what to write for one that it can"
            )
        address, ids = self._answer(server)
        try:
            if program.is_launched and process is not None:
                preset = self._preset(program)
                return draft_process(preset, program, process, address, ids, self._machine)
            if address is None or ids is None:
                return f"{who} does not answer; run this again when it does"
            return draft_server(
                self._preset(program), program, address, ids, process, self._machine
            )
        except Undraftable as e:
            return str(e)

    def _answer(self, server: Server) -> tuple[Address | None, list[str] | None]:
        """
        @return: where C{server} listens, and the models that it tells of.
        """
        key = None if server.process is None else value_of(server.process.argv, ("--api-key",))
        for address in server.addresses:
            ids = self._asker.models(server.program, address, key)
            if ids is not None:
                return address, ids
        return next(iter(server.addresses), None), None

    def _add_files(self, found: Survey, servers: Sequence[Server]) -> None:
        served = {path for server in servers for path in _paths(server)}
        models = [
            model
            for model in model_files(places(self._machine.environ))
            if os.path.realpath(model.path) not in served and not _is_of_lm_studio(model, servers)
        ]
        path = self._machine.which(LLAMA_SERVER.executable)
        if path is not None:
            preset = self._preset(LLAMA_SERVER)
            found.drafts += [draft_file(preset, path, model, self._machine) for model in models]
        elif models:
            found.notes.append(
                f"{len(models)} model files (GGUF) are here, and no llama-server to serve them: "
                "install llama.cpp"
            )

    def _add_installed(self, found: Survey, servers: Sequence[Server]) -> None:
        """
        Note what is installed, and does not run.
        """
        running = {server.program for server in servers}
        for program in PROGRAMS:
            if program in running or program is LLAMA_SERVER or not program.executable:
                continue
            if self._machine.which(program.executable) is None:
                continue
            advice = (
                f"{self._preset_file(program)} shows how to add a model of it"
                if program.is_launched
                else "start it, and run this again"
            )
            found.notes.append(f"{program.name} is installed, but does not run: {advice}")


def _servers(processes: Mapping[int, Process], listeners: Sequence[Listener]) -> Iterator[Server]:
    """
    @return: the programs that can be seen to run, each once, however many
        processes it has.
    """
    programs = {
        pid: program
        for pid, process in processes.items()
        if (program := program_of(process.argv, process.folder)) is not None
    }
    addresses: dict[int, list[Address]] = {}
    for listener in listeners:
        line = list(_ancestry(listener.pid, processes))
        roots = [pid for pid in line if pid in programs]
        if roots:
            addresses.setdefault(roots[-1], []).append(listener.address)
    for pid, program in programs.items():
        process, found = processes[pid], addresses.get(pid, [])
        _, *above = _ancestry(pid, processes)
        is_elsewhere = not (found or process.is_ours or process.unit or program.is_launched)
        if is_elsewhere or not programs.keys().isdisjoint(above):
            continue
        told = value_of(process.argv, ("--port",))
        wanted = int(told) if told and told.isdecimal() else program.port
        # It may listen on several ports; and whose a port is may not be known.
        usual = [each.address for each in listeners if each.address.port == wanted]
        unclaimed = [each.address for each in listeners if each.pid is None]
        others = [address for address in found if address not in usual]
        likely = [address for address in usual if address in (found or unclaimed)]
        yield Server(program, process, [*likely, *others])


def _ancestry(pid: int | None, processes: Mapping[int, Process]) -> Iterator[int]:
    """
    @return: C{pid} and those that it descends from, as far as they are known.
    """
    seen = set[int]()
    while pid is not None and pid in processes and pid not in seen:
        seen.add(pid)
        yield pid
        pid = processes[pid].parent


def _paths(server: Server) -> Iterator[str]:
    """
    @return: the files that the command line of a server may name.
    """
    if server.process is not None:
        for word in server.process.argv:
            for part in (word, word.partition("=")[2]):
                if part:
                    yield os.path.realpath(os.path.join(server.process.folder, part))


def _is_of_lm_studio(model: ModelFile, servers: Sequence[Server]) -> bool:
    """
    @return: whether LM Studio, which runs, has the model already.
    """
    runs = any(server.program is LM_STUDIO for server in servers)
    return runs and any(part in model.path for part in ("/.lmstudio/", "/lm-studio/"))
