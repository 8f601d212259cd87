"""
Tests for L{ler.engines.commands}.
"""

from __future__ import annotations

import shlex

from twisted.trial.unittest import SynchronousTestCase

from ler.engines.commands import ids_in

GGUF = ["qwen3", "qwen3.gguf"]


class IdsInTests(SynchronousTestCase):
    """
    The ids in a command line.
    """

    def check(self, *table: tuple[str, list[str]]) -> None:
        """
        Assert that each command line of C{table}, as a shell would take it
        apart, has these ids.
        """
        for line, ids in table:
            self.assertEqual(ids, ids_in(shlex.split(line)), line)

    def test_llama_server(self) -> None:
        """llama-server calls its model by its aliases; without any, it is
        known by its file, with and without the ending, or by its
        repository."""
        self.check(
            ("llama-server -m /models/qwen3.gguf --port 8080", GGUF),
            ("/opt/llama.cpp/build/bin/llama-server --model qwen3.gguf -ngl 99", GGUF),
            ("llama-server --model=/models/qwen3.GGUF", ["qwen3", "qwen3.GGUF"]),
            ("llama-server -m qwen3.gguf -a small,large", ["small", "large"]),
            ("llama-server -m qwen3.gguf --alias 'small, '", ["small"]),
            ("llama-server --alias fast -m qwen3.gguf", ["fast"]),
            ("llama-server --alias=fast -m qwen3.gguf", ["fast"]),
            ("llama-server -m qwen3.gguf -a vllm", ["vllm"]),
            ("llama-server -hf org/qwen3-GGUF:Q4_K_M", ["org/qwen3-GGUF:Q4_K_M"]),
            ("llama-server --hf-repo org/qwen3 -ngl max", ["org/qwen3"]),
            ("llama-server -c -1 -m qwen3.gguf", GGUF),
            ("llama-server --models-dir /models", []),
        )

    def test_vllm(self) -> None:
        """vLLM knows its model by all its served names; without any, by what
        it loads, wherever that stands."""
        self.check(
            ("vllm serve org/name --port 8000", ["org/name"]),
            ("vllm serve --port 8000 org/name", ["org/name"]),
            ("vllm serve --trust-remote-code --enforce-eager org/name", ["org/name"]),
            ("vllm serve --model org/name", ["org/name"]),
            ("vllm serve /models/name/", ["/models/name/"]),
            ("vllm serve org/name --served-model-name a b --port 8000", ["a", "b"]),
            ("vllm serve org/name --served-model-name=a", ["a"]),
            ("vllm serve org/name --served-model-name 'a b'", ["a b"]),
            ("vllm serve org/name --served-model-name a a", ["a"]),
            ("python -m vllm.entrypoints.openai.api_server --model org/name", ["org/name"]),
            ("python3 -m vllm.entrypoints.openai.api_server --model=org/name", ["org/name"]),
            ("uvx --from vllm vllm serve org/name", ["org/name"]),
            ("vllm serve", []),
            ("vllm bench throughput --model org/name", []),
        )

    def test_sglang(self) -> None:
        """SGLang likewise, by its own options."""
        self.check(
            ("python -m sglang.launch_server --model-path org/name --tp 2", ["org/name"]),
            ("sglang serve --model-path=org/name", ["org/name"]),
            ("python -m sglang.launch_server --model org/n --served-model-name n", ["n"]),
        )

    def test_koboldcpp(self) -> None:
        """KoboldCpp makes a name of the file's, without what it does not
        like."""
        self.check(
            ("koboldcpp --model /models/qwen3.gguf --quiet", ["koboldcpp/qwen3"]),
            ("python koboldcpp.py --model=qwen3.gguf", ["koboldcpp/qwen3"]),
            ("python -u koboldcpp.py -m 'qwen 3 (x).gguf'", ["koboldcpp/qwen3x"]),
            ("./koboldcpp-linux-x64 qwen3.gguf 5001", ["koboldcpp/qwen3"]),
            ("koboldcpp --config some.kcpps", []),
        )

    def test_mlx(self) -> None:
        """MLX knows its model by what it loads."""
        self.check(
            ("mlx_lm.server --model org/name --port 8080", ["org/name"]),
            ("python -m mlx_lm.server --model org/name", ["org/name"]),
            ("python -m mlx_lm server --model=org/name", ["org/name"]),
            ("mlx_vlm.server --model org/name", ["org/name"]),
        )

    def test_max(self) -> None:
        """MAX knows its model by the served name, else by what it loads."""
        self.check(
            ("max serve --model org/name --devices gpu:0", ["org/name"]),
            ("max serve --model org/name --served-model-name n", ["n"]),
            ("max serve --model-path=org/name", ["org/name"]),
        )

    def test_ramalama(self) -> None:
        """RamaLama has its own options before C{serve}; where the model comes
        from is no part of its name."""
        self.check(
            ("ramalama serve --port 8080 --ctx-size 4096 smollm:135m", ["smollm:135m"]),
            ("ramalama --nocontainer serve -d smollm:135m", ["smollm:135m"]),
            ("ramalama --runtime vllm serve hf://org/name", ["org/name"]),
            ("ramalama --runtime=llama.cpp serve --name n org/name", ["org/name"]),
            ("ramalama serve file:///models/qwen3.gguf", GGUF),
            ("ramalama list --all", []),
        )

    def test_unknown(self) -> None:
        """Of a program that is not known, or that names no model, nothing is
        guessed."""
        self.check(
            ("local-ai run --address 127.0.0.1:8080 --models-path /models", []),
            ("ollama serve", []),
            ("python -m http.server", []),
            ("python -m my.module -m qwen3.gguf", []),
            ("./start.sh --model org/name", []),
        )
        self.assertEqual([], ids_in([]))

    def test_wrappers(self) -> None:
        """What stands before the program changes nothing, whatever it is
        called."""
        self.check(
            ("env HF_HOME=/data/vllm CUDA_VISIBLE_DEVICES=0 llama-server -m qwen3.gguf", GGUF),
            ("numactl -m 0 llama-server -m qwen3.gguf", GGUF),
            ("sudo -u vllm llama-server -m qwen3.gguf", GGUF),
            ("systemd-run --unit vllm vllm serve org/name", ["org/name"]),
        )

    def test_containers(self) -> None:
        """A container is its image; the memory that it may have is no
        model."""
        self.check(
            ("docker run --rm -m 8g vllm/vllm-openai:latest --model org/name", ["org/name"]),
            ("docker run --gpus all -p 8000:8000 vllm/vllm-openai org/name", ["org/name"]),
            ("docker run -m 8g --name llama-server mine/image", []),
            (
                "podman run --name vllm -m 8g -v /srv/max:/models "
                "ghcr.io/ggml-org/llama.cpp:server-cuda -m /models/qwen3.gguf",
                GGUF,
            ),
            (
                "docker run -m 8g lmsysorg/sglang@sha256:00 python3 -m sglang.launch_server "
                "--model-path org/name",
                ["org/name"],
            ),
            ("docker run modular/max-nvidia-full:25.1 --model-path org/name", ["org/name"]),
        )

    def test_shells(self) -> None:
        """Of a shell's commands the one that is an engine counts."""
        self.check(
            ("bash -c 'exec vllm serve org/name'", ["org/name"]),
            ("/bin/sh -lc 'cd /opt/vllm && ./llama-server -m qwen3.gguf; echo x'", GGUF),
            ("bash -c 'vllm serve org/name 2>&1 | tee /tmp/vllm'", ["org/name"]),
            ("env A=b bash --norc -c '. venv/bin/activate; vllm serve a'", ["a"]),
            ("docker run -m 8g image bash -c 'vllm serve org/name'", ["org/name"]),
            ("bash -c 'vllm serve \"$MODEL\"'", []),
            ("bash -c 'vllm serve `cat model`'", []),
            ('bash -c "vllm serve \'oops"', []),
            ("bash -c", []),
            ("bash serve.sh -m qwen3.gguf", []),
        )

    def test_templates(self) -> None:
        """What is filled in later is no id."""
        self.check(("llama-server -m {model} --port {port}", []))
