"""Where a film is cut into chunks that are encoded apart: at scene changes and at the source's own key frames.

Each chunk of an encode begins with a key frame. At a scene change that costs no bits; at a key frame of the source no
frame is decoded twice, because decoding a chunk begins at the source's key frame before it. Pictures are looked at only
where the sizes of the packets promise a new scene, and only as far as 5 % of the film's frames pay for.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from stages.contract import StageError
from stages.media.faults import reading
from stages.media.frames import Coding, Timeline, picture_stream
from stages.media.probe import opened

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIDES = (64, 36)  # width and height of the grey thumbnails
LOOKED_AT = 0.05  # share of the film's frames that are decoded at most to find scenes
MOST_LEAD = 0.25  # of a chunk's frames: more are not decoded twice for the sake of a cut
_WINDOW = 0.25  # how far a cut moves from its even place, in chunks
_SCENE_S = 2.0  # and how far it moves at most to a scene, in seconds
_REACH = 5  # frames before and after a scene change that it is judged by: lightning is over by then
_STEP = 4.0  # mean change of brightness, of 255, that a scene change has at least
_PEAK = 2.5  # times that it is above the steps around: a fast pan is even, a fade is too
_SPREAD = 1 / 3  # share of the picture that changes: a caption covers less
_EARLY = 0.9  # a key frame before this share of the longest distance was put there for a scene
_LARGE = 1.15  # a frame that takes this much more than the largest around may show something new
_AROUND = 12  # frames before and after that it is held against
_BEHIND = 3  # B-frames that may be shown before the large frame of their scene


@dataclass(frozen=True, slots=True)
class Cut:
    """One chunk.

    Attributes:
        first: index of its first frame, in order of display.
        count: how many frames it has.
        why: what its beginning is: `start` of the film, `scene`, `key frame` or `even`.
        lead: frames that are decoded before the first one, from the source's key frame on.
    """

    first: int
    count: int
    why: str
    lead: int = 0


@dataclass(frozen=True, slots=True)
class Cutting:
    """All chunks of a film, how many frames were decoded to find them, and sentences on what did not go as planned."""

    chunks: tuple[Cut, ...]
    decoded: int = 0
    notes: tuple[str, ...] = ()


def cut_film(path: Path, times: Timeline, coding: Coding, target: int, least: int) -> Cutting:
    """Cut a film into chunks of about `target` frames and no fewer than `least`.

    A cut moves from its even place by a quarter of a chunk at most: to a scene change (2 s at most) that decoding a
    few frames shows, else to a key frame of the source, rather one that its encoder put there for a scene. Else it
    stays. It is left out, and the chunk is longer, where frames share their time or where too much would be decoded
    twice; a film without times, or with a single key frame, stays whole.

    Args:
        path: the film.
        times: its timeline.
        coding: its key frames and sizes (`stages.media.frames.timeline_and_coding`).
        target: frames of a chunk.
        least: frames of the shortest chunk.
    """
    wanted = min(round(times.count / max(1, target)), times.count // max(1, least))
    if wanted < 2 or not times.pts or len(coding.keys) < 2:
        return Cutting((Cut(0, times.count, "start"),))
    film = _Film(path, times, coding, times.count / wanted, least)
    for number in range(1, wanted):
        film.cut_near(round(number * times.count / wanted), paid=number / (wanted - 1))
    return film.cutting()


@dataclass(slots=True)
class _Film:
    """A film while it is being cut; `length` is that of an even chunk, in frames."""

    path: Path
    times: Timeline
    coding: Coding
    length: float
    least: int
    starts: list[Cut] = field(default_factory=lambda: [Cut(0, 0, "start")])
    decoded: int = 0
    notes: list[str] = field(default_factory=list)
    _keys: frozenset[int] = frozenset()
    _early: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        keys = self.coding.keys
        gaps = [after - before for before, after in pairwise(keys)]
        usual = _EARLY * max(gaps)
        self._keys = frozenset(keys)
        self._early = frozenset(key for key, gap in zip(keys[1:], gaps, strict=True) if gap < usual)

    def cutting(self) -> Cutting:
        """What was found so far, as chunks that cover the whole film."""
        ends = [*(cut.first for cut in self.starts[1:]), self.times.count]
        chunks = (
            Cut(cut.first, end - cut.first, cut.why, cut.lead) for cut, end in zip(self.starts, ends, strict=True)
        )
        return Cutting(tuple(chunks), self.decoded, tuple(self.notes))

    def cut_near(self, even: int, paid: float) -> None:
        """Put a cut near a frame, or none. `paid`: share of the whole film's allowance that may be spent by now."""
        near = self._near(even, round(_WINDOW * self.length))
        if not near:
            return
        allowance = int(LOOKED_AT * self.times.count * paid) - self.decoded
        found = self._scene(self._seconds_near(near, even), even, allowance) or self._key(near, even)
        if found is None and even in near and self._may_cut(even):
            found = even, "even"
        if found:
            self.starts.append(Cut(found[0], 0, found[1], self._lead(found[0])))

    def _near(self, even: int, reach: int) -> range:
        first = max(even - reach, self.starts[-1].first + self.least)
        return range(first, min(even + reach, self.times.count - self.least) + 1)

    def _seconds_near(self, near: range, even: int) -> range:
        """The part of a range that is within 2 s of its even place."""
        pts, reach = self.times.pts, _SCENE_S / self.times.time_base
        first, last = bisect_left(pts, pts[even] - reach), bisect_right(pts, pts[even] + reach)
        return range(max(near.start, first), min(near.stop, last))

    def _key_before(self, index: int) -> int:
        """The key frame that decoding begins at to reach a frame; the first frame where a file hides its own."""
        before = bisect_right(self.coding.keys, index) - 1
        return self.coding.keys[before] if before >= 0 else 0

    def _lead(self, index: int) -> int:
        return index - self._key_before(index)

    def _may_cut(self, index: int) -> bool:
        """Whether a time names this frame alone, and little is decoded twice when a chunk begins here."""
        pts = self.times.pts
        alone = pts[index - 1] < pts[index] and (index + 1 == len(pts) or pts[index] < pts[index + 1])
        return alone and self._lead(index) <= MOST_LEAD * self.length

    def _key(self, near: range, even: int) -> tuple[int, str] | None:
        """The key frame to cut at: one that came early, and of those the nearest."""
        keys = self.coding.keys
        inside = keys[bisect_left(keys, near.start) : bisect_left(keys, near.stop)]
        fit = [key for key in inside if self._may_cut(key)]
        if not fit:
            return None
        return min(fit, key=lambda key: (key not in self._early, abs(key - even))), "key frame"

    def _scene(self, near: range, even: int, allowance: int) -> tuple[int, str] | None:
        """A scene change near the even place, as far as the allowance lets us see."""
        spent = self.decoded
        for view in self._views(near, even, allowance):
            left = allowance - (self.decoded - spent)
            scenes = self._scenes(view, left) if len(view) <= left else []
            fit = [scene for scene in scenes if scene in near and self._may_cut(scene)]
            if fit:
                return min(fit, key=lambda scene: abs(scene - even)), "scene"
        return None

    def _views(self, near: range, even: int, allowance: int) -> Iterator[range]:
        """Stretches worth decoding, from a key frame on: around frames that promise a new scene, the likeliest first.

        Where each frame is a key frame their sizes promise nothing, and each stretch costs the same.
        """
        if len(self._keys) == self.times.count:
            side = min(allowance, len(near)) // 2
            yield range(max(0, even - side), min(even + side, self.times.count))
            return
        promises = {at: self._promise(at) for at in near}
        for at in sorted((at for at in near if promises[at] > _LARGE), key=lambda at: (-promises[at], abs(at - even))):
            start = self._key_before(max(0, at - _BEHIND - _REACH))
            yield range(start, min(at + _REACH + 1, self.times.count))

    def _promise(self, index: int) -> float:
        """How much a frame was something new to the source's encoder: it gave it a key frame early, or many bytes."""
        if index in self._keys:
            return math.inf if index in self._early else 0.0
        sizes = self.coding.sizes
        nearby = range(max(0, index - _AROUND), min(index + _AROUND + 1, len(sizes)))
        return sizes[index] / max(
            (sizes[at] for at in nearby if at != index and at not in self._keys), default=math.inf
        )

    def _scenes(self, view: range, allowance: int) -> list[int]:
        """Scene changes in a stretch of frames; none, and a note, where it does not decode."""
        try:
            first, thumbnails = self._thumbnails(view, allowance)
        except StageError as error:
            self.notes.append(f"no scene change was looked for near frame {view.stop}: {error.sentence}")
            return []
        return [first + at for at in scene_changes(thumbnails)]

    def _thumbnails(self, view: range, allowance: int) -> tuple[int, NDArray[np.int16]]:
        """Thumbnails of a range of frames, and the index of the first.

        They are fewer where a seek landed late, or so early that the allowance is spent, and end where one is missing.
        """
        import numpy as np

        found: list[NDArray[np.int16]] = []
        first = view.start
        for seen, (pts, picture) in enumerate(_grey(self.path, self.times.pts[view.start]), start=1):
            self.decoded += 1
            index = -1 if pts is None else bisect_left(self.times.pts, pts)
            if index >= view.start:
                first = first if found else index
                if index != first + len(found):
                    break
                found.append(picture)
            if index + 1 >= view.stop or seen >= allowance:
                break
        return first, np.stack(found) if found else np.empty((0, SIDES[0] * SIDES[1]), np.int16)


def _grey(path: Path, since: int) -> Iterator[tuple[int | None, NDArray[np.int16]]]:
    """Pts and small grey picture of each frame from the key frame before a pts on.

    One thread and no deblocking: threads would decode ahead what nobody looks at, and a thumbnail shows no blocks.
    """
    import numpy as np

    with opened(path) as container, reading(path):
        stream = picture_stream(container, path)
        stream.thread_type = "NONE"
        stream.codec_context.options = {"skip_loop_filter": "all"}
        if since:
            container.seek(since, stream=stream, backward=True)
        for frame in container.decode(stream):
            small = frame.reformat(*SIDES, format="gray", interpolation="AREA").to_ndarray()
            yield frame.pts, small.astype(np.int16).ravel()


def scene_changes(thumbnails: NDArray[np.int16]) -> list[int]:
    """Which frames begin a new scene.

    A new scene is one step of brightness that stands out from the steps around it (motion is even, a fade is too),
    goes over much of the picture (a caption does not), and stays (a flash does not).

    Args:
        thumbnails: grey 0 … 255, shape [frames, pixels], in order of display without gaps.

    Returns:
        indices; the first and last five frames have too few neighbours to be judged.
    """
    import numpy as np

    changes = np.abs(np.diff(thumbnails, axis=0))
    steps = np.concatenate([[0.0], changes.mean(axis=1)])
    found = []
    for at in range(_REACH, len(thumbnails) - _REACH):
        around = max(steps[at - _REACH + 1 : at].max(), steps[at + 1 : at + _REACH].max())
        spread = (changes[at - 1] > _STEP).mean()
        stays = np.abs(thumbnails[at + _REACH - 1] - thumbnails[at - 1]).mean()
        if steps[at] > max(_STEP, _PEAK * around) and spread > _SPREAD and stays > steps[at] / 2:
            found.append(at)
    return found
