# -*- test-case-name: ler.test.test_live_tap -*-
"""
Live tests of what C{twistd engine-router} does where it cannot start: it says
why, in a sentence, and exits with 1.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import yaml
from twisted.trial.unittest import TestCase

from ler.state import StateDirectory
from ler.test.live import PATIENCE, free_port
from ler.test.live_router import TWISTD


class StartTests(TestCase):
    """
    A router that cannot start.
    """

    def run_router(self, *options: str) -> str:
        """
        Assert that a router exits with 1.

        @return: what it says.
        """
        command = [sys.executable, "-W", "ignore", "-c", TWISTD, "--nodaemon", "--pidfile="]
        process = subprocess.Popen(
            [*command, "engine-router", *options],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.addCleanup(process.kill)
        said, _ = process.communicate(timeout=PATIENCE)
        self.assertEqual(1, process.returncode, said)
        self.assertNotIn("Traceback", said)
        return said

    def config(self, folder: Path, port: int) -> str:
        """
        @return: the path of a configuration.
        """
        engine = {
            "type": "generic_process",
            "base_url": f"http://127.0.0.1:{free_port()}",
            "start_cmd": [sys.executable],
        }
        path = Path(self.mktemp()).resolve()
        config = {"port": port, "state_dir": str(folder), "engines": {"a": engine}}
        path.write_text(yaml.safe_dump(config))
        return str(path)

    def test_busy_port(self) -> None:
        """The port is taken."""
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            folder = Path(self.mktemp()).resolve()
            said = self.run_router("--config", self.config(folder, port))
        self.assertIn(f"cannot start: Couldn't listen on 127.0.0.1:{port}", said)

    def test_second_router(self) -> None:
        """Another router works in the same folder."""
        folder = Path(self.mktemp()).resolve()
        state = StateDirectory(str(folder))
        state.lock()
        self.addCleanup(state.unlock)
        said = self.run_router("--config", self.config(folder, free_port()))
        self.assertIn(f"cannot start: another router (pid {os.getpid()}) uses {folder}", said)

    def test_no_configuration(self) -> None:
        """There is no configuration, or none was named."""
        self.assertIn("No such file", self.run_router("--config", "/nowhere/config.yaml"))
        self.assertIn("--config FILE is needed", self.run_router())
