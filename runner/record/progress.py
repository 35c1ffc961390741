"""Live progress as a terminal or a log shows it. The numbers come from `runner.execute.snapshot`."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

_PLAIN_EVERY_S = 5.0


def eta_s(said: Mapping[str, float], wall_s: float) -> float | None:
    """Seconds to go at the speed so far; None while nothing is finished."""
    done = said["progress.items_done"] + said["progress.items_failed"]
    if not done or wall_s <= 0:
        return None
    return (said["progress.items"] - done) * wall_s / done


def bottleneck(said: Mapping[str, float]) -> str:
    """The stage with the most work before it, in seconds; empty when nothing waits."""
    loads = {name.removeprefix("load."): value for name, value in said.items() if name.startswith("load.")}
    slowest = max(loads, key=lambda name: loads[name], default="")
    return slowest if slowest and loads[slowest] > 0 else ""


def sentence(said: Mapping[str, float], wall_s: float) -> str:
    """One line of progress."""
    done, failed = int(said["progress.items_done"]), int(said["progress.items_failed"])
    parts = [f"{done + failed}/{int(said['progress.items'])} items"]
    if failed:
        parts.append(f"{failed} failed")
    parts.append(f"{said['progress.items_per_s']:.2f} items/s")
    left = eta_s(said, wall_s)
    if left is not None:
        parts.append(f"ETA {_clock(left)}")
    if slow := bottleneck(said):
        parts.append(f"slowest: {slow}")
    return " · ".join(parts)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class View(Protocol):
    """Where progress is shown."""

    def show(self, said: Mapping[str, float], wall_s: float) -> None:
        """A new state."""

    def close(self) -> None:
        """No more."""


class Off:
    """Shows nothing."""

    def show(self, said: Mapping[str, float], wall_s: float) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Plain:
    """A line now and then, for logs."""

    def __init__(self, out: TextIO, every_s: float = _PLAIN_EVERY_S) -> None:
        self._out = out
        self._every_s = every_s
        self._last = time.monotonic()

    def show(self, said: Mapping[str, float], wall_s: float) -> None:
        """A line, when the last one is old enough."""
        if time.monotonic() - self._last >= self._every_s:
            self._last = time.monotonic()
            self._out.write(sentence(said, wall_s) + "\n")
            self._out.flush()

    def close(self) -> None:
        """Nothing is left open."""


class Bars:
    """A bar for the run and one line per stage, redrawn in place."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(), refresh_per_second=8, transient=True)
        self._live.start()

    def show(self, said: Mapping[str, float], wall_s: float) -> None:
        """Redraw."""
        self._live.update(_table(said, wall_s))

    def close(self) -> None:
        """Take the picture away."""
        self._live.stop()


def _table(said: Mapping[str, float], wall_s: float) -> Any:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    total = max(1.0, said["progress.items"])
    done = said["progress.items_done"] + said["progress.items_failed"]
    stages = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("stage", "done", "running", "waiting", "workers"):
        stages.add_column(title, justify="left" if title == "stage" else "right")
    slow = bottleneck(said)
    for name in (n.removeprefix("done.") for n in said if n.startswith("done.")):
        cells = [str(int(said[f"{kind}.{name}"])) for kind in ("done", "running", "queue", "workers")]
        stages.add_row(f"{name} ◀" if name == slow else name, *cells, style="bold" if name == slow else "")
    return Group(ProgressBar(total=total, completed=done, width=60), Text(sentence(said, wall_s)), stages)


def view_for(wanted: str) -> View:
    """`auto`: bars on a terminal, lines elsewhere; `rich`, `plain`, `off` as named."""
    if wanted == "off":
        return Off()
    if wanted == "rich" or (wanted == "auto" and sys.stdout.isatty()):
        return Bars()
    return Plain(sys.stdout)
