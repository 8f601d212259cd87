# -*- test-case-name: ler.test.test_live_clients -*-
"""
The programs that people use, against a whole router.

C{python -m ler.test.clients} runs them, each by a script of its own, and says
how they fared.  The scripts share L{ler.test.clients.check}, or C{check.mjs},
and need nothing of ours but that: each client may have an environment of its
own.  The engines are those of L{ler.test.clients.fleet}.
"""
