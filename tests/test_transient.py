"""Parts of a finished thing are let go when it is finished, and made again only when somebody has to read them."""

import os
import signal
import time

import pytest
from cli import QUIET, reeltune, start
from film_help import film

from runner.execute.transients import Alive
from runner.plan.index import Index, Outcome

H264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-c:a", "aac")
QUICK = ("pipeline=upscale", "encoder=x264", "encoder.preset=ultrafast", "encoder.threads=2", "upscaler=lanczos")


def made(tmp_path, index, key, text):
    file = tmp_path / f"{key}.mp4"
    file.write_text(text, encoding="utf-8")
    outcome = Outcome({"segment": index.store.adopt(file, "video/segment")}, {"n": key})
    index.put(key, "test", outcome)
    return outcome


@pytest.fixture
def index(tmp_path):
    opened = Index(tmp_path / "cache")
    yield opened
    opened.close()


# --- the index ---------------------------------------------------------------------------------


def test_what_was_let_go_is_known_and_counts_only_where_it_may(tmp_path, index):
    outcome = made(tmp_path, index, "a", "one")
    index.spend(["a"])
    assert index.get("a").artifacts == outcome.artifacts, "marked, and still there"
    index.let_go()
    assert not outcome.artifacts["segment"].path.exists()
    assert index.get("a") is None
    assert index.get("a", spent=True).artifacts == outcome.artifacts


def test_files_that_are_in_hand_stay_until_they_are_not(tmp_path, index):
    kept, gone = made(tmp_path, index, "a", "one"), made(tmp_path, index, "b", "two")
    index.spend(["a", "b"])
    index.let_go(but={"a"})
    assert index.get("a").artifacts == kept.artifacts and not gone.artifacts["segment"].path.exists()
    index.let_go()
    assert index.get("a") is None


def test_what_is_missing_without_being_let_go_is_never_enough(tmp_path, index):
    outcome = made(tmp_path, index, "a", "one")
    outcome.artifacts["segment"].path.unlink()
    assert index.get("a", spent=True) is None


def test_what_is_made_again_is_no_longer_spent(tmp_path, index):
    made(tmp_path, index, "a", "one")
    index.spend(["a"])
    index.let_go()
    again = made(tmp_path, index, "a", "one")
    index.let_go()
    assert index.get("a").artifacts == again.artifacts


def test_a_file_that_was_edited_is_nobodys_to_remove(tmp_path, index):
    outcome = made(tmp_path, index, "a", "one")
    path = outcome.artifacts["segment"].path
    path.write_text("another", encoding="utf-8")
    index.spend(["a"])
    index.let_go()
    assert path.exists()


def test_the_cache_command_counts_only_what_is_there(tmp_path, index):
    made(tmp_path, index, "a", "one")
    made(tmp_path, index, "b", "three")
    index.spend(["a"])
    index.let_go()
    assert index.stages() == [("test", 2, 5)]
    assert {key: len(list(outcome.files())) for key, outcome in index.oldest()} == {"a": 0, "b": 1}
    index.forget(["a"])
    assert index.get("a", spent=True) is None


# --- who is alive ------------------------------------------------------------------------------


def test_nothing_goes_while_another_run_is_alive(tmp_path):
    one, other, gone = Alive(tmp_path / "alive"), Alive(tmp_path / "alive"), []
    (tmp_path / "alive" / "of-one-that-was-killed.run").touch()
    one.alone(lambda: gone.append("too early"))
    other.close()
    one.alone(lambda: gone.append("one is alone"))
    one.close()
    assert gone == ["one is alone"]
    assert not list((tmp_path / "alive").glob("*.run"))


# --- runs --------------------------------------------------------------------------------------


def upscale(cwd, *words):
    done = reeltune(cwd, *QUIET, *QUICK, "upscaler.segment_s=1", *map(str, words))
    assert done.code == 0, done.err
    return done


def stored(cwd):
    """Films and segments in the store."""
    return len(list((cwd / "outputs" / "cache" / "objects").rglob("*.mp4")))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return film(tmp_path_factory.mktemp("clip") / "clip.mp4", *H264, seconds=3, size="64x48")


def statuses(done, stage):
    return [event["status"] for event in done.events("task") if event["stage"] == stage]


def test_segments_go_when_the_film_is_done_and_the_same_command_does_nothing(clip, tmp_path):
    first = upscale(tmp_path, clip)
    assert statuses(first, "segment") == ["done"] * 3
    assert stored(tmp_path) == 1, "the film"
    plan = reeltune(tmp_path, "plan", *QUIET, *QUICK, "upscaler.segment_s=1", str(clip))
    assert plan.code == 0, plan.err
    again = upscale(tmp_path, clip)
    assert {event["status"] for event in again.events("task")} == {"cached"}
    assert stored(tmp_path) == 1
    verified = reeltune(tmp_path, "cache", "verify")
    assert verified.code == 0 and "all files are whole" in verified.out
    # another container: what is joined has to be read, and is made again
    other = upscale(tmp_path, clip, "video.container=mkv")
    assert statuses(other, "segment") == ["done"] * 3 and statuses(other, "join") == ["done"]
    assert len(list((tmp_path / "outputs" / "cache" / "objects").rglob("*.mp4"))) == 1
    # and what only looks at the film needs no segment
    scored = upscale(tmp_path, clip, "quality.sample=all")
    assert statuses(scored, "segment") == ["cached"] * 3 and statuses(scored, "score") == ["done"]


@pytest.mark.untraced
def test_a_run_that_is_broken_off_keeps_its_segments(clip, tmp_path):
    run = start(tmp_path, *QUIET, *QUICK, "upscaler.segment_s=0.5", str(clip))
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and stored(tmp_path) < 2 and run.poll() is None:
        time.sleep(0.02)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert stored(tmp_path) >= 2
    done = reeltune(tmp_path, *QUIET, *QUICK, "upscaler.segment_s=0.5", str(clip))
    assert done.code == 0 and "cached" in statuses(done, "segment")
    assert stored(tmp_path) == 1


@pytest.mark.untraced
def test_the_same_film_twice_in_one_run_shares_its_segments(clip, tmp_path):
    twin = tmp_path / "twin.mp4"
    twin.write_bytes(clip.read_bytes())
    done = upscale(tmp_path, clip, twin)
    assert sorted(statuses(done, "segment")) == ["cached"] * 3 + ["done"] * 3
    assert stored(tmp_path) == 1 and len(done.run["outputs"]) >= 2


@pytest.mark.untraced
def test_two_runs_at_once_take_nothing_from_each_other(clip, tmp_path):
    """The second joins the same segments into another container, and is in the midst of it when the first ends."""
    runs = [
        start(tmp_path, *QUIET, *QUICK, "upscaler.segment_s=1", f"video.container={name}", str(clip))
        for name in ("mp4", "mkv")
    ]
    assert [run.wait(300) for run in runs] == [0, 0]
    assert stored(tmp_path) == 1, "whoever ended last let go of them"


@pytest.mark.untraced
def test_who_wants_to_keep_them_can(clip, tmp_path):
    upscale(tmp_path, clip, "pipeline.stages.segment.transient=false")
    assert stored(tmp_path) == 4
    other = upscale(tmp_path, clip, "pipeline.stages.segment.transient=false", "video.container=mkv")
    assert statuses(other, "segment") == ["cached"] * 3
