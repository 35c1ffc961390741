"""libx265: HEVC on the CPU."""

from stages.media.encoders.adapter import Adapter

ADAPTER = Adapter(
    name="x265",
    codec="libx265",
    family="hevc",
    presets=(
        "placebo", "veryslow", "slower", "slow", "medium", "fast", "faster", "veryfast", "superfast", "ultrafast",
    ),
    quality_low=0,
    quality_high=51,
    quality_default=24,
    tiers={"fast": "ultrafast", "balanced": "medium", "quality": "slow"},
    tunes=("psnr", "ssim", "grain", "animation", "fastdecode", "zerolatency"),
    pixel_formats=("yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"),
    # FFmpeg's own -threads becomes frame threads here, of which x265 refuses more than 16.
    threads_option="x265-params:pools",
    own={"preset": "medium"},
)  # fmt: skip
