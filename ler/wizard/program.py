# -*- test-case-name: ler.test.test_wizard -*-
"""
C{engine-router init}: from a command line, and a word or two with the user, to
a configuration.
"""

from __future__ import annotations

import argparse
import os
import re
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from ler.config import Config, ConfigError
from ler.config.places import find, own_place
from ler.config.values import host as host_complaint
from ler.config.values import is_loopback
from ler.wizard.asking import Asker
from ler.wizard.document import compose, example, write
from ler.wizard.draft import Draft
from ler.wizard.machine import Machine
from ler.wizard.preset import Preset, presets_folder
from ler.wizard.survey import Survey, Surveyor

DESCRIPTION = """\
Look for what serves models on this machine, and write a configuration of it.

Programs are found by their processes and by the ports on which they listen,
and asked which models they have; model files (GGUF) are found where they
usually lie, for llama-server to serve them. Nothing is stopped, started or
changed, and nothing leaves this machine.
"""

EPILOG = """\
A llama-server, vLLM or the like that runs by now is configured with its own
command line, on a port of the router's: the router starts and stops its own,
and the one that runs should be stopped first, since it holds memory. One that
is a systemd service is left to systemd, which the router asks. Ollama, LM
Studio, LocalAI and TabbyAPI go on; the router tells them what to load.

exit status:
  0    done
  1    nothing was written: nothing was found, or a file was in the way
  2    usage: the command line cannot be understood
  130  interrupted; nothing was written

examples:
  engine-router init                 look, ask, write
  engine-router init --detect-only   look
  engine-router init --yes           take all that is found
  engine-router init --example       write something to begin with
"""

DONE = 0
FAILED = 1
INTERRUPTED = 130

RANGE = re.compile(r"(\d{1,4})(?:-(\d{1,4}))?")


def make_parser() -> argparse.ArgumentParser:
    """
    @return: the parser of the command line.
    """
    parser = argparse.ArgumentParser(
        prog="engine-router init",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        help="where to write (by default $ROUTER_CONFIG, or ~/.config/engine-router/config.yaml)",
    )
    parser.add_argument("-y", "--yes", action="store_true", help="ask nothing, take all")
    parser.add_argument(
        "--force", action="store_true", help="replace a file that is there; it is kept as FILE.old"
    )
    parser.add_argument("--detect-only", action="store_true", help="say what is found, and no more")
    parser.add_argument("--example", action="store_true", help="write an example, without looking")
    parser.add_argument(
        "--host",
        type=_host,
        default="127.0.0.1",
        help="address that the router shall listen on (%(default)s); with one that others can "
        "reach a key is made up",
    )
    parser.add_argument(
        "--port", type=_port, default=8077, help="port that it shall listen on (%(default)s)"
    )
    return parser


def _host(text: str) -> str:
    if host_complaint(text):
        raise ValueError
    return text


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise ValueError
    return port


class Unfinished(Exception):
    """
    Nothing was written; the text says why.
    """


class Wizard:
    """
    Talks with the user.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        environ: Mapping[str, str],
        survey: Callable[[Path], Survey],
        source: TextIO,
        out: TextIO,
    ) -> None:
        """
        @param survey: looks around, given the folder of the presets.
        @param source: where the user's answers come from.
        @param out: what the user reads.
        """
        self._options = options
        self._environ = environ
        self._survey = survey
        self._source = source
        self._out = out
        self._path = options.config or own_place(environ)

    def run(self) -> None:
        """
        Do it all.

        @raise Unfinished: when nothing is written.
        """
        presets = presets_folder()
        if presets is None:
            raise Unfinished("the presets are not installed: install engine-router again")
        if not self._options.detect_only:
            self._mind_what_is_there()
        if self._options.example:
            ollama, llamacpp = (
                Preset((presets / f"{name}.yaml").read_text(encoding="utf-8"))
                for name in ("ollama", "llamacpp")
            )
            self._write(example(ollama, llamacpp))
            return
        found = self._survey(presets)
        self._show(found)
        if not found.drafts:
            raise Unfinished(
                "nothing was found that can be configured; --example writes something to begin with"
            )
        if self._options.detect_only:
            return
        chosen = found.drafts if self._options.yes else self._choose(found.drafts)
        # Whoever can reach the router could use it.
        key = None if is_loopback(self._options.host) else secrets.token_urlsafe(24)
        text = compose(chosen, host=self._options.host, port=self._options.port, api_key=key)
        config = self._write(text)
        for advice in (advice for draft in chosen for advice in draft.advice):
            self._say(f"- {advice}")
        if key is not None:
            self._say(f"clients need this key, which is in the file: {key}")
        self._say_how_to_start(config)

    def _mind_what_is_there(self) -> None:
        if self._options.force or not os.path.lexists(self._path):
            return
        if self._options.yes or self._options.example:
            raise Unfinished(f"{self._path} is there already; --force replaces it")
        answer = self._ask(
            f"{self._path} is there already. Replace it, and keep the old one? [y/N] "
        )
        if answer.lower() not in ("y", "yes"):
            raise Unfinished(f"{self._path} is as it was")

    def _show(self, found: Survey) -> None:
        for number, draft in enumerate(found.drafts, 1):
            models = ", ".join(model.id for model in draft.models[:5])
            more = ", ..." if len(draft.models) > 5 else ""
            self._say(f"{number:3}  {draft.title}{': ' if models else ''}{models}{more}")
        for note in found.notes:
            self._say(f"  -  {note}")

    def _choose(self, drafts: Sequence[Draft]) -> list[Draft]:
        while True:
            answer = self._ask("Which of them? (numbers such as 1 3-5; none) [all] ").lower()
            if answer in ("", "all"):
                return list(drafts)
            if answer == "none":
                raise Unfinished("nothing was chosen")
            numbers = numbers_in(answer, len(drafts))
            if numbers:
                return [drafts[number - 1] for number in numbers]
            self._say(f"these are no numbers from 1 to {len(drafts)}")

    def _write(self, text: str) -> Config:
        try:
            loaded, old = write(self._path, text, self._environ)
        except OSError as e:
            raise Unfinished(f"{self._path} cannot be written: {e.strerror}") from e
        config = loaded.config
        self._say(f"{self._path} is written: {', '.join(config.engines)}")
        if old is not None:
            self._say(f"the file that was there is now {old}")
        for warning in loaded.warnings:
            self._say(warning)
        return config

    def _say_how_to_start(self, config: Config) -> None:
        found = find(self._environ)
        is_found = found is not None and os.path.realpath(found) == os.path.realpath(self._path)
        self._say("start the router:")
        self._say("  engine-router" if is_found else f"  engine-router --config {self._path}")

    def _ask(self, question: str) -> str:
        self._out.write(question)
        self._out.flush()
        line = self._source.readline()
        if not line:
            raise Unfinished("there is nobody to answer; --yes asks nothing")
        return line.strip()

    def _say(self, line: str) -> None:
        self._out.write(f"{line}\n")
        self._out.flush()


def numbers_in(text: str, most: int) -> list[int]:
    """
    @param text: numbers and ranges, such as C{1 3-5}.
    @param most: the largest number that there is.
    @return: the numbers, each once; empty when the text is anything else.
    """
    numbers = list[int]()
    for word in re.split(r"[\s,]+", text.strip()):
        match = RANGE.fullmatch(word)
        if match is None:
            return []
        first = int(match[1])
        last = int(match[2] or first)
        if not 0 < first <= last <= most:
            return []
        numbers += range(first, last + 1)
    return list(dict.fromkeys(numbers))


def main(
    argv: Sequence[str] | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    survey: Callable[[Path], Survey] | None = None,
    source: TextIO | None = None,
    out: TextIO | None = None,
) -> int:
    """
    @param argv: the arguments; by default those of the process.
    @param survey: as of L{Wizard}; by default that of this machine.
    @param source: by default standard input.
    @param out: by default standard output.
    @return: the exit status.
    """
    options = make_parser().parse_args(argv)

    def survey_machine(presets: Path) -> Survey:
        return Surveyor(Machine(environ), Asker(), presets).survey()

    wizard = Wizard(
        options, environ, survey or survey_machine, source or sys.stdin, out or sys.stdout
    )
    try:
        wizard.run()
    except Unfinished as e:
        print(f"engine-router init: {e}", file=sys.stderr)
        return FAILED
    except ConfigError as e:
        print(f"engine-router init: what was found makes no configuration:\n{e}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("\ninterrupted; nothing was written", file=sys.stderr)
        return INTERRUPTED
    return DONE
