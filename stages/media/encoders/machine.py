"""What a trial encode's answer holds for: the processor's kind, and the driver of an encoder chip."""

from __future__ import annotations

import functools
import platform
from pathlib import Path

_NVIDIA = Path("/sys/module/nvidia/version")
_RENDER = Path("/dev/dri")


@functools.cache
def machine_identity() -> str:
    """A short text that changes when an encoder may work that did not, or the other way round.

    Linux tells drivers by files. Elsewhere it is the system and its version alone: a new driver is noticed
    when the memory of trials is deleted.
    """
    parts = [platform.system(), platform.machine(), platform.processor()]
    try:
        parts.append(f"nvidia {_NVIDIA.read_text(encoding='utf-8').strip()}")
    except OSError:
        parts.append("no nvidia driver")
    if _RENDER.is_dir():
        parts.append(",".join(sorted(node.name for node in _RENDER.glob("renderD*"))))
    if platform.system() != "Linux":
        parts.append(platform.version())
    return "; ".join(part for part in parts if part)
