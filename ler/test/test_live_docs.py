# -*- test-case-name: ler.test.test_live_docs -*-
"""
Live tests of the documentation: its commands are run, in order, as a reader
would, against a router with stand-ins for engines.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from shutil import which

import psutil
from twisted.trial.unittest import SkipTest

from ler.test.live import Server
from ler.test.live_router import MARK, RouterCase
from ler.test.pages import DOCS, ROOT, Block, blocks, pages
from ler.test.test_presets import install_programs

PATIENCE = 60.0
"""Seconds that the commands of one block may take."""

PROGRAMS = {
    "engine-router": "-m ler",
    "python": "",
    "routerctl": "-c 'import sys; from ler.ctl import main; sys.exit(main())'",
}
"""What is installed with the package, by what runs it here."""

DEMO = """\
#!/bin/sh
case "$*" in
    demo) exec "{python}" -m ler.demo --port {port};;
esac
exit 1
"""


class ReaderCase(RouterCase):
    """
    A reader with a shell.
    """

    def setUp(self) -> None:
        """
        Install everything.
        """
        super().setUp()
        pages()
        if which("curl") is None:
            raise SkipTest("needs curl")
        programs = self.folder / "bin"
        install_programs(programs)
        for name, command in PROGRAMS.items():
            self.script(programs / name, f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n')
        self.script(programs / "sudo", "#!/bin/sh\n")
        self.script(programs / "make", DEMO.format(python=sys.executable, port=self.port))
        (self.folder / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
        self.log.touch()
        self.printed = ""
        self.environ = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join(sys.path),
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "STANDIN_DIR": str(self.folder),
            MARK: self._mark,
        }

    def script(self, path: Path, text: str) -> None:
        """
        Write a program.
        """
        path.write_text(text)
        path.chmod(0o755)

    def follow(self, page: Path, *marks: str) -> None:
        """
        Do what a page says.

        @param marks: of which blocks; all when there are none.
        """
        for block in blocks(page):
            if block.mark and (not marks or block.mark in marks):
                self.do(block)

    def do(self, block: Block) -> None:
        """
        Do what one block says.
        """
        if block.mark == "write":
            # The default port may be taken, and is not ours.
            own = "" if "port: 8077" in block.text else "port: 8077\n"
            text = f"{block.text}{own}state_dir: state\n"
            (self.folder / block.detail).write_text(self.here(text))
        elif block.mark == "start":
            self.start_router(block)
        elif block.mark == "prints":
            self.assert_printed(block)
        elif block.mark == "run" and block.detail.startswith("python "):
            if importlib.util.find_spec(block.detail.split()[1]) is not None:
                self.run_command(block, [sys.executable, "-c", self.here(block.text)])
        elif block.mark == "run":
            script = f"set -e\n{self.here(block.commands())}"
            self.run_command(block, ["bash", "-c", script], fails=block.detail == "fails")

    def here(self, text: str) -> str:
        """
        @return: C{text} for this machine, which has another port free, and
            less memory.
        """
        text = re.sub(r"\bmemory: [0-9]+", "memory: 0.1", text)
        return text.replace("8077", str(self.port))

    def run_command(self, block: Block, command: list[str], fails: bool = False) -> None:
        """
        Run a command, which ends.
        """
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        self.printed = done.stdout
        self.assertEqual(
            fails, done.returncode != 0, f"{block.where}\n{self.printed}\n{self.log.read_text()}"
        )

    def start_router(self, block: Block) -> None:
        """
        Run a router, which does not end.
        """
        *before, last = self.here(block.commands()).strip().split("\n")
        script = "\n".join(["set -e", *before, f"exec {last}"])
        with self.log.open("ab") as log:
            router = Server(
                ["bash", "-c", script],
                self.port,
                cwd=self.folder,
                env=self.environ,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._routers.append(router)
        try:
            router.wait_until_ready()
        except BaseException as e:
            raise AssertionError(f"{block.where}\n{self.log.read_text()}") from e

    def assert_printed(self, block: Block) -> None:
        """
        The last command has printed what a block shows.
        """
        printed = self.printed.replace(str(self.port), "8077")
        for line in filter(None, map(str.strip, block.text.splitlines())):
            pattern = line.replace("[", "[[]").replace("...", "*")
            self.assertTrue(
                fnmatchcase(printed, f"*{pattern}*"), f"{block.where}: {line}\n{printed}"
            )


class PageTests(ReaderCase):
    """
    The pages that have commands of their own.
    """

    def test_readme(self) -> None:
        """What the README says works, with the engines of the demo."""
        for package in ("xllamacpp", "gguf"):
            if importlib.util.find_spec(package) is None:
                raise SkipTest(f"needs {package}")
        if psutil.virtual_memory().available < 1 << 30:
            raise SkipTest("needs a GiB of memory")
        self.follow(ROOT / "README.rst")

    def test_tutorial(self) -> None:
        """A reader of the tutorial gets to two models that share the memory."""
        self.follow(DOCS / "tutorial.rst")
        self.assertIn("qwen3-32b", self.printed)

    def test_others(self) -> None:
        """The commands of all other pages work for a reader of the tutorial."""
        self.follow(DOCS / "tutorial.rst", "write", "start")
        for page in pages():
            if page.parent == DOCS and page.name != "tutorial.rst":
                self.follow(page)
