"""Live progress: what a terminal and a log are shown."""

import io

import pytest

from runner.record import progress
from runner.record.progress import Bars, Off, Plain, bottleneck, eta_s, sentence, view_for

SAID = {
    "progress.items": 100, "progress.items_done": 38, "progress.items_failed": 2, "progress.items_per_s": 8.0,
    "done.speak": 60, "running.speak": 1, "queue.speak": 0, "workers.speak": 2, "load.speak": 0.1,
    "done.encode": 38, "running.encode": 2, "queue.encode": 20, "workers.encode": 2, "load.encode": 3.5,
}  # fmt: skip


def test_one_line_says_how_far_how_fast_and_what_holds_it_up():
    assert sentence(SAID, 5.0) == "40/100 items · 2 failed · 8.00 items/s · ETA 0:08 · slowest: encode"


def test_nothing_is_foretold_before_anything_is_done():
    fresh = {**SAID, "progress.items_done": 0, "progress.items_failed": 0}
    assert eta_s(fresh, 3.0) is None and "ETA" not in sentence(fresh, 3.0)


def test_hours_are_written_as_hours():
    slow = {**SAID, "progress.items": 100_000}
    assert "ETA 3:28:15" in sentence(slow, 5.0)


def test_no_stage_holds_up_an_idle_run():
    assert bottleneck({**SAID, "load.speak": 0.0, "load.encode": 0.0}) == ""


def test_a_log_gets_a_line_now_and_then():
    out = io.StringIO()
    often, seldom = Plain(out, every_s=0.0), Plain(out, every_s=60.0)
    often.show(SAID, 5.0)
    seldom.show(SAID, 5.0)
    often.close()
    assert out.getvalue().splitlines() == [sentence(SAID, 5.0)]


def test_a_terminal_gets_a_bar_and_a_line_per_stage(capsys):
    from rich.console import Console

    console = Console(width=100, record=True, file=io.StringIO())
    console.print(progress._table(SAID, 5.0))
    shown = console.export_text()
    assert "40/100 items" in shown and "encode ◀" in shown and "speak ◀" not in shown
    row = next(line for line in shown.splitlines() if line.startswith("encode"))
    assert row.split()[2:] == ["38", "2", "20", "2"]
    bars = Bars()
    bars.show(SAID, 5.0)
    bars.close()
    assert "items/s" not in capsys.readouterr().err


@pytest.mark.parametrize(("wanted", "kind"), [("off", Off), ("plain", Plain), ("auto", Plain)])
def test_the_view_fits_where_it_is_shown(wanted, kind):
    assert isinstance(view_for(wanted), kind)


def test_off_shows_nothing(capsys):
    view = Off()
    view.show(SAID, 1.0)
    view.close()
    assert capsys.readouterr().out == ""
