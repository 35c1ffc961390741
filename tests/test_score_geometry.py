"""Which part of which stream is compared: crops, fillings, turned pictures, covers, second streams, edit lists."""

import json

import pytest
from picture_help import LOSSLESS, ffmpeg, footage, recoded, score

from stages.contract import Failure, StageError
from stages.media.frames import timeline, track
from stages.media.pooling import PSNR_CAP
from stages.media.probe import probe

H264 = ("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast")
ODD = "testsrc2=s=176x112:r=25,noise=alls=6:all_seed=7,crop=161:97:0:0:exact=1"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("geometry")


@pytest.fixture(scope="module")
def reference(home):
    return footage(home / "reference.mkv", 20)


@pytest.fixture(scope="module")
def film(home):
    return footage(home / "film.mp4", 20, codec=(*H264, "-pix_fmt", "yuv420p"))


def same(result) -> bool:
    return result.metrics["quality.psnr"] == PSNR_CAP and result.metrics["quality.misaligned"] == 0


@pytest.mark.parametrize("box", [(20, 10, 100, 60), (21, 11, 101, 61)])
def test_a_cropped_video_is_compared_with_what_it_shows(reference, tmp_path, box):
    x, y, width, height = box
    video = recoded(reference, tmp_path / "v.mkv", "-vf", f"crop={width}:{height}:{x}:{y}:exact=1", *LOSSLESS)
    result = score(reference, video, tmp_path / "s", {"crop": list(box)})
    assert same(result)
    assert any(f"the part of the reference that it shows ({width}×{height} at {x},{y})" in n for n in result.notes)
    assert not any("scaled" in note for note in result.notes)
    wrong = score(reference, video, tmp_path / "w", on_misaligned="report")  # untold, it is another picture
    assert wrong.metrics["quality.misaligned"] or wrong.metrics["quality.psnr"] < 30


def test_a_filled_up_video_is_compared_without_the_filling(tmp_path):
    odd = footage(tmp_path / "odd.mkv", 20, ODD, (*LOSSLESS, "-pix_fmt", "yuv444p"))
    video = recoded(odd, tmp_path / "v.mkv", "-vf", "pad=162:98:0:0:red", *LOSSLESS)
    result = score(odd, video, tmp_path / "s", {"inside": [0, 0, 161, 97]})
    assert same(result)
    assert not any("scaled" in note for note in result.notes)
    assert score(odd, video, tmp_path / "w").metrics["quality.psnr"] < 40


def test_cropped_then_scaled_is_scaled_back(reference, tmp_path):
    video = recoded(reference, tmp_path / "v.mkv", "-vf", "crop=100:60:20:10,scale=200:120", *LOSSLESS)
    result = score(reference, video, tmp_path / "s", {"crop": [20, 10, 100, 60]})
    assert any("scaled from 200×120 to 100×60" in note for note in result.notes)
    assert result.metrics["quality.psnr"] > 30
    assert result.metrics["quality.misaligned"] == 0


def test_what_does_not_compare_is_not_scored_and_says_why(reference, tmp_path):
    result = score(reference, reference, tmp_path, {"not": "frame rate was changed"})
    assert result.metrics == {}
    assert result.notes == ["VMAF not measured: frame rate was changed; neither were SSIM and PSNR"]
    told = json.loads(result.files["scores"].read_text(encoding="utf-8"))
    assert told["scores"] == []
    assert told["not_compared"] == result.data["quality"]["not_compared"] == "frame rate was changed"
    assert result.files["plot"].read_bytes().startswith(b"\x89PNG")


def test_all_of_both_is_nothing_told(reference, tmp_path):
    assert same(score(reference, reference, tmp_path / "a", {}))
    whole = score(reference, reference, tmp_path / "b", {"crop": [0, 0, 160, 96], "inside": [0, 0, 160, 96]})
    assert same(whole)
    assert len(whole.notes) == len(score(reference, reference, tmp_path / "c").notes)


@pytest.mark.parametrize(
    ("compare", "why"),
    [
        ({"crop": [100, 0, 100, 50]}, "100×50 at 100,0 reaches out of 160×96"),
        ({"inside": [0, -2, 100, 50]}, "reaches out of"),
        ({"crop": [0, 0, 100]}, r"no \[x, y, width, height\]"),
        ({"crop": [0, 0, 0, 50]}, "is empty"),
        ({"inside": [0, 0, 10.5, 50]}, "whole pixels"),
        ({"cropped": [0, 0, 10, 10]}, "no mapping of crop, inside, not"),
        ({"not": ""}, "gives no reason"),
        ("crop", "no mapping"),
    ],
)
def test_a_wrong_part_is_refused_never_scored(reference, tmp_path, compare, why):
    with pytest.raises(StageError, match=why) as refused:
        score(reference, reference, tmp_path, compare)
    assert refused.value.failure is Failure.BUG


def marked(source, path, degrees):
    """The same file, with the wish that players turn it."""
    ffmpeg("-display_rotation", degrees, "-i", source, "-c", "copy", path)
    return path


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_both_are_compared_upright(film, tmp_path, degrees):
    reference = marked(film, tmp_path / "reference.mp4", degrees)
    assert track(reference).rotation % 360 == degrees
    turned = recoded(reference, tmp_path / "turned.mp4", *H264)  # FFmpeg turns the picture itself
    assert track(turned).rotation == 0
    assert same(score(reference, turned, tmp_path / "a"))
    kept = marked(recoded(film, tmp_path / "plain.mp4", *H264), tmp_path / "kept.mp4", degrees)
    assert same(score(reference, kept, tmp_path / "b"))
    assert same(score(turned, kept, tmp_path / "c"))
    with pytest.raises(StageError, match="does not show what the reference shows"):
        score(reference, film, tmp_path / "d")  # the wish was lost: it lies on its side


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_part_of_a_video_that_is_turned_by_players(tmp_path, degrees):
    plain = footage(tmp_path / "plain.mp4", 10, ODD, (*H264, "-pix_fmt", "yuv444p"))
    filled = recoded(plain, tmp_path / "filled.mp4", "-vf", "pad=170:110:2:5:red", *H264)
    reference = marked(plain, tmp_path / "reference.mp4", degrees)
    video = marked(filled, tmp_path / "video.mp4", degrees)
    assert same(score(reference, video, tmp_path / "s", {"inside": [2, 5, 161, 97]}))


def test_a_crop_is_meant_as_one_sees_it(film, tmp_path):
    reference = marked(film, tmp_path / "reference.mp4", 90)
    video = recoded(reference, tmp_path / "v.mp4", "-vf", "crop=60:100:10:20", *H264)
    assert same(score(reference, video, tmp_path / "s", {"crop": [10, 20, 60, 100]}))


def test_covers_are_passed_over_and_the_first_film_counts(film, tmp_path):
    cover = footage(tmp_path / "cover.png", 1, "color=red:s=64x64", ())
    other = footage(tmp_path / "other.mp4", 30, "mandelbrot=s=192x108", (*H264, "-pix_fmt", "yuv420p"))
    words = ("-map", "0", "-map", "1", "-map", "2", "-c", "copy", "-disposition:v:0", "attached_pic")
    reference = tmp_path / "reference.mp4"
    ffmpeg("-i", cover, "-i", film, "-i", other, *words, reference)
    assert [stream.codec for stream in probe(reference).streams] == ["h264", "h264", "png"]
    assert track(reference).width == 160
    for number, path in enumerate((film, reference)):
        assert same(score(reference, path, tmp_path / str(number)))
    with pytest.raises(StageError):
        score(reference, other, tmp_path / "s")


def test_frames_that_an_edit_list_hides_are_not_scored(tmp_path):
    words = (*H264, "-g", "50", "-pix_fmt", "yuv420p")
    whole = footage(tmp_path / "whole.mp4", 60, codec=words)
    ffmpeg("-ss", "0.8", "-i", whole, "-c", "copy", tmp_path / "cut.mp4")
    reference = tmp_path / "cut.mp4"
    assert timeline(reference).count == 40
    video = recoded(reference, tmp_path / "v.mkv", *LOSSLESS)
    result = score(reference, video, tmp_path / "s")
    assert same(result)
    assert result.metrics["quality.frames"] == 40
