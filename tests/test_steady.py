"""Films whose pictures change size, format or colour tags on the way: nothing is lost, and a note says so."""

import subprocess
from fractions import Fraction

import av
import pytest
from film_help import X264, held, transcode
from picture_help import ffmpeg, rows_of, score
from upscale_help import larger

from stages.media.ffmpeg import ffmpeg_binary
from stages.media.steady import other_size, said_of, steady_filters

FRAMES = 25
INTRA = ("-c:v", "libx264", "-qp", "8", "-g", "5", "-bf", "2")


def part(path, size, *words):
    pixels = () if "-pix_fmt" in words else ("-pix_fmt", "yuv420p")
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=s={size}:r=25", "-frames:v", FRAMES, *INTRA, *pixels, *words, path)
    return path


def joined(path, *parts):
    """One stream of several kinds of pictures, as a receiver writes it that never stops."""
    listing = path.with_suffix(".txt")
    listing.write_text("".join(f"file '{each}'\n" for each in parts))
    ffmpeg("-f", "concat", "-safe", 0, "-i", listing, "-c", "copy", path)
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("steady")


@pytest.fixture(scope="module")
def upright_after_wide(home):
    return joined(home / "call.mkv", part(home / "wide.ts", "320x180"), part(home / "upright.ts", "180x320"))


def luma(path, index):
    with av.open(f"file:{path}") as container:
        for place, frame in enumerate(container.decode(video=0)):
            if place == index:
                return frame.to_ndarray(format="gray")
    raise AssertionError(f"no frame {index}")


def is_fitted(picture, factor=1):
    """An upright picture between two black bars, whose edges may ring."""
    bar = 100 * factor
    assert picture.shape == (180 * factor, 320 * factor)
    assert picture[:, :bar].max() < 24 and picture[:, -bar:].max() < 24
    assert picture[:, 120 * factor : -120 * factor].std() > 30


@pytest.mark.parametrize("chunks", ["off", "2"])
def test_a_film_that_turns_upright_keeps_its_frames_and_its_size(tmp_path, upright_after_wide, chunks):
    made = transcode(upright_after_wide, tmp_path, X264 | {"preset": "veryfast"}, chunks=chunks)
    times = held(made.path).of("video")[0]
    assert times == [Fraction(number, 25) for number in range(2 * FRAMES)]
    assert said_of("call.mkv", (320, 180), (180, 320)) in made.notes
    assert luma(made.path, 3)[:, :60].std() > 30
    is_fitted(luma(made.path, FRAMES + 3))


def test_it_is_scored_frame_by_frame_from_its_beginning_and_from_its_middle(tmp_path, upright_after_wide):
    made = transcode(upright_after_wide, tmp_path / "made", X264 | {"preset": "veryfast", "quality": 12})
    whole = score(upright_after_wide, made.path, tmp_path / "whole", compare=made.compare)
    assert len(rows_of(whole)) == 2 * FRAMES
    assert min(row["ssim"] for row in rows_of(whole)) > 0.95
    some = score(upright_after_wide, made.path, tmp_path / "some", compare=made.compare, windows=2, window_s=0.4)
    ssim = {row["index"]: row["ssim"] for row in rows_of(whole)}
    assert {row["index"] // FRAMES for row in rows_of(some)} == {0, 1}
    for row in rows_of(some):
        assert row["ssim"] == pytest.approx(ssim[row["index"]], abs=1e-4)


def test_another_shape_of_pixels_in_memory_is_brought_to_the_first(tmp_path, home):
    parts = [part(home / f"{name}.ts", "320x180", "-pix_fmt", name) for name in ("yuv420p", "yuv444p")]
    film = joined(tmp_path / "film.mkv", *parts)
    made = transcode(film, tmp_path / "made")
    assert len(held(made.path).of("video")[0]) == 2 * FRAMES
    assert not [note for note in made.notes if "fitted" in note]


def test_colour_tags_that_change_cost_no_frame_and_no_time(tmp_path, home):
    plain = part(home / "plain.ts", "320x180", "-colorspace", "bt709", "-color_primaries", "bt709")
    other = part(home / "other.ts", "320x180", "-colorspace", "smpte170m", "-color_primaries", "smpte170m")
    film = joined(tmp_path / "film.mkv", plain, other)
    made = transcode(film, tmp_path / "made")
    assert held(made.path).of("video")[0] == [Fraction(number, 25) for number in range(2 * FRAMES)]
    assert len(rows_of(score(film, made.path, tmp_path / "scores"))) == 2 * FRAMES


def test_it_is_made_larger(tmp_path, upright_after_wide):
    made = larger(upright_after_wide, tmp_path, name="lanczos", scale=2, segment_s=0.5)
    assert held(made.path).of("video")[0] == [Fraction(number, 25) for number in range(2 * FRAMES)]
    assert said_of("call.mkv", (320, 180), (180, 320)) in made.notes
    is_fitted(luma(made.path, 2 * FRAMES - 2), 2)


PLANAR = "yuv420p yuvj420p yuv422p yuv444p yuv410p yuv411p yuv420p10le yuv422p12le yuv444p16le gbrp gbrp10le gray"
OTHERS = "gray10le nv12 rgb24 rgb48le uyvy422 pal8 p010le"


@pytest.mark.parametrize("pix_fmt", f"{PLANAR} {OTHERS}".split())
@pytest.mark.parametrize("size", ["64x48", "65x49"])
def test_frames_that_do_not_change_pass_untouched(pix_fmt, size):
    plain, steady = ([f"format={pix_fmt}", *steps] for steps in ([], steady_filters(*sides(size), pix_fmt)))
    assert digests(size, plain) == digests(size, steady)


def sides(size):
    wide, _, high = size.partition("x")
    return int(wide), int(high)


def digests(size, filters):
    words = ["-v", "error", "-f", "lavfi", "-i", f"testsrc=s={size}", "-frames:v", "3", "-vf", ",".join(filters)]
    return subprocess.check_output([ffmpeg_binary().path, *words, "-f", "framemd5", "-"], text=True)


def test_what_ffmpeg_reports_of_sizes_is_read(tmp_path):
    assert other_size(tmp_path, (320, 180)) is None
    lines = [
        "Stream #0:0: Video: h264, yuv420p, 999x999 w:999 h:999",
        "[graph 0 input from stream 0:0 @ 0x1] w:320 h:180 pixfmt:yuv420p tb:1/25",
        "[graph -1 input from stream 0:0 @ 0x1] filter context - w: 320 h: 180 fmt: 0, incoming frame - w: 180 h: 320",
    ]
    (tmp_path / "ffmpeg.log").write_text("\n".join(lines[:2]), encoding="utf-8")
    assert other_size(tmp_path, (320, 180)) is None
    (tmp_path / "ffmpeg.log").write_text("\n".join(lines), encoding="utf-8")
    assert other_size(tmp_path, (320, 180)) == (180, 320)
