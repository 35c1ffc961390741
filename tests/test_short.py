"""short from the command line: a script becomes a film, an edit redoes its scene, a kill loses nothing."""

import json
import os
import shutil
import signal
import time
from fractions import Fraction

import pytest
from cli import QUIET, reeltune, start

from stages.media.probe import count_packets, opened, probe

STORY = """# Three lamps

## One
prompt: a lamp on a sill

The first lamp was small, and it knew.

## Two
prompt: a lamp in a tower

The second lamp stood in a tower. It turned all night.

## Three
prompt: a lamp at sea

The third lamp was lost at sea.
"""
SMALL = ("scene.width=192", "scene.height=336", "profile=fast", "encoder=x264")


def short(cwd, *words, **more):
    return reeltune(cwd, *QUIET, "pipeline=short", *words, **more)


def packets(path):
    """The picture's packets, byte for byte."""
    with opened(path) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    cwd = tmp_path_factory.mktemp("short")
    (cwd / "it's a story.md").write_text(STORY, encoding="utf-8")
    return short(cwd, "it's a story.md", *SMALL, "quality.sample=all", timeout=170)


def test_a_script_becomes_a_film_with_its_script_thumbnail_and_subtitles(first):
    assert first.code == 0, first.err
    names = sorted(file.name for file in (first.folder / "result").iterdir())
    assert names == [f"it's a story.{suffix}" for suffix in ("jpg", "mp4", "srt", "yaml")]
    assert first.run["outputs"]["it's a story"].endswith("story.mp4")
    film = first.folder / "result" / "it's a story.mp4"
    info = probe(film)
    video, sound = info.first("video"), info.first("audio")
    assert (video.width, video.height) == (192, 336)
    assert (sound.channels, sound.rate) == (2, 44100)
    with opened(film) as container:
        assert container.metadata["title"] == "Three lamps"
        assert [chapter["metadata"]["title"] for chapter in container.chapters()] == ["One", "Two", "Three"]
    metrics = first.run["metrics"]
    assert -14.5 < metrics["quality.lufs"] < -13.5 and metrics["quality.true_peak_db"] <= -0.9
    assert 50 < metrics["quality.vmaf_mean"] <= 100
    assert metrics["size.bytes"] == film.stat().st_size


def test_sound_and_pictures_are_of_one_length(first):
    film = first.folder / "result" / "it's a story.mp4"
    found = count_packets(film)
    pictures, sound = found[0], found[1]
    assert pictures.count == first.run["metrics"]["video.frames"]
    assert abs(pictures.seconds - Fraction(pictures.count, 25)) == 0
    assert abs(pictures.seconds - sound.seconds) <= Fraction(1, 25)


@pytest.mark.untraced
def test_one_scene_edited_redoes_that_scene_and_the_merge(first, tmp_path):
    cwd = tmp_path / "edited"
    shutil.copytree(first.cwd, cwd, symlinks=True)
    before = packets(first.folder / "result" / "it's a story.mp4")
    (cwd / "it's a story.md").write_text(STORY.replace("It turned all night", "It slept by day"), encoding="utf-8")
    done = short(cwd, "it's a story.md", *SMALL)
    assert done.code == 0, done.err
    key = "it's a story"
    tasks = {(e["stage"], e["item"]) for e in done.events("task") if e["status"] == "done"}
    scene = {
        (stage, f"{key}/02") for stage in ("speech", "captions", "clip")
    }  # its prompt, so its picture, is as it was
    assert tasks == {("write", key), ("scenes", key), ("sound", key), ("film", key), *scene}
    after = packets(done.folder / "result" / "it's a story.mp4")
    assert before[:20] == after[:20] and before[-20:] == after[-20:] and before != after


@pytest.mark.untraced
def test_the_saved_script_gives_the_same_film(first, tmp_path):
    cwd = tmp_path / "again"
    shutil.copytree(first.cwd, cwd, symlinks=True)
    saved = first.folder / "result" / "it's a story.yaml"
    shutil.copy(saved, cwd / "again.yaml")
    done = short(cwd, "again.yaml", *SMALL)
    assert done.code == 0, done.err
    assert not done.tasks("done", "clip") and not done.tasks("done", "image")
    made = packets(done.folder / "result" / "again.mp4")
    assert made == packets(first.folder / "result" / "it's a story.mp4")


@pytest.mark.untraced
def test_killed_at_any_stage_it_goes_on(first, tmp_path):
    (tmp_path / "it's a story.md").write_text(STORY, encoding="utf-8")
    for stage in ("speech", "clip"):
        run = start(tmp_path, *QUIET, "pipeline=short", "it's a story.md", *SMALL)
        wait_for(tmp_path, f'"stage":"{stage}","status":"done"')
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    done = short(tmp_path, "it's a story.md", *SMALL)
    assert done.code == 0, done.err
    assert "it's a story/01" in done.tasks("cached", "speech") and done.tasks("cached", "clip")
    made = packets(done.folder / "result" / "it's a story.mp4")
    assert made == packets(first.folder / "result" / "it's a story.mp4")


def wait_for(cwd, words):
    """Until the newest journal has these words."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        journals = sorted((cwd / "outputs").glob("short/*/*/journal.jsonl"))
        if journals and words in journals[-1].read_text():
            return
        time.sleep(0.02)
    raise AssertionError(f"no {words} within a minute")


@pytest.mark.untraced
def test_words_of_all_kinds(tmp_path):
    """Quotes, tags, colons, emoji, right-to-left, signs without a font: a film, and what is missing is said."""
    scenes = [
        'He said: "don\'t {\\an8} stop", 100 %!',
        "مرحبا بالعالم",
        "你好，世界。",
        "Smile 😀 now.",
        "a: b\\N c; [d]",
    ]
    (tmp_path / "odd.txt").write_text("\n\n".join(scenes) + "\n\n\n", encoding="utf-8")
    done = short(tmp_path, "odd.txt", *SMALL, timeout=170)
    assert done.code == 0, (done.err, done.failures() if done.code else "")
    srt = (done.folder / "result" / "odd.srt").read_text(encoding="utf-8")
    plain = srt.replace("\u2060", "")  # which keeps players from taking it for a command
    assert "{\\an8}" in plain and "مرحبا" in srt and "你好" in srt
    assert any("font" in note for note in done.run["notes"]), done.run["notes"]


@pytest.mark.untraced
def test_a_bad_scene_is_one_sentence_and_the_other_scripts_go_on(tmp_path):
    (tmp_path / "bad.yaml").write_text("scenes: [{text: hi, image: missing.png}]", encoding="utf-8")
    (tmp_path / "good.txt").write_text("Only one scene here.", encoding="utf-8")
    done = short(tmp_path, "bad.yaml", "good.txt", *SMALL)
    assert done.code == 3
    (letter,) = done.failures()
    assert letter["item"] == "bad" and "missing.png" in letter["sentence"]
    assert (done.folder / "result" / "good.mp4").is_file()


def test_plan_tells_the_critical_path_and_the_scenes(first):
    plan = reeltune(first.cwd, "plan", "--json", *QUIET, "pipeline=short", "it's a story.md", *SMALL, "scene.fps=30")
    found = json.loads(plan.out)["outlook"]
    assert found["guessed"] == [] and found["seconds"] > 0 and found["unknown"] == []
    assert found["chain"][-1][0] == "film"
