# -*- test-case-name: ler.test.test_commands -*-
"""
Which models an engine will have, read off its command line: so that clients
can name them before it ever ran.

A command line is only understood as far as that takes.  No id is better than
one that the engine does not know.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

SHELL = re.compile(r"(ba|da|z|k)?sh")
"""Programs whose C{-c} is followed by further commands."""

ELSEWHERE = frozenset({"--hostname", "--name", "--runtime", "--unit", "--user"})
"""Options whose values may be called as a program that is not meant."""

FLAG = re.compile(
    r"-[dq]|--(detach|debug|quiet|nocontainer|enforce-eager|async-scheduling)"
    r"|--(enable|disable|no|trust)-.*"
)
"""Options without a value."""

MANY = frozenset({"--served-model-name"})
"""Options that take every word up to the next option."""

NO_ID = re.compile(r"[$`{}]|^$")
"""What only a shell or a template makes an id of."""


def plain(model: str) -> list[str]:
    """
    @param model: the value of an option that says which model to load.
    @return: what its clients call it: a repository, or a folder, by its own
        name; a file by its name, with and without the ending.
    """
    stem, ending = os.path.splitext(os.path.basename(model))
    return [stem, stem + ending] if ending.lower() == ".gguf" else [model]


def bare(model: str) -> list[str]:
    """
    @return: as L{plain}; where a model is to be had from is no part of its id.
    """
    return plain(re.sub(r"^\w+:/+", "", model))


def kobold(model: str) -> list[str]:
    """
    @return: the one name that KoboldCpp makes up.
    """
    stem = re.sub(r"\.(gguf|bin)$", "", os.path.basename(model), flags=re.IGNORECASE)
    return ["koboldcpp/" + re.sub(r"[^\w.-]", "", stem)]


@dataclass(frozen=True)
class Program:
    """
    How one program is told of its model.

    @ivar pattern: matches its names: as an executable, a script, a module of
        Python, or an image.
    @ivar models: the options that say what to load.
    @ivar names: the options that say what to call it, which then counts alone.
    @ivar positional: whether what to load may be said without an option.
    @ivar separator: what stands between two names in one value.
    @ivar command: the argument without which it serves nothing, if any.
    @ivar ids: from what it loads to the ids of that.
    """

    pattern: str
    models: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    positional: bool = False
    separator: str | None = None
    command: str | None = None
    ids: Callable[[str], list[str]] = plain

    def read(self, arguments: Sequence[str]) -> list[str]:
        """
        @param arguments: what follows the name of the program.
        @return: the ids that its model has.
        """
        if self.command is not None and self.command not in arguments:
            return []
        options, positional = parse(arguments)
        names = [value for option, value in options if option in self.names]
        if names:
            split = (name.split(self.separator) if self.separator else [name] for name in names)
            return [id.strip() for ids in split for id in ids]
        models = [value for option, value in options if option in self.models]
        if not models and self.positional:
            models = positional[:1]
        return [id for model in models for id in self.ids(model)]


VLLM = Program(
    r"vllm-openai|vllm\.entrypoints\.openai\.api_server",
    models=("--model",),
    names=("--served-model-name",),
    positional=True,
)

PROGRAMS = (
    Program(
        r"llama-server|llama\.cpp",
        models=("-m", "--model", "-hf", "-hfr", "--hf-repo"),
        names=("-a", "--alias"),
        separator=",",
    ),
    VLLM,
    replace(VLLM, pattern="vllm", command="serve"),
    Program(
        r"sglang(\.launch_server)?",
        models=("--model-path", "--model"),
        names=("--served-model-name",),
    ),
    Program(r"koboldcpp([-_].*)?", models=("--model", "-m"), positional=True, ids=kobold),
    Program(r"mlx_(lm|vlm)(\.server)?", models=("--model",)),
    Program(
        r"max|max-(nvidia|amd)-.*",
        models=("--model", "--model-path"),
        names=("--served-model-name",),
    ),
    Program(r"ramalama", positional=True, command="serve", ids=bare),
)


def ids_in(argv: Sequence[str]) -> list[str]:
    """
    @param argv: a command line, with whatever wrappers stand before the
        program: C{env}, C{docker run}, C{bash -c}.
    @return: the ids of the models that it serves, the best first; empty when
        nothing is known of the program.
    """
    for command in commands(argv):
        # From the end: the words before a program may be called like another,
        # those after it make no command line.
        for at in reversed(range(len(command))):
            if at and command[at - 1] in ELSEWHERE:
                continue
            for program in PROGRAMS:
                if re.fullmatch(program.pattern, called(command[at])):
                    ids = [id for id in program.read(command[at + 1 :]) if not NO_ID.search(id)]
                    if ids:
                        return list(dict.fromkeys(ids))
    return []


def commands(argv: Sequence[str]) -> Iterator[list[str]]:
    """
    @return: the commands in a command line: itself; or, if it has a shell run
        some, these.
    """
    shells = (at for at, word in enumerate(argv) if SHELL.fullmatch(os.path.basename(word)))
    for at in shells:
        for option, script in zip(argv[at + 1 :], argv[at + 2 :], strict=False):
            if re.fullmatch(r"-[a-z]*c", option):
                yield from scripted(script)
                return
    yield list(argv)


def scripted(script: str) -> Iterator[list[str]]:
    """
    @return: the commands in what a shell is given to run; none when its quotes
        do not match.
    """
    lexer = shlex.shlex(script, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    command: list[str] = []
    try:
        for word in lexer:
            if set(word) <= set("();<>|&"):
                yield command
                command = []
            else:
                command.append(word)
    except ValueError:
        return
    yield command


def called(word: str) -> str:
    """
    @return: the name of the program, script, module or image that a word may
        be, without folders, registry and tag; empty for an assignment.
    """
    if "=" in word:
        return ""
    return re.sub(r":.*|@.*|\.py$", "", word.rpartition("/")[2])


def parse(arguments: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """
    @return: the options, each with each of its values, and the other words.
        C{serve} begins both anew: what stands before it says how, not what.
    """
    options: list[tuple[str, str]] = []
    positional: list[str] = []
    option: str | None = None
    for word in arguments:
        if word == "--":
            break
        if word.startswith("-") and not re.fullmatch(r"-[\d.]+", word):
            name, equals, value = word.partition("=")
            if equals:
                options.append((name, value))
            option = None if equals or FLAG.fullmatch(name) else name
        elif word == "serve" and not positional:
            options, option = [], None
        elif option is not None:
            options.append((option, word))
            option = option if option in MANY else None
        else:
            positional.append(word)
    return options, positional
