"""The picture of a sweep: speed by setting, quality over speed and over size with their Pareto fronts, size."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from runner.record.comparepanels import Draw, by_setting, empty, trade
from runner.record.jobs import JobRow
from runner.record.measures import PICTURE, QUALITY, SIZE, present, speed_of

_DPI = 130


def draw_comparison(rows: Sequence[JobRow], file: Path, title: str) -> None:
    """Write the picture; jobs without figures are left out of it (the table has them)."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    drawn = [row for row in rows if row.metrics and row.status in ("ok", "partial")]
    panels = _panels(drawn) or [partial(empty, text="no job of this sweep has figures")]
    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    with mpl.rc_context({
        "font.size": 10, "axes.titlesize": 11, "axes.axisbelow": True,
        "axes.spines.top": False, "axes.spines.right": False,
    }):  # fmt: skip
        layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
        figure = Figure(figsize=(6.4 * columns, 4.2 * lines + 0.5), layout=layout, dpi=_DPI)
        FigureCanvasAgg(figure)
        figure.suptitle(title, fontsize=13, fontweight="bold")
        axes = list(figure.subplots(lines, columns, squeeze=False).flat)
        finish = [panel(at) for panel, at in zip(panels, axes, strict=False)]
        for at in axes[len(panels) :]:
            empty(at)
        figure.draw_without_rendering()  # gives every panel its place, which names must know
        figure.set_layout_engine("none")
        for last_touch in finish:
            last_touch()
        figure.savefig(file, format="png", dpi=_DPI)


def _panels(rows: Sequence[JobRow]) -> list[Draw]:
    """What there is to see. Of films: also quality over size, for there a smaller file is what one pays for."""
    figures = [row.metrics for row in rows]
    speed, qualities = speed_of(figures), present(figures, QUALITY)
    film, sized = bool(present(figures, PICTURE)), bool(present(figures, [SIZE]))
    panels: list[Draw] = []
    if speed:
        panels.append(partial(by_setting, rows=rows, metric=speed))
        panels += [partial(trade, rows=rows, cost=speed, quality=each) for each in qualities[: 3 if film else 2]]
    if film and sized:
        panels.insert(min(2, len(panels)), partial(trade, rows=rows, cost=SIZE, quality=qualities[0]))
    return [*panels, *([partial(by_setting, rows=rows, metric=SIZE)] if sized else [])]
