"""Colour as it is told, assumed and converted; HDR metadata through real encodes; tone-mapping against its formulas."""

from __future__ import annotations

import re
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from colour_help import MATRICES, copied, encoded, ffmpeg, film, hdr_film, patches, yuv_of

from stages.contract import Failure, StageError
from stages.media import color
from stages.media.color import Colour, assumed, colour_of, conversion, is_hdr, output_options
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.hdr import Light, hdr_options, light_of
from stages.media.pixel_format import losses, pixel_format

PQ = Colour("bt2020nc", "tv", "smpte2084", "bt2020")
HLG = Colour("bt2020nc", "tv", "arib-std-b67", "bt2020")
SDR = Colour("bt709", "tv", "bt709", "bt709")
DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
CONTENT = "max-cll=1000,400"
LIGHT = Light((0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329), (0.005, 1000.0), 1000, 400)
ENCODERS = {"x264": "libx264", "x265": "libx265", "svtav1": "libsvtav1"}


def first_light(path: Path) -> Light | None:
    with av.open(str(path)) as container:
        return light_of(next(container.decode(video=0)))


def same_light(one: Light | None, other: Light) -> bool:
    """AV1 writes coordinates in 1/65536 and light in 1/256 and 1/16384 cd/m²."""
    if one is None or (one.max_cll, one.max_fall, one.dynamic) != (other.max_cll, other.max_fall, other.dynamic):
        return False
    pairs = zip(one.primaries + one.luminance, other.primaries + other.luminance, strict=True)
    return all(mine == pytest.approx(told, abs=6e-5, rel=1e-5) for mine, told in pairs)


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


@pytest.mark.parametrize("number", [0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14])
def test_a_matrix_that_was_told_is_an_option_that_the_encoder_takes(number: int) -> None:
    frame = av.VideoFrame(64, 64, "yuv444p")
    frame.colorspace = number
    options = output_options(colour_of(frame))
    assert set(options) == {"colorspace"}
    if options["colorspace"] == "gbr":
        return  # RGB in a format of YUV is no picture; it is only a name here
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


@pytest.mark.parametrize(
    ("source", "target", "lost"),
    [
        ("yuvj420p", "yuv420p", []),
        ("nv12", "yuv420p", []),
        ("gray", "yuv420p", []),
        ("yuv411p", "yuv422p", []),
        ("yuv410p", "yuv420p", []),
        ("p010le", "yuv420p", ["10 bit become 8"]),
        ("yuva444p12le", "yuv420p10le", ["12 bit become 10", "4:4:4 becomes 4:2:0", "transparency is dropped"]),
        ("rgba", "yuv444p", ["RGB becomes YUV 4:4:4", "transparency is dropped"]),
        ("pal8", "yuv420p", ["RGB becomes YUV 4:2:0"]),
        ("yuv440p", "yuv422p", ["4:4:0 becomes 4:2:2"]),
    ],
)
def test_what_a_pixel_format_cannot_hold_is_named(source: str, target: str, lost: list[str]) -> None:
    assert losses(pixel_format(source), pixel_format(target)) == lost


# --- HDR metadata ------------------------------------------------------------------------------


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


# --- tone-mapping ------------------------------------------------------------------------------


def pq_signal(light: np.ndarray) -> np.ndarray:
    """cd/m² → PQ signal 0..1 (SMPTE ST 2084)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = (light / 10_000) ** m1
    return ((c1 + c2 * power) / (1 + c3 * power)) ** m2


def primaries_2020_to_709() -> np.ndarray:
    """Linear light of BT.2020 → of BT.709, from the coordinates of both (white D65)."""

    def to_xyz(corners: list[tuple[float, float]]) -> np.ndarray:
        columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in corners]).T
        white = np.array([0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290])
        return columns * np.linalg.solve(columns, white)

    narrow = to_xyz([(0.64, 0.33), (0.30, 0.60), (0.15, 0.06)])
    return np.linalg.solve(narrow, to_xyz([(0.708, 0.292), (0.170, 0.797), (0.131, 0.046)]))


def mobius(brightest: np.ndarray, peak: float, knee: float = 0.3) -> np.ndarray:
    a = -(knee**2) * (peak - 1) / (knee**2 - 2 * knee + peak)
    b = (knee**2 - 2 * knee * peak + peak) / (peak - 1)
    bent = (b**2 + 2 * b * knee + knee**2) / (b - a) * (brightest + a) / (brightest + b)
    return np.where(brightest <= knee, brightest, bent)


def sdr_yuv(light: np.ndarray, peak: float) -> np.ndarray:
    """Linear BT.2020 light in cd/m², a row each → 8-bit Y, U, V of BT.709 (display gamma 2.4, BT.1886)."""
    narrow = np.maximum(light @ primaries_2020_to_709().T / 203, 0)
    brightest = np.maximum(narrow.max(1), 1e-6)
    narrow = narrow * (mobius(brightest, peak / 203) / brightest)[:, None]
    return yuv_of([tuple(row) for row in np.clip(narrow, 0, 1) ** (1 / 2.4)], "bt709", "tv", 8)


NITS = np.array(
    [(0, 0, 0), (10, 10, 10), (60, 60, 60), (203, 203, 203), (600, 600, 600), (1000, 1000, 1000), (80, 60, 50),
     (150, 200, 120)], float,
)  # fmt: skip


@pytest.mark.parametrize(("told", "peak"), [(None, 1000), ("L(40000000,50)", 4000), ("cll", 600)])
def test_pq_becomes_bt709_by_the_curve_that_the_note_names(tmp_path: Path, told: str | None, peak: int) -> None:
    light = np.minimum(NITS, peak)
    values = yuv_of([tuple(row) for row in pq_signal(light)], "bt2020nc", "tv", 10)
    source = film(tmp_path / "plain.mkv", values, PQ, "yuv420p10le")
    if told is not None:
        params = "max-cll=600,200" if told == "cll" else f"master-display={DISPLAY.split('L(')[0]}{told}"
        ffmpeg(
            "-i", source, "-c:v", "libx265", "-x265-params", f"lossless=1:log-level=error:{params}", tmp_path / "f.mp4"
        )
        source = tmp_path / "f.mp4"
    for name, pix_fmt in (("x264", "yuv420p"), ("x265", "yuv420p10le"), ("x264", "nv12")):
        piece = tmp_path / f"{name}.mp4"
        target, notes = encoded(source, piece, name, pix_fmt, "sdr")
        after = patches(copied(piece, tmp_path / f"{name}.mkv"))
        assert (after.colour, target) == (SDR, SDR)
        assert after.light is None, "how bright the HDR master was says nothing about the SDR picture"
        assert f"peak of {peak} cd/m²" in notes[0]
        assert "zscale and tonemap=mobius" in notes[0]
        deep = after.values / 4 if "10" in pix_fmt else after.values
        assert np.abs(deep - sdr_yuv(light, peak)).max() <= 2


def test_hlg_becomes_bt709(tmp_path: Path) -> None:
    """HLG on its reference display (BT.2100: 1000 cd/m², system gamma 1.2): grey of signal 0.5 is 1/12 of the scene."""
    signal = np.array([0.0, 0.25, 0.5])
    light = 1000 * (signal**2 / 3) ** 1.2
    values = yuv_of([(one, one, one) for one in signal], "bt2020nc", "tv", 10)
    source = film(tmp_path / "film.mkv", values, HLG, "yuv420p10le")
    _, notes = encoded(source, tmp_path / "piece.mp4", "x264", "yuv420p", "sdr")
    after = patches(tmp_path / "piece.mp4")
    assert after.colour == SDR
    assert "peak of 1000 cd/m² (that of HLG)" in notes[0]
    assert np.abs(after.values - sdr_yuv(np.repeat(light[:, None], 3, 1), 1000)).max() <= 2


def test_dolby_vision_does_not_outlive_tone_mapping(tmp_path: Path) -> None:
    """Its metadata would bend the SDR picture a second time; the filters that take it away are FFmpeg's."""
    chain, _, _ = conversion(PQ, "yuv420p10le", "yuv420p", "sdr", light=Light(dynamic=("Dolby Vision",)))
    assert {"sidedata=mode=delete:type=DOVI_METADATA", "sidedata=mode=delete:type=DOVI_RPU_BUFFER"} <= set(chain)
    source = hdr_film(tmp_path / "film.mp4", DISPLAY, CONTENT)
    ffmpeg("-i", source, "-vf", ",".join(chain), "-c:v", "libx264", tmp_path / "out.mp4")
    assert first_light(tmp_path / "out.mp4") is None


def test_tone_mapping_of_sdr_is_nothing_and_says_so(tmp_path: Path) -> None:
    values = yuv_of([(0.5, 0.2, 0.1)], "bt709", "tv", 8)
    target, notes = encoded(film(tmp_path / "film.mkv", values, SDR), tmp_path / "piece.mp4", "x264", "yuv420p", "sdr")
    assert (target, patches(tmp_path / "piece.mp4").values.tolist()) == (SDR, values.tolist())
    assert notes == ["nothing to tone-map: the source is not HDR (its transfer is bt709)"]
    assert "no transfer is told" in conversion(Colour(), "yuv420p", "yuv420p", "sdr")[2][0]


def test_what_cannot_be_tone_mapped_is_refused_in_a_sentence() -> None:
    with pytest.raises(StageError) as without:
        conversion(PQ, "yuv420p10le", "yuv420p", "sdr", filters={"tonemap", "scale"})
    assert without.value.failure is Failure.ENCODER
    assert "needs the filter zscale, which this FFmpeg lacks; " in without.value.sentence
    dolby = Colour("ipt-c2", "pc", "smpte2084", "bt2020")
    with pytest.raises(StageError) as matrix:
        conversion(dolby, "yuv420p10le", "yuv420p", "sdr")
    assert matrix.value.failure is Failure.BAD_INPUT
    assert "ipt-c2" in matrix.value.sentence


def test_light_is_read_exactly(tmp_path: Path) -> None:
    """The numbers of x265's words, as fractions of their units."""
    found = first_light(hdr_film(tmp_path / "film.mp4", DISPLAY, CONTENT))
    assert found is not None
    assert [Fraction(one).limit_denominator(50_000) for one in found.primaries][:2] == [
        Fraction(17, 25),
        Fraction(8, 25),
    ]
    assert found.luminance == (0.005, 1000.0)
    assert set(MATRICES) >= {"bt709", "bt2020nc"}
