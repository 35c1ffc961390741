"""The group `encoder`: how pictures are coded. One schema for all its options, so that they can be swept."""

from __future__ import annotations

from dataclasses import dataclass

from stages.settings import setting

AUTO_PIXELS = "auto"  # of pix_fmt: as the source


@dataclass(frozen=True)
class EncoderConfig:
    """One encoder and its numbers. None means: as the encoder does by itself.

    `preset`, `quality` and `tune` are the encoder's own words and numbers (x264 `medium`, CRF; NVENC `p4`, CQ;
    lower quality numbers look better). What each encoder takes is in its adapter file beside this one.
    """

    name: str = setting("auto", "option of the group encoder; auto decides by a trial encode")
    codec: str = setting("auto", "FFmpeg's name of the encoder")
    preset: str | None = setting(None, "speed against quality, in the encoder's own word; default: by profile.tier")
    quality: float | None = setting(None, "constant quality (CRF, CQ) in the encoder's own number")
    bitrate: str = setting("", "target bitrate", bitrate=True, low=10_000, high=1_000_000_000)
    maxrate: str = setting("", "highest bitrate", bitrate=True, low=10_000, high=1_000_000_000)
    bufsize: str = setting("", "buffer over which maxrate holds", bitrate=True, low=10_000, high=2_000_000_000)
    tune: str | None = setting(None, "kind of picture or purpose, in the encoder's own word")
    threads: int | None = setting(
        None, "threads of a software encoder; default: physical cores", low=1, high=256, affects_output=False
    )
    pix_fmt: str = setting(
        AUTO_PIXELS, "pixel format that is encoded, FFmpeg's name; auto: as the source, as near as the encoder holds it"
    )
    gop: int | None = setting(None, "frames from one key frame to the next at most", low=1, high=100_000)
    sessions: int | None = setting(
        None,
        "encodes at once on a hardware encoder; default: hardware.encoder_sessions",
        low=1,
        high=64,
        affects_output=False,
    )
    fallback: str = setting(
        "next", "when it cannot encode here: next takes the next best encoder, none fails", choices=("next", "none")
    )
    options: dict[str, str] = setting({}, "further options of the encoder, by FFmpeg's names")
