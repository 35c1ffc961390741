"""Makes one segment of a film larger: decode ∥ model ∥ encode in memory, and nothing but the segment on disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from stages.contract import Failure, Json, Needs, Result, Stage, StageError, Work
from stages.media.color import as_coded
from stages.media.film import Picture, look_at
from stages.media.steady import Steady
from stages.platform.limits import limit_memory, usable_cpus
from stages.upscale.demand import WORKER_MB, segment_needs
from stages.upscale.flow_through import Passage
from stages.upscale.footage import footage, in_order
from stages.upscale.guard import DiskWatch
from stages.upscale.limit import PassedError, Share, held
from stages.upscale.measured import file_metrics, stream_metrics
from stages.upscale.order import Order
from stages.upscale.precision import device_for
from stages.upscale.settings import UpscaleSegmentSettings
from stages.upscale.stream import StreamReport, StreamState, run_stream
from stages.video.piece import SIDES, Piece
from stages.video.sides import convert_sides

if TYPE_CHECKING:
    from av import VideoFrame

    from stages.media.encoders.inprocess import SegmentWriter
    from stages.upscale.engine import Engine
    from stages.upscale.models.upscaler import Upscaler

_MB = 1024 * 1024


class UpscaleSegment(Stage[UpscaleSegmentSettings]):
    """One segment, from the frames that its order names, by the model that is loaded once per worker."""

    config_class = UpscaleSegmentSettings
    consumes: ClassVar[Mapping[str, str]] = {"film": "video/"}
    produces: ClassVar[Mapping[str, str]] = {"segment": "video/segment"}
    reads = ("piece", "order")

    # Called with the number of a batch's first frame before it is tried: where tests let memory run out.
    injector: Callable[[int], None] | None = None

    _model: Upscaler | None = None
    _engine: Engine | None = None

    def close(self) -> None:
        """Let go of the model."""
        self._model = self._engine = None

    def run(self, work: Work) -> Result:
        """Make it.

        Raises:
            StageError: BAD_INPUT for damage; ENCODER, DISK_FULL, HOST_OOM, GPU_OOM.
        """
        film, piece = work.item.artifacts["film"].path, Piece.from_json(work.item.data["piece"])
        if piece.kind == SIDES:
            return convert_sides(work, film, piece)
        order = Order.from_json(work.item.data["order"])
        picture = next(p for p in look_at(film).pictures if p.stream == order.stream)
        if self.config.mode == "frames_on_disk":
            return self._by_files(film, picture, order, work)
        limit_memory(work.memory_mb)  # of this very process: it is what takes it
        share, notes = Share(**order.share), list[str]()
        try:
            return self._made(film, picture, order, work, notes)
        except PassedError:
            notes.append(share.note(f"{film.name}, {_where(order)}"))
        rated = replace(order, encoder=asdict(held(order.config, share.rate)), share=asdict(replace(share, held=True)))
        return self._made(film, picture, rated, work, notes)

    def _made(self, film: Path, picture: Picture, order: Order, work: Work, notes: list[str]) -> Result:
        """Make it, once.

        Raises:
            PassedError: it takes more than its share, and was held to no rate.
        """
        target, began = work.scratch / "segment.mp4", time.monotonic()
        engine, lost, steady = self._opened(order), list[str](), _steady(film, picture)
        steps = len(engine.steps)
        watch = DiskWatch(work.scratch, self.config.keep_free_mb, wait_s=self.config.wait_s)
        with self._writer(target, picture, order) as writer:
            frames, passage = _decoded(film, order, lost, steady), Passage(engine, picture, order, self.config.dedup)
            report = self._streamed(frames, order, passage, writer, watch, work)
        _complete(film, order, writer.frames)
        _check_share(film, order, writer.nbytes)
        said = [*_lost_said(lost, writer.frames), *steady.notes, *writer.notes, *engine.notes, *engine.steps[steps:]]
        metrics = stream_metrics(report, writer.frames, target, time.monotonic() - began, engine.vram_peak_mb)
        metrics["upscale.reused_frames"] = passage.reused
        return Result({"segment": target}, metrics=metrics, notes=[*notes, *filter(None, [*said, watch.note()])])

    def _streamed(
        self,
        frames: Iterator[VideoFrame],
        order: Order,
        passage: Passage,
        writer: SegmentWriter,
        watch: DiskWatch,
        work: Work,
    ) -> StreamReport:
        share = Share(**order.share)

        def write(frame: VideoFrame) -> None:
            watch.check()
            writer.write(frame)
            if not share.held:
                share.check(writer.nbytes)

        return run_stream(
            frames,
            passage.work,
            write,
            batch=passage.batch,
            budget_bytes=self.config.buffer_mb * _MB,
            size_of_source=_bytes,
            size_of_result=_bytes,
            flush=passage.flush,
            progress=_told(work.progress, order.count),
        )

    def _by_files(self, film: Path, picture: Picture, order: Order, work: Work) -> Result:
        """The same by way of files, to compare with."""
        from stages.upscale.frames_on_disk import FramesOnDisk

        target, began = work.scratch / "segment.mp4", time.monotonic()
        watch = DiskWatch(work.scratch, self.config.keep_free_mb, wait_s=self.config.wait_s)
        by_files = FramesOnDisk(
            self._loaded(), picture, order, work.scratch, watch, device=self._device, tile=self.config.tile
        )
        lost, steady = list[str](), _steady(film, picture)
        with self._writer(target, picture, order) as writer:
            footprint = by_files.run(_decoded(film, order, lost, steady), writer, work.progress)
        _complete(film, order, writer.frames)
        _check_share(film, order, writer.nbytes)
        said = [*_lost_said(lost, writer.frames), *steady.notes, *writer.notes]
        notes = [*by_files.notes(), *said, *filter(None, [watch.note()])]
        return Result(
            {"segment": target}, metrics=file_metrics(footprint, target, time.monotonic() - began), notes=notes
        )

    def _loaded(self) -> Upscaler:
        from stages.upscale.models.load import load

        if self._model is None:
            self._model = load(self.config, self.config.models_dir)
        return self._model

    @property
    def _device(self) -> str:
        return device_for(self.config.device, self.config.gpu_mb)

    def _opened(self, order: Order) -> Engine:
        """The engine around the model, made once and kept for the segments to come."""
        from stages.upscale.engine import Engine

        if self._engine is None:
            on_oom = "fail" if self.config.on_oom == "fail" else "degrade"
            vram_mb = min(self.config.vram_mb, self.config.gpu_mb or self.config.vram_mb)
            self._engine = Engine(
                self._loaded(), device=self._device, precision=order.precision, tile=self.config.tile,
                batch=self.config.batch, threads=self.config.threads, vram_mb=vram_mb, on_oom=on_oom,
                injector=self.injector,
            )  # fmt: skip
        return self._engine

    def _writer(self, target: Path, picture: Picture, order: Order) -> SegmentWriter:
        from fractions import Fraction

        from stages.media.encoders.inprocess import SegmentWriter

        size = (picture.width, picture.height)
        colour, _ = as_coded(picture.colour, picture.pix_fmt, order.config.pix_fmt, size)
        return SegmentWriter(
            target, order.config, cores=self.config.cores or len(usable_cpus()), tier=self.config.tier,
            width=picture.width * order.scale, height=picture.height * order.scale, rate=Fraction(order.rate),
            time_base=order.base, colour=colour, aspect=picture.aspect, rotation=picture.rotation,
            light=picture.light,
        )  # fmt: skip

    @classmethod
    def needs(cls, config: UpscaleSegmentSettings) -> Needs:
        """All cores, unless told otherwise: the model fills them. Memory of a worker before its first segment."""
        return Needs(cpu_threads=float(_threads(config)), ram_mb=WORKER_MB)

    @classmethod
    def task_needs(cls, config: UpscaleSegmentSettings, data: Mapping[str, Json]) -> Needs:
        """As the pictures are large."""
        if Piece.from_json(data["piece"]).kind == SIDES:
            return Needs(cpu_threads=1.0, ram_mb=WORKER_MB)
        vram_mb = 0 if config.device == "cpu" else min(config.vram_mb, config.gpu_mb)
        needs = segment_needs(
            Order.from_json(data["order"]), threads=len(usable_cpus()), tier=config.tier, buffer_mb=config.buffer_mb,
            vram_mb=vram_mb,
        )  # fmt: skip
        return replace(needs, cpu_threads=float(_threads(config)))

    @classmethod
    def tools(cls, config: UpscaleSegmentSettings) -> Mapping[str, str]:  # noqa: ARG003
        """The libraries that compute and encode."""
        from importlib.metadata import version

        return {"torch": version("torch"), "pyav": version("av")}


def _threads(config: UpscaleSegmentSettings) -> int:
    return min(config.threads or len(usable_cpus()), len(usable_cpus()))


def _steady(film: Path, picture: Picture) -> Steady:
    return Steady(film, (picture.width, picture.height), picture.pix_fmt)


def _decoded(film: Path, order: Order, lost: list[str], steady: Steady) -> Iterator[VideoFrame]:
    """The frames that go in; `lost` is told of damage."""
    frames = footage(
        film, order.stream, order.decode, deinterlace=order.deinterlace, strict=order.strict, lost=lost, steady=steady
    )
    # a raw stream has no times, and a damaged one may have wrong ones
    return in_order(frames, order.step) if order.decode == (None, None) else frames


def _bytes(frame: Any) -> int:
    """Bytes of a decoded frame."""
    return sum(plane.buffer_size for plane in frame.planes)


def _told(progress: Callable[[float], None], count: int) -> Callable[[StreamState], None]:
    def tell(state: StreamState) -> None:
        if count:
            progress(min(1.0, state.items / count))

    return tell


def _where(order: Order) -> str:
    return f"frames {order.frames[0]} to {order.frames[1] - 1}"


def _check_share(film: Path, order: Order, nbytes: int) -> None:
    """What the encoder held back to the end counts too."""
    share = Share(**order.share)
    if share.held:
        share.check_held(nbytes, f"{film.name}, {_where(order)}")
    else:
        share.check(nbytes)


def _complete(film: Path, order: Order, count: int) -> None:
    where = _where(order)
    if count == 0:
        raise StageError(Failure.BAD_INPUT, f"{film.name}: none of {where} can be decoded; cut them out of the film")
    if order.count and count != order.count:
        sentence = f"{film.name}: of {where} {count} came out, not {order.count}"
        raise StageError(Failure.BAD_INPUT, f"{sentence}; video.salvage=true keeps what decodes")


def _lost_said(lost: list[str], count: int) -> list[str]:
    """What salvage found: the first damage, and how much is left."""
    return [f"{lost[0].partition(';')[0]}; the {count} frames that decode were kept"] if lost else []
