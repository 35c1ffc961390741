"""The sections `music` and `sound`, and what the stages of `short` have to know besides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stages.settings import setting

MODES = ("duck", "plain")


@dataclass(frozen=True)
class MusicSettings:
    """Music under the speech: looped to the length of the film, faded at its ends."""

    file: str = setting("", "any file with sound that FFmpeg reads; empty for no music")
    mode: str = setting("duck", "duck: softer while somebody speaks; plain: speech 1 to music volume", choices=MODES)
    volume: float = setting(0.2, "plain: what the music's samples are multiplied by", low=0.0, high=4.0)
    under_db: float = setting(
        8.0, "duck: how far the music is below the speech where nobody speaks", low=-12, high=40, unit="LU"
    )
    duck_db: float = setting(12.0, "duck: how much softer it becomes under speech", low=0, high=60, unit="dB")
    attack_s: float = setting(0.2, "duck: time to become softer, before the speech begins", low=0.01, high=5, unit="s")
    hold_s: float = setting(0.3, "duck: pauses up to this keep it soft", low=0, high=10, unit="s")
    release_s: float = setting(0.6, "duck: time to come back", low=0.01, high=10, unit="s")
    crossfade_s: float = setting(2.0, "how long a loop's end and beginning overlap, at most", low=0, high=30, unit="s")
    fade_in_s: float = setting(1.0, "from silence, at the beginning of the film", low=0, high=60, unit="s")
    fade_out_s: float = setting(3.0, "to silence, at its end", low=0, high=60, unit="s")


@dataclass(frozen=True)
class SoundSettings:
    """The sound track of the film."""

    sample_rate: int = setting(44100, "samples per second", choices=(32000, 44100, 48000), unit="Hz")
    bitrate: str = setting("128k", "average bitrate of the AAC track", bitrate=True, low=32_000, high=512_000)
    normalize: bool = setting(True, "bring the film to target_lufs; false only keeps it below true_peak_db")
    target_lufs: float = setting(-14.0, "integrated loudness wanted", low=-40, high=-6, unit="LUFS")
    true_peak_db: float = setting(-1.0, "highest true peak of the finished track", low=-9, high=0, unit="dBTP")
    edge_ms: float = setting(3.0, "fade at both ends of each speech, so that no join clicks", low=0, high=50, unit="ms")


@dataclass(frozen=True)
class ShortSoundSettings(SoundSettings):
    """What the stage that makes the track takes."""

    fps: str = setting("25", "frames per second of the clips, such as 25 or 30000/1001")
    pause_s: float = setting(0.0, "silence after a speech whose scene asks for none", low=0, high=60, unit="s")
    music: dict[str, Any] = setting({}, "settings of the section music")
    aac_coder: str = setting("fast", "search of FFmpeg's AAC encoder", choices=("twoloop", "fast"))


@dataclass(frozen=True)
class ShortFilmSettings:
    """What goes into the film beside pictures and sound."""

    comment: str = setting("", "tag `comment` of the film; empty for none")
    chapters: bool = setting(True, "a chapter per scene")
    thumbnail_quality: int = setting(90, "JPEG quality of the thumbnail", low=10, high=100)
    thumbnail_scenes: int = setting(3, "it is chosen among frames of so many first scenes", low=1, high=100)
