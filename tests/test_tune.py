"""`reeltune tune` from the command line: it finds the fastest, lives with what goes wrong, and goes on."""

import json
import textwrap

import pytest
from cli import DRILLS, QUIET, lines, reeltune

from runner.tune.trials import TrialBook

AT = "pipeline.stages.work.settings"
SPACE = f"""
    pipeline: tunable
    objective: {{metric: throughput.items_per_s, goal: max}}
    space:
      {AT}.suffix: [quick, slow, oom, crash, hang, bad]
      {AT}.sleep_s: {{by: {AT}.suffix, slow: [0.3], quick: [0.0]}}
      {AT}.batch: {{by: {AT}.suffix, oom: [8], bad: [0]}}
      {AT}.crash_on: {{by: {AT}.suffix, crash: [t1]}}
      {AT}.hang_on: {{by: {AT}.suffix, hang: [t1]}}
    sampler: grid
    repeats: {{most: 2, spread: 0.2}}
"""


def tune(cwd, *words, **more):
    return reeltune(cwd, "tune", *DRILLS, *QUIET, *words, **more)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    cwd = tmp_path_factory.mktemp("tune")
    lines(cwd / "l.txt", "t1", "t2")
    (cwd / "space.yaml").write_text(textwrap.dedent(SPACE), encoding="utf-8")
    words = ("pipeline=tunable", "l.txt", "search=space.yaml", "timeout_s=6", "retry.crashed=0")
    return words, tune(cwd, *words)


def book(cwd):
    (folder,) = (cwd / "outputs" / "tune").glob("*/book")
    return TrialBook(folder).trials()


def test_what_goes_wrong_is_recorded_as_such_and_the_search_goes_on(searched):
    _, done = searched
    assert done.code == 0, done.err + done.out
    states = {trial.point.as_dict()[f"{AT}.suffix"]: trial.outcomes[0] for trial in book(done.cwd)}
    assert {kind: outcome.state for kind, outcome in states.items()} == {
        "quick": "ok", "slow": "ok", "oom": "infeasible", "crash": "crashed", "hang": "timeout", "bad": "infeasible",
    }  # fmt: skip
    assert "batch" in states["bad"].reason and "refused" in states["bad"].reason
    assert "does not fit" in states["oom"].reason
    assert "6 s" in states["hang"].reason


def test_the_fastest_becomes_a_profile_that_says_where_it_comes_from(searched):
    _, done = searched
    (profile,) = (done.cwd / "conf" / "profile").glob("*.yaml")
    assert profile.stem == "tuned_auto_tunable"
    text = profile.read_text(encoding="utf-8")
    assert "# objective: throughput.items_per_s" in text and "# data: l.txt" in text and "suffix: quick" in text
    run = reeltune(done.cwd, *DRILLS, *QUIET, "pipeline=tunable", "l.txt", f"profile={profile.stem}")
    assert run.code == 0, run.err
    assert run.run["requested"]["profile"] == profile.stem
    assert (run.folder / "result" / "l" / "000001.txt").read_text() == "t1quick"
    assert not [note for note in run.run["notes"] if "tuned" in note]
    other = reeltune(done.cwd, "plan", *DRILLS, *QUIET, "pipeline=drill", "l.txt", f"profile={profile.stem}")
    assert other.code == 2 or "tuned for tunable" in other.out


def test_the_same_words_again_run_nothing(searched):
    words, done = searched
    before = len((jobs := next((done.cwd / "outputs" / "tune").glob("*/jobs.jsonl"))).read_text().splitlines())
    again = tune(done.cwd, *words)
    assert again.code == 0, again.err
    assert len(jobs.read_text().splitlines()) == before
    assert len(list((done.cwd / "outputs" / "tune").glob("*/book"))) == 1


def test_show_tells_what_was_found(searched):
    _, done = searched
    shown = reeltune(done.cwd, "tune", "show")
    assert shown.code == 0 and "tuned_auto_tunable" in shown.out and "suffix=quick" in shown.out
    assert reeltune(done.cwd, "tune", "show", "nothing").code == 1


def test_the_search_is_told_with_its_picture_and_table(searched):
    _, done = searched
    (folder,) = [path.parent for path in (done.cwd / "outputs" / "tune").glob("*/search.json")]
    found = json.loads((folder / "search.json").read_text())
    assert found["states"] == {"ok": 2, "infeasible": 2, "crashed": 1, "timeout": 1}
    assert found["pick"]["settings"][f"{AT}.suffix"] == "quick" and len(found["pick"]["timings"]) == 2
    assert (folder / "compare.png").stat().st_size > 10_000
    assert json.loads((folder / "sweep.json").read_text())["status"] == "ok"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("search=nowhere",), "nowhere"),
        (("trials=many",), "trials: 'many' is no whole number"),
        (("known=maybe",), "known: 'maybe' is neither on nor off"),
        (("sampler=magic",), "sampler: 'magic' is no sampler"),
        (("quality.vmaf='>>95'",), "quality.vmaf"),
        (("search=transcode",), "transcode"),
        (("batch_size=0",), "batch_size"),
    ],
)
def test_bad_words_are_refused_before_any_work(searched, words, said):
    _, done = searched
    refused = tune(done.cwd, "pipeline=tunable", "l.txt", *words)
    assert refused.code == 2, refused.out
    assert said in refused.err and "Traceback" not in refused.err


AGAIN = f"""
    pipeline: tunable
    objective: {{metric: throughput.items_per_s, goal: max}}
    space:
      {AT}.suffix: [quick, oom, crash]
      {AT}.sleep_s: {{by: {AT}.suffix, quick: [0.0]}}
      {AT}.batch: {{by: {AT}.suffix, oom: [8]}}
      {AT}.crash_on: {{by: {AT}.suffix, crash: [t1]}}
    sampler: grid
    repeats: {{most: 1, spread: 0.2}}
"""


def test_another_search_takes_what_worked_and_what_did_not_fit_and_tries_what_crashed(searched):
    words, done = searched
    (folder,) = (done.cwd / "outputs" / "tune").iterdir()
    (done.cwd / "again.yaml").write_text(textwrap.dedent(AGAIN), encoding="utf-8")
    try:
        again = tune(done.cwd, *(word.replace("space.yaml", "again.yaml") for word in words))
        assert again.code == 0, again.err
        (other,) = [path for path in (done.cwd / "outputs" / "tune").iterdir() if path != folder]
        told = {t.point.as_dict()[f"{AT}.suffix"]: t.outcomes[0] for t in TrialBook(other / "book").trials()}
    finally:
        for path in [path for path in (done.cwd / "outputs" / "tune").iterdir() if path != folder]:
            path.rename(done.cwd / path.name)  # out of sight of the other tests
    before = {t.point.as_dict()[f"{AT}.suffix"]: t for t in book(done.cwd)}
    assert {kind: outcome.origin for kind, outcome in told.items()} == {
        "quick": f"{folder.name} #{before['quick'].number}", "oom": f"{folder.name} #{before['oom'].number}",
        "crash": "",
    }  # fmt: skip
    assert told["quick"].figures == before["quick"].figures and told["quick"].repeats
    assert (told["oom"].state, told["oom"].reason) == ("infeasible", before["oom"].outcomes[0].reason)
    assert told["crash"].state == "crashed"
    assert "2 taken from what was measured before" in again.out


PAST = """
    pipeline: narrate
    objective: {metric: throughput.items_per_s, goal: max}
    space:
      profile.audio.bitrate: [96k, 128k]
    sampler: grid
    repeats: {most: 1, spread: 0.2}
"""


def test_jobs_of_a_past_sweep_count_as_trials(tmp_path):
    lines(tmp_path / "l.txt", "One line.", "Another line.")
    (tmp_path / "space.yaml").write_text(textwrap.dedent(PAST), encoding="utf-8")
    sweep = reeltune(tmp_path, "-m", *QUIET, "pipeline=narrate", "l.txt", "profile.audio.bitrate=96k")
    assert sweep.code == 0, sweep.err
    done = reeltune(tmp_path, "tune", *QUIET, "pipeline=narrate", "l.txt", "search=space.yaml", "from=all")
    assert done.code == 0, done.err
    told = [line for line in done.out.splitlines() if line.startswith("#")]
    assert "#0 profile.audio.bitrate=96k" in told[0] and "(taken from " in told[0]
    assert "#1 profile.audio.bitrate=128k" in told[1] and "(taken" not in told[1]
    assert {trial.state for trial in book(tmp_path)} == {"ok"} and len(book(tmp_path)) == 2
