"""
Tests for L{ler.config.checks}.
"""

from __future__ import annotations

import sys
from hashlib import sha256

from ler.test.test_config import BASE, ConfigTestCase


def engine(key: str, port: int, *lines: str) -> str:
    """
    @return: the section of an engine, seven lines and C{lines}.
    """
    fixed = (
        "type: generic_process",
        f"base_url: http://localhost:{port}",
        f"start_cmd: {sys.executable}",
    )
    return "\n    ".join([f"  {key}:", *fixed, *lines]) + "\n"


OLLAMA = "  o: {type: ollama}\n"


class ProblemTests(ConfigTestCase):
    """
    What does not fit together.
    """

    # What is appended to a good configuration, and the problem that it makes.
    rows = (
        # Models.
        ("models: [{id: m, engine: A}]\n",
         "6: models[0].engine: no engine 'A'; did you mean 'a'?"),
        ("models: [{id: m, engine: zzz}]\n", "6: models[0].engine: no engine 'zzz'"),
        ("models:\n- {id: m, engine: a}\n- {id: n, engine: a}\n- {id: m, engine: a}\n",
         "9: models[2].id: is the id of models[0] already"),
        (engine("b", 9002, "served_models: [m]") + "models: [{id: m, engine: a}]\n",
         "10: engines.b.served_models: holds the id of a model that engine a owns"),
        ("    served_models: [x]\n" + engine("b", 9002, "served_models: [x]"),
         "11: engines.b.served_models: holds the id of a model that engine a owns"),
        # Aliases.
        ("aliases: {'': m}\nmodels: [{id: m, engine: a}]\n",
         '6: aliases[""]: an alias needs a name and a target'),
        ("aliases: {x: ' '}\n", "6: aliases.x: an alias needs a name and a target"),
        ("aliases: {x: x}\n", "6: aliases.x: points at itself"),
        ("aliases: {m: m}\nmodels: [{id: m, engine: a}]\n", "6: aliases.m: points at itself"),
        ("aliases: {x: y, y: m}\nmodels: [{id: m, engine: a}]\n",
         "6: aliases.x: points at another alias; aliases do not chain"),
        ("aliases:\n  n: m\nmodels: [{id: m, engine: a}, {id: n, engine: a}]\n",
         "7: aliases.n: is the id of a model already"),
        ("    served_models: [n]\naliases: {n: m}\nmodels: [{id: m, engine: a}]\n",
         "7: aliases.n: is the id of a model already"),
        ("aliases: {x: llama-9b}\nmodels: [{id: llama-8b, engine: a}]\n",
         "6: aliases.x: no model 'llama-9b'; did you mean 'llama-8b'?"),
        ("aliases: {x: 'm*'}\nmodels: [{id: mmmmmm, engine: a}]\n", "6: aliases.x: no model 'm*'"),
        # Keys.
        ("api_keys: [{scopes: [read]}]\n", "6: api_keys[0]: must hold either key or sha256"),
        (f"api_keys: [{{key: a, sha256: {'a' * 64}, scopes: [read]}}]\n",
         "6: api_keys[0]: must hold either key or sha256"),
        ("api_keys: [{key: , scopes: [read]}]\n",
         "6: api_keys[0]: must hold either key or sha256"),
        ("api_keys: [{key: ~, sha256: null, scopes: [read]}]\n",
         "6: api_keys[0]: must hold either key or sha256"),
        ("api_keys: [{key: a, scopes: []}]\n",
         "6: api_keys[0].scopes: must name what the key opens"),
        ("api_keys:\n- b\n- a\n- key: a\n  scopes: [read]\n",
         "9: api_keys[2]: is the key of api_keys[1] already"),
        (f"api_keys: [a, {{sha256: {sha256(b'a').hexdigest()}, scopes: [read]}}]\n",
         "6: api_keys[1]: is the key of api_keys[0] already"),
        # Addresses.
        (engine("b", 9001, "exclusive: false"),
         "8: engines.b.base_url: a and b share this address, which only exclusive engines "
         "that the router launches may"),
        (engine("b", 9001) + engine("c", 9001, "exclusive: false"),
         "12: engines.c.base_url: a and b and c share this address, which only exclusive "
         "engines that the router launches may"),
        (OLLAMA + OLLAMA.replace("o:", "p:"),
         "7: engines.p.base_url: o and p share this address, which only exclusive engines that "
         "the router launches may"),
        ("  b: {type: remote, base_url: 'https://localhost:9001'}\n",
         "6: engines.b.base_url: a and b share this address, which only exclusive engines that "
         "the router launches may"),
        ("  b: {type: remote, base_url: 'https://[::1]'}\nport: 443\n",
         "6: engines.b.base_url: is the address of the router itself"),
        ("port: 9001\n", "4: engines.a.base_url: is the address of the router itself"),
        ("port: 9001\nhost: 0.0.0.0\napi_keys: [x]\n",
         "4: engines.a.base_url: is the address of the router itself"),
        (engine("b", 8077).replace("localhost", "Box") + "host: box\napi_keys: [x]\n",
         "8: engines.b.base_url: is the address of the router itself"),
        # Residence.
        ("    pin: true\n" + engine("b", 9002, "pin: true"),
         "11: engines.b.pin: engine a is pinned already, and only one exclusive engine fits"),
        ("models: [{id: m, engine: a, exclusive: false}]\n",
         "6: models[0].exclusive: can differ for models of api_swap and ollama engines only; set "
         "it on engine a"),
        ("models: [{id: m, engine: a, memory: 5}]\n",
         "6: models[0].memory: can differ for models of api_swap and ollama engines only; set it "
         "on engine a"),
        # Preload.
        ("preload: [A]\n", "6: preload[0]: no model or engine 'A'; did you mean 'a'?"),
        ("preload: [llama-9b]\nmodels: [{id: llama-8b, engine: a}]\n",
         "6: preload[0]: no model or engine 'llama-9b'; did you mean 'llama-8b'?"),
        (engine("b", 9002) + "preload:\n- a\n- b\n",
         "12: preload[1]: is exclusive, as preload[0] is, and only one fits"),
        (engine("b", 9002, "served_models: [s]") +
         "models: [{id: m, engine: a}]\npreload: [m, s]\n",
         "12: preload[1]: is exclusive, as preload[0] is, and only one fits"),
        (OLLAMA + "models: [{id: m, engine: o}, {id: n, engine: o}]\npreload: [m, n]\n",
         "8: preload[1]: is exclusive, as preload[0] is, and only one fits"),
        (OLLAMA + "models: [{id: m, engine: o}, {id: n, engine: o}]\npreload: [o]\n",
         "8: preload[0]: engine o holds single models: name one of them"),
        (OLLAMA + "preload: [o]\n",
         "7: preload[0]: engine o holds single models: name one of them"),
        (OLLAMA + "models: [{id: m, engine: o}]\npreload: [o, a]\n",
         "8: preload[1]: is exclusive, as preload[0] is, and only one fits"),
        # Engines.
        ("    enabled: false\n", "1: engines: no engine is enabled"),
    )  # fmt: skip

    def test_problems(self) -> None:
        """
        There is one problem, and it says where.
        """
        for text, message in self.rows:
            self.assertEqual([message], self.problems(BASE + text), text)

    def test_leave_inside_a_unit(self) -> None:
        """
        Engines cannot be left running in a unit that ends them, unless it is
        confirmed that it does not.
        """
        text = BASE + "on_exit: leave\n"
        (problem,) = self.problems(text, {"INVOCATION_ID": "1"})
        self.assertIn("6: on_exit: leave needs KillMode=process in the systemd unit", problem)
        self.assertIn("Environment=ENGINE_ROUTER_KILLMODE=process", problem)
        (problem,) = self.problems(text, {"INVOCATION_ID": "1", "ENGINE_ROUTER_KILLMODE": "mixed"})
        self.load(text, {"INVOCATION_ID": "1", "ENGINE_ROUTER_KILLMODE": "process"})
        self.load(text, {})
        self.load(BASE, {"INVOCATION_ID": "1"})


ACCEPTED = (
    # Exclusive engines run one at a time.
    engine("b", 9001),
    engine("b", 9001, "exclusive: false", "enabled: false"),
    engine("b", 9001, "exclusive: false").replace("localhost", "box"),
    "port: 0\n",
    # What is not ours may be had in two ways.
    "  b: {type: remote, base_url: 'https://x/1'}\n  c: {type: remote, base_url: 'https://x/2'}\n",
    # Engines that live beside others need no pin, and do not count against one.
    "    pin: true\n" + engine("b", 9002, "exclusive: false"),
    "    pin: true\n" + engine("b", 9002, "pin: true", "enabled: false"),
    # Models of a server may differ.
    OLLAMA + "models: [{id: m, engine: o, exclusive: false, memory: 0.5}]\n",
    # One that is exclusive may be preloaded, by several names, beside others that are not.
    "    served_models: [s]\n"
    + engine("b", 9002, "exclusive: false")
    + OLLAMA
    + "models: [{id: m, engine: a}, {id: n, engine: o, exclusive: false}]\n"
    "aliases: {x: m}\npreload: [a, b, m, n, s, x]\n",
    # A server with one model is that model.
    OLLAMA + "models: [{id: m, engine: o}]\npreload: [m, o]\n",
    OLLAMA + "models: [{id: m, engine: o, exclusive: false}]\npreload: [a, o]\n",
    # Two ids of one model of a server are one load.
    OLLAMA + "models: [{id: m, engine: o, model_name: n}, {id: n, engine: o}]\npreload: [m, n]\n",
    # Aliases lead to models of either list, by pattern too.
    "    served_models: [s]\nmodels: [{id: m, engine: a}]\n"
    "aliases: {x: m, y: s, 'claude-*': m, '*': m}\n",
    # An engine may serve what models gives it anyway.
    "    served_models: [m]\nmodels: [{id: m, engine: a}]\n",
    # Keys may have anything in common but themselves.
    "api_keys: [a, b, {key: c, scopes: [inference, read], label: x}, "
    "{key: d, scopes: [read], label: x}]\n",
    # Models of an Ollama may be changed.
    OLLAMA + "allow_destructive_ollama_api: true\n",
    # A disabled engine claims nothing.
    "    served_models: [m]\n" + engine("b", 9002, "served_models: [m]", "enabled: false"),
)


class AcceptedTests(ConfigTestCase):
    """
    What fits.
    """

    def test_accepted(self) -> None:
        """
        It loads without a warning.
        """
        for text in ACCEPTED:
            self.assertEqual([], self.warnings(BASE + text), text)


class WarningTests(ConfigTestCase):
    """
    What is likely a mistake.
    """

    def test_nothing_to_change(self) -> None:
        """
        Without an Ollama there are no models that clients could change.
        """
        message = "allow_destructive_ollama_api: has no effect: there is no engine of type ollama"
        text = "allow_destructive_ollama_api: true\n"
        self.assertEqual([f"6: {message}"], self.warnings(BASE + text))
        off = "  o: {type: ollama, enabled: false}\n"
        self.assertEqual([f"7: {message}"], self.warnings(BASE + off + text))

    def test_open_to_the_world(self) -> None:
        """
        Listening beyond this machine asks for keys.
        """
        message = (
            "6: host: without api_keys, everybody who can reach this address can use every engine"
        )
        for host in ("0.0.0.0", "'::'", "192.0.2.1", "box.example"):
            self.assertEqual([message], self.warnings(f"{BASE}host: {host}\n"))
            self.assertEqual([], self.warnings(f"{BASE}host: {host}\napi_keys: [x]\n"))
        for host in ("127.0.0.1", "localhost", "'::1'"):
            self.assertEqual([], self.warnings(f"{BASE}host: {host}\n"))

    def test_model_of_a_disabled_engine(self) -> None:
        """
        A model whose engine is disabled cannot be had.
        """
        text = engine("b", 9002, "enabled: false") + "models: [{id: m, engine: b}]\n"
        self.assertEqual(["11: models[0].engine: engine b is disabled"], self.warnings(BASE + text))

    def test_preload_of_a_disabled_engine(self) -> None:
        """
        An engine that is disabled is not preloaded.
        """
        text = engine("b", 9002, "enabled: false") + "preload: [b]\n"
        self.assertEqual(["11: preload[0]: engine b is disabled"], self.warnings(BASE + text))
