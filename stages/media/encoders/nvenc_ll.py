"""NVENC H.264 for live pictures: least delay first."""

from stages.media.encoders.adapter import Adapter

ADAPTER = Adapter(
    name="nvenc_ll",
    codec="h264_nvenc",
    family="h264",
    presets=("p7", "p6", "p5", "p4", "p3", "p2", "p1"),
    quality_low=1,  # 0 means "automatic" to FFmpeg
    quality_high=51,
    quality_default=28,
    tiers={"fast": "p1", "balanced": "p1", "quality": "p2"},
    tunes=("ull", "ll"),
    pixel_formats=("yuv420p", "nv12"),
    quality_option="cq",
    threads_option="",
    hardware=True,
    quality_and_bitrate=True,
    variant_of="nvenc_h264",
    own={
        "preset": "p1", "bitrate": "2M", "maxrate": "4M", "bufsize": "8M", "tune": "ull", "sessions": 2,
        "pix_fmt": "yuv420p",
        "options": {"rc": "vbr", "delay": "0"},
    },
)  # fmt: skip
