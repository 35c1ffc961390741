"""Camera paths: inside of the still, steady, as fast as asked, the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.scene.motion import AUTO, MOTIONS, PANS, Course, base_view, camera, chosen

FRAME = (768, 1344)
sides = st.integers(1, 9000)
courses = st.builds(
    Course,
    motion=st.sampled_from([AUTO, *MOTIONS]),
    speed=st.floats(0, 0.05),
    limit=st.floats(1, 2),
    easing=st.sampled_from(["linear", "smooth"]),
    seed=st.integers(0, 2**63),
)


@settings(deadline=None)
@given(st.integers(1, 400), st.tuples(sides, sides), courses)
def test_views_are_inside_of_the_still_and_keep_their_shape(frames, still, course):
    path = camera(frames, still, FRAME, course)
    left, top, width, height = path.views.T
    assert path.frames == frames
    assert (left >= -1e-6).all() and (top >= -1e-6).all()
    assert (left + width <= still[0] + 1e-6).all() and (top + height <= still[1] + 1e-6).all()
    assert np.allclose(width / height, width[0] / height[0])
    assert (width >= base_view(still, FRAME)[2] / course.limit - 1e-6).all()


@settings(deadline=None)
@given(st.integers(2, 400), courses)
def test_no_view_jumps_and_none_turns_back(frames, course):
    path = camera(frames, (1600, 1400), FRAME, course)
    steps = np.diff(path.views, axis=0)
    for moved in steps.T:
        assert (moved >= -1e-9).all() or (moved <= 1e-9).all()
    # the fastest that any corner may go: the way of the whole scene in even steps, half as much again when eased
    most = 1.5 * max(course.speed, 1e-9) * 1600 + 1e-9
    assert np.abs(steps).max() <= most


def test_a_zoom_grows_by_a_thousandth_each_frame():
    path = camera(100, (900, 1500), FRAME, Course("zoom_in"))
    zoom = path.views[0, 2] / path.views[:, 2]
    assert np.allclose(zoom, 1 + 0.001 * np.arange(100))
    back = camera(100, (900, 1500), FRAME, Course("zoom_out"))
    assert np.allclose(back.views, path.views[::-1])


def test_a_long_scene_goes_more_slowly_and_never_stops():
    path = camera(2000, (768, 1344), FRAME, Course("zoom_in", limit=1.5))
    assert path.views[0, 2] / path.views[-1, 2] == pytest.approx(1.5)
    assert (np.diff(path.views[:, 2]) < 0).all()


@settings(deadline=None)
@given(st.integers(2, 300), st.integers(0, 1000), st.sampled_from([AUTO, "zoom_in", "zoom_out"]))
def test_one_point_of_a_zoom_stays_where_it_is(frames, seed, motion):
    path = camera(frames, (768, 1344), FRAME, Course(motion, seed=seed))
    assert path.fixed is not None
    shown = path.views[:, :2] + path.views[:, 2:] * np.array(path.fixed) / FRAME
    assert np.abs(shown - shown[0]).max() < 1e-9
    assert all(place % 2 == 0 and 0 < place < side for place, side in zip(path.fixed, FRAME, strict=True))


@pytest.mark.parametrize("motion", PANS)
def test_pans_go_their_way_at_the_speed_of_a_zoom(motion):
    still = (3000, 1344) if motion in ("pan_left", "pan_right") else (768, 3000)
    path = camera(101, still, FRAME, Course(motion))
    axis, sign = (0 if motion in ("pan_left", "pan_right") else 1), (1 if motion in ("pan_right", "pan_down") else -1)
    assert np.allclose(np.diff(path.views[:, axis]), sign * 0.001 * FRAME[axis])
    assert np.ptp(path.views[:, 1 - axis]) == 0
    assert np.allclose(path.views[:, 2:], FRAME)  # there is room: nothing is cut away


def test_a_pan_without_room_comes_as_near_as_its_way_needs():
    path = camera(101, FRAME, FRAME, Course("pan_right"))
    assert path.views[0, 0] == pytest.approx(0)
    assert path.views[-1, 0] + path.views[-1, 2] == pytest.approx(FRAME[0])
    assert path.views[-1, 0] == pytest.approx(0.1 * FRAME[0])


def test_auto_hangs_on_the_seed_and_the_still():
    kinds = [chosen(Course(seed=seed), (768, 1344), FRAME) for seed in range(200)]
    assert set(kinds) == {"zoom_in", "zoom_out"}
    wide = [chosen(Course(seed=seed), (3000, 1344), FRAME) for seed in range(200)]
    assert 60 < sum(kind in ("pan_left", "pan_right") for kind in wide) < 140
    assert {"pan_up", "pan_down"} & {chosen(Course(seed=seed), (768, 3000), FRAME) for seed in range(20)}
    # a machine, a version or a day must not change a film
    assert [chosen(Course(seed=seed), (3000, 1344), FRAME) for seed in range(4)] == [
        "zoom_in", "pan_right", "pan_left", "zoom_out",
    ]  # fmt: skip


def test_still_does_not_move():
    path = camera(50, (700, 900), FRAME, Course("still"))
    assert (path.views == path.views[0]).all()


def test_smooth_starts_and_ends_at_rest():
    steps = np.diff(camera(101, FRAME, FRAME, Course("zoom_in", easing="smooth")).views[:, 2])
    assert abs(steps[0]) < 0.05 * np.abs(steps).max() > abs(steps[-1])


def test_a_tight_still_is_panned_only_a_little_so_that_its_middle_stays_in_sight():
    """300 frames at the default speed would go three tenths of the way: a title on it would leave the frame."""
    still, frame = (960, 1680), (768, 1344)
    views = camera(300, still, frame, Course("pan_right")).views
    in_all = views[:, 0].max() / 960, (views[:, 0] + views[:, 2]).min() / 960
    assert in_all[0] <= 0.16 and in_all[1] >= 0.84
    roomy = camera(300, (2400, 1680), frame, Course("pan_right")).views
    assert roomy[-1, 0] - roomy[0, 0] == pytest.approx(0.299 * 960)
