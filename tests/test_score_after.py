"""Scoring that waits until all else is done, and has no say in the speed."""

import json

import pytest
from cli import QUIET, lines, reeltune

TEXTS = [f"This is sentence number {n}, and it is spoken to the end." for n in range(1, 8)]


def journaled(folder):
    rows = [json.loads(line) for line in (folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row.get("event") == "task"]


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Seven texts, at most three open at once: scoring has to make room for the next ones."""
    cwd = tmp_path_factory.mktemp("after")
    lines(cwd / "l.txt", *TEXTS)
    words = ("pipeline=narrate", "l.txt", "quality.sample=all", "quality.after=true", "cache.enabled=false")
    found = {}
    for size in (50, 3):
        done = reeltune(cwd, *QUIET, *words, f"batch_size={size}")
        assert done.code == 0, done.err
        found[size] = (done.run, journaled(done.folder))
    return found


def test_all_is_made_before_anything_is_scored(scored):
    _, done = scored[50]
    assert len(done) == 3 * len(TEXTS)
    made = max(row["t1"] for row in done if row["stage"] != "score")
    assert all(row["t0"] >= made - 0.05 for row in done if row["stage"] == "score")


def test_a_full_window_is_scored_so_that_the_rest_can_follow(scored):
    run, done = scored[3]
    assert run["counts"]["ok"] == len(TEXTS)
    others = [(row["t0"], row["t1"]) for row in done if row["stage"] != "score"]
    for row in done:
        if row["stage"] == "score":
            assert not any(t0 < row["t0"] - 0.05 < t1 - 0.05 for t0, t1 in others), "nothing else was under way"


def test_speeds_do_not_count_the_time_of_scoring(scored):
    run, done = scored[50]
    scoring = [(row["t0"], row["t1"]) for row in done if row["stage"] == "score"]
    alone = max(t1 for _, t1 in scoring) - min(t0 for t0, _ in scoring)
    assert alone > 0.3, "so that the difference can be seen"
    made_s = len(TEXTS) / run["metrics"]["throughput.items_per_s"]
    assert made_s == pytest.approx(run["wall_s"] - alone, abs=0.3 * alone)
    assert run["metrics"]["throughput.x_realtime"] == pytest.approx(
        run["metrics"]["speech.audio_s"] / made_s, rel=0.05
    )  # fmt: skip
