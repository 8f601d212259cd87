# -*- test-case-name: ler.test.test_wizard_programs -*-
"""
The programs that serve models, and how to tell them by their command lines.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

INTERPRETER = re.compile(r"(python|pypy)[\d.]*")

VALUED = frozenset({"-X", "-W", "--check-hash-based-pycs"})
"""Options of Python that are followed by a value."""


@dataclass(frozen=True)
class Program:
    """
    One that serves models.

    @ivar name: what people call it.
    @ivar executable: what it is found as on the C{PATH}.
    @ivar preset: the file in C{presets/} that configures it, without ending.
    @ivar port: where it listens unless it is told otherwise.
    @ivar names: patterns of what it is called, as an executable, a script, or
        a module of Python; each with the argument without which it serves
        nothing, if any.
    @ivar beside: a file that is in the folder where it runs, if one tells it
        from others of its name.
    @ivar is_launched: whether the router is to start it; it is told over HTTP
        what to hold otherwise.
    @ivar loads: the options that say which file or model it loads.
    @ivar context: the options that say how many tokens of context it has.
    @ivar sized_by: groups of options; only with one of each it does not fit
        itself into what is free.
    """

    name: str
    executable: str
    preset: str
    port: int
    names: tuple[tuple[str, str | None], ...] = ()
    beside: str | None = None
    is_launched: bool = True
    loads: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    sized_by: tuple[tuple[str, ...], ...] = ()


OLLAMA = Program("Ollama", "ollama", "ollama", 11434, (("ollama", "serve"),), is_launched=False)
LM_STUDIO = Program("LM Studio", "lms", "lmstudio", 1234, is_launched=False)
LLAMA_SERVER = Program(
    "llama-server",
    "llama-server",
    "llamacpp",
    8080,
    (("llama-server", None), (r"(.*\.)?llama_server", None)),
    loads=("-m", "--model"),
    context=("-c", "--ctx-size"),
    sized_by=(("-ngl", "--gpu-layers", "--n-gpu-layers"), ("-c", "--ctx-size")),
)
KOBOLDCPP = Program(
    "KoboldCpp",
    "koboldcpp",
    "koboldcpp",
    5001,
    ((r"koboldcpp([-_].*)?", None),),
    loads=("-m", "--model"),
    context=("--contextsize", "-c", "--ctx-size"),
    sized_by=(("-ngl", "--gpu-layers", "--gpulayers", "--n-gpu-layers"),),
)
MLX = Program(
    "mlx-lm",
    "mlx_lm.server",
    "mlx",
    8080,
    ((r"mlx_lm\.server", None), ("mlx_lm", "server")),
    loads=("--model",),
)
TABBYAPI = Program(
    "TabbyAPI", "", "tabbyapi", 5000, (("main", None),), "api_tokens.yml", is_launched=False
)

PROGRAMS = (
    OLLAMA,
    LM_STUDIO,
    LLAMA_SERVER,
    Program(
        "vLLM",
        "vllm",
        "vllm",
        8000,
        (("vllm", "serve"), (r"vllm\.entrypoints\.openai\.api_server", None)),
        context=("--max-model-len",),
    ),
    Program(
        "SGLang",
        "sglang",
        "sglang",
        30000,
        (("sglang", "serve"), (r"sglang\.launch_server", None)),
        context=("--context-length",),
    ),
    KOBOLDCPP,
    MLX,
    Program("MAX", "max", "max", 8000, (("max", "serve"),), context=("--max-length",)),
    Program(
        "ramalama",
        "ramalama",
        "ramalama",
        8080,
        (("ramalama", "serve"),),
        context=("-c", "--ctx-size"),
    ),
    Program("LocalAI", "local-ai", "localai", 8080, (("local-ai", "run"),), is_launched=False),
    TABBYAPI,
)


def program_of(argv: Sequence[str], folder: str = "") -> Program | None:
    """
    @param argv: a command line, as of a process.
    @param folder: where it runs.
    @return: the program that serves models by it, or L{None}.
    """
    for name, arguments in _called(argv):
        for program in PROGRAMS:
            beside = program.beside and os.path.join(folder, program.beside)
            if beside and not (folder and os.path.isfile(beside)):
                continue
            for pattern, command in program.names:
                if re.fullmatch(pattern, name) and (command is None or command in arguments):
                    return program
    return None


def _called(argv: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """
    @return: the name of what runs, and its arguments: of the executable or, of
        an interpreter, the script or module.
    """
    if not argv:
        return
    name = os.path.basename(argv[0])
    yield name, argv[1:]
    if not INTERPRETER.fullmatch(name):
        return
    at = 1
    while at < len(argv):
        word = argv[at]
        if word == "-m" and at + 1 < len(argv):
            yield argv[at + 1], argv[at + 2 :]
            return
        if not word.startswith("-"):
            yield os.path.basename(word).removesuffix(".py"), argv[at + 1 :]
            return
        at += 2 if word in VALUED else 1


def value_of(argv: Sequence[str], names: Sequence[str]) -> str | None:
    """
    @param names: of an option.
    @return: its value on a command line, or L{None}; the last one counts.
    """
    found = None
    for at, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if name in names:
            if equals:
                found = value
            elif at + 1 < len(argv):
                found = argv[at + 1]
    return found


def with_port(argv: Sequence[str]) -> list[str]:
    """
    @return: a command line with C{{port}} in place of its port.
    """
    words = list(argv)
    found = False
    for at, word in enumerate(argv):
        name, equals, _ = word.partition("=")
        if name == "--port":
            found = True
            if equals:
                words[at] = "--port={port}"
            elif at + 1 < len(words):
                words[at + 1] = "{port}"
    return words if found else [*words, "--port", "{port}"]
