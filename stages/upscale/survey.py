"""Looks into a film that is to be made larger: which model and encoder, how long a segment, what is carried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import ClassVar

from stages.contract import EFFECTIVE, Child, Failure, Json, Needs, Result, Stage, StageError, Work
from stages.media.color import as_coded
from stages.media.encoders.catalog import adapter
from stages.media.encoders.inprocess import try_in_process
from stages.media.encoders.machine import machine_identity
from stages.media.encoders.memory import TrialMemory
from stages.media.encoders.settings import EncoderConfig
from stages.media.encoders.settle import settle
from stages.media.encoders.trial import Trial
from stages.media.film import Film, Picture, look_at
from stages.platform.limits import usable_cpus
from stages.settings import Problem, range_problems
from stages.upscale.cut_off import cut_off
from stages.upscale.footage import DEINTERLACING
from stages.upscale.guard import Extent, check_room, estimate_disk
from stages.upscale.limit import DiskLimit, limit_rate
from stages.upscale.models.load import ModelFacts, facts
from stages.upscale.order import Order
from stages.upscale.precision import choose as choose_precision
from stages.upscale.precision import device_for
from stages.upscale.settings import SurveyUpscaleSettings, UpscalerSettings
from stages.upscale.stabilise import WINDOW
from stages.video.beside import Beside, beside
from stages.video.carried import Carried
from stages.video.parting import Times, times_of
from stages.video.piece import PICTURES, Piece

_EXACT = ("lanczos", "identity")  # nothing is won by computing these in fewer bits


class SurveyUpscale(Stage[SurveyUpscaleSettings]):
    """One child per segment of the main pictures, and one for all sound and subtitles to be converted."""

    config_class = SurveyUpscaleSettings
    version = 2
    consumes: ClassVar[Mapping[str, str]] = {"film": "video/"}
    writes: ClassVar[tuple[str, ...]] = ("piece", "order", "carried")
    fans_out = True

    @property
    def asked(self) -> UpscalerSettings:
        """The settings of the group upscaler."""
        return UpscalerSettings(**self.config.upscaler)

    def run(self, work: Work) -> Result:
        """Survey one film.

        Raises:
            StageError: BAD_INPUT for what is no film, is damaged, or does not fit; ENCODER when no encoder works.
        """
        film = look_at(work.item.artifacts["film"].path)
        picture, asked = film.pictures[0], self.asked
        cut = self._cut_off(film)
        model = facts(asked, self.config.models_dir)
        times = times_of(film, picture)
        config, notes = self._encoder(film, picture, model.scale)
        around = beside(film, self.config, adapter(config.name).family)
        extent = self._extent(film, picture, times, model.scale)
        limit = self._limit(film, extent, config, model.scale)
        config = limit.applied(config)
        self._check_room(film, extent, limit, config, work.scratch)
        precision = _precision(asked, model, self.config.gpu_mb)
        woven = self._woven(film, picture)
        template = self._order(picture, model, precision, config, woven=woven)
        whole = self.config.salvage or not times.distinct or asked.mode == "frames_on_disk"
        orders = [self._whole(template, times)] if whole else list(_segments(template, times, picture, asked))
        orders = [_shared(order, limit, times.timeline.count) for order in orders]
        used = {**_effective(config, model, precision), "video.container": around.container.name}
        said = [*cut, *notes, *([limit.sentence] if limit.sentence else []), *around.notes, *_others_said(film)]
        return Result(
            children=list(self._children(orders, picture, times, around, exact=not self.config.salvage)),
            data={EFFECTIVE: used},
            notes=[*said, *([f"{film.path.name}: deinterlaced by bwdif, one frame from each"] if woven else [])],
        )

    def _cut_off(self, film: Film) -> list[str]:
        """A note that the end is missing; refused, unless that was allowed."""
        said = cut_off(film)
        if said and not self.config.salvage:
            raise StageError(Failure.BAD_INPUT, f"{said}; video.salvage=true keeps what decodes")
        return [f"{said}; what is there was kept"] if said else []

    def _encoder(self, film: Film, picture: Picture, scale: int) -> tuple[EncoderConfig, list[str]]:
        """The encoder that works at the size of the result, in process, and why it is another than was asked for."""
        asked, size = self.config, (picture.width * scale, picture.height * scale)

        def trial(ready: EncoderConfig, memory: TrialMemory | None) -> Trial:
            return try_in_process(ready, *size, self._cores, asked.tier, memory=memory)

        config, said = settle(EncoderConfig(**asked.encoder), picture.pix_fmt, asked.tier, asked.trials, trial)
        _, told = as_coded(picture.colour, picture.pix_fmt, config.pix_fmt, (picture.width, picture.height))
        return config, [f"{film.path.name}: {note}" for note in (*said, *told)]

    def _extent(self, film: Film, picture: Picture, times: Times, scale: int) -> Extent:
        """What will be written."""
        size = film.path.stat().st_size
        return Extent(
            picture.width * scale, picture.height * scale,
            times.timeline.count, float(times.timeline.count / picture.pace),
            segments=_number(times, picture, self.asked), copied=max(0, size - sum(times.coding.sizes or (size,))),
        )  # fmt: skip

    def _limit(self, film: Film, extent: Extent, config: EncoderConfig, scale: int) -> DiskLimit:
        """How segments and finished film are kept within what the disk may be used for."""
        asked, size = self.asked, film.path.stat().st_size
        return limit_rate(
            extent, config, tier=self.config.tier, input_bytes=size, grown=scale * scale, factor=asked.disk_factor,
            limit_gb=asked.disk_limit_gb, once=asked.mode == "frames_on_disk", what=film.path.name,
        )  # fmt: skip

    def _check_room(self, film: Film, extent: Extent, limit: DiskLimit, config: EncoderConfig, scratch: Path) -> None:
        """Refuse, before anything is made, what the disk has no room for."""
        needed = estimate_disk(extent, config, self.config.tier).peak
        home = self.config.cache_dir or self.config.outputs_dir
        check_room(
            Path(home).absolute() if home else scratch, min(needed, limit.total or needed),
            keep_free_mb=self.asked.keep_free_mb, what=film.path.name,
        )  # fmt: skip

    @property
    def _cores(self) -> int:
        return self.config.cores or len(usable_cpus())

    def _woven(self, film: Film, picture: Picture) -> bool:
        """Whether two fields have to be made one frame; `off` refuses what would be made larger with its comb."""
        if picture.interlaced and self.config.deinterlace == "off":
            said = f"{film.path.name}: is interlaced, and a model would make its comb larger"
            raise StageError(Failure.BAD_INPUT, f"{said}; set video.deinterlace=auto")
        return self.config.deinterlace == "on" or (self.config.deinterlace == "auto" and picture.interlaced)

    def _order(
        self, picture: Picture, model: ModelFacts, precision: str, config: EncoderConfig, *, woven: bool
    ) -> Order:
        return Order(
            stream=picture.stream, size=(picture.width, picture.height), time_base=str(picture.time_base),
            decode=(None, None), keep=(None, None), count=0, frames=(0, 0), deinterlace=woven,
            encoder=asdict(config), rate=str(picture.pace),
            scale=model.scale, model={"name": model.name, "sha256": model.sha256}, precision=precision,
            stabilise=self.asked.stabilise, strict=not self.config.salvage,
        )  # fmt: skip

    def _whole(self, template: Order, times: Times) -> Order:
        count = 0 if self.config.salvage else times.timeline.count
        return replace(template, count=count, frames=(0, times.timeline.count))

    def _children(
        self, orders: list[Order], picture: Picture, times: Times, around: Beside, *, exact: bool
    ) -> Iterator[Child]:
        told: dict[str, Json] = {"carried": _carried(around).to_json()}
        exact = exact and times.distinct
        for number, order in enumerate(orders):
            first, end = order.frames
            start = times.timeline.pts[first] if times.timeline.pts else 0
            after = times.timeline.pts[end] if times.distinct and end < times.timeline.count else times.end
            piece = Piece(
                PICTURES, stream=picture.stream, first=first, count=end - first, expected=order.count, exact=exact,
                pts=(start, after), time_base=str(picture.time_base), encoder=str(order.encoder["name"]),
            )  # fmt: skip
            yield Child(f"s{number:05d}", {"piece": piece.to_json(), "order": order.to_json(), **told})
        sides = around.sides(self.config.audio_bitrate)
        if sides is not None:
            yield Child("sides", {"piece": sides.to_json(), "order": {}, **told})

    @classmethod
    def needs(cls, config: SurveyUpscaleSettings) -> Needs:  # noqa: ARG003
        """Decodes one frame, and encodes a few for a trial."""
        return Needs(cpu_threads=1.0, ram_mb=800)

    @classmethod
    def tools(cls, config: SurveyUpscaleSettings) -> Mapping[str, str]:  # noqa: ARG003
        """The libraries that encode, and the machine: which encoder works is its affair."""
        import av

        return {"pyav": av.__version__, "machine": machine_identity()}

    @classmethod
    def problems(cls, config: SurveyUpscaleSettings, key: str) -> Iterable[Problem]:  # noqa: ARG003
        """What is wrong with the model's settings, by the keys of their group."""
        asked = UpscalerSettings(**config.upscaler)
        yield from range_problems(asked, "upscaler")
        if asked.name in ("realesrgan", "onnx") and not asked.weights:
            yield Problem("upscaler.weights", f"names no file, which upscaler={asked.name} wants", "name one")
        if asked.name == "embedded" and asked.scale not in (0, 2, 4):
            yield Problem("upscaler.scale", f"the embedded model has no ×{asked.scale}", "use 2 or 4")


def _precision(asked: UpscalerSettings, model: ModelFacts, gpu_mb: int) -> str:
    """What the model computes in."""
    if asked.mode == "frames_on_disk" or (asked.precision == "auto" and model.arch in _EXACT):
        return "fp32"
    return choose_precision(device_for(asked.device, gpu_mb), asked.precision).precision


def _segments(template: Order, times: Times, picture: Picture, asked: UpscalerSettings) -> Iterator[Order]:
    """Ranges of frames of about the same length, each with the neighbours that filters look at."""
    line, number = times.timeline, _number(times, picture, asked)
    reach = (WINDOW if asked.stabilise != "off" else 0) + (DEINTERLACING if template.deinterlace else 0)
    for place in range(number):
        first, end = place * line.count // number, (place + 1) * line.count // number
        decode = (_pts(times, first - reach), _pts(times, end + reach))
        keep = (_pts(times, first), _pts(times, end))
        yield replace(template, decode=decode, keep=keep, count=end - first, frames=(first, end))


def _shared(order: Order, limit: DiskLimit, count: int) -> Order:
    """With what it may take on disk."""
    first, end = order.frames
    return replace(order, share=asdict(limit.share(end - first, count)))


def _number(times: Times, picture: Picture, asked: UpscalerSettings) -> int:
    """How many segments of about the length that was asked for."""
    length = max(1, round(asked.segment_s * float(picture.pace)))
    return max(1, round(times.timeline.count / length))


def _pts(times: Times, index: int) -> int | None:
    """The pts of a frame; None before the first and after the last."""
    return times.timeline.pts[index] if 0 < index < times.timeline.count else None


def _carried(around: Beside) -> Carried:
    """What goes along, further video streams among it."""
    carried, further = around.carried({}), [picture.stream for picture in around.film.pictures[1:]]
    return replace(carried, copied=tuple(sorted((*carried.copied, *further))))


def _effective(config: EncoderConfig, model: ModelFacts, precision: str) -> dict[str, Json]:
    """What is really used, by the keys that ask for it."""
    return {
        "encoder.name": config.name, "encoder.codec": config.codec, "encoder.preset": config.preset,
        "encoder.quality": config.quality, "encoder.pix_fmt": config.pix_fmt, "encoder.maxrate": config.maxrate,
        "upscaler.scale": model.scale, "upscaler.weights": model.name, "upscaler.precision": precision,
    }  # fmt: skip


def _others_said(film: Film) -> list[str]:
    """A film's further video streams are not made larger."""
    count = len(film.pictures) - 1
    copied = (
        f"{count} further video streams are copied as they are" if count > 1 else "1 further video stream is copied"
    )
    return [f"{film.path.name}: {copied}"] if count else []
