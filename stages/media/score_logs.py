"""What FFmpeg's filters `libvmaf`, `ssim` and `psnr` write down of each frame."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

LOGS = {"vmaf": "vmaf.json", "ssim": "ssim.log", "psnr": "psnr.log"}


def read_logs(folder: Path, names: Iterable[str]) -> dict[str, list[float]]:
    """Metric → scores by frame, from the logs in a folder. PSNR of two frames that are the same is infinity."""
    read = {"vmaf": _vmaf, "ssim": _ssim, "psnr": _psnr}
    return {name: read[name]((folder / LOGS[name]).read_text(encoding="utf-8")) for name in names}


def _vmaf(text: str) -> list[float]:
    return [float(frame["metrics"]["vmaf"]) for frame in json.loads(text)["frames"]]


def _ssim(text: str) -> list[float]:
    return [float(value) for value in re.findall(r" All:(-?[\d.]+)", text)]


def _psnr(text: str) -> list[float]:
    return [float(value) for value in re.findall(r" psnr_avg:([\d.]+|inf)", text)]
