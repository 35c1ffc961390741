"""upscale from the command line: films become larger, frames stay in memory, a break costs a segment."""

import os
import signal
import time
from pathlib import Path

import av
import numpy as np
import pytest
from cli import QUIET, reeltune, start
from film_help import apart, film, held

H264 = ("-c:v", "libx264", "-g", "25", "-c:a", "aac")
QUICK = ("encoder=x264", "profile=fast", "encoder.threads=2")
pytestmark = pytest.mark.untraced


def upscale(cwd, *words, **env):
    return reeltune(cwd, *QUIET, "pipeline=upscale", *words, **env)


def packets(path):
    with av.open(str(path)) as container:
        return [(p.pts, p.dts, bytes(p)) for p in container.demux(container.streams.video[0]) if p.size]


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    cwd = tmp_path_factory.mktemp("upscale")
    film(cwd / "clip.mp4", *H264, seconds=2)
    return upscale(cwd, "input=clip.mp4", *QUICK)


def test_a_film_becomes_larger_without_network_or_download(first):
    assert first.code == 0, first.err
    made = first.folder / "result" / "clip.mp4"
    with av.open(str(made)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.width, stream.codec_context.height) == (320, 192)
    before, after = held(first.cwd / "clip.mp4"), held(made)
    assert after.kinds == ["video", "audio"]
    assert all(apart(one, other) == 0.0 for one, other in zip(before.times, after.times, strict=True))
    assert (first.folder / "result" / "clip.png").stat().st_size > 5000


def test_the_run_says_what_it_used(first):
    used, metrics = first.run["effective"], first.run["metrics"]
    assert used["upscaler.scale"] == 2 and used["upscaler.precision"] in ("fp32", "bf16", "fp16")
    assert metrics["throughput.fps"] > 0 and metrics["video.frames"] == 50
    assert "data:image/png" in (first.folder / "report.html").read_text()


def test_again_nothing_is_done_and_a_tile_size_redoes_no_frame(first):
    assert upscale(first.cwd, "input=clip.mp4", *QUICK).tasks("done") == []
    kept = (*QUICK, "pipeline.stages.segment.transient=false")  # else segments are gone once the film is finished
    upscale(first.cwd, "input=clip.mp4", *kept, "upscaler.tile=256")
    tiled = upscale(first.cwd, "input=clip.mp4", *kept, "upscaler.tile=128")
    assert tiled.tasks("done", "segment") == []
    other = upscale(first.cwd, "input=clip.mp4", *kept, "upscaler=lanczos")
    assert other.tasks("done", "segment")


def test_killed_in_the_middle_the_film_is_the_same_to_the_bit(tmp_path):
    source = film(tmp_path / "long.mp4", *H264, seconds=3, size="160x96")
    words = [*QUIET, "pipeline=upscale", str(source), *QUICK, "upscaler.segment_s=0.5", "upscaler.stabilise=light"]
    (tmp_path / "whole").mkdir()
    whole = reeltune(tmp_path / "whole", *words)
    assert whole.code == 0, whole.err
    run = start(tmp_path, *words)
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        journal = next(iter((tmp_path / "outputs").glob("upscale/*/*/journal.jsonl")), None)
        if journal and journal.read_text().count('"stage":"segment","status":"done"') >= 2:
            break
        time.sleep(0.05)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    done = reeltune(tmp_path, *words)
    assert done.code == 0, done.err
    assert len(done.tasks("cached", "segment")) >= 2 and done.tasks("done", "segment")
    assert packets(done.run["outputs"]["long"]) == packets(whole.run["outputs"]["long"])


def test_a_segment_that_was_damaged_by_hand_is_made_again(tmp_path):
    source = film(tmp_path / "clip.mp4", *H264, seconds=3)
    words = ["input=" + str(source), *QUICK, "upscaler=lanczos", "upscaler.segment_s=1"]
    words += ["pipeline.stages.segment.transient=false"]  # as after a break: the others are still there
    first = upscale(tmp_path, *words)
    wanted = packets(first.run["outputs"]["clip"])
    published = Path(first.run["outputs"]["clip"])
    stored = list((tmp_path / "outputs" / "cache" / "objects").rglob("*.mp4"))
    finished = next(file for file in stored if file.samefile(published))
    segment = next(file for file in stored if file != finished)
    segment.write_bytes(segment.read_bytes()[:-500])
    finished.unlink()
    published.unlink()
    again = upscale(tmp_path, *words)
    assert again.code == 0 and len(again.tasks("done", "segment")) == 1
    assert packets(again.run["outputs"]["clip"]) == wanted


def test_no_frame_is_ever_a_file(tmp_path):
    """Everything that appears while it runs, anywhere below: segments, films, journals; no picture of a frame."""
    source = film(tmp_path / "clip.mp4", *H264, seconds=2)
    run = start(tmp_path, *QUIET, "pipeline=upscale", str(source), *QUICK, "upscaler.segment_s=1")
    seen: set[str] = set()
    while run.poll() is None:
        seen |= {p.suffix for p in (tmp_path / "outputs").rglob("*") if not p.is_dir()}
        time.sleep(0.01)
    assert run.returncode == 0
    pictures = seen & {".jpg", ".jpeg", ".bmp", ".npy", ".npz", ".raw", ".yuv", ".tif", ".tiff", ".webp"}
    assert not pictures and ".mp4" in seen
    assert len(list((tmp_path / "outputs").rglob("*.png"))) <= 2, "the picture of before and after, and its stored twin"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["upscaler=embeded"], "did you mean embedded?"),
        (["upscaler.scale=3"], "upscaler.scale: the embedded model has no ×3; use 2 or 4"),
        (["upscaler=onnx"], "upscaler.weights: names no file"),
        (["upscaler.stabilise=much"], "upscaler.stabilise: 'much' is not one of its values"),
        (["upscaler.segment_s=0"], "upscaler.segment_s"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(tmp_path, words, said):
    (tmp_path / "clip.mp4").write_bytes(b"never looked at")
    done = upscale(tmp_path, "clip.mp4", *words)
    assert done.code == 2 and said in done.err, done.err


def test_what_cannot_be_upscaled_is_said_and_the_rest_goes_on(tmp_path):
    film(tmp_path / "good.mp4", *H264, seconds=1)
    (tmp_path / "text.mp4").write_text("no film", encoding="utf-8")
    done = upscale(tmp_path, "good.mp4", "text.mp4", *QUICK, "upscaler=lanczos")
    assert done.code == 3 and set(done.run["outputs"]) >= {"good"}
    assert "is no media file" in done.failures()[0]["sentence"]
    missing = upscale(tmp_path, "good.mp4", *QUICK, "upscaler=realesrgan", "upscaler.weights=/nowhere/model.pth")
    assert missing.code == 1 and "upscaler.weights" in missing.failures()[0]["sentence"]


def test_enlarging_is_what_it_says(first):
    """The result, made small again, is the film: nothing is shifted, no colour is changed."""

    def pictures(path):
        with av.open(str(path)) as container:
            return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]

    small = pictures(first.cwd / "clip.mp4")
    large = pictures(first.folder / "result" / "clip.mp4")
    for one, other in zip(small[::10], large[::10], strict=True):
        halved = other.reshape(96, 2, 160, 2).mean(axis=(1, 3))
        assert np.abs(halved - one).mean() < 3
