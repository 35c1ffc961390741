"""NVENC H.264: NVIDIA's encoder chip."""

from stages.media.encoders.adapter import Adapter

ADAPTER = Adapter(
    name="nvenc_h264",
    codec="h264_nvenc",
    family="h264",
    presets=("p7", "p6", "p5", "p4", "p3", "p2", "p1"),
    quality_low=1,  # 0 means "automatic" to FFmpeg
    quality_high=51,
    quality_default=23,
    tiers={"fast": "p1", "balanced": "p4", "quality": "p6"},
    tunes=("hq", "ll", "ull", "lossless"),
    # No 10 bit: most NVENC chips have none for H.264, and say only "no capable devices found".
    pixel_formats=("yuv420p", "nv12", "yuv444p"),
    quality_option="cq",
    threads_option="",
    hardware=True,
    quality_and_bitrate=True,
    own={
        "preset": "p4", "bitrate": "5M", "maxrate": "8M", "bufsize": "10M", "tune": "hq", "sessions": 2,
        "pix_fmt": "yuv420p",
        "options": {"rc": "vbr", "spatial-aq": "1", "temporal-aq": "1"},
    },
)  # fmt: skip
