"""
What stands between the clients and the engine, each as real processes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
import yaml

from benchmarks._load import KEY
from ler.test.live import PATIENCE, free_port, wait_for
from ler.test.live_router import TWISTD

HERE = Path(__file__).parent

TESTED, OTHERS = 0, 1
"""The processor of what is tested, and that of everything else."""

YARDSTICK = "bare proxy"
OURS = "engine-router"
DIRECT = "direct"

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    upstream engine {{ server 127.0.0.1:{engine}; keepalive 64; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://engine;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


class Contender:
    """
    A server under test.

    @ivar name: what the table calls it.
    @ivar port: where it listens.
    """

    def __init__(self, name: str, port: int, pid: int | None, whole_tree: bool = False) -> None:
        """
        @param pid: the process whose cost counts; L{None} where there is none.
        @param whole_tree: whether that of its children counts, too.
        """
        self.name = name
        self.port = port
        self._processes: list[psutil.Process] = []
        if pid is not None:
            process = psutil.Process(pid)
            self._processes = [process, *(process.children(True) if whole_tree else ())]

    @property
    def cpu(self) -> float:
        """
        @return: the seconds of processor time that it has used.
        """
        # The clock of a process, as clock_getcpuclockid(3) makes it: counts
        # nanoseconds, where /proc counts hundredths of a second.
        return sum(time.clock_gettime(~process.pid << 3 | 2) for process in self._processes)

    @property
    def rss(self) -> int:
        """
        @return: the bytes of memory that it holds.
        """
        return sum(process.memory_info().rss for process in self._processes)


class Ring:
    """
    Starts contenders, and ends them all.

    @ivar engine: the port of the engine that they share.
    """

    def __init__(self, folder: Path) -> None:
        """
        @param folder: for configurations and logs.
        """
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        self.engine = free_port()
        self._run("engine", emitter(self.engine), core=OTHERS)
        wait_for(lambda: answers(self.engine))

    def close(self) -> None:
        """
        End everything.
        """
        for process in self._started:
            process.terminate()
        for process in self._started:
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
                continue
            process.kill()

    def direct(self) -> Contender:
        """
        @return: nothing at all.
        """
        return Contender(DIRECT, self.engine, None)

    def bare_proxy(self) -> Contender:
        """
        @return: the yardstick.
        """
        port = free_port()
        command = [sys.executable, str(HERE / "_agent_proxy.py"), str(port), str(self.engine)]
        return self._contender(YARDSTICK, port, command)

    def engine_router(self, name: str = OURS, **settings: object) -> Contender:
        """
        @param settings: further keys of the configuration.
        @return: the router, with everything on that costs something.
        """
        port = free_port()
        config = self._configure(
            name,
            {
                "port": port,
                "state_dir": str(self._folder / "state"),
                "api_keys": [KEY, "sk-another"],
                "engines": {"bench": engine_settings(free_port())},
                "models": [{"id": "bench", "engine": "bench"}],
                **settings,
            },
        )
        command = [sys.executable, "-c", TWISTD, "--nodaemon", "--pidfile="]
        return self._contender(name, port, [*command, "engine-router", "--config", config])

    def peer(self, python: Path) -> Contender:
        """
        @param python: the interpreter of an environment with
            local-engine-router in it.
        """
        port = free_port()
        settings = engine_settings(free_port())
        settings["start_cmd"] = " ".join(settings["start_cmd"])
        config = self._configure(
            "peer",
            {
                "host": "127.0.0.1",
                "port": port,
                "engines": {"bench": settings},
                "models": [{"id": "bench", "engine": "bench"}],
            },
        )
        return self._contender(
            "local-engine-router", port, [str(python), "-m", "router", "--config", config]
        )

    def nginx(self) -> Contender | None:
        """
        @return: nginx as a proxy, where it is installed.
        """
        program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        if program is None:
            return None
        port = free_port()
        config = self._folder / "nginx.conf"
        config.write_text(NGINX.format(folder=self._folder, engine=self.engine, port=port))
        command = [program, "-p", str(self._folder), "-c", str(config)]
        return self._contender("nginx", port, command, whole_tree=True)

    def llama_swap(self) -> Contender | None:
        """
        @return: llama-swap, where it is installed.
        """
        program = shutil.which("llama-swap")
        if program is None:
            return None
        port, engine = free_port(), free_port()
        model = {
            "cmd": " ".join(emitter(engine)),
            "proxy": f"http://127.0.0.1:{engine}",
            "checkEndpoint": "/v1/models",
        }
        config = self._configure("llama-swap", {"models": {"bench": model}})
        command = [program, "--config", config, "--listen", f"127.0.0.1:{port}"]
        return self._contender("llama-swap", port, command)

    def _configure(self, name: str, document: dict[str, Any]) -> str:
        path = self._folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(document))
        return str(path)

    def _contender(
        self, name: str, port: int, command: Sequence[str], whole_tree: bool = False
    ) -> Contender:
        process = self._run(name, command, core=TESTED)

        def ready() -> bool:
            if process.poll() is not None:
                raise RuntimeError((self._folder / f"{name}.log").read_text())
            return answers(port)

        wait_for(ready)
        return Contender(name, port, process.pid, whole_tree)

    def _run(self, name: str, command: Sequence[str], core: int) -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            # What it starts later runs there, too.
            os.sched_setaffinity(process.pid, {core})
        self._started.append(process)
        return process


def emitter(port: int) -> list[str]:
    """
    @return: the command of an engine.
    """
    script = str(HERE / "_emitter.py")
    return [sys.executable, "-I", "-S", script, "--port", str(port), "--core", str(OTHERS)]


def engine_settings(port: int) -> dict[str, Any]:
    """
    @return: an engine for the configuration of a router.
    """
    return {
        "type": "generic_process",
        "base_url": f"http://127.0.0.1:{port}",
        "start_cmd": emitter(port),
    }


def answers(port: int) -> bool:
    """
    @return: whether something on C{port} answers.
    """
    with suppress(OSError), closing_connection(port) as connection:
        connection.request("GET", "/health")
        connection.getresponse().read()
        return True
    return False


@contextmanager
def closing_connection(port: int) -> Iterator[HTTPConnection]:
    """
    @return: a context with a connection.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        yield connection
    finally:
        connection.close()


class Load:
    """
    Clients of one contender, in a process of their own.
    """

    def __init__(self, what: str, port: int, size: int) -> None:
        """
        Start them.
        """
        command = [sys.executable, str(HERE / "_load.py"), what, f"--port={port}"]
        command += [f"--core={OTHERS}", f"--size={size}"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def count(self) -> int:
        """
        @return: how much they have got so far.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def result(self) -> Any:
        """
        @return: what they have found out, once they have.
        """
        return json.loads(self._process.communicate()[0])
