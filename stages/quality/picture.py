"""How much of the picture an encode kept: VMAF, SSIM and PSNR of a video against what it was made from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from stages.contract import Failure, Json, Needs, Result, Stage, StageError, Step, Work
from stages.media.align import align
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.frames import Track
from stages.media.geometry import Geometry, held, turned
from stages.media.pooling import PSNR_CAP
from stages.media.score import SMALLEST_VMAF, Scores, Scoring, Window
from stages.platform.limits import usable_cpus
from stages.quality.misfit import Misfit, located, misfit
from stages.quality.outcome import not_compared, scored
from stages.quality.pair import Pair, compared, read_pair, spread, times_note
from stages.quality.scoreplot import load
from stages.quality.target import TargetSettings, judged, target_problems
from stages.settings import Problem, setting

if TYPE_CHECKING:
    from stages.media.ffmpeg import FFmpeg

_MODEL, _MODEL_4K = "vmaf_v0.6.1", "vmaf_4k_v0.6.1"
_PLACES = 6


@dataclass(frozen=True)
class ScorePictureSettings(TargetSettings):
    """What is compared, and what becomes of frames that do not match."""

    windows: int = setting(0, "evenly spread windows that are scored; 0 scores every frame", low=0, high=1000)
    window_s: float = setting(10.0, "length of a window", low=0.1, high=600, unit="s")
    on_misaligned: str = setting(
        "fail", "a dropped, doubled or shifted frame fails the task, or is reported", choices=("fail", "report")
    )
    metric: str = setting("auto", "auto: VMAF where FFmpeg has it", choices=("auto", "vmaf", "ssim_psnr"))
    threads: int = setting(0, "threads; 0: one per usable CPU", low=0, high=256, affects_output=False)


class ScorePicture(Stage[ScorePictureSettings]):
    """Scores `video` against `reference`, frame by frame of the same index, whatever their times.

    Both are compared upright, at the size of the reference, in the first stream of each that is no cover picture. The
    data field `compare`, set by the stage that made the video, tells which part of the one shows which part of the
    other, or why the two do not compare (see `stages.media.geometry`): then there are no scores, a note says so, and
    the task succeeds. With a reference that the user named (`against`) all of both is compared.

    Frames that are missing, doubled or shifted are named, never scored: the task fails, or with
    `on_misaligned: report` only the frames before the first such one are scored.
    """

    config_class = ScorePictureSettings
    version = 2
    consumes: ClassVar[Mapping[str, str]] = {"reference": "video/", "video": "video/"}
    produces: ClassVar[Mapping[str, str]] = {"scores": "application/json", "plot": "image/png"}
    may_read: ClassVar[tuple[str, ...]] = ("compare", "against")
    writes: ClassVar[tuple[str, ...]] = ("quality",)

    def open(self) -> None:
        """Load what draws the plot."""
        load()

    def run(self, work: Work) -> Result:
        """Score one pair.

        Raises:
            StageError: BAD_INPUT for what does not decode, and for frames that do not match; ENCODER without a
                metric that was asked for; BUG when `compare` cannot be right.
        """
        parts, told = compared(work.item.data)
        if parts.reason:
            return not_compared(work, parts.reason)
        reference, video = (work.item.artifacts[name].path for name in ("reference", "video"))
        pair = read_pair(reference, video, work.item.key)
        threads = self.config.threads or len(usable_cpus())
        scoring, notes = scoring_of(pair.reference, pair.video, parts, threads, self.config.metric)
        count, found = pair.count, None
        if pair.surplus:
            found = located(replace(scoring, metrics=False), pair, work.scratch / "located")
            self._refuse(found)
            count = found.index
        windows = list(spread(pair, count, self.config.windows, self.config.window_s))
        rows, seen = _scored(scoring, windows, pair, work)
        if seen is not None and found is None:
            found = seen
            self._refuse(found)
            rows = [row for row in rows if row["index"] < found.index]
        notes += [*told, *([] if found else times_note(pair))]
        result = scored(work, scoring, pair.reference_times, rows, found, notes)
        return result if told else judged(result, self.config, work.item.key)  # the target is for what it was made from

    def _refuse(self, found: Misfit) -> None:
        if self.config.on_misaligned == "fail":
            mend = "make the video again, or set on_misaligned=report to score the frames before it"
            raise StageError(Failure.BAD_INPUT, f"{found.sentence}; {mend}")

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
    def problems(cls, config: ScorePictureSettings, key: str) -> Iterable[Problem]:
        """Two targets at once."""
        return target_problems(config, key)

    @classmethod
    def tools(cls, config: ScorePictureSettings) -> Mapping[str, str]:  # noqa: ARG003
        """The FFmpeg that scores: with it the models and metrics may change."""
        return {"ffmpeg": ffmpeg_binary().identity}


def scoring_of(
    reference: Track, video: Track, parts: Geometry, threads: int, metric: str = "auto"
) -> tuple[Scoring, list[str]]:
    """What is run on two videos, and a note for all that is not done as one might expect.

    Raises:
        StageError: ENCODER without a metric that was asked for; BUG when the parts cannot be right.
    """
    ffmpeg = ffmpeg_binary()
    crop, inside = held(parts.reference, reference), held(turned(parts.video, video), video)
    plain = Scoring(ffmpeg.path, reference, video, "", threads, crop=crop, inside=inside)
    model, why = _model(ffmpeg, plain.size, metric)
    return replace(plain, model=model), [*([why] if why else []), *_conversions(plain)]


def _model(ffmpeg: FFmpeg, size: tuple[int, int], metric: str) -> tuple[str, str]:
    """The VMAF model by the size that is compared, or "" and why there is none."""
    if metric == "ssim_psnr":
        return "", ""
    why = ""
    if "libvmaf" not in ffmpeg.filters:
        why = f"{ffmpeg.path.name} {ffmpeg.version} has no libvmaf"
    elif min(size) < SMALLEST_VMAF:
        why = f"pictures of {size[0]}×{size[1]} are too small for VMAF"
    if why and metric == "vmaf":
        raise StageError(Failure.ENCODER, f"VMAF cannot be measured: {why}; use metric=auto")
    if why:
        return "", f"VMAF not measured: {why}; SSIM and PSNR were"
    return (_MODEL_4K if size[0] > 2560 or size[1] > 1440 else _MODEL), ""


def _conversions(scoring: Scoring) -> Iterator[str]:
    reference, video, right = scoring.reference, scoring.distorted, scoring.size
    size = scoring.inside.size if scoring.inside else (video.width, video.height)
    if scoring.crop:
        box = scoring.crop
        part = f"{box.width}×{box.height} at {box.x},{box.y}"
        yield f"{video.called}: scored against the part of the reference that it shows ({part})"
    if size != right:
        yield f"{video.called}: scaled from {size[0]}×{size[1]} to {right[0]}×{right[1]} (bicubic) to be scored"
    if video.full_range != reference.full_range:
        names = {True: "full", False: "limited"}
        told = f"{names[video.full_range]} colour range, the reference {names[reference.full_range]}"
        yield f"{video.called}: has {told}; converted to be scored"
    if video.depth != reference.depth:
        yield f"{video.called}: has {video.depth} bit, the reference {reference.depth}; scored at the deeper"


def _scored(
    scoring: Scoring, windows: list[Window], pair: Pair, work: Work
) -> tuple[list[dict[str, Json]], Misfit | None]:
    """Rows of all windows, and the first misfit seen in any."""
    rows: list[dict[str, Json]] = []
    found: Misfit | None = None
    for place, window in enumerate(windows):

        def report(done: float, place: int = place) -> None:
            work.progress(min(1.0, (place + done) / len(windows)))

        scores = scoring.run(window, work.scratch / f"window{place}", report)
        found = found or misfit(pair, align(scores.reference, scores.distorted), window.first)
        rows += _rows(scores, window, pair)
    return rows, found


def _rows(scores: Scores, window: Window, pair: Pair) -> Iterator[dict[str, Json]]:
    for place in range(window.count):
        index = window.first + place
        row: dict[str, Json] = {"index": index, "pts_s": round(pair.video_times.seconds(index), _PLACES)}
        for name, values in (("vmaf", scores.vmaf), ("ssim", scores.ssim), ("psnr", scores.psnr)):
            row[name] = values[place] if values else None
        row["identical"] = math.isinf(scores.psnr[place])
        row["psnr"] = min(PSNR_CAP, scores.psnr[place])
        yield row
