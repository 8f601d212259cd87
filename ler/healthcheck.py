# -*- test-case-name: ler.test.test_healthcheck -*-
"""
C{python -m ler.healthcheck}: whether the router of this machine answers, for
supervisors that ask a command, such as those of containers.

It finds the router as C{routerctl} does, by its configuration, and needs no
key: anybody may ask how a router is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from ler.ctl.client import Refused, Router, Unreachable, connect
from ler.ctl.whereabouts import Unlocated, locate

TIMEOUT_S = 5.0
"""How long an answer may take."""


def main(
    environ: Mapping[str, str] = os.environ,
    err: TextIO | None = None,
    connect: Callable[[str, float], Any] = connect,
) -> int:
    """
    @param err: where to complain; by default standard error.
    @param connect: as L{ler.ctl.client.connect}.
    @return: the exit status: 0 when the router answers, else 1.
    """
    try:
        url = locate(None, None, None, environ).url
        Router(url, timeout=TIMEOUT_S, connect=connect).get("/health")
    except (Unlocated, Unreachable, Refused) as e:
        print(e, file=err or sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
