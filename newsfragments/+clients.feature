Tried with the clients that people use, Claude Code, Codex and OpenCode among them: ``docs/clients.rst`` has the table, ``bash .ci/clients`` runs it again.
