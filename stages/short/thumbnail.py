"""One frame that stands for the film: sharp, colourful, and early."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.contract import Failure, StageError
from stages.media.faults import reading, writing
from stages.media.probe import opened

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EACH = 4  # key frames looked at in each clip
_LATER = 0.85  # what a frame of the next scene counts against one of this: the first scene has the title
_LEAST = 1e-6


def thumbnail(clips: Sequence[Path], target: Path, quality: int) -> None:
    """Write the best of the key frames of some clips as JPEG.

    Args:
        clips: the first scenes, in order.
        target: the file.
        quality: of JPEG, 1 to 100.

    Raises:
        StageError: BAD_INPUT when a clip cannot be decoded; DISK_FULL.
    """
    best, chosen = -1.0, None
    for place, path in enumerate(clips):
        for picture in _pictures(path):
            points = score(picture) * _LATER**place
            if points > best:
                best, chosen = points, picture
    if chosen is None:
        raise StageError(Failure.ENCODER, f"{target.name}: no clip has a picture; have the clips made again")
    _save(chosen, target, quality)


def _pictures(path: Path) -> Iterator[NDArray[np.uint8]]:
    with opened(path) as container, reading(path):
        stream = container.streams.video[0]
        stream.codec_context.skip_frame = "NONKEY"
        for frame in islice(container.decode(stream), _EACH):
            yield _rgb(frame)


def _rgb(frame: Any) -> NDArray[np.uint8]:
    """Height × width × 3; a frame that does not tell its matrix is high definition's."""
    told = int(frame.colorspace) != 2  # AVCOL_SPC_UNSPECIFIED
    pixels: NDArray[np.uint8] = frame.to_ndarray(format="rgb24", **({} if told else {"src_colorspace": "ITU709"}))
    return pixels


def score(pixels: NDArray[np.uint8]) -> float:
    """Sharpness times colourfulness of a picture, shape [h, w, 3]; near 0 for an empty one."""
    import numpy as np

    small = pixels[:: max(1, pixels.shape[0] // 672), :: max(1, pixels.shape[1] // 384)].astype(np.float32)
    luma = small @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    across, down = np.abs(np.diff(luma, axis=1)), np.abs(np.diff(luma, axis=0))
    sharp = float(np.sqrt(np.mean(across**2) + np.mean(down**2)))
    return (sharp + _LEAST) * (10 + colourfulness(small))


def colourfulness(pixels: NDArray[np.float32]) -> float:
    """After Hasler and Süsstrunk (2003): spread and distance from grey of the two opponent colours."""
    import numpy as np

    red, green, blue = (pixels[..., channel] for channel in range(3))
    one, other = red - green, (red + green) / 2 - blue
    return float(np.hypot(one.std(), other.std()) + 0.3 * np.hypot(one.mean(), other.mean()))


def _save(pixels: NDArray[np.uint8], target: Path, quality: int) -> None:
    from PIL import Image

    with writing(target):
        Image.fromarray(pixels).save(target, "JPEG", quality=quality, optimize=True)
