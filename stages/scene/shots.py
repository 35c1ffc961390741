"""One scene as it is shot: how many frames, which views, and the frames themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from stages.contract import Failure, Item, Json, StageError
from stages.scene.motion import Camera, Course, camera
from stages.scene.planes import OVER, make_planes
from stages.scene.settings import SceneSettings
from stages.scene.still import read_still
from stages.scene.timing import frames_of, rate_of
from stages.settings import Problem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

READS = ("seed", "duration_s")
MAY_READ = ("motion", "pause_s", "fonts")


@dataclass(frozen=True, slots=True)
class Shot:
    """What a scene's clip shows.

    Attributes:
        size: width and height of the frames, pixels.
        fps: frames per second.
        camera: the views.
        still: shape [height, width, 3], red first.
    """

    size: tuple[int, int]
    fps: Fraction
    camera: Camera
    still: NDArray[np.uint8]

    def frames(self) -> Iterator[memoryview]:
        """Raw frames of 4:2:0 in BT.709, limited range; each lies where the one before it was."""
        from stages.scene.kenburns import draw

        return draw(make_planes(self.still, self.camera, self.size), self.camera, self.size)

    @property
    def count(self) -> int:
        """How many frames."""
        return self.camera.frames


def shot(item: Item, config: SceneSettings) -> Shot:
    """The shot of a scene.

    Args:
        item: with the artifact `image`, and the data of `READS` and `MAY_READ`.
        config: what is asked.

    Raises:
        StageError: BAD_INPUT when the image cannot be decoded; BUG for a length that is none.
    """
    size, fps = (config.width, config.height), rate_of(config.fps)
    still = read_still(item.artifacts["image"].path, f"{item.key}: image", (OVER * size[0], OVER * size[1]))
    count = _count(item, config, fps)
    course = course_of(config, item.data)
    return Shot(size, fps, camera(count, (still.shape[1], still.shape[0]), size, course), still)


def course_of(config: SceneSettings, data: Mapping[str, Json]) -> Course:
    """What is asked of the camera: the scene's own motion comes before the setting."""
    motion = data.get("motion") or config.motion
    return Course(motion, config.zoom, config.zoom_limit, config.easing, int(data["seed"]))


def _count(item: Item, config: SceneSettings, fps: Fraction) -> int:
    pause = item.data.get("pause_s")
    try:
        return frames_of(item.data["duration_s"], config.pause_s if pause is None else pause, fps)
    except ValueError as error:
        raise StageError(Failure.BUG, f"{item.key}: {error}") from error


def scene_problems(width: int, height: int, fps: str, key: str) -> Iterator[Problem]:
    """What is wrong with a film's size and rate."""
    for name, side in (("width", width), ("height", height)):
        if side % 2:
            yield Problem(f"{key}.{name}", f"{side} is odd, and colour has half the lines", f"use {side + 1}")
    try:
        rate_of(fps)
    except ValueError as error:
        yield Problem(f"{key}.fps", str(error), "write it like 25 or 30000/1001")
