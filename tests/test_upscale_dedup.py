"""Frames that repeat an earlier one take its result: equal to the bit, or within a tolerance where asked."""

import numpy as np
import pytest
import torch
from cli import QUIET, reeltune
from film_help import film
from picture_help import ffmpeg
from upscale_help import LOSSLESS, asked_for, larger, modelled, most_apart, pictures

from stages.upscale.dedup import BLOCK, Dedup
from stages.upscale.models.embedded import load_embedded

SIZE = (48, 64)


class Model:
    """Doubles the numbers, and knows how many frames it was given each time."""

    def __init__(self):
        self.batches = []

    def __call__(self, planes):
        self.batches.append(len(planes[0]))
        return tuple((plane.int() * 2 + 1) for plane in planes)


def frames(*values, dtype=torch.uint8):
    """One plane of flat frames."""
    return (torch.stack([torch.full(SIZE, value, dtype=torch.int32) for value in values]).to(dtype),)


def through(dedup, model, *values, **more):
    return [int(frame[0, 0]) for frame in dedup.through(frames(*values, **more), model)[0]]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_equal_frames_are_made_once_across_batches_too(dtype):
    dedup, model = Dedup(depth=8 if dtype == torch.uint8 else 10), Model()
    assert through(dedup, model, 5, 5, 7, 7, dtype=dtype) == [11, 11, 15, 15]
    assert through(dedup, model, 7, 7, 7, 9, dtype=dtype) == [15, 15, 15, 19]
    assert through(dedup, model, 9, 9, 9, 9, dtype=dtype) == [19] * 4
    assert through(dedup, model, 9, 5, 9, 5, dtype=dtype) == [19, 11, 19, 11]
    assert model.batches == [2, 1, 3]
    assert dedup.reused == 2 + 3 + 4 + 1


def test_new_frames_go_to_the_model_as_they_came():
    dedup, model = Dedup(), Model()
    assert through(dedup, model, 1, 2, 3, 4) == [3, 5, 7, 9]
    assert (model.batches, dedup.reused) == ([4], 0)


def test_differences_do_not_add_up():
    dedup, model = Dedup(tolerance=2), Model()
    assert through(dedup, model, 10, 11, 12, 13, 14, 15) == [21, 21, 21, 27, 27, 27]
    assert through(dedup, model, 15, 16, 17, 18) == [27, 33, 33, 33]


@pytest.mark.parametrize(("depth", "dtype"), [(8, torch.uint8), (10, torch.uint16)])
def test_a_tolerance_is_in_levels_of_eight_bit(depth, dtype):
    step = 2 ** (depth - 8)
    dedup, model = Dedup(tolerance=1, depth=depth), Model()
    assert len({*through(dedup, model, 40, 40 + step, dtype=dtype)}) == 1
    assert len({*through(dedup, model, 40 + 3 * step, 40 + 5 * step, dtype=dtype)}) == 2


@pytest.mark.parametrize("corner", [(0, 0), (17, 30), (SIZE[0] - BLOCK, SIZE[1] - BLOCK), (SIZE[0] - 8, SIZE[1] - 8)])
def test_a_mouth_that_moves_in_a_still_picture_is_seen(corner):
    planes = frames(100, 100)
    row, column = corner
    planes[0][1, row : row + BLOCK, column : column + BLOCK] += 20
    model = Model()
    Dedup(tolerance=2).through(planes, model)
    assert model.batches == [2]


def test_colour_alone_is_seen_too():
    model = Model()
    Dedup().through((*frames(100, 100), *frames(50, 51)), model)
    assert model.batches == [2]


@pytest.fixture(scope="module")
def on_threes(tmp_path_factory):
    """24 frames a second of drawings that are held for three, lossless."""
    path = tmp_path_factory.mktemp("threes") / "threes.mkv"
    words = ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=8", "-t", "1", "-vf", "fps=24,format=yuv420p")
    ffmpeg(*words, "-c:v", "libx264", "-preset", "veryfast", "-qp", "0", path)
    return path


@pytest.mark.parametrize("stabilise", ["off", "light"])
def test_held_drawings_come_out_to_the_bit(on_threes, tmp_path, stabilise, monkeypatch):
    wanted = {"name": "embedded", "precision": "fp32", "stabilise": stabilise, "encoder": LOSSLESS}
    ours = larger(on_threes, tmp_path / "dedup", **wanted)
    monkeypatch.setattr(Dedup, "_same", lambda *_: False)
    assert most_apart(pictures(ours.path), pictures(larger(on_threes, tmp_path / "each", **wanted).path)) == 0
    if stabilise == "off":
        assert most_apart(pictures(ours.path), modelled(on_threes, load_embedded(2))) == 0


def test_a_tolerance_takes_what_an_encoder_left(tmp_path):
    """The frames of a held drawing differ a little after a lossy encode; half of them and more need no model then."""
    from stages.media.film import look_at
    from stages.upscale.engine import Engine
    from stages.upscale.flow_through import Passage
    from stages.upscale.order import Order

    lossy = ("-vf", "fps=25,format=yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-crf", "24", "-an")
    path = film(tmp_path / "lossy.mp4", *lossy, rate="8")
    order = Order(**larger(path, tmp_path / "order", name="embedded").orders[0])
    engine = Engine(load_embedded(2), device="cpu")
    made, reused = {}, {}
    for tolerance in (0.0, 2.0):
        passage, given = Passage(engine, look_at(path).pictures[0], order, tolerance), pictures(path)
        made[tolerance] = [one for start in range(0, len(given), 4) for one in passage.work(given[start : start + 4])]
        reused[tolerance] = passage.reused
    assert reused[2.0] > max(reused[0.0], len(made[0.0]) // 2)
    assert [frame.pts for frame in made[0.0]] == [frame.pts for frame in made[2.0]]
    off = [np.abs(_luma(a) - _luma(b)).mean() for a, b in zip(made[0.0], made[2.0], strict=True)]
    assert max(off) < 2, "mean levels of 255 by which a frame is another one"


def _luma(frame):
    return frame.to_ndarray(format="gray").astype(float)


def test_a_tolerance_is_none_of_the_defaults():
    assert asked_for().dedup == 0.0


def test_the_run_tells_how_many_frames_were_reused(on_threes, tmp_path):
    words = ("pipeline=upscale", str(on_threes), "upscaler=lanczos", "upscaler.segment_s=0.5", "encoder=x264")
    done = reeltune(tmp_path, *QUIET, *words, "encoder.preset=ultrafast", "tracking.enabled=false")
    assert done.code == 0, done.err
    assert (done.run["metrics"]["upscale.reused_frames"], done.run["metrics"]["video.frames"]) == (16, 24)
