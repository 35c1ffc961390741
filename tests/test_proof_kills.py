"""narrate under ten kills: the next run finishes the rest, no half file, MLflow has the last word right."""

import json
import os
import random
import signal
import sqlite3
import time

import av
import pytest
from cli import lines, reeltune, start
from test_resume import everything_of, job_of, wait_for_end


@pytest.mark.proof
def test_narrate_survives_ten_kills_and_mlflow_knows(tmp_path):
    texts = [f"Line {n}: seven silver ships sail past the quiet harbour at dawn, number {n}." for n in range(80)]
    lines(tmp_path / "lines.txt", *texts)
    chance = random.Random(11)
    whole = []
    for round_ in range(10):
        process = start(tmp_path, "pipeline=narrate", "lines.txt", "progress=off")
        job = job_of(process)
        time.sleep(chance.uniform(0.3, 1.5))
        pids = everything_of(process)
        os.kill(job.pid if round_ % 2 else process.pid, signal.SIGKILL)
        process.wait(60)
        wait_for_end(pids, 60)
        whole += [check_decodes(file) for file in (tmp_path / "outputs").rglob("result/lines/*.m4a")]
    done = reeltune(tmp_path, "pipeline=narrate", "lines.txt", timeout=300)
    assert done.code == 0, done.err
    assert len(done.run["outputs"]) == 80
    assert done.tasks("cached"), "what was finished before was not done again"
    assert not [f for f in (tmp_path / "outputs").rglob("*") if ".part-" in f.name and f.suffix]
    statuses = mlflow_statuses(tmp_path / "outputs" / "mlflow.db")
    runs = [json.loads(f.read_text()) for f in (tmp_path / "outputs" / "narrate").rglob("run.json")]
    assert sorted(r["status"] for r in runs) == ["killed"] * 10 + ["ok"]
    assert sorted(statuses) == ["FINISHED"] + ["KILLED"] * 10


def check_decodes(file):
    with av.open(str(file)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) > 44100
    return file


def mlflow_statuses(store):
    with sqlite3.connect(store) as db:
        return [row[0] for row in db.execute("select status from runs")]
