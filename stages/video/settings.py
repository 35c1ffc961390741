"""What is asked of a film: the group `video`, and with it what the survey has to know besides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stages.media.color import TONE_MAPS
from stages.media.containers import AUTO, CONTAINERS
from stages.quality.target import TargetSettings
from stages.settings import setting


@dataclass(frozen=True)
class FilmSettings:
    """What is made of films, besides how they are encoded (group `encoder`)."""

    container: str = setting(
        AUTO, "auto: the film's own kind where it holds everything, else mkv", choices=(AUTO, *CONTAINERS)
    )
    crop: str = setting("", "part of the picture as one sees it, width:height:x:y")
    scale: str = setting("", "size to fit into, keeping the shape: 1280x720, x720 or 1280x")
    fps: str = setting("", "frames per second, such as 25 or 30000/1001; empty: every frame at its own time")
    deinterlace: str = setting("auto", "auto: when the film says it is interlaced", choices=("auto", "on", "off"))
    tone_map: str = setting("off", "sdr: bring HDR (PQ, HLG) to BT.709", choices=TONE_MAPS)
    audio: str = setting(
        "copy", "copy where the container holds it, encode anew, or drop", choices=("copy", "encode", "drop")
    )
    on_lost: str = setting("refuse", "a stream that the container cannot hold", choices=("refuse", "drop"))
    odd_size: str = setting(
        "pad", "an odd side that the encoder cannot hold: pad by a line, or refuse", choices=("pad", "refuse")
    )
    salvage: bool = setting(False, "keep what decodes of a damaged film")
    chunks: str = setting("auto", "auto, off, or the seconds of a chunk")
    verify: str = setting(
        "packets",
        "packets: every frame's time and every stream; decode: all of it is decoded too",
        choices=("packets", "decode"),
        affects_output=False,
    )


@dataclass(frozen=True)
class SurveyFilmSettings(FilmSettings, TargetSettings):
    """What is asked of a film, and what the survey decides with."""

    encoder: dict[str, Any] = setting({}, "settings of the group encoder")
    tier: str = setting("balanced", "tier that gives the preset", choices=("fast", "balanced", "quality"))
    audio_bitrate: str = setting("192k", "of sound that is coded anew", bitrate=True, low=8_000, high=1_500_000)
    workers: str = setting(AUTO, "chunks that are encoded at once", affects_output=False)
    trials: str = setting("", "file that remembers trial encodes", affects_output=False)
    probes: str = setting("", "file that remembers probes of quality targets", affects_output=False)
    cores: int = setting(
        0, "physical cores; 0: as planned", low=0, high=1024, affects_output=False, machine="cores_physical"
    )
    ram_mb: int = setting(
        0, "memory to plan with; 0: as planned", low=0, unit="MB", affects_output=False, machine="ram_mb"
    )
