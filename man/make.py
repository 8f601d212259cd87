"""
Makes the man pages: C{make.py FOLDER}.

What the code knows of itself is put into the pages that lie here: options come
from the parsers of the command lines, keys from the fields of the configuration.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import MISSING, is_dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from ler.__main__ import make_parser as router_parser  # noqa: E402 (the checkout comes first)
from ler.config.model import ENGINE_TYPES, Config, Engine  # noqa: E402
from ler.config.shape import Setting, Shape, settings  # noqa: E402
from ler.ctl.options import make_parser as control_parser  # noqa: E402
from ler.wizard.program import make_parser as wizard_parser  # noqa: E402

LONG = 60
"""Characters of a default that are too many to be shown."""


def escape(text: str) -> str:
    """
    @return: reStructuredText that shows C{text} as it is.
    """
    return re.sub(r"([\\*`|_])", r"\\\1", text)


def item(term: str, text: str) -> str:
    """
    @return: a term and what is to be said about it.
    """
    return f"{term}\n    {escape(text)}\n\n"


def indented(text: str) -> str:
    """
    @return: C{text} as a part of what stands before it.
    """
    return re.sub(r"^(?=.)", "    ", text, flags=re.MULTILINE)


def heading(title: str, line: str = "-") -> str:
    """
    @return: the heading of a section.
    """
    return f"{title}\n{line * len(title)}\n\n"


# Command lines.


def options(parser: argparse.ArgumentParser, but: Iterable[str] = ()) -> str:
    """
    @param but: what to leave out.
    @return: the options of a parser.
    """
    chosen = [one for one in parser._actions if not {*but, "--help"} & {*one.option_strings}]
    return "".join(option(action) for action in chosen if action.option_strings)


def option(action: argparse.Action) -> str:
    """
    @return: an option, with what it does.
    """
    value = "" if action.nargs == 0 else argument(action)
    forms = ", ".join(f"{form} {value}".rstrip() for form in action.option_strings)
    return item(forms, (action.help or "").replace("%(default)s", str(action.default)))


def argument(action: argparse.Action) -> str:
    """
    @return: what stands for the value of an argument or an option.
    """
    return str(action.metavar or "|".join(action.choices or [action.dest.upper()]))


def commands(parser: argparse.ArgumentParser) -> str:
    """
    @return: the commands of a parser, with what only they take.
    """
    shared = [flag for action in parser._actions for flag in action.option_strings]
    [found] = (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    parts = []
    for name, command in found.choices.items():
        marks = {"?": "[*{}*]", "*": "[*{}* ...]"}
        words = [
            marks.get(str(action.nargs), "*{}*").format(argument(action))
            for action in command._actions
            if not action.option_strings
        ]
        parts.append(item(" ".join([f"**{name}**", *words]), command.description or ""))
        parts.append(indented(options(command, but=shared)))
    return "".join(parts)


def epilog(parser: argparse.ArgumentParser) -> str:
    """
    @return: what the help of a parser ends with, as sections.
    """
    titled = re.split(r"^(\w[\w ]*):\n", parser.epilog or "", flags=re.MULTILINE)[1:]
    return "".join(
        f"{heading(title.upper(), '=')}::\n\n{text.rstrip()}\n\n"
        for title, text in zip(titled[::2], titled[1::2], strict=True)
    )


# The configuration.


def section_keys(path: str, section: type) -> Iterator[str]:
    """
    @param path: where the section stands, such as C{models[]}.
    @return: what is to be said of it and of the sections in it.
    """
    if path:
        yield heading(path)
    known = settings(section)
    yield keys(known)
    for setting in known:
        inner, marks = setting.shape, ""
        while inner.item is not None:
            marks += "[]" if inner.base is tuple else ".KEY"
            inner = inner.item
        if inner.base is Engine:
            yield from engine_keys(f"{setting.name}{marks}")
        elif is_dataclass(inner.base):
            yield from section_keys(f"{path}.{setting.name}{marks}".lstrip("."), inner.base)


def engine_keys(path: str) -> Iterator[str]:
    """
    @return: the keys of every engine, and then what each type adds or changes.
    """
    shared = settings(Engine)
    yield heading(path)
    yield item(f"**type** (one of {', '.join(map(escape, ENGINE_TYPES))})", "Type of the engine.")
    yield keys(shared)
    names = {section: name for name, section in ENGINE_TYPES.items()}
    for section, name in names.items():
        base = section.__bases__[0]
        yield heading(f"{path} of type {name}")
        if base in names:
            yield f"Those of type {names[base]}, but for:\n\n"
        known = settings(base) if base in names else shared
        yield keys([setting for setting in settings(section) if setting not in known])


def keys(chosen: Sequence[Setting]) -> str:
    """
    @return: some keys, with what they mean.
    """
    return "".join(
        item(f"**{escape(setting.name)}** ({escape(values(setting))})", setting.help)
        for setting in chosen
    )


def values(setting: Setting) -> str:
    """
    @return: which values a key may have, and which it has when it is absent.
    """
    described = kind(setting.shape)
    if setting.required:
        return f"{described}; required"
    default = usual(setting.default, setting.shape)
    return f"{described}; {default}" if 0 < len(default) < LONG else described


def kind(shape: Shape) -> str:
    """
    @return: in words, which values are accepted.
    """
    if shape.item is None or shape.command or shape.item.base is Any:
        return shape.describe()
    if is_dataclass(shape.item.base):
        return f"{shape.describe()} of sections"
    return f"{shape.describe()} of {shape.item.describe()}"


def usual(value: Any, shape: Shape) -> str:
    """
    @return: how a default would be written in the file, if it is worth it.
    """
    for word, meaning in shape.bounds.words.items():
        if meaning == value:
            return word
    if value is MISSING or value in (None, {}, (), ""):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:.12g}" if isinstance(value, float) else str(value)


# The pages.


def page(name: str) -> str:
    """
    @return: the source of a page, complete.
    """
    source = (HERE / f"{name}.rst").read_text(encoding="utf-8")
    made = {
        "router-options": options(router_parser()),
        "wizard-options": options(wizard_parser()),
        "configuration-keys": "".join(section_keys("", Config)),
        "control-options": options(control_parser()),
        "control-commands": commands(control_parser()),
        "control-epilog": epilog(control_parser()),
    }
    for mark, text in made.items():
        source = source.replace(f".. {mark}\n", text)
    return source


def main(folder: str) -> None:
    """
    Write the pages into C{folder}.
    """
    from docutils.core import publish_string

    Path(folder).mkdir(parents=True, exist_ok=True)
    strict = {"halt_level": 2, "report_level": 2}
    for source in HERE.glob("*.rst"):
        text = publish_string(page(source.stem), writer_name="manpage", settings_overrides=strict)
        Path(folder, source.stem).write_bytes(text)


if __name__ == "__main__":
    main(sys.argv[1])
