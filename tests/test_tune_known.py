"""What a search takes from others: speed and quality on this machine, quality alone from elsewhere, or nothing."""

import dataclasses
import json
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from cli import QUIET, environment, lines, reeltune
from tuneworker import SPACE

from runner.config.compose import Composition, compose
from runner.hardware.detect import detect
from runner.record.jobs import read_jobs
from runner.record.tracking import Tracker
from runner.tune.identity import Identity, content_of
from runner.tune.known import Keys, Known, Taken, quality_key, speed_key
from runner.tune.memory import Memory
from runner.tune.request import read_request
from runner.tune.runs import TrialJob, TrialRunner
from runner.tune.space import Goal
from runner.tune.trials import TrialBook
from stages.media.ffmpeg import ffmpeg_binary
from stages.text.lines import LinesSettings, TextLines

FPS, VMAF = "throughput.fps", "quality.vmaf_mean"
POINTS = SPACE.grid()


# --- what is the same work ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    return detect([tmp_path_factory.mktemp("disk")], measure=False)


def keys(machine, *words, content="film", versions=None, rung=0):
    pipeline = [] if any(word.startswith("pipeline=") for word in words) else ["pipeline=transcode", "encoder=x264"]
    composition = compose([*pipeline, *words], {})
    assert composition.config is not None, composition.problems
    return Identity([content], machine, versions or {"ffmpeg": "8.0"}).keys(composition, rung)


def test_the_same_config_is_the_same_work_however_it_is_said(machine):
    plain = keys(machine, "encoder.quality=23", "encoder.preset=fast")
    assert plain.quality and plain.speed and plain.quality != plain.speed
    assert keys(machine, "encoder.preset=fast", "encoder.quality=23.0", rung=3) == plain
    without_say = ("progress=off", "job_timeout_s=99", "tracking.enabled=false", "outputs_dir=elsewhere")
    assert keys(machine, "encoder.preset=fast", "encoder.quality=23", *without_say) == plain


def test_workers_and_threads_are_of_the_speed_alone(machine):
    plain = keys(machine, "encoder.quality=23")
    for word in ("workers.encode=2", "encoder.threads=1", "limits.worker_cpus=1", "+profile.begin.encode=3"):
        other = keys(machine, "encoder.quality=23", word)
        assert other.quality == plain.quality and other.speed != plain.speed, word
    upscale = keys(machine, "pipeline=upscale")
    for word in ("upscaler.buffer_mb=256", "upscaler.batch=2", "upscaler.tile=128"):
        other = keys(machine, "pipeline=upscale", word)
        assert other.quality == upscale.quality and other.speed != upscale.speed, word


def test_whatever_changes_the_result_changes_both(machine):
    plain = keys(machine, "encoder.quality=23")
    others = [
        keys(machine, "encoder.quality=24"),
        keys(machine, "encoder.quality=23", "video.scale=x90"),
        keys(machine, "encoder.quality=23", "quality.sample=3"),
        keys(machine, "encoder.quality=23", content="another film"),
        keys(machine, "encoder.quality=23", versions={"ffmpeg": "8.1"}),
    ]
    found = [plain, *others]
    assert len({one.quality for one in found}) == len({one.speed for one in found}) == len(found)


def test_another_machine_or_fewer_of_its_cores_make_another_speed(machine):
    plain = keys(machine, "encoder.quality=23")
    away = dataclasses.replace(machine, cpu=dataclasses.replace(machine.cpu, model="another"))
    fewer = dataclasses.replace(machine, cpu=dataclasses.replace(machine.cpu, usable_threads=0.5))
    for other in (keys(away, "encoder.quality=23"), keys(fewer, "encoder.quality=23")):
        assert other.quality == plain.quality and other.speed != plain.speed


def test_what_is_refused_has_no_keys(machine):
    composition = compose(["pipeline=transcode", "encoder=x264", "encoder.quality=99"], {})
    assert Identity(["film"], machine, {}).keys(composition, 0) == Keys()


def test_content_is_what_is_in_the_files_and_how_much_of_it(tmp_path):
    one, two = lines(tmp_path / "a.txt", "x"), lines(tmp_path / "b.txt", "x")
    source = TextLines(LinesSettings())
    assert content_of(source, [one], "whole") == content_of(source, [two], "whole")
    assert content_of(source, [one], "whole") != content_of(source, [one], "4 items")
    lines(two, "y")
    assert content_of(source, [one], "whole") != content_of(source, [two], "whole")
    assert content_of(source, [one], "whole") != content_of(TextLines(LinesSettings(column="title")), [one], "whole")


# --- what is remembered ------------------------------------------------------------------------


QUALITY = quality_key("digest", {"encoder.quality": 23}, {"ffmpeg": "8.0"})
HERE, THERE = speed_key(QUALITY, "machine-a"), speed_key(QUALITY, "machine-b")


def told(outputs, search, state="ok", figures=None, **more):
    book = TrialBook(outputs / "tune" / search / "book")
    number = book.claim(POINTS[len(book.trials())])
    more = {"quality_key": QUALITY, "speed_key": HERE} | more
    book.tell(number, state, {FPS: 100.0, VMAF: 95.5} if figures is None else figures, **more)


def test_speed_is_known_on_its_own_machine_and_quality_on_any(tmp_path):
    for fps in (100.0, 104.0, 90.0):
        told(tmp_path, "transcode-a", figures={FPS: fps, VMAF: 95.5, "size.bytes": 7.0})
    found = Known(tmp_path).trial(HERE, unscored=True)
    assert found.figures == {FPS: 100.0, VMAF: 95.5, "size.bytes": 7.0}, "the median"
    assert (found.timings(FPS), found.origin) == ((100.0, 104.0, 90.0), "transcode-a #2 (median of 3)")
    assert Known(tmp_path).trial(THERE, unscored=True) is None and Known(tmp_path).trial("", unscored=True) is None
    assert Known(tmp_path).quality(QUALITY).figures == {VMAF: 95.5, "size.bytes": 7.0}
    assert Known(tmp_path).quality("") is None and Known(tmp_path).quality("other") is None


def test_below_a_floor_is_known_all_the_same(tmp_path):
    told(tmp_path, "a", "infeasible", reason="VMAF 95.5 is below 97")
    found = Known(tmp_path).trial(HERE, unscored=True)
    assert (found.state, found.reason, found.figures[VMAF]) == ("ok", "", 95.5), "the floor is the taker's own"


@pytest.mark.parametrize(
    ("state", "cause"), [("crashed", ""), ("timeout", ""), ("failed", ""), ("infeasible", "degraded")]
)
def test_failures_teach_nothing(tmp_path, state, cause):
    told(tmp_path, "a", state, cause=cause)
    assert Known(tmp_path).trial(HERE, unscored=True) is None and Known(tmp_path).quality(QUALITY) is None


def test_what_did_not_fit_does_not_fit_again_on_the_same_machine(tmp_path):
    told(tmp_path, "a", "infeasible", {}, cause="memory", reason="it does not fit")
    found = Known(tmp_path).trial(HERE, unscored=True)
    assert (found.state, found.reason, found.cause) == ("infeasible", "it does not fit", "memory")
    assert Known(tmp_path).trial(THERE, unscored=True) is None
    told(tmp_path, "b")
    assert Known(tmp_path).trial(HERE, unscored=True).state == "ok", "it did once"


def test_copies_are_no_measurements(tmp_path):
    told(tmp_path, "a", figures={FPS: 100.0, VMAF: 95.5})
    told(tmp_path, "b", figures={FPS: 1.0, VMAF: 1.0}, origin="a #0")
    told(tmp_path, "c", figures={FPS: 102.0, VMAF: 2.0}, quality_origin="a #0")
    known = Known(tmp_path)
    assert known.trial(HERE, unscored=True).timings(FPS) == (100.0, 102.0)
    assert known.trial(HERE, unscored=False).timings(FPS) == (100.0,), "scoring has a say in other speeds"
    assert known.quality(QUALITY).figures == {VMAF: 95.5}


def test_a_book_that_grew_is_read_again(tmp_path):
    known = Known(tmp_path)
    assert known.trial(HERE, unscored=True) is None
    told(tmp_path, "a", speed_key=THERE)
    assert known.trial(HERE, unscored=True) is None and known.trial(THERE, unscored=True) is not None
    told(tmp_path, "a")
    assert known.trial(HERE, unscored=True).origin == "a #1"


def test_quality_is_taken_only_where_scoring_has_no_say_in_the_speed(tmp_path):
    told(tmp_path, "a")
    found = Keys(QUALITY, THERE)

    def taken(space=SPACE, known=True, after=True):
        return Memory(space, None, Known(tmp_path) if known else None, after).quality(found)

    assert taken().figures == {VMAF: 95.5}
    assert taken(dataclasses.replace(SPACE, objective=Goal("throughput.items_per_s"))).figures == {VMAF: 95.5}
    assert taken(after=False) is None, "one film is scored while the next is made"
    assert taken(dataclasses.replace(SPACE, objective=Goal("wall_s", "min"))) is None
    assert taken(dataclasses.replace(SPACE, quality=Goal("quality.ssim"))) is None
    assert taken(known=False) is None


def test_a_copy_is_noted_once_and_is_no_run_of_the_trial(tmp_path):
    """Whoever is killed between the note and the book's line notes it again."""
    runner = TrialRunner(tmp_path, (), Tracker(None))
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text('{"status": "ok", "metrics": {}}', encoding="utf-8")
    taken = Taken("ok", {FPS: 100.0}, "a #3", run=run)
    for _ in range(2):
        runner.note_taken((0, 0), ["encoder=x264"], taken)
    (line,) = (tmp_path / "jobs.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["taken"] == "a #3"
    (row,) = read_jobs(tmp_path)
    assert (row.metrics, row.standing, row.run_dir) == ({FPS: 100.0}, "ok, taken from a #3", run)
    assert runner._ended(TrialJob(("encoder=x264",), (), Composition(), 1.0), (0, 0)) is None


def test_known_off_is_a_word_of_the_search_and_not_of_its_trials():
    request, problems = read_request(["pipeline=transcode", "known=off"])
    assert (request.known, request.words, problems) == (False, ("pipeline=transcode",), [])
    assert read_request(["known=on"])[0] == read_request([])[0]
    assert "neither on nor off" in read_request(["known="])[1][0].reason


# --- real searches -----------------------------------------------------------------------------


SEARCH = """
    pipeline: transcode
    objective: {metric: throughput.fps, goal: max}
    quality: {metric: quality.vmaf_mean, floor: 30}
    space:
      encoder: [x264]
      encoder.preset: [ultrafast]
      encoder.quality: [20]
    sampler: grid
    repeats: {most: 1, spread: 0.2}
"""
AWAY = """
import sys
from runner.hardware.machine import Machine
Machine.fingerprint = property(lambda self: "another")
from runner.cli import main
sys.exit(main(sys.argv[1:]))
"""
UPDATED = """
import sys
from runner.tune import quest
quest.watched = lambda versions: {"ffmpeg": "1000.0"}
from runner.cli import main
sys.exit(main(sys.argv[1:]))
"""
WORDS = ("tune", "pipeline=transcode", "clip.mp4", "search=space.yaml", "video.chunks=off")


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A search that measured its one point."""
    cwd = tmp_path_factory.mktemp("known")
    (cwd / "space.yaml").write_text(textwrap.dedent(SEARCH), encoding="utf-8")
    made = ["-f", "lavfi", "-i", "testsrc2=s=160x120:r=10:d=1", "-c:v", "libx264", "-crf", "10", "file:clip.mp4"]
    subprocess.run([str(ffmpeg_binary().path), "-nostdin", "-v", "error", "-y", *made], cwd=cwd, check=True)
    done = reeltune(cwd, *WORDS, *QUIET)
    assert done.code == 0, done.err
    (folder,) = (cwd / "outputs" / "tune").iterdir()
    return cwd, folder, TrialBook(folder / "book").trials()[0].outcomes[0]


@pytest.fixture
def search(first):
    """Another search there: its outcome, jobs and output. It is taken away again."""
    cwd, folder, _ = first
    found = []

    def run(*words, code=None):
        command = [sys.executable, *(("-c", code) if code else ("-m", "runner")), *WORDS, *words]
        done = subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr.decode()
        (new,) = [path for path in (cwd / "outputs" / "tune").iterdir() if path != folder]
        found.append(new)
        jobs = [json.loads(line) for line in (new / "jobs.jsonl").read_text(encoding="utf-8").splitlines()]
        return new, TrialBook(new / "book").trials()[0].outcomes[0], jobs, done.stdout.decode()

    yield run
    for new in found:
        new.rename(cwd / new.name)


def scored(job):
    journal = (Path(job["run_dir"]) / "journal.jsonl").read_text(encoding="utf-8")
    events = [json.loads(line) for line in journal.splitlines()]
    return [event for event in events if event["event"] == "task" and event["stage"] == "score"]


def test_another_floor_runs_nothing_that_is_known(first, search):
    cwd, folder, before = first
    new, outcome, jobs, out = search("quality.vmaf='>=40'")
    assert (outcome.origin, outcome.figures) == (f"{folder.name} #0", before.figures)
    assert [job["taken"] for job in jobs] == [f"{folder.name} #0"]
    assert f"taken from {folder.name} #0" in out
    assert json.loads((new / "search.json").read_text())["known"] == {"0": {"trial": f"{folder.name} #0"}}
    assert f"taken from {folder.name} #0" in (new / "compare.html").read_text(encoding="utf-8")
    with sqlite3.connect(cwd / "outputs" / "mlflow.db") as db:
        assert db.execute("select count(*) from runs").fetchone() == (1,), "the search's own run, and none under it"
        figures = dict(db.execute("select key, value from latest_metrics"))
        tags = dict(db.execute("select key, value from tags"))
        assert db.execute("select end_time >= start_time from runs").fetchone() == (1,)
    assert (figures["jobs"], figures["jobs.taken"]) == (0, 1)
    assert figures[FPS] == pytest.approx(before.figures[FPS])
    assert f"taken from {folder.name} #0" in tags["mlflow.note.content"]


def test_other_workers_are_timed_and_not_scored(first, search):
    _, folder, before = first
    new, outcome, (job,), out = search("workers.encode=2", *QUIET)
    assert (outcome.origin, outcome.quality_origin) == ("", f"{folder.name} #0")
    assert outcome.figures[VMAF] == before.figures[VMAF] and outcome.figures[FPS] != before.figures[FPS]
    assert scored(job) == [] and job["quality_of"] == f"{folder.name} #0"
    assert f"ok, quality of {folder.name} #0" in (new / "compare.html").read_text(encoding="utf-8")
    run = json.loads((folder.parents[2] / "outputs" / "latest" / "run.json").read_text(encoding="utf-8"))
    assert f"not scored: its quality is known from {folder.name} #0" in run["notes"]
    assert run["metrics"][VMAF] == before.figures[VMAF] and run["known"]["from"] == f"{folder.name} #0"
    assert f"(quality of {folder.name} #0)" in out and "1 of known quality" in out


def test_another_machine_takes_the_quality_alone(first, search):
    _, folder, before = first
    _, outcome, (job,), _ = search(*QUIET, code=AWAY)
    assert (outcome.origin, outcome.quality_origin) == ("", f"{folder.name} #0")
    assert outcome.figures[VMAF] == before.figures[VMAF] and scored(job) == []
    assert outcome.quality_key == before.quality_key and outcome.speed_key != before.speed_key


def test_other_versions_measure_all_anew(search):
    _, outcome, (job,), _ = search(*QUIET, code=UPDATED)
    assert (outcome.origin, outcome.quality_origin) == ("", "")
    assert [event["status"] for event in scored(job)] == ["done"] and VMAF in outcome.figures
