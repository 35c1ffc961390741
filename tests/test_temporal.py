"""Measures of steadiness and sharpness, on pictures where they are known."""

import cv2
import flicker_help as made
import numpy as np
import pytest

from stages.quality.temporal import detail_kept, farneback, sharpness, warping_error


@pytest.fixture(scope="module")
def clip():
    return made.made(made.scene("passing"), 2)


def of_255(clip, frames, flow=None):
    return 255 * warping_error(frames[0][1], frames[1][1], *(flow or clip.flows[1]))


def test_motion_alone_is_no_warping_error_and_flicker_is(clip):
    plain = 255 * np.abs(clip.clean[0][1] - clip.clean[1][1])[clip.flows[1][1]].mean()
    assert of_255(clip, clip.clean) < 0.05 * plain
    assert of_255(clip, clip.raw) > 3


def test_an_offset_is_the_warping_error_and_what_is_not_seen_does_not_count():
    before, flow = np.full((40, 60), 0.5, np.float32), np.zeros((40, 60, 2), np.float32)
    after, seen = before + 0.1, np.ones((40, 60), bool)
    assert warping_error(before, after, flow, seen) == pytest.approx(0.1, abs=1e-6)
    after[10:20, 10:20] = 1.0
    seen[10:20, 10:20] = False
    assert warping_error(before, after, flow, seen) == pytest.approx(0.1, abs=1e-6)
    assert warping_error(before, after, flow, ~np.ones_like(seen)) == 0.0


def test_the_flow_leads_back_in_time():
    rng = np.random.default_rng(3)
    before = cv2.GaussianBlur(rng.random((60, 80)).astype(np.float32), (0, 0), 2)
    after = np.roll(before, (2, 5), (0, 1))
    flow, seen = np.zeros((60, 80, 2), np.float32), np.ones((60, 80), bool)
    flow[...] = (-5, -2)
    assert warping_error(before, after, flow, seen) < 1e-6 < warping_error(before, after, -flow, seen)


def test_farneback_finds_known_motion(clip):
    grey = [np.uint8(np.rint(255 * frame[1])) for frame in clip.clean]
    flow, seen = farneback(*grey)
    known, both = clip.flows[1][0], seen & clip.flows[1][1]
    assert seen.mean() > 0.85
    assert np.median(np.hypot(*np.moveaxis(flow - known, -1, 0))[both]) < 0.1
    assert of_255(clip, clip.clean, (flow, seen)) < 1 < 3 < of_255(clip, clip.raw, (flow, seen))


def test_blur_takes_detail_and_noise_gives_none(clip):
    clean = clip.clean[0][1]
    noisy = clean + np.random.default_rng(1).normal(0, 0.02, clean.shape).astype(np.float32)
    blurred = cv2.GaussianBlur(clean, (0, 0), 0.6)
    assert detail_kept(clean, clean) == pytest.approx(1)
    assert detail_kept(noisy, clean) == pytest.approx(1, abs=0.02)
    assert detail_kept(blurred, clean) < 0.8
    assert sharpness(blurred) < 0.8 * sharpness(clean) < 0.8 * sharpness(noisy)


def test_a_flat_picture_has_no_detail_to_lose():
    flat = np.full((20, 20), 0.3, np.float32)
    assert (sharpness(flat), detail_kept(flat, flat)) == (0.0, 1.0)
