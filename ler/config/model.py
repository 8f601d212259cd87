# -*- test-case-name: ler.test.test_config_model -*-
"""
What can be configured: one frozen dataclass a section, one field a key.

The fields are the single source of the loader, of the JSON schema and of the
reference in the documentation: C{setting} carries the help text and the
bounds beside the type and the default.  Keys ending in C{_s} are seconds, in
C{_mb} MiB; C{memory} is GiB.  Keys ending in C{_cmd} are command lines.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any, Literal

from ler.config import values


@dataclass(frozen=True)
class Bounds:
    """
    What a value must be beyond its type.

    @ivar minimum: the least number, or L{None}.
    @ivar maximum: the greatest number, or L{None}.
    @ivar exclusive: whether C{minimum} itself is too small.
    @ivar words: strings accepted beside the type (such as C{never}), each
        with the value that it stands for.
    @ivar path: a file or folder: relative ones are of the config's folder.
    @ivar check: a function of L{ler.config.values} from a value to a complaint
        or L{None}; of a list it judges each item, of a mapping each pair.
    """

    minimum: float | None = None
    maximum: float | None = None
    exclusive: bool = False
    words: Mapping[str, Any] = field(default_factory=dict)
    path: bool = False
    check: Callable[[Any], str | None] | None = None


def setting(
    help: str,
    default: Any = MISSING,
    *,
    factory: Any = MISSING,
    minimum: float | None = None,
    maximum: float | None = None,
    exclusive: bool = False,
    words: Mapping[str, Any] | None = None,
    path: bool = False,
    check: Callable[[Any], str | None] | None = None,
) -> Any:
    """
    A dataclass field that knows its help text and its bounds.

    @param help: one sentence for the reference.
    @param default: the value when the key is absent; a field with neither
        C{default} nor C{factory} is required.
    """
    metadata = {
        "help": help,
        "bounds": Bounds(minimum, maximum, exclusive, words or {}, path, check),
    }
    if factory is not MISSING:
        return field(default_factory=factory, metadata=metadata)
    if default is not MISSING:
        return field(default=default, metadata=metadata)
    return field(metadata=metadata)


def default_state_dir() -> str:
    """
    @return: where the router keeps its state unless told: systemd's
        C{StateDirectory}, else the XDG state folder.
    """
    service = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    if service:
        return service
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(home, "engine-router")


@dataclass(frozen=True)
class GenericProcess:
    """
    An engine that the router launches and owns.
    """

    key: str
    base_url: str = setting(
        "Where the server listens; {port} stands for the port that is allotted.",
        check=values.http_url,
    )
    start_cmd: tuple[str, ...] = setting(
        "Command line: a list, or a string split as a shell would; never run by a shell. "
        "{port} stands for the allotted port."
    )
    enabled: bool = setting("Whether the engine takes part at all.", True)
    exclusive: bool = setting(
        "Whether the engine needs the whole memory; false lets it live beside others.", True
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
    ready_check: str = setting(
        "What the probe's answer must show beside status 200: key==value, model:<id>, or "
        "completion (a one-token request instead of a GET).",
        "",
        check=values.ready_check,
    )
    ready_timeout_s: float = setting(
        "Time limit of each readiness probe.", 5.0, minimum=0, exclusive=True
    )
    start_timeout_s: float = setting(
        "How long the server may take until it is ready.", 300.0, minimum=0, exclusive=True
    )
    stop_cmd: tuple[str, ...] = setting(
        "Command that stops the server, run before any signal (for containers).", ()
    )
    stop_signal: str = setting(
        "First signal of the stop sequence, by name.", "SIGTERM", check=values.signal_name
    )
    stop_scope: Literal["leader", "group"] = setting(
        "Whether the first signal goes to the server process alone or to its whole group.",
        "leader",
    )
    stop_timeout_s: float = setting("Grace between the first signal and SIGKILL.", 30.0, minimum=0)
    log_file: str | None = setting(
        "File that the server's output is appended to, rotated at 5 MB.", None, path=True
    )
    control_headers: Mapping[str, str] = setting(
        "Headers of the router's own requests to this engine.", factory=dict, check=values.header
    )
    upstream_headers: Mapping[str, str] = setting(
        "Headers set on every client request that goes to this engine.",
        factory=dict,
        check=values.header,
    )
    served_models: tuple[str, ...] = setting("Further ids that this engine answers to.", ())
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
    max_connections: int = setting(
        "Requests in flight to this engine; further ones queue.", 1024, minimum=1
    )
    control_paths: tuple[str, ...] = setting(
        "Paths that clients may not call, since they change what the engine holds.",
        (
            "/sleep",
            "/wake_up",
            "/release_memory_occupation",
            "/resume_memory_occupation",
            "/models/load",
            "/models/unload",
            "/v1/model/load",
            "/v1/model/unload",
            "/backend/load",
            "/backend/shutdown",
            "/v1/backend/load",
            "/v1/backend/shutdown",
            "/api/admin/reload_config",
            "/api/extra/shutdown",
            "/unload",
        ),
        check=values.url_path,
    )


@dataclass(frozen=True)
class Model:
    """
    One model that clients may name.
    """

    id: str = setting("Id that clients send.")
    engine: str = setting("Key of the engine that owns it.")
    display_name: str | None = setting("Name in listings; the id when absent.", None)
    model_name: str | None = setting(
        "Name that the engine expects in the body; the id when absent.", None
    )
    context_length: int = setting("Context length in listings.", 131072, minimum=1)
    disable_thinking_below_max_tokens: int | None = setting(
        "Token budgets below this switch a reasoning model's thinking off.", None, minimum=1
    )


@dataclass(frozen=True)
class Scheduler:
    """
    Who gets the slot next.
    """

    policy: Literal["join", "fifo"] = setting(
        "join serves all waiting requests of one model in a turn; fifo keeps strict order.",
        "join",
    )
    max_wait_s: float = setting(
        "Age at which the oldest waiting request ends the resident's turn.",
        60.0,
        minimum=0,
        exclusive=True,
    )
    max_queue: int = setting("Requests that may wait; further ones get 503.", 10000, minimum=1)


@dataclass(frozen=True)
class Config:
    """
    The whole configuration.
    """

    engines: Mapping[str, GenericProcess] = setting("The engines, by key.")
    models: tuple[Model, ...] = setting("The models that clients may name.", ())
    aliases: Mapping[str, str] = setting(
        "Other names for models; a * in the name matches any text.", factory=dict
    )
    host: str = setting("Address to listen on.", "127.0.0.1", check=values.host)
    port: int = setting("Port to listen on.", 8077, minimum=0, maximum=65535)
    api_keys: tuple[str, ...] = setting(
        "Keys of clients; none means open.", (), check=values.api_key
    )
    allowed_hosts: tuple[str, ...] = setting(
        "Further values of the Host header to accept; * accepts all.", (), check=values.host_header
    )
    allowed_origins: tuple[str, ...] = setting(
        "Further values of the Origin header to accept; * accepts all.", (), check=values.origin
    )
    max_body_mb: float = setting("Largest request body.", 64.0, minimum=0, exclusive=True)
    max_upload_mb: float = setting(
        "Largest multipart request body.", 1024.0, minimum=0, exclusive=True
    )
    max_json_depth: int = setting("Deepest nesting of a JSON body.", 128, minimum=1)
    client_stall_timeout_s: float | None = setting(
        "How long a client may stop reading before its answer is cut.",
        300.0,
        minimum=0,
        exclusive=True,
        words={"never": None},
    )
    log_file: str | None = setting(
        "File for the router's own log, rotated at 5 MB.", None, path=True
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = setting("Least level logged.", "INFO")
    state_dir: str = setting(
        "Folder for the lock, large request bodies and the state file.",
        factory=default_state_dir,
        path=True,
    )
    state_file: str | None = setting(
        "File for what survives a restart; state.json in state_dir when absent.", None, path=True
    )
    swap_keepalive_enabled: bool = setting("Whether waiting streams get heartbeats.", True)
    swap_keepalive_interval_s: float = setting(
        "Seconds between heartbeats.", 10.0, minimum=0, exclusive=True
    )
    swap_keepalive_grace_s: float = setting(
        "How long the headers of a stream are held, so that an early failure gets a real status.",
        2.0,
        minimum=0,
    )
    drain_timeout_s: float | None = setting(
        "How long running answers may go on once a swap is due.",
        300.0,
        minimum=0,
        words={"never": None},
    )
    swap_memory_settle_timeout_s: float = setting(
        "How long to wait for memory that is not clearly on its way back.", 25.0, minimum=0
    )
    memory_assist: tuple[Literal["stat_refresh", "drop_slab", "drop_cache"], ...] = setting(
        "What may be done to bring free memory out of hiding; the last two need root and cost "
        "caches.",
        ("stat_refresh",),
    )
    upstream_connect_timeout_s: float = setting(
        "Time limit of a connection to an engine.", 15.0, minimum=0, exclusive=True
    )
    on_exit: Literal["stop", "leave"] = setting(
        "What becomes of running engines when the router stops.", "stop"
    )
    on_start_failure: Literal["wait", "restore"] = setting(
        "After a failed start: wait for the next request, or bring the previous engine back.",
        "wait",
    )
    orphan_start_grace_s: float = setting(
        "How long a start that nobody waits for goes on when another model is wanted.",
        30.0,
        minimum=0,
    )
    scheduler: Scheduler = setting("Who gets the slot next.", factory=Scheduler)


ENGINE_TYPES: Mapping[str, type] = {"generic_process": GenericProcess}
