"""The section `scene`: size, rate and movement of scenes, and what the clips' encode has to know besides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stages.scene.motion import AUTO, EASINGS, MOTIONS
from stages.settings import setting

AFFINE = "affine"
RENDERERS = (AFFINE, "zoompan")


@dataclass(frozen=True)
class SceneSettings:
    """How a still becomes moving pictures."""

    width: int = setting(768, "width of the film", low=32, high=8192, unit="px")
    height: int = setting(1344, "height of the film", low=32, high=8192, unit="px")
    fps: str = setting("25", "frames per second, such as 25 or 30000/1001")
    zoom: float = setting(
        0.001, "how much a still grows in a frame, of its size; pans go as fast", low=0.0, high=0.05,
        search=(0.0005, 0.001, 0.002),
    )  # fmt: skip
    zoom_limit: float = setting(1.5, "nearest view of a still; longer scenes zoom more slowly", low=1.0, high=2.0)
    motion: str = setting(
        AUTO, "of scenes that name none: auto varies zooms and pans by the scene's seed", choices=(AUTO, *MOTIONS)
    )
    easing: str = setting("linear", "linear: even speed; smooth: starts and ends at rest", choices=EASINGS)
    renderer: str = setting(
        AFFINE, "affine moves by parts of pixels; zoompan is FFmpeg's filter, which shakes", choices=RENDERERS
    )
    pause_s: float = setting(0.0, "silence after the speech of scenes that name none", low=0.0, high=60.0, unit="s")
    gop_s: float = setting(4.0, "longest time between key frames", low=0.1, high=60.0, unit="s")


@dataclass(frozen=True)
class SceneClipSettings(SceneSettings):
    """What is asked of a clip, and how it is encoded."""

    encoder: dict[str, Any] = setting({}, "settings of the group encoder")
    tier: str = setting("balanced", "tier that gives the preset", choices=("fast", "balanced", "quality"))
    trials: str = setting("", "file that remembers trial encodes", affects_output=False)
    cores: int = setting(
        0, "physical cores; 0: as planned", low=0, high=1024, affects_output=False, machine="cores_physical"
    )
    sessions: int = setting(
        0, "hardware encodes at once; 0: as planned", low=0, high=64, affects_output=False, machine="encoder_sessions"
    )


@dataclass(frozen=True)
class SceneScoreSettings(SceneSettings):
    """What the clips were made of."""

    threads: int = setting(0, "threads; 0: one per usable CPU", low=0, high=256, affects_output=False)
