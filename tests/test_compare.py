"""The comparison of a sweep: right figures in the table, a picture that shows what varied."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake_runs import grid_jobs, make_sweep
from hypothesis import given
from hypothesis import strategies as st

from runner.record.compare import compare_sweep
from runner.record.compareplot import _axis_and_group, pareto
from runner.record.jobs import read_jobs, varying


def drawn(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The panels as matplotlib holds them, beside the written picture."""
    from matplotlib.figure import Figure

    kept: list[Figure] = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (kept.append(self), save(self, *a, **k))[1])
    picture = compare_sweep(sweep)
    assert picture.read_bytes().startswith(b"\x89PNG")
    return [axes for axes in kept[0].axes if axes.axison]


def test_panels_show_speed_quality_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speed, pesq, stoi, size = drawn(make_sweep(tmp_path, grid_jobs()), monkeypatch)
    assert speed.get_title() == "items per second"
    assert speed.get_xlabel() == "workers.encode"
    assert [label.get_text() for label in speed.get_xticklabels()] == ["1", "4", "8"]
    assert {text.get_text() for text in speed.get_legend().get_texts()} == {
        "profile=fast",
        "profile=balanced",
        "profile=quality",
    }
    assert list(speed.lines[0].get_ydata()) == pytest.approx([3.7 * 1.2, 6.1 * 1.2, 6.3 * 1.2])
    assert (pesq.get_title(), stoi.get_title()) == ("PESQ over speed", "STOI over speed")
    assert {text.get_text() for text in pesq.texts} >= {"encode=8 fast", "encode=1 quality"}
    assert list(pesq.lines[0].get_xdata()) == pytest.approx([6.3 * 0.8, 6.3, 6.3 * 1.2])
    assert list(pesq.lines[0].get_ydata()) == [4.35, 4.2, 3.9]
    assert size.get_title() == "size, MB"


def test_words_are_bars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [([f"encoder={e}"], {"throughput.items_per_s": v}) for e, v in (("x264", 3.0), ("svtav1", 2.0))]
    (speed,) = drawn(make_sweep(tmp_path, jobs), monkeypatch)
    assert [patch.get_height() for patch in speed.patches] == [3.0, 2.0]
    assert [label.get_text() for label in speed.get_xticklabels()] == ["x264", "svtav1"]


def test_the_table_marks_the_best_of_whole_jobs(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path, grid_jobs())
    first = read_jobs(sweep)[6]
    assert first.run_dir is not None
    summary = json.loads((first.run_dir / "run.json").read_text(encoding="utf-8"))
    (first.run_dir / "run.json").write_text(json.dumps({**summary, "status": "partial"}), encoding="utf-8")
    compare_sweep(sweep)
    page = (sweep / "compare.html").read_text(encoding="utf-8")
    assert page.count('class="n best">7.32<') == 1  # job 3; job 6 was faster but did not make all its items
    assert page.count('class="n best">4.35<') == 3
    assert 'class="n best">7.56' not in page
    assert "../../../narrate/" in page
    assert page.count(">report<") == 9


def test_jobs_without_figures_are_in_the_table(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path, grid_jobs()[:2])
    with (sweep / "jobs.jsonl").open("a", encoding="utf-8") as file:
        file.write(
            '{"job": 2, "overrides": ["workers.encode=-1", "tts.api_key=sk-1"], "refused": ["workers.encode: -1"]}\n'
        )
        file.write('{"job": 3, "run_dir": "/nowhere", "overrides": ["workers.encode=2"]}\n')
    compare_sweep(sweep)
    page = (sweep / "compare.html").read_text(encoding="utf-8")
    assert "refused" in page
    assert "missing" in page
    assert "sk-1" not in page


@pytest.mark.parametrize("jobs", [[], [(["workers.encode=1"], {})], [(["a=1"], {"throughput.items_per_s": 2.0})]])
def test_little_to_compare_is_no_error(tmp_path: Path, jobs: Any) -> None:
    sweep = make_sweep(tmp_path, jobs)
    assert compare_sweep(sweep).stat().st_size > 1000
    assert (sweep / "compare.html").is_file()


def test_only_what_varies_is_compared(tmp_path: Path) -> None:
    rows = read_jobs(make_sweep(tmp_path, grid_jobs()))
    assert varying(rows) == ["workers.encode", "profile"]
    assert _axis_and_group(rows) == ("workers.encode", "profile")
    assert rows[0].label == "encode=1 fast"


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20))
def test_pareto_keeps_exactly_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    front = {points[n] for n in pareto([(float(x), float(y)) for x, y in points])}
    beaten = {p for p in points if any(q != p and q[0] >= p[0] and q[1] >= p[1] for q in points)}
    assert front == set(points) - beaten
