# -*- test-case-name: ler.test.test_wizard_survey,ler.test.test_wizard_drafts -*-
"""
What the tests of the wizard have in common: a machine that is made up.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from ler.config import Loaded
from ler.wizard.asking import Asker
from ler.wizard.document import compose, write
from ler.wizard.draft import Draft
from ler.wizard.machine import Address, Listener, Machine, Process
from ler.wizard.preset import Preset, presets_folder

GIB = 1 << 30


class FakeMachine(Machine):
    """
    A machine on which runs, listens and is installed what the test says.

    @ivar running: the processes.
    @ivar listening: the listeners.
    @ivar installed: paths of programs, by name.
    @ivar units: the names of the system's units.
    """

    memory = 64 * GIB

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(environ)
        self.running: list[Process] = []
        self.listening: list[Listener] = []
        self.installed: dict[str, str] = {}
        self.units: set[str] = set()

    def which(self, program: str) -> str | None:
        """
        @see: L{Machine.which}
        """
        return self.installed.get(program)

    def has_unit(self, name: str) -> bool:
        """
        @see: L{Machine.has_unit}
        """
        return name in self.units

    def processes(self) -> list[Process]:
        """
        @see: L{Machine.processes}
        """
        return self.running

    def listeners(self) -> list[Listener]:
        """
        @see: L{Machine.listeners}
        """
        return self.listening


class WizardCase(SynchronousTestCase):
    """
    A machine with nothing on it.

    @ivar home: the user's folder.
    @ivar answers: what servers answer, by port and path.
    """

    def setUp(self) -> None:
        """
        Make it up.
        """
        folder = presets_folder()
        if folder is None:
            raise SkipTest("there are no presets")
        self.presets = folder
        self.home = Path(self.mktemp()).absolute()
        self.home.mkdir()
        self.machine = FakeMachine({"HOME": str(self.home), "PATH": "/usr/bin:/bin"})
        self.answers: dict[tuple[int, str], Any] = {}
        self.shown: list[Mapping[str, str]] = []
        self.asker = Asker(self.fetch)

    def fetch(self, address: Address, path: str, headers: Mapping[str, str]) -> Any:
        """
        @return: what a server answers.
        """
        self.shown.append(headers)
        return self.answers.get((address.port, path))

    def preset(self, name: str) -> Preset:
        """
        @return: a preset.
        """
        return Preset((self.presets / f"{name}.yaml").read_text())

    def run_process(self, *argv: str, pid: int = 100, port: int | None = None, **more: Any) -> None:
        """
        Have a process that listens, if C{port} is given.
        """
        self.machine.running.append(Process(pid, argv, **more))
        if port is not None:
            self.machine.listening.append(Listener(Address("127.0.0.1", port), pid))

    def serve(self, port: int, *ids: str) -> None:
        """
        Have something at C{port} that lists these models as OpenAI does.
        """
        self.answers[port, "/v1/models"] = {"data": [{"id": id} for id in ids]}

    def load(self, drafts: Iterable[Draft], **environ: str) -> Loaded:
        """
        @return: what the loader makes of C{drafts}.
        """
        path = os.path.join(self.mktemp(), "config.yaml")
        text = compose(drafts, host="127.0.0.1", port=8077)
        loaded, _ = write(path, text, {**self.machine.environ, **environ})
        return loaded
