"""Frames drawn from a still: sub-pixel exact, of even sharpness, in the right colours; `zoompan` beside it shakes."""

from fractions import Fraction

import numpy as np
import pytest
from scene_help import dot_in, dotted, frames_drawn, textured

from stages.media.ffmpeg import ffmpeg_binary
from stages.media.processes import run_process
from stages.scene.drawn import drawn
from stages.scene.kenburns import _draw_view, parts_of
from stages.scene.motion import Course, camera
from stages.scene.planes import make_planes
from stages.scene.shots import Shot

SIZE = (384, 672)
STILL = (960, 1680)
DOT = (251.3, 1299.6)


def wanted(path, at, size=SIZE):
    """Where a point of the still should be in each frame."""
    return (np.array(at) - path.views[:, :2]) / path.views[:, 2:] * size


def off_path(lumas, path, at):
    """How far the dot is from its path, pixels, shape [frames]."""
    places = wanted(path, at)
    seen = np.array([dot_in(luma, place) for luma, place in zip(lumas, places, strict=True)])
    return np.hypot(*(seen - places).T)


def by_zoompan(still, path):
    """Luma of all frames as FFmpeg's filter makes them."""
    fed = drawn(Shot(SIZE, Fraction(25), path, still), "zoompan", "a")
    assert fed.renderer == "zoompan"
    words = [word for name, value in fed.options.items() for word in (f"-{name}", value)]
    words += ["-i", "pipe:0", "-vf", ",".join(fed.filters), "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]
    head = [ffmpeg_binary().path, "-nostdin", "-loglevel", "error"]
    raw = run_process([*head, *words], feed=fed.frames, keep_stdout=10**9).stdout
    frames = np.frombuffer(raw, np.uint8).reshape(-1, SIZE[0] * SIZE[1] * 3 // 2)
    assert len(frames) == path.frames
    return [parts_of(frame, SIZE)[0].astype(np.float64) for frame in frames]


def jitter(lumas, path):
    """How far the dot leaves the smooth path that it takes on the whole, whatever that is, pixels."""
    places = wanted(path, DOT)
    off = np.array([dot_in(luma, place) for luma, place in zip(lumas, places, strict=True)]) - places
    number = np.arange(len(off))
    return max(np.abs(one - np.polyval(np.polyfit(number, one, 2), number)).max() for one in off.T)


@pytest.mark.parametrize("motion", ["zoom_in", "zoom_out", "pan_left", "pan_down"])
def test_a_dot_keeps_to_its_path_within_a_tenth_of_a_pixel(motion):
    still = dotted(STILL, DOT)
    path = camera(60, STILL, SIZE, Course(motion, 0.001))
    lumas = [planes[0] for planes in frames_drawn(still, path, SIZE)]
    assert off_path(lumas, path, DOT).max() < 0.1


def test_zoompan_shakes_where_ours_does_not():
    still = dotted(STILL, DOT)
    path = camera(60, STILL, SIZE, Course("zoom_in", 0.001))
    shaken = jitter(by_zoompan(still, path), path)
    steady = jitter([planes[0] for planes in frames_drawn(still, path, SIZE)], path)
    assert shaken > 0.5
    assert steady < 0.05


@pytest.mark.parametrize("course", [Course("zoom_in", 0.004), Course(seed=3, speed=0.004), Course(seed=4, speed=0.004)])
def test_a_zoom_by_quarters_is_the_affine_warp(course):
    still = textured((500, 800))
    path = camera(40, (500, 800), SIZE, course)
    assert path.fixed is not None
    planes = make_planes(still, path, SIZE)
    frames = frames_drawn(still, path, SIZE)
    for number in (0, 7, 39):
        buffer = np.empty(SIZE[0] * SIZE[1] * 3 // 2, np.uint8)
        _draw_view(planes, path, number, parts_of(buffer, SIZE))
        for ours, warped in zip(frames[number], parts_of(buffer, SIZE), strict=True):
            assert np.abs(ours - warped).max() <= 2  # the warp rounds places to 1/32 of a pixel
            assert np.abs(ours - warped).mean() < 0.25


@pytest.mark.parametrize("motion", ["zoom_in", "pan_right"])
def test_sharpness_does_not_swell_as_the_view_moves(motion):
    path = camera(50, (1200, 2100), SIZE, Course(motion, 0.0005))
    lumas = [planes[0] for planes in frames_drawn(textured((1200, 2100)), path, SIZE)]
    sharp = np.array([np.abs(np.diff(luma, axis=0)).mean() for luma in lumas])
    trend = np.polyval(np.polyfit(range(50), sharp, 2), range(50))
    assert (np.abs(sharp - trend) / sharp).max() < 0.005


@pytest.mark.parametrize(
    ("rgb", "ycc"),
    [
        ((255, 255, 255), (235, 128, 128)), ((0, 0, 0), (16, 128, 128)), ((255, 0, 0), (63, 102, 240)),
        ((0, 255, 0), (173, 42, 26)), ((0, 0, 255), (32, 240, 118)), ((128, 128, 128), (126, 128, 128)),
    ],
)  # fmt: skip
def test_colours_are_bt709_in_limited_range(rgb, ycc):
    still = np.full((90, 60, 3), rgb, np.uint8)
    frame = frames_drawn(still, camera(3, (60, 90), SIZE, Course("zoom_in")), SIZE)[1]
    assert [np.unique(plane).tolist() for plane in frame] == [[value] for value in ycc]


@pytest.mark.parametrize("course", [Course("zoom_in"), Course("pan_right"), Course("zoom_out", seed=2)])
def test_colour_lies_where_light_does(course):
    """Samples of colour are on the left of their pair: taken so, a blue dot's colour is where the dot is."""
    still = dotted(STILL, DOT, radius=12)
    still[..., :2] = 60
    path = camera(40, STILL, SIZE, course)
    places = wanted(path, DOT)
    frames = frames_drawn(still, path, SIZE)
    for place, (_, blue, _) in zip(places, frames, strict=True):
        x, y = dot_in(blue, place / 2)
        colour = (2 * x - 0.5, 2 * y)  # sample k is shown at pixel 2k, whose middle is 2k + ½; dot_in counts k + ½
        assert np.hypot(*(np.array(colour) - place)) < 0.1


def test_a_view_that_rests_is_drawn_once_and_the_same():
    frames = frames_drawn(textured((300, 500)), camera(5, (300, 500), SIZE, Course("still")), SIZE)
    assert all((plane == first).all() for frame in frames for plane, first in zip(frame, frames[0], strict=True))


def test_a_gradient_keeps_its_steps():
    """No bands but those of 8 bits: each level of the ramp is there, and none is wider than its share and a bit."""
    ramp = np.repeat(np.linspace(60, 120, STILL[1])[:, None], STILL[0], axis=1)
    still = np.rint(ramp).astype(np.uint8)[..., None].repeat(3, axis=2)
    luma = frames_drawn(still, camera(20, STILL, SIZE, Course("zoom_in")), SIZE)[13][0]
    rows = luma[:, 100]
    levels = np.unique(rows)
    assert (np.diff(levels) == 1).all()
    assert max(np.sum(rows == level) for level in levels) < 2.5 * len(rows) / len(levels)


@pytest.mark.parametrize("still", [(1, 1), (3, 2), (1, 500), (500, 1), (7680, 96)])
def test_stills_of_any_shape_fill_the_frame(still):
    picture = np.full((still[1], still[0], 3), (10, 200, 90), np.uint8)
    for motion in ("zoom_in", "pan_right", "pan_up"):
        frames = frames_drawn(picture, camera(4, still, SIZE, Course(motion, 0.01)), SIZE)
        assert len(frames) == 4
        assert all(np.ptp(plane) == 0 for frame in frames for plane in frame)
