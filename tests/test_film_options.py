"""Crop, scale, rate, deinterlacing, tone mapping, odd sizes: what is asked is what comes, and is told."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
from film_help import X264, X265, film, held, survey, transcode
from picture_help import ffmpeg, rows_of, score

from stages.contract import StageError
from stages.media.film import look_at
from stages.video.settings import SurveyFilmSettings
from stages.video.survey import SurveyFilm


def shown(path):
    (picture,) = look_at(path).pictures
    return picture


def pixels(path):
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="gray")


@pytest.fixture
def source(tmp_path):
    return film(tmp_path / "film.mp4", "-c:v", "libx264", "-g", "25", "-c:a", "aac")


def test_scale_and_crop(tmp_path, source):
    made = transcode(source, tmp_path / "work", crop="120:80:20:8", scale="60x")
    picture = shown(made.path)
    assert (picture.width, picture.height) == (60, 40)
    assert made.compare == {"crop": [20, 8, 120, 80]}


def test_another_rate(tmp_path, source):
    made = transcode(source, tmp_path / "work", fps="10", chunks="1")
    assert len(held(made.path).of("video")[0]) == 20
    assert "frame rate" in made.compare["not"]
    assert "encoded whole: another frame rate looks across the cuts" in " ".join(made.notes)


def test_a_film_that_says_it_is_interlaced_is_deinterlaced_frame_for_frame(tmp_path):
    woven = tmp_path / "woven.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x96:r=50:d=2,tinterlace=interleave_top,setfield=tff",
           "-c:v", "libx264", "-flags", "+ilme+ildct", woven)  # fmt: skip
    made, kept = transcode(woven, tmp_path / "a"), transcode(woven, tmp_path / "b", deinterlace="off")
    assert len(held(made.path).of("video")[0]) == 50
    assert "deinterlaced by bwdif" in " ".join(made.notes)
    assert any(step.startswith("bwdif") for step in made.pieces[0]["filters"])
    assert "coded as if it were not" in " ".join(kept.notes)


@pytest.mark.parametrize("pixels_in", ["yuv444p", "yuv420p"])
def test_an_odd_size_is_filled_up_where_the_encoder_cannot_hold_it(tmp_path, pixels_in):
    odd = tmp_path / "odd.mkv"
    pictures = f"testsrc2=s=162x98:d=1,format=yuv444p,crop=161:97:exact=1,format={pixels_in}"
    ffmpeg("-f", "lavfi", "-i", pictures, "-c:v", "ffv1", odd)
    asked = {**X264, "pix_fmt": "yuv420p"}
    made = transcode(odd, tmp_path / "a", asked)
    assert (shown(made.path).width, shown(made.path).height) == (162, 98)
    assert made.compare == {"inside": [0, 0, 161, 97]}
    with pytest.raises(StageError, match="161x97 has an odd side"):
        survey(odd, tmp_path / "b", asked, odd_size="refuse")
    grey = [pixels(path)[:97, :161] for path in (odd, made.path)]
    assert abs(grey[0].astype(int)[:, -1] - grey[1][:, -1]).mean() < 8, "the last real column is a picture, not black"
    if pixels_in == "yuv444p":
        whole = transcode(odd, tmp_path / "c", X264)
        assert (shown(whole.path).width, shown(whole.path).pix_fmt) == (161, "yuv444p"), "nothing is lost by itself"


def test_a_single_pixel_and_a_small_square(tmp_path):
    for side in (1, 16):
        small = tmp_path / f"{side}.mkv"
        ffmpeg(
            "-f", "lavfi", "-i", f"color=red:s=64x64:d=0.4,format=yuv444p,scale={side}:{side}", "-c:v", "ffv1", small
        )
        made = transcode(small, tmp_path / str(side), {**X264, "pix_fmt": "yuv420p"})
        assert shown(made.path).width == max(2, side)


def test_a_picture_too_small_for_an_encoder_is_said_in_one_sentence(tmp_path):
    small = tmp_path / "small.mkv"
    ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64:d=0.4,scale=2:2", "-c:v", "ffv1", "-pix_fmt", "yuv420p", small)
    with pytest.raises(StageError, match="encoder=x265 cannot encode here") as refused:
        survey(small, tmp_path / "work", {**X265, "fallback": "none"})
    assert "\n" not in refused.value.sentence


def test_hdr_is_kept_or_brought_to_sdr(tmp_path):
    hdr = tmp_path / "hdr.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x96:d=1,format=yuv420p10le", "-c:v", "libx265", "-x265-params",
           "log-level=error:hdr10=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc", hdr)  # fmt: skip
    kept, mapped = transcode(hdr, tmp_path / "a"), transcode(hdr, tmp_path / "b", tone_map="sdr")
    assert shown(kept.path).colour.transfer == "smpte2084" and shown(kept.path).pix_fmt == "yuv420p10le"
    assert shown(mapped.path).colour.transfer == "bt709" and shown(mapped.path).colour.matrix == "bt709"
    assert "HDR" in mapped.compare["not"]


def test_chunks_are_as_good_as_the_whole(tmp_path):
    source = film(tmp_path / "film.mp4", "-c:v", "libx264", "-crf", "1", "-g", "25", seconds=8)
    whole = transcode(source, tmp_path / "a", chunks="off")
    parts = transcode(source, tmp_path / "b", chunks="2")
    scores = [
        [row["vmaf"] for row in rows_of(score(source, made.path, tmp_path / name))]
        for made, name in ((whole, "sa"), (parts, "sb"))
    ]
    means = [sum(values) / len(values) for values in scores]
    assert len(parts.pieces) > 1 and means[1] > means[0] - 0.1


def test_encoder_auto_says_why_it_took_what_it_took(tmp_path, source):
    made = survey(source, tmp_path / "work", {"name": "auto", "codec": "auto", "pix_fmt": "auto"})
    assert made.children[0].data["piece"]["encoder"] in ("x264", "nvenc_h264")
    assert any("was chosen" in note for note in made.notes)


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="this machine has an NVIDIA GPU")
def test_nvenc_without_nvidia_falls_back_with_the_reason_or_refuses(tmp_path, source):
    nvenc = {"name": "nvenc_h264", "codec": "h264_nvenc", "preset": "p4", "quality": 23, "pix_fmt": "yuv420p",
             "bitrate": "5M", "maxrate": "8M", "bufsize": "10M", "tune": "hq", "sessions": 2,
             "options": {"rc": "vbr", "spatial-aq": "1", "temporal-aq": "1"}}  # fmt: skip
    looked = survey(source, tmp_path / "a", nvenc)
    assert looked.children[0].data["piece"]["encoder"] == "x264"
    assert any("x264 is used instead; nvenc_h264" in note for note in looked.notes)
    with pytest.raises(StageError, match="encoder=nvenc_h264 cannot encode here"):
        survey(source, tmp_path / "b", {**nvenc, "fallback": "none"})


def test_trials_are_remembered(tmp_path, source):
    memory = tmp_path / "trials.json"
    survey(source, tmp_path / "a", trials=str(memory))
    first = memory.read_bytes()
    survey(source, tmp_path / "b", trials=str(memory))
    assert memory.read_bytes() == first and b"libx264" in first


@pytest.mark.parametrize(
    ("settings", "key"),
    [({"fps": "fast"}, "fps"), ({"fps": "0"}, "fps"), ({"chunks": "many"}, "chunks"), ({"chunks": "0.1"}, "chunks"),
     ({"crop": "1:2"}, "crop"), ({"scale": "720p"}, "scale"), ({"container": "webm"}, "container")],
)  # fmt: skip
def test_settings_that_no_film_can_be_treated_by_are_refused_before(settings, key):
    (problem,) = SurveyFilm.problems(SurveyFilmSettings(encoder=X264, **settings), "video")
    assert problem.key == f"video.{key}" and problem.mend


def test_a_crop_outside_the_picture_names_the_film(tmp_path, source):
    with pytest.raises(StageError, match=r"film\.mp4: video\.crop=500:500:0:0 does not lie in its 160×96 pixels"):
        survey(source, tmp_path / "work", crop="500:500:0:0")


def test_the_rate_of_a_film_is_exact(tmp_path):
    source = film(tmp_path / "film.mp4", "-c:v", "libx264", rate="30000/1001")
    assert shown(source).rate == Fraction(30000, 1001)
