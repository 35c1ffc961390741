"""A search of sixty trials under ten kills: sixty trials, each once, and MLflow knows of each."""

import os
import random
import signal
import sqlite3
import textwrap
import time

import pytest
from cli import DRILLS, lines, reeltune, start
from test_resume import everything_of, wait_for_end
from test_tune import AT, book

SPACE = f"""
    pipeline: tunable
    objective: {{metric: throughput.items_per_s, goal: max}}
    space:
      {AT}.sleep_s: {{low: 0.00, high: 0.09, step: 0.01}}
      {AT}.batch: [1, 2, 3, 4]
      workers.work: [1, 2, 3]
    sampler: model
    trials: 60
    repeats: {{most: 1, spread: 0.2}}
"""


@pytest.mark.proof
def test_ten_kills_end_in_exactly_sixty_trials(tmp_path):
    lines(tmp_path / "l.txt", "t1", "t2")
    (tmp_path / "space.yaml").write_text(textwrap.dedent(SPACE), encoding="utf-8")
    words = ["tune", *DRILLS, "pipeline=tunable", "l.txt", "search=space.yaml"]
    chance = random.Random(5)
    for _ in range(10):
        process = start(tmp_path, *words)
        time.sleep(chance.uniform(4.0, 9.0))
        pids = everything_of(process)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
        wait_for_end(pids, 60)
    done = reeltune(tmp_path, *words, timeout=900)
    assert done.code == 0, done.err
    trials = book(tmp_path)
    assert len(trials) == 60 and len({trial.point.digest for trial in trials}) == 60
    assert all(trial.state == "ok" for trial in trials)
    with sqlite3.connect(tmp_path / "outputs" / "mlflow.db") as db:
        states = [row[0] for row in db.execute("select status from runs")]
        told = db.execute(
            "select count(*) from tags t join runs r on r.run_uuid = t.run_uuid "
            "where t.key = 'mlflow.parentRunId' and r.status = 'FINISHED'"
        ).fetchone()[0]
    assert told == 60  # the finished runs of the search are its trials
    assert states.count("RUNNING") == 0 and states.count("FINISHED") == 61
