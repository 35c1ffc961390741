"""Intel Quick Sync H.264."""

from stages.media.encoders.adapter import Adapter

ADAPTER = Adapter(
    name="qsv_h264",
    codec="h264_qsv",
    family="h264",
    presets=("veryslow", "slower", "slow", "medium", "fast", "faster", "veryfast"),
    quality_low=1,
    quality_high=51,
    quality_default=23,
    tiers={"fast": "veryfast", "balanced": "medium", "quality": "slow"},
    tunes=(),
    pixel_formats=("nv12",),
    quality_option="global_quality",
    quality_step=1,
    threads_option="",
    hardware=True,
    own={"preset": "medium"},
)
