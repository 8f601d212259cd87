# -*- test-case-name: ler.test.test_memory_unified -*-
"""
Whether the GPU has its memory from the host.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import sys

CARVE_OUT = 4 << 30
"""What a GPU without memory of its own may have reserved for it, at most."""

_INTEGRATED = re.compile(r"\b(GB10|Orin|Thor|Xavier|Tegra)\b")


def is_unified(
    platform: str = sys.platform,
    nvidia: str = "/proc/driver/nvidia/gpus",
    drm: str = "/sys/class/drm",
) -> bool:
    """
    Look for a GPU with memory of its own.  It reads a few small files.

    @param nvidia: where NVIDIA's driver tells of its GPUs.
    @param drm: where the kernel tells of display devices.
    @return: L{False} when there is one, and L{True} when in doubt.
    """
    if platform == "darwin":
        return True
    models = [_read(path) for path in glob.glob(os.path.join(nvidia, "*", "information"))]
    if any(model and not _INTEGRATED.search(model) for model in models):
        return False
    totals = glob.glob(os.path.join(drm, "card*", "device", "mem_info_vram_total"))
    return not any(_number(_read(path)) > CARVE_OUT for path in totals)


def _read(path: str) -> str:
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
    return ""


def _number(text: str) -> int:
    return int(text) if text.strip().isdigit() else 0
