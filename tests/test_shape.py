"""Crop, scale, filling and turning: filters, sizes, and what is told for the comparison."""

import pytest

from stages.media.shape import shape, shape_problems


def test_nothing_asked_nothing_done():
    assert shape(320, 180).filters == ()
    assert (shape(321, 181).width, shape(321, 181).height) == (321, 181)


@pytest.mark.parametrize(
    ("scale", "size"),
    [("x90", (160, 90)), ("160x", (160, 90)), ("160x160", (160, 90)), ("90x90", (90, 50)), ("640x", (640, 360))],
)
def test_scaling_fits_inside_and_keeps_the_shape(scale, size):
    form = shape(320, 180, scale=scale, even=(2, 2))
    assert (form.width, form.height) == size
    assert form.filters == (f"scale={size[0]}:{size[1]}:flags=lanczos",)


def test_an_odd_side_is_filled_with_its_last_line_and_the_comparison_is_told():
    form = shape(321, 181, even=(2, 2))
    assert (form.width, form.height, form.inside) == (322, 182, (0, 0, 321, 181))
    assert form.filters == ("format=yuv444p", "pad=322:182:0:0", "fillborders=right=1:bottom=1:mode=smear")
    assert "filled up to 322×182" in form.notes[0]


def test_a_crop_is_told_and_comes_before_scaling():
    form = shape(1920, 1080, crop="1920:800:0:140", scale="960x")
    assert form.crop == (0, 140, 1920, 800)
    assert (form.width, form.height) == (960, 400)
    assert form.filters[0].startswith("crop=1920:800:0:140")


def test_crop_and_scale_are_meant_as_one_sees_it():
    """A phone's portrait film is coded lying down and turned by the player."""
    form = shape(1920, 1080, rotation=-90, scale="x960")
    assert form.upright
    assert (form.width, form.height) == (540, 960)
    assert not shape(1920, 1080, rotation=-90).upright, "without either the player goes on turning it"


def test_a_crop_outside_the_picture_is_said():
    with pytest.raises(ValueError, match="does not lie in its 320×180 pixels"):
        shape(320, 180, crop="320:180:1:0")


@pytest.mark.parametrize(
    ("crop", "scale", "key"),
    [("10:10", "", "video.crop"), ("0:9:0:0", "", "video.crop"), ("", "720p", "video.scale"),
     ("", "x", "video.scale"), ("", "0x90", "video.scale"), ("", "99999x", "video.scale")],
)  # fmt: skip
def test_words_that_are_none_are_refused_by_their_key(crop, scale, key):
    (problem,) = shape_problems(crop, scale, "video")
    assert problem.key == key and problem.mend


def test_good_words_have_no_problem():
    assert shape_problems("1920:800:0:140", "x720", "video") == []
