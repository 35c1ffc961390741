"""How a drawn card can look. Each look is one function: a canvas in, a picture [3, height, width] sRGB 0..1 out.

All leave the upper half calm enough for a title, and the lower third for captions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from stages.image.canvas import Canvas, edge, lay, soft

if TYPE_CHECKING:
    from stages.image.canvas import Floats

# where orbs float: from the middle, in widths and heights; smallest and largest radius, in widths
_ORBS = (
    (-0.42, -0.42, 0.14, 0.24),
    (0.46, 0.07, 0.15, 0.25),
    (-0.30, 0.26, 0.20, 0.34),
    (0.34, 0.44, 0.15, 0.30),
    (0.04, 0.13, 0.06, 0.11),
)


def aurora(canvas: Canvas) -> Floats:
    """Clouds of colour that run into one another."""
    import numpy as np

    rng = canvas.rng
    x, y = canvas.coarse_axes()
    bend = rng.uniform(0.10, 0.22)
    warped_x = x + bend * np.sin(3.1 * y + rng.uniform(0, 6.28)) + 0.08 * np.sin(7 * y + 2 * x)
    warped_y = y + bend * np.sin(3.7 * x + rng.uniform(0, 6.28))
    tall = canvas.height / canvas.width
    total, weight = np.full_like(warped_x + warped_y, 0.012), np.float32(0.04)
    for level in rng.permutation((0.0, 0.12, 0.25, 0.42, 0.6, 0.78, 0.95)):
        at_x, at_y = rng.uniform(-0.6, 0.6), rng.uniform(-0.55, 0.55) * tall
        near = np.exp(-((warped_x - at_x) ** 2 + (warped_y - at_y) ** 2) / (2 * rng.uniform(0.20, 0.34) ** 2))
        total, weight = total + near * level, weight + near
    picture = canvas.gradient(total / weight + 0.06 * y)
    veil = np.sin((x * rng.uniform(0.5, 1.1) + y * 0.4 + 0.25 * np.sin(2.2 * y)) * rng.uniform(9, 14))
    lay(picture, canvas.colour(5), canvas.enlarged(0.05 * soft(0.5 + 0.5 * veil)))
    return picture


def dunes(canvas: Canvas) -> Floats:
    """Hills behind hills under a large sun."""
    import numpy as np

    rng = canvas.rng
    x, y = canvas.axes()
    tall = canvas.height / canvas.width
    coarse_x, coarse_y = canvas.coarse_axes()
    sky = canvas.gradient(0.10 + 1.25 * (coarse_y / tall + 0.5) ** 1.9 + 0.0 * coarse_x, 0, 5)
    sun_x, sun_y, radius = (
        rng.uniform(-0.22, 0.22),
        tall * rng.uniform(0.05, 0.09),
        rng.uniform(0.15, 0.20) * canvas.share,
    )
    glow = np.hypot(coarse_x - sun_x, coarse_y - sun_y)
    lay(sky, canvas.colour(5), canvas.enlarged(0.60 * np.exp(-((glow / (1.8 * radius)) ** 2))))
    away = np.hypot(x - sun_x, y - sun_y)
    lay(sky, canvas.colour(5), 0.92 * edge((radius - away) * canvas.width))
    count = int(rng.integers(4, 7))
    for number in range(count):
        share = number / (count - 1)
        top = tall * (0.09 + 0.36 * share**1.15)
        _hill(canvas, sky, top, 3.6 * (1 - share) ** 1.2 + 0.1, 0.045 + 0.05 * share)
    return sky


def _hill(canvas: Canvas, picture: Floats, top: float, step: float, swing: float) -> None:
    """One hill: its ridge, lit from above, dark towards its foot."""
    import numpy as np

    rng = canvas.rng
    x, y = canvas.axes()
    ridge = top + sum(
        swing / wave * np.sin(x * 2.1 * wave + rng.uniform(0, 6.28)) for wave in (1, rng.uniform(1.7, 2.4), 4.3)
    )
    depth = y - ridge
    start = max(0, int((float(ridge.min()) + canvas.height / canvas.width / 2) * canvas.width) - 2)
    below = depth[start:]
    _shaded(canvas, picture[:, start:], step + 0.55, step - 0.55, soft(below / 0.45), edge(below * canvas.width))


def _shaded(canvas: Canvas, picture: Floats, start: float, end: float, at: Floats, cover: Floats) -> None:
    """Lay a gradient between two places of the palette."""
    import numpy as np

    first, last = (canvas.colour(float(np.clip(step, 0, 5)))[:, None, None] for step in (start, end))
    lay(picture, first + (last - first) * at, cover)


def rays(canvas: Canvas) -> Floats:
    """A soft burst of light from below the middle."""
    import numpy as np

    rng = canvas.rng
    tall = canvas.height / canvas.width
    at_x, at_y = 0.0, tall * rng.uniform(0.16, 0.24)
    coarse_x, coarse_y = canvas.coarse_axes()
    away = np.hypot(coarse_x - at_x, coarse_y - at_y)
    picture = canvas.gradient(0.80 - 0.66 * soft(away / (0.78 * tall)))
    x, y = canvas.axes()
    angle, distance = np.arctan2(y - at_y, x - at_x), np.hypot(x - at_x, y - at_y)
    count = int(rng.integers(9, 15))
    wave = np.cos(angle * count + rng.uniform(0, 6.28))
    # an edge of one pixel, wherever it lies: the further out, the steeper in angle
    beam = edge(wave * distance * canvas.width / count) * soft((distance - 0.2) / 0.7)
    lay(picture, canvas.colour(4.4), 0.20 * beam * (1 - soft(distance / (1.05 * tall))))
    radius = rng.uniform(0.13, 0.18) * canvas.share
    for wider, cover in ((2.3, 0.10), (1.6, 0.14), (1.0, 0.95)):
        lay(picture, canvas.colour(5), cover * edge((radius * wider - distance) * canvas.width))
    return picture


def orbs(canvas: Canvas) -> Floats:
    """Large balls of light, floating before one another."""
    rng = canvas.rng
    tall = canvas.height / canvas.width
    coarse_x, coarse_y = canvas.coarse_axes()
    lean = rng.uniform(-0.35, 0.35)
    picture = canvas.gradient(0.5 + (coarse_y + lean * coarse_x) / (1.9 * tall) * -1, 0, 2)
    for px, py, least, most in _ORBS:
        at = px + rng.uniform(-0.08, 0.08), (py + rng.uniform(-0.03, 0.03)) * tall
        _orb(canvas, picture, at, rng.uniform(least, most) * canvas.share, rng.uniform(2.2, 4.2))
    return picture


def _orb(canvas: Canvas, picture: Floats, at: tuple[float, float], radius: float, step: float) -> None:
    """A ball lit from above on the left, with its shadow."""
    import numpy as np

    x, y = canvas.axes()
    rows, columns = (
        slice(*np.searchsorted(axis, (mid - 1.5 * radius, mid + 1.5 * radius)))
        for axis, mid in zip((y[:, 0], x[0]), reversed(at), strict=True)
    )
    part = picture[:, rows, columns]
    dx, dy = x[:, columns] - at[0], y[rows] - at[1]
    lay(part, canvas.colour(0), 0.45 * (1 - soft(np.hypot(dx, dy - 0.13 * radius) / (1.34 * radius))))
    lit = soft(0.62 - (0.5 * dx + 0.85 * dy) / (1.9 * radius))
    _shaded(canvas, part, step - 1.6, step + 0.8, lit, edge((radius - np.hypot(dx, dy)) * canvas.width))


def paper(canvas: Canvas) -> Floats:
    """Sheets of cut paper, one above the other."""
    import numpy as np

    rng = canvas.rng
    x, y = canvas.coarse_axes()
    tall = canvas.height / canvas.width
    bowl = np.hypot(x / 0.95, (y + rng.uniform(-0.05, 0.1) * tall) / (0.62 * tall))
    field = canvas.enlarged(bowl) + 0.55 * (canvas.noise(rng.uniform(2.2, 3.4)) - 0.5)
    upright = bool(rng.random() < 0.5)
    down = round(1.6 * canvas.unit)
    above = np.concatenate([np.repeat(field[:1], down, 0), field[:-down]])
    slope = _slope(canvas, field)
    sheet, shade = np.full_like(field, 0.25 if upright else 3.9), np.ones_like(field)
    for level in np.linspace(0.42, 1.28, 6).tolist():
        cover = edge((field - level) / slope)
        shade *= 1 - 0.34 * soft((above - level) / 0.10 + 0.75)
        shade += (1 - shade) * cover
        sheet += (0.8 if upright else -0.6) * cover
    table = np.array([canvas.colour(step) for step in np.linspace(0, 5, 501)])
    at = (np.clip(sheet, 0, 5) * 100 + 0.5).astype(np.int16)
    return np.stack([channel[at] * shade for channel in table.T])


def _slope(canvas: Canvas, field: Floats) -> Floats:
    """How much a smooth field changes from one pixel to the next."""
    import numpy as np

    far = 8
    coarse = field[::far, ::far]
    return np.maximum(canvas.enlarged(np.hypot(*np.gradient(coarse)) / far), 1e-6)


def contours(canvas: Canvas) -> Floats:
    """The fine lines of a map over a deep gradient."""
    import numpy as np

    rng = canvas.rng
    x, y = canvas.coarse_axes()
    tall = canvas.height / canvas.width
    picture = canvas.gradient(0.52 + y / tall * rng.choice((-0.75, 0.75)) + x * rng.uniform(-0.25, 0.25), 0, 3)
    field = canvas.noise(rng.uniform(1.8, 2.8)) + 0.22 * canvas.noise(5)
    lines = int(rng.integers(13, 20))
    slope = _slope(canvas, field)
    off = np.abs((field * lines + 0.5) % 1 - 0.5) / (slope * lines)
    strong = np.round(field * lines) % 4 == 0
    width = canvas.unit * np.where(strong, 0.24, 0.11).astype(np.float32)
    fade = 0.35 + 0.65 * soft(canvas.enlarged(y / tall + 0.5 + 0.0 * x))
    # where the ground is flat a line would become a blot
    lay(picture, canvas.colour(4.6), edge(width - off) * fade * np.where(strong, 0.75, 0.42) * soft(slope * lines * 90))
    return picture


LOOKS: dict[str, Callable[[Canvas], Floats]] = {
    "aurora": aurora,
    "contours": contours,
    "dunes": dunes,
    "orbs": orbs,
    "paper": paper,
    "rays": rays,
}
