# -*- test-case-name: ler.test.test_live_model_servers -*-
"""
Stand-ins of the servers that the presets are for: their HTTP interfaces,
traps included, without a model.

Each module has C{MODELS}, the names of what it can load; runs as
C{python -m ler.test.backends.NAME --port N}; and says what it imitates, and
what it does not.
"""
