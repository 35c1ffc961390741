"""Steadied frames of clips whose motion is known: less flicker, no blur, no ghosts, and segments exact to the bit."""

import itertools
import subprocess
import sys
import weakref
from functools import cache

import cv2
import flicker_help as made
import numpy as np
import pytest
import torch
from flicker_help import Clip

from stages.quality.temporal import detail_kept, warping_error
from stages.upscale.blend import Neighbour, Strength, blend
from stages.upscale.stabilise import WINDOW, Stabiliser

SMALL = (96, 54)


@cache
def clip_of(name: str, frames: int = 4, flickers: bool = True, light=None, size=made.SIZE) -> Clip:
    """A scene with flicker, or without: made once for all tests."""
    more = {} if flickers else {"flicker": (0, 0, 0), "grain": 0}
    return made.made(made.scene(name, size), frames, light=light or (lambda t: 1.0), size=size, **more)


def steadied(clip: Clip, level: str = "strong", **options) -> list:
    stabiliser = Stabiliser(level, made.SCALE, **options)
    done = [frame for pair in zip(clip.inputs, clip.raw, strict=True) for frame in stabiliser.push(*pair)]
    return done + stabiliser.flush()


def moved(clip: Clip, frames: list) -> float:
    """Warping error along the known motion, of 255; green stands for brightness."""
    pairs = itertools.pairwise(frame[1] for frame in frames)
    known = zip(pairs, clip.flows[1:], strict=True)
    return 255 * float(np.mean([warping_error(a, b, *flow) for (a, b), flow in known]))


def kept(clip: Clip, frames: list) -> float:
    return float(np.mean([detail_kept(a[1], b[1]) for a, b in zip(frames, clip.clean, strict=True)]))


def off_by(clip: Clip, frames: list) -> np.ndarray:
    """Mean error of each frame against the clean one, of 255."""
    return 255 * np.array([np.abs(a - b).mean() for a, b in zip(frames, clip.clean, strict=True)])


def worst(clip: Clip, frames: list) -> np.ndarray:
    """The error, of 255, that one pixel in two thousand exceeds: a ghost of a line is found there."""
    return 255 * np.array([np.quantile(np.abs(a - b), 0.9995) for a, b in zip(frames, clip.clean, strict=True)])


@pytest.mark.parametrize("scene", ["words", "turning", "fast"])
@pytest.mark.parametrize(("level", "less"), [("light", 0.3), ("strong", 0.45)])
def test_flicker_falls_and_detail_stays(scene, level, less):
    clip = clip_of(scene)
    done = steadied(clip, level)
    assert moved(clip, done) < (1 - less) * moved(clip, clip.raw)
    assert kept(clip, done) > 0.98 * kept(clip, clip.raw)


@pytest.mark.parametrize("scene", ["words", "turning", "fast"])
def test_every_frame_comes_nearer_to_the_clean_one(scene):
    clip = clip_of(scene)
    done = steadied(clip)
    assert (off_by(clip, done) < 0.9 * off_by(clip, clip.raw)).all()
    assert (worst(clip, done) <= worst(clip, clip.raw) + 0.5).all()


def test_what_is_uncovered_or_hidden_is_not_mixed_with_what_hides_it():
    clip = clip_of("words")
    done = steadied(clip)
    for frame, raw, clean, known in list(zip(done, clip.raw, clip.clean, clip.flows, strict=True))[1:]:
        new = ~known[1]
        assert new.mean() > 0.01
        assert np.abs(frame - clean)[:, new].mean() <= np.abs(raw - clean)[:, new].mean()


def test_nothing_is_taken_from_where_a_neighbour_does_not_show_the_pixel():
    rng = np.random.default_rng(4)
    one, other = (rng.uniform(0.49, 0.51, (16, 24)).astype(np.float32) for _ in range(2))
    seen, into = np.ones((16, 24), np.float32), np.empty_like(one)
    seen[:, :12] = 0
    neighbour = Neighbour([other], other[..., None], np.zeros((16, 24, 2), np.float32), seen)
    blend([one], one[..., None], [neighbour], Strength(1.0, 1.0, 0.1, 0.1), [into])
    assert np.array_equal(into[:, :12], one[:, :12])
    assert np.abs(into - one)[:, 12:].mean() > 0.3 * np.abs(other - one)[:, 12:].mean()


@pytest.mark.parametrize("scene", ["words", "turning"])
def test_a_film_without_flicker_stays_as_it_is(scene):
    clip = clip_of(scene, flickers=False)
    done = steadied(clip)
    assert off_by(clip, done).max() < 0.4
    assert worst(clip, done).max() < 4
    assert kept(clip, done) > 0.995


def fading(t: int) -> float:
    return min(1.0, 0.2 + 0.2 * max(0, t - 1))


def slowly_fading(t: int) -> float:
    return min(0.66, 0.6 + 0.02 * max(0, t - 1))


def flash(t: int) -> float:
    return 1.0 if t == 2 else 0.55


@pytest.mark.parametrize("light", [fading, slowly_fading, flash])
def test_fades_and_flashes_are_not_taken_for_flicker(light):
    clip = clip_of("pan", 6, False, light)
    done = steadied(clip)
    assert off_by(clip, done).max() < 0.4
    brightness = [255 * float(np.mean(a - b)) for a, b in zip(done, clip.clean, strict=True)]
    assert np.abs(brightness).max() < 0.1


def test_wavering_brightness_is_taken_for_flicker():
    clip = made.made(made.scene("pan"), 8, flicker=(0, 0, 0.012), grain=0, seed=11)
    bare, done = (
        np.array([f.mean() / c.mean() for f, c in zip(fs, clip.clean, strict=True)])
        for fs in (clip.raw, steadied(clip))
    )
    assert np.abs(np.diff(done)).mean() < 0.6 * np.abs(np.diff(bare)).mean()


def test_over_a_cut_each_scene_is_as_if_it_were_alone():
    scenes = [clip_of("turning", 3), clip_of("pan", 3), made.made(made.scene("words")[1:], 3, first=20)]
    alone = [frame for scene in scenes for frame in steadied(scene)]
    film = made.joined(*scenes)
    assert all(np.array_equal(a, b) for a, b in zip(steadied(film), alone, strict=True))
    stabiliser = Stabiliser("strong", made.SCALE)
    for pair in zip(film.inputs, film.raw, strict=True):
        stabiliser.push(*pair)
    assert stabiliser.cuts == 2


@pytest.mark.parametrize("level", ["light", "strong", "off"])
@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_segments_are_the_film_to_the_bit(level, length):
    clip = clip_of("words", 7, size=SMALL)
    film, parts = steadied(clip, level), []
    for first in range(0, 7, length):
        stabiliser = Stabiliser(level, made.SCALE)
        end = min(7, first + length)
        for at in range(max(0, first - WINDOW), min(7, end + WINDOW)):
            parts += stabiliser.push(clip.inputs[at], clip.raw[at], wanted=first <= at < end)
        parts += stabiliser.flush()
    assert len(parts) == 7
    assert all(np.array_equal(a, b) for a, b in zip(film, parts, strict=True))
    assert level == "off" or not np.array_equal(film[3], clip.raw[3])


def test_neighbours_matter_and_frames_beyond_them_do_not():
    """A segment without its neighbours is another one: the frames around it are really used."""
    clip = clip_of("words", 7, size=SMALL)
    alone = Clip(clip.inputs[2:5], clip.raw[2:5], clip.raw[2:5])
    film, part = steadied(clip), steadied(alone)
    assert [np.array_equal(a, b) for a, b in zip(film[2:5], part, strict=True)] == [False, True, False]


def test_the_number_of_threads_changes_nothing():
    clip = clip_of("turning", 4)
    one = steadied(clip, threads=1)
    try:
        many = steadied(clip, threads=5)
        assert cv2.getNumThreads() == 5
    finally:
        cv2.setNumThreads(1)
    assert all(np.array_equal(a, b) for a, b in zip(one, many, strict=True))


def test_a_stabiliser_begins_anew_after_a_flush():
    clip = clip_of("words", 7, size=SMALL)
    stabiliser = Stabiliser("strong", made.SCALE)
    for _ in range(2):
        done = [frame for pair in zip(clip.inputs, clip.raw, strict=True) for frame in stabiliser.push(*pair)]
        done += stabiliser.flush()
        assert all(np.array_equal(a, b) for a, b in zip(done, steadied(clip), strict=True))
    assert stabiliser.flush() == []


def test_frames_come_one_later_and_the_window_holds_three():
    clip = clip_of("words", 7, size=SMALL)
    stabiliser, held, counts = Stabiliser("strong", made.SCALE), [], []
    for luma, raw in zip(clip.inputs, clip.raw, strict=True):
        frame = raw.copy()
        held.append(weakref.ref(frame))
        counts.append(len(stabiliser.push(luma, frame)))
        del frame
        assert sum(ref() is not None for ref in held) <= 2
    assert counts == [0, 1, 1, 1, 1, 1, 1]
    assert len(stabiliser.flush()) == 1
    assert all(ref() is None for ref in held)


def test_a_film_of_one_frame_stays_untouched():
    clip = clip_of("words", 7, size=SMALL)
    stabiliser = Stabiliser("strong", made.SCALE)
    assert stabiliser.push(clip.inputs[0], clip.raw[0]) == []
    (only,) = stabiliser.flush()
    assert np.array_equal(only, clip.raw[0])


def test_frames_that_are_given_are_not_changed():
    clip = clip_of("words", 7, size=SMALL)
    before = [raw.copy() for raw in clip.raw]
    steadied(clip)
    assert all(np.array_equal(a, b) for a, b in zip(before, clip.raw, strict=True))


def test_tensors_lists_and_luma_of_floats_give_the_same():
    clip = clip_of("words", 7, size=SMALL)
    expected = steadied(clip)
    tensors = Clip([luma.astype(np.float32) / 255 for luma in clip.inputs], [], [torch.from_numpy(r) for r in clip.raw])
    lists = Clip(clip.inputs, [], [list(raw) for raw in clip.raw])
    assert all(
        isinstance(a, torch.Tensor) and np.array_equal(a, b) for a, b in zip(steadied(tensors), expected, strict=True)
    )
    assert all(isinstance(a, list) and np.array_equal(a, b) for a, b in zip(steadied(lists), expected, strict=True))


def test_subsampled_chroma_is_steadied_with_its_luma():
    """Y'CbCr 4:2:0 made from the clip: each plane comes nearer to its clean one."""

    def planes(rgb: np.ndarray) -> list[np.ndarray]:
        yuv = cv2.cvtColor(np.ascontiguousarray(rgb.transpose(1, 2, 0)), cv2.COLOR_RGB2YCrCb)
        halves = [cv2.resize(yuv[..., n], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for n in (2, 1)]
        return [np.ascontiguousarray(yuv[..., 0]), *halves]

    clip = clip_of("words")
    raw, clean = [planes(f) for f in clip.raw], [planes(f) for f in clip.clean]
    done = steadied(Clip(clip.inputs, clean, raw))
    for n in range(3):
        assert done[2][n].shape == raw[2][n].shape
        assert np.abs(done[2][n] - clean[2][n]).mean() < 0.9 * np.abs(raw[2][n] - clean[2][n]).mean()


def test_off_hands_frames_through_and_loads_nothing():
    code = (
        "import sys; from stages.upscale.stabilise import Stabiliser\n"
        "s, frame = Stabiliser('off', 4), object()\n"
        "assert s.push(None, frame)[0] is frame and s.push(None, frame, wanted=False) == [] and s.flush() == []\n"
        "assert s.window == 0 and not {'cv2', 'numpy', 'torch'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"stabilise=much: .* use off, light, strong"):
        Stabiliser("much", 4)
    with pytest.raises(ValueError, match="2 times its luma"):
        Stabiliser("light", 2).push(np.zeros((10, 10), np.uint8), np.zeros((3, 40, 40), np.float32))
    with pytest.raises(ValueError, match="float64"):
        Stabiliser("light", 4).push(np.zeros((10, 10), np.uint8), np.zeros((3, 40, 40)))


@pytest.mark.parametrize("size", [(67, 35), (16, 12), (24, 90)])
def test_odd_and_tiny_pictures(size):
    clip = clip_of("still", 3, size=size)
    done = steadied(clip)
    assert [frame.shape for frame in done] == [frame.shape for frame in clip.raw]
    assert off_by(clip, done).mean() < off_by(clip, clip.raw).mean()
    assert min(frame.min() for frame in done) >= 0 and max(frame.max() for frame in done) <= 1
