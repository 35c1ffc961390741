"""How much of the picture an encode kept: VMAF, SSIM and PSNR of a video against what it was made from."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from stages.contract import Failure, Json, Needs, Result, Stage, StageError, Step, Work
from stages.media.align import Alignment, align
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.frames import Timeline, Track, timeline, track
from stages.media.pooling import PSNR_CAP, pooled
from stages.media.score import SMALLEST_VMAF, Scores, Scoring, Window
from stages.platform import usable_cpus
from stages.settings import setting

if TYPE_CHECKING:
    from stages.media.ffmpeg import FFmpeg

_MODEL, _MODEL_4K = "vmaf_v0.6.1", "vmaf_4k_v0.6.1"
_NEARLY_ALL = 0.85  # windows that cover this much of a film cost as much as all of it
_TOLERANCE_S = 0.001
_PLACES = 6
_TOLD = 3  # slips named in a sentence


@dataclass(frozen=True)
class ScorePictureSettings:
    """What is compared, and what becomes of frames that do not match."""

    windows: int = setting(0, "evenly spread windows that are scored; 0 scores every frame", low=0, high=1000)
    window_s: float = setting(10.0, "length of a window", low=0.1, high=600, unit="s")
    on_misaligned: str = setting(
        "fail", "a dropped, doubled or shifted frame fails the task, or is reported", choices=("fail", "report")
    )
    metric: str = setting("auto", "auto: VMAF where FFmpeg has it", choices=("auto", "vmaf", "ssim_psnr"))
    threads: int = setting(0, "threads; 0: one per usable CPU", low=0, high=256, affects_output=False)


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two videos and when their frames are shown."""

    reference: Track
    video: Track
    reference_times: Timeline
    video_times: Timeline

    @property
    def count(self) -> int:
        return min(self.reference_times.count, self.video_times.count)

    @property
    def surplus(self) -> int:
        """Frames the video has more than the reference; negative: fewer."""
        return self.video_times.count - self.reference_times.count


@dataclass(frozen=True, slots=True)
class _Misfit:
    """Frames that do not belong together: the first index, how many are known of, and the sentence."""

    index: int
    frames: int
    sentence: str


class ScorePicture(Stage[ScorePictureSettings]):
    """Scores `video` against `reference`, frame by frame of the same index, whatever their times.

    Frames that are missing, doubled or shifted are named, never scored: the task fails, or with
    `on_misaligned: report` only the frames before the first such one are scored.
    """

    config_class = ScorePictureSettings
    consumes: ClassVar[Mapping[str, str]] = {"reference": "video/", "video": "video/"}
    produces: ClassVar[Mapping[str, str]] = {"scores": "application/json"}
    writes: ClassVar[tuple[str, ...]] = ("quality",)

    def run(self, work: Work) -> Result:
        """Score one pair.

        Raises:
            StageError: BAD_INPUT for what does not decode, and for frames that do not match; ENCODER without a
                metric that was asked for.
        """
        pair = _pair(work.item.artifacts["reference"].path, work.item.artifacts["video"].path)
        scoring, notes = self._scoring(pair)
        count, misfit = pair.count, None
        if pair.surplus:
            misfit = _located(replace(scoring, metrics=False), pair, work.scratch / "located")
            self._refuse(misfit)
            count = misfit.index
        windows = list(_spread(pair, count, self.config.windows, self.config.window_s))
        rows, found = _scored(scoring, windows, pair, work)
        if found is not None and misfit is None:
            misfit = found
            self._refuse(misfit)
            rows = [row for row in rows if row["index"] < found.index]
        return _result(work, scoring, rows, misfit, [*notes, *_times_note(pair, misfit)])

    def _refuse(self, misfit: _Misfit) -> None:
        if self.config.on_misaligned == "fail":
            mend = "make the video again, or set on_misaligned=report to score the frames before it"
            raise StageError(Failure.BAD_INPUT, f"{misfit.sentence}; {mend}")

    def _scoring(self, pair: _Pair) -> tuple[Scoring, list[str]]:
        """What is run on this pair, and a note for all that was not done as one might expect."""
        ffmpeg = ffmpeg_binary()
        model, why = _model(ffmpeg, pair.reference, self.config.metric)
        threads = self.config.threads or len(usable_cpus())
        notes = [why] if why else []
        notes += _conversions(pair.reference, pair.video)
        return Scoring(ffmpeg.path, pair.reference, pair.video, model, threads), notes

    @classmethod
    def needs(cls, config: ScorePictureSettings) -> Needs:
        """All its threads; memory as measured at 3840 × 2160 and 10 bit, where each thread holds frames."""
        threads = config.threads or len(usable_cpus())
        return Needs(cpu_threads=float(threads), ram_mb=900 + 450 * threads)

    @classmethod
    def ladder(cls, config: ScorePictureSettings, failure: Failure) -> Iterable[Step]:
        """Frames in flight go with the threads."""
        if failure is Failure.HOST_OOM and config.threads != 1:
            yield Step({"threads": 1}, "one thread holds the fewest frames in memory")

    @classmethod
    def tools(cls, config: ScorePictureSettings) -> Mapping[str, str]:  # noqa: ARG003
        """The FFmpeg that scores: with it the models and metrics may change."""
        return {"ffmpeg": ffmpeg_binary().identity}


def _pair(reference: Path, video: Path) -> _Pair:
    return _Pair(track(reference), track(video), timeline(reference), timeline(video))


def _model(ffmpeg: FFmpeg, reference: Track, metric: str) -> tuple[str, str]:
    """The VMAF model by the reference's size, or "" and why there is none."""
    if metric == "ssim_psnr":
        return "", ""
    why = ""
    if not ffmpeg.has("libvmaf"):
        why = f"{ffmpeg.path.name} {ffmpeg.version} has no libvmaf"
    elif min(reference.width, reference.height) < SMALLEST_VMAF:
        why = f"pictures of {reference.width}×{reference.height} are too small for VMAF"
    if why and metric == "vmaf":
        raise StageError(Failure.ENCODER, f"VMAF cannot be measured: {why}; use metric=auto")
    if why:
        return "", f"VMAF not measured: {why}; SSIM and PSNR were"
    return (_MODEL_4K if reference.width > 2560 or reference.height > 1440 else _MODEL), ""


def _conversions(reference: Track, video: Track) -> Iterator[str]:
    if (video.width, video.height) != (reference.width, reference.height):
        size = f"from {video.width}×{video.height} to {reference.width}×{reference.height}"
        yield f"{video.path.name}: scaled {size} (bicubic) to be scored"
    if video.full_range != reference.full_range:
        names = {True: "full", False: "limited"}
        told = f"{names[video.full_range]} colour range, the reference {names[reference.full_range]}"
        yield f"{video.path.name}: has {told}; converted to be scored"
    if video.depth != reference.depth:
        yield f"{video.path.name}: has {video.depth} bit, the reference {reference.depth}; scored at the deeper"


def _times_note(pair: _Pair, misfit: _Misfit | None) -> Iterator[str]:
    """Times do not enter the scores; that they differ is worth telling all the same."""
    if misfit is not None or not (pair.reference_times.pts and pair.video_times.pts):
        return
    apart = [abs(pair.reference_times.seconds(i) - pair.video_times.seconds(i)) for i in range(pair.count)]
    worst = max(apart)
    if worst > _TOLERANCE_S:
        at = apart.index(worst)
        name = pair.video.path.name
        yield f"{name}: frames are shown up to {worst * 1000:.0f} ms off (index {at}); compared by index"


def _spread(pair: _Pair, count: int, number: int, seconds: float) -> Iterator[Window]:
    """Evenly spread windows in the first `count` frames; all of them in one where that is no more work."""
    times = pair.reference_times
    known = bool(times.pts and pair.video_times.pts) and count > 1
    whole_s = times.seconds(count - 1) if known else 0.0
    length = max(1, round(seconds * (count - 1) / whole_s)) if whole_s > 0 else count
    if not number or number * length >= _NEARLY_ALL * count:
        yield from [Window(0, count)] if count else []
        return
    gap = (count - number * length) / number
    for place in range(number):
        first = _seekable(pair, int(gap / 2 + place * (gap + length)))
        seeks = (times.just_before(first), pair.video_times.just_before(first)) if first else (None, None)
        yield Window(first, first + length, *seeks)


def _seekable(pair: _Pair, index: int) -> int:
    """The nearest index from here back whose time tells it from the frame before, in both."""
    both = pair.reference_times.pts, pair.video_times.pts
    while index and any(pts[index] == pts[index - 1] for pts in both):
        index -= 1
    return index


def _located(scoring: Scoring, pair: _Pair, folder: Path) -> _Misfit:
    """Which frame is missing or too many, by thumbnails of all frames that both have."""
    counts = f"has {pair.video_times.count} frames, the reference {pair.reference_times.count}"
    thumbnails = scoring.run(Window(0, pair.count), folder, lambda _done: None)
    found = _misfit(pair, align(thumbnails.reference, thumbnails.distorted, -pair.surplus), 0)
    if found is not None:
        said = found.sentence.removeprefix(f"{pair.video.path.name}: ")
        return replace(
            found, frames=found.frames + abs(pair.surplus), sentence=f"{pair.video.path.name}: {counts}: {said}"
        )
    end = f"{'ends' if pair.surplus < 0 else 'goes on'} after index {pair.count - 1}, or differs where nothing moves"
    return _Misfit(pair.count, abs(pair.surplus), f"{pair.video.path.name}: {counts}: it {end}")


def _misfit(pair: _Pair, alignment: Alignment, first: int) -> _Misfit | None:
    """What thumbnails of a window that begins at frame `first` tell."""
    name = pair.video.path.name
    if alignment.unlike:
        what = f"{name}: does not show what the reference shows, from index {first} on (match {alignment.alike:.2f})"
        return _Misfit(first, max(1, alignment.displaced), what)
    if not alignment.slips:
        return None
    moved = [replace(slip, index=slip.index + first) for slip in alignment.slips]
    said = "; ".join(slip.sentence() for slip in moved[:_TOLD])
    more = f"; and {len(moved) - _TOLD} more" if len(moved) > _TOLD else ""
    lost = min(moved[0].index, moved[0].index + moved[0].before)
    return _Misfit(max(0, lost), alignment.displaced, f"{name}: frames are out of step: {said}{more}")


def _scored(
    scoring: Scoring, windows: list[Window], pair: _Pair, work: Work
) -> tuple[list[dict[str, Json]], _Misfit | None]:
    """Rows of all windows, and the first misfit seen in any."""
    rows: list[dict[str, Json]] = []
    misfit: _Misfit | None = None
    for place, window in enumerate(windows):

        def report(done: float, place: int = place) -> None:
            work.progress(min(1.0, (place + done) / len(windows)))

        scores = scoring.run(window, work.scratch / f"window{place}", report)
        misfit = misfit or _misfit(pair, align(scores.reference, scores.distorted), window.first)
        rows += _rows(scores, window, pair)
    return rows, misfit


def _rows(scores: Scores, window: Window, pair: _Pair) -> Iterator[dict[str, Json]]:
    for place in range(window.count):
        index = window.first + place
        row: dict[str, Json] = {"index": index, "pts_s": round(pair.video_times.seconds(index), _PLACES)}
        for name, values in (("vmaf", scores.vmaf), ("ssim", scores.ssim), ("psnr", scores.psnr)):
            row[name] = values[place] if values else None
        row["identical"] = math.isinf(scores.psnr[place])
        row["psnr"] = min(PSNR_CAP, scores.psnr[place])
        yield row


def _result(
    work: Work, scoring: Scoring, rows: list[dict[str, Json]], misfit: _Misfit | None, notes: Iterable[str]
) -> Result:
    identical = sum(row["identical"] for row in rows)
    data = {
        "metrics": list(scoring.wanted) if rows else [],
        "vmaf_model": scoring.model,
        "frames": len(rows),
        "identical_frames": identical,
        "psnr_infinite": bool(rows) and identical == len(rows),
        "misaligned": misfit.sentence if misfit else "",
    }
    said = [*notes, *([misfit.sentence] if misfit else [])]
    if misfit:
        said.append(f"only the {len(rows)} frames before index {misfit.index} were scored")
    if data["psnr_infinite"]:
        said.append(f"all {len(rows)} frames are identical: PSNR is infinite, written as {PSNR_CAP:g} dB")
        said += ["libvmaf gives 97.4 to identical frames in which nothing moves"] if scoring.model else []
    file = work.scratch / "scores.json"
    file.write_text(json.dumps({**data, "scores": rows}, ensure_ascii=False), encoding="utf-8")
    metrics = {"quality.frames": len(rows), "quality.misaligned": misfit.frames if misfit else 0, **pooled(rows)}
    return Result(files={"scores": file}, data={"quality": data}, metrics=metrics, notes=said)
