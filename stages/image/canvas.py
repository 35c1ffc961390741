"""What looks are made of: smooth fields, edges without jaggies, layers of colour, grain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stages.image.palette import Palette, between, to_srgb

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

COARSE = 6  # what is smooth is computed on every sixth pixel of each row and column


@dataclass(frozen=True, slots=True)
class Canvas:
    """Where a look is drawn: its size in pixels, its colours, its chance."""

    width: int
    height: int
    palette: Palette
    rng: np.random.Generator

    @property
    def share(self) -> float:
        """How much smaller things are than in an upright picture of this width: 1 unless the picture lies."""
        return min(1.0, 0.75 * self.height / self.width)

    @property
    def unit(self) -> float:
        """One hundredth of the width, pixels, less when the picture lies: lengths follow the size of the picture."""
        return self.width * self.share / 100

    def axes(self, step: int = 1) -> tuple[Floats, Floats]:
        """X [1, w] and y [h, 1] in widths, from the middle of the picture."""
        import numpy as np

        w, h = -(-self.width // step), -(-self.height // step)
        x = ((np.arange(w, dtype=np.float32) + 0.5) * step - self.width / 2) / self.width
        y = ((np.arange(h, dtype=np.float32) + 0.5) * step - self.height / 2) / self.width
        return x[None, :], y[:, None]

    def coarse_axes(self) -> tuple[Floats, Floats]:
        """`axes` for what is smooth (see `enlarged`)."""
        return self.axes(COARSE)

    def enlarged(self, coarse: Floats) -> Floats:
        """A coarse field [h, w] at full size."""
        import numpy as np
        from PIL import Image

        grown = Image.fromarray(coarse.astype(np.float32)).resize((self.width, self.height), Image.Resampling.BICUBIC)
        return np.asarray(grown, dtype=np.float32)

    def noise(self, cells: float) -> Floats:
        """A smooth field of about 0..1 at full size; `cells` hills fit into the width."""
        import numpy as np

        across, down = round(cells) + 3, round(cells * self.height / self.width) + 3
        field = self.enlarged(self.rng.random((down, across)).astype(np.float32))
        low, high = float(field.min()), float(field.max())
        scaled: Floats = (field - low) / max(high - low, 1e-6)
        return scaled

    def gradient(self, at: Floats, first: int = 0, last: int = 5) -> Floats:
        """Coarse places 0..1 along the palette's steps `first` to `last`, as a picture [3, height, width] in sRGB."""
        import numpy as np

        coarse = to_srgb(between(self.palette.steps[first : last + 1], np.clip(at, 0, 1)))
        return np.stack([self.enlarged(coarse[..., channel]) for channel in range(3)])

    def colour(self, step: float) -> Floats:
        """SRGB [3] of a place along the palette, 0 (dark) to 5 (light)."""
        import numpy as np

        return to_srgb(between(self.palette.steps, np.array(step / 5, np.float32)))

    def accent(self, *, bright: bool) -> Floats:
        """SRGB [3] of the colour that stands out from dark ground (`bright`) or from light."""
        return to_srgb(self.palette.accents[int(bright)])


def lay(picture: Floats, colour: Floats, cover: Floats) -> None:
    """Put a colour [3] or picture [3, h, w] over a picture in place; `cover` [h, w] 0..1 says how densely."""
    for channel, over in enumerate(colour):
        picture[channel] += (over - picture[channel]) * cover


def edge(distance_px: Floats) -> Floats:
    """Coverage of pixels by what lies at distances > 0: a straight edge, averaged over each pixel."""
    import numpy as np

    cover: Floats = np.clip(distance_px + 0.5, 0, 1)
    return cover


def soft(value: Floats) -> Floats:
    """0..1 with gentle ends (smoothstep); values beyond are cut."""
    import numpy as np

    t = np.clip(value, 0, 1)
    eased: Floats = t * t * (3 - 2 * t)
    return eased


def finish(picture: Floats, rng: np.random.Generator, grain: float = 0.011) -> NDArray[np.uint8]:
    """Film grain, which also hides the steps of 8 bits, and a slightly darker rim; [3, h, w] → [h, w, 3] uint8."""
    import numpy as np

    height, width = picture.shape[1:]
    x, y = np.linspace(-1, 1, width, dtype=np.float32)[None], np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    picture *= 1 - 0.10 * soft((x * x + y * y - 0.5) / 1.5)
    tile = rng.standard_normal((height // 2 + 1, width), dtype=np.float32)
    picture += np.concatenate([tile, tile[::-1, ::-1]])[:height] * grain
    np.clip(picture, 0, 1, out=picture)
    picture *= 255
    return np.ascontiguousarray(np.moveaxis((picture + 0.5).astype(np.uint8), 0, -1))
