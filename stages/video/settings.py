"""What is asked of a film: one set of settings for the survey and all that it asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stages.media.containers import AUTO, CONTAINERS
from stages.settings import setting


@dataclass(frozen=True)
class SurveyFilmSettings:
    """What is asked of a film."""

    encoder: dict[str, Any] = setting({}, "settings of the group encoder")
    tier: str = setting("balanced", "tier that gives the preset", choices=("fast", "balanced", "quality"))
    container: str = setting(AUTO, "auto: the film's own kind where it holds everything, else mkv",
                             choices=(AUTO, *CONTAINERS))  # fmt: skip
    crop: str = setting("", "part of the picture as one sees it, width:height:x:y")
    scale: str = setting("", "size to fit into, keeping the shape: 1280x720, x720 or 1280x")
    fps: str = setting("", "frames per second, such as 25 or 30000/1001; empty: every frame at its own time")
    deinterlace: str = setting("auto", "auto: when the film says it is interlaced", choices=("auto", "on", "off"))
    tone_map: str = setting("off", "sdr: bring HDR (PQ, HLG) to BT.709", choices=("off", "sdr"))
    audio: str = setting("copy", "copy where the container holds it, encode anew, or drop",
                         choices=("copy", "encode", "drop"))  # fmt: skip
    audio_bitrate: str = setting("192k", "of sound that is coded anew", bitrate=True, low=8_000, high=1_500_000)
    on_lost: str = setting("refuse", "a stream that the container cannot hold", choices=("refuse", "drop"))
    odd_size: str = setting("pad", "an odd side that the encoder cannot hold: pad by a line, or refuse",
                            choices=("pad", "refuse"))  # fmt: skip
    salvage: bool = setting(False, "keep what decodes of a damaged film")
    chunks: str = setting("auto", "auto, off, or the seconds of a chunk")
    workers: str = setting(AUTO, "chunks that are encoded at once", affects_output=False)
    trials: str = setting("", "file that remembers trial encodes", affects_output=False)
    cores: int = setting(0, "physical cores; 0: those this process may use", low=0, high=1024,
                         affects_output=False, machine="cores_physical")  # fmt: skip
    ram_mb: int = setting(0, "memory to plan with; 0: what is free", low=0, unit="MB",
                          affects_output=False, machine="ram_mb")  # fmt: skip
