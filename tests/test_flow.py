"""Motion found on small pictures, where it is known."""

import cv2
import flicker_help as made
import numpy as np
import pytest

from stages.upscale.flow import Motion, places, scaled, surely, warped


@pytest.fixture(scope="module")
def found():
    """A clip of two frames; the way from the later one to the earlier, and how surely."""
    clip = made.made(made.scene("passing"), 2)
    motion = Motion()
    there, back = motion.between(clip.inputs[1], clip.inputs[0]), motion.between(clip.inputs[0], clip.inputs[1])
    return clip, there, surely(there, back)


def test_motion_is_found_to_a_part_of_an_output_pixel(found):
    clip, there, _ = found
    known, seen = clip.flows[1]
    missed = np.hypot(*np.moveaxis(scaled(there, *seen.shape) - known, -1, 0))
    assert np.median(missed[seen]) < 0.35
    assert np.hypot(*np.moveaxis(known, -1, 0)).mean() > 3


def test_what_was_hidden_or_outside_is_not_trusted(found):
    clip, there, sure = found
    share = cv2.resize(clip.flows[1][1].astype(np.float32), made.SIZE, interpolation=cv2.INTER_AREA)
    new = share == 0
    assert new.mean() > 0.01
    assert sure[new].mean() < 0.3
    assert sure[share == 1].mean() > 0.85
    assert sure[:, places(there)[0, :, 0] > made.SIZE[0]].sum() == 0
    assert sure.min() >= 0 and sure.max() <= 1


def test_a_way_that_does_not_lead_back_is_not_trusted():
    there = np.zeros((20, 30, 2), np.float32)
    there[...] = (2, 0)
    assert surely(there, -there)[:, 2:-4].min() > 0.99
    assert surely(there, there)[:, 2:-4].max() < 0.01
    assert surely(there, -there)[:, -2:].max() == 0


def test_pictures_are_fetched_along_a_flow_and_flows_are_scaled():
    picture = np.random.default_rng(2).random((12, 16)).astype(np.float32)
    flow = np.zeros((12, 16, 2), np.float32)
    flow[...] = (3, -1)
    assert np.allclose(warped(picture, flow)[2:, :12], picture[1:-1, 3:15])
    assert scaled(flow, 48, 32).shape == (48, 32, 2)
    assert np.allclose(scaled(flow, 48, 32), (6, -4))


def test_motion_depends_on_its_two_pictures_alone():
    clip = made.made(made.scene("turning"), 3)
    used = Motion()
    used.between(clip.inputs[2], clip.inputs[0])
    fresh = Motion().between(clip.inputs[0], clip.inputs[1])
    assert np.array_equal(used.between(clip.inputs[0], clip.inputs[1]), fresh)
