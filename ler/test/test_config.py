"""
Tests for L{ler.config.loader}: from a file to a configuration.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from twisted.trial.unittest import SynchronousTestCase

from ler.config import ConfigError, GenericProcess, Loaded, load

# A whole configuration; what a test appends begins on line 6, and belongs to
# engine a while it is indented by four.
BASE = f"""\
engines:
  a:
    type: generic_process
    base_url: http://127.0.0.1:9001
    start_cmd: [{sys.executable}]
"""


class ConfigTestCase(SynchronousTestCase):
    """
    Loads configurations that are written as text.
    """

    def load(
        self,
        text: str | bytes,
        environ: Mapping[str, str] | None = None,
    ) -> Loaded:
        """
        Load C{text} from a file called C{self.path}.
        """
        self.path = self.mktemp()
        with open(self.path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return load(self.path, environ or {})

    def problems(self, text: str | bytes, environ: Mapping[str, str] | None = None) -> list[str]:
        """
        @return: what is wrong with C{text}, as C{line: path: message}.
        """
        error = self.assertRaises(ConfigError, self.load, text, environ)
        return [problem.located("").lstrip(":") for problem in error.problems]

    def warnings(self, text: str | bytes, environ: Mapping[str, str] | None = None) -> list[str]:
        """
        @return: the warnings about C{text}, as C{line: path: message}.
        """
        return [line[len(self.path) + 1 :] for line in self.load(text, environ).warnings]


class LoadTests(ConfigTestCase):
    """
    Tests for L{load}.
    """

    def test_smallest(self) -> None:
        """
        One engine makes a configuration, everything else has a default.
        """
        loaded = self.load(BASE)
        self.assertEqual(["a"], list(loaded.config.engines))
        self.assertEqual("a", loaded.config.engines["a"].key)
        self.assertEqual((), loaded.warnings)

    def test_report(self) -> None:
        """
        All problems come at once, by line, each with file and key path, and
        are counted.
        """
        text = BASE + "    exclusive: 1\nhots: x\nport: 70000\nmodels: [{id: m, engine: b}]\n"
        error = self.assertRaises(ConfigError, self.load, text)
        self.assertEqual(
            [
                f"{self.path}:6: engines.a.exclusive: must be true or false",
                f"{self.path}:7: hots: unknown key; did you mean 'host'?",
                f"{self.path}:8: port: must be a whole number from 0 to 65535",
                f"{self.path}:9: models[0].engine: no engine 'b'",
                "4 problems",
            ],
            str(error).splitlines(),
        )

    def test_single_problem(self) -> None:
        """
        One problem is not many.
        """
        error = self.assertRaises(ConfigError, self.load, BASE + "port: x\n")
        self.assertTrue(str(error).endswith("\n1 problem"))

    def test_missing_file(self) -> None:
        """
        A file that does not exist is a problem of the file as a whole.
        """
        error = self.assertRaises(ConfigError, load, "/nowhere/at/all.yaml", {})
        self.assertEqual(
            "/nowhere/at/all.yaml: cannot be read: No such file or directory\n1 problem",
            str(error),
        )
        self.assertEqual(0, error.problems[0].line)

    def test_no_file_name(self) -> None:
        """
        What cannot be the name of a file is refused like a missing file.
        """
        error = self.assertRaises(ConfigError, load, "a\0b", {})
        self.assertIn("cannot be read: embedded null byte", str(error))

    def test_directory(self) -> None:
        """
        A folder is not a configuration.
        """
        path = self.mktemp()
        os.mkdir(path)
        error = self.assertRaises(ConfigError, load, path, {})
        self.assertEqual(f"{path}: cannot be read: Is a directory\n1 problem", str(error))

    def test_relative_to_the_file(self) -> None:
        """
        Relative paths begin at the folder of the file, not of the process.
        """
        config = self.load(BASE + "    cwd: here\nstate_dir: ../there\n").config
        folder = os.path.dirname(os.path.abspath(self.path))
        engine = config.engines["a"]
        assert isinstance(engine, GenericProcess)
        self.assertEqual(os.path.join(folder, "here"), engine.cwd)
        self.assertEqual(os.path.join(os.path.dirname(folder), "there"), config.state_dir)

    def test_home(self) -> None:
        """
        A path may begin at the home folder.
        """
        config = self.load(BASE + "log_file: ~/router.log\n").config
        self.assertEqual(os.path.expanduser("~/router.log"), config.log_file)

    def test_warnings_have_a_place(self) -> None:
        """
        A warning names file, line and key path.
        """
        loaded = self.load(BASE + "routing_mode: manual\n")
        (warning,) = loaded.warnings
        self.assertTrue(warning.startswith(f"{self.path}:6: routing_mode: has no effect"))


class SecretTests(ConfigTestCase):
    """
    No message shows what must stay secret.
    """

    rows = (
        "api_keys: SECRET\n",
        "api_keys: {SECRET: x}\n",
        "api_keys: [SECRET, 'SE CRET', SECRET: 1]\n",
        'api_keys: ["SECRET \\x01"]\n',
        "api_keys: [{SECRET: x, scopes: [read]}]\n",
        "api_keys: [{key: SE CRET, scopes: [read]}]\n",
        "api_keys: [{key: '${VALUE}', sha256: SECRET, scopes: [SECRET: x]}]\n",
        "api_keys: ['${VALUE}', {key: '${VALUE}', scopes: [read]}]\n",
        "api_keys: [*SECRET]\n",
        "api_keys: [&SECRET]\n",
        "api_keys: [!SECRET x]\n",
        "api_keys: [!SECRET!SECRET x]\n",
        "    upstream_headers: SECRET\n",
        '    upstream_headers: {X-Key: "SECRET\\n"}\n',
        "    upstream_headers: {'X-Key: SECRET': x}\n",
        "    control_headers: [SECRET]\n",
        "    control_headers: {Authorization: [SECRET]}\n",
        "    env: {HF_TOKEN=SECRET: x}\n",
        "    env: {HF_TOKEN: '${SECRET'}\n",
        "    env: [SECRET]\n",
        "host: ${VALUE}/\n",
        "log_level: ${VALUE}\n",
        "port: ${VALUE}\n",
        "state_dir: ~${VALUE}\n",
        "allowed_origins: ['${VALUE}']\n",
        "    stop_signal: ${VALUE}\n",
        "    ready_path: ${VALUE}\n",
        "    ready_check: ${VALUE}\n",
        '    upstream_headers: {X-Key: "${VALUE}\\x7f"}\n',
        "    served_models: ['${VALUE}']\nmodels: [{id: '${VALUE}', engine: b}]\n",
        "models: [{id: m, engine: '${VALUE}'}]\n",
        "models: [{id: '${VALUE}', engine: a}, {id: '${VALUE}', engine: a}]\n",
        "models: [{id: '${VALUE}', engine: a}]\naliases: {x: S-E-C-R-E-T, y: SECRE}\n",
        "aliases: {x: '${VALUE}'}\n",
        "  b: {type: api_swap, base_url: 'http://x', load_body: {key: {a: !SECRET x}}}\n",
        "  b: {type: api_swap, base_url: 'http://x', load_body: {key: '${SECRET'}}\n",
        "  b: {type: api_swap, base_url: 'http://x', load_body: SECRET}\n",
        "  b: {type: api_swap, base_url: 'http://x', load_path: '${VALUE}'}\n",
        "  b: {type: api_swap, base_url: 'http://x', load_check: '${VALUE}'}\n",
        '  b: {type: api_swap, base_url: "http://x", load_headers: {X: "SECRET\\n"}}\n',
        "  b: {type: remote, base_url: 'https://x:${VALUE}'}\n",
        "  b: {type: systemd, base_url: 'http://x', unit: '-${VALUE}'}\n",
        "preload: ['${VALUE}']\nmodels: [{id: S-E-C-R-E-T, engine: a}]\n",
        "    served_models: ['${VALUE}']\npreload: [SECRE]\n",
        "  b:\n    type: ${VALUE}\n",
        "  b:\n    type: generic_process\n    base_url: http://x:${VALUE}\n    start_cmd: x\n",
        "  b:\n    type: generic_process\n    base_url: http://${VALUE}@x\n    start_cmd: x\n",
        '  b:\n    type: generic_process\n    base_url: http://x\n    start_cmd: "x \'${VALUE}"\n',
    )

    def test_no_message_shows_a_secret(self) -> None:
        """
        Neither values of keys, headers and variables nor what the environment
        put in is ever shown.
        """
        for row in self.rows:
            error = self.assertRaises(ConfigError, self.load, BASE + row, {"VALUE": "SECRET"})
            shown = str(error).replace("${SECRET", "")
            self.assertNotIn("SECRET", shown, f"by {row!r}")
