"""What the making of a segment comes to in figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stages.upscale.frames_on_disk import Footprint
    from stages.upscale.stream import StreamReport

_MB = 1024 * 1024


def stream_metrics(report: StreamReport, frames: int, target: Path, wall_s: float, vram_mb: int) -> dict[str, float]:
    """Of one that went through memory, in `wall_s` seconds, by a model that took so much of a GPU."""
    found: dict[str, float] = {
        "video.frames": frames,
        "upscale.decode_busy_s": report.decode.busy_s,
        "upscale.infer_busy_s": report.infer.busy_s,
        "upscale.encode_busy_s": report.encode.busy_s,
        "upscale.buffer_peak_mb": (report.source_peak + report.result_peak) / _MB,
        "upscale.segment_bytes": target.stat().st_size,
        "upscale.fps": frames / max(wall_s, 1e-3),
    }
    return found | ({"resource.vram_peak_mb": vram_mb} if vram_mb else {})


def file_metrics(footprint: Footprint, target: Path, wall_s: float) -> dict[str, float]:
    """Of one that went by way of files."""
    return {
        "video.frames": footprint.frames,
        "upscale.frames_mb": footprint.nbytes / 1e6,
        "upscale.segment_bytes": target.stat().st_size,
        "upscale.fps": footprint.frames / max(wall_s, 1e-3),
    }
