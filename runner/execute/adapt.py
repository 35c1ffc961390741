"""Worker counts that follow the load, and CPU shares that follow what is measured. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Percentages of CPU and RAM (see `AdaptConfig`)."""

    cpu_low: float = 70.0
    cpu_high: float = 90.0
    ram_low: float = 80.0
    ram_high: float = 90.0


@dataclass(frozen=True, slots=True)
class Span:
    """How far the worker count of one stage may go.

    `floor` is what keeps the CPU busy: load alone never goes below it, since a machine that is full of our own
    work is what we want; only memory takes workers from there down to one.
    """

    floor: int
    high: int


def next_count(count: int, span: Span, cpu: float, ram: float, rule: Thresholds) -> tuple[int, str]:
    """One more, one less or the same, and why.

    Args:
        count: workers now.
        span: how far it may go.
        cpu: CPU use of the machine, percent.
        ram: memory in use, percent.
        rule: the thresholds.
    """
    if ram > rule.ram_high and count > 1:
        return count - 1, f"memory at {ram:.0f} %"
    if cpu > rule.cpu_high and count > span.floor:
        return count - 1, f"CPU at {cpu:.0f} %"
    idle = cpu < rule.cpu_low or rule.cpu_low >= 100  # 100 stands for "whatever the CPU does"
    if idle and ram < rule.ram_low and count < span.high:
        return count + 1, f"CPU at {cpu:.0f} %, memory at {ram:.0f} %"
    return count, ""


def measured_shares(
    given: Mapping[str, float], cpu_s: Mapping[str, float], done: Mapping[str, int]
) -> dict[str, float]:
    """CPU shares of the stages that have one: as given to begin with, then by the CPU seconds that an item takes.

    Args:
        given: stage → share to begin with.
        cpu_s: stage → CPU seconds spent so far.
        done: stage → tasks done so far.
    """
    if any(done.get(stage, 0) < 4 for stage in given):
        return dict(given)
    each = {stage: cpu_s[stage] / done[stage] for stage in given}
    whole = sum(each.values())
    if whole <= 0:
        return dict(given)
    return {stage: sum(given.values()) * each[stage] / whole for stage in given}
