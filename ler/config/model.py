# -*- test-case-name: ler.test.test_config_model -*-
"""
What can be configured: one frozen dataclass a section, one field a key; the
types of engines are in L{ler.config.engines}.

The fields are the single source of the loader, of the JSON schema and of the
reference in the documentation: L{setting} carries the help text and the bounds
beside the type and the default.  Keys ending in C{_s} are seconds, in C{_mb}
MiB, in C{_gb} GiB; C{memory} is GiB, too.  Keys ending in C{_cmd} or
C{_script} are command lines.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ler.config import values
from ler.config.engines import (
    ENGINE_TYPES,
    ApiSwap,
    Ds4,
    Engine,
    GenericProcess,
    Ollama,
    Remote,
    Server,
    Systemd,
)
from ler.config.setting import setting

Capability = Literal[
    "completion", "tools", "insert", "vision", "embedding", "thinking", "image", "audio"
]

__all__ = [
    "ENGINE_TYPES",
    "ApiKey",
    "ApiSwap",
    "Capability",
    "Config",
    "Discover",
    "Ds4",
    "Engine",
    "GenericProcess",
    "Model",
    "Ollama",
    "Remote",
    "Scheduler",
    "Server",
    "Systemd",
    "default_state_dir",
]


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
    context_length: int | None = setting(
        "Context length in listings, in tokens; clients fit their prompts to it.", None, minimum=1
    )
    exclusive: bool | None = setting(
        "Whether this model of an api_swap or ollama engine needs the whole memory; as its "
        "engine when absent.",
        None,
    )
    memory: float | None = setting(
        "GiB that must be free before this model of an api_swap or ollama engine may be loaded; "
        "as its engine when absent.",
        None,
        minimum=0,
        exclusive=True,
    )
    disable_thinking_below_max_tokens: int | None = setting(
        "Token budgets below this switch a reasoning model's thinking off.", None, minimum=1
    )
    capabilities: tuple[Capability, ...] = setting(
        "What it can do, for Ollama clients, some of which hide models without tools; when "
        "empty, what its Ollama server says, or else completion and tools.",
        (),
    )
    family: str | None = setting(
        "Its architecture, such as qwen3, for Ollama clients; where this and the next three are "
        "absent, what its Ollama server says.",
        None,
    )
    parameter_size: str | None = setting(
        "How many parameters it has, such as 32.8B, for Ollama clients.", None
    )
    quantization: str | None = setting(
        "How it is quantized, such as Q4_K_M, for Ollama clients.", None
    )
    size_gb: float | None = setting(
        "GiB that it takes, for Ollama clients.", None, minimum=0, exclusive=True
    )


@dataclass(frozen=True)
class Scheduler:
    """
    Who gets the slot next.
    """

    policy: Literal["fair", "join", "fifo"] = setting(
        "fair weighs what a swap costs against how long others wait; join serves all waiting "
        "requests of one model in a turn; fifo keeps strict order.",
        "fair",
    )
    max_wait_s: float | None = setting(
        "Age at which a waiting interactive request, the usual class, ends the resident's turn.",
        60.0,
        minimum=0,
        exclusive=True,
        words={"never": None},
    )
    background_max_wait_s: float | None = setting(
        "The same for background requests.",
        300.0,
        minimum=0,
        exclusive=True,
        words={"never": None},
    )
    batch_max_wait_s: float | None = setting(
        "The same for batch requests.", None, minimum=0, exclusive=True, words={"never": None}
    )
    background_weight: float = setting(
        "How much a background request counts in the choice of the next model, where an "
        "interactive one is 1.",
        0.5,
        minimum=0,
    )
    batch_weight: float = setting("The same for a batch request.", 0.1, minimum=0)
    deadline_s: float | None = setting(
        "Seconds within which a request must be let in that does not say so itself; one that "
        "cannot be gets 503 at once.",
        None,
        minimum=0,
        exclusive=True,
        words={"never": None},
    )
    max_queue: int = setting(
        "Requests that may wait for one slot; further ones get 503.", 10000, minimum=1
    )


@dataclass(frozen=True)
class Discover:
    """
    Models that the engines themselves name.
    """

    enabled: bool = setting(
        "Whether discover_models is true for generic_process and api_swap engines that do not "
        "say otherwise.",
        False,
    )
    collision: Literal["config_order"] = setting(
        "Who owns a model that two engines name: the one that stands first.", "config_order"
    )
    refresh_interval_s: float = setting(
        "How often all engines that run are asked; 0 for never.", 300.0, minimum=0
    )
    state_ttl_s: float = setting(
        "How long the list of an engine that does not answer is remembered over restarts; 0 for "
        "ever.",
        2_592_000.0,
        minimum=0,
    )


Scope = Literal["inference", "read", "admin"]


@dataclass(frozen=True)
class ApiKey:
    """
    One key of clients, and what it is good for.
    """

    scopes: tuple[Scope, ...] = setting(
        "What it opens: inference (models and their listings), read (status, metrics and "
        "listings), admin (everything)."
    )
    key: str | None = setting("The key.", None, check=values.api_key)
    sha256: str | None = setting(
        "In place of the key its hash, as of: printf %s KEY | sha256sum.",
        None,
        check=values.sha256,
    )
    label: str | None = setting("What it is called in the log.", None, check=values.label)
    priority: Literal["interactive", "background", "batch"] = setting(
        "The class of its requests, unless they say otherwise (X-Router-Priority).", "interactive"
    )
    no_swap: bool = setting(
        "Whether its requests are refused rather than have a model swapped in, unless they say "
        "otherwise (X-Router-No-Swap).",
        False,
    )

    @property
    def digest(self) -> bytes:
        """
        The SHA-256 of the key.
        """
        if self.sha256 is not None:
            return bytes.fromhex(self.sha256)
        return hashlib.sha256((self.key or "").encode("utf-8")).digest()


def _opens_everything(key: str) -> ApiKey:
    return ApiKey(("admin",), key)


@dataclass(frozen=True)
class Config:
    """
    The whole configuration.
    """

    engines: Mapping[str, Engine] = setting("The engines, by key.")
    models: tuple[Model, ...] = setting("The models that clients may name.", ())
    aliases: Mapping[str, str] = setting(
        "Other names for models; a * in the name matches any text.", factory=dict
    )
    without_swap: Mapping[str, Literal["resident", "refuse"]] = setting(
        "Names of models (a * matches any text) for which nothing is swapped, such as those of "
        "titles and other background calls: resident lets the model in memory answer instead, "
        "refuse says 503 would_swap.",
        factory=dict,
    )
    host: str = setting("Address to listen on.", "127.0.0.1", check=values.host)
    port: int = setting("Port to listen on.", 8077, minimum=0, maximum=65535)
    api_keys: tuple[ApiKey, ...] = setting(
        "Keys of clients, as text or with what they open; none means open.",
        (),
        check=values.api_key,
        plain=_opens_everything,
    )
    metrics_auth: bool = setting("Whether /metrics needs a key, where there are keys.", True)
    allowed_hosts: tuple[str, ...] = setting(
        "Further values of the Host header to accept; * accepts all.", (), check=values.host_header
    )
    allowed_origins: tuple[str, ...] = setting(
        "Further values of the Origin header to accept; * accepts all.", (), check=values.origin
    )
    cors: bool = setting(
        "Whether web pages of accepted origins may read the answers (CORS headers).", True
    )
    max_body_mb: float = setting("Largest request body.", 64.0, minimum=0, exclusive=True)
    max_upload_mb: float = setting(
        "Largest multipart request body, or blob for Ollama.", 1024.0, minimum=0, exclusive=True
    )
    max_json_depth: int = setting("Deepest nesting of a JSON body.", 128, minimum=1)
    max_websocket_message_mb: float = setting(
        "Largest message of a websocket.", 16.0, minimum=0, exclusive=True
    )
    websocket_wait_s: float = setting(
        "How long a websocket may wait for its engine; programs that ask for one give up soon.",
        8.0,
        minimum=0,
        exclusive=True,
    )
    websocket_idle_s: float | None = setting(
        "How long nothing may be said on a websocket before it is closed.",
        300.0,
        minimum=0,
        exclusive=True,
        words={"never": None},
    )
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
    request_log: str | None = setting(
        "File that gets a line of JSON for each request that was answered, rotated at 5 MB.",
        None,
        path=True,
    )
    log_format: Literal["text", "json"] = setting(
        "Form of log_file: text, or a line of JSON for each event, with its fields.", "text"
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
    swap_keepalive_chunk_s: float | None = setting(
        "Seconds between empty chunks in waiting chat streams, for clients with timers that "
        "nothing else resets; they make time to the first chunk look short.",
        None,
        minimum=0,
        exclusive=True,
        words={"never": None},
    )
    ndjson_keepalive: Literal["space", "newline", "chunk"] = setting(
        "Heartbeat of streams of JSON lines: a space; a newline, which many clients cannot read; "
        "or a line with an empty answer.",
        "space",
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
    ollama_version: str = setting(
        "Version that Ollama clients are told; some refuse one below 0.13.4.",
        "0.32.0",
        check=values.version,
    )
    allow_destructive_ollama_api: bool = setting(
        "Whether clients may pull, push, create, copy and delete models of the first ollama "
        "engine.",
        False,
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
    preload: tuple[str, ...] = setting(
        "Models, or keys of engines, to bring up when the router starts.", ()
    )
    discover: Discover = setting("Models that the engines themselves name.", factory=Discover)
    scheduler: Scheduler = setting("Who gets the slot next.", factory=Scheduler)
