# -*- test-case-name: ler.test.test_live_clients -*-
"""
Try the programs that people use, and say how they fared.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from ler.test.clients import check
from ler.test.clients.fleet import Fleet

HERE = Path(__file__).parent
PYTHON = ("openai", "anthropic", "ollama", "litellm", "langchain")
NODE = ("openai", "anthropic", "ollama", "ai")
PROGRAMS = ("claude", "codex", "opencode", "llm")


@dataclass
class Result:
    """
    How a client fared.

    @ivar name: of the client, with its version.
    @ivar passed: the names of checks.
    @ivar wrong: what went wrong with the others, by name.
    """

    name: str
    passed: list[str] = field(default_factory=list)
    wrong: dict[str, str] = field(default_factory=dict)

    def read(self, output: str, status: int) -> None:
        """
        @param output: what a script printed.
        """
        for line in output.splitlines():
            said = json.loads(line) if line.startswith('{"') else {}
            if "client" in said:
                self.name = f"{said['client']} {said['version']}"
            elif said.get("wrong"):
                self.wrong[said["check"]] = said["wrong"]
            elif "check" in said:
                self.passed.append(said["check"])
        if status:
            self.wrong["script"] = f"exited with {status}"

    def lines(self) -> Iterator[str]:
        """
        @return: the lines of the table about it.
        """
        count = len(self.passed) + len(self.wrong)
        yield f"{self.name:32} {len(self.passed)} of {count}: {' '.join(self.passed)}"
        for name, wrong in self.wrong.items():
            yield f"  {name}: {wrong[:1000]}"


def scripts(python: str, node: Path) -> Mapping[str, Sequence[str]]:
    """
    @param python: an interpreter that has the clients for Python.
    @param node: a folder where those for Node are installed.
    @return: the command lines of the scripts, by the name of the client.
    """
    # Node looks for packages beside a script.
    for script in HERE.glob("*.mjs"):
        shutil.copy(script, node)
    module = "ler.test.clients.drive_"
    return {
        **{name: [python, "-m", module + name] for name in PYTHON},
        **{f"{name}-node": ["node", str(node / f"drive_{name}.mjs")] for name in NODE},
        **{name: [python, "-m", f"{module}programs", name] for name in PROGRAMS},
    }


def try_all(
    commands: Mapping[str, Sequence[str]], environment: Mapping[str, str], wait: bool
) -> list[Result]:
    """
    Run the scripts one by one, and then, if so wished, all at once for one
    long wait.

    @param environment: of the scripts.
    """
    results = {name: Result(name) for name in commands}

    def begin(name: str, *checks: str) -> subprocess.Popen[str]:
        command = [*commands[name], *checks]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    def end(name: str, process: subprocess.Popen[str]) -> None:
        output, _ = process.communicate()
        results[name].read(output, process.returncode)

    for name in commands:
        end(name, begin(name))
        print(*results[name].lines(), sep="\n", flush=True)
    if wait:
        waiting = {name: begin(name, check.SLOW) for name in commands}
        for name, process in waiting.items():
            end(name, process)
    return list(results.values())


def main() -> None:
    """
    Try them, print a table, and exit with 1 when something went wrong.
    """
    parser = argparse.ArgumentParser(prog="python -m ler.test.clients", description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="has the clients for Python")
    parser.add_argument("--node", type=Path, default=Path.cwd(), help="has node_modules")
    parser.add_argument("--wait", type=float, metavar="SECONDS", help="try a start that long, too")
    parser.add_argument("names", nargs="*", metavar="CLIENT", help="all when none is named")
    options = parser.parse_args()
    known = scripts(options.python, options.node)
    commands = {name: known[name] for name in options.names or known}
    binaries = (options.node / "node_modules" / ".bin", Path(options.python).parent)
    path = os.pathsep.join([*map(str, binaries), os.environ["PATH"]])
    environment = {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": str(HERE.parents[2]),
        # Prices, which LiteLLM would fetch from the Internet.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    with TemporaryDirectory() as folder:
        fleet = Fleet(Path(folder))
        try:
            environment |= fleet.start(options.wait or 0)
            results = try_all(commands, environment, options.wait is not None)
        finally:
            fleet.stop()
    print("\n" + "\n".join(line for result in results for line in result.lines()))
    sys.exit(any(result.wrong for result in results))


if __name__ == "__main__":
    main()
