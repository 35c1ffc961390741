"""How much of a scene's frames its encode kept: VMAF, SSIM and PSNR against the same frames, captions and all."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from stages.contract import Failure, Json, Needs, Result, Stage, StageError, Step, Work
from stages.media.command import PROTOCOLS, file_url
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.frames import timeline
from stages.media.pooling import PSNR_CAP, pooled
from stages.media.score_logs import LOGS, read_logs
from stages.platform.limits import usable_cpus
from stages.scene.burn import filters
from stages.scene.drawn import RAW, Drawn, drawn
from stages.scene.program import run_fed
from stages.scene.settings import SceneScoreSettings
from stages.scene.shots import MAY_READ, READS, scene_problems, shot
from stages.settings import Problem

_MODEL, _MODEL_4K = "vmaf_v0.6.1", "vmaf_4k_v0.6.1"
_HD = (2560, 1440)  # longer and shorter side, up to which the first of the two was made
_BASE_MB, _THREAD_MB = 400, 60  # the second for each million pixels, as measured on films
_STEP = "settb=1/25,setpts=N,format="


class ScoreScene(Stage[SceneScoreSettings]):
    """Draws the scene anew and compares as it goes: no frame is ever a file."""

    config_class = SceneScoreSettings
    consumes: ClassVar[Mapping[str, str]] = {"image": "image/", "captions": "text/x-ssa", "clip": "video/"}
    reads = READS
    may_read = MAY_READ

    def run(self, work: Work) -> Result:
        """Score one clip.

        Raises:
            StageError: BAD_INPUT for an image or a clip that cannot be decoded, or a clip of another length.
        """
        taken, files = shot(work.item, self.config), work.item.artifacts
        _same_length(timeline(files["clip"].path).count, taken.count, work.item.key)
        fed = drawn(taken, self.config.renderer, work.item.key)
        burnt = filters(files["captions"].path, work.item.data.get("fonts") or (), work.scratch)
        names = ("ssim", "psnr", "vmaf") if "libvmaf" in ffmpeg_binary().filters else ("ssim", "psnr")
        steps = [*fed.filters, *burnt, _STEP + RAW]
        run_fed(_command(fed, files["clip"].path, self._graph(steps, names)), fed, taken.count, work)
        scores = read_logs(work.scratch, names)
        _same_length(min(map(len, scores.values())), taken.count, work.item.key)
        rows = _rows(scores)
        notes = [] if "vmaf" in names else [f"{work.item.key}: VMAF not measured: FFmpeg has no libvmaf"]
        return Result(metrics={"quality.frames": float(len(rows)), **pooled(rows)}, notes=[*fed.notes, *notes])

    def _graph(self, steps: Sequence[str], names: Sequence[str]) -> str:
        """Each metric hands the clip's frames on to the next, and gets the drawn ones for itself."""
        legs = "".join(f"[r{name}]" for name in names)
        chains = [f"[0:v]{','.join(steps)},split={len(names)}{legs}", f"[1:v]{_STEP}{RAW}[d0]"]
        for number, name in enumerate(names):
            chains.append(f"[d{number}][r{name}]{self._metric(name)}[d{number + 1}]")
        return ";".join(chains)

    def _metric(self, name: str) -> str:
        if name != "vmaf":
            return f"{name}=stats_file={LOGS[name]}"
        sides = sorted((self.config.width, self.config.height), reverse=True)
        model = _MODEL if sides[0] <= _HD[0] and sides[1] <= _HD[1] else _MODEL_4K
        threads = self.config.threads or len(usable_cpus())
        return f"libvmaf=model=version={model}:n_threads={threads}:log_fmt=json:log_path={LOGS[name]}"

    @classmethod
    def needs(cls, config: SceneScoreSettings) -> Needs:
        """All its threads."""
        threads = config.threads or len(usable_cpus())
        size = config.width * config.height / 1e6
        return Needs(cpu_threads=float(threads), ram_mb=math.ceil(_BASE_MB + (1 + threads) * _THREAD_MB * size))

    @classmethod
    def ladder(cls, config: SceneScoreSettings, failure: Failure) -> Iterable[Step]:
        """Frames in flight go with the threads."""
        if failure is Failure.HOST_OOM and config.threads != 1:
            yield Step({"threads": 1}, "one thread holds the fewest frames in memory")

    @classmethod
    def tools(cls, config: SceneScoreSettings) -> Mapping[str, str]:  # noqa: ARG003
        """The FFmpeg that scores: with it the models and metrics may change."""
        return {"ffmpeg": ffmpeg_binary().identity}

    @classmethod
    def problems(cls, config: SceneScoreSettings, key: str) -> Iterable[Problem]:
        """A size or a rate that no clip can have."""
        yield from scene_problems(config.width, config.height, config.fps, key)


def _command(fed: Drawn, clip: Path, graph: str) -> list[str]:
    """The words of a comparison, which gives nothing but its logs."""
    head = [str(ffmpeg_binary().path), "-nostdin", "-hide_banner", "-loglevel", "error", "-nostats"]
    drawn_input = [word for name, value in fed.options.items() for word in (f"-{name}", value)]
    inputs = [*drawn_input, "-i", "pipe:0", "-protocol_whitelist", PROTOCOLS, "-i", file_url(clip)]
    last = re.findall(r"\[d\d\]", graph)[-1]
    return [*head, "-progress", "pipe:1", *inputs, "-filter_complex", graph, "-map", last, "-f", "null", "-"]


def _same_length(found: int, count: int, key: str) -> None:
    if found != count:
        raise StageError(Failure.BAD_INPUT, f"{key}: the clip has {found} of {count} frames; make it again")


def _rows(scores: Mapping[str, list[float]]) -> list[dict[str, Json]]:
    """Scores by frame, as they are pooled."""
    ssim, psnr = scores["ssim"], scores["psnr"]
    vmaf: Sequence[float | None] = scores.get("vmaf") or [None] * len(psnr)
    return [
        {"vmaf": v, "ssim": s, "psnr": min(PSNR_CAP, p), "identical": math.isinf(p)}
        for v, s, p in zip(vmaf, ssim, psnr, strict=True)
    ]
