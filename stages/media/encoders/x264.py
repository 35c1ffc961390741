"""libx264: H.264 on the CPU."""

from stages.media.encoders.adapter import Adapter

ADAPTER = Adapter(
    name="x264",
    codec="libx264",
    family="h264",
    presets=(
        "placebo", "veryslow", "slower", "slow", "medium", "fast", "faster", "veryfast", "superfast", "ultrafast",
    ),
    quality_low=0,
    quality_high=51,
    quality_default=21,
    tiers={"fast": "ultrafast", "balanced": "medium", "quality": "slow"},
    tunes=("film", "animation", "grain", "stillimage", "psnr", "ssim", "fastdecode", "zerolatency"),
    pixel_formats=("yuv420p", "yuv422p", "yuv444p", "nv12", "yuv420p10le", "yuv422p10le", "yuv444p10le"),
    own={"preset": "medium", "tune": "film"},
)  # fmt: skip
