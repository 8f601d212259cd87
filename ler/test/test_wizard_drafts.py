# -*- test-case-name: ler.test.test_wizard_drafts -*-
"""
Tests for L{ler.wizard.draft} and the modules that make drafts: what the loader
makes of each.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ler.config import ApiSwap, GenericProcess, Model, Ollama, Systemd
from ler.test.wizard_case import GIB, WizardCase
from ler.wizard.draft import Draft, Undraftable, client_name
from ler.wizard.draft_file import draft_file
from ler.wizard.draft_process import draft_process
from ler.wizard.draft_server import draft_server
from ler.wizard.files import ModelFile
from ler.wizard.machine import Address, Process, Unit
from ler.wizard.programs import LM_STUDIO, OLLAMA, TABBYAPI, program_of

ADDRESS = Address("127.0.0.1", 8080)


class ProcessDraftTests(WizardCase):
    """
    L{draft_process}
    """

    ids: Sequence[str] | None = ("m",)

    def draft(self, *argv: str, address: Address | None = ADDRESS, **more: Any) -> Draft:
        """
        @return: the draft of a process.
        """
        program = program_of(argv)
        assert program is not None
        process = Process(7, argv, **more)
        preset = self.preset(program.preset)
        return draft_process(preset, program, process, address, self.ids, self.machine)

    def engine(self, *argv: str, **more: Any) -> Any:
        """
        @return: the engine that is configured for a process, and in C{models}
            its models.
        """
        config = self.load([self.draft(*argv, **more)]).config
        self.models: Sequence[Model] = config.models
        [engine] = config.engines.values()
        return engine

    def test_llama_server(self) -> None:
        """A llama-server gets its own command line, and a port of the router's."""
        engine = self.engine("/bin/llama-server", "-m", "/x.gguf", "--port=8080", "-a", "m")
        self.assertIsInstance(engine, GenericProcess)
        self.assertEqual("m", engine.key)
        self.assertEqual(
            ("/bin/llama-server", "-m", "/x.gguf", f"--port={engine.port}", "-a", "m"),
            engine.start_cmd,
        )
        self.assertEqual(f"http://127.0.0.1:{engine.port}", engine.base_url)
        self.assertEqual(("/health", "status==ok"), (engine.ready_path, engine.ready_check))
        self.assertEqual([("m", None)], [(each.id, each.model_name) for each in self.models])

    def test_default_port(self) -> None:
        """A port that was not said is said now."""
        engine = self.engine("llama-server", "-m", "x.gguf")
        self.assertEqual(("--port", str(engine.port)), engine.start_cmd[-2:])

    def test_tricky_words(self) -> None:
        """Its words are what they were, whatever they look like."""
        words = ("1e6", "${HOME}", "NO", "a b", "{'x': 1}", "line\nbreak", "-0.5", "caf\u00e9")
        self.assertEqual(words, self.engine("llama-server", *words).start_cmd[1:-2])

    def test_impossible_words(self) -> None:
        """What no configuration can hold is told."""
        for word in ("", " ", "\udcff"):
            error = self.assertRaises(Undraftable, self.draft, "llama-server", "-m", word)
            self.assertIn("llama-server (pid 7)", str(error))

    def test_sizing(self) -> None:
        """Only with layers and context given its size does not depend on what is free."""
        fixed = self.engine("llama-server", "-ngl", "99", "--ctx-size=4096")
        self.assertEqual("absolute", fixed.sizing)
        self.assertEqual([4096], [model.context_length for model in self.models])
        self.assertEqual("from_free", self.engine("llama-server", "-ngl", "99").sizing)

    def test_memory(self) -> None:
        """How much it needs is told by its file, if that is known and fits."""
        path = self.home / "x.gguf"
        with path.open("wb") as file:
            file.truncate(10 * GIB)
        self.assertEqual(11.3, self.engine("llama-server", "-m", str(path)).memory)
        self.assertEqual(
            11.3, self.engine("llama-server", "--model=x.gguf", folder=str(self.home)).memory
        )
        with path.open("wb") as file:
            file.truncate(60 * GIB)
        self.assertIsNone(self.engine("llama-server", "-m", str(path)).memory)
        self.assertIsNone(self.engine("llama-server", "-m", "/nowhere").memory)

    def test_surroundings(self) -> None:
        """It starts where it started, and with what it may need of its environment."""
        self.machine.environ = {**self.machine.environ, "HF_HOME": "/same"}
        environ = {
            "CUDA_VISIBLE_DEVICES": "1",
            "LLAMA_ARG_THREADS": "4",
            "LLAMA_ARG_PORT": "8080",
            "LLAMA_API_KEY": "secret",
            "HF_TOKEN": "secret",
            "HF_HOME": "/same",
            "HOME": "/other",
            "VLLM_EMPTY": "",
            "OMP_ODD": "\udcff",
            "GGML_X": "${X}",
        }
        engine = self.engine("llama-server", folder="/tmp", environ=environ)
        self.assertEqual("/tmp", engine.cwd)
        self.assertEqual(
            {"CUDA_VISIBLE_DEVICES": "1", "LLAMA_ARG_THREADS": "4", "GGML_X": "${X}"}, engine.env
        )

    def test_program(self) -> None:
        """The program is found, wherever the router will be started."""
        environ = {"PATH": "/nowhere:/bin"}
        self.assertEqual("llama-server", self.engine("llama-server").start_cmd[0])
        found = self.engine("python3", "-m", "llama_server", environ={"PATH": os.environ["PATH"]})
        self.assertTrue(os.path.isabs(found.start_cmd[0]))
        found = self.engine("build/llama-server", folder="/opt", environ=environ)
        self.assertEqual("/opt/build/llama-server", found.start_cmd[0])

    def test_key(self) -> None:
        """A key that it wants is shown it, by the router and for clients."""
        engine = self.engine("llama-server", "--api-key", "s3")
        headers = {"Authorization": "Bearer s3"}
        self.assertEqual((headers, headers), (engine.control_headers, engine.upstream_headers))

    def test_silent(self) -> None:
        """One that does not answer yet is named by its file."""
        self.ids = None
        draft = self.draft("llama-server", "-m", "/models/x-Q4.gguf")
        self.assertIn("(pid 7), which does not answer yet", draft.title)
        self.assertEqual(["x-Q4"], [model.id for model in draft.models])

    def test_unnamed(self) -> None:
        """One of which nothing is known tells its models later."""
        self.ids = None
        engine = self.engine("vllm", "serve", "org/model")
        self.assertTrue(engine.discover_models)
        self.assertEqual("vllm", engine.key)
        self.assertEqual((), self.models)
        self.assertEqual("", self.engine("koboldcpp", "--config", "x.kcpps").ready_check)

    def test_path_as_name(self) -> None:
        """A model that is known by its path gets a name that one can type."""
        self.ids = ["/models/Some-7B.gguf"]
        self.assertEqual("Some-7B", self.engine("llama-server").key)
        self.assertEqual(["Some-7B"], [model.id for model in self.models])

    def test_vllm(self) -> None:
        """vLLM must be asked by the name that it knows."""
        self.ids = ["/models/some", "other"]
        engine = self.engine("vllm", "serve", "/models/some", "--max-model-len", "8192")
        self.assertEqual("growth_sensitive", engine.sizing)
        self.assertEqual(
            [("some", "/models/some", 8192), ("other", "other", 8192)],
            [(each.id, each.model_name, each.context_length) for each in self.models],
        )

    def test_koboldcpp(self) -> None:
        """KoboldCpp is ready when it has this model."""
        engine = self.engine("koboldcpp", "--model", "m.gguf", "--gpulayers", "9")
        self.assertEqual("result==koboldcpp/m", engine.ready_check)
        self.assertEqual(["koboldcpp/m"], [model.model_name for model in self.models])

    def test_mlx(self) -> None:
        """mlx-lm has the model of its command line, and not all that it lists."""
        self.ids = ["a", "b"]
        engine = self.engine("mlx_lm.server", "--model", "org/m", environ={"HF_HOME": "/x"})
        self.assertEqual(
            [("org/m", "default_model")], [(each.id, each.model_name) for each in self.models]
        )
        self.assertEqual({"HF_HUB_OFFLINE": "1", "HF_HOME": "/x"}, engine.env)

    def test_max(self) -> None:
        """MAX gets a second port that is not the usual one."""
        [port] = self.engine("max", "serve", "--model", "m").env.values()
        self.assertTrue(port.isdecimal())

    def test_embeddings(self) -> None:
        """What makes vectors may stay beside others."""
        self.ids = ["bge-m3"]
        self.assertFalse(self.engine("llama-server").exclusive)

    def test_advice(self) -> None:
        """It goes on, which is told with the way to end it."""
        [advice] = self.draft("llama-server").advice
        self.assertIn("kill 7", advice)

    def test_unit(self) -> None:
        """One that is a service is left to systemd, where it is."""
        unit = Unit("llama.service", is_user=True)
        engine = self.engine("llama-server", "--api-key=s3", unit=unit)
        self.assertIsInstance(engine, Systemd)
        self.assertEqual(
            ("systemd-user", "llama.service", "http://127.0.0.1:8080", "/health", "status==ok"),
            (
                engine.control,
                engine.unit_name,
                engine.base_url,
                engine.health_path,
                engine.ready_check,
            ),
        )
        self.assertEqual({"Authorization": "Bearer s3"}, engine.upstream_headers)
        self.assertEqual(300.0, engine.start_timeout_s)

    def test_system_unit(self) -> None:
        """A service of the system may need permission, which is told."""
        unit = Unit("llama.service", is_user=False)
        draft = self.draft("mlx_lm.server", "--model", "m", unit=unit)
        self.assertIn("permit", draft.advice[0])
        [engine] = self.load([draft]).config.engines.values()
        assert isinstance(engine, Systemd)
        self.assertEqual(("systemd", "completion"), (engine.control, engine.ready_check))

    def test_unit_without_port(self) -> None:
        """Where a service will listen cannot be told before it does."""
        unit = Unit("llama.service", is_user=False)
        self.assertRaises(Undraftable, self.draft, "llama-server", address=None, unit=unit)


class ServerDraftTests(WizardCase):
    """
    L{draft_server}
    """

    def test_ollama(self) -> None:
        """Ollama tells its models itself; only those that may stay are listed."""
        ids = ["qwen3:8b", "nomic-embed-text:latest"]
        address = Address("127.0.0.1", 11500)
        draft = draft_server(self.preset("ollama"), OLLAMA, address, ids, None, self.machine)
        self.assertEqual("Ollama at 127.0.0.1:11500, with 2 models", draft.title)
        config = self.load([draft]).config
        engine = config.engines["ollama"]
        assert isinstance(engine, Ollama)
        self.assertEqual("http://127.0.0.1:11500", engine.base_url)
        self.assertIsNone(engine.systemd_unit)
        self.assertTrue(engine.discover_models)
        self.assertEqual(
            [("nomic-embed-text:latest", False)],
            [(model.id, model.exclusive) for model in config.models],
        )

    def test_ollama_unit(self) -> None:
        """The unit of Ollama is known, or seen."""
        self.machine.units.add("ollama.service")
        seen = Process(1, ["ollama", "serve"], unit=Unit("my-ollama.service", is_user=True))
        for process, unit, scope in (
            (None, "ollama.service", "system"),
            (seen, "my-ollama.service", "user"),
        ):
            draft = draft_server(
                self.preset("ollama"), OLLAMA, ADDRESS, ["m"], process, self.machine
            )
            self.assertIn("with 1 model", draft.title)
            engine = self.load([draft]).config.engines["ollama"]
            assert isinstance(engine, Ollama)
            self.assertEqual((unit, scope), (engine.systemd_unit, engine.systemd_scope))

    def test_lm_studio(self) -> None:
        """LM Studio's models are listed."""
        draft = draft_server(
            self.preset("lmstudio"), LM_STUDIO, ADDRESS, ["a/b", "c-embed"], None, self.machine
        )
        config = self.load([draft]).config
        self.assertIsInstance(config.engines["lmstudio"], ApiSwap)
        self.assertEqual(
            [("a/b", None), ("c-embed", False)],
            [(model.id, model.exclusive) for model in config.models],
        )

    def test_tabby(self) -> None:
        """TabbyAPI's keys are read where it runs."""
        tokens = self.home / "api_tokens.yml"
        tokens.write_text("api_key: use\nadmin_key: 'ad: min'\n")
        process = Process(1, ["python", "main.py"], folder=str(self.home))
        arguments = (self.preset("tabbyapi"), TABBYAPI, ADDRESS, ["m"])
        engine = self.load([draft_server(*arguments, process, self.machine)]).config.engines[
            "tabbyapi"
        ]
        self.assertEqual({"x-admin-key": "ad: min"}, engine.control_headers)
        self.assertEqual({"x-api-key": "use"}, engine.upstream_headers)
        for text in ("", "[", "api_key: x"):
            tokens.write_text(text)
            self.assertRaises(Undraftable, draft_server, *arguments, process, self.machine)
        self.assertRaises(Undraftable, draft_server, *arguments, None, self.machine)


class FileDraftTests(WizardCase):
    """
    L{draft_file}
    """

    def engine(self, name: str, size: int = GIB) -> GenericProcess:
        """
        @return: the engine of a file.
        """
        model = ModelFile(f"/models: mine/{name}.gguf", name, size)
        draft = draft_file(self.preset("llamacpp"), "/opt/llama-server", model, self.machine)
        config = self.load([draft]).config
        [engine] = config.engines.values()
        assert isinstance(engine, GenericProcess)
        self.assertEqual(
            [(name, engine.key, 32768)],
            [(each.id, each.engine, each.context_length) for each in config.models],
        )
        return engine

    def test_file(self) -> None:
        """A file is served as the preset does."""
        engine = self.engine("Some-7B", 4 * GIB)
        self.assertEqual("/opt/llama-server", engine.start_cmd[0])
        self.assertIn("--model=/models: mine/Some-7B.gguf", engine.start_cmd)
        self.assertIn("--alias=Some-7B", engine.start_cmd)
        self.assertEqual((4.7, "absolute", True), (engine.memory, engine.sizing, engine.exclusive))

    def test_embeddings(self) -> None:
        """What makes vectors is told to, and may stay beside others."""
        engine = self.engine("bge-m3")
        self.assertEqual("--embeddings", engine.start_cmd[-1])
        self.assertFalse(engine.exclusive)

    def test_large(self) -> None:
        """A model that is larger than the memory may be for a GPU that has its own."""
        self.assertIsNone(self.engine("Huge", 100 * GIB).memory)


class ClientNameTests(WizardCase):
    """
    L{client_name}
    """

    def test_names(self) -> None:
        """A path becomes the name of the file; anything else stays."""
        for model, name in (
            ("/a/b.gguf", "b"),
            ("b.gguf", "b"),
            ("/a/folder/", "folder"),
            ("org/model", "org/model"),
            ("qwen3:8b", "qwen3:8b"),
        ):
            self.assertEqual(name, client_name(model))
