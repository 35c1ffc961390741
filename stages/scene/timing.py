"""How long a scene is, in whole frames. Exact arithmetic: starts of scenes are sums of frames, never of seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

# What a length in seconds may lose on its way through text: six decimals, as JSON and FFmpeg's messages carry.
_ROUNDING_S = Fraction(1, 1_000_000)
HIGHEST_FPS = 240
FINE = 10_000  # units of a clock per second at least: players take a coarser clock for a frame rate


def rate_of(fps: str) -> Fraction:
    """A setting such as `25`, `23.976` or `30000/1001` as frames per second.

    Raises:
        ValueError: when it is no frame rate of 1 to 240.
    """
    try:
        rate = Fraction(str(fps).strip())
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 1 <= rate <= HIGHEST_FPS:
        raise ValueError(f"{fps!r} is no frame rate of 1 to {HIGHEST_FPS} frames per second")
    return rate


def frames_of(duration_s: float, pause_s: float, fps: Fraction) -> int:
    """Frames of a scene's clip: rounded up, so that speech and pause always fit; at least 1.

    It hangs on this scene alone. A microsecond too much, from writing the length in decimals, costs no frame.

    Args:
        duration_s: length of the speech, seconds.
        pause_s: silence after it, seconds.
        fps: frames per second.

    Raises:
        ValueError: for a length that is negative or no number.
    """
    if not (math.isfinite(duration_s) and math.isfinite(pause_s) and duration_s >= 0 and pause_s >= 0):
        raise ValueError(f"a scene of {duration_s} s of speech and {pause_s} s of pause has no length")
    length = Fraction(duration_s) + Fraction(pause_s) - _ROUNDING_S
    return max(1, math.ceil(length * fps))


def starts_of(counts: Sequence[int], fps: Fraction) -> list[Fraction]:
    """When each scene starts in the film, seconds, exact; and as the last one, when the film ends.

    Args:
        counts: frames of each scene, in order.
        fps: frames per second.
    """
    starts = [Fraction(0)]
    for count in counts:
        starts.append(starts[-1] + count / fps)
    return starts
