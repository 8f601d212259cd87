# -*- test-case-name: ler.test.test_ctl -*-
"""
C{routerctl}, which talks HTTP to a running router and to nothing else.

  1. L{ler.ctl.options} is its command line, L{ler.ctl.commands} what each
     command does.
  2. L{ler.ctl.whereabouts} finds the router, L{ler.ctl.client} talks to it,
     and L{ler.ctl.following} watches what takes time.
  3. L{ler.ctl.views} says it to people, on a L{terminal<ler.ctl.terminal>}.
  4. L{ler.ctl.program} puts these together.
"""

from ler.ctl.program import main

__all__ = ["main"]
