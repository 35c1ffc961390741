"""Films made larger by the three stages as plain objects, and every number of what came out."""

from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from film_help import X264

from stages.contract import Artifact, Item, Result, Work
from stages.upscale.segment import UpscaleSegment
from stages.upscale.settings import SurveyUpscaleSettings, UpscalerSettings, UpscaleSegmentSettings
from stages.upscale.survey import SurveyUpscale
from stages.video.join import JoinFilm, JoinFilmSettings

QUICK = {**X264, "threads": 2}
LOSSLESS = {**QUICK, "quality": None, "options": {"qp": "0"}}
UNBOUND = {"disk_factor": 0.0, "disk_limit_gb": 0.0}  # no cap of the rate: what is lossless stays so


@dataclass
class Larger:
    path: Path
    notes: list[str]
    orders: list[dict] = field(default_factory=list)
    survey: Result = field(default_factory=Result)


def larger(
    path: Path, scratch: Path, encoder: dict = QUICK, film: dict | None = None, verify: str = "decode", **upscaler
) -> Larger:
    """Survey, segments, join. `film` are settings of the group video, `upscaler` those of the group upscaler."""
    asked = {"name": "identity", **UNBOUND, **upscaler}
    whole = {"film": Artifact(path, "video/film")}

    def work(key: str, data: dict | None = None, parts: tuple = ()) -> Work:
        folder = scratch / key
        folder.mkdir(parents=True)
        return Work(Item(key, data or {}, whole), folder, parts)

    looked = SurveyUpscale(SurveyUpscaleSettings(upscaler=asked, encoder=encoder, **(film or {}))).run(work("survey"))
    stage, parts, notes = UpscaleSegment(UpscaleSegmentSettings(**asked)), [], list(looked.notes)
    for child in looked.children:
        task = work(child.name, dict(child.data))
        made = stage.run(task)
        stage.verify(task, made)
        notes += made.notes
        parts.append(Item(child.name, child.data, {"segment": Artifact(made.files["segment"], "video/segment")}))
    stage.close()
    joiner, task = JoinFilm(JoinFilmSettings(verify=verify)), work("join", parts=tuple(parts))
    joined = joiner.run(task)
    joiner.verify(task, joined)
    orders = [child.data["order"] for child in looked.children if child.data["order"]]
    return Larger(joined.files["video"], [*notes, *joined.notes], orders, looked)


def asked_for(**upscaler) -> UpscalerSettings:
    return UpscalerSettings(**upscaler)


def pictures(path: Path) -> list[av.VideoFrame]:
    """Every decoded frame of the first video stream."""
    with av.open(f"file:{path}") as container:
        return list(container.decode(container.streams.video[0]))


def numbers(frame: av.VideoFrame) -> list[np.ndarray]:
    """The planes of a planar frame, without what is beyond the picture."""
    kind = np.uint16 if frame.format.components[0].bits > 8 else np.uint8
    return [np.frombuffer(p, kind).reshape(p.height, -1)[:, : p.width].astype(int) for p in frame.planes]


def most_apart(one: list[av.VideoFrame], other: list[av.VideoFrame]) -> int:
    """The largest difference of any number of any frame."""
    assert len(one) == len(other)
    pairs = zip(one, other, strict=True)
    return max(int(np.abs(a - b).max()) for x, y in pairs for a, b in zip(numbers(x), numbers(y), strict=True))


def modelled(path: Path, model) -> list[av.VideoFrame]:
    """What must come out: each decoded frame as RGB, through a model in fp32 at once, and planes again."""
    import torch

    from stages.media.color import assumed
    from stages.media.film import look_at
    from stages.upscale.pixels import from_rgb, to_rgb

    picture = look_at(path).pictures[0]
    colour = assumed(picture.colour, picture.width, picture.height)
    with torch.inference_mode():
        return [from_rgb(model(_laid(to_rgb(frame, colour)))[0], frame.format.name, colour) for frame in pictures(path)]


def _laid(rgb):
    """One picture as a batch, channels last: in another order sums are rounded otherwise."""
    import torch

    return rgb[None].contiguous(memory_format=torch.channels_last)


def same(rgb):
    """The model that changes nothing."""
    return rgb


def packets(path: Path) -> list[tuple]:
    with av.open(f"file:{path}") as container:
        return [(p.stream_index, p.pts, p.dts, p.duration, bytes(p)) for p in container.demux() if p.size]


def stamps(path: Path) -> list:
    """Times of the shown pictures, as whole numbers of the stream's own clock, and the clock."""
    with av.open(f"file:{path}") as container:
        stream = container.streams.video[0]
        shown = [p.pts for p in container.demux(stream) if p.size and not p.is_discard]
        return [stream.time_base, *sorted(shown)]
