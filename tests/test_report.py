"""The report page: whole, escaped, self-contained, bounded and quick."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fake_runs import failure_of, make_run, narrate_events, task, write_lines

from runner.record.charts import charts_of
from runner.record.report import _context, write_report
from runner.record.rundir import RunDir, read_json
from runner.record.summary import finish_run
from runner.record.timeline import _lanes, clock


class Page(HTMLParser):
    """Tags, attributes that fetch something, and text; a tag left open is an error."""

    VOID = ("meta", "img", "br", "link", "rect", "line", "polyline", "!doctype")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}
        self.fetched: list[str] = []
        self.words = ""
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        if tag in self.VOID:
            return
        while self.open and self.open[-1] in ("p", "li", "td", "tr", "th") and self.open[-1] != tag:
            self.open.pop()
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def report_of(run: RunDir, **words: Any) -> Page:
    finish_run(run, **words)
    return Page(write_report(run).read_text(encoding="utf-8"))


def test_it_tells_what_a_person_asks(tmp_path: Path) -> None:
    extra = [{"event": "degrade", "t": 1.0, "stage": "encode", "changes": {"threads": 1}, "reason": "memory was short"}]
    page = report_of(make_run(tmp_path, items=40, failed=2, cached=10, end="partial", extra=extra))
    told = ["partial", "degraded", "38 of 40", "encode held the others up", "the encoder gave up", "memory was short"]
    told += ["reeltune replay outputs/x stage=encode item=story/039", "stderr <tail> & more", "pesq", "workers.encode"]
    assert [said for said in told if said not in page.words] == []
    assert "sk-very-secret" not in page.words


def test_it_needs_nothing_from_outside(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    page = report_of(run)
    text = run.report.read_text(encoding="utf-8")
    assert page.fetched == []
    assert "script" not in page.counts
    assert not re.findall(r"url\(|@import|https?://", text)


def test_every_task_is_a_bar(tmp_path: Path) -> None:
    page = report_of(make_run(tmp_path, items=30, cached=10))
    assert page.counts["rect"] == 3 * 30 + 3  # tasks, and a ground per stage
    assert page.counts["polyline"] == 4  # CPU, RAM, memory, one queue


def test_memory_and_disk_are_drawn_over_time(tmp_path: Path) -> None:
    """A run that holds its memory and fills the disk evenly: a flat curve, and one that rises to the upper edge."""
    run = make_run(tmp_path)
    samples = [{"t": float(t), "m": {"resource.rss_mb": 400.0, "resource.disk_mb": 2.0 * t}} for t in range(101)]
    write_lines(run.samples, samples)
    charts = {chart.name: chart for chart in charts_of(run.samples, 100.0, 0.0)}
    assert {name: chart.top for name, chart in charts.items()} == {"memory, MB": "500", "disk, MB": "200"}
    heights = {name: [float(p.split(",")[1]) for p in chart.lines[0].points.split()] for name, chart in charts.items()}
    assert set(heights["memory, MB"]) == {round(charts["memory, MB"].height * 0.2, 1)}
    rising, disk = heights["disk, MB"], charts["disk, MB"]
    assert rising == sorted(rising, reverse=True)
    assert rising[0] == disk.y + disk.height and rising[-1] == pytest.approx(disk.y, abs=0.1)
    assert disk.y > charts["memory, MB"].y + charts["memory, MB"].height
    finish_run(run)
    words = Page(write_report(run).read_text(encoding="utf-8")).words
    assert "memory, MB:" in words and "disk, MB:" in words and "more than at the start" in words


@pytest.mark.parametrize("items", [600, 6000])
def test_long_runs_stay_bounded(tmp_path: Path, items: int) -> None:
    run = make_run(tmp_path, items=items, failed=5, end="partial")
    page = report_of(run)
    assert 200 < page.counts["rect"] < 2000
    assert run.report.stat().st_size < 400_000


def test_names_cannot_break_the_page(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script>\"&'</title>\n😀"
    event = task(bad, "encode", 0, 1, "failed", failure="bug", sentence=bad)
    run = make_run(tmp_path, items=1, extra=[event, {"event": "note", "text": bad}], overrides=[bad])
    write_lines(run.failures, [{**failure_of(event), "detail": bad, "replay": bad}])
    page = report_of(run)
    assert "script" not in page.counts
    assert page.counts["title"] >= 2
    assert bad.replace("\n", " ") in page.words.replace("\n", " ")


@pytest.mark.parametrize("end", ["ok", None])
def test_an_empty_run_has_a_report(tmp_path: Path, end: str | None) -> None:
    assert "narrate" in report_of(make_run(tmp_path, items=0, end=end)).words


def test_a_run_that_never_began_has_a_report(tmp_path: Path) -> None:
    run = make_run(tmp_path, items=1)
    for file in (run.journal, run.samples, run.failures, run.items_jsonl):
        file.unlink()
    assert "its process ended" in report_of(run, status="failed", reason="its process ended").words


def test_300_tasks_take_less_than_a_third_of_a_second(tmp_path: Path) -> None:
    """CPU time of the second report: the first imports the template engine."""
    run = make_run(tmp_path, items=100, cached=10)
    report_of(run)
    before = time.process_time()
    write_report(run)
    assert time.process_time() - before < 0.3


def test_tasks_of_one_lane_never_overlap() -> None:
    tasks = sorted((e for e in narrate_events(50) if e.get("stage") == "encode"), key=lambda e: e["t0"])
    last: dict[int, float] = {}
    for lane, each in _lanes(tasks):
        assert each["t0"] >= last.get(lane, 0.0) - 1e-6
        last[lane] = each["t1"]
    assert set(last) == {0, 1}


def test_the_stage_that_held_the_others_up_is_the_busiest_per_slot(tmp_path: Path) -> None:
    run = make_run(tmp_path, items=40)
    finish_run(run)
    rows = {row.name: row for row in _context(run, read_json(run.run_json))["rows"]}
    wall = read_json(run.run_json)["wall_s"]
    assert rows["encode"].share == pytest.approx(rows["encode"].busy_s / 2 / wall)
    assert rows["encode"].share > rows["speak"].share > rows["score"].share


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.5, "0.5 s"), (42, "42 s"), (200, "3:20"), (3900, "1:05:00"), (59.96, "60 s")]
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
