"""Reads a still of any kind: turned upright, alpha on black, 8 bits of red, green and blue."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.contract import Failure, StageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "AVIF")
_MOST_PIXELS = 200_000_000


def read_still(path: Path, name: str, enough: tuple[int, int] = (0, 0)) -> NDArray[np.uint8]:
    """The pixels, shape [height, width, 3], red first.

    Args:
        path: the file; its content tells its kind, not its name.
        name: what to call it in sentences.
        enough: width and height that serve; a larger JPEG is decoded at a half, a quarter or an eighth of its size
            when that still is enough. (0, 0): all of it.

    Raises:
        StageError: BAD_INPUT when it is no picture that can be decoded.
    """
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # there is a limit of our own below
            with Image.open(path, formats=_FORMATS) as picture:
                return np.asarray(_plain(picture, name, enough))
    except UnidentifiedImageError as error:
        kinds = ", ".join(_FORMATS)
        raise StageError(Failure.BAD_INPUT, f"{name}: is no picture ({kinds} are read); give another one") from error
    except Image.DecompressionBombError as error:
        raise StageError(Failure.BAD_INPUT, f"{name}: is too large to be decoded; make it smaller") from error
    except (OSError, SyntaxError, ValueError) as error:  # SyntaxError: what Pillow calls a broken PNG
        raise StageError(Failure.BAD_INPUT, f"{name}: cannot be decoded ({error}); make the picture again") from error


def _plain(picture: Image.Image, name: str, enough: tuple[int, int]) -> Image.Image:
    from PIL import ImageOps

    if picture.width * picture.height > _MOST_PIXELS:
        size = f"{picture.width}×{picture.height}"
        raise StageError(Failure.BAD_INPUT, f"{name}: {size} pixels are too many; make it smaller")
    if all(enough):
        side = max(enough)  # a JPEG may lie on its side
        picture.draft("RGB", (side, side))
    return _rgb(ImageOps.exif_transpose(picture))


def _rgb(picture: Image.Image) -> Image.Image:
    from PIL import Image

    if picture.mode.startswith(("I", "F")):
        return _grey(picture)
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        ground = Image.new("RGBA", picture.size, (0, 0, 0, 255))
        return Image.alpha_composite(ground, picture.convert("RGBA")).convert("RGB")
    return picture.convert("RGB")


def _grey(picture: Image.Image) -> Image.Image:
    """Grey of 16 bits, or in floating point. Pillow's own conversion cuts off all above 255."""
    import numpy as np
    from PIL import Image

    values: Any = np.asarray(picture).astype(np.float64)
    highest = 65535.0 if picture.mode.startswith("I") else max(1.0, float(np.nanmax(values)))
    grey = np.clip(np.nan_to_num(values) * (255.0 / highest), 0, 255)
    return Image.fromarray(np.rint(grey).astype(np.uint8)).convert("RGB")
