"""Images that nobody took: dead leaves, 1/f noise, line art, text. What `train_upscaler.py` learns from.

Dead leaves (Lee, Mumford, Huang 2001: occluding shapes whose sizes follow r^-3) and noise of power 1/f^2 share the edge
and contrast statistics of photographs, so a network that has seen only these is of use on real footage.
Drawn at twice the size and halved by area, as a lens and a sensor would: edges are soft and free of aliasing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Image = NDArray[np.float32]
    Random = np.random.Generator

_WORDS = "reel tune frame Scene 0123 CUT, take; film: Größe été naïve (light) + 24/25 [night] *window* & door!"


def made_up_images(count: int, size: int, seed: int) -> list[NDArray[np.uint8]]:
    """`count` RGB images [size, size, 3], uint8; the same for the same arguments."""
    import numpy as np

    return [made_up_image(size, np.random.default_rng([seed, number])) for number in range(count)]


def made_up_image(size: int, rng: Random) -> NDArray[np.uint8]:
    """One image: seven in ten like a photograph, the others line art, text and plain gradients."""
    import numpy as np

    kinds = (_photo_like, _line_art, _text_page, _gradients)
    kind = kinds[rng.choice(4, p=(0.76, 0.09, 0.09, 0.06))]
    picture = _halved(kind(2 * size, rng))
    return np.asarray(np.clip(picture * 255 + 0.5, 0, 255), dtype=np.uint8)


def noise_1_over_f(size: int, rng: Random, slope: float) -> Image:
    """Noise [size, size] whose amplitude falls as 1/f^slope; mean 0, deviation 1."""
    import numpy as np

    row, column = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    frequency = np.hypot(row, column)
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((size, size), dtype=np.float32)) / frequency**slope
    spectrum[0, 0] = 0
    noise = np.fft.irfft2(spectrum, s=(size, size))
    return np.asarray(noise / noise.std(), dtype=np.float32)


def _photo_like(size: int, rng: Random) -> Image:
    """Dead leaves over 1/f noise, some leaves textured; unevenly lit, parts out of focus."""
    import numpy as np

    picture = _leaves(_cloud(size, rng), rng)
    if rng.random() < 0.3:
        picture = _lines(picture, rng, int(rng.integers(3, 25)))
    picture = _focus(picture, rng)
    light = 1 + rng.uniform(0, 0.3) * noise_1_over_f(size, rng, 1.6)[..., None]
    grain = rng.uniform(0, 0.04) * noise_1_over_f(size, rng, rng.uniform(0.4, 1.2))[..., None]
    return np.clip(picture * light + grain, 0, 1)


def _cloud(size: int, rng: Random) -> Image:
    """Coloured 1/f noise: bright and dark vary much, hue little."""
    import numpy as np

    slope = rng.uniform(0.9, 1.7)
    luma = rng.uniform(0.05, 0.25) * noise_1_over_f(size, rng, slope)[..., None]
    hue = noise_1_over_f(size, rng, slope)[..., None] * rng.normal(0, 0.04, 3)
    return np.clip(rng.uniform(0.2, 0.8) + luma + hue, 0, 1).astype(np.float32)


def _leaves(picture: Image, rng: Random) -> Image:
    """Shapes over shapes, largest share of the area to the large ones, most of the number to the small."""
    import numpy as np
    from PIL import Image as Pil
    from PIL import ImageDraw

    size = picture.shape[0]
    canvas = _to_pil(picture)
    draw = ImageDraw.Draw(canvas)
    texture = _to_pil(_cloud(size, rng))
    smallest, largest = rng.uniform(4, 16), size * rng.uniform(0.15, 0.4)
    for _ in range(int(rng.integers(100, 1200))):
        radius = _power_law(smallest, largest, rng)
        shape = _shape(rng.uniform(0, size, 2), radius, rng)
        if radius > 40 and rng.random() < 0.5:
            mask = Pil.new("L", (size, size))
            ImageDraw.Draw(mask).polygon(shape, fill=255)
            canvas.paste(Pil.fromarray(np.roll(np.asarray(texture), int(rng.integers(size)), 0)), mask=mask)
        else:
            draw.polygon(shape, fill=_colour(rng))
    return _from_pil(canvas)


def _power_law(low: float, high: float, rng: Random) -> float:
    """A radius whose density falls as r^-3 between the two."""
    at = rng.random()
    return float((low**-2 * (1 - at) + high**-2 * at) ** -0.5)


def _shape(centre: Any, radius: float, rng: Random) -> list[tuple[float, float]]:
    """Corners of an ellipse, a box or a polygon, turned at random."""
    import numpy as np

    corners = int(rng.choice([4, 4, 3, 5, 7, 40, 40, 40]))
    around = np.arange(corners) * 2 * np.pi / corners + np.pi / 4
    far = radius * (rng.uniform(0.6, 1.2, corners) if corners in (3, 5, 7) else 1.0)
    points = np.stack([far * np.cos(around), far * np.sin(around) * rng.uniform(0.15, 1.0)])
    turn = rng.uniform(0, np.pi) if rng.random() < 0.8 else 0.0
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ points
    return [(float(x), float(y)) for x, y in (turned.T + centre)]


def _colour(rng: Random) -> tuple[int, int, int]:
    """Mostly muted, as in photographs; now and then a vivid one."""
    import numpy as np

    spread = 70 if rng.random() < 0.15 else 18
    red, green, blue = np.clip(rng.uniform(10, 245) + rng.normal(0, spread, 3), 0, 255).astype(int)
    return int(red), int(green), int(blue)


def _lines(picture: Image, rng: Random, count: int) -> Image:
    """Polylines, thin ones most: hairs, wires, twigs."""
    from PIL import ImageDraw

    canvas = _to_pil(picture)
    draw = ImageDraw.Draw(canvas)
    size = picture.shape[0]
    for _ in range(count):
        start, steps = rng.uniform(0, size, 2), rng.normal(0, size / 12, (int(rng.integers(2, 9)), 2))
        points = [(float(x), float(y)) for x, y in start + steps.cumsum(0)]
        draw.line(points, fill=_colour(rng), width=int(_power_law(2, 14, rng)), joint="curve")
    return _from_pil(canvas)


def _focus(picture: Image, rng: Random) -> Image:
    """Sharp here, blurred there, as depth of field does it."""
    import numpy as np
    from PIL import ImageFilter

    canvas = _to_pil(picture)
    near = _from_pil(canvas.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.6))))
    far = _from_pil(canvas.filter(ImageFilter.GaussianBlur(rng.uniform(1.5, 8))))
    depth = noise_1_over_f(picture.shape[0], rng, 1.8)[..., None] - rng.uniform(0, 1.5)
    return near + (far - near) * np.clip(depth * 2, 0, 1)


def _line_art(size: int, rng: Random) -> Image:
    """Dark strokes and flat fills on a light ground, as in drawn animation."""
    import numpy as np
    from PIL import ImageDraw

    canvas = _to_pil(np.full((size, size, 3), rng.uniform(0.7, 1), np.float32))
    draw = ImageDraw.Draw(canvas)
    width = int(rng.integers(2, 9))
    for _ in range(int(rng.integers(10, 60))):
        shape = _shape(rng.uniform(0, size, 2), _power_law(12, size / 4, rng), rng)
        draw.polygon(shape, fill=_colour(rng), outline=(20, 20, 24), width=width)
    return _from_pil(canvas)


def _text_page(size: int, rng: Random) -> Image:
    """Words in many sizes and colours over a cloud."""
    import numpy as np
    from PIL import ImageDraw, ImageFont

    canvas = _to_pil(_cloud(size, rng) if rng.random() < 0.5 else np.full((size, size, 3), rng.random(), np.float32))
    draw = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(20, 90))):
        font = ImageFont.load_default(_power_law(16, 160, rng))
        x, y = rng.uniform(-0.1 * size, size, 2)
        draw.text((float(x), float(y)), " ".join(rng.choice(_WORDS.split(), 3)), fill=_colour(rng), font=font)
    return _from_pil(canvas)


def _gradients(size: int, rng: Random) -> Image:
    """Smooth ramps from corner to corner, one ramp per quarter or one for all."""
    import numpy as np

    corners = rng.random((2, 2, 3))
    down, along = np.linspace(0, 1, size)[:, None, None], np.linspace(0, 1, size)[None, :, None]
    top = corners[0, 0] * (1 - along) + corners[0, 1] * along
    bottom = corners[1, 0] * (1 - along) + corners[1, 1] * along
    ramp = (top * (1 - down) + bottom * down).astype(np.float32)
    return _leaves(ramp, rng) if rng.random() < 0.5 else ramp


def _halved(picture: Image) -> Image:
    """Mean of every 2 × 2 pixels."""
    import numpy as np

    half = picture.shape[0] // 2
    return np.asarray(picture.reshape(half, 2, half, 2, 3).mean((1, 3)), dtype=np.float32)


def _to_pil(picture: Image) -> Any:
    import numpy as np
    from PIL import Image as Pil

    return Pil.fromarray(np.asarray(np.clip(picture * 255 + 0.5, 0, 255), dtype=np.uint8))


def _from_pil(picture: Any) -> Image:
    import numpy as np

    return np.asarray(picture, dtype=np.float32) / 255
