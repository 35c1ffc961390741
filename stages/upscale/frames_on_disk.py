"""`upscaler.mode=frames_on_disk`, to compare with: each frame a PNG before the model and after it, in fp32, one by one.

This is how films are made larger by scripts around a model: all frames onto the disk, the model from file to file,
then the encoder. It shows what the stream saves; pictures are the stream's in fp32, but for 8 bits of RGB on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.contract import Failure, StageError
from stages.media.faults import reading, writing
from stages.media.film import Picture
from stages.platform.limits import usable_cpus
from stages.upscale.guard import DiskWatch
from stages.upscale.memory import is_out_of_memory
from stages.upscale.order import Order
from stages.upscale.precision import choose
from stages.upscale.threads import torch_threads
from stages.upscale.tiles import Tiling, upscaled

if TYPE_CHECKING:
    from av import VideoFrame
    from torch import Tensor

    from stages.media.encoders.inprocess import SegmentWriter
    from stages.upscale.models.upscaler import Upscaler

_OVERLAP = 10  # px around a tile, as those scripts have it: none is exact
_PARTS = 3  # passes over all frames: onto the disk, through the model, into the encoder


@dataclass(frozen=True, slots=True)
class Footprint:
    """What was on the disk when all frames lay there twice: how many, and their bytes."""

    frames: int
    nbytes: int


class FramesOnDisk:
    """Makes one segment that way, in a folder of its own.

    Args:
        model: the network; it is moved to the device.
        picture: the stream of the film.
        order: what is made of it.
        folder: where frames lie.
        watch: of the disk of that folder.
        device: as for `precision.choose`.
        tile: side of a tile, pixels of the source; 0: whole frames.
    """

    def __init__(
        self, model: Upscaler, picture: Picture, order: Order, folder: Path, watch: DiskWatch, *, device: str, tile: int
    ) -> None:
        from stages.upscale.pixels import wire

        ends = wire(picture, order.config.pix_fmt)
        self._source, self._target = ends.source, ends.target
        self._device = choose(device, "fp32").device
        self._model, self._order, self._watch = model.to(self._device), order, watch
        self._tiling = Tiling(tile, _OVERLAP, order.scale, int(model.spec.align))
        self._small, self._large = folder / "in", folder / "out"

    def run(self, frames: Iterable[VideoFrame], writer: SegmentWriter, progress: Callable[[float], None]) -> Footprint:
        """Onto the disk, through the model, into the encoder, one after another.

        Raises:
            StageError: BAD_INPUT for damage; ENCODER, DISK_FULL, HOST_OOM, GPU_OOM.
        """
        self._small.mkdir()
        self._large.mkdir()
        times = self._decode(frames)
        steps = max(1, _PARTS * len(times))
        for place in range(len(times)):
            self._enlarge(place)
            progress((len(times) + place) / steps)
        taken = sum(file.stat().st_size for folder in (self._small, self._large) for file in folder.iterdir())
        for place, pts in enumerate(times):
            writer.write(self._framed(place, pts))
            progress((2 * len(times) + place) / steps)
        return Footprint(len(times), taken)

    def notes(self) -> list[str]:
        """That nobody should work so, and what it leaves out."""
        told = ["upscaler.mode=frames_on_disk is for comparison only: every frame was written to disk twice, in fp32"]
        if self._order.stabilise != "off":
            told.append(
                f"upscaler.mode=frames_on_disk does not steady frames: upscaler.stabilise={self._order.stabilise}"
            )
        return told

    def _decode(self, frames: Iterable[VideoFrame]) -> list[int | None]:
        """All frames as files; their times, which PNG does not keep."""
        from stages.upscale.planes import planes_of

        times: list[int | None] = []
        for frame in frames:
            self._save(self._small, len(times), self._source.to_rgb(planes_of(frame))[0])
            times.append(frame.pts)
        return times

    def _enlarge(self, place: int) -> None:
        import torch

        small = _loaded(self._file(self._small, place))[None].to(self._device)
        try:
            with torch.inference_mode(), torch_threads(len(usable_cpus())):
                large = upscaled(self._model, small, self._tiling)[0].float().cpu()
        except Exception as error:  # ONNX Runtime's errors have no parent of their own
            if not is_out_of_memory(error):
                raise
            raise self._too_large(place, error) from error
        self._save(self._large, place, large)

    def _too_large(self, place: int, error: Exception) -> StageError:
        failure = Failure.HOST_OOM if self._device == "cpu" else Failure.GPU_OOM
        said = f"out of memory on {self._device} at frame {place}, and upscaler.mode=frames_on_disk has no smaller way"
        return StageError(failure, f"{said}; set upscaler.tile, or use upscaler.mode=stream", detail=str(error)[:200])

    def _save(self, folder: Path, place: int, rgb: Tensor) -> None:
        self._watch.check()
        file = self._file(folder, place)
        with writing(file):
            file.write_bytes(_png(rgb))

    def _file(self, folder: Path, place: int) -> Path:
        return folder / f"{place:08d}.png"

    def _framed(self, place: int, pts: int | None) -> VideoFrame:
        from stages.upscale.planes import frames_of

        planes = self._target.from_rgb(_loaded(self._file(self._large, place))[None])
        frame = frames_of(planes, self._order.config.pix_fmt)[0]
        frame.pts, frame.time_base = pts, self._order.base
        return frame


def _png(rgb: Tensor) -> bytes:
    """RGB [3, H, W] as a PNG of 8 bits."""
    import cv2

    numbers = rgb.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
    done, packed = cv2.imencode(".png", cv2.cvtColor(numbers, cv2.COLOR_RGB2BGR))
    if not done:
        raise OSError("OpenCV cannot write PNG")
    return packed.tobytes()


def _loaded(file: Path) -> Tensor:
    """A PNG as RGB [3, H, W], float32, 0..1."""
    import cv2
    import numpy as np
    import torch

    with reading(file):
        packed: Any = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        if packed is None:
            raise OSError("it is no whole PNG")
    numbers = torch.from_numpy(cv2.cvtColor(packed, cv2.COLOR_BGR2RGB))
    return numbers.permute(2, 0, 1).float().div_(255)
