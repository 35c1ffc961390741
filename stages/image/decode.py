"""A picture from anywhere → 8-bit sRGB, upright, opaque. It is decoded to its end, or refused."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

SERVED = ("PNG", "JPEG", "WEBP")  # what a service may send
GIVEN = (*SERVED, "GIF", "BMP", "TIFF", "AVIF")  # what a person may give
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
_MOST_PIXELS = 150_000_000  # the largest phones make 108 million
_ROOM = 2  # no picture is kept larger than twice its frame
_SMALLEST_SIDE = 64
_ONE_COLOUR = 3  # of 255
# what Pillow's readers raise for damaged files, found by damaging them
_FAULTS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    struct.error,
    LookupError,
    EOFError,
    ArithmeticError,
    RuntimeError,
)


class BrokenPictureError(Exception):
    """Not a picture that can be used; the message is half a sentence."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in mode RGB, and what had to be done to it that its maker may want to know."""

    image: Image
    notes: tuple[str, ...] = ()

    def noting(self, *notes: str) -> Picture:
        """The same with more notes."""
        return replace(self, notes=(*self.notes, *notes))


def decode(source: Path | bytes, frame: tuple[int, int], formats: tuple[str, ...] = GIVEN) -> Picture:
    """Decode a picture fully.

    Args:
        source: a file, or its content.
        frame: width and height that it is for; what is far larger is made smaller.
        formats: those that are allowed, by Pillow's names.

    Raises:
        BrokenPictureError: when it is none, is cut off, or is too large.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=formats) as opened:
            return _decoded(opened, frame)
    except UnidentifiedImageError as error:
        raise BrokenPictureError(f"it is no {', '.join(formats)} picture") from error
    except Image.DecompressionBombError as error:
        raise BrokenPictureError(f"it has more than {_MOST_PIXELS // 1_000_000} million pixels") from error
    except _FAULTS as error:
        raise BrokenPictureError(f"it is broken or cut off ({error or type(error).__name__})") from error


def _decoded(opened: Image, frame: tuple[int, int]) -> Picture:
    from PIL import ImageOps

    width, height = opened.size
    if width * height > _MOST_PIXELS:
        raise BrokenPictureError(f"it has more than {_MOST_PIXELS // 1_000_000} million pixels ({width}×{height})")
    several = opened.format != "MPO" and getattr(opened, "n_frames", 1) > 1  # an MPO is a photograph and its previews
    notes = ["it holds several pictures; the first is shown"] if several else []
    opened.seek(0)
    if opened.format in ("JPEG", "MPO"):  # decodes huge photographs at a half, a quarter or an eighth
        opened.draft(None, (frame[0] * _ROOM, frame[1] * _ROOM))
    opened.load()
    picture = _in_srgb(ImageOps.exif_transpose(opened))
    return Picture(_no_larger(picture.image, frame), (*notes, *picture.notes))


def _in_srgb(image: Image) -> Picture:
    profile = image.info.get("icc_profile")
    image, notes = _opaque(_eight_bits(image))
    if not profile:
        return Picture(image.convert("RGB"), notes)
    managed = _by_profile(image, profile)
    if managed is None:
        return Picture(image.convert("RGB"), (*notes, "its colour profile cannot be used; its colours may differ"))
    return Picture(managed, notes)


def _eight_bits(image: Image) -> Image:
    """Pillow cuts 16-bit grey off at 255 instead of scaling it."""
    import numpy as np
    from PIL import Image

    if image.mode.startswith("I"):
        return Image.fromarray((np.clip(np.asarray(image, np.int64), 0, 65535) >> 8).astype(np.uint8))
    if image.mode == "F":
        values = np.nan_to_num(np.asarray(image, np.float32))
        return Image.fromarray((np.clip(values / max(float(values.max()), 1.0), 0, 1) * 255).astype(np.uint8))
    return image.convert("L") if image.mode == "1" else image


def _opaque(image: Image) -> tuple[Image, tuple[str, ...]]:
    """What shows through shows white, as on a page."""
    from PIL import Image

    if not image.has_transparency_data:
        return image.convert("RGB") if image.mode in ("P", "RGBX", "YCbCr", "HSV") else image, ()
    clear = image.convert("RGBA")
    if clear.getchannel("A").getextrema() == (255, 255):
        return clear.convert("RGB"), ()
    page = Image.new("RGBA", clear.size, "white")
    return Image.alpha_composite(page, clear).convert("RGB"), ("its transparent parts are shown white",)


def _by_profile(image: Image, profile: bytes) -> Image | None:
    """The picture's colours by its own profile; None when that is broken, or of another kind of colours."""
    from PIL import ImageCms

    try:
        own, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, own, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, *_FAULTS):
        return None


def _no_larger(image: Image, frame: tuple[int, int]) -> Image:
    from PIL import Image

    scale = max(_ROOM * frame[0] / image.width, _ROOM * frame[1] / image.height)
    if scale >= 1:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def refuse_rubbish(picture: Picture) -> None:
    """Refuse what a service sends when it has no picture: one far too small, or all of one colour.

    Raises:
        BrokenPictureError: with what it is.
    """
    import numpy as np

    image = picture.image
    if min(image.size) < _SMALLEST_SIDE:
        raise BrokenPictureError(f"it is only {image.width}×{image.height}")
    spans = np.ptp(np.asarray(image).reshape(-1, 3), axis=0)
    if spans.max() <= _ONE_COLOUR:
        raise BrokenPictureError("it is all of one colour")
