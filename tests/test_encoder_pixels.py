"""`pix_fmt: auto`: nothing is lost that the encoder could hold, and what is lost is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from colour_help import ffmpeg
from encoder_help import fast

from stages.media.encoders.carry import own_config
from stages.media.encoders.catalog import adapter, known_encoders
from stages.media.encoders.check import encoder_problems
from stages.media.encoders.memory import TrialMemory
from stages.media.encoders.pixels import holds, pixel_format_for, settled
from stages.media.encoders.sessions import count_sessions
from stages.media.encoders.trial import plain, sides_of, try_encoder
from stages.media.pixel_format import pixel_format
from stages.media.probe import probe

SOURCES = [
    "yuv420p", "yuvj420p", "nv12", "yuv411p", "yuv410p", "yuv440p", "yuv422p", "yuvj422p", "uyvy422", "yuv444p",
    "yuv420p10le", "p010le", "yuv422p10le", "yuv444p10le", "yuv420p12le", "yuv444p12le", "yuv444p16le", "gray",
    "gray10le", "gray12le", "ya8", "monob", "pal8", "rgb24", "bgra", "gbrp", "gbrp10le", "gbrp12le", "rgb48le",
    "gbrpf32le", "yuva420p", "yuva444p10le", "xyz12le",
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "source", "taken", "says"),
    [
        ("x264", "yuv420p", "yuv420p", ""),
        ("x264", "yuvj420p", "yuv420p", ""),
        ("x264", "nv12", "nv12", ""),
        ("x265", "nv12", "yuv420p", ""),
        ("x264", "yuv422p10le", "yuv422p10le", ""),
        ("x264", "yuv411p", "yuv422p", ""),
        ("x264", "yuv440p", "yuv444p", ""),
        ("x264", "yuv410p", "yuv420p", ""),
        ("x264", "uyvy422", "yuv422p", ""),
        ("x264", "gray", "yuv420p", ""),
        ("x264", "gray10le", "yuv420p10le", ""),
        ("x264", "monob", "yuv420p", ""),
        ("x264", "yuv420p12le", "yuv420p10le", "x264 codes yuv420p12le as yuv420p10le: 12 bit become 10"),
        ("x264", "yuva420p", "yuv420p", "x264 codes yuva420p as yuv420p: transparency is dropped"),
        ("x264", "rgb24", "yuv444p", "x264 codes rgb24 as yuv444p: RGB becomes YUV 4:4:4"),
        ("x265", "gbrp10le", "yuv444p10le", "RGB becomes YUV 4:4:4"),
        ("x264", "rgb48le", "yuv444p10le", "16 bit become 10, RGB becomes YUV 4:4:4"),
        ("x264", "pal8", "yuv444p", "RGB becomes YUV 4:4:4"),
        ("svtav1", "yuv422p", "yuv420p", "4:2:2 becomes 4:2:0"),
        ("svtav1", "yuv444p12le", "yuv420p10le", "12 bit become 10, 4:4:4 becomes 4:2:0"),
        ("svtav1", "bgra", "yuv420p", "RGB becomes YUV 4:2:0, transparency is dropped"),
        ("nvenc_h264", "yuv420p10le", "yuv420p", "10 bit become 8"),
        ("nvenc_h264", "yuv422p", "yuv444p", ""),
        ("nvenc_hevc", "yuv420p10le", "p010le", ""),
        ("nvenc_hevc", "yuv422p10le", "p010le", "4:2:2 becomes 4:2:0"),
        ("nvenc_av1", "p010le", "p010le", ""),
        ("nvenc_av1", "yuv444p", "yuv420p", "4:4:4 becomes 4:2:0"),
        ("qsv_h264", "yuv420p", "nv12", ""),
        ("qsv_h264", "yuv420p10le", "nv12", "10 bit become 8"),
    ],
)
def test_the_nearest_format_that_the_encoder_holds(name: str, source: str, taken: str, says: str) -> None:
    found, note = pixel_format_for(adapter(name), source)
    assert found == taken
    assert note.endswith(says)
    assert bool(note) == bool(says)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", known_encoders())
def test_nothing_is_lost_that_the_encoder_could_hold(name: str, source: str) -> None:
    """For every encoder and source: no other of its formats keeps more, and one that loses nothing has no note."""
    asked, encoder = pixel_format(source), adapter(name)
    taken, note = pixel_format_for(encoder, source)
    assert taken in encoder.pixel_formats

    def kept(format_name: str) -> tuple[int, int, int]:
        one = pixel_format(format_name)
        return min(one.depth, asked.depth), min(one.across, asked.across), min(one.down, asked.down)

    everything = (asked.depth, asked.across, asked.down)
    assert kept(taken) >= max(kept(one) for one in encoder.pixel_formats)
    assert holds(encoder, source) is (kept(taken) == everything)
    assert bool(note) is (kept(taken) != everything or asked.rgb or asked.alpha)


@pytest.mark.parametrize("name", ["x264", "x265", "svtav1"])
@pytest.mark.parametrize("source", ["yuvj422p", "gray10le", "bgra", "yuv440p", "pal8", "yuv444p12le"])
def test_ffmpeg_encodes_what_was_settled(tmp_path: Path, name: str, source: str) -> None:
    config, _ = settled(fast(name), source)
    assert encoder_problems(config) == []
    codec = ["-c:v", config.codec, "-preset", config.preset or "", "-pix_fmt", config.pix_fmt]
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=s=64x64:d=0.04,format={source}", *codec, tmp_path / "o.mp4")
    assert probe(tmp_path / "o.mp4").first("video").width == 64


def test_what_was_asked_for_stays_and_its_loss_is_told() -> None:
    asked = replace(own_config("x264"), pix_fmt="yuv420p")
    assert settled(asked, "yuv420p") == (asked, ())
    assert settled(asked, "yuv444p10le") == (asked, ("encoder.pix_fmt=yuv420p: 10 bit become 8, 4:4:4 becomes 4:2:0",))
    assert settled(own_config("x264"), "yuv420p10le")[0] == replace(own_config("x264"), pix_fmt="yuv420p10le")


@pytest.mark.parametrize("source", ["vaapi", "yuv42p", ""])
def test_a_source_that_is_no_picture_here_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match=r"pixel format|memory of a GPU"):
        pixel_format_for(adapter("x264"), source)


@pytest.mark.parametrize("name", known_encoders())
def test_without_a_source_auto_is_the_plain_format(name: str) -> None:
    """What `plain` takes without looking is what a plain source would get."""
    first = plain(replace(own_config(name), pix_fmt="auto"))
    assert first.pix_fmt == pixel_format_for(adapter(name), "yuv420p")[0]
    assert plain(replace(own_config(name), pix_fmt="p010le")).pix_fmt == "p010le"


def test_a_trial_with_auto_is_the_trial_of_the_plain_format(tmp_path: Path) -> None:
    memory = TrialMemory(tmp_path / "trials.json", "machine")
    open_ended = try_encoder(fast("x264", pix_fmt="auto"), 64, 64, 1, memory=memory)
    assert open_ended.able
    assert try_encoder(fast("x264", pix_fmt="yuv420p"), 64, 64, 1, memory=memory) == open_ended
    assert count_sessions(fast("x264", pix_fmt="auto"), 64, 64, 1, most=1, software_too=True) == 1


def test_auto_is_a_word_of_every_encoder_and_a_wrong_one_is_told_with_it() -> None:
    for name in ["auto", *known_encoders()]:
        assert encoder_problems(replace(own_config(name), pix_fmt="auto")) == []
    problem = encoder_problems(replace(own_config("svtav1"), pix_fmt="yuv444p"))[0]
    assert problem.key == "encoder.pix_fmt"
    assert problem.mend == "use auto, yuv420p, yuv420p10le"


@pytest.mark.parametrize(
    ("pix_fmt", "family", "sides"),
    [("yuv420p", "h264", (2, 2)), ("p010le", "hevc", (2, 2)), ("nv12", "h264", (2, 2)), ("yuv422p10le", "hevc", (2, 1)),
     ("yuv444p", "h264", (1, 1)), ("yuv420p10le", "av1", (1, 1))],
)  # fmt: skip
def test_sides_are_multiples_of_the_colour_s(pix_fmt: str, family: str, sides: tuple[int, int]) -> None:
    assert sides_of(pix_fmt, family) == sides
