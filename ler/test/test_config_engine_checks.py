"""
Tests for L{ler.config.engine_checks}.
"""

from __future__ import annotations

import os
import sys

from ler.test.test_config import BASE, ConfigTestCase
from ler.test.test_config_checks import engine

SWAP = "type: api_swap, base_url: 'http://x'"
UNIT = "type: systemd, base_url: 'http://x'"
SCRIPT = f"control: process, serve_script: {sys.executable}"
FAR = "type: remote, base_url: 'https://x'"
SLEEP = "{VLLM_SERVER_DEV_MODE: '1'}"


class SettingsTests(ConfigTestCase):
    """
    Settings of one engine, beside each other.
    """

    problem_rows = (
        # Any type.
        ("type: ollama, exclusive: false, pin: true",
         "pin: only an exclusive engine can be evicted, so only one can be pinned"),
        ("type: ollama, pin: true, idle_unload_s: 60",
         "idle_unload_s: contradicts pin, which keeps the engine"),
        # Servers.
        (f"{SWAP}, on_free: stop", "on_free: stop needs systemd_unit: there is nothing to stop"),
        ("type: ollama, systemd_unit: null, on_free: stop",
         "on_free: stop needs systemd_unit: there is nothing to stop"),
        # Units.
        (UNIT, "unit: is required with control: systemd-user"),
        (f"{UNIT}, control: systemd", "unit: is required with control: systemd"),
        (f"{UNIT}, unit: x, systemd_user_unit: x",
         "systemd_user_unit: names the unit again; unit is enough"),
        ("type: ds4, unit: null", "unit: is required with control: systemd-user"),
        ("type: ds4, control: process", "serve_script: is required with control: process"),
        # Remote servers.
        (f"{FAR}, exclusive: true", "exclusive: a remote engine never is: its memory is not ours"),
        (f"{FAR}, pin: true",
         "pin: only an exclusive engine can be evicted, so only one can be pinned"),
    )  # fmt: skip

    def test_problems(self) -> None:
        """
        What contradicts itself, or lacks something, is refused.
        """
        for settings, message in self.problem_rows:
            found = self.problems(f"{BASE}  b: {{{settings}}}\n")
            self.assertEqual([f"6: engines.b.{message}"], found, settings)

    warning_rows = (
        (SWAP, "unload_path: without it, or on_free: stop, the memory is never given back"),
        (f"{UNIT}, {SCRIPT}, unit: x", "unit: has no effect with control: process"),
        (f"type: ds4, {SCRIPT}, systemd_user_unit: x",
         "systemd_user_unit: has no effect with control: process"),
        (f"{UNIT}, control: process, serve_script: no-such-program",
         "serve_script: its program is neither on PATH nor an executable file, so a start would "
         "fail"),
        (f"{UNIT}, unit: x, serve_script: [x]",
         "serve_script: has no effect with control: systemd-user"),
        ("type: ds4, control: systemd, log_file: x",
         "log_file: has no effect with control: systemd"),
        *(
            (f"{FAR}, {setting}",
             f"{setting.split(':')[0]}: has no effect: the memory of a remote engine is not ours")
            for setting in ("memory: 5", "sizing: absolute", "idle_unload_s: 60", "max_wait_s: 5")
        ),
        (f"type: generic_process, base_url: 'http://x', start_cmd: {sys.executable}, "
         "on_free: sleep",
         "on_free: sleep needs VLLM_SERVER_DEV_MODE: '1' in env, and --enable-sleep-mode in "
         "start_cmd"),
    )  # fmt: skip

    def test_warnings(self) -> None:
        """
        What has no effect, or not the wanted one, is worth a warning.
        """
        for settings, message in self.warning_rows:
            found = self.warnings(f"{BASE}  b: {{{settings}}}\n")
            self.assertEqual([f"6: engines.b.{message}"], found, settings)

    accepted = (
        f"{SWAP}, unload_path: /unload",
        f"{SWAP}, on_free: stop, systemd_unit: x",
        "type: ollama, on_free: stop",
        "type: ollama, pin: true, idle_unload_s: never",
        f"{UNIT}, unit: x",
        f"{UNIT}, control: systemd, unit: x",
        f"{UNIT}, control: systemd-user, systemd_user_unit: x",
        f"{UNIT}, {SCRIPT}, log_file: x",
        "type: ds4",
        "type: ds4, unit: x",
        "type: ds4, systemd_user_unit: x",
        f"type: ds4, {SCRIPT}",
        f"{FAR}, exclusive: false, pin: false, idle_unload_s: never, memory: null",
        f"{UNIT}, unit: x, systemd_user_unit: null, serve_script: '', log_file: null",
        f"{UNIT}, enabled: false",
        f"type: generic_process, base_url: 'http://x', start_cmd: {sys.executable}, "
        f"on_free: sleep, env: {SLEEP}",
    )

    def test_accepted(self) -> None:
        """
        What fits loads without a warning; what is disabled is not looked at.
        """
        for settings in self.accepted:
            self.assertEqual([], self.warnings(f"{BASE}  b: {{{settings}}}\n"), settings)


class ProgramTests(ConfigTestCase):
    """
    The programs of engines that the router launches.
    """

    def test_program_not_found(self) -> None:
        """
        A program that cannot be found is worth a warning, not an error: it may
        yet be installed.
        """
        message = (
            "5: engines.a.start_cmd: its program is neither on PATH nor an executable file, so a "
            "start would fail"
        )

        def warnings(program: str, more: str = "", path: str = "/nowhere") -> list[str]:
            text = BASE.replace(f"[{sys.executable}]", program) + more
            return self.warnings(text, {"PATH": path})

        folder = os.path.dirname(sys.executable)
        name = os.path.basename(sys.executable)
        self.assertEqual([message], warnings("no-such-program --port 1"))
        self.assertEqual([message], warnings("/no/such/program"))
        self.assertEqual([message], warnings("['']"))
        self.assertEqual([message], warnings(name))
        self.assertEqual([], warnings(name, path=folder))
        self.assertEqual([], warnings(name, f"    env: {{PATH: {folder}}}\n"))
        self.assertEqual([], warnings(f"./{name}", f"    cwd: {folder}\n"))
        self.assertEqual([], warnings("no-such-program", "    enabled: false\n" + engine("b", 1)))
