"""The group `upscaler`, and what the stages of `upscale` have to know besides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stages.settings import setting
from stages.video.settings import FilmSettings

NAMES = ("embedded", "lanczos", "realesrgan", "onnx", "identity")
LEVELS = ("off", "light", "strong")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")


@dataclass(frozen=True)
class UpscalerSettings:
    """Which model makes the pictures larger, and how it is run."""

    name: str = setting("embedded", "embedded needs no download; lanczos is no network", choices=NAMES)
    scale: int = setting(0, "how many times larger; 0: as the model does (embedded, lanczos: 2)", low=0, high=8)
    weights: str = setting("", "file of weights, or a known name such as realesr-animevideov3")
    device: str = setting("auto", "auto, cpu, cuda or cuda:<number>")
    precision: str = setting(
        "auto", "auto: the fastest that the device computes well", choices=PRECISIONS, search=("auto", "fp32", "bf16")
    )
    tile: int = setting(
        0, "side of a tile; 0: from free memory", low=0, high=8192, unit="px", affects_output=False,
        search=(0, 256, 512),
    )  # fmt: skip
    batch: int = setting(
        0, "frames at once; 0: from free memory", low=0, high=64, affects_output=False, search=(1, 2, 4)
    )
    threads: int = setting(
        0, "CPU threads of the model in one segment, beside which others run on the rest; 0: all", low=0, high=1024,
        affects_output=False, search=(0, 1, 2, 4),
    )  # fmt: skip
    stabilise: str = setting("off", "how much flicker between frames is taken away", choices=LEVELS)
    dedup: float = setting(
        0.0, "difference to an earlier frame (mean of any 16×16 px, levels of 255) up to which its result is taken",
        low=0.0, high=16.0, search=(0.0, 1.0, 2.0),
    )  # fmt: skip
    segment_s: float = setting(
        10.0, "footage of one segment, which is what a break may cost", low=0.5, high=600, unit="s",
        affects_output=False,
    )  # fmt: skip
    buffer_mb: int = setting(
        1024, "frames in memory between decoding, model, encoding", low=16, high=65536, unit="MB",
        affects_output=False, search=(256, 1024, 4096),
    )  # fmt: skip
    vram_mb: int = setting(6144, "GPU memory taken at most", low=256, high=1_048_576, unit="MB", affects_output=False)
    disk_factor: float = setting(
        4.0, "disk taken at most, in sizes of the input; 0: no limit", low=0, high=10_000, affects_output=False
    )
    disk_limit_gb: float = setting(
        20.0, "disk taken at most; 0: no limit", low=0, high=1_000_000, unit="GB", affects_output=False
    )
    keep_free_mb: int = setting(
        500, "room that stays free on the disk; below it the work waits", low=0, high=1_000_000, unit="MB",
        affects_output=False,
    )  # fmt: skip
    wait_s: float = setting(
        600.0, "how long it waits for room before it stops", low=0, high=1_000_000, unit="s", affects_output=False
    )
    mode: str = setting(
        "stream", "frames_on_disk: every frame as PNG, for comparison only", choices=("stream", "frames_on_disk")
    )


@dataclass(frozen=True)
class SurveyUpscaleSettings(FilmSettings):
    """What is asked of a film that is made larger."""

    upscaler: dict[str, Any] = setting({}, "settings of the group upscaler")
    encoder: dict[str, Any] = setting({}, "settings of the group encoder")
    tier: str = setting("balanced", "tier that gives the preset", choices=("fast", "balanced", "quality"))
    audio_bitrate: str = setting("192k", "of sound that is coded anew", bitrate=True, low=8_000, high=1_500_000)
    trials: str = setting("", "file that remembers trial encodes", affects_output=False)
    outputs_dir: str = setting("", "where segments and film will lie, unless cache_dir says so", affects_output=False)
    cache_dir: str | None = setting(None, "where segments and film will lie", affects_output=False)
    models_dir: str = setting("", "folder of fetched models", affects_output=False)
    cores: int = setting(
        0, "physical cores; 0: as planned", low=0, high=1024, affects_output=False, machine="cores_physical"
    )
    gpu_mb: int = setting(0, "GPU memory planned with", low=0, unit="MB", affects_output=False, machine="vram_mb")


@dataclass(frozen=True)
class UpscaleSegmentSettings(UpscalerSettings):
    """How segments are made. What is made of which frames is told by the piece."""

    models_dir: str = setting("", "folder of fetched models", affects_output=False)
    tier: str = setting("balanced", "tier that gives the preset", choices=("fast", "balanced", "quality"))
    on_oom: str = setting(
        "auto", "auto and degrade: smaller batches and tiles, then the CPU; fail: neither",
        choices=("auto", "degrade", "fail"), affects_output=False,
    )  # fmt: skip
    cores: int = setting(
        0, "physical cores; 0: as planned", low=0, high=1024, affects_output=False, machine="cores_physical"
    )
    gpu_mb: int = setting(0, "GPU memory planned with", low=0, unit="MB", affects_output=False, machine="vram_mb")
