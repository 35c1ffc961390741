"""Pictures from anywhere: every kind becomes upright 8-bit sRGB, and what is broken is refused in one sentence."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from stages.image.decode import GIVEN, SERVED, BrokenPictureError, Picture, decode, refuse_rubbish

FRAME = (96, 160)


def quarters(width=80, height=60):
    """Red, green, blue, white quarters: what turns or swaps channels shows."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (220, 30, 30)
    pixels[: height // 2, width // 2 :] = (30, 200, 40)
    pixels[height // 2 :, : width // 2] = (30, 40, 210)
    pixels[height // 2 :, width // 2 :] = (250, 250, 250)
    return Image.fromarray(pixels)


def saved(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def corner(image, x=0.25, y=0.25):
    return image.getpixel((int(image.width * x), int(image.height * y)))


def near(colour, other, slack=14):
    return all(abs(a - b) <= slack for a, b in zip(colour, other, strict=True))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_every_kind_of_file(tmp_path, form):
    file = tmp_path / "no suffix at all"
    file.write_bytes(saved(quarters(), form))
    picture = decode(file, FRAME)
    assert (picture.image.mode, picture.image.size, picture.notes) == ("RGB", (80, 60), ())
    assert near(corner(picture.image), (220, 30, 30), 40)
    assert near(corner(picture.image, 0.75, 0.25), (30, 200, 40), 40)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "I", "F", "YCbCr"])
def test_every_kind_of_colours(mode):
    ramp = Image.fromarray(np.tile(np.linspace(0, 255, 128).astype(np.uint8), (64, 1)))
    if mode in ("I;16", "I", "F"):
        image = Image.fromarray(np.asarray(ramp).astype(np.uint16) * 257) if mode != "F" else ramp.convert("F")
        image = image.convert("I") if mode == "I" else image
    else:
        image = ramp.convert("RGB").convert(mode)
    form = {"CMYK": "TIFF", "F": "TIFF", "I": "TIFF", "YCbCr": "JPEG"}.get(mode, "PNG")
    shown = decode(saved(image, form), FRAME).image
    assert shown.mode == "RGB"
    assert near(corner(shown, 0.02), (0, 0, 0), 14) and near(corner(shown, 0.98), (255, 255, 255), 14)
    if mode != "1":
        assert near(corner(shown, 0.5), (128, 128, 128), 30 if mode == "P" else 14), "16 bits are scaled, not cut off"


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_turned_photograph_stands_upright(turn):
    backwards = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = quarters() if turn == 1 else quarters().transpose(backwards[turn])
    exif = Image.Exif()
    exif[0x0112] = turn
    shown = decode(saved(stored, "JPEG", quality=95, exif=exif), FRAME).image
    assert shown.size == (80, 60)
    assert near(corner(shown), (220, 30, 30)) and near(corner(shown, 0.25, 0.75), (30, 40, 210))


def test_colours_of_another_profile_are_brought_to_srgb():
    swapped = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert near(corner(decode(saved(quarters(), "PNG", icc_profile=srgb), FRAME).image), (220, 30, 30), 2)
    strange = decode(saved(quarters(), "PNG", icc_profile=swapped), FRAME)
    assert any("colour profile cannot be used" in note for note in strange.notes)
    garbage = decode(saved(quarters(), "PNG", icc_profile=b"no profile"), FRAME)
    assert any("colour profile cannot be used" in note for note in garbage.notes)
    assert near(corner(garbage.image), (220, 30, 30), 2)


def test_a_wide_gamut_photograph_keeps_its_look():
    wide = gamma_profile(1.0)
    linear = ((np.asarray(quarters()) / 255.0) ** 2.2 * 255).round().astype(np.uint8)
    shown = decode(saved(Image.fromarray(linear), "PNG", icc_profile=wide), FRAME).image
    assert near(corner(shown), (220, 30, 30), 18), "linear light is coded again"


def gamma_profile(gamma):
    """A real ICC profile (v2 matrix/TRC) with sRGB's primaries and another tone curve."""

    def s15(*values):
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    tags = {
        b"wtpt": b"XYZ \0\0\0\0" + s15(0.9642, 1.0, 0.8249),
        b"rXYZ": b"XYZ \0\0\0\0" + s15(0.4361, 0.2225, 0.0139),
        b"gXYZ": b"XYZ \0\0\0\0" + s15(0.3851, 0.7169, 0.0971),
        b"bXYZ": b"XYZ \0\0\0\0" + s15(0.1431, 0.0606, 0.7141),
        **{name: b"curv\0\0\0\0" + struct.pack(">IHxx", 1, round(gamma * 256)) for name in (b"rTRC", b"gTRC", b"bTRC")},
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78 + 3),
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
    }
    table, body, offset = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"none", 0x02400000, b"mntr", b"RGB ", b"XYZ ") + bytes(12)
    head += b"acsp" + bytes(28) + s15(0.9642, 1.0, 0.8249)
    return head.ljust(128, b"\0") + table + body


def test_what_shows_through_shows_white_and_is_told():
    clear = quarters().convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    picture = decode(saved(clear, "PNG"), FRAME)
    assert near(corner(picture.image, 0.25, 0.02), (255, 250, 250), 10)
    assert picture.notes == ("its transparent parts are shown white",)
    solid = decode(saved(quarters().convert("RGBA"), "PNG"), FRAME)
    assert solid.notes == ()


def test_of_an_animation_the_first_picture_is_shown():
    frames = [quarters(), Image.new("RGB", (80, 60), "black")]
    picture = decode(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]), FRAME)
    assert near(corner(picture.image), (220, 30, 30), 40)
    assert picture.notes == ("it holds several pictures; the first is shown",)
    photograph = saved(quarters(), "MPO", save_all=True, append_images=[quarters(40, 30)])
    assert decode(photograph, FRAME).notes == (), "previews are no pictures of their own"


@pytest.mark.parametrize(("size", "kept"), [((1, 1), (1, 1)), ((200, 300), (200, 300)), ((4000, 1000), (1280, 320))])
def test_any_size_and_no_larger_than_twice_the_frame(size, kept):
    assert decode(saved(quarters(200, 300).resize(size), "PNG"), FRAME).image.size == kept


def test_a_bomb_is_refused_before_it_is_decoded():
    with pytest.raises(BrokenPictureError, match="more than 150 million pixels"):
        decode(claiming(30_000, 30_000), FRAME)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with pytest.raises(BrokenPictureError, match=r"150 million pixels \(13000×12000\)"):
            decode(claiming(13_000, 12_000), FRAME)


def claiming(width, height):
    """A small PNG whose header says that it is large."""
    data = bytearray(saved(quarters(), "PNG"))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_what_is_cut_off_is_refused(form):
    whole = saved(quarters(300, 200), form)
    for share in (0.2, 0.5, 0.9):
        with pytest.raises(BrokenPictureError, match=r"broken or cut off|no PNG"):
            decode(whole[: int(len(whole) * share)], FRAME)


@pytest.mark.parametrize("data", [b"", b"<html>busy</html>", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"%PDF-1.7", bytes(5000)])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(BrokenPictureError):
        decode(data, FRAME)


def test_a_service_may_send_fewer_kinds_than_a_person():
    gif = saved(quarters(), "GIF")
    assert decode(gif, FRAME, GIVEN).image.size == (80, 60)
    with pytest.raises(BrokenPictureError, match="no PNG, JPEG, WEBP picture"):
        decode(gif, FRAME, SERVED)


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=120, deadline=None)
@given(st.sampled_from(GIVEN), st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=12))
def test_damage_is_refused_or_decoded_and_nothing_else(form, changes):
    data = bytearray(saved(quarters(), form))
    for place, value in changes:
        data[place % len(data)] = value
    try:
        assert decode(bytes(data), FRAME).image.mode == "RGB"
    except BrokenPictureError as error:
        assert str(error)


def test_rubbish_of_services():
    refuse_rubbish(Picture(quarters(80, 80)))
    for size, colour in (((1, 1), "red"), ((63, 500), None), ((300, 300), "black"), ((300, 300), "white")):
        image = quarters(*size) if colour is None else Image.new("RGB", size, colour)
        with pytest.raises(BrokenPictureError):
            refuse_rubbish(Picture(image))
    dark = np.zeros((100, 100, 3), np.uint8)
    dark[40:60] = (0, 9, 0)
    refuse_rubbish(Picture(Image.fromarray(dark)))
