"""What the settings reach as they are: the floor of `'>=now'`, and what a gain is told against."""

import json

import pytest
from cli import QUIET, reeltune
from picture_help import ffmpeg

from runner.tune.now import Now
from runner.tune.request import Floor, read_request
from runner.tune.space import Goal
from stages.contract import StageError

FPS, VMAF = Goal("throughput.fps"), Goal("quality.vmaf_mean")
SPACE = """
pipeline: transcode
objective: {metric: throughput.fps, goal: max}
quality: {metric: quality.vmaf_mean, floor: 10}
space:
  encoder.preset: [ultrafast, medium]
  encoder.quality: [8, 48]
sampler: grid
repeats: {most: 2, spread: 0.2}
"""


def test_a_floor_of_now_lets_pass_what_is_as_good_and_no_more():
    now = Now({VMAF.metric: 90.0, "quality.noise": 2.0}, (50.0,))
    assert 89.98 < now.floor(VMAF) < 90.0
    assert 2.0 < now.floor(Goal("quality.noise", "min")) < 2.001
    with pytest.raises(StageError, match=r"quality\.ssim: a run with the settings as they are has none"):
        now.floor(Goal("quality.ssim"))


def test_a_gain_is_above_one_whichever_way_is_better():
    now = Now({}, (50.0, 40.0, 60.0))
    assert now.gain((90.0, 100.0, 110.0), FPS) == 2.0
    assert now.gain((25.0,), Goal("wall_s", "min")) == 2.0
    assert now.gain((), FPS) == 0.0


@pytest.mark.parametrize(
    ("word", "floor"),
    [
        ("quality.vmaf='>=now'", Floor("quality.vmaf_mean", None)),
        ("quality.ssim=>=0.98", Floor("quality.ssim", 0.98)),
        ("quality.lufs_error='<=0.5'", Floor("quality.lufs_error", 0.5, "min")),
    ],
)
def test_bounds_are_read_with_their_way(word, floor):
    request, problems = read_request([word])
    assert (request.floor, problems, request.words) == (floor, [], ())
    assert request.as_good_as_now == (floor.bound is None)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    cwd = tmp_path_factory.mktemp("now")
    source = ("-f", "lavfi", "-i", "mandelbrot=s=320x180:r=25:end_pts=40", "-t", "1")
    ffmpeg(*source, "-c:v", "libx264", "-preset", "veryfast", "-crf", "6", "-pix_fmt", "yuv420p", cwd / "clip.mp4")
    (cwd / "space.yaml").write_text(SPACE, encoding="utf-8")
    words = ("pipeline=transcode", "clip.mp4", "search=space.yaml", "encoder=x264", "encoder.preset=slow",
             "encoder.quality=24", "video.chunks=off", "quality.vmaf='>=now'")  # fmt: skip
    return words, reeltune(cwd, "tune", *QUIET, *words)


def test_what_is_worse_than_now_is_infeasible_and_the_gain_is_told(searched):
    _, done = searched
    assert done.code == 0, done.err + done.out
    (folder,) = (done.cwd / "outputs" / "tune").glob("transcode-*")
    found = json.loads((folder / "search.json").read_text(encoding="utf-8"))
    assert found["states"] == {"ok": 2, "infeasible": 2}
    assert found["pick"]["settings"] == {"encoder.preset": "ultrafast", "encoder.quality": 8}
    now = found["now"]
    assert now["figures"][VMAF.metric] * 0.999 < found["floor"] < now["figures"][VMAF.metric]
    assert len(now["timings"]) == 2 and now["gain"] > 0
    assert "as it is now" in done.out and "before   " in done.out and "times that" in done.out
    (profile,) = (done.cwd / "conf" / "profile").glob("*.yaml")
    assert "# before: " in profile.read_text(encoding="utf-8")


def test_show_tells_the_gain(searched):
    _, done = searched
    shown = reeltune(done.cwd, "tune", "show")
    assert shown.code == 0 and "times what there was before" in shown.out


def test_the_same_words_again_know_it(searched):
    words, done = searched
    (jobs,) = (done.cwd / "outputs" / "tune").glob("*/jobs.jsonl")
    before = len(jobs.read_text(encoding="utf-8").splitlines())
    again = reeltune(done.cwd, "tune", *QUIET, *words)
    assert again.code == 0, again.err
    assert len(jobs.read_text(encoding="utf-8").splitlines()) == before


def test_settings_that_have_no_such_score_are_told_in_a_sentence(searched):
    _, done = searched
    words = ("pipeline=transcode", "clip.mp4", "search=space.yaml", "encoder=x264", "video.chunks=off")
    refused = reeltune(done.cwd, "tune", *QUIET, *words, "quality.pesq='>=now'")
    assert refused.code == 1
    assert "quality.pesq: a run with the settings as they are has none" in refused.err
    assert "Traceback" not in refused.err
