# -*- test-case-name: ler.test.test_tap -*-
"""
HOW BYTES FLOW: from the client's socket to the engine that was given to the
request, and back, in the client's dialect.

L{ler.web.tree} says what lives where.  A request that names a model passes, in
this order: L{ler.web.site} and L{ler.web.gate} (who may come in), a surface
such as L{ler.web.openai} or L{ler.web.ollama}, L{ler.web.routes} (which model),
L{ler.web.asking} (as it is, or translated: L{ler.web.operations} knows, and
L{ler.web.translation} does it), and L{ler.web.relay}, which waits, forwards and
answers through one L{ler.web.client_stream}; L{ler.web.deliveries} are the ways
in which an answer comes down.  L{ler.web.dialects} knows how each dialect says
"wait", "failed" and "done".

What the router tells about itself, and what may be ordered, is put together by
L{ler.web.own}.
"""
