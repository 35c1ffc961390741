"""Numbers and tags through `upscale`: what the model is not asked to change stays, and it is asked for what it says."""

import subprocess

import numpy as np
import pytest
import torch
from colour_help import HLG, LIGHT, PQ, RGB, film, hdr_film, patches, same_light, yuv_of
from film_help import film as moving
from picture_help import ffmpeg
from upscale_help import LOSSLESS, asked_for, larger, modelled, most_apart, pictures, same

from stages.media.color import Colour
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.hdr import light_of
from stages.upscale.models.load import load

KINDS = {
    "601": Colour("smpte170m", "", "smpte170m", "smpte170m"),
    "709": Colour("bt709", "", "bt709", "bt709"),
    "2020": Colour("bt2020nc", "", "bt2020-10", "bt2020"),
    "hlg": HLG,
    "pq": PQ,
}
PIXELS = {8: "yuv420p", 10: "yuv420p10le"}


def told(kind, range_):
    one = KINDS[kind]
    return Colour(one.matrix, range_, one.transfer, one.primaries)


def plain(pix_fmt):
    return pix_fmt.replace("yuvj", "yuv")


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("range_", ["tv", "pc"])
@pytest.mark.parametrize("kind", ["601", "709", "2020"])
@pytest.mark.parametrize("layout", ["420", "444"])
def test_the_model_that_changes_nothing_changes_no_number_and_no_tag(tmp_path, kind, range_, depth, layout):
    colour, pix_fmt = told(kind, range_), PIXELS[depth].replace("420", layout)
    values = yuv_of(RGB, colour.matrix, range_, depth)
    source = film(tmp_path / "film.mkv", values, colour, pix_fmt)
    before = patches(source)
    assert (before.colour, before.values.tolist()) == (colour, values.tolist()), "the source is what it should be"
    for container in ("mkv", "mp4"):
        made = larger(source, tmp_path / container, LOSSLESS, {"container": container})
        after = patches(made.path)
        assert (after.colour, plain(after.pix_fmt)) == (colour, pix_fmt)
        assert np.abs(after.values - values).max() <= 1


@pytest.mark.parametrize("kind", ["hlg", "pq"])
@pytest.mark.parametrize("range_", ["tv", "pc"])
def test_hdr_too(tmp_path, kind, range_):
    colour = told(kind, range_)
    values = yuv_of(RGB, colour.matrix, range_, 10)
    after = patches(larger(film(tmp_path / "f.mkv", values, colour, PIXELS[10]), tmp_path / "work", LOSSLESS).path)
    assert (after.colour, after.pix_fmt) == (colour, PIXELS[10])
    assert np.abs(after.values - values).max() <= 1


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_hdr10_metadata_goes_along(tmp_path, container):
    from colour_help import CONTENT, DISPLAY

    source = hdr_film(tmp_path / "hdr.mp4", DISPLAY, CONTENT)
    made = larger(source, tmp_path / "work", LOSSLESS, {"container": container}, segment_s=0.5)
    assert same_light(light_of(pictures(made.path)[0]), LIGHT)


@pytest.mark.parametrize("depth", [8, 10])
def test_what_is_not_told_stays_untold(tmp_path, depth):
    values = yuv_of(RGB, "smpte170m", "tv", depth)  # which is assumed of so small a picture
    source = film(tmp_path / "film.mkv", values, Colour(), PIXELS[depth])
    assert patches(source).colour in (Colour(), Colour(range="tv"))
    after = patches(larger(source, tmp_path / "work", LOSSLESS).path)
    assert after.colour in (Colour(), Colour(range="tv"))
    assert np.abs(after.values - values).max() <= 1


@pytest.mark.parametrize("kind", ["601", "709", "2020"])
@pytest.mark.parametrize("scale", [2, 4])
def test_a_larger_picture_has_the_same_colours(tmp_path, kind, scale):
    """At the size of the result another matrix would be assumed: the one of the source counts."""
    colour = told(kind, "tv")
    values = yuv_of(RGB, colour.matrix, "tv", 8)
    source = film(tmp_path / "film.mkv", values, colour)
    made = larger(source, tmp_path / "work", LOSSLESS, name="lanczos", scale=scale)
    frame = pictures(made.path)[0]
    assert np.abs(_middles(frame) - values).max() <= 1
    assert patches_colour(made.path) == colour


@pytest.mark.parametrize(("codec", "pix_fmt"), [("png", "rgb24"), ("gif", "bgra"), ("ffv1", "gbrp10le")])
def test_red_green_and_blue_become_the_same_colours(tmp_path, codec, pix_fmt):
    """Recordings of screens and animations; the tags say what the numbers are now."""
    source = tmp_path / ("film.gif" if codec == "gif" else "film.mkv")
    words = () if codec == "gif" else ("-pix_fmt", pix_fmt)
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=128x96:r=10:d=0.5", "-c:v", codec, *words, source)
    made = larger(source, tmp_path / "work", LOSSLESS)
    assert patches_colour(made.path).matrix == "smpte170m" and patches_colour(made.path).range == "tv"
    assert any("RGB is converted to YUV by the matrix smpte170m" in note for note in made.notes)
    before, after = (_as_ffmpeg_shows(path) for path in (source, made.path))
    assert np.abs(before.astype(int) - after).max() <= 3


def _as_ffmpeg_shows(path):
    words = ["-v", "error", "-i", str(path), "-sws_flags", "accurate_rnd+full_chroma_int", "-pix_fmt", "rgb24"]
    shown = subprocess.check_output([ffmpeg_binary().path, *words, "-f", "rawvideo", "-"])
    return np.frombuffer(shown, np.uint8)


def patches_colour(path):
    from stages.media.film import look_at

    return look_at(path).pictures[0].colour


def _middles(frame):
    """Y, U, V in the middle of each patch."""
    from upscale_help import numbers

    planes, count = numbers(frame), len(RGB)
    return np.array(
        [[p[p.shape[0] // 2, (2 * i + 1) * p.shape[1] // (2 * count)] for p in planes] for i in range(count)]
    )


# --- the stream is the model -------------------------------------------------------------------


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return moving(tmp_path_factory.mktemp("clip") / "clip.mp4", "-c:v", "libx264", "-bf", "2", "-an", seconds=0.4)


@pytest.mark.parametrize("depth", [8, 10])
def test_every_frame_is_the_model_of_the_decoded_frame(tmp_path, depth):
    """fp32: no number differs, whatever was batched, however it was parted.

    With the model's weights laid out plainly, sums are added in another order, and one number in a million is 1 off.
    """
    pix_fmt = PIXELS[depth]
    source = moving(tmp_path / "clip.mp4", "-c:v", "libx264", "-pix_fmt", pix_fmt, "-bf", "2", "-an", seconds=0.4)
    model = load(asked_for(name="embedded", scale=2)).to(memory_format=torch.channels_last)
    wanted = modelled(source, model)
    asked = {"name": "embedded", "scale": 2, "precision": "fp32", "device": "cpu"}
    for place, words in enumerate(({"batch": 1}, {"batch": 4, "segment_s": 0.2})):
        made = larger(source, tmp_path / str(place), LOSSLESS, **asked, **words)
        assert most_apart(wanted, pictures(made.path)) == 0


def test_the_layout_of_weights_moves_a_number_by_one_at_most(tmp_path, clip):
    made = larger(clip, tmp_path / "w", LOSSLESS, name="embedded", scale=2, precision="fp32", device="cpu")
    assert most_apart(modelled(clip, load(asked_for(name="embedded", scale=2))), pictures(made.path)) <= 1


def test_tiles_change_nothing(tmp_path, clip):
    asked = {"name": "embedded", "scale": 2, "precision": "fp32", "device": "cpu"}
    whole = larger(clip, tmp_path / "whole", LOSSLESS, **asked, tile=8192)
    tiled = larger(clip, tmp_path / "tiled", LOSSLESS, **asked, tile=64)
    assert most_apart(pictures(whole.path), pictures(tiled.path)) == 0


def test_fewer_bits_stay_within_their_bound(tmp_path, clip):
    """bf16 has 8 bits of mantissa: a few numbers of 255, a fraction of one on average."""
    from upscale_help import numbers

    wanted = modelled(clip, load(asked_for(name="embedded", scale=2)))
    made = larger(clip, tmp_path / "w", LOSSLESS, name="embedded", scale=2, precision="bf16", device="cpu")
    assert made.orders[0]["precision"] == "bf16"
    got = pictures(made.path)
    assert 0 < most_apart(wanted, got) <= 6
    assert np.mean([np.abs(numbers(a)[0] - numbers(b)[0]).mean() for a, b in zip(wanted, got, strict=True)]) < 0.5


def test_lanczos_and_identity_are_exact(tmp_path, clip):
    lanczos = larger(clip, tmp_path / "a", LOSSLESS, name="lanczos", scale=2, segment_s=0.2)
    assert most_apart(modelled(clip, load(asked_for(name="lanczos", scale=2))), pictures(lanczos.path)) == 0
    assert most_apart(modelled(clip, same), pictures(larger(clip, tmp_path / "b", LOSSLESS).path)) == 0
