"""Sweeps: each job its own folder and run, measured anew; jobs side by side; runs of the same second."""

import json

import pytest
from cli import DRILLS, QUIET, drill, lines, start, step


def sweep_of(cwd):
    folder = next((cwd / "outputs" / "sweeps").glob("*/*"))
    jobs = [json.loads(line) for line in (folder / "jobs.jsonl").read_text().splitlines()]
    return folder, jobs


def test_every_job_has_its_own_run_and_measures(tmp_path):
    lines(tmp_path / "l.txt", "a", "b", "c")
    done = drill(tmp_path, "drill", "-m", "l.txt", "workers.first=1,2", "profile=fast,quality")
    assert done.code == 0, done.err
    folder, jobs = sweep_of(tmp_path)
    assert [job["job"] for job in jobs] == [0, 1, 2, 3]
    runs = [json.loads((tmp_path / job["run_dir"] / "run.json").read_text()) for job in jobs]
    assert len({job["run_dir"] for job in jobs}) == 4
    assert {(r["requested"]["profile"], r["effective"]["workers.first"]) for r in runs} == {
        ("fast", 1), ("fast", 2), ("quality", 1), ("quality", 2),
    }  # fmt: skip
    assert all(run["metrics"]["cache.hit_ratio"] == 0 for run in runs), "a sweep measures, it does not look up"
    assert json.loads((folder / "sweep.json").read_text())["status"] == "ok"
    assert (folder / "compare.png").stat().st_size > 10_000


def test_a_failing_job_does_not_end_the_sweep(tmp_path):
    lines(tmp_path / "l.txt", "a", "b")
    done = drill(tmp_path, "drill", "-m", "l.txt", "+pipeline.stages.first.settings.fail_on=a,b,z")
    assert done.code == 3
    _, jobs = sweep_of(tmp_path)
    codes = [json.loads((tmp_path / job["run_dir"] / "run.json").read_text())["exit_code"] for job in jobs]
    assert codes == [3, 3, 0]


def test_jobs_side_by_side_under_joblib(tmp_path):
    lines(tmp_path / "l.txt", "a", "b")
    done = drill(
        tmp_path, "drill", "-m", "l.txt", "workers.first=1,2,3", "hydra/launcher=joblib", "hydra.launcher.n_jobs=3"
    )
    assert done.code == 0, done.err
    _, jobs = sweep_of(tmp_path)
    assert len({job["run_dir"] for job in jobs}) == 3
    assert all(json.loads((tmp_path / j["run_dir"] / "run.json").read_text())["status"] == "ok" for j in jobs)


@pytest.mark.untraced
def test_three_runs_of_the_same_second(tmp_path):
    lines(tmp_path / "l.txt", "a", "b")
    words = [*DRILLS, *QUIET, "pipeline=drill", "l.txt", *step("first", busy_s=0.2)]
    running = [start(tmp_path, *words) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    runs = list((tmp_path / "outputs" / "drill").glob("*/*/run.json"))
    assert len(runs) == 3
    assert all(json.loads(run.read_text())["status"] == "ok" for run in runs)
    assert (tmp_path / "outputs" / "latest").resolve() in [run.parent for run in runs]
