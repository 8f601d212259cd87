# -*- test-case-name: ler.test -*-
"""
engine-router: one URL in front of many inference engines, one of which at a
time holds the memory.

Read the package in this order; every module imports only from modules that
stand above it in this list, except L{ler.tap}, which composes them all:

  1. L{ler.interfaces}: the contracts, and the values that cross them.
  2. L{ler.errors}: every failure a client can be told of.
  3. L{ler.testing}: verified fakes of the contracts.
  4. The hallway: L{ler.upstream} (HTTP to engines), L{ler.state} (what
     survives a restart), L{ler.metrics}, L{ler.logs}, L{ler.journal} (what
     happened lately), L{ler.notify} (what the service manager is told).
  5. L{ler.config}: strict YAML to frozen values.
  6. L{ler.reloading}: what a change of the configuration means.
  7. L{ler.engines}: WHO serves a model, and how a process tree is owned.
  8. L{ler.memory}: IS THERE ROOM, and has it really come back.
  9. L{ler.slot}: WHEN an engine may have the memory; the state machine.
 10. L{ler.web}: HOW BYTES FLOW between a client and the engine it was given.
 11. L{ler.crew}: the engines over all configurations; L{ler.composing}: the
     parts, put together, and anew after a reload.
 12. L{ler.tap}: the service, as C{twistd engine-router} starts it.
 13. L{ler.ctl} and L{ler.wizard}: the command line, which talks HTTP and
     writes YAML.

C{docs/state-machine.rst} draws the slot.
"""

__version__ = "0.1.0"
