"""Frames that do not belong together: which, since when, and how that is said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from stages.media.align import Alignment, align
from stages.media.score import Scoring, Window
from stages.quality.pair import Pair

_TOLD = 3  # slips named in a sentence


@dataclass(frozen=True, slots=True)
class Misfit:
    """Frames that do not belong together: the first index, how many are known of, and the sentence."""

    index: int
    frames: int
    sentence: str


def misfit(pair: Pair, alignment: Alignment, first: int) -> Misfit | None:
    """What thumbnails of a window that begins at frame `first` tell; None when all are in place."""
    name = pair.video.called
    if alignment.unlike:
        what = f"{name}: does not show what the reference shows, from index {first} on (match {alignment.alike:.2f})"
        return Misfit(first, max(1, alignment.displaced), what)
    if not alignment.slips:
        return None
    slips = alignment.slips
    said = "; ".join(slip.sentence(first) for slip in slips[:_TOLD])
    more = f"; and {len(slips) - _TOLD} more" if len(slips) > _TOLD else ""
    lost = first + min(slips[0].index, slips[0].index + slips[0].before)
    return Misfit(max(0, lost), alignment.displaced, f"{name}: frames are out of step: {said}{more}")


def located(thumbnails_only: Scoring, pair: Pair, folder: Path) -> Misfit:
    """Which frame is missing or too many, by thumbnails of all frames that both have.

    Raises:
        StageError: as `Scoring.run`.
    """
    counts = f"has {pair.video_times.count} frames, the reference {pair.reference_times.count}"
    name = pair.video.called
    seen = thumbnails_only.run(Window(0, pair.count), folder, lambda _done: None)
    found = misfit(pair, align(seen.reference, seen.distorted, -pair.surplus), 0)
    if found is not None:
        said = found.sentence.removeprefix(f"{name}: ")
        return replace(found, frames=found.frames + abs(pair.surplus), sentence=f"{name}: {counts}: {said}")
    end = f"{'ends' if pair.surplus < 0 else 'goes on'} after index {pair.count - 1}, or differs where nothing moves"
    return Misfit(pair.count, abs(pair.surplus), f"{name}: {counts}: it {end}")
