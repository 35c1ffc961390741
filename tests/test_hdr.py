"""HDR metadata through real encodes: carried into the finished file, or told to be lost."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest
from colour_help import CONTENT, DISPLAY, LIGHT, copied, encoded, ffmpeg, first_light, hdr_film, same_light

from stages.media.ffmpeg import ffmpeg_binary
from stages.media.hdr import Light, hdr_options

ENCODERS = {"x264": "libx264", "x265": "libx265", "svtav1": "libsvtav1"}


def test_light_is_read_exactly(tmp_path: Path) -> None:
    """The numbers of x265's words, as fractions of their units."""
    found = first_light(hdr_film(tmp_path / "film.mp4", DISPLAY, CONTENT))
    assert found is not None
    assert [Fraction(one).limit_denominator(50_000) for one in found.primaries][:2] == [
        Fraction(17, 25),
        Fraction(8, 25),
    ]
    assert found.luminance == (0.005, 1000.0)


@pytest.mark.parametrize("name", ENCODERS)
def test_hdr10_metadata_reaches_the_finished_file(tmp_path: Path, name: str) -> None:
    """By itself: frames hand it to the encoder, the piece has it in bitstream and box, the copy takes it along."""
    source = hdr_film(tmp_path / "film.mp4", DISPLAY, CONTENT)
    assert same_light(first_light(source), LIGHT)
    options, notes = hdr_options(ENCODERS[name], first_light(source), ffmpeg_binary().major)
    assert (options, notes) == ({}, [])
    piece = tmp_path / "piece.mp4"
    encoded(source, piece, name, "yuv420p10le")
    for made in (piece, copied(piece, tmp_path / "out.mp4"), copied(piece, tmp_path / "out.mkv")):
        assert same_light(first_light(made), LIGHT), made.name
        said = ffmpeg("-v", "info", "-i", made, "-t", 0, "-f", "null", "-").split("Output #")[0]
        assert "MaxCLL=1000, MaxFALL=400" in said, f"the container of {made.name} tells it before a frame is decoded"
        assert "max_luminance=1000.0" in said
        if made.suffix == ".mp4":
            assert {b"mdcv", b"clli"} <= set(re.findall(b"mdcv|clli", made.read_bytes()))


def test_metadata_stays_when_only_the_depth_is_changed(tmp_path: Path) -> None:
    source = hdr_film(tmp_path / "film.mp4", DISPLAY, CONTENT)
    _, notes = encoded(source, tmp_path / "piece.mp4", "x264", "yuv420p")
    assert same_light(first_light(tmp_path / "piece.mp4"), LIGHT)
    assert notes == ["HDR (PQ) in yuv420p has 8 bit and may show bands; use 10 bit, or tone-map it to SDR"]


@pytest.mark.parametrize(
    ("display", "content", "light"),
    [
        (DISPLAY, "", Light(LIGHT.primaries, LIGHT.luminance)),
        ("", CONTENT, Light(max_cll=1000, max_fall=400)),
        ("", "", None),
    ],
)
def test_a_part_of_the_metadata_is_what_is_told(
    tmp_path: Path, display: str, content: str, light: Light | None
) -> None:
    source = hdr_film(tmp_path / "film.mp4", display, content)
    found = first_light(source)
    assert found == light if light is None else same_light(found, light)


@pytest.mark.parametrize("name", ["x265", "svtav1"])
def test_an_encoder_can_be_told_what_an_older_ffmpeg_does_not_hand_on(tmp_path: Path, name: str) -> None:
    source = hdr_film(tmp_path / "film.mp4", DISPLAY, CONTENT)
    options, notes = hdr_options(ENCODERS[name], first_light(source), 6)
    assert notes == []
    bare = tmp_path / "bare.mp4"  # the same pictures, with nothing that the encoder could take it from
    away = "MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"
    deleted = ",".join(f"sidedata=mode=delete:type={kind}" for kind in away)
    ffmpeg("-i", source, "-vf", deleted, "-c:v", "libx264", "-qp", 0, bare)
    assert first_light(bare) is None
    encoded(bare, tmp_path / "without.mp4", name, "yuv420p10le")
    assert first_light(tmp_path / "without.mp4") is None
    encoded(bare, tmp_path / "with.mp4", name, "yuv420p10le", more=options)
    assert same_light(first_light(tmp_path / "with.mp4"), LIGHT)


def test_what_an_older_x264_cannot_write_is_told() -> None:
    options, notes = hdr_options("libx264", LIGHT, 6)
    assert options == {}
    assert notes == ["libx264 of this FFmpeg writes no HDR10 metadata; unset REELTUNE_FFMPEG to keep it"]
    assert hdr_options("libx264", None, 6) == ({}, [])


def with_hdr10_plus(source: Path, target: Path) -> Path:
    """The same HEVC with SMPTE ST 2094-40 in every frame: an SEI message of ITU-T T.35 before its first slice."""
    fields = [(2, 1), (27, 400), (1, 0), (17, 900), (17, 800), (17, 700), (17, 500), (4, 1), (7, 50), (17, 600)]
    bits = "".join(format(value, f"0{width}b") for width, value in [*fields, (10, 5), (3, 0)])
    bits += "0" * (-len(bits) % 8)
    body = bytes([0xB5, 0, 0x3C, 0, 1, 4, 1]) + int(bits, 2).to_bytes(len(bits) // 8, "big")
    message = re.sub(rb"\x00\x00(?=[\x00-\x03])", lambda _: b"\0\0\3", bytes([4, len(body)]) + body + b"\x80")
    plain = target.with_suffix(".hevc")
    ffmpeg("-i", source, "-c", "copy", "-bsf:v", "hevc_mp4toannexb", plain)
    units = re.split(rb"(?=\x00\x00\x01)", plain.read_bytes())
    slices = [len(unit) > 5 and unit[3] >> 1 < 32 and bool(unit[5] & 0x80) for unit in units]
    whole = b"".join(b"\0\0\1\x4e\1" + message + u if first else u for u, first in zip(units, slices, strict=True))
    plain.write_bytes(whole)
    ffmpeg("-r", 25, "-i", plain, "-c", "copy", "-bsf:v", "setts=ts=N/25/TB", target)
    return target


@pytest.mark.parametrize("name", ENCODERS)
def test_metadata_by_scene_is_lost_and_told(tmp_path: Path, name: str) -> None:
    """No encoder here writes HDR10+; when one does, this fails, and the note has to go."""
    options = "bframes=0:log-level=error:" + f"master-display={DISPLAY}:{CONTENT}"
    base = tmp_path / "base.mp4"
    ffmpeg(
        "-f", "lavfi", "-i", "testsrc2=s=256x144:r=25:d=0.2", "-vf",
        "format=yuv420p10le,setparams=range=tv:colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084",
        "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", options, base,
    )  # fmt: skip
    source = with_hdr10_plus(base, tmp_path / "film.mp4")
    light = first_light(source)
    assert light is not None
    assert light.dynamic == ("HDR10+",)
    assert hdr_options(ENCODERS[name], light, 9)[1] == ["HDR10+ metadata is not kept: only the HDR beneath it is"]
    encoded(source, tmp_path / "piece.mp4", name, "yuv420p10le")
    assert same_light(first_light(tmp_path / "piece.mp4"), LIGHT)


@pytest.mark.parametrize("name", ["x265", "svtav1"])
def test_dolby_vision_is_switched_off_by_an_option_that_the_encoder_takes(tmp_path: Path, name: str) -> None:
    options, notes = hdr_options(ENCODERS[name], Light(dynamic=("Dolby Vision",)), 9)
    assert notes == ["Dolby Vision metadata is not kept: only the HDR beneath it is"]
    source = hdr_film(tmp_path / "film.mp4", DISPLAY, CONTENT)
    assert options
    encoded(source, tmp_path / "piece.mp4", name, "yuv420p10le", more=options)
    assert same_light(first_light(tmp_path / "piece.mp4"), LIGHT)
