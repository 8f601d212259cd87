"""
Tests for L{ler.config.builder}.
"""

from __future__ import annotations

import hashlib
import sys

from ler.config import ApiSwap, GenericProcess
from ler.test.test_config import BASE, ConfigTestCase

WHOLE = "must be a whole number"
TYPES = "one of generic_process, api_swap, ollama, systemd, ds4, remote"
SECOND = "  b:\n    type: generic_process\n    base_url: http://127.0.0.1:9002\n"
SWAP = "  b:\n    type: api_swap\n    base_url: http://127.0.0.1:9002\n"

# What is appended to a good configuration, and the problem that it makes.
MALFORMED = (
    # Unknown keys.
    ("prot: 1\n", "6: prot: unknown key; did you mean 'port'?"),
    ("HOST: x\n", "6: HOST: unknown key; did you mean 'host'?"),
    ("zzzzzz: 1\n", "6: zzzzzz: unknown key"),
    ("api_key: [x]\n", "6: api_key: unknown key; did you mean 'api_keys'?"),
    ("apikeys: [x]\n", "6: apikeys: unknown key; did you mean 'api_keys'?"),
    ("keys: [x]\n", "6: keys: unknown key; did you mean 'api_keys'?"),
    ("auth: x\n", "6: auth: unknown key; did you mean 'api_keys'?"),
    ("Token: x\n", "6: Token: unknown key; did you mean 'api_keys'?"),
    ("    startcmd: x\n", "6: engines.a.startcmd: unknown key; did you mean 'start_cmd'?"),
    ("    key: x\n", "6: engines.a.key: unknown key"),
    ("models:\n- {id: m, engine: a, name: x}\n", "7: models[0].name: unknown key"),
    (
        "scheduler: {max_wait: 5}\n",
        "6: scheduler.max_wait: unknown key; did you mean 'max_wait_s'?",
    ),
    # Truth values.
    ("    enabled: 'false'\n", "6: engines.a.enabled: must be true or false, without quotes"),
    ("    enabled: 0\n", "6: engines.a.enabled: must be true or false"),
    ("    enabled: maybe\n", "6: engines.a.enabled: must be true or false"),
    ("    enabled:\n", "6: engines.a.enabled: must be true or false, but is empty"),
    ("    enabled: !!bool maybe\n", "6: engines.a.enabled: must be true or false"),
    ("    enabled: [true]\n", "6: engines.a.enabled: must be true or false"),
    # Whole numbers.
    ("port: '8077'\n", f"6: port: {WHOLE} from 0 to 65535, without quotes"),
    ("port: true\n", f"6: port: {WHOLE} from 0 to 65535"),
    ("port: 8077.0\n", f"6: port: {WHOLE} from 0 to 65535"),
    ("port: 65536\n", f"6: port: {WHOLE} from 0 to 65535"),
    ("port: -1\n", f"6: port: {WHOLE} from 0 to 65535"),
    ("port: 0x1F\n", f"6: port: {WHOLE} from 0 to 65535, in plain decimals"),
    ("port: 010\n", f"6: port: {WHOLE} from 0 to 65535, in plain decimals"),
    ("port: 1_000\n", f"6: port: {WHOLE} from 0 to 65535, in plain decimals"),
    ("port: 12:30\n", f"6: port: {WHOLE} from 0 to 65535, in plain decimals"),
    (f"port: {'9' * 5000}\n", f"6: port: {WHOLE} from 0 to 65535"),
    ("port: ${PORT}\n", f"6: port: {WHOLE} from 0 to 65535; ${{NAME}} works in text only"),
    ("port: !!int x\n", f"6: port: {WHOLE} from 0 to 65535, in plain decimals"),
    ("port: 2024-01-01\n", f"6: port: {WHOLE} from 0 to 65535"),
    ("port: [1]\n", f"6: port: {WHOLE} from 0 to 65535"),
    ("port:\n", f"6: port: {WHOLE} from 0 to 65535, but is empty"),
    ("max_json_depth: 0\n", f"6: max_json_depth: {WHOLE} of at least 1"),
    ("    max_connections: 0\n", f"6: engines.a.max_connections: {WHOLE} of at least 1"),
    (
        "    port: atuo\n",
        f"6: engines.a.port: {WHOLE} from 1 to 65535, or auto; did you mean 'auto'?",
    ),
    (
        "models: [{id: m, engine: a, context_length: big}]\n",
        f"6: models[0].context_length: {WHOLE} of at least 1",
    ),
    # Numbers.
    ("max_body_mb: big\n", "6: max_body_mb: must be a number above 0"),
    ("max_body_mb: 0\n", "6: max_body_mb: must be a number above 0"),
    ("max_body_mb: .inf\n", "6: max_body_mb: must be a number above 0, in plain decimals"),
    ("max_body_mb: .nan\n", "6: max_body_mb: must be a number above 0, in plain decimals"),
    ("max_body_mb: 1e999\n", "6: max_body_mb: must be a number above 0"),
    ("max_body_mb: no\n", "6: max_body_mb: must be a number above 0"),
    ("    start_timeout_s: '5'\n",
     "6: engines.a.start_timeout_s: must be a number above 0, without quotes"),
    ("    stop_timeout_s: -1\n", "6: engines.a.stop_timeout_s: must be a number of at least 0"),
    ("    memory: 20GB\n", "6: engines.a.memory: must be a number above 0"),
    ("drain_timeout_s: nevr\n",
     "6: drain_timeout_s: must be a number of at least 0, or never; did you mean 'never'?"),
    ("drain_timeout_s: null\n",
     "6: drain_timeout_s: must be a number of at least 0, or never, but is empty"),
    (
        "scheduler: {max_wait_s: 0}\n",
        "6: scheduler.max_wait_s: must be a number above 0, or never",
    ),
    # Words.
    ("log_level: TRACE\n", "6: log_level: must be one of DEBUG, INFO, WARNING, ERROR"),
    ("log_level: debug\n",
     "6: log_level: must be one of DEBUG, INFO, WARNING, ERROR; did you mean 'DEBUG'?"),
    ("log_level: 10\n", "6: log_level: must be one of DEBUG, INFO, WARNING, ERROR"),
    ("on_exit: off\n", "6: on_exit: must be one of stop, leave"),
    ("memory_assist: [drop_cash]\n",
     "6: memory_assist[0]: must be one of stat_refresh, drop_slab, drop_cache; "
     "did you mean 'drop_cache'?"),
    ("models: [{id: m, engine: a, capabilities: [coding]}]\n",
     "6: models[0].capabilities[0]: must be one of completion, tools, insert, vision, embedding, "
     "thinking, image, audio"),
    ("scheduler: {policy: lifo}\n",
     "6: scheduler.policy: must be one of fair, join, fifo; did you mean 'fifo'?"),
    # Text.
    ("host: 5\n", "6: host: must be text; YAML takes this for a number: quote it"),
    ("host: NO\n", "6: host: must be text; YAML takes this for a truth value: quote it"),
    ("host:\n", "6: host: must be text, but is empty"),
    ("host: ' '\n", "6: host: must not be blank"),
    ("host: [x]\n", "6: host: must be text"),
    ("host: {x: y}\n", "6: host: must be text"),
    ("state_file: ''\n", "6: state_file: must not be blank"),
    ("state_dir: ~\n", "6: state_dir: must be text, but is empty"),
    ("state_dir: ~nobody-of-that-name/x\n",
     "6: state_dir: begins with ~, but there is no such home folder"),
    ("models: [{id: on, engine: a}]\n",
     "6: models[0].id: must be text; YAML takes this for a truth value: quote it"),
    ("models: [{id: 0b11, engine: a}]\n",
     "6: models[0].id: must be text; YAML takes this for a number: quote it"),
    ("models: [{id: 1e3, engine: a}]\n",
     "6: models[0].id: must be text; YAML takes this for a number: quote it"),
    ("models: [{id: 2024-01-01, engine: a}]\n",
     "6: models[0].id: must be text; YAML takes this for a date: quote it"),
    ("    stop_signal: 1.5\n",
     "6: engines.a.stop_signal: must be text or a whole number; YAML takes this for a number: "
     "quote it"),
    ("    stop_signal: on\n",
     "6: engines.a.stop_signal: must be text or a whole number; YAML takes this for a truth "
     "value: quote it"),
    ("    stop_signal: 999\n",
     "6: engines.a.stop_signal: must be a signal such as SIGTERM or SIGINT"),
    ("    stop_signal: TERM\n",
     "6: engines.a.stop_signal: must be a signal such as SIGTERM or SIGINT"),
    ("    ready_path: health\n", "6: engines.a.ready_path: must begin with /"),
    ("    ready_check: status=ok\n",
     "6: engines.a.ready_check: must be key==value, model:<id> or completion"),
    ("ollama_version: 0.32.0-rc1\n",
     "6: ollama_version: must be three numbers joined by dots, such as 0.32.0"),
    ("host: http://x\n",
     "6: host: must be an IP address (without brackets) or a host name"),
    # Lists.
    ("api_keys: secret\n", "6: api_keys: must be a list"),
    ("api_keys: {a: b}\n", "6: api_keys: must be a list"),
    ("api_keys: [a, '']\n", "6: api_keys[1]: must not be blank"),
    ("api_keys:\n- a\n-\n", "8: api_keys[1]: must be text, but is empty"),
    ("api_keys: [a b]\n", "6: api_keys[0]: must be printable and hold no spaces"),
    ("api_keys: [1]\n", "6: api_keys[0]: must be text; YAML takes this for a number: quote it"),
    ("api_keys: [[a]]\n", "6: api_keys[0]: must be text"),
    ("api_keys: [{key: a, scope: x, scopes: [read]}]\n",
     "6: api_keys[0]: must be text, or a mapping of scopes, key, sha256, label, priority, no_swap"),
    ("api_keys: [{key: a}]\n", "6: api_keys[0].scopes: is required"),
    ("api_keys: [{key: a, scopes: }]\n", "6: api_keys[0].scopes: must be a list, but is empty"),
    ("api_keys: [{key: a, scopes: [write]}]\n",
     "6: api_keys[0].scopes[0]: must be one of inference, read, admin"),
    ("api_keys: [{key: ' ', scopes: [read]}]\n", "6: api_keys[0].key: must not be blank"),
    ("api_keys: [{key: a b, scopes: [read]}]\n",
     "6: api_keys[0].key: must be printable and hold no spaces"),
    ("api_keys: [{sha256: abc, scopes: [read]}]\n",
     "6: api_keys[0].sha256: must be 64 hexadecimal digits"),
    ("api_keys: [{key: a, label: a b, scopes: [read]}]\n",
     "6: api_keys[0].label: must be printable and hold no spaces"),
    ("models: {id: m, engine: a}\n", "6: models: must be a list"),
    ("models: [m]\n", "6: models[0]: must be a mapping"),
    ("models: [{id: m}]\n", "6: models[0].engine: is required"),
    ("models: [{engine: a}]\n", "6: models[0].id: is required"),
    ("    served_models: x\n", "6: engines.a.served_models: must be a list"),
    ("    served_models: [1.5]\n",
     "6: engines.a.served_models[0]: must be text; YAML takes this for a number: quote it"),
    ("    control_paths: [sleep]\n", "6: engines.a.control_paths[0]: must begin with /"),
    # Mappings.
    ("aliases: [a]\n", "6: aliases: must be a mapping"),
    ("scheduler: fifo\n", "6: scheduler: must be a mapping"),
    ("    env: [A=b]\n", "6: engines.a.env: must be a mapping"),
    ("    env: {A: 1}\n",
     "6: engines.a.env.A: must be text; YAML takes this for a number: quote it"),
    ("    env: {A: [b]}\n", "6: engines.a.env.A: must be text"),
    ("    env:\n      A: b\n      C=D: e\n",
     "8: engines.a.env: has a name that is empty, or holds '=' or a space"),
    ("    upstream_headers: {'X Y': z}\n",
     "6: engines.a.upstream_headers: has a name that HTTP does not allow"),
    ("    control_headers: {Host: z}\n",
     "6: engines.a.control_headers: may not set Host, which belongs to the connection"),
    # Command lines.
    ("    stop_cmd: 5\n", "6: engines.a.stop_cmd: must be a command line, as a list or as text"),
    ("    stop_cmd: {a: b}\n",
     "6: engines.a.stop_cmd: must be a command line, as a list or as text"),
    ("    stop_cmd: [stop, 5]\n",
     "6: engines.a.stop_cmd[1]: must be text; YAML takes this for a number: quote it"),
    ("    stop_cmd: stop 'it\n",
     "6: engines.a.stop_cmd: cannot be split into words: No closing quotation"),
    (SECOND + "    start_cmd: ''\n", "9: engines.b.start_cmd: must name a program"),
    (SECOND + "    start_cmd: []\n", "9: engines.b.start_cmd: must name a program"),
    (SECOND + "    start_cmd:\n",
     "9: engines.b.start_cmd: must be a command line, as a list or as text, but is empty"),
    (SECOND, "6: engines.b.start_cmd: is required"),
    # Engines.
    ("  b: 5\n", "6: engines.b: must be a mapping"),
    ("  b:\n", "6: engines.b: must be a mapping"),
    ("  b: {}\n", f"6: engines.b.type: is required: {TYPES}"),
    ("  b: {type: generic_proces}\n",
     f"6: engines.b.type: must be {TYPES}; did you mean 'generic_process'?"),
    ("  b: {type: [x]}\n", f"6: engines.b.type: must be {TYPES}"),
    ("  b: {type: 5}\n", f"6: engines.b.type: must be {TYPES}"),
    ("  b: {type: olama}\n", f"6: engines.b.type: must be {TYPES}; did you mean 'ollama'?"),
    ("  b: {type: ollama, start_cmd: x}\n", "6: engines.b.start_cmd: unknown key"),
    ("  b: {type: api_swap, unload_path: /u}\n", "6: engines.b.base_url: is required"),
    ("  b: {type: remote, base_url: 'ftp://x'}\n",
     "6: engines.b.base_url: must look like https://box.example or http://box:8080"),
    ("  b: {type: ollama, base_url: 'https://x'}\n",
     "6: engines.b.base_url: must look like http://127.0.0.1:8080"),
    ("  b: {type: ollama, base_url: 'http://x:{port}'}\n",
     "6: engines.b.base_url: must look like http://127.0.0.1:8080"),
    (SECOND.replace("b:", "b c:", 1) + "    start_cmd: " + sys.executable + "\n",
     '6: engines["b c"]: an engine\'s key is 1 to 64 letters, digits, \'.\', \'_\' and \'-\''),
    (SECOND.replace("127.0.0.1:9002", "") + "    start_cmd: " + sys.executable + "\n",
     "8: engines.b.base_url: must look like http://127.0.0.1:8080"),
    *(
        (SWAP + f"    {text}\n", f"9: engines.b.{message}")
        for text, message in (
            ("load_method: post",
             "load_method: must be one of GET, POST, PUT, PATCH, DELETE; did you mean 'POST'?"),
            ("load_path: load", "load_path: must begin with /"),
            ("load_body: [x]", "load_body: must be a mapping"),
            ("load_body: {a: {b: [1, no]}}",
             "load_body.a.b[1]: must be text; YAML takes this for a truth value: quote it"),
            ("load_body: {a: 2024-01-01}",
             "load_body.a: must be text; YAML takes this for a date: quote it"),
            ("load_body: {a: 0x1F}", "load_body.a: must be a number, in plain decimals"),
            ("load_body: {a: .inf}", "load_body.a: must be a number, in plain decimals"),
            ("load_body: {a: '${NOWHERE}'}",
             "load_body.a: the environment variable NOWHERE is not set"),
            ("load_check: ok", "load_check: must be key==value"),
            ("load_query: {n: 5}",
             "load_query.n: must be text; YAML takes this for a number: quote it"),
            ("unloaded_statuses: 404", "unloaded_statuses: must be a list"),
            ("unloaded_statuses: [404, '400']",
             "unloaded_statuses[1]: must be a whole number from 400 to 599, without quotes"),
            ("loaded_empty_statuses: [100]",
             "loaded_empty_statuses[0]: must be a whole number from 200 to 599"),
            ("loaded_models_key: a[0]",
             "loaded_models_key: must be keys joined by dots, [] behind one that holds a list: "
             "models[].instances[]"),
            ("loaded_name_key: ^^key",
             "loaded_name_key: must be a key, perhaps with one ^ before it"),
            ("systemd_unit: --now",
             "systemd_unit: must be the name of a systemd unit, such as ollama.service"),
        )
    ),
)  # fmt: skip


class MalformedTests(ConfigTestCase):
    """
    Every mistake gives one clear problem, at its line.
    """

    def test_malformed(self) -> None:
        """
        There is one problem, and it says what would be right.
        """
        for text, message in MALFORMED:
            self.assertEqual([message], self.problems(BASE + text), text[:80])

    def test_engines_required(self) -> None:
        """
        Without engines there is nothing to do.
        """
        rows = {
            "port: 1\n": "1: engines: is required",
            "engines:\n": "1: engines: must be a mapping, but is empty",
            "engines: [a]\n": "1: engines: must be a mapping",
            "engines: {}\n": "1: engines: no engine is enabled",
        }
        for text, message in rows.items():
            self.assertEqual([message], self.problems(text), text)

    def test_engine_keys(self) -> None:
        """
        An engine's key can be the name of a file, and is not too long.
        """
        for key in ("a.b", "A-1_2", "x" * 64, ".a"):
            self.load(BASE.replace("  a:", f"  {key}:"))
        for key in ("a/b", ".", "..", "x" * 65, "'a b'", "'a\u00e9'"):
            (problem,) = self.problems(BASE.replace("  a:", f"  {key}:"))
            self.assertIn("an engine's key is 1 to 64", problem)

    def test_no_follow_ups(self) -> None:
        """
        What refers to a broken engine or model is not called wrong for it.
        """
        text = (
            "  b: {type: olama}\n"
            "  c: {type: generic_process, served_models: [s]}\n"
            "models:\n- {id: m, engine: b}\n- {id: n, engine: c}\n- {id: o}\n- 5\n"
            "- {id: p, engine: a}\n- {id: q, engine: z}\n"
            "aliases: {x: m, y: o, z: s}\n"
            "preload: [b, m, s, x]\n"
        )
        self.assertEqual(
            [
                f"6: engines.b.type: must be {TYPES}; did you mean 'ollama'?",
                "7: engines.c.base_url: is required",
                "7: engines.c.start_cmd: is required",
                "11: models[2].engine: is required",
                "12: models[3]: must be a mapping",
                "14: models[5].engine: no engine 'z'",
            ],
            self.problems(BASE + text),
        )


class ValuesTests(ConfigTestCase):
    """
    What is accepted, and what it is read as.
    """

    def engine(self, text: str) -> GenericProcess:
        """
        @return: engine a with C{text} in its section.
        """
        engine = self.load(BASE + text, {"X": "a b"}).config.engines["a"]
        assert isinstance(engine, GenericProcess)
        return engine

    def test_numbers(self) -> None:
        """
        Whole numbers pass for numbers; exponents are understood.
        """
        rows = {
            "5": 5.0,
            "+5": 5.0,
            "0.5": 0.5,
            ".5": 0.5,
            "5.": 5.0,
            "1e3": 1000.0,
            "1.5E-1": 0.15,
        }
        for text, number in rows.items():
            value = self.engine(f"    start_timeout_s: {text}\n").start_timeout_s
            self.assertEqual(number, value)
            self.assertIsInstance(value, float)

    def test_truth(self) -> None:
        """
        The truth values of YAML 1.1 are understood where one is wanted.
        """
        for text in ("false", "False", "no", "OFF"):
            self.assertIs(False, self.engine(f"    exclusive: {text}\n").exclusive)
        for text in ("true", "TRUE", "yes", "On"):
            self.assertIs(True, self.engine(f"    exclusive: {text}\n").exclusive)

    def test_words_beside_numbers(self) -> None:
        """
        never is no limit.
        """
        config = self.load(
            BASE + "drain_timeout_s: never\nclient_stall_timeout_s: 'never'\n"
        ).config
        self.assertIsNone(config.drain_timeout_s)
        self.assertIsNone(config.client_stall_timeout_s)

    def test_null_where_nothing_is_an_answer(self) -> None:
        """
        A key that may have no value may be empty.
        """
        engine = self.engine("    cwd:\n    memory: ~\n    port: null\n")
        self.assertEqual((None, None, None), (engine.cwd, engine.memory, engine.port))

    def test_keys(self) -> None:
        """
        A key of clients is text and opens everything, or a mapping that says
        what it opens.
        """
        digest = hashlib.sha256(b"b").hexdigest()
        text = f"api_keys: [a, {{sha256: '{digest.upper()}', scopes: [read], label: x}}]\n"
        plain, hashed = self.load(BASE + text).config.api_keys
        self.assertEqual((("admin",), "a", None), (plain.scopes, plain.key, plain.label))
        self.assertEqual((("read",), None, "x"), (hashed.scopes, hashed.key, hashed.label))
        self.assertEqual(hashlib.sha256(b"a").digest(), plain.digest)
        self.assertEqual(hashlib.sha256(b"b").digest(), hashed.digest)

    def test_empty_sections(self) -> None:
        """
        An empty list or section is as good as absent, but worth a warning:
        what was in it may have been lost.
        """
        text = BASE + "    env:\nmodels:\naliases:\napi_keys:\nscheduler:\n"
        loaded = self.load(text)
        self.assertEqual(self.load(BASE).config, loaded.config)
        paths = ["6: engines.a.env", "7: models", "8: aliases", "9: api_keys", "10: scheduler"]
        self.assertEqual(
            [f"{path}: is empty, and read as if it were absent" for path in paths],
            self.warnings(text),
        )

    def test_command_lines(self) -> None:
        """
        A command line is a list, or text that is split as a shell splits it.
        """
        rows = {
            "[a, 'b c', '']": ("a", "b c", ""),
            "a  \"b c\" d\\ e ''": ("a", "b c", "d e", ""),
            "a --x=${X} ${X}": ("a", "--x=a b", "a b"),
            "|\n      a \\\n        --b\n      c\n": ("a", "--b", "c"),
            ">\n      a\n      '--b' #c\n": ("a", "--b", "#c"),
            "''": (),
            "[]": (),
        }
        for text, words in rows.items():
            self.assertEqual(words, self.engine(f"    stop_cmd: {text}\n").stop_cmd, text)

    def test_one_spelling(self) -> None:
        """
        A base URL has no slash at its end, a signal its name.
        """
        text = BASE.replace(":9001", ":9001/v1/") + "  b: {type: ollama, base_url: 'http://x/'}\n"
        engines = self.load(text).config.engines
        self.assertEqual("http://127.0.0.1:9001/v1", engines["a"].base_url)
        self.assertEqual("http://x", engines["b"].base_url)
        for signal in ("'2'", "2", "SIGINT"):
            self.assertEqual("SIGINT", self.engine(f"    stop_signal: {signal}\n").stop_signal)

    def test_blank_where_it_means_something(self) -> None:
        """
        Values of variables and headers, and conditions, may be empty.
        """
        engine = self.engine(
            "    env: {A: ''}\n    control_headers: {B: ''}\n    ready_check: ''\n"
        )
        self.assertEqual(({"A": ""}, {"B": ""}, ""), (engine.env, engine.control_headers, ""))

    def test_merged_engines(self) -> None:
        """
        Engines can share settings by anchor and merge key.
        """
        text = BASE.replace("  a:", "  a: &a") + (
            "    stop_timeout_s: 5\n  b:\n    <<: *a\n    base_url: http://127.0.0.1:9002\n"
        )
        engines = self.load(text).config.engines
        assert isinstance(engines["b"], GenericProcess)
        self.assertEqual(5.0, engines["b"].stop_timeout_s)
        self.assertEqual("http://127.0.0.1:9002", engines["b"].base_url)
        self.assertEqual("b", engines["b"].key)

    def test_json(self) -> None:
        """
        A body is JSON: values keep their types, and variables are replaced in
        text.
        """
        text = (
            "    load_body:\n"
            "      model: '{model}'\n"
            "      key: ${X}\n"
            "      empty: ''\n"
            "      nested: {n: [1, -2.5, 1e3, true, False, null, ~, '1', [], {}]}\n"
            "    unload_body: {}\n"
        )
        engine = self.load(BASE + SWAP + text, {"X": "a b"}).config.engines["b"]
        assert isinstance(engine, ApiSwap)
        values: list[object] = [1, -2.5, 1000.0, True, False, None, None, "1", [], {}]
        expected = {"model": "{model}", "key": "a b", "empty": "", "nested": {"n": values}}
        self.assertEqual(expected, engine.load_body)
        self.assertIsInstance(engine.load_body["nested"]["n"][0], int)
        self.assertEqual({}, engine.unload_body)

    def test_empty_text(self) -> None:
        """
        Where nothing is the default, or means something, it may be written.
        """
        text = (
            "    unload_path: ''\n    load_check: ''\n    loaded_id_key: ''\n"
            "    loaded_models_key: ''\n"
        )
        engine = self.load(BASE + SWAP + text).config.engines["b"]
        assert isinstance(engine, ApiSwap)
        self.assertEqual(
            ("", "", ""), (engine.unload_path, engine.load_check, engine.loaded_id_key)
        )

    def test_base_url_by_type(self) -> None:
        """
        Types whose servers have a usual address need none.
        """
        text = "  b: {type: ollama}\n  c: {type: ds4}\n"
        engines = self.load(BASE + text).config.engines
        self.assertEqual("http://127.0.0.1:11434", engines["b"].base_url)
        self.assertEqual("http://172.17.0.1:8099", engines["c"].base_url)


class DiscoverTests(ConfigTestCase):
    """
    C{discover.enabled}.
    """

    text = BASE + (
        "  b: {type: generic_process, base_url: 'http://x', start_cmd: x, discover_models: false}\n"
        "  c: {type: api_swap, base_url: 'http://y'}\n"
        "  d: {type: ds4}\n"
        "  e: {type: ollama}\n"
        "  f: {type: remote, base_url: 'https://z', discover_models: false}\n"
        "discover:\n"
    )

    def discovering(self, text: str) -> str:
        """
        @return: the keys of the engines that are asked for their models.
        """
        engines = self.load(self.text + text).config.engines
        return "".join(key for key, engine in engines.items() if engine.discover_models)

    def test_default(self) -> None:
        """
        Servers of many models are asked, others only if they are told to be.
        """
        self.assertEqual("e", self.discovering(""))
        self.assertEqual("e", self.discovering("  enabled: false\n"))

    def test_enabled(self) -> None:
        """
        Launched and swapped engines are asked, too, unless they say otherwise.
        """
        self.assertEqual("ace", self.discovering("  enabled: true\n"))
