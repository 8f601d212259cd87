# -*- test-case-name: ler.test.test_openai -*-
"""
HOW BYTES FLOW: from the client's socket to the engine that was given to the
request, and back, in the client's dialect.

A request passes, in this order: L{ler.web.site} and L{ler.web.gate} (who may
come in), L{ler.web.body} (which model), a surface such as L{ler.web.openai},
and L{ler.web.relay}, which waits, forwards and answers through one
L{ler.web.client_stream}.  L{ler.web.dialects} knows how each dialect says
"wait", "failed" and "done".
"""
