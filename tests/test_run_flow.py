"""Items through a graph: streaming, fan-out found while running, joins by key, gather, cache, one change."""

import json
import os
import shutil

import pytest
from cli import drill, lines, step


def test_fan_out_join_and_gather(tmp_path):
    lines(tmp_path / "l.txt", "one two three", "four")
    done = drill(tmp_path, "film", "l.txt")
    assert done.code == 0, done.err
    result = done.folder / "result" / "l"
    assert (result / "000001.txt").read_text() == "i-one+s-one i-two+s-two i-three+s-three"
    assert (result / "000002.txt").read_text() == "i-four+s-four"
    clips = sorted(done.tasks("done", "clip"))
    assert clips == ["l/000001/000", "l/000001/001", "l/000001/002", "l/000002/000"]


def test_items_stream_through_the_stages(tmp_path):
    """The first item is through all stages before the last one has begun: deeper stages come first."""
    lines(tmp_path / "l.txt", *[f"t{i}" for i in range(12)])
    done = drill(tmp_path, "drill", "l.txt", *step("first", busy_s=0.05), "workers.first=1", "workers.last=1")
    tasks = {(e["item"], e["stage"]): e for e in done.events("task")}
    first_end = min(e["t1"] for (_, stage), e in tasks.items() if stage == "last")
    last_begin = max(e["t0"] for (_, stage), e in tasks.items() if stage == "first")
    assert first_end < last_begin


@pytest.mark.untraced
def test_again_all_comes_from_the_cache(tmp_path):
    lines(tmp_path / "l.txt", "a", "b", "c")
    first = drill(tmp_path, "drill", "l.txt")
    assert len(first.tasks("done")) == 6
    again = drill(tmp_path, "drill", "l.txt")
    assert again.code == 0 and not again.tasks("done") and len(again.tasks("cached")) == 6
    assert again.run["metrics"]["cache.hit_ratio"] == 1.0
    assert (again.folder / "result" / "l" / "000002.txt").read_text() == "b12"


@pytest.mark.untraced
def test_one_line_changed_redoes_one_item(tmp_path):
    lines(tmp_path / "l.txt", "a", "b", "c")
    drill(tmp_path, "drill", "l.txt")
    lines(tmp_path / "l.txt", "a", "B", "c")
    done = drill(tmp_path, "drill", "l.txt")
    assert sorted(done.tasks("done")) == ["l/000002", "l/000002"]


def test_a_changed_setting_redoes_exactly_what_depends_on_it(tmp_path):
    lines(tmp_path / "l.txt", "a", "b")
    drill(tmp_path, "drill", "l.txt")
    last = drill(tmp_path, "drill", "l.txt", "pipeline.stages.last.settings.suffix=Z")
    assert not last.tasks("done", "first") and len(last.tasks("done", "last")) == 2
    neutral = drill(tmp_path, "drill", "l.txt", *step("last", busy_s=0.01))
    assert not neutral.tasks("done")


@pytest.mark.untraced
def test_equal_work_is_done_once(tmp_path):
    lines(tmp_path / "l.txt", *["same"] * 20)
    done = drill(tmp_path, "drill", "l.txt", *step("first", busy_s=0.05))
    assert done.code == 0 and len(done.tasks("done", "first")) == 1
    assert len(done.run["outputs"]) == 20


def test_a_damaged_finished_file_is_made_again(tmp_path):
    lines(tmp_path / "l.txt", "a", "b")
    first = drill(tmp_path, "drill", "l.txt")
    victim = first.folder / "result" / "l" / "000001.txt"
    before = victim.stat()
    victim.write_text("XX2")  # the result is a hard link to the store: an edit in place reaches it
    os.utime(victim, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    again = drill(tmp_path, "drill", "l.txt")
    assert again.tasks("done", "last") == ["l/000001"]
    assert (again.folder / "result" / "l" / "000001.txt").read_text() == "a12"


@pytest.mark.untraced
def test_a_missing_cache_object_is_made_again(tmp_path):
    lines(tmp_path / "l.txt", "a", "b")
    drill(tmp_path, "drill", "l.txt")
    shutil.rmtree(tmp_path / "outputs" / "cache" / "objects")
    again = drill(tmp_path, "drill", "l.txt")
    assert again.code == 0 and len(again.tasks("done", "last")) == 2 and not again.tasks("done", "first")


@pytest.mark.untraced
def test_worker_counts_are_honoured_even_above_the_cores(tmp_path):
    lines(tmp_path / "l.txt", *[f"t{i}" for i in range(16)])
    done = drill(tmp_path, "drill", "l.txt", "workers.first=8", *step("first", sleep_s=0.3))
    assert {e["worker"] for e in done.events("task") if e["stage"] == "first"} == {f"first-{n}" for n in range(1, 9)}
    assert done.run["effective"]["workers.first"] == 8


@pytest.mark.untraced
def test_waiting_stages_run_many_tasks_in_one_process(tmp_path):
    lines(tmp_path / "l.txt", *[f"t{i}" for i in range(16)])
    done = drill(tmp_path, "drill", "l.txt", *step("first", threads=16, sleep_s=0.5, cpu_threads=0.05))
    begun = [e for e in done.events("task") if e["stage"] == "first"]
    assert {e["worker"] for e in begun} == {"first-1"}
    assert max(e["t1"] for e in begun) - min(e["t0"] for e in begun) < 16 * 0.5 / 2


def test_the_plan_that_was_frozen_is_what_runs(tmp_path):
    lines(tmp_path / "l.txt", "a", "b")
    done = drill(tmp_path, "drill", "l.txt")
    plan = json.loads((done.folder / "plan.json").read_text())
    assert plan["items"] == 2 and set(plan["stages"]) == {"first", "last"}
    assert len((done.folder / "items.jsonl").read_text().splitlines()) == 2
    assert plan["stages"]["first"]["slots"]["count"] == done.events("start")[0]["slots"]["first"]


def test_a_rate_is_never_exceeded(tmp_path):
    lines(tmp_path / "l.txt", *[f"t{i}" for i in range(7)])
    done = drill(tmp_path, "drill", "l.txt", "+rates.api=[3,1.0]", *step("first", rate="api"))
    assert done.code == 0
    starts = sorted(e["t0"] for e in done.events("task") if e["stage"] == "first")
    # a task begins a little after it was let in: some milliseconds, on a busy machine some hundred
    assert all(later - first >= 0.5 for first, later in zip(starts, starts[3:], strict=False))
