"""run.json from the folder alone: figures, status, torn files, flat memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_runs import EPOCH, make_run, narrate_events, task, write_lines
from filelock import FileLock

from runner.record.rundir import RunDir, new_run_dir, read_json, write_json
from runner.record.summary import finish_run


def finished(run: RunDir, **words: Any) -> dict[str, Any]:
    finish_run(run, **words)
    return read_json(run.run_json)


def test_figures_of_a_whole_run(tmp_path: Path) -> None:
    run = make_run(tmp_path, items=6)
    summary = finished(run)
    metrics, wall = summary["metrics"], summary["wall_s"]
    done = [e for e in narrate_events(6) if e.get("status") == "done"]
    encode = [e["t1"] - e["t0"] for e in done if e["stage"] == "encode"]
    assert (summary["status"], summary["exit_code"]) == ("ok", 0)
    assert summary["counts"] == {"items": 6, "ok": 6, "failed": 0, "tasks": 18, "tasks_cached": 0}
    assert metrics["throughput.items_per_s"] == pytest.approx(6 / wall, rel=1e-3)
    assert metrics["throughput.x_realtime"] == pytest.approx(36 / wall, rel=1e-3)
    assert metrics["quality.lufs"] == pytest.approx(-15.0)
    assert (metrics["quality.lufs_min"], metrics["quality.lufs_max"]) == (-16.0, -14.0)
    assert metrics["quality.stoi_min"] == pytest.approx(0.9)
    assert metrics["size.bytes"] == 6000
    assert metrics["stage.encode.busy_s"] == pytest.approx(sum(encode), abs=1e-6)
    assert metrics["stage.encode.p95_s"] == pytest.approx(max(encode), abs=1e-6)
    assert metrics["stage.encode.tasks"] == 6
    assert metrics["cache.hit_ratio"] == 0
    assert metrics["resource.cpu_util"] == pytest.approx(81.5, abs=1.6)
    assert metrics["resource.rss_peak_mb"] == 300 + int(wall)
    assert summary["outputs"] == {f"story/{n:03d}": f"/r/{n}.m4a" for n in range(6)}
    assert summary["effective"]["workers.speak"] == 2


def film_events() -> list[dict[str, Any]]:
    """Two films in chunks: encoded in 10 s, joined at once; a cached chunk and a failed one made no frames."""
    chunk = {"video.frames": 50, "video.bitrate_kbps": 1000.0}
    events: list[dict[str, Any]] = [
        {"event": "start", "epoch": EPOCH, "stages": ["cut", "encode", "join"], "items": 2, "slots": {}},
        task("a", "cut", 0, 3),
        task("a/0", "encode", 3, 8, metrics=chunk),
        task("a/1", "encode", 4, 13, metrics=chunk),
        task("b/0", "encode", 13.5, 13.5, "cached", metrics=chunk),
        task("b/1", "encode", 13, 60, "failed", failure="bug", sentence="s"),
    ]
    joined = {"video.frames": 100, "video.bitrate_kbps": 3000.0}
    return [*events, task("a", "join", 20, 20.1, metrics=joined), {"event": "end", "status": "ok", "wall_s": 60.0}]


def test_frames_per_second_are_of_the_time_in_which_they_were_made(tmp_path: Path) -> None:
    run = make_run(tmp_path, items=2, end=None)
    write_lines(run.journal, film_events())
    metrics = finished(run)["metrics"]
    assert metrics["throughput.fps"] == pytest.approx(10), "100 frames from 3 to 13 s, not in the 0.1 s of the join"
    assert metrics["video.frames"] == 100, "the deeper stage reports the film"
    assert metrics["video.bitrate_kbps"] == 3000


def test_no_frames_made_no_frames_per_second(tmp_path: Path) -> None:
    run = make_run(tmp_path, items=2, end=None)
    events = [e | {"status": "cached"} if e.get("status") == "done" else e for e in film_events()]
    write_lines(run.journal, events)
    metrics = finished(run)["metrics"]
    assert "throughput.fps" not in metrics and metrics["video.frames"] == 100


def test_the_size_of_a_film_is_told_by_the_stage_that_made_it(tmp_path: Path) -> None:
    """Plot and scores are published beside the film, and are no part of it."""
    run = make_run(tmp_path, items=1, end=None)
    files = [
        {"event": "output", "item": "a", "artifact": n, "path": f"/r/a.{n}", "bytes": 7000} for n in ("mkv", "png")
    ]
    write_lines(run.journal, [*film_events(), *files])
    assert finished(run)["metrics"]["size.bytes"] == 14_000, "no stage told: all published files"
    events = [e | {"metrics": {"size.bytes": 7000}} if e.get("stage") == "join" else e for e in film_events()]
    write_lines(run.journal, [*events, *files])
    assert finished(run)["metrics"]["size.bytes"] == 7000


def test_some_failed_is_partial_and_classes_are_counted(tmp_path: Path) -> None:
    summary = finished(make_run(tmp_path, items=6, failed=2, end="partial"))
    assert (summary["status"], summary["exit_code"]) == ("partial", 3)
    assert summary["counts"]["ok"] == 4
    assert summary["counts"]["failed"] == 2
    assert summary["metrics"]["failures.encoder"] == 2


def test_the_journal_overrules_a_job_that_ended_too_gladly(tmp_path: Path) -> None:
    assert finished(make_run(tmp_path, items=4, failed=1, end="ok"))["status"] == "partial"


def test_none_is_failed(tmp_path: Path) -> None:
    summary = finished(make_run(tmp_path, items=3, failed=3, end="failed"))
    assert (summary["status"], summary["exit_code"]) == ("failed", 1)


def test_the_owners_word_counts(tmp_path: Path) -> None:
    summary = finished(make_run(tmp_path, end=None), status="killed", exit_code=130, reason="Ctrl-C")
    assert (summary["status"], summary["exit_code"], summary["reason"]) == ("killed", 130, "Ctrl-C")


def test_no_end_means_killed_unless_somebody_holds_the_lock(tmp_path: Path) -> None:
    run = make_run(tmp_path, end=None)
    with FileLock(run.lock):
        assert finished(run)["status"] == "running"
    summary = finished(run)
    assert (summary["status"], summary["exit_code"]) == ("killed", 130)
    assert summary["wall_s"] > 0


def test_a_killed_run_counts_only_what_was_completed(tmp_path: Path) -> None:
    run = make_run(tmp_path, items=3, end=None)
    events = [{"event": "start", "epoch": EPOCH, "stages": ["speak", "encode"], "items": 3, "slots": {}}]
    events += [task("story/000", "speak", 0, 1), task("story/000", "encode", 1, 2), task("story/001", "speak", 1, 2)]
    write_lines(run.journal, events)
    assert finished(run)["counts"] == {"items": 3, "ok": 1, "failed": 0, "tasks": 3, "tasks_cached": 0}


@pytest.mark.parametrize("cut", [1, 20, 77])
def test_a_torn_last_line_is_left_out(tmp_path: Path, cut: int) -> None:
    run = make_run(tmp_path, items=4, end=None)
    whole = finished(run)["counts"]
    run.journal.write_bytes(run.journal.read_bytes()[:-cut])
    torn = finished(run)["counts"]
    assert whole["ok"] - torn["ok"] in (0, 1)
    assert torn["items"] == 4


def test_a_damaged_line_is_told(tmp_path: Path) -> None:
    run = make_run(tmp_path, items=2)
    lines = run.journal.read_bytes().splitlines(keepends=True)
    run.journal.write_bytes(b"".join([lines[0], b'{"event": "ta\xff\xfe\n', *lines[1:]]))
    summary = finished(run)
    assert summary["counts"]["ok"] == 2
    assert any("damaged" in note for note in summary["notes"])


def test_finishing_twice_changes_nothing(tmp_path: Path) -> None:
    extra = [{"event": "degrade", "stage": "encode", "changes": {"threads": 1}, "reason": "memory was short"}]
    run = make_run(tmp_path, items=4, failed=1, end="partial", extra=extra)
    finish_run(run)
    once = run.run_json.read_bytes()
    finish_run(run)
    assert run.run_json.read_bytes() == once
    assert not list(run.root.glob(".part-*"))


def test_what_the_ladder_changed_is_effective(tmp_path: Path) -> None:
    asked = {"pipeline.stages.encode.settings.threads": 2}
    extra = [{"event": "degrade", "stage": "encode", "changes": {"threads": 1}, "reason": "memory was short"}]
    summary = finished(make_run(tmp_path, extra=extra, requested=asked, effective=asked))
    assert summary["degraded"] is True
    assert summary["effective"]["pipeline.stages.encode.settings.threads"] == 1
    assert summary["requested"]["pipeline.stages.encode.settings.threads"] == 2
    assert any("memory was short" in note for note in summary["notes"])


def test_children_count_for_the_input_above_them(tmp_path: Path) -> None:
    run = make_run(tmp_path, items=2, end=None)
    events = [{"event": "start", "epoch": EPOCH, "stages": ["split", "draw", "film"], "items": 2, "slots": {}}]
    for item in ("story/000", "story/001"):
        events += [task(item, "split", 0, 1), task(f"{item}/a", "draw", 1, 2), task(f"{item}/b", "draw", 1, 2)]
        events.append({"event": "output", "item": f"{item}/a", "artifact": "picture", "path": "/a.png", "bytes": 1})
    events += [
        task("story/001/c", "draw", 1, 2, "failed", failure="bug", sentence="s"),
        task("story/000", "film", 2, 3),
    ]
    write_lines(run.journal, [*events, {"event": "end", "status": "ok", "wall_s": 3.0, "reason": ""}])
    summary = finished(run)
    assert summary["counts"]["ok"] == 1
    assert summary["counts"]["failed"] == 1
    assert summary["counts"]["items"] == 2
    assert set(summary["outputs"]) == {"story/000/a", "story/001/a"}


def test_several_files_of_one_item_are_all_there(tmp_path: Path) -> None:
    files = [("srt", "/a.srt"), ("json", "/a.json")]
    extra = [{"event": "output", "item": "story/000", "artifact": a, "path": p, "bytes": 1} for a, p in files]
    outputs = finished(make_run(tmp_path, items=1, extra=extra))["outputs"]
    assert outputs == {"story/000": "/r/0.m4a", "story/000#srt": "/a.srt", "story/000#json": "/a.json"}


def test_rows_that_could_not_be_read_count_as_failed_items(tmp_path: Path) -> None:
    bad = task("story/row 7", "speak", 0, 0, "failed", failure="bad_input", sentence="row 7 holds no text")
    summary = finished(make_run(tmp_path, items=3, extra=[bad]))
    assert summary["counts"] == {"items": 4, "ok": 3, "failed": 1, "tasks": 10, "tasks_cached": 0}


def test_awkward_names_survive(tmp_path: Path) -> None:
    name = 'sto "ry", [1]=%\n-😀\udcff'
    extra = [{"event": "output", "item": name, "artifact": "audio", "path": f"/r/{name}.m4a", "bytes": 1}]
    run = make_run(tmp_path, items=1)
    start, *rest = run.journal.read_text(encoding="utf-8").splitlines()
    run.journal.write_text("\n".join([start, *(json.dumps(e) for e in extra), *rest]) + "\n", encoding="utf-8")
    assert finished(run)["outputs"][name] == f"/r/{name}.m4a"


def test_secrets_do_not_stay_in_run_json(tmp_path: Path) -> None:
    run = make_run(tmp_path, overrides=["tts.api_key=sk-very-secret", "profile=fast"])
    finish_run(run)
    assert "sk-very-secret" not in run.run_json.read_text(encoding="utf-8")


def journal_of(outputs: Path, items: int) -> RunDir:
    """A long run: four journal lines an item."""
    run = new_run_dir(outputs, "narrate")
    write_json(run.run_json, {"run_id": "x", "pipeline": "narrate", "status": "running"})
    write_lines(run.items_jsonl, ({"key": f"list/{n}"} for n in range(items)))
    with run.journal.open("w", encoding="utf-8") as file:
        file.write(json.dumps({"event": "start", "epoch": EPOCH, "stages": ["a", "b", "c"], "items": items}) + "\n")
        for n in range(items):
            for stage in "abc":
                file.write(
                    f'{{"event":"task","item":"list/{n}","stage":"{stage}","status":"done","t0":{n},"t1":{n + 1}}}\n'
                )
            file.write(f'{{"event":"output","item":"list/{n}","artifact":"audio","path":"/out/{n}.m4a","bytes":9}}\n')
        file.write('{"event":"end","status":"ok","wall_s":75000.0}\n')
    return run


def test_memory_stays_flat_for_300_000_lines(tmp_path: Path) -> None:
    """Peak memory of a process of its own, before and after: what it takes must not hold the lines."""
    run = journal_of(tmp_path, 75_000)
    code = (
        "import sys; from pathlib import Path; from runner.record.rundir import RunDir;"
        "from runner.record.summary import finish_run; from stages.platform.limits import peak_rss_mb;"
        "before = peak_rss_mb(); summary = finish_run(RunDir(Path(sys.argv[1])));"
        "print(summary['counts']['ok'], peak_rss_mb() - before)"
    )
    told = subprocess.run([sys.executable, "-c", code, str(run.root)], capture_output=True, text=True, check=True)
    ok, megabytes = told.stdout.split()
    assert int(ok) == 75_000
    assert float(megabytes) < 12
    assert len(read_json(run.run_json)["outputs"]) == 75_000
