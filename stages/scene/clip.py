"""A still, moved; its captions, burnt in; exactly as long as its speech: the pictures of one scene."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from stages.contract import EFFECTIVE, Failure, Json, Needs, Result, Stage, StageError, Work
from stages.media.command import argv, output_file
from stages.media.encoders.catalog import AUTO, adapter
from stages.media.encoders.machine import machine_identity
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.frames import timeline
from stages.scene.burn import filters
from stages.scene.drawn import Drawn, drawn
from stages.scene.motion import MOTIONS
from stages.scene.program import run_fed
from stages.scene.settings import SceneClipSettings
from stages.scene.shots import MAY_READ, READS, Shot, scene_problems, shot
from stages.scene.spec import Spec, encode_mb, spec_of, threads_each, timescale
from stages.settings import Problem

_WORKER_MB = 300  # Python, OpenCV, the still as it is decoded, and its planes
_CAPTIONS_MB = 60  # libass with a font and its glyphs


class SceneClip(Stage[SceneClipSettings]):
    """The clip of one scene: video alone, an MP4 that begins with a key frame and refers to nothing outside of it.

    All clips made with the same settings have the same parameters, on the same machine, so that a film is joined from
    them by copying packets. Frames go into FFmpeg's stdin as they are drawn: none is ever a file.
    """

    config_class = SceneClipSettings
    consumes: ClassVar[Mapping[str, str]] = {"image": "image/", "captions": "text/x-ssa"}
    produces: ClassVar[Mapping[str, str]] = {"clip": "video/mp4"}
    reads = READS
    may_read = MAY_READ
    writes = ("frames",)

    _spec: Spec | None = None

    def run(self, work: Work) -> Result:
        """Make it.

        Raises:
            StageError: BAD_INPUT for an image that cannot be decoded; ENCODER when no encoder works.
        """
        taken, spec = shot(work.item, self.config), self._settled()
        burnt = filters(work.item.artifacts["captions"].path, work.item.data.get("fonts") or (), work.scratch)
        fed = drawn(taken, self.config.renderer, work.item.key)
        target, began = work.scratch / "clip.mp4", time.monotonic()
        words = _command(fed, [*fed.filters, *burnt, *spec.filters], spec, taken.count, target)
        run_fed(words, fed, taken.count, work)
        _checked(target, taken, self.config.fps, work.item.key)
        return Result(
            {"clip": target},
            data={"frames": taken.count, EFFECTIVE: {**spec.effective, "scene.renderer": fed.renderer}},
            metrics=_metrics(taken, target, time.monotonic() - began),
            notes=[*spec.notes, *fed.notes],
        )

    def _settled(self) -> Spec:
        """The coding, tried once per worker."""
        if self._spec is None:
            self._spec = spec_of(self.config)
        return self._spec

    @classmethod
    def needs(cls, config: SceneClipSettings) -> Needs:
        """One encode; drawing takes a tenth of a core beside it. A session where there is hardware that has any."""
        name = config.encoder.get("name", AUTO)
        hardware = config.sessions > 0 and (name == AUTO or adapter(name).hardware)
        memory = _WORKER_MB + _CAPTIONS_MB + encode_mb(config)
        return Needs(float(threads_each(config)), memory, encoder_sessions=int(hardware))

    @classmethod
    def tools(cls, config: SceneClipSettings) -> Mapping[str, str]:  # noqa: ARG003
        """FFmpeg with its encoders, and the machine: which encoder works is its affair."""
        return {"ffmpeg": ffmpeg_binary().identity, "machine": machine_identity()}

    @classmethod
    def problems(cls, config: SceneClipSettings, key: str) -> Iterable[Problem]:
        """A size or a rate that no clip can have."""
        yield from scene_problems(config.width, config.height, config.fps, key)
        if config.renderer == "zoompan" and config.easing != "linear":
            yield Problem(f"{key}.easing", "zoompan moves at an even speed only", "set scene.renderer=affine")

    @classmethod
    def item_problem(cls, config: SceneClipSettings, data: Mapping[str, Json]) -> str | None:  # noqa: ARG003
        """A motion that there is not."""
        motion = data.get("motion")
        if motion is None or motion in (AUTO, *MOTIONS):
            return None
        return f"motion: {motion!r} is none; use {', '.join(MOTIONS)}"


def _command(fed: Drawn, steps: list[str], spec: Spec, count: int, target: Path) -> list[str]:
    """The words that encode what comes in at stdin."""
    import ffmpeg

    source = ffmpeg.input("pipe:0", **fed.options)
    output = output_file(
        [source], target, **{"filter:v": ",".join(steps), **spec.options, "frames:v": count},
        fps_mode="passthrough", map_metadata=-1, an=None, format="mp4",
    )  # fmt: skip
    return argv(Path(ffmpeg_binary().path), output, progress=True)


def _checked(target: Path, taken: Shot, fps: str, key: str) -> None:
    """Every frame is there, at its very time.

    Raises:
        StageError: ENCODER when it is not so.
    """
    made, scale = timeline(target), timescale(fps)
    step = scale / taken.fps
    if made.count != taken.count:
        raise StageError(
            Failure.ENCODER, f"{key}: {made.count} frames came out, not {taken.count}; try another encoder"
        )
    if made.time_base.denominator != scale or list(made.pts) != [int(n * step) for n in range(made.count)]:
        sentence = f"{key}: the clip's frames are not at their times; choose another FFmpeg in REELTUNE_FFMPEG"
        raise StageError(Failure.ENCODER, sentence, detail=f"1/{scale} s: {made.time_base}, {made.pts[:5]}")


def _metrics(taken: Shot, target: Path, wall_s: float) -> dict[str, float]:
    seconds = float(taken.count / taken.fps)
    return {
        "video.frames": float(taken.count),
        "video.duration_s": seconds,
        "video.encode_fps": taken.count / max(wall_s, 1e-3),
        "video.bitrate_kbps": target.stat().st_size * 8 / seconds / 1000,
    }
