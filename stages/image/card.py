"""A title card: a look in colours that go together, and the scene's words set on it. All of it follows from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stages.image.canvas import COARSE, Canvas, edge, finish, lay, soft
from stages.image.lettering import Block, Box, block_of, mask_of, type_for
from stages.image.looks import LOOKS
from stages.image.palette import contrast, luminance, palette_of
from stages.image.wording import Words, words_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from stages.image.canvas import Floats

LEAST_CONTRAST = 4.5  # WCAG 2 AA
_CENTRED = {"rays", "paper", "dunes"}
_HIGHER = {"dunes": 0.31, "rays": 0.33}  # where the middle of the words stands, of the height; the sun is below
_COLUMN = 0.66  # of the width: inside the safe area when the camera has come 1.25 times nearer
_MIDDLE, _TALLEST = 0.36, 0.36  # of the height: captions have the lower third
_BRIGHT = 0.42  # luminance above which ground wants dark letters
_SCRIMS = (0.0, 0.12, 0.24, 0.36, 0.48, 0.6, 0.72, 0.84)


@dataclass(frozen=True, slots=True)
class Card:
    """A drawn picture, and what could not be drawn."""

    image: Image
    look: str
    notes: tuple[str, ...] = ()


def draw_card(title: str, text: str, seed: int, width: int, height: int, look: str = "auto") -> Card:
    """Draw a card.

    Args:
        title: set large; with "" the first words of the text are.
        text: what the scene says.
        seed: the same gives the same card.
        width: of the picture, pixels.
        height: likewise.
        look: a name of `LOOKS`, or auto.
    """
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng([seed & 0xFFFF_FFFF, seed >> 32 & 0xFFFF_FFFF])
    chosen = str(rng.choice(sorted(LOOKS)))  # drawn in any case: a look that is asked for keeps its colours
    look = chosen if look == "auto" else look
    canvas = Canvas(width, height, palette_of(rng), rng)
    picture = LOOKS[look](canvas)
    notes = _set_words(canvas, picture, words_of(title, text), look)
    return Card(Image.fromarray(finish(picture, rng)), look, tuple(notes))


def _set_words(canvas: Canvas, picture: Floats, words: Words, look: str) -> list[str]:
    bold, notes = type_for(words.main, bold=True)
    if bold is None:
        return notes
    plain, _ = type_for(words.over, bold=False) if words.over else (None, [])
    box, centred = _column(canvas, look), look in _CENTRED
    block = block_of(words, bold, plain, box, canvas.unit)
    size = canvas.width, canvas.height
    large = mask_of([line for line in block.lines if not line.small], block, bold, size, centred)
    ink, ground = _legible(canvas, picture, large)
    lay(picture, ground, _blurred(canvas, large, 2.2) * 0.55)  # a wide, faint shadow lifts letters off lines and edges
    _rule(canvas, picture, block, centred, canvas.accent(bright=bool(luminance(ink) > luminance(ground))))
    lay(picture, ink, large)
    if plain:
        lay(picture, ink, mask_of([line for line in block.lines if line.small], block, plain, size, centred) * 0.86)
    return notes


def _column(canvas: Canvas, look: str) -> Box:
    width, middle = round(_COLUMN * canvas.width), _HIGHER.get(look, _MIDDLE)
    return Box((canvas.width - width) // 2, width, round(middle * canvas.height), round(_TALLEST * canvas.height))


def _legible(canvas: Canvas, picture: Floats, letters: Floats) -> tuple[Floats, Floats]:
    """Choose light or dark ink, and calm the ground under it as little as is needed for it to be read.

    Returns:
        the ink, and the colour that the ground was calmed with; sRGB [3].
    """
    import numpy as np

    under = picture[:, letters > 0.5].T[::7]
    light, dark = _towards(canvas.colour(5), 1.0, 0.6), _towards(canvas.colour(0), 0.0, 0.35)
    dim = len(under) == 0 or float(np.median(luminance(under))) < _BRIGHT
    ink, ground = (light, dark) if dim else (dark, light)
    veil = soft(_blurred(canvas, letters, 6.0) * 4.5)
    for strength in _SCRIMS:
        if _worst(ink, under + (ground - under) * strength) >= LEAST_CONTRAST:
            break
    lay(picture, ground, np.float32(strength) * veil)
    return ink, ground


def _worst(ink: Floats, under: Floats) -> float:
    """The contrast that all but a few of the pixels under the letters reach."""
    import numpy as np

    return float(np.percentile(contrast(ink, under), 4)) if len(under) else 21.0


def _towards(colour: Floats, end: float, share: float) -> Floats:
    moved: Floats = colour + (end - colour) * share
    return moved


def _blurred(canvas: Canvas, letters: Floats, radius: float) -> Floats:
    """Letters as seen through frosted glass; the radius is in hundredths of the width."""
    import numpy as np
    from PIL import Image, ImageFilter

    coarse = Image.fromarray((letters * 255).astype(np.uint8)).reduce(COARSE)
    blurred = coarse.filter(ImageFilter.GaussianBlur(radius * canvas.unit / COARSE))
    return canvas.enlarged(np.asarray(blurred, np.float32) / 255)


def _rule(canvas: Canvas, picture: Floats, block: Block, centred: bool, colour: Floats) -> None:
    """A short bar of the accent above the words."""
    import numpy as np

    x, y = canvas.axes()
    length, thick = 9 * canvas.unit, 0.95 * canvas.unit
    left, top, right, _ = block.bounds
    start = (left + right - length) / 2 if centred else right - length if block.right_to_left else left
    middle = start + length / 2 - canvas.width / 2, top - 4.2 * canvas.unit - canvas.height / 2
    beyond = np.maximum(np.abs(x * canvas.width - middle[0]) - (length - thick) / 2, 0)
    lay(picture, colour, edge(thick / 2 - np.hypot(beyond, y * canvas.width - middle[1])))
