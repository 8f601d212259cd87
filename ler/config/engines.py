# -*- test-case-name: ler.test.test_config_model -*-
"""
What can be configured of an engine: one frozen dataclass a type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ler.config import values
from ler.config.setting import setting

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

Speech = Literal["openai", "ollama", "anthropic", "responses"]
"""What an engine may speak: OpenAI's chats, completions and embeddings;
Ollama's own API; Anthropic's messages; OpenAI's responses."""

SPEAKS = (
    "What the server speaks itself: openai, ollama (its /api), anthropic (/v1/messages), "
    "responses (/v1/responses). Requests in these pass as they are, others are translated."
)

CONTROL_PATHS = (
    "/sleep",
    "/wake_up",
    "/release_memory_occupation",
    "/resume_memory_occupation",
    "/models/load",
    "/models/unload",
    "/v1/model/load",
    "/v1/model/unload",
    "/v1/model/embedding/load",
    "/v1/model/embedding/unload",
    "/api/v1/models/load",
    "/api/v1/models/unload",
    "/backend/load",
    "/backend/shutdown",
    "/v1/backend/load",
    "/v1/backend/shutdown",
    "/api/admin/reload_config",
    "/api/extra/shutdown",
    "/unload",
)

READY_CHECK = (
    "What the probe's answer must show beside status 200: key==value, model:<id>, or "
    "completion (a one-token request instead of a GET)."
)

DISCOVER_MODELS = (
    "Whether what the engine lists, and what its command line names, is added to the models that "
    "clients may name."
)


@dataclass(frozen=True, kw_only=True)
class Engine:
    """
    What can be said of an engine of any type.
    """

    key: str
    base_url: str = setting("Where the server listens.", check=values.http_url)
    enabled: bool = setting("Whether the engine takes part at all.", True)
    exclusive: bool = setting(
        "Whether the engine needs the whole memory; false lets it live beside others.", True
    )
    control_headers: Mapping[str, str] = setting(
        "Headers of the router's own requests to this engine.", factory=dict, check=values.header
    )
    upstream_headers: Mapping[str, str] = setting(
        "Headers set on every client request that goes to this engine.",
        factory=dict,
        check=values.header,
    )
    speaks: tuple[Speech, ...] = setting(SPEAKS, ("openai",))
    served_models: tuple[str, ...] = setting("Further ids that this engine answers to.", ())
    discover_models: bool = setting(DISCOVER_MODELS, False)
    tags_cache_ttl_s: float = setting(
        "How often the router looks again at what the engine holds; 0 for never.",
        30.0,
        minimum=0,
    )
    memory: float | None = setting(
        "GiB that must be free before the server may start; refuses when they cannot be.",
        None,
        minimum=0,
        exclusive=True,
    )
    sizing: Literal["absolute", "growth_sensitive", "from_free"] = setting(
        "How the server sizes itself: to a fixed footprint, to a fixed one but failing when "
        "free memory rises meanwhile (vLLM), or from what is free.",
        "from_free",
    )
    idle_unload_s: float | None = setting(
        "Seconds without a request after which the memory is given back.",
        None,
        minimum=0,
        exclusive=True,
        words={"never": None},
    )
    pin: bool = setting(
        "Never evict this engine: other exclusive models get 503 while it is there.", False
    )
    max_concurrency: int | None = setting(
        "Requests that the engine, or each model of it that is in memory, answers at once; "
        "further ones wait for the slot.",
        None,
        minimum=1,
    )
    max_queue: int | None = setting(
        "Requests that may wait for this engine; further ones get 503.", None, minimum=1
    )
    max_wait_s: float | None = setting(
        "Age at which an interactive request for this engine ends the turn of another; as in "
        "scheduler when absent.",
        None,
        minimum=0,
        exclusive=True,
    )
    max_connections: int = setting(
        "Requests in flight to this engine; further ones queue.", 1024, minimum=1
    )
    control_paths: tuple[str, ...] = setting(
        "Paths that clients may not call, since they change what the engine holds.",
        CONTROL_PATHS,
        check=values.url_path,
    )


@dataclass(frozen=True, kw_only=True)
class GenericProcess(Engine):
    """
    An engine that the router launches and owns.
    """

    base_url: str = setting(
        "Where the server listens; {port} stands for the allotted port.",
        check=values.url_template,
    )
    start_cmd: tuple[str, ...] = setting(
        "Command line: a list, or a string split as a shell would; never run by a shell. "
        "{port} stands for the allotted port."
    )
    port: int | Literal["auto"] | None = setting(
        "Port put in place of {port}; auto lets the router choose one.",
        None,
        minimum=1,
        maximum=65535,
    )
    env: Mapping[str, str] = setting(
        "Environment variables added to the router's own, less service variables.",
        factory=dict,
        check=values.variable,
    )
    cwd: str | None = setting("Working directory of the server.", None, path=True)
    ready_path: str = setting("Path of the readiness probe.", "/health", check=values.url_path)
    ready_check: str = setting(READY_CHECK, "", check=values.ready_check)
    ready_timeout_s: float = setting(
        "Time limit of each readiness probe.", 5.0, minimum=0, exclusive=True
    )
    start_timeout_s: float = setting(
        "How long the server may take until it is ready.", 300.0, minimum=0, exclusive=True
    )
    on_free: Literal["stop", "sleep"] = setting(
        "How the memory is given back: by stopping the server, or by vLLM's sleep mode.", "stop"
    )
    sleep_level: int = setting(
        "vLLM's sleep level: 1 keeps the weights in host memory, 2 drops them.",
        1,
        minimum=1,
        maximum=2,
    )
    stop_cmd: tuple[str, ...] = setting(
        "Command that stops the server, run before any signal (for containers).", ()
    )
    stop_signal: str = setting(
        "First signal of the stop sequence, by name or number.",
        "SIGTERM",
        digits=True,
        check=values.signal_name,
    )
    stop_scope: Literal["leader", "group"] = setting(
        "Whether the first signal goes to the server process alone or to its whole group.",
        "leader",
    )
    stop_timeout_s: float = setting("Grace between the first signal and SIGKILL.", 30.0, minimum=0)
    log_file: str | None = setting(
        "File that the server's output is appended to, rotated at 5 MB.", None, path=True
    )


@dataclass(frozen=True, kw_only=True)
class Server(Engine):
    """
    A server that runs elsewhere, or as a service, and is told over HTTP what
    to hold.
    """

    health_path: str = setting(
        "Path that answers 200 when the server is up.", "/v1/models", check=values.url_path
    )
    ready_check: str = setting(READY_CHECK, "", check=values.ready_check)
    ready_timeout_s: float = setting(
        "Time limit of each probe of the server.", 5.0, minimum=0, exclusive=True
    )
    systemd_unit: str | None = setting(
        "Unit that is started when the server does not answer.", None, check=values.unit_name
    )
    systemd_scope: Literal["system", "user"] = setting("Whose systemd the unit is of.", "system")
    server_start_timeout_s: float = setting(
        "How long the server may take to answer after its unit was started.",
        60.0,
        minimum=0,
        exclusive=True,
    )
    on_free: Literal["unload", "stop"] = setting(
        "How the memory is given back: by unloading the model, or by stopping the unit too.",
        "unload",
    )
    load_timeout_s: float = setting(
        "How long a model may take to load.", 120.0, minimum=0, exclusive=True
    )
    unload_timeout_s: float = setting(
        "How long a model may take until it is gone.", 60.0, minimum=0, exclusive=True
    )


@dataclass(frozen=True, kw_only=True)
class ApiSwap(Server):
    """
    A server that loads and unloads models over HTTP, as configured.
    """

    load_path: str = setting(
        "Path of the request that loads {model}; none when empty.", "", check=values.url_path
    )
    load_method: Method = setting("Its method.", "POST")
    load_query: Mapping[str, str] = setting("Its query parameters.", factory=dict)
    load_headers: Mapping[str, str] = setting(
        "Headers of that request alone.", factory=dict, check=values.header
    )
    load_body: Mapping[str, Any] = setting(
        "Its JSON body; {model} stands for the model.", factory=dict
    )
    load_check: str = setting(
        "What its answer must show beside a status below 400: key==value.",
        "",
        check=values.expression,
    )
    unload_path: str = setting(
        "Path of the request that unloads {model}, or {id}, which means the same; none when empty.",
        "",
        check=values.url_path,
    )
    unload_method: Method = setting("Its method.", "POST")
    unload_query: Mapping[str, str] = setting("Its query parameters.", factory=dict)
    unload_headers: Mapping[str, str] = setting(
        "Headers of that request alone.", factory=dict, check=values.header
    )
    unload_body: Mapping[str, Any] = setting(
        "Its JSON body; {model} and {id} stand for the id of what is unloaded.", factory=dict
    )
    unload_check: str = setting(
        "What its answer must show beside a status below 400: key==value.",
        "",
        check=values.expression,
    )
    unloaded_statuses: tuple[int, ...] = setting(
        "Statuses of it that mean that nothing was loaded.", (), minimum=400, maximum=599
    )
    loaded_path: str | None = setting(
        "Path that lists what is loaded.", None, check=values.url_path
    )
    loaded_headers: Mapping[str, str] = setting(
        "Headers of that request alone.", factory=dict, check=values.header
    )
    loaded_empty_statuses: tuple[int, ...] = setting(
        "Statuses of it that mean that nothing is loaded.", (), minimum=200, maximum=599
    )
    loaded_models_key: str = setting(
        "Where the list is: keys joined by dots, with [] where a list is gone through, such as "
        "models[].loaded_instances[]; empty for the document itself. A lone object counts as a "
        "list of one.",
        "models",
        blank=True,
        check=values.list_path,
    )
    loaded_name_key: str = setting(
        "Key of the model's name in an entry; a leading ^ looks in the entry around it.",
        "name",
        check=values.entry_key,
    )
    loaded_filter: str = setting(
        "key==value that an entry must show to count as loaded.", "", check=values.expression
    )
    loaded_id_key: str = setting(
        "Key of the id to unload by; the name when empty.", "", check=values.entry_key
    )


@dataclass(frozen=True, kw_only=True)
class Ollama(Server):
    """
    An Ollama server.
    """

    base_url: str = setting(
        "Where the server listens.", "http://127.0.0.1:11434", check=values.http_url
    )
    health_path: str = setting(
        "Path that answers 200 when the server is up.", "/api/version", check=values.url_path
    )
    systemd_unit: str | None = setting(
        "Unit that is started when the server does not answer.",
        "ollama.service",
        check=values.unit_name,
    )
    load_timeout_s: float = setting(
        "How long a model may take to load.", 330.0, minimum=0, exclusive=True
    )
    discover_models: bool = setting(DISCOVER_MODELS, True)
    speaks: tuple[Speech, ...] = setting(SPEAKS, ("openai", "ollama", "anthropic", "responses"))
    allow_cloud_models: bool = setting(
        "Whether models may be used that the server only passes on to ollama.com, with the "
        "prompts.",
        False,
    )


@dataclass(frozen=True, kw_only=True)
class Systemd(Engine):
    """
    A server that is a systemd unit, or a script, which the router starts and
    stops.
    """

    control: Literal["systemd", "systemd-user", "process"] = setting(
        "Who runs the server: the system's systemd, the user's, or the router, which then runs "
        "serve_script.",
        "systemd-user",
    )
    unit: str | None = setting("The unit.", None, check=values.unit_name)
    systemd_user_unit: str | None = setting(
        "The same, by the older name of the key.", None, check=values.unit_name
    )
    serve_script: tuple[str, ...] = setting("Command line for control: process.", ())
    health_path: str = setting("Path of the readiness probe.", "/v1/models", check=values.url_path)
    ready_check: str = setting(READY_CHECK, "", check=values.ready_check)
    ready_timeout_s: float = setting(
        "Time limit of each readiness probe.", 5.0, minimum=0, exclusive=True
    )
    start_timeout_s: float = setting(
        "How long the server may take until it is ready.", 240.0, minimum=0, exclusive=True
    )
    stop_timeout_s: float = setting("How long the unit may take to stop.", 45.0, minimum=0)
    log_file: str | None = setting(
        "File for the output of serve_script, rotated at 5 MB.", None, path=True
    )

    @property
    def unit_name(self) -> str | None:
        """
        The unit, by whichever key it was given.
        """
        return self.systemd_user_unit or self.unit


@dataclass(frozen=True, kw_only=True)
class Ds4(Systemd):
    """
    A server that is a systemd unit, by the older name of the type and with
    the defaults of that time.
    """

    base_url: str = setting(
        "Where the server listens.", "http://172.17.0.1:8099", check=values.http_url
    )
    unit: str | None = setting("The unit.", "ds4.service", check=values.unit_name)


@dataclass(frozen=True, kw_only=True)
class Remote(Engine):
    """
    Somebody else's server or cluster: never started, never stopped.
    """

    base_url: str = setting("Where it listens; https is fine.", check=values.any_url)
    exclusive: bool = setting("Always false: its memory is not ours.", False)
    health_path: str = setting(
        "Path that answers when it is up.", "/v1/models", check=values.url_path
    )
    discover_models: bool = setting(DISCOVER_MODELS, True)


ENGINE_TYPES: Mapping[str, type[Engine]] = {
    "generic_process": GenericProcess,
    "api_swap": ApiSwap,
    "ollama": Ollama,
    "systemd": Systemd,
    "ds4": Ds4,
    "remote": Remote,
}
