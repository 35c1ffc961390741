"""Known numbers through filters, options, encoder, piece and copy: the same numbers and the same tags come out."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest
from colour_help import RGB, copied, encoded, ffmpeg, film, patches, yuv_of

from stages.media.color import Colour, colour_of, conversion, output_options

KINDS = {
    "601": Colour("smpte170m", "", "smpte170m", "smpte170m"),
    "709": Colour("bt709", "", "bt709", "bt709"),
    "2020": Colour("bt2020nc", "", "bt2020-10", "bt2020"),
    "hlg": Colour("bt2020nc", "", "arib-std-b67", "bt2020"),
}
PIXELS = {8: "yuv420p", 10: "yuv420p10le"}


def told(kind: str, range_: str) -> Colour:
    one = KINDS[kind]
    return Colour(one.matrix, range_, one.transfer, one.primaries)


def plain(pix_fmt: str) -> str:
    return pix_fmt.replace("yuvj", "yuv")


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("range_", ["tv", "pc"])
@pytest.mark.parametrize("kind", ["601", "709", "2020", "hlg"])
def test_numbers_and_tags_come_out_as_they_went_in(tmp_path: Path, kind: str, range_: str, depth: int) -> None:
    colour = told(kind, range_)
    values = yuv_of(RGB, colour.matrix, range_, depth)
    source = film(tmp_path / "film.mkv", values, colour, PIXELS[depth])
    before = patches(source)
    assert (before.colour, before.values.tolist()) == (colour, values.tolist()), "the source is what it should be"
    for name in ("x264", "x265", "svtav1"):
        piece = tmp_path / f"{name}.piece.mp4"
        target, notes = encoded(source, piece, name, PIXELS[depth])
        assert target == colour
        assert bool(notes) == (kind == "hlg" and depth == 8), "bands are told"
        for kept in (piece, copied(piece, tmp_path / f"{name}.mp4"), copied(piece, tmp_path / f"{name}.mkv")):
            after = patches(kept)
            assert after.colour == colour, kept.name
            assert plain(after.pix_fmt) == PIXELS[depth]
            assert np.abs(after.values - values).max() <= 1, kept.name


@pytest.mark.parametrize(("depth", "wanted"), [(8, 10), (10, 8)])
@pytest.mark.parametrize("range_", ["tv", "pc"])
@pytest.mark.parametrize("kind", ["601", "709", "2020"])
def test_another_depth_is_the_same_colour(tmp_path: Path, kind: str, range_: str, depth: int, wanted: int) -> None:
    colour = told(kind, range_)
    values = yuv_of(RGB, colour.matrix, range_, depth)
    source = film(tmp_path / "film.mkv", values, colour, PIXELS[depth])
    # tv: every step is four of the deeper; pc: the whole of one is the whole of the other, colour around its middle
    middle = np.array([0, 2 ** (depth - 1), 2 ** (depth - 1)]), np.array([0, 2 ** (wanted - 1), 2 ** (wanted - 1)])
    factor = 2.0 ** (wanted - depth) if range_ == "tv" else (2**wanted - 1) / (2**depth - 1)
    exact = np.clip((values - middle[0]) * factor + middle[1], 0, 2**wanted - 1)
    for name in ("x264", "x265", "svtav1"):
        piece = tmp_path / f"{name}.piece.mp4"
        target, _ = encoded(source, piece, name, PIXELS[wanted])
        after = patches(copied(piece, tmp_path / f"{name}.mkv"))
        assert (after.colour, plain(after.pix_fmt)) == (colour, PIXELS[wanted])
        assert target == colour
        assert np.abs(after.values - exact).max() <= 1, name


@pytest.mark.parametrize("wanted", ["yuv444p", "yuv422p10le", "nv12"])
@pytest.mark.parametrize("range_", ["tv", "pc"])
def test_another_layout_is_the_same_colour(tmp_path: Path, range_: str, wanted: str) -> None:
    colour = told("601", range_)
    values = yuv_of(RGB, colour.matrix, range_, 8)
    source = film(tmp_path / "film.mkv", values, colour)
    encoded(source, tmp_path / "piece.mp4", "x264", wanted)
    after = patches(tmp_path / "piece.mp4")
    assert after.colour == colour
    deep = after.values / 4.0 if "10" in wanted else after.values
    assert np.abs(deep - values).max() <= 1


@pytest.mark.parametrize("depth", [8, 10])
def test_what_is_not_told_stays_untold(tmp_path: Path, depth: int) -> None:
    """A guess written down as a tag is a lie when it is wrong. Only a range FFmpeg writes by itself (`tv`)."""
    values = yuv_of(RGB, "bt709", "tv", 8)
    source = film(tmp_path / "film.h264", values, Colour())
    assert patches(source).colour == Colour()
    for name in ("x264", "x265", "svtav1"):
        encoded(source, tmp_path / "piece.mp4", name, PIXELS[depth])
        for container in ("mkv", "mp4"):
            after = patches(copied(tmp_path / "piece.mp4", tmp_path / f"out.{container}"))
            assert after.colour in (Colour(), Colour(range="tv")), f"{name} in {container}"
            assert np.abs(after.values / 2 ** (depth - 8) - values).max() <= 1


@pytest.mark.parametrize("pix_fmt", ["gbrp", "rgb24", "bgra"])
def test_rgb_becomes_the_matrix_that_is_written(tmp_path: Path, pix_fmt: str) -> None:
    """Patches through our filters give the definition's numbers; swscale's own default is BT.601 untagged."""
    for size, matrix in (((1920, 1080), "bt709"), ((720, 480), "smpte170m")):
        chain, target, notes = conversion(Colour("gbr", "pc"), pix_fmt, "yuv444p", size=size)
        assert target == Colour(matrix, "tv")
        assert matrix in notes[0]
        options = [word for name, value in output_options(target).items() for word in (f"-{name}", value)]
        raw = np.rint(np.array(RGB) * 255).astype(np.uint8)[None].repeat(32, 0).repeat(32, 1).tobytes()
        ffmpeg(
            "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{32 * len(RGB)}x32", "-i", "pipe:0",
            "-vf", ",".join([f"format={pix_fmt}", *chain]), "-c:v", "libx264", "-qp", 0, "-pix_fmt", "yuv444p",
            *options, tmp_path / "out.mp4", feed=raw,
        )  # fmt: skip
        after = patches(tmp_path / "out.mp4")
        assert after.colour == target
        assert np.abs(after.values - yuv_of(RGB, matrix, "tv", 8)).max() <= 1


@pytest.mark.parametrize("wanted", ["yuv420p", "yuv420p10le"])
def test_the_place_of_colour_samples_is_handed_on(tmp_path: Path, wanted: str) -> None:
    colour = told("2020", "tv")
    told_place = Colour(colour.matrix, "tv", colour.transfer, colour.primaries, "topleft")
    source = film(tmp_path / "film.mkv", yuv_of(RGB, colour.matrix, "tv", 8), told_place)
    for name in ("x264", "x265"):
        encoded(source, tmp_path / "piece.mp4", name, wanted)
        said = ffmpeg("-v", "verbose", "-i", copied(tmp_path / "piece.mp4", tmp_path / "o.mkv"), "-f", "null", "-")
        assert "topleft" in said.split("Output #")[0]


# --- films made by others ----------------------------------------------------------------------

MEDIA = os.environ.get("REELTUNE_MEDIA", "")


@pytest.mark.skipif(not MEDIA, reason="REELTUNE_MEDIA names no folder of films")
@pytest.mark.parametrize("name", ["bt601_full_range.mp4", "bt709_full_range.mp4", "hlg10-color-test.mp4"])
def test_films_of_others_keep_numbers_and_tags(tmp_path: Path, name: str) -> None:
    source = Path(MEDIA, "video", name)
    if not source.is_file():
        pytest.skip(f"{name} is not there")
    short = tmp_path / "short.mkv"
    ffmpeg("-i", source, "-map", "0:v:0", "-c", "copy", "-frames:v", 4, short)
    with av.open(str(short)) as container:
        frame = next(container.decode(video=0))
    depth = max(part.bits for part in frame.format.components)
    for encoder in ("x264", "x265"):
        encoded(short, tmp_path / "piece.mp4", encoder, PIXELS[depth])
        with av.open(str(copied(tmp_path / "piece.mp4", tmp_path / "out.mkv"))) as container:
            after = next(container.decode(video=0))
        assert colour_of(after) == colour_of(frame)
        assert [bytes(plane)[:512] for plane in after.planes] == [bytes(plane)[:512] for plane in frame.planes]
