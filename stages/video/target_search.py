"""Which quality number of an encoder gives a wanted score, by a few probes of a curve that falls with the number.

Scores are looked at as odds, `log((top − v) / (v − bottom))`: near its ceiling a score hardly moves from one number to
the next, further down it falls ever faster; in odds the curve is nearly straight. The first probe is where footage has
the wanted score on average, the second follows an average slope, all others interpolate between what was measured
(monotone cubic), within the two numbers that the target lies between.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from stages.quality.target import Aim

MOST_PROBES = 5
_LEAST_SLOPE = 0.01  # odds per number: a flatter curve is followed to the end of the scale
_FLATTEST = 3.0  # times flatter than the average slope: farther than that no correction goes
_WAVES = 0.4  # of the tolerance: a rise of the curve that is worth telling


@dataclass(frozen=True, slots=True)
class Numbers:
    """The quality numbers of an encoder.

    Attributes:
        low: the best that is tried.
        high: the worst.
        step: the smallest change that the encoder takes.
        typical: the number at which footage has an aim's typical score.
        steepness: by how much the odds change from number to number, times what they do in x264.
    """

    low: float
    high: float
    step: float
    typical: float
    steepness: float = 1.0

    def snapped(self, number: float) -> float:
        """The nearest number that the encoder takes."""
        return min(self.high, max(self.low, round(round(number / self.step) * self.step, 4)))


@dataclass(frozen=True, slots=True)
class Found:
    """What a search ended with.

    Attributes:
        quality: the number that is used.
        expected: its score.
        points: every number whose score is known, and that score.
        probes: how many were measured now.
        verdict: why the target is not met, half a sentence; "" when it is.
        uneven: the score does not fall evenly with the number.
        settled: the target is out of reach: no number is nearer to it.
    """

    quality: float
    expected: float
    points: Mapping[float, float] = field(default_factory=dict)
    probes: int = 0
    verdict: str = ""
    uneven: bool = False
    settled: bool = False


def search(
    aim: Aim, numbers: Numbers, measure: Callable[[float], float], known: Mapping[float, float], most: int = MOST_PROBES
) -> Found:
    """Measure until a score meets the aim, or nothing nearer can be found.

    Args:
        aim: the wanted score.
        numbers: what the encoder takes.
        measure: the score at a number; costly.
        known: number → score of earlier probes of the same footage.
        most: how often to measure at most.
    """
    points, probes = dict(known), 0
    while probes < most and not _enough(aim, points, most):
        number = next_number(aim, numbers, points)
        if number is None:
            break
        points[number] = measure(number)
        probes += 1
    return _ended(aim, numbers, points, probes)


def _enough(aim: Aim, points: Mapping[float, float], most: int) -> bool:
    """Whether as many probes as there may be are known, and one is near enough: asked again, the answer is the same."""
    return len(points) >= most and any(abs(score - aim.target) <= aim.tolerance for score in points.values())


def next_number(aim: Aim, numbers: Numbers, points: Mapping[float, float]) -> float | None:
    """The number to measure next; None when that would bring nothing."""
    if not points:
        return numbers.snapped(numbers.typical + (aim.odds(aim.target) - aim.odds(aim.typical)) / _slope(aim, numbers))
    if any(aim.met(score) for score in points.values()):
        return None
    better, worse = between(aim, points)
    if better is not None and worse is not None and worse - better < 1.5 * numbers.step:
        return None
    if (better is None and numbers.low in points) or (worse is None and numbers.high in points):
        return _cheaper(aim, numbers, points)
    if _flat(aim, points) and (better is None or worse is None):
        return numbers.low if better is None else numbers.high
    guess = numbers.snapped(estimate(aim, numbers, points))
    low = numbers.low if better is None else numbers.snapped(better + numbers.step)
    high = numbers.high if worse is None else numbers.snapped(worse - numbers.step)
    return min(high, max(low, guess))


def between(aim: Aim, points: Mapping[float, float]) -> tuple[float | None, float | None]:
    """The highest number with a score that reaches the target, and the next above it, which does not."""
    reaching = [number for number, score in points.items() if score >= aim.target]
    better = max(reaching) if reaching else None
    failing = [number for number, score in points.items() if score < aim.target and number > (better or -math.inf)]
    return better, min(failing) if failing else None


def _flat(aim: Aim, points: Mapping[float, float]) -> bool:
    """Whether the two scores nearest to the target are as good as the same: nothing moves, or a ceiling is reached."""
    nearest = sorted(points.values(), key=lambda score: abs(score - aim.target))[:2]
    return len(nearest) == 2 and abs(nearest[0] - nearest[1]) <= aim.tolerance / 5


def _slope(aim: Aim, numbers: Numbers) -> float:
    return aim.slope * numbers.steepness


def _cheaper(aim: Aim, numbers: Numbers, points: Mapping[float, float]) -> float | None:
    """Where the best score that can be had is short of the target: whether a number far from it has that too."""
    if numbers.low not in points or points[numbers.low] >= aim.target:
        return None
    ceiling = [number for number, score in points.items() if points[numbers.low] - score <= aim.tolerance / 2]
    beyond = [number for number in points if number > max(ceiling)]
    half = numbers.snapped((max(ceiling) + min(beyond)) / 2) if beyond else max(ceiling)
    return half if half not in points and len(points) < MOST_PROBES - 1 else None


# --- the curve -------------------------------------------------------------------------------


def estimate(aim: Aim, numbers: Numbers, points: Mapping[float, float], target: float | None = None) -> float:
    """The number at which the curve through the points has the score, not limited to any range."""
    wanted = aim.odds(aim.target if target is None else target)
    chain = _rising(aim, points)
    if len(chain) == 1:
        return chain[0][1] + (wanted - chain[0][0]) / _slope(aim, numbers)
    if wanted <= chain[0][0]:
        return _secant(chain[0], chain[1], wanted)
    if wanted >= chain[-1][0]:
        return _secant(chain[-1], chain[-2], wanted)
    from scipy.interpolate import PchipInterpolator

    return float(PchipInterpolator([odds for odds, _ in chain], [number for _, number in chain])(wanted))


def expected(aim: Aim, numbers: Numbers, points: Mapping[float, float], number: float) -> float:
    """The score at a number, along the line in odds through the two points nearest to it."""
    near = sorted(points, key=lambda known: abs(known - number))[:2]
    first, slope = near[0], _slope(aim, numbers)
    if len(near) == 2:
        slope = (aim.odds(points[near[1]]) - aim.odds(points[first])) / (near[1] - first)
    return aim.score(aim.odds(points[first]) + slope * (number - first))


def _rising(aim: Aim, points: Mapping[float, float]) -> list[tuple[float, float]]:
    """Odds and number of the points, those next to the target first, without those that break the rise."""
    chain: list[tuple[float, float]] = []
    ends = between(aim, points)
    for number, score in sorted(points.items(), key=lambda point: (point[0] not in ends, abs(point[1] - aim.target))):
        fits = all((number - other) * (aim.odds(score) - odds) > 0 for odds, other in chain)
        chain += [(aim.odds(score), number)] if fits else []
    return sorted(chain)


def _secant(end: tuple[float, float], inner: tuple[float, float], wanted: float) -> float:
    slope = max(_LEAST_SLOPE, (inner[0] - end[0]) / (inner[1] - end[1]))
    return end[1] + (wanted - end[0]) / slope


def corrected(
    aim: Aim, numbers: Numbers, points: Mapping[float, float], number: float, score: float
) -> tuple[float, float]:
    """The number that should give the target to a film that has `score` at `number`, and what it should give there.

    The curve through the points is moved, in odds, so that it passes through that score: what was probed is easier or
    harder than the film at every number alike. Nothing is taken to be three times flatter than footage is on average.
    """
    apart = aim.odds(score) - aim.odds(expected(aim, numbers, points, number))
    far = _FLATTEST * abs(aim.odds(aim.target) - aim.odds(score)) / _slope(aim, numbers)
    found = estimate(aim, numbers, points, aim.score(aim.odds(aim.target) - apart))
    better = numbers.snapped(min(number + far, max(number - far, found)))
    return better, aim.score(aim.odds(expected(aim, numbers, points, better)) + apart)


# --- the end ---------------------------------------------------------------------------------


def _ended(aim: Aim, numbers: Numbers, points: dict[float, float], probes: int) -> Found:
    nearest = min(abs(score - aim.target) for score in points.values())
    quality = max(number for number, score in points.items() if abs(score - aim.target) <= nearest + 1e-9)
    verdict, settled = "", nearest > aim.tolerance and _out_of_reach(aim, numbers, points)
    if nearest > aim.tolerance:
        quality, verdict = _verdict(aim, numbers, points, quality)
    score = points[quality] if quality in points else expected(aim, numbers, points, quality)
    return Found(quality, score, points, probes, verdict, _uneven(aim, points), settled)


def _out_of_reach(aim: Aim, numbers: Numbers, points: Mapping[float, float]) -> bool:
    """Whether even the best number that there is gives less, or the worst more."""
    better, worse = between(aim, points)
    return (better is None and numbers.low in points) or (worse is None and numbers.high in points)


def _verdict(aim: Aim, numbers: Numbers, points: Mapping[float, float], nearest: float) -> tuple[float, str]:
    """The number that is used instead, and why the target cannot be met."""
    better, worse = between(aim, points)
    if better is None and numbers.low in points:
        best = points[numbers.low]
        enough = max(number for number, score in points.items() if best - score <= aim.tolerance / 2)
        return enough, f"cannot be reached: at its best, {numbers.low:g}, the encoder gives {aim.told(best)}"
    if worse is None and numbers.high in points:
        return numbers.high, f"is below what it gives at its worst, {numbers.high:g}: {aim.told(points[numbers.high])}"
    if better is not None and worse is not None and worse - better < 1.5 * numbers.step:
        ends = f"{aim.told(points[better])} at {better:g} and {aim.told(points[worse])} at {worse:g}"
        return nearest, f"lies between two numbers of the encoder: {ends}"
    said = f"was not met within {len(points)} probes"
    if better is None or worse is None:
        return nearest, said
    inside = min(worse - numbers.step, max(better + numbers.step, estimate(aim, numbers, points)))
    return numbers.snapped(inside), f"{said}, and is interpolated between {better:g} and {worse:g}"


def _uneven(aim: Aim, points: Mapping[float, float]) -> bool:
    scores = [points[number] for number in sorted(points)]
    return any(later - earlier > _WAVES * aim.tolerance for earlier, later in pairwise(scores))
