# -*- test-case-name: ler.test.test_config_engine_checks -*-
"""
Whether the settings of one engine fit together.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from ler.config.model import ApiSwap, Engine, GenericProcess, Remote, Server, Systemd
from ler.config.report import Report
from ler.config.tree import KeyPath, find


def check_engine(engine: Engine, report: Report, environ: Mapping[str, str]) -> None:
    """
    Note what does not fit.

    @param environ: the environment that the router runs in.
    """
    path = ("engines", engine.key)
    if engine.pin and not engine.exclusive:
        report.error(
            (*path, "pin"), "only an exclusive engine can be evicted, so only one can be pinned"
        )
    elif engine.pin and engine.idle_unload_s is not None:
        report.error((*path, "idle_unload_s"), "contradicts pin, which keeps the engine")
    if isinstance(engine, GenericProcess):
        _check_process(engine, path, report, environ)
    elif isinstance(engine, Server):
        _check_server(engine, path, report)
    elif isinstance(engine, Systemd):
        _check_systemd(engine, path, report, environ)
    elif isinstance(engine, Remote):
        _check_remote(engine, path, report)


def _check_process(
    engine: GenericProcess, path: KeyPath, report: Report, environ: Mapping[str, str]
) -> None:
    """
    The program can be found, and can sleep if it is to.
    """
    env = {**environ, **engine.env}
    search = env.get("PATH", os.defpath)
    _check_program(engine.start_cmd, (*path, "start_cmd"), report, search, engine.cwd or "")
    if engine.on_free == "sleep" and "VLLM_SERVER_DEV_MODE" not in env:
        report.warn(
            (*path, "on_free"),
            "sleep needs VLLM_SERVER_DEV_MODE: '1' in env, and --enable-sleep-mode in start_cmd",
        )


def _check_program(
    command: tuple[str, ...], path: KeyPath, report: Report, search: str, folder: str = ""
) -> None:
    """
    A program can be found, as it will be looked for.

    @param search: the PATH that it will be looked for on.
    @param folder: where a relative name begins.
    """
    if not command:
        return
    program = os.path.join(folder, command[0]) if os.sep in command[0] else command[0]
    if shutil.which(program, path=search) is None:
        report.warn(
            path,
            "its program is neither on PATH nor an executable file, so a start would fail",
        )


def _check_server(engine: Server, path: KeyPath, report: Report) -> None:
    """
    There is a way to get the memory back.
    """
    if engine.on_free == "stop":
        if engine.systemd_unit is None:
            report.error((*path, "on_free"), "stop needs systemd_unit: there is nothing to stop")
    elif isinstance(engine, ApiSwap) and not engine.unload_path:
        report.warn(
            (*path, "unload_path"), "without it, or on_free: stop, the memory is never given back"
        )


def _check_systemd(
    engine: Systemd, path: KeyPath, report: Report, environ: Mapping[str, str]
) -> None:
    """
    There is one thing to start.
    """
    units = [name for name in ("unit", "systemd_user_unit") if _is_given(engine, report, name)]
    if engine.control == "process":
        idle = units
        if not engine.serve_script:
            report.error((*path, "serve_script"), "is required with control: process")
        search = environ.get("PATH", os.defpath)
        _check_program(engine.serve_script, (*path, "serve_script"), report, search)
    else:
        idle = [name for name in ("serve_script", "log_file") if _is_given(engine, report, name)]
        if len(units) > 1:
            report.error((*path, units[1]), "names the unit again; unit is enough")
        elif engine.unit_name is None:
            report.error((*path, "unit"), f"is required with control: {engine.control}")
    for name in idle:
        report.warn((*path, name), f"has no effect with control: {engine.control}")


def _check_remote(engine: Remote, path: KeyPath, report: Report) -> None:
    """
    Nothing is said of memory that is not ours.
    """
    if engine.exclusive:
        report.error((*path, "exclusive"), "a remote engine never is: its memory is not ours")
    for name in ("memory", "sizing", "idle_unload_s", "max_wait_s"):
        if _is_given(engine, report, name):
            report.warn((*path, name), "has no effect: the memory of a remote engine is not ours")


def _is_given(engine: Engine, report: Report, name: str) -> bool:
    """
    @return: whether the file, and not a default, gives a key its value.
    """
    written = find(report.root, ("engines", engine.key, name))
    return written is not None and bool(getattr(engine, name))
