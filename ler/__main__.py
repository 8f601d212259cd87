# -*- test-case-name: ler.test.test_main -*-
"""
The command C{engine-router}: the service, as C{twistd} runs it, or the wizard
that writes its configuration.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence

import ler
from ler.config.places import find, places

DESCRIPTION = """\
Run the router, in the foreground, until a signal ends it. "engine-router init"
writes a configuration for it; see "engine-router init --help".
"""

EPILOG = """\
Without --config it is the first of these that is there: $ROUTER_CONFIG alone, if
it is set; config.yaml in the current folder;
~/.config/engine-router/config.yaml; /etc/engine-router/config.yaml.

To run it as a daemon, or with another log, use what this command uses:
twistd engine-router --config FILE; see twistd --help.
"""


def run_twistd(arguments: Sequence[str]) -> object:
    """
    Become C{twistd} with these arguments.
    """
    from twisted.scripts.twistd import run

    sys.argv[1:] = arguments
    return run()


def make_parser() -> argparse.ArgumentParser:
    """
    @return: the parser of the command line, without the wizard's.
    """
    parser = argparse.ArgumentParser(
        prog="engine-router",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="the YAML configuration")
    parser.add_argument(
        "--check-config",
        action="store_true",
        help="say whether the configuration is right, and exit",
    )
    parser.add_argument(
        "--print-schema",
        action="store_true",
        help="print the JSON Schema of the configuration, and exit",
    )
    parser.add_argument("--version", action="version", version=f"engine-router {ler.__version__}")
    return parser


def main(
    argv: Sequence[str] | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    run: Callable[[Sequence[str]], object] = run_twistd,
) -> int:
    """
    @param argv: the arguments; by default those of the process.
    @param run: as L{run_twistd}.
    @return: the exit status.
    """
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] == "init":
        from ler.wizard import main as init

        return init(argv[1:])
    options = make_parser().parse_args(argv)
    arguments = ["--nodaemon", "--pidfile=", "engine-router"]
    config = options.config or find(environ)
    if config is not None:
        arguments.append(f"--config={config}")
    elif not options.print_schema:
        looked = ", ".join(places(environ))
        print(
            f"engine-router: there is no configuration ({looked}); "
            "engine-router init writes one, --config names another",
            file=sys.stderr,
        )
        return 1
    for flag in ("check_config", "print_schema"):
        if getattr(options, flag):
            arguments.append(f"--{flag.replace('_', '-')}")
    run(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
