"""Stills of every kind are read as they look; what is no picture says so in one sentence."""

import numpy as np
import pytest
from PIL import Image

from stages.contract import Failure, StageError
from stages.scene.still import read_still

COLOUR = (200, 100, 50)


def put(folder, picture, name="still.png", **how):
    picture.save(folder / name, **how)
    return folder / name


def middle(path):
    still = read_still(path, "01: image")
    assert still.dtype == np.uint8 and still.shape[2] == 3
    return tuple(int(value) for value in still[still.shape[0] // 2, still.shape[1] // 2])


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.webp", "a.tif", "a.gif"])
def test_kinds(tmp_path, name):
    how = {"lossless": True} if name == "a.webp" else {}
    found = middle(put(tmp_path, Image.new("RGB", (40, 30), COLOUR), name, **how))
    assert max(abs(a - b) for a, b in zip(found, COLOUR, strict=True)) <= 3


def test_the_content_tells_the_kind_not_the_name(tmp_path):
    file = put(tmp_path, Image.new("RGB", (40, 30), COLOUR))
    assert middle(file.rename(tmp_path / "still.jpg")) == COLOUR


def test_grey_palette_and_black_and_white(tmp_path):
    assert middle(put(tmp_path, Image.new("L", (9, 9), 77))) == (77, 77, 77)
    assert middle(put(tmp_path, Image.new("1", (9, 9), 1))) == (255, 255, 255)
    assert middle(put(tmp_path, Image.new("RGB", (9, 9), COLOUR).quantize(4))) == COLOUR


def test_alpha_lies_on_black(tmp_path):
    assert middle(put(tmp_path, Image.new("RGBA", (9, 9), (*COLOUR, 255)))) == COLOUR
    assert middle(put(tmp_path, Image.new("RGBA", (9, 9), (*COLOUR, 0)))) == (0, 0, 0)
    half = middle(put(tmp_path, Image.new("LA", (9, 9), (200, 128))))
    assert all(abs(value - 100) <= 1 for value in half)


def test_sixteen_bits_are_not_cut_off(tmp_path):
    values = np.full((9, 9), 0x8000, np.uint16)
    assert middle(put(tmp_path, Image.fromarray(values))) == (128, 128, 128)


def test_cmyk(tmp_path):
    file = put(tmp_path, Image.new("RGB", (16, 16), (255, 255, 255)).convert("CMYK"), "still.jpg")
    assert min(middle(file)) >= 253


def test_a_photo_that_lies_on_its_side_is_turned_upright(tmp_path):
    picture = Image.new("RGB", (60, 20), (0, 0, 0))
    picture.paste((255, 255, 255), (0, 0, 30, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by a quarter
    still = read_still(put(tmp_path, picture, "still.jpg", exif=exif), "a")
    assert still.shape[:2] == (60, 20)
    assert still[10, 10, 0] > 250 and still[50, 10, 0] < 5


def test_a_large_photo_is_decoded_no_larger_than_it_serves(tmp_path):
    file = put(tmp_path, Image.new("RGB", (7680, 4320), COLOUR), "still.jpg", quality=30)
    assert read_still(file, "a", (640, 1080)).shape[:2] == (1080, 1920)
    assert read_still(file, "a").shape[:2] == (4320, 7680)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is no picture"), (b"no picture at all", "is no picture"), (b"<svg xmlns='x'/>", "is no picture")],
)
def test_what_is_no_picture(tmp_path, content, said):
    file = tmp_path / "still.png"
    file.write_bytes(content)
    with pytest.raises(StageError, match=f"story/01: image: {said}") as caught:
        read_still(file, "story/01: image")
    assert caught.value.failure is Failure.BAD_INPUT


@pytest.mark.parametrize("kind", ["png", "jpg", "webp"])
def test_half_a_picture_is_refused(tmp_path, kind):
    rng = np.random.default_rng(0)
    file = put(tmp_path, Image.fromarray(rng.integers(0, 255, (200, 200, 3), np.uint8)), f"still.{kind}")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(StageError, match="01: image: ") as caught:
        read_still(file, "01: image")
    assert caught.value.failure is Failure.BAD_INPUT
    assert "\n" not in caught.value.sentence


def test_far_too_many_pixels_are_refused_unread(tmp_path):
    file = put(tmp_path, Image.new("1", (20_000, 10_100)))
    with pytest.raises(StageError, match=r"too (many|large)"):
        read_still(file, "a")
