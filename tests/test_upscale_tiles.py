"""Tiles put together are the whole frame, to the bit: at odd sizes, remainders of a pixel, and the frame's borders."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.upscale.tiles import Tiling, padded, spans, upscaled
from tests.upscale_nets import Compact, Folded, noise


@pytest.fixture(autouse=True)
def one_thread():
    """Two, where other programs want the same cores, wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def last(module, dtype=torch.float32):
    return module.to(dtype=dtype, memory_format=torch.channels_last)


@torch.inference_mode()
def both(net, frames, tile, overlap=None):
    """Tiled and whole."""
    frames = frames.contiguous(memory_format=torch.channels_last)
    align, scale = net.spec.align, net.spec.scale
    tiled = upscaled(net, frames, Tiling(tile, net.spec.radius if overlap is None else overlap, scale, align))
    return tiled, upscaled(net, frames, Tiling(0, 0, scale, align))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("height", "width", "tile"), [(197, 131, 96), (97, 260, 100), (193, 99, 192), (130, 131, 130), (33, 30, 96)]
)
def test_tiled_is_whole(height, width, tile, dtype):
    net = last(Compact(), dtype)
    tiled, whole = both(net, noise(1, 3, height, width).to(dtype), tile)
    assert tiled.shape == (1, 3, 2 * height, 2 * width)
    assert torch.equal(tiled, whole)


def test_batches_in_tiles_are_whole():
    tiled, whole = both(last(Compact()), noise(2, 3, 150, 110), 100)
    assert torch.equal(tiled, whole)


def test_the_usual_net_of_64_features_in_tiles_is_whole():
    tiled, whole = both(last(Compact(features=64, convs=16, scale=4)), noise(1, 3, 101, 139), 96)
    assert torch.equal(tiled, whole)


def test_an_overlap_below_the_radius_shows():
    """The comparison can fail: one pixel too little is seen."""
    net = last(Compact())
    tiled, whole = both(net, noise(1, 3, 197, 131), 96, overlap=net.spec.radius - 1)
    assert not torch.equal(tiled, whole)


def test_tiles_below_the_exact_size_are_off_by_rounding_alone():
    tiled, whole = both(last(Compact()), noise(1, 3, 97, 131), 32)
    assert (tiled - whole).abs().max() < 2e-6


@pytest.mark.parametrize(("height", "width"), [(197, 131), (96, 133), (1, 1), (2, 1), (101, 100)])
def test_a_net_that_folds_pixels_takes_odd_sizes(height, width):
    tiled, whole = both(last(Folded()), noise(1, 3, height, width), 96)
    assert tiled.shape == (1, 3, 2 * height, 2 * width)
    assert torch.equal(tiled, whole)


def test_padding_reflects_and_repeats_what_is_too_short():
    frame = torch.arange(9.0).view(1, 1, 3, 3).expand(1, 3, 3, 3)
    assert padded(frame, 2)[0, 0].tolist() == [[0, 1, 2, 1], [3, 4, 5, 4], [6, 7, 8, 7], [3, 4, 5, 4]]
    assert padded(torch.ones(1, 3, 1, 1), 2).shape == (1, 3, 2, 2)


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 900), st.integers(1, 400), st.integers(0, 70), st.sampled_from([1, 2, 4]))
def test_spans_cover_once_are_equal_and_see_enough(units, tile, overlap, multiple):
    length = units * multiple
    found = spans(length, Tiling(tile, overlap, 2, multiple))
    kept = [place for span in found for place in range(span.keep_start, span.keep_stop)]
    assert kept == list(range(length))
    assert len({span.stop - span.start for span in found}) == 1
    assert len({span.start for span in found}) == len(found)
    for span in found:
        assert span.start % multiple == 0 and 0 <= span.start < span.stop <= length
        assert span.start == 0 or span.keep_start - span.start >= overlap
        assert span.stop == length or span.stop - span.keep_stop >= overlap
        assert len(found) == 1 or span.stop - span.start <= max(tile, 2 * (overlap + multiple) + multiple)
        assert len(found) == 1 or span.stop - span.start >= min(tile // multiple * multiple, 96)
