"""The comparison of a sweep: right figures in the table, a picture that shows what varied."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake_runs import film_jobs, grid_jobs, make_sweep
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.record.compare import compare_sweep, markdown
from runner.record.comparepanels import axis_and_group, pareto
from runner.record.jobs import best_told, figures_told, read_jobs, varying
from runner.record.plotnames import about, places, shortened


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


def test_films_show_frames_per_second_and_quality_over_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    panels = drawn(make_sweep(tmp_path, film_jobs()), monkeypatch)
    assert [panel.get_title() for panel in panels] == [
        "frames per second", "VMAF (mean) over speed", "VMAF (mean) over size", "VMAF (1 % low) over speed",
        "SSIM over speed", "size, MB",
    ]  # fmt: skip
    speed, vmaf, small = panels[:3]
    assert [patch.get_height() for patch in speed.patches] == [104.5, 114.8, 140.5, 46.5, 53.4, 39.9]
    assert list(vmaf.lines[0].get_xdata()) == [104.5, 140.5]
    assert list(vmaf.lines[0].get_ydata()) == [94.7, 89.8]
    assert list(small.lines[0].get_xdata()) == pytest.approx([0.41, 0.42, 0.49, 1.02, 1.51]), "smaller is better"
    assert small.get_xscale() == "linear"


def test_sizes_far_apart_are_on_a_logarithmic_axis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = film_jobs()
    jobs[0][1]["size.bytes"] = 8.1 * 0.41e6
    small = drawn(make_sweep(tmp_path, jobs), monkeypatch)[2]
    assert small.get_xscale() == "log"
    low, high = small.get_xlim()
    ticks = [label.get_text() for place, label in zip(small.get_xticks(), small.get_xticklabels(), strict=True)
             if low <= place <= high]  # fmt: skip
    assert ticks == ["0.5", "1", "2", "5"]


def crowded() -> list[tuple[list[str], dict[str, float]]]:
    """Twelve jobs of which some are all but equal, the best ones in the corners."""
    return [
        (
            [f"encoder.quality={quality}", f"encoder={encoder}", "video.scale=1920x1080,1280x720"],
            {"throughput.fps": 100 + n % 3, "quality.vmaf_mean": 99 - quality / 9 - shift, "quality.ssim": 0.99,
             "size.bytes": 4e6 - quality * 6e4 - shift * 9e4},
        )
        for quality in (18, 22, 26, 30, 34, 38)
        for n, (encoder, shift) in enumerate((("x264", 0.0), ("x265", 0.04)))
    ]  # fmt: skip


@pytest.mark.parametrize("jobs", [film_jobs(), crowded(), grid_jobs()], ids=["films", "crowded", "speech"])
def test_no_name_lies_outside_its_panel_or_over_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: Any
) -> None:
    named = 0
    for panel in drawn(make_sweep(tmp_path, jobs), monkeypatch):
        texts = [text for text in panel.texts if text.get_text()]
        legend = panel.get_legend()
        boxes = [text.get_window_extent() for text in texts]
        boxes += [legend.get_window_extent()] if legend and panel.patches else []
        inside = panel.get_window_extent()
        assert all(inside.contains(box.x0, box.y0) and inside.contains(box.x1, box.y1) for box in boxes)
        pairs = [(one, other) for n, one in enumerate(boxes) for other in boxes[:n]]
        assert not any(one.overlaps(other) for one, other in pairs), panel.get_title()
        named += len(texts)
    assert named >= 2 * len(jobs)


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
    assert axis_and_group(rows) == ("workers.encode", "profile")
    assert rows[0].label == "encode=1 fast"


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20))
def test_pareto_keeps_exactly_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    front = {points[n] for n in pareto([(float(x), float(y)) for x, y in points])}
    beaten = {p for p in points if any(q != p and q[0] >= p[0] and q[1] >= p[1] for q in points)}
    assert front == set(points) - beaten


POINTS = st.lists(st.tuples(st.floats(0, 700), st.floats(0, 400)), min_size=1, max_size=14)


@settings(deadline=None, max_examples=60)
@given(POINTS, st.lists(st.floats(20, 300), min_size=14, max_size=14))
def test_names_keep_clear_of_marks_names_and_edges(points: list[tuple[float, float]], widths: list[float]) -> None:
    panel = about(350, 200, 720, 420)
    sizes = [(width, 14.0) for width in widths]
    boxes = [about(*at, *sizes[n]) for n, at in places(points, sizes, range(len(points)), panel).items()]
    assert boxes, "the first name always finds room"
    assert all(map(panel.holds, boxes))
    assert not any(one.meets(other) for n, one in enumerate(boxes) for other in boxes[:n])
    assert not any(box.has(*point) for box in boxes for point in points)


def test_long_names_lose_their_middle() -> None:
    name = shortened("encoder=x265 " + "very " * 40 + "quality=28")
    assert len(name) == 40
    assert name.startswith("encoder=x265 ") and "…" in name and name.endswith("quality=28")


def test_the_best_jobs_are_named(tmp_path: Path) -> None:
    rows = read_jobs(make_sweep(tmp_path, film_jobs()))
    assert best_told(rows) == [
        ("fastest", "#4 svtav1 fast: 140 frames/s, VMAF 89.8, 0.53 MB"),
        ("best VMAF", "#0 x264 fast: 104 frames/s, VMAF 94.7, 1.51 MB"),
    ]
    assert best_told(rows[:1]) == []
    speech = read_jobs(make_sweep(tmp_path / "other", grid_jobs()))
    assert [(head, job.split(":")[0]) for head, job in best_told(speech)] == [
        ("fastest", "#6 encode=8 fast"), ("best PESQ", "#8 encode=8 quality"),
    ]  # fmt: skip


def test_figures_in_words() -> None:
    assert figures_told({"throughput.items_per_s": 1234.0, "quality.wer": 0.05}) == "1234 items/s, WER 0.05"
    assert figures_told({}) == ""


def test_the_table_in_markdown(tmp_path: Path) -> None:
    jobs = film_jobs()
    jobs[1][0][1] = "profile=a|b"
    lines = markdown(read_jobs(make_sweep(tmp_path, jobs * 6))).splitlines()
    assert lines[0].startswith("| # | encoder | profile | status | × real time | frames/s | items/s | VMAF (mean) |")
    assert lines[2].startswith("| 0 | x264 | fast | ok | ")
    assert {line.count("|") for line in lines[:32]} == {lines[0].count("|")}
    assert lines[-1] == "and 6 more in compare.html"
