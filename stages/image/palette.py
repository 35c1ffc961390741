"""Colours that go together: steps from dark to light through neighbouring hues, even to the eye (OKLab).

Source of the colour space: Björn Ottosson, "A perceptual color space for image processing", 2020.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

_TO_LMS = ((1.0, 0.3963377774, 0.2158037573), (1.0, -0.1055613458, -0.0638541728), (1.0, -0.0894841775, -1.2914855480))
_TO_RGB = (
    (4.0767416621, -3.3077115913, 0.2309699292),
    (-1.2684380046, 2.6097574011, -0.3413193965),
    (-0.0041960863, -0.7034186147, 1.7076147010),
)
# the dark end: hues that stay clean when dark (a dark yellow is mud), and how far the light end lies from them
_DARK_HUES = (15, 160, 190, 215, 240, 262, 285, 310, 340, 0)
_MUD = (62, 138)
_LIGHTNESS = (0.17, 0.30, 0.45, 0.62, 0.79, 0.91)
_CHROMA = (0.055, 0.105, 0.145, 0.15, 0.115, 0.055)
_LUMA = (0.2126, 0.7152, 0.0722)


@dataclass(frozen=True, slots=True)
class Palette:
    """Six steps from dark to light, [6, 3], and a dark and a bright colour that stand out, [2, 3]; OKLab in sRGB."""

    steps: Floats
    accents: Floats


def palette_of(rng: np.random.Generator) -> Palette:
    """A palette drawn by chance: the hue turns while the lightness rises, as in a dusk sky."""
    import numpy as np

    vivid, shares = rng.uniform(0.8, 1.1), np.linspace(0, 1, len(_LIGHTNESS))
    hue, turn = _hues(rng)
    steps = [
        fitting(light, chroma * vivid, hue + turn * share)
        for light, chroma, share in zip(_LIGHTNESS, _CHROMA, shares, strict=True)
    ]
    apart = hue + turn + rng.choice((150, 180, 210))
    return Palette(np.array(steps, np.float32), np.array([fitting(0.48, 0.17, apart), fitting(0.84, 0.15, apart)]))


def _hues(rng: np.random.Generator) -> tuple[float, float]:
    """Hue of the dark end and how far it turns, degrees. Yellows and olives of middling lightness are mud."""
    while True:
        hue = float(rng.choice(_DARK_HUES)) + rng.uniform(-8, 8)
        turn = rng.uniform(60, 140) * rng.choice((-1, 1))
        if not any(_MUD[0] < (hue + turn * share) % 360 < _MUD[1] for share in (0.2, 0.4, 0.6, 0.7)):
            return hue, turn


def fitting(light: float, chroma: float, hue_deg: float) -> Floats:
    """The OKLab colour [3] of that lightness and hue, with as much of the chroma as sRGB can show."""
    import numpy as np

    angle = np.radians(hue_deg)
    while True:
        lab = np.array([light, chroma * np.cos(angle), chroma * np.sin(angle)], np.float32)
        linear = _linear(lab)
        if chroma < 1e-3 or (linear.min() >= 0 and linear.max() <= 1):
            return lab
        chroma *= 0.94


def _linear(lab: Floats) -> Floats:
    import numpy as np

    lms: Floats = lab @ np.array(_TO_LMS, np.float32).T
    mixed: Floats = (lms * lms * lms) @ np.array(_TO_RGB, np.float32).T
    return mixed


def to_srgb(lab: Floats) -> Floats:
    """OKLab [..., 3] → sRGB [..., 3], 0..1."""
    import numpy as np

    linear = np.clip(_linear(lab), 0, 1)
    low, high = linear * 12.92, 1.055 * np.power(np.maximum(linear, 1e-6), 1 / 2.4) - 0.055
    coded: Floats = np.where(linear <= 0.0031308, low, high).astype(np.float32)
    return coded


def between(steps: Floats, at: Floats) -> Floats:
    """Colours [..., 3] at places 0..1 [...] along steps [n, 3]."""
    import numpy as np

    places = np.linspace(0, 1, len(steps))
    mixed = [np.interp(at, places, steps[:, channel]) for channel in range(3)]
    return np.stack(mixed, axis=-1).astype(np.float32)


def contrast(one: Floats, other: Floats) -> Floats:
    """How far two sRGB colours [..., 3] are apart in brightness: 1 to 21, as WCAG 2 counts it."""
    import numpy as np

    bright, dark = luminance(one) + 0.05, luminance(other) + 0.05
    ratio: Floats = np.maximum(bright, dark) / np.minimum(bright, dark)
    return ratio


def luminance(srgb: Floats) -> Floats:
    """Relative luminance [...] of sRGB [..., 3]."""
    import numpy as np

    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    shown: Floats = (linear @ np.array(_LUMA)).astype(np.float32)
    return shown
