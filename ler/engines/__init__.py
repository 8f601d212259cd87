# -*- test-case-name: ler.test -*-
"""
WHO serves a model, and how its process tree is owned.

From the outside in: L{ler.engines.generic_process} is an engine that the
router launches.  L{ler.engines.health} says when it can answer,
L{ler.engines.port} who listens where it should, L{ler.engines.output} what it
printed.  L{ler.engines.process} is its process tree as Deferreds, be it
launched by us (L{ler.engines.launch}) or by an earlier router
(L{ler.engines.records}, L{ler.engines.identity}, L{ler.engines.reown}).  The
tree itself is owned by another process, L{ler.engines.guardian}, which is made
of L{ler.engines.tree}, L{ler.engines.backlog} and L{ler.engines.procfs}.

L{ler.engines.model_server} is an engine made of a server that is told over HTTP
what to hold (L{ler.engines.model_host}), in the words of
L{ler.engines.api_swap} or L{ler.engines.ollama}.  L{ler.engines.systemd} is one
that is a L{unit<ler.engines.unit>}, L{ler.engines.remote} somebody else's.
L{ler.engines.control} asks them, L{ler.engines.making} makes each of its
settings, and L{ler.engines.homes} says which of them live beside the others.

L{ler.engines.former} is an engine that was left running and is not configured
any more.  L{ler.engines.catalog} knows which engine has a model, from
the configuration, from L{command lines<ler.engines.commands>} and from
L{ler.engines.listing}, which asks.
"""
