# -*- test-case-name: ler.test.test_live_clients -*-
"""
Programs for the command line: three agents, which are made to run a command
by a recorded answer, and C{llm}.  The name of the program is the first
argument.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from ler.test.clients import check
from ler.test.clients.check import expect

DONE = "magpie-42"
"""What the command prints that the agents are made to run."""

LIMIT = 900
"""Seconds after which a program is given up."""


class Program:
    """
    One that is given a question, and a folder of its own for a home.

    @cvar name: how it is called on a command line.
    @cvar title: how people call it.
    """

    name: str
    title: str

    def __init__(self, home: Path) -> None:
        self.home = home

    def command(self, model: str, router: str, key: str) -> list[str]:
        """
        @return: the command line that asks.
        """
        raise NotImplementedError

    def environment(self, model: str, router: str, key: str) -> dict[str, str]:
        """
        @return: the variables that it needs.
        """
        raise NotImplementedError

    def run(self, model: str, router: str = check.ROUTER, key: str = "any") -> tuple[bool, str]:
        """
        Ask.

        @return: whether that went well, and what was printed.
        """
        environment = self.environment(model, router, key)
        return self._run(self.command(model, router, key), environment)

    def version(self) -> str:
        """
        @return: the program's version.
        """
        _, said = self._run([self.name, "--version"], {})
        found = re.search(r"\d+\.\d[\w.]*", said)
        return found[0] if found else said.strip()

    def _run(self, command: list[str], environment: dict[str, str]) -> tuple[bool, str]:
        ran = subprocess.run(
            command,
            check=False,
            cwd=self.home,
            env={"PATH": os.environ["PATH"], "HOME": str(self.home), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT,
        )
        return ran.returncode == 0, ran.stdout


class Claude(Program):
    """
    Claude Code, as it is: without the longer time limits that are advised.
    """

    name = "claude"
    title = "Claude Code"

    def command(self, model: str, router: str, key: str) -> list[str]:
        """Say a word."""
        return [self.name, "-p", "Say a word", "--allowedTools", "Bash(echo:*)"]

    def environment(self, model: str, router: str, key: str) -> dict[str, str]:
        """All names stand for one model."""
        roles = ("OPUS", "SONNET", "HAIKU")
        return {
            "ANTHROPIC_BASE_URL": router,
            "ANTHROPIC_AUTH_TOKEN": key,
            "ANTHROPIC_MODEL": model,
            "CLAUDE_CODE_SUBAGENT_MODEL": model,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            **{f"ANTHROPIC_DEFAULT_{role}_MODEL": model for role in roles},
        }


class Codex(Program):
    """
    Codex, with a provider of one's own.
    """

    name = "codex"
    title = "Codex"

    def command(self, model: str, router: str, key: str) -> list[str]:
        """Say a word."""
        provider = "model_providers.router"
        settings = [
            f'model="{model}"',
            'model_provider="router"',
            f'{provider}.name="router"',
            f'{provider}.base_url="{router}/v1"',
            f'{provider}.env_key="ROUTER_KEY"',
            f'{provider}.wire_api="responses"',
        ]
        options = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
        options += [word for setting in settings for word in ("-c", setting)]
        return [self.name, "exec", *options, "Say a word"]

    def environment(self, model: str, router: str, key: str) -> dict[str, str]:
        """The key."""
        return {"ROUTER_KEY": key}


class OpenCode(Program):
    """
    OpenCode, with a provider of one's own.
    """

    name = "opencode"
    title = "OpenCode"

    def command(self, model: str, router: str, key: str) -> list[str]:
        """Say a word."""
        return [self.name, "run", "Say a word"]

    def environment(self, model: str, router: str, key: str) -> dict[str, str]:
        """The configuration, and no looking for anything else."""
        provider = {
            "npm": "@ai-sdk/openai-compatible",
            "options": {"baseURL": f"{router}/v1", "apiKey": key},
            "models": {model: {"tool_call": True, "limit": {"context": 32768, "output": 2048}}},
        }
        config = {
            "model": f"router/{model}",
            "small_model": f"router/{model}",
            "autoupdate": False,
            "share": "disabled",
            "permission": {"bash": "allow"},
            "provider": {"router": provider},
        }
        return {
            "OPENCODE_CONFIG_CONTENT": json.dumps(config),
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
        }


class Llm(Program):
    """
    C{llm}, with its plug-in for Ollama.
    """

    name = "llm"
    title = "llm, llm-ollama"

    def command(self, model: str, router: str, key: str) -> list[str]:
        """Have a Python function called."""
        function = f"def get_weather(city: str) -> str:\n    return '{DONE} in ' + city"
        return [self.name, "-m", f"ollama/{model}", "--functions", function, "Hello"]

    def environment(self, model: str, router: str, key: str) -> dict[str, str]:
        """The router in Ollama's place."""
        return {"OLLAMA_HOST": router, "OLLAMA_API_KEY": key}


def main() -> None:
    """
    Check one program.
    """
    programs = {each.name: each for each in (Claude, Codex, OpenCode, Llm)}
    made = programs[sys.argv.pop(1)]
    with TemporaryDirectory() as home:
        program = made(Path(home))

        def tools() -> None:
            """A tool is called, and its result understood."""
            went_well, said = program.run("recorded")
            expect(went_well and DONE in said, said)

        def unknown() -> None:
            """A model that nobody has is not found."""
            went_well, said = program.run("nothing")
            expect(not went_well and "nothing" in said, said)

        def refused() -> None:
            """What the engine says against a request is heard."""
            went_well, said = program.run("refuse")
            expect(not went_well and check.FAILURES["refuse"] in said, said)

        def auth() -> None:
            """Keys count."""
            went_well, said = program.run("recorded", check.GUARDED, "wrong")
            expect(not went_well, said)
            went_well, said = program.run("recorded", check.GUARDED, check.KEY)
            expect(went_well and DONE in said, said)

        def wait() -> None:
            """An engine that starts slowly is waited for."""
            went_well, said = program.run("slow")
            expect(went_well and DONE in said, said)

        check.run(program.title, program.version(), tools, unknown, refused, auth, wait)


if __name__ == "__main__":
    main()
