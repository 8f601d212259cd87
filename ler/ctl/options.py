# -*- test-case-name: ler.test.test_ctl -*-
"""
The command line of C{routerctl}, with its help; completions and the man page
are made of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import ler

DESCRIPTION = """\
Show and steer a running engine-router: what is in memory, who waits, and what
comes next.
"""

EPILOG = """\
environment:
  ROUTER_URL            where the router listens, as --url
  ROUTER_API_KEY        what opens it, as --key, but not seen in a list of processes
  ROUTER_CONFIG         its configuration, as --config
  NO_COLOR              no colours, as --color=never

files:
  Without --url and ROUTER_URL, address and key are read from the first of these
  that is there: config.yaml in the current folder,
  ~/.config/engine-router/config.yaml, /etc/engine-router/config.yaml.

exit status:
  0    done
  1    failed: what was asked for could not be done
  2    usage: the command line cannot be understood
  3    unreachable: no router answers
  4    refused: no key, the wrong key, or one that does not open this
  130  interrupted by Ctrl-C; what the router has begun goes on

examples:
  routerctl status                  what is in memory
  routerctl use qwen3-32b           swap to it now, and watch
  routerctl explain gpt-4o          who would answer that, and after which wait
  routerctl logs qwen -f            what an engine prints, as it prints it
  routerctl --json history | jq .   for programs
"""

MODEL_HELP = "id or alias of a model, as clients send it"

DEFAULTS: dict[str, Any] = {
    "url": None,
    "key": None,
    "config": None,
    "json": False,
    "color": "auto",
    "timeout": 15.0,
}
"""What the options that every command takes are when they are not given."""


def make_parser() -> argparse.ArgumentParser:
    """
    @return: the parser; what it parses has the name of the command as
        C{command}.  L{DEFAULTS} are left to whoever parses.
    """
    common = _common()
    parser = argparse.ArgumentParser(
        prog="routerctl",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common],
    )
    parser.add_argument("--version", action="version", version=f"routerctl {ler.__version__}")
    commands = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True
    )

    def command(name: str, summary: str, more: str = "") -> argparse.ArgumentParser:
        description = f"{summary[0].upper()}{summary[1:]}."
        return commands.add_parser(
            name,
            help=summary,
            description=f"{description} {more}" if more else description,
            parents=[common],
        )

    command("status", "show what is in memory, what runs and what waits")
    for name, summary in (
        ("models", "list the models, who owns them, and which are in memory"),
        ("engines", "list the engines and how they are"),
        ("requests", "list the requests that wait or run, the oldest first"),
    ):
        ids = "print their ids only, one a line"
        command(name, summary).add_argument("--ids", action="store_true", help=ids)
    use = command(
        "use",
        "bring a model into memory now",
        "Running answers end first; the phases of the swap are shown as they pass. Ctrl-C ends "
        "the watching, not the swap.",
    )
    use.add_argument("model", metavar="MODEL", help=f"{MODEL_HELP}; or the key of an engine")
    unload = command("unload", "empty the memory", "The next request fills it again.")
    logs = command("logs", "show what an engine prints, or what the router logs")
    logs.add_argument(
        "engine", nargs="?", metavar="ENGINE", help="its key; the router itself when absent"
    )
    logs.add_argument("-f", "--follow", action="store_true", help="go on as more comes")
    logs.add_argument("-n", "--lines", type=_count, default=50, help="how many lines (%(default)s)")
    command("queue", "show who waits for what, and for how long")
    history = command("history", "list the last swaps, the newest first")
    history.add_argument("-n", "--limit", type=_count, default=20, help="how many (%(default)s)")
    command(
        "discover",
        "ask the engines that run for their models",
        "Only engines with discover_models are asked, and none is started for it.",
    )
    check = command(
        "check",
        "say whether a configuration is right",
        "All that is wrong is told at once. No router is asked.",
    )
    check.add_argument(
        "path", nargs="?", metavar="CONFIG", help="the file; by default the one that is found"
    )
    command(
        "reload",
        "have the router read its configuration again",
        "A configuration that is wrong changes nothing, and is told.",
    )
    explain = command("explain", "say who would answer a request now, after which wait, and why")
    explain.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    pause = command(
        "pause",
        "empty the memory and refuse all requests until 'resume'",
        "For when you need the memory yourself.",
    )
    pause.add_argument("reason", nargs="*", metavar="REASON", help="what clients are told")
    for waits in (use, unload, pause):
        waits.add_argument("--no-wait", action="store_true", help="do not wait until it is done")
    command("resume", "let requests in again after 'pause'")
    cancel = command("cancel", "end a request", "Its client is told.")
    cancel.add_argument("request", metavar="REQUEST", help="its id, as in 'routerctl requests'")
    completion = command(
        "completion",
        "print what makes a shell complete this command",
        "bash: source <(routerctl completion bash).  zsh: write it to a file _routerctl in a "
        "folder of $fpath.  fish: write it to ~/.config/fish/completions/routerctl.fish.",
    )
    completion.add_argument("shell", choices=["bash", "zsh", "fish"])
    return parser


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """
    @raise SystemExit: when they are wrong, or when they ask for help.
    """
    return make_parser().parse_args(argv, argparse.Namespace(**DEFAULTS))


def _common() -> argparse.ArgumentParser:
    """
    @return: the options that may stand before the command and behind it: for
        this they have no default, which would undo what stands before.
    """
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    group = common.add_argument_group("options of every command")
    group.add_argument("--url", help="where the router listens, such as http://127.0.0.1:8077")
    group.add_argument("--key", help="an API key of the router; better put into $ROUTER_API_KEY")
    group.add_argument("--config", metavar="FILE", help="the router's configuration")
    group.add_argument("--json", action="store_true", help="print JSON, for programs")
    group.add_argument(
        "--color", choices=["auto", "always", "never"], help="colours (auto: on a terminal)"
    )
    group.add_argument(
        "--timeout", type=_seconds, metavar="S", help="seconds that an answer may take (15)"
    )
    return common


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 86400:
        raise ValueError
    return seconds


def _count(text: str) -> int:
    count = int(text)
    if not 0 < count <= 10000:
        raise ValueError
    return count
