"""Two videos, when their frames are shown, and which of them are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from stages.contract import Json
from stages.media.frames import Timeline, Track, timeline, track
from stages.media.geometry import Geometry, geometry
from stages.media.score import Window

_NEARLY_ALL = 0.85  # windows that cover this much of a film cost as much as all of it
_TOLERANCE_S = 0.001


@dataclass(frozen=True, slots=True)
class Pair:
    """Two videos and when their frames are shown. Frames that an edit list hides are none."""

    reference: Track
    video: Track
    reference_times: Timeline
    video_times: Timeline

    @property
    def count(self) -> int:
        """Frames that both have."""
        return min(self.reference_times.count, self.video_times.count)

    @property
    def surplus(self) -> int:
        """Frames the video has more than the reference; negative: fewer."""
        return self.video_times.count - self.reference_times.count

    @property
    def timed(self) -> bool:
        """Whether both tell when their frames are shown."""
        return bool(self.reference_times.pts and self.video_times.pts)


def read_pair(reference: Path, video: Path, name: str = "") -> Pair:
    """Read both at once: the wait is for the disk as much as for the reader. `name` is what the video is called.

    Raises:
        StageError: BAD_INPUT when either holds no picture that decodes.
    """
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda path: (track(path), timeline(path)), (reference, video)))
    return Pair(both[0][0], replace(both[1][0], name=name), both[0][1], both[1][1])


def compared(data: Mapping[str, Json]) -> tuple[Geometry, list[str]]:
    """How the two pictures meet, and with what the video is compared where that is not what it was made from.

    `compare` tells of a video and what it was made from. A reference of the user's (`against`, see
    `stages.video.films`) shows what the finished film shows, all of it.
    """
    against = data.get("against")
    if not against:
        return geometry(data.get("compare")), []
    if "missing" in against:
        return Geometry(reason=against["missing"]), []
    return Geometry(), [f"compared with {against['file']}"]


def times_note(pair: Pair) -> Iterator[str]:
    """Times do not enter the scores; that they differ is worth telling all the same."""
    if not pair.timed or not pair.count:
        return
    apart = [abs(pair.reference_times.seconds(i) - pair.video_times.seconds(i)) for i in range(pair.count)]
    worst = max(apart)
    if worst > _TOLERANCE_S:
        at = apart.index(worst)
        name = pair.video.called
        yield f"{name}: frames are shown up to {worst * 1000:.0f} ms off (index {at}); compared by index"


def spread(pair: Pair, count: int, number: int, seconds: float) -> Iterator[Window]:
    """Evenly spread windows in the first `count` frames; all of them in one where that is no more work."""
    times = pair.reference_times
    whole_s = times.seconds(count - 1) if pair.timed and count > 1 else 0.0
    length = max(1, round(seconds * (count - 1) / whole_s)) if whole_s > 0 else count
    if not number or number * length >= _NEARLY_ALL * count:
        yield from [Window(0, count)] if count else []
        return
    gap = (count - number * length) / number
    for place in range(number):
        first = _seekable(pair, int(gap / 2 + place * (gap + length)))
        seeks = (times.just_before(first), pair.video_times.just_before(first)) if first else (None, None)
        yield Window(first, first + length, *seeks)


def _seekable(pair: Pair, index: int) -> int:
    """The nearest index from here back whose time tells it from the frame before, in both."""
    both = pair.reference_times.pts, pair.video_times.pts
    while index and any(pts[index] == pts[index - 1] for pts in both):
        index -= 1
    return index
