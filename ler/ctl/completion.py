# -*- test-case-name: ler.test.test_ctl_completion -*-
"""
Completes a command line, by its parser.

The scripts for the shells are short: they hand over the words that were typed,
and the command says what may come next.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

FLAG = "--complete"
"""What the scripts call the command with, before the words."""

FILES = ":files"
"""Printed in place of candidates where the name of a file may stand."""

ASKED = {"MODEL": "models", "ENGINE": "engines", "REQUEST": "requests"}
"""By what an argument is: what to ask the router for its values."""

NAMES_OF_FILES = frozenset({"CONFIG", "FILE"})

SCRIPTS = {
    "bash": r"""
_routerctl() {
    local line=${COMP_LINE:0:COMP_POINT} words current split word help
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    current=${words[${#words[@]}-1]}
    # Bash takes what follows a colon for a word of its own.
    split=${current%"${current##*[:=]}"}
    COMPREPLY=()
    while IFS=$'\t' read -r word help; do
        if [[ $word == :files ]]; then
            IFS=$'\n' read -rd '' -a COMPREPLY < <(compgen -f -- "$current")
            return
        fi
        COMPREPLY+=("${word#"$split"}")
    done < <(routerctl --complete "${words[@]:1}" 2>/dev/null)
}
complete -F _routerctl routerctl
""",
    "zsh": r"""
#compdef routerctl
_routerctl() {
    local -a found
    local word help
    while IFS=$'\t' read -r word help; do
        if [[ $word == :files ]]; then
            _files
            return
        fi
        found+=("${word//:/\\:}:$help")
    done < <(routerctl --complete "${(@)words[2,CURRENT]}" 2>/dev/null)
    _describe routerctl found
}
if [[ $funcstack[1] == _routerctl ]]; then
    _routerctl "$@"
else
    compdef _routerctl routerctl
fi
""",
    "fish": r"""
function __routerctl_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l found (routerctl --complete $words[2..-1] "$current" 2>/dev/null)
    if test "$found[1]" = :files
        __fish_complete_path "$current"
    else
        printf '%s\n' $found
    end
end
complete -c routerctl -f -a '(__routerctl_complete)'
""",
}
"""By shell: what makes it complete C{routerctl}."""


@dataclass(frozen=True)
class Candidate:
    """
    A word that may come next.
    """

    word: str
    help: str = ""

    def __str__(self) -> str:
        return f"{self.word}\t{self.help}" if self.help else self.word


def candidates(
    parser: argparse.ArgumentParser, words: Sequence[str], ask: Callable[[str], Iterable[str]]
) -> list[Candidate]:
    """
    @param words: what was typed after the name of the command; the last word
        is to be completed, and may be empty.
    @param ask: from C{models}, C{engines} or C{requests} to their ids.
    @return: what the last word may become.
    """
    *typed, last = words or ("",)
    places = _places(parser)
    option: argparse.Action | None = None
    for word in typed:
        if option is not None:
            option = None
        elif word.startswith("-"):
            named = (action for action in parser._actions if word in action.option_strings)
            option = next((action for action in named if action.nargs != 0), None)
        elif places:
            place = places[0]
            if isinstance(place, argparse._SubParsersAction):
                if word not in place.choices:
                    return []
                parser = place.choices[word]
                places = _places(parser)
            elif place.nargs != "*":
                del places[0]
    if option is None and last.startswith("-"):
        found = _options(parser)
    else:
        found = _values(option or next(iter(places), None), ask)
    return [candidate for candidate in found if candidate.word.startswith((last, FILES))]


def _places(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """
    @return: what stands without a dash, in order.
    """
    return [action for action in parser._actions if not action.option_strings]


def _options(parser: argparse.ArgumentParser) -> Iterable[Candidate]:
    for action in parser._actions:
        help = (action.help or "") % vars(action)
        yield from (Candidate(name, help) for name in action.option_strings)


def _values(
    action: argparse.Action | None, ask: Callable[[str], Iterable[str]]
) -> Iterable[Candidate]:
    """
    @return: what C{action} may be given.
    """
    if action is None:
        return []
    if isinstance(action, argparse._SubParsersAction):
        return [Candidate(choice.dest, choice.help or "") for choice in action._choices_actions]
    if action.choices is not None:
        return [Candidate(str(choice)) for choice in action.choices]
    if action.metavar in NAMES_OF_FILES:
        return [Candidate(FILES)]
    if isinstance(action.metavar, str) and action.metavar in ASKED:
        return [Candidate(id) for id in ask(ASKED[action.metavar])]
    return []
