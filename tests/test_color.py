"""Colour as it is told and assumed, and the filters and options that keep it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import av
import pytest
from colour_help import HLG, PQ, SDR, encoded, ffmpeg

from stages.media import color
from stages.media.color import Colour, assumed, colour_of, conversion, is_hdr, output_options
from stages.media.ffmpeg import ffmpeg_binary

# --- what is told ------------------------------------------------------------------------------


def test_each_number_of_a_codec_has_ffmpegs_name() -> None:
    """Against FFmpeg's own words: a name that it does not take would fail an encode."""
    names = {"colorspace": color._MATRIX, "color_trc": color._TRANSFER, "color_primaries": color._PRIMARIES}
    command = [str(ffmpeg_binary().path), "-hide_banner", "-h", "filter=setparams"]
    text = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    for option, table in names.items():
        block = re.search(rf"^   {option} .*\n((?:     \S.*\n)*)", text, re.MULTILINE)
        assert block is not None
        known = {(int(number), name) for name, number in re.findall(r"^     (\S+) +(\d+) ", block[1], re.MULTILINE)}
        assert {(number, name) for number, name in table.items()} <= known, option


@pytest.mark.parametrize("number", [1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14])
def test_a_matrix_that_was_told_is_an_option_that_the_encoder_takes(number: int) -> None:
    frame = av.VideoFrame(64, 64, "yuv444p")
    frame.colorspace = number
    options = output_options(colour_of(frame))
    assert set(options) == {"colorspace"}
    ffmpeg(
        "-f", "lavfi", "-i", f"color=s=64x64:d=0.04,setparams=colorspace={options['colorspace']},format=yuv444p",
        "-colorspace", options["colorspace"], "-c:v", "libx264", "-f", "null", "-",
    )  # fmt: skip


def test_a_frame_tells_and_its_stream_fills_in() -> None:
    frame = av.VideoFrame(64, 64, "yuv420p")
    assert colour_of(frame) == Colour()
    frame.colorspace, frame.color_range, frame.color_primaries = 9, 1, 9
    assert colour_of(frame) == Colour("bt2020nc", "tv", "", "bt2020")

    class Context:
        colorspace, color_range, color_trc, color_primaries = 1, 2, 16, 1

    assert colour_of(frame, Context()) == PQ
    frame.color_trc = 3  # reserved: nobody knows what it means
    assert colour_of(frame).transfer == ""


@pytest.mark.parametrize(
    ("pix_fmt", "colour"),
    [
        ("yuvj420p", Colour(range="pc")),
        ("rgb24", Colour("gbr", "pc")),
        ("gbrp10le", Colour("gbr", "pc")),
        ("gray", Colour()),
    ],
)
def test_a_pixel_format_tells_too(pix_fmt: str, colour: Colour) -> None:
    assert colour_of(av.VideoFrame(64, 64, pix_fmt)) == colour


def test_a_yuv_picture_that_is_told_to_be_rgb_is_encoded_all_the_same(tmp_path: Path) -> None:
    wrong = ("-c:v", "libx264", "-bsf:v", "h264_metadata=matrix_coefficients=0")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x64:d=0.04,format=yuv420p", *wrong, tmp_path / "film.mp4")
    with av.open(str(tmp_path / "film.mp4")) as container:
        frame = next(container.decode(video=0))
    assert (int(frame.colorspace), colour_of(frame).matrix) == (0, "")
    encoded(tmp_path / "film.mp4", tmp_path / "piece.mp4", "x264", "yuv420p")
    with av.open(str(tmp_path / "piece.mp4")) as container:
        after = next(container.decode(video=0))
    assert [bytes(plane) for plane in after.planes] == [bytes(plane) for plane in frame.planes]


@pytest.mark.parametrize(
    ("told", "size", "becomes"),
    [
        (Colour(), (720, 480), Colour("smpte170m", "tv", "smpte170m", "smpte170m")),
        (Colour(), (720, 576), Colour("bt470bg", "tv", "smpte170m", "bt470bg")),
        (Colour(), (1280, 720), SDR),
        (Colour(), (1280, 528), SDR),
        (Colour(), (608, 1080), SDR),
        (Colour(), (0, 0), SDR),
        (Colour(range="pc", location="top"), (1920, 1080), Colour("bt709", "pc", "bt709", "bt709", "top")),
        (Colour(transfer="smpte2084"), (720, 480), PQ),
        (Colour(primaries="bt2020"), (3840, 2160), Colour("bt2020nc", "tv", "bt2020-10", "bt2020")),
        (HLG, (720, 480), HLG),
    ],
)
def test_what_nobody_told_is_assumed_as_players_do(told: Colour, size: tuple[int, int], becomes: Colour) -> None:
    assert assumed(told, *size) == becomes


def test_hdr_is_pq_or_hlg() -> None:
    assert [is_hdr(one) for one in (PQ, HLG, SDR, Colour(), Colour(primaries="bt2020"))] == [
        True,
        True,
        False,
        False,
        False,
    ]


# --- conversion --------------------------------------------------------------------------------


@pytest.mark.parametrize("colour", [SDR, Colour(), PQ, Colour("bt709", "pc")])
def test_nothing_is_done_where_nothing_must_be(colour: Colour) -> None:
    assert conversion(colour, "yuv420p10le", "yuv420p10le") == ([], colour, [])


def test_both_sides_of_a_conversion_are_named() -> None:
    chain, target, notes = conversion(Colour("smpte170m", "pc"), "yuvj422p", "yuv420p")
    assert (target, notes) == (Colour("smpte170m", "pc"), [])
    assert "in_color_matrix=smpte170m:out_color_matrix=smpte170m:in_range=pc:out_range=pc" in chain[0]
    assert chain[1:] == [
        "format=yuv420p",
        "setparams=range=pc:colorspace=smpte170m:color_trc=unknown:color_primaries=unknown",
    ]


def test_an_ffmpeg_without_zscale_changes_depth_all_the_same() -> None:
    chain, target, _ = conversion(SDR, "yuv420p", "yuv420p10le", filters={"scale"})
    assert chain[0].startswith("scale=")
    assert target == SDR


@pytest.mark.parametrize("pix_fmt", ["yuv42", "vaapi", "auto"])
def test_what_is_no_pixel_format_is_refused(pix_fmt: str) -> None:
    with pytest.raises(ValueError, match=re.escape(pix_fmt)):
        conversion(SDR, "yuv420p", pix_fmt)
    with pytest.raises(ValueError, match="tone_map='hdr' is none of off, sdr"):
        conversion(SDR, "yuv420p", "yuv420p", "hdr")
