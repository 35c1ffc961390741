"""A quality that is asked for: `quality.target_vmaf=93`, and how far what was made is from it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from stages.contract import Result
from stages.settings import Problem, setting

_WORDS = {"quality.vmaf_mean": "VMAF", "quality.vmaf_p1": "VMAF (1 % low)", "quality.ssim": "SSIM"}

_SLACK = 0.002  # of the top: keeps the odds of the best score finite, and their slope near it like that of the rest


@dataclass(frozen=True)
class TargetSettings:
    """At most one of them is set; 0 asks for nothing."""

    target_vmaf: float = setting(0.0, "mean VMAF that is wanted; finds encoder.quality. 0: none", low=0, high=100)
    target_vmaf_p1: float = setting(0.0, "the same for the 1 % low of VMAF", low=0, high=100)
    target_ssim: float = setting(0.0, "the same for SSIM", low=0, high=1)


@dataclass(frozen=True, slots=True)
class Aim:
    """What score is wanted.

    Attributes:
        setting: what asks for it, `target_vmaf`.
        figure: the metric that is compared with it, `quality.vmaf_mean`.
        target: the wanted score.
        tolerance: how far a score may be off and still be the target.
        top: the best score there is.
        typical: the score that footage has, on average, at an encoder's `Numbers.typical`.
        slope: by how much the odds change, on average, from one quality number of x264 to the next.
        places: decimals that are told.
    """

    setting: str
    figure: str
    target: float
    tolerance: float
    top: float
    typical: float
    slope: float
    places: int = 1

    @property
    def called(self) -> str:
        """The metric in words."""
        return _WORDS[self.figure]

    @property
    def key(self) -> str:
        """The key that asks for it and its value, as on a command line."""
        return f"quality.{self.setting}={self.target:g}"

    def met(self, score: float) -> bool:
        """Whether a probe may stop the search: a little within the tolerance, for what the finished film differs."""
        return abs(score - self.target) <= 0.8 * self.tolerance

    def off(self, score: float) -> float:
        """How far a score is from the target."""
        return abs(score - self.target)

    def odds(self, score: float) -> float:
        """The score as odds; finite for all there are."""
        slack = _SLACK * self.top
        score = min(self.top, max(0.0, score))
        return math.log((self.top + slack - score) / (score + slack))

    def score(self, odds: float) -> float:
        """The score that has these odds."""
        slack, grown = _SLACK * self.top, math.exp(min(odds, 50.0))
        return min(self.top, max(0.0, (self.top + slack - slack * grown) / (1 + grown)))

    def told(self, score: float) -> str:
        """A score in words: `VMAF 93.1`."""
        return f"{self.called} {score:.{self.places}f}"

    def told_off(self, score: float) -> str:
        """How far it is from the target, and what asks for that: `+1.2 off quality.target_vmaf=93`."""
        return f"{score - self.target:+.{self.places}f} off {self.key}"


def aim_of(asked: TargetSettings) -> Aim | None:
    """The one score that is asked for; None when there is none.

    The typical scores and slopes are those of x264 on footage, `docs/decisions/0016-quality-target.md`.
    """
    if asked.target_vmaf:
        return Aim("target_vmaf", "quality.vmaf_mean", asked.target_vmaf, 0.5, 100.0, 93.0, 0.2)
    if asked.target_vmaf_p1:
        return Aim("target_vmaf_p1", "quality.vmaf_p1", asked.target_vmaf_p1, 0.5, 100.0, 88.0, 0.2)
    if asked.target_ssim:
        return Aim("target_ssim", "quality.ssim", asked.target_ssim, 0.002, 1.0, 0.975, 0.08, places=4)
    return None


def target_problems(asked: TargetSettings, key: str) -> Iterator[Problem]:
    """Two targets at once; `key` is the config prefix of the settings."""
    wanted = [name for name in ("target_vmaf", "target_vmaf_p1", "target_ssim") if getattr(asked, name)]
    for name in wanted[1:]:
        yield Problem(f"{key}.{name}", f"is a second target beside {wanted[0]}", "set one of them to 0")


def judged(result: Result, asked: TargetSettings, name: str) -> Result:
    """The result of a scoring, with how far it is from the target: `target.error`, and a note when that is too far.

    Args:
        result: with the figures of the finished film; without the wanted one nothing can be said.
        asked: the target.
        name: what the film is called.
    """
    aim = aim_of(asked)
    if aim is None or aim.figure not in result.metrics:
        return result
    score = result.metrics[aim.figure]
    metrics = {**result.metrics, "target.error": score - aim.target}
    if aim.off(score) <= aim.tolerance:
        return replace(result, metrics=metrics)
    said = f"{name}: the finished film has {aim.told(score)}, {aim.told_off(score)}"
    return replace(result, metrics=metrics, notes=[*result.notes, said])
