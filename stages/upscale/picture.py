"""Before and after, side by side: what the model did, to be seen at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from stages.contract import Needs, Result, Stage, Work
from stages.media.frames import read_frames, timeline
from stages.settings import setting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

_STRIP = 26  # px of the line of text above each picture
_GAP = 8


@dataclass(frozen=True)
class PictureUpscaleSettings:
    """How much is shown."""

    frames: int = setting(3, "frames, evenly spread over the film", low=1, high=12)
    side: int = setting(420, "side of the part that is shown, in pixels of the result", low=64, high=2048, unit="px")


class PictureUpscale(Stage[PictureUpscaleSettings]):
    """The part of most detail of a few frames: the film enlarged by bicubic resampling beside the result."""

    config_class = PictureUpscaleSettings
    consumes: ClassVar[Mapping[str, str]] = {"film": "video/", "video": "video/"}
    produces: ClassVar[Mapping[str, str]] = {"picture": "image/png"}

    def run(self, work: Work) -> Result:
        """Draw it.

        Raises:
            StageError: BAD_INPUT when a frame cannot be decoded.
        """
        before, after = (work.item.artifacts[name].path for name in ("film", "video"))
        count = min(timeline(before).count, timeline(after).count)
        places = [round((place + 0.5) * count / self.config.frames - 0.5) for place in range(self.config.frames)]
        rows = [self._row(before, after, index) for index in dict.fromkeys(max(0, place) for place in places)]
        target = work.scratch / "picture.png"
        _stacked(rows).save(target)
        return Result(files={"picture": target})

    def _row(self, before: Path, after: Path, index: int) -> Any:
        """One frame of both, cut to the part where the result has most detail."""
        from PIL import Image

        small, large = _rgb(before, index), _rgb(after, index)
        high, wide = large.shape[:2]
        left, top = _detail(large, self.config.side)
        box = (left, top, min(wide, left + self.config.side), min(high, top + self.config.side))
        enlarged = Image.fromarray(small).resize((wide, high), Image.Resampling.BICUBIC)
        return _titled(f"before (bicubic), frame {index}", enlarged.crop(box)), _titled(
            "after", Image.fromarray(large).crop(box)
        )

    @classmethod
    def needs(cls, config: PictureUpscaleSettings) -> Needs:  # noqa: ARG003
        """A few frames."""
        return Needs(cpu_threads=1.0, ram_mb=500)


def _rgb(path: Path, index: int) -> Pixels:
    frame = next(read_frames(path, index, index + 1, times=timeline(path)))
    return cast("Pixels", frame.picture.to_ndarray(format="rgb24"))


def _detail(pixels: Pixels, side: int) -> tuple[int, int]:
    """Left and top of the square of this side in which neighbouring pixels differ most."""
    import numpy as np

    grey = pixels.mean(axis=2)
    energy = np.abs(np.diff(grey, axis=1))[:-1] + np.abs(np.diff(grey, axis=0))[:, :-1]
    high, wide = grey.shape
    total = np.pad(energy.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    steps = [(left, top) for top in range(0, max(1, high - side), 16) for left in range(0, max(1, wide - side), 16)]

    def held(place: tuple[int, int]) -> float:
        left, top = place
        right, bottom = min(wide - 1, left + side), min(high - 1, top + side)
        return float(total[bottom, right] - total[top, right] - total[bottom, left] + total[top, left])

    return max(steps, key=held)


def _titled(title: str, picture: Any) -> Any:
    from PIL import Image, ImageDraw

    sheet = Image.new("RGB", (picture.width, picture.height + _STRIP), "white")
    sheet.paste(picture, (0, _STRIP))
    ImageDraw.Draw(sheet).text((2, 4), title, fill="#222222", font_size=15)
    return sheet


def _stacked(rows: list[Any]) -> Any:
    from PIL import Image

    wide = max(left.width + right.width for left, right in rows) + _GAP
    high = sum(left.height + _GAP for left, _ in rows) - _GAP
    sheet, top = Image.new("RGB", (wide, high), "white"), 0
    for left, right in rows:
        sheet.paste(left, (0, top))
        sheet.paste(right, (left.width + _GAP, top))
        top += left.height + _GAP
    return sheet
