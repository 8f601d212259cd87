# -*- test-case-name: ler.test.test_wizard_survey -*-
"""
Tests for L{ler.wizard.survey}.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ler.test.wizard_case import WizardCase
from ler.wizard.machine import Address, Listener, Unit
from ler.wizard.survey import MARK, Survey, Surveyor


class SurveyTests(WizardCase):
    """
    L{Surveyor.survey}
    """

    def survey(self) -> Survey:
        """
        @return: what is found.
        """
        return Surveyor(self.machine, self.asker, self.presets).survey()

    def assert_found(self, titles: list[str], notes: list[str]) -> None:
        """
        What is found has these titles; each note begins as is said.
        """
        found = self.survey()
        self.assertEqual(titles, [draft.title for draft in found.drafts])
        self.assertEqual(len(notes), len(found.notes), found.notes)
        for note, beginning in zip(found.notes, notes, strict=True):
            self.assertTrue(note.startswith(beginning), note)

    def listen(self, port: int, pid: int | None = None) -> None:
        """
        Have something that listens.
        """
        self.machine.listening.append(Listener(Address("127.0.0.1", port), pid))

    def serve_ollama(self, port: int = 11434) -> None:
        """
        Have an Ollama that answers.
        """
        self.answers[port, "/"] = "Ollama is running"
        self.answers[port, "/api/tags"] = {"models": [{"name": "qwen3:8b"}]}

    def model_file(self, name: str) -> Path:
        """
        @return: a model in one of the usual places.
        """
        path = self.home / "models" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"GGUF")
        return path

    def test_nothing(self) -> None:
        """Where nothing is, nothing is found."""
        self.run_process("/bin/bash")
        self.listen(22)
        self.assert_found([], [])

    def test_process(self) -> None:
        """A process that serves is found with where it listens."""
        self.run_process("llama-server", "-m", "x.gguf", "--port", "9001", port=9001)
        self.serve(9001, "x")
        self.assert_found(["llama-server at 127.0.0.1:9001 (pid 100)"], [])

    def test_several_ports(self) -> None:
        """Of several ports the one that it was told, or that is usual, counts."""
        for argv, port in ((("max", "serve"), 8000), (("max", "serve", "--port=9002"), 9002)):
            self.machine.running.clear()
            self.machine.listening.clear()
            self.run_process(*argv)
            for each in (7999, 8000, 9002):
                self.listen(each, 100)
                self.serve(each, "m")
            self.assert_found([f"MAX at 127.0.0.1:{port} (pid 100)"], [])

    def test_first_answer(self) -> None:
        """Where that port does not answer, another may."""
        self.run_process("vllm", "serve", "m")
        for port in (8000, 9000):
            self.listen(port, 100)
        self.serve(9000, "m")
        self.assert_found(["vLLM at 127.0.0.1:9000 (pid 100)"], [])

    def test_loading(self) -> None:
        """One that does not listen yet is found, too."""
        self.run_process("vllm", "serve", "m")
        self.assert_found(["vLLM (pid 100), which does not answer yet"], [])

    def test_family(self) -> None:
        """A program is found once, by its first process, whichever of them listens."""
        self.run_process("koboldcpp", "--model", "m", pid=100)
        self.run_process("koboldcpp", "--model", "m", pid=101, parent=100)
        self.run_process("worker", pid=102, parent=101, port=5001)
        self.answers[5001, "/api/v1/model"] = {"result": "koboldcpp/m"}
        self.assert_found(["KoboldCpp at 127.0.0.1:5001 (pid 100)"], [])

    def test_runner(self) -> None:
        """What a server starts itself is no server of its own."""
        self.run_process("ollama", "serve", pid=100, port=11434)
        self.run_process("/lib/ollama/llama-server", pid=101, parent=100, port=40000)
        self.serve_ollama()
        self.assert_found(["Ollama at 127.0.0.1:11434, with 1 model"], [])

    def test_circle(self) -> None:
        """Processes that end while one looks may seem to descend from each other."""
        self.run_process("bash", pid=1, parent=2)
        self.run_process("bash", pid=2, parent=1, port=8080)
        self.assert_found([], [])

    def test_unit_of_another(self) -> None:
        """The service of another user listens where it was told to, or where it usually does."""
        foreign: dict[str, Any] = {"is_ours": False, "user": "x"}
        ollama, llama = Unit("ollama.service", False), Unit("llama.service", False)
        self.run_process("ollama", "serve", pid=1, unit=ollama, **foreign)
        self.run_process("llama-server", "--port", "9001", pid=2, unit=llama, **foreign)
        for port in (11434, 9001, 9002):
            self.listen(port)
        self.serve_ollama()
        self.serve(9001, "m")
        self.assert_found(
            [
                "Ollama at 127.0.0.1:11434, with 1 model",
                "llama-server at 127.0.0.1:9001 (pid 2)",
            ],
            [],
        )
        units = [draft.block.get("systemd_unit") for draft in self.survey().drafts]
        self.assertEqual(["ollama.service", None], units)

    def test_unseen(self) -> None:
        """Whose process cannot be seen may still say what it is."""
        self.listen(1234)
        self.listen(11434)
        self.machine.listening.append(Listener(Address("::1", 11434), None))
        self.serve_ollama()
        self.answers[1234, "/lmstudio-greeting"] = {"lmstudio": True}
        self.answers[1234, "/api/v1/models"] = {"models": [{"key": "a"}]}
        self.assert_found(
            [
                "Ollama at 127.0.0.1:11434, with 1 model",
                "LM Studio at 127.0.0.1:1234, with 1 model",
            ],
            [],
        )

    def test_unseen_other(self) -> None:
        """Others who have such a port are left alone."""
        self.listen(11434, 55)
        self.assert_found([], [])

    def test_container(self) -> None:
        """An Ollama in a container is found where it can be reached."""
        self.run_process("ollama", "serve", is_ours=False)
        self.listen(11434, 55)
        self.serve_ollama()
        self.assert_found(["Ollama at 127.0.0.1:11434, with 1 model"], [])

    def test_container_of_one_model(self) -> None:
        """A server that the router could not start is told of."""
        self.run_process("vllm", "serve", "m", is_ours=False, user="root")
        self.assert_found([], ["vLLM (pid 100) runs as root or in a container"])

    def test_own_engine(self) -> None:
        """The engines of a router that runs are no discovery."""
        self.run_process("llama-server", environ={MARK: "x:y"}, port=18000)
        self.assert_found([], ["llama-server (pid 100) belongs to an engine-router"])

    def test_hung(self) -> None:
        """A server that would have to tell its models, and does not, is told of."""
        self.run_process("ollama", "serve", port=11434)
        self.assert_found([], ["Ollama (pid 100) does not answer"])

    def test_impossible(self) -> None:
        """So is one that no configuration can hold."""
        self.run_process("llama-server", "")
        self.assert_found([], ["llama-server (pid 100) has a command line"])

    def test_key(self) -> None:
        """A key is read off the command line, or the server would not answer."""
        self.run_process("llama-server", "--api-key", "s3", port=8080)
        self.survey()
        self.assertEqual([{"Authorization": "Bearer s3"}], self.shown)

    def test_files(self) -> None:
        """Files are served by llama-server, those aside that are served already."""
        self.machine.installed["llama-server"] = "/opt/llama-server"
        path, served = self.model_file("a.gguf"), self.model_file("b.gguf")
        self.model_file("c.gguf")
        folder = str(served.parent)
        self.run_process("llama-server", "-m", "b.gguf", folder=folder, port=8080)
        self.run_process("llama-server", f"--model={folder}/c.gguf", pid=101, port=8081)
        *_, last = (draft.title for draft in self.survey().drafts)
        self.assertEqual(3, len(self.survey().drafts))
        self.assertEqual(f"{path} (0.0 GiB), by llama-server", last)

    def test_files_alone(self) -> None:
        """Without it they are told of."""
        self.model_file("a.gguf")
        self.assert_found([], ["1 model files (GGUF) are here, and no llama-server"])

    def test_files_of_lm_studio(self) -> None:
        """Those of an LM Studio that runs are told by that."""
        self.machine.installed["llama-server"] = "/opt/llama-server"
        path = self.home / ".lmstudio" / "models" / "a.gguf"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"GGUF")
        self.assertEqual(1, len(self.survey().drafts))
        self.listen(1234)
        self.answers[1234, "/lmstudio-greeting"] = {"lmstudio": True}
        self.answers[1234, "/api/v1/models"] = {"models": []}
        self.assert_found(["LM Studio at 127.0.0.1:1234, with 0 models"], [])

    def test_installed(self) -> None:
        """What is installed and does not run is told of."""
        self.machine.installed = dict.fromkeys(("ollama", "vllm", "llama-server", "max"), "/x")
        self.run_process("max", "serve")
        found = self.survey()
        self.assertEqual(
            [
                "Ollama is installed, but does not run: start it, and run this again",
                f"vLLM is installed, but does not run: {self.presets}/vllm.yaml shows how to add "
                "a model of it",
            ],
            found.notes,
        )

    def test_together(self) -> None:
        """All that is found makes one configuration."""
        self.machine.installed["llama-server"] = "/opt/llama-server"
        self.model_file("m.gguf")
        self.run_process("llama-server", port=8080)
        self.serve(8080, "m")
        self.listen(11434)
        self.serve_ollama()
        config = self.load(self.survey().drafts).config
        self.assertEqual(["m", "ollama", "m-2"], [*config.engines])
        self.assertEqual(["m", "m-2"], [model.id for model in config.models])
