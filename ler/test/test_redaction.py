"""
Tests for L{ler.redaction}.
"""

from __future__ import annotations

import time

from twisted.trial.unittest import SynchronousTestCase

from ler.redaction import REDACTED, Redaction

SECRET = "s3cret-value.x"

TELLING = (
    "Authorization: Bearer {}",
    "authorization: {}",
    "{{'Authorization': 'Bearer {}', 'Accept': '*/*'}}",
    "X-API-Key: {}",
    "launched with --api-key {} --port 8080",
    "launched with --api-key={} --port 8080",
    "args: {{'api_key': ['{}'], 'port': 8000}}",
    "HF_TOKEN={} is set",
    "DB_PASSWORD = {}",
    "client_secret: {}",
    "got bearer {}",
    "Cookie: a={}; b={}",
)

HARMLESS = (
    "prompt eval time = 12.3 ms / 456 tokens (0.1 ms per token, 78.9 tokens per second)",
    "the api key is wrong",
    "bearer of bad news",
    "--max-tokens 4096",
    "max_tokens=4096 n_tokens: 12345",
    "no secret is kept from the password field",
    "risk-free-and-task-oriented",
)


class RedactionTests(SynchronousTestCase):
    """
    L{Redaction}
    """

    def test_known(self) -> None:
        """What is known to be secret goes, wherever it stands."""
        redact = Redaction(["hunter22", "hunter22-and-more"])
        self.assertEqual(f"a{REDACTED}b {REDACTED}.", redact("ahunter22b hunter22-and-more."))

    def test_too_short(self) -> None:
        """A secret of few letters would take everything else with it, and hides nothing."""
        self.assertEqual("banana", Redaction(["a", ""])("banana"))

    def test_looks_secret(self) -> None:
        """What is called a secret goes, and what stands around it stays."""
        redact = Redaction()
        for form in TELLING:
            shown = redact(form.format(SECRET, SECRET))
            self.assertNotIn(SECRET, shown)
            self.assertIn(REDACTED, shown)
            self.assertTrue(shown.startswith(form[:6].format()), shown)
        self.assertIn("--port 8080", redact(f"--api-key {SECRET} --port 8080"))

    def test_tokens(self) -> None:
        """So do tokens that say themselves what they are."""
        for token in ("sk-" + "a1" * 12, "hf_" + "Zz9" * 10, "sk-proj-" + "x_-" * 9):
            self.assertEqual(f"with {REDACTED} it", Redaction()(f"with {token} it"))

    def test_harmless(self) -> None:
        """What engines print all the time stays as it is."""
        for line in HARMLESS:
            self.assertEqual(line, Redaction([SECRET])(line))

    def test_quick(self) -> None:
        """No line takes long."""
        redact = Redaction([SECRET])
        nasty = ("a-", "--a-", "bearer ", "api_key", " ", "authorization: ", "--key ", "[(\"'")
        for piece in nasty:
            began = time.perf_counter()
            redact(piece * (4096 // len(piece)))
            self.assertLess(time.perf_counter() - began, 0.25, piece)
