# -*- test-case-name: ler.test.test_live_ctl -*-
"""
Live tests for L{ler.ctl}: C{routerctl} as a process, and a whole router.
"""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest, TestCase

from ler.ctl.completion import FILES, SCRIPTS
from ler.test.live import PATIENCE, free_port, wait_for
from ler.test.live_router import RouterCase, url_of

COMMAND = "import sys; from ler.ctl import main; sys.exit(main())"


class CtlTests(RouterCase):
    """
    C{routerctl}, and two engines.
    """

    def setUp(self) -> None:
        """
        Configure them.
        """
        super().setUp()
        self.engine("a", "--load-s=0.3")
        self.engine("b", "--load-s=0.3")

    def environ(self) -> dict[str, str]:
        """
        @return: the environment of the command.
        """
        path = os.pathsep.join(sys.path)
        config = str(self.folder / f"{self.port}.yaml")
        return {**os.environ, "PYTHONPATH": path, "ROUTER_CONFIG": config, "TERM": "xterm"}

    def popen(self, *argv: str, **more: Any) -> subprocess.Popen[str]:
        """
        @return: the command, which was just started.
        """
        return subprocess.Popen(
            [sys.executable, "-c", COMMAND, *argv], env=self.environ(), text=True, **more
        )

    def ctl(self, *argv: str, status: int = 0) -> str:
        """
        @param status: the exit status that is expected.
        @return: what the command says.
        """
        process = self.popen(*argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = process.communicate(timeout=PATIENCE)
        self.assertEqual(status, process.returncode, err)
        return err if status else out

    def told(self, *argv: str) -> Any:
        """
        @return: what the command tells programs.
        """
        return json.loads(self.ctl("--json", *argv))

    def test_day(self) -> None:
        """A router is shown and steered, from the first model to the last."""
        self.start(api_keys=["secret"])
        self.assertIn("a is in memory\n", self.ctl("use", "a"))
        self.assertEqual("a", self.told("status")["active_engine"])
        job = self.told("use", "b")
        self.assertEqual(["drain", "free", "settle", "start"], [*job["swaps"][0]["phases"]])
        self.assertEqual("a\nb\n", self.ctl("models", "--ids"))
        self.assertIn("b is in memory and has to go", self.ctl("explain", "a"))
        self.assertEqual(["b", "a"], [swap["to"] for swap in self.told("history")])
        self.assertIn("no engine has discover_models", self.ctl("discover"))
        self.assertEqual({"engine": "a", "lines": []}, self.told("logs", "a"))
        self.ctl("pause", "mine")
        self.assertIn("paused: mine", self.ctl("status"))
        self.ctl("resume")
        self.assertIn("no request is under way", self.ctl("requests"))
        self.assertIn("is right", self.ctl("check"))

    def test_progress(self) -> None:
        """On a terminal the phases pass by in one line."""
        self.start()
        ours, theirs = pty.openpty()
        process = self.popen("use", "a", stdout=theirs)
        os.close(theirs)
        shown = b""
        try:
            while data := os.read(ours, 4096):
                shown += data
        except OSError:
            pass  # This is how a terminal ends.
        os.close(ours)
        self.assertEqual(0, process.wait(PATIENCE))
        text = shown.decode()
        self.assertIn("start 0.", text)
        self.assertIn("\x1b[K", text)
        self.assertTrue(text.endswith("a is in memory\r\n"))

    def test_ctrl_c(self) -> None:
        """Ctrl-C ends the watching with a word, and the swap goes on."""
        self.engine("slow", "--load-s=2")
        router = self.start()
        process = self.popen("use", "slow", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_for(lambda: self.slot(router)["state"] == "starting")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
        self.assertEqual((130, 1), (process.returncode, len(err.strip().splitlines())))
        self.wait_for_resident(router, "slow")

    def test_pipe(self) -> None:
        """Whoever reads may stop reading, and nobody complains."""
        self.start()
        process = self.popen("status", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        self.assertEqual(141, process.wait(PATIENCE))
        self.assertEqual("", process.stderr.read())
        process.stderr.close()

    def test_follow(self) -> None:
        """What the router logs is shown as it does, until Ctrl-C."""
        self.start()
        process = self.popen("logs", "--follow", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        self.ctl("use", "a")
        for line in process.stdout:
            if "starting -> ready" in line:
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
        self.assertEqual((0, ""), (process.returncode, err))

    def test_cancel(self) -> None:
        """A request is listed, and ended."""
        self.engine("slow", "--load-s=5")
        router = self.start()
        call = self.call("slow")
        wait_for(lambda: self.waiting(router) == 1)
        [id] = self.told("requests", "--ids")
        self.assertIn(f"{id} is ended", self.ctl("cancel", id))
        self.assert_fails(call.answer(), 503, "cut_by_operator")
        self.assertIn("no request", self.ctl("cancel", id, status=1))

    def test_locked(self) -> None:
        """Without the key nothing is told; without a router nobody answers."""
        self.start(api_keys=["secret"])
        url = f"--url=http://localhost:{self.port}"
        self.assertIn("an API key is needed", self.ctl(url, "status", status=4))
        self.assertIn("exclusive", self.ctl(url, "--key=secret", "status"))
        nobody = url_of(free_port())
        self.assertIn("Connection refused", self.ctl("--url", nobody, "status", status=3))


class CompletionTests(TestCase):
    """
    The scripts of L{ler.ctl.completion}, as far as their shells are here.
    """

    def setUp(self) -> None:
        """
        Put a command in place of C{routerctl}, which answers a fixed list, and
        notes what it was asked.
        """
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.asked = self.folder / "asked"
        self.answers = self.folder / "answers"
        command = self.folder / "routerctl"
        command.write_text(f'#!/bin/sh\nprintf "[%s]" "$@" >{self.asked}\ncat {self.answers}\n')
        command.chmod(0o755)

    def run_shell(self, shell: str, script: str, before: str = "") -> list[str]:
        """
        @param script: what is run once the completion is there.
        @param before: what is run first.
        @return: the lines that it prints.
        """
        program = shutil.which(shell)
        if program is None:
            raise SkipTest(f"{shell} is not installed")
        environ = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"}
        done = subprocess.run(
            [program, "-c", f"{before}\n{SCRIPTS[shell]}\n{script}"],
            cwd=self.folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual("", done.stderr)
        return done.stdout.splitlines()

    def bash(self, line: str) -> list[str]:
        """
        @return: what bash completes C{line} with.
        """
        return self.run_shell(
            "bash",
            f"COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; _routerctl; "
            r"printf '%s\n' "
            '"${COMPREPLY[@]}"',
        )

    def test_bash(self) -> None:
        """In bash candidates are inserted without what stands there already."""
        self.answers.write_text("qwen3:8b\thelp\nqwen3:32b\n")
        self.assertEqual(["8b", "32b"], self.bash("routerctl use qwen3:"))
        self.assertEqual("[--complete][use][qwen3:]", self.asked.read_text())

    def test_bash_new_word(self) -> None:
        """In bash a new word may be empty."""
        self.answers.write_text("status\tshow\n")
        self.assertEqual(["status"], self.bash("routerctl --json "))
        self.assertEqual("[--complete][--json][]", self.asked.read_text())

    def test_bash_files(self) -> None:
        """In bash files are completed by bash."""
        self.answers.write_text(f"{FILES}\n")
        self.assertEqual(["answers", "asked"], sorted(self.bash("routerctl check a")))

    def test_fish(self) -> None:
        """In fish candidates come with their help."""
        self.answers.write_text("status\tshow\n")
        self.assertEqual(["status\tshow"], self.run_shell("fish", "complete -C 'routerctl '"))
        self.assertEqual("[--complete][]", self.asked.read_text())

    def test_fish_files(self) -> None:
        """In fish files are completed by fish."""
        self.answers.write_text(f"{FILES}\n")
        found = self.run_shell("fish", "complete -C 'routerctl check a'")
        self.assertEqual(["answers", "asked"], sorted(line.split("\t")[0] for line in found))

    def test_zsh(self) -> None:
        """In zsh the colons of candidates separate nothing."""
        self.answers.write_text("qwen3:8b\thelp\n")
        shown = self.run_shell(
            "zsh",
            "_describe() { print -rl ${(P)2} }; words=(routerctl use ''); CURRENT=3; _routerctl",
            before="compdef() { }",
        )
        self.assertEqual(["qwen3\\:8b:help"], shown)
        self.assertEqual("[--complete][use][]", self.asked.read_text())

    def test_zsh_files(self) -> None:
        """In zsh files are completed by zsh."""
        self.answers.write_text(f"{FILES}\n")
        shown = self.run_shell(
            "zsh",
            "_files() { print files }; words=(routerctl check a); CURRENT=3; _routerctl",
            before="compdef() { }",
        )
        self.assertEqual(["files"], shown)
