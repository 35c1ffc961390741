"""SVT-AV1: AV1 on the CPU."""

from stages.media.encoders.adapter import Adapter

ADAPTER = Adapter(
    name="svtav1",
    codec="libsvtav1",
    family="av1",
    presets=("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13"),
    quality_low=1,  # 0 means "not set" to FFmpeg
    quality_high=63,
    quality_default=32,
    tiers={"fast": "11", "balanced": "8", "quality": "5"},
    # 0 for the eye, 1 for PSNR, 2 for SSIM; its others want all-intra coding or change the picture beforehand.
    tunes=("0", "1", "2"),
    pixel_formats=("yuv420p", "yuv420p10le"),
    tune_option="svtav1-params:tune",
    quality_step=1,  # FFmpeg takes whole numbers alone
    threads_option="",  # it takes a level of parallelism of its own making, no number of threads
    level_option="svtav1-params:lp",
    own={"preset": "8"},
)
