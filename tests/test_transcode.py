"""transcode from the command line: films become films, nothing is redone that is done, and what goes wrong is said."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from cli import QUIET, reeltune, start
from film_help import apart, film, held
from picture_help import ffmpeg

H264 = ("-c:v", "libx264", "-g", "25", "-c:a", "aac")
FAST = ("encoder=x264", "profile=fast")


def transcode(cwd, *words, **env):
    return reeltune(cwd, *QUIET, "pipeline=transcode", *words, **env)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    cwd = tmp_path_factory.mktemp("transcode")
    film(cwd / "my film (1), part=2.mp4", *H264, seconds=3)
    return transcode(cwd, "my film (1), part=2.mp4", *FAST, "quality.sample=all")


def test_a_film_becomes_a_film_with_its_scores_beside_it(first):
    assert first.code == 0, first.err
    names = sorted(file.name for file in (first.folder / "result").iterdir())
    assert names == [f"my film (1), part=2.{suffix}" for suffix in ("json", "mp4", "png")]
    assert first.run["outputs"]["my film (1), part=2"].endswith("part=2.mp4")
    source, made = held(first.cwd / "my film (1), part=2.mp4"), held(first.folder / "result" / names[1])
    assert all(apart(one, other) == 0.0 for one, other in zip(source.times, made.times, strict=True))


def test_the_run_says_what_it_measured_and_what_it_used(first):
    metrics, used = first.run["metrics"], first.run["effective"]
    assert 60 < metrics["quality.vmaf_p1"] <= metrics["quality.vmaf_mean"] <= 100
    assert 0.8 < metrics["quality.ssim"] <= 1 and metrics["quality.psnr"] > 25
    assert metrics["throughput.fps"] > 1 and metrics["video.frames"] == 75
    assert metrics["size.bytes"] == (first.folder / "result" / "my film (1), part=2.mp4").stat().st_size
    assert (used["encoder.preset"], used["encoder.pix_fmt"]) == ("ultrafast", "yuv420p")
    assert used["video.container"] == "mp4" and first.run["requested"]["video.container"] == "auto"


@pytest.mark.untraced
def test_again_nothing_is_done_and_another_quality_redoes_the_encode(first):
    size = first.run["metrics"]["size.bytes"]
    again = transcode(first.cwd, "my film (1), part=2.mp4", *FAST, "quality.sample=all")
    assert again.code == 0 and not again.tasks("done")
    other = transcode(first.cwd, "my film (1), part=2.mp4", *FAST, "encoder.quality=40")
    assert other.tasks("done", "encode") and other.run["metrics"]["size.bytes"] < size
    assert transcode(first.cwd, "my film (1), part=2.mp4", *FAST, "video.verify=decode").tasks("done") == []


@pytest.mark.untraced
def test_killed_in_the_middle_only_the_chunks_that_are_missing_are_coded(tmp_path):
    source = film(tmp_path / "long.mp4", *H264, seconds=24, size="480x270")
    words = [*QUIET, "pipeline=transcode", str(source), "encoder=x264", "encoder.preset=slow", "video.chunks=3"]
    run = start(tmp_path, *words)
    journal, deadline = None, time.monotonic() + 90
    while time.monotonic() < deadline:
        journal = next(iter((tmp_path / "outputs").glob("transcode/*/*/journal.jsonl")), None)
        if journal and journal.read_text().count('"stage":"encode","status":"done"') >= 2:
            break
        time.sleep(0.05)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    before = journal.read_text().count('"stage":"encode","status":"done"')
    done = reeltune(tmp_path, *words)
    assert done.code == 0, done.err
    encoded, cached = done.tasks("done", "encode"), done.tasks("cached", "encode")
    assert 2 <= before <= len(cached) and encoded and len(encoded) + len(cached) >= 6
    made = Path(done.run["outputs"]["long"])
    assert apart(held(source).of("video")[0], held(made).of("video")[0]) == 0.0
    assert "video.chunks" in done.run["effective"] and "chunks" in done.run["effective"]["video.chunks"]


@pytest.mark.untraced
def test_of_many_films_the_good_ones_are_done_and_the_others_said_in_a_sentence_each(tmp_path):
    box = tmp_path / "films"
    box.mkdir()
    good = film(box / "good.mp4", *H264, seconds=1)
    (box / "text.mp4").write_text("no film at all", encoding="utf-8")
    film(box / "sound.mp4", "-map", "1:a", "-c:a", "aac")
    (box / "cut.mp4").write_bytes(good.read_bytes()[:9000])
    (box / "empty.mkv").write_bytes(b"")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=161x97:d=0.5,format=yuv444p", "-c:v", "ffv1", box / "odd.mkv")
    shutil.copy(good, box / "name with 'quotes', : and 🎬.mp4")
    done = transcode(tmp_path, str(box), *FAST)
    assert done.code == 3, done.err
    assert set(done.run["outputs"]) == {"good", "odd", "name with 'quotes', : and 🎬"}
    said = {letter["item"]: letter["sentence"] for letter in done.failures()}
    assert set(said) == {"text", "sound", "cut", "empty"}
    assert all(sentence.startswith(f"{item}.") and "\n" not in sentence for item, sentence in said.items())
    assert {letter["failure"] for letter in done.failures()} == {"bad_input"}


@pytest.mark.untraced
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["encoder=x246"], "encoder: 'x246' is no encoder (did you mean x26"),
        (["encoder=x264", "encoder.quality=999"], "encoder.quality: 999 is outside what x264 takes"),
        (["encoder=svtav1", "encoder.preset=fast"], "encoder.preset: svtav1 does not take 'fast'"),
        (["video.scale=720p"], "video.scale: '720p' is no size"),
        (["video.container=avi"], "video.container: 'avi' is not one of its values"),
        (["encoder=x264", "video.container=webm"], "video.container: webm holds AV1"),
        (["video.fps=fast"], "video.fps: 'fast' is no frame rate"),
        (["video.chunks=-3"], "video.chunks: '-3' is no length of a chunk"),
        (["encoder.sessions=0"], "encoder.sessions"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(tmp_path, words, said):
    (tmp_path / "film.mp4").write_bytes(b"never looked at")
    done = transcode(tmp_path, "film.mp4", *words)
    assert done.code == 2 and said in done.err, done.err
    assert not (tmp_path / "outputs" / "latest").exists()


@pytest.mark.untraced
@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="this machine has an NVIDIA GPU")
def test_nvenc_without_nvidia_falls_back_in_words_or_refuses(tmp_path):
    film(tmp_path / "film.mp4", *H264, seconds=1)
    done = transcode(tmp_path, "film.mp4", "encoder=nvenc_h264", "hardware=auto")
    assert done.code == 0, done.err
    assert done.run["requested"]["encoder.name"] == "nvenc_h264" and done.run["effective"]["encoder.name"] == "x264"
    assert any("x264 is used instead; nvenc_h264 cannot encode here" in note for note in done.run["notes"])
    refused = transcode(tmp_path, "film.mp4", "encoder=nvenc_h264", "encoder.fallback=none")
    assert refused.code == 1
    assert "encoder=nvenc_h264 cannot encode here" in refused.failures()[0]["sentence"]


@pytest.mark.untraced
def test_a_sweep_over_encoders_and_profiles_scores_each_by_itself(tmp_path):
    film(tmp_path / "film.mp4", *H264, seconds=1)
    done = reeltune(
        tmp_path, *QUIET, "-m", "pipeline=transcode", "film.mp4", "encoder=x264,svtav1", "profile=fast,balanced"
    )
    assert done.code == 0, done.err
    (sweep,) = (tmp_path / "outputs" / "sweeps").glob("*/*")
    jobs = [json.loads(line) for line in (sweep / "jobs.jsonl").read_text().splitlines()]
    runs = [json.loads((Path(job["run_dir"]) / "run.json").read_text()) for job in jobs]
    assert len({run["effective"]["encoder.preset"] for run in runs}) == 4
    for run in runs:
        assert {"quality.vmaf_mean", "quality.vmaf_p1", "quality.ssim", "quality.psnr"} <= set(run["metrics"])
        assert run["metrics"]["throughput.fps"] > 0 and run["metrics"]["size.bytes"] > 0
    assert (sweep / "compare.png").stat().st_size > 10_000
