"""Which stretches of a film are probed: they stand for all of it, hard scenes too, and the check has its own."""

from fractions import Fraction
from itertools import pairwise

import pytest

from stages.media.frames import Coding, Timeline
from stages.video.parting import Times
from stages.video.piece import PICTURES, Piece
from stages.video.target_windows import WHOLE_S, cells, layered, samples

RATE = 25


def times(count: int, sizes=None, keys=None) -> Times:
    line = Timeline(Fraction(1, RATE), count, tuple(range(100, 100 + count)))
    keys = tuple(range(0, count, 60)) if keys is None else keys
    return Times(line, Coding(keys, tuple(sizes or [1000] * count)), 100 + count)


def piece(count: int) -> Piece:
    return Piece(PICTURES, count=count, expected=count, pts=(100, 100 + count), time_base=f"1/{RATE}")


def test_a_short_film_is_probed_whole_and_needs_no_check():
    count = int(WHOLE_S * RATE)
    found = samples([piece(count)], times(count))
    assert found.probed == (piece(count),) and found.held_out == () and found.called == "the whole film"


def test_without_times_or_sizes_a_long_film_is_probed_whole():
    long = times(2000)
    assert samples([piece(2000)], Times(long.timeline, Coding((), ()), long.end)).held_out == ()
    doubled = Timeline(Fraction(1, RATE), 2000, (100, 100, *range(102, 2100)))
    assert samples([piece(2000)], Times(doubled, long.coding, long.end)).held_out == ()


def test_windows_and_check_do_not_share_a_frame_and_lie_in_the_film():
    found = samples([piece(1500)], times(1500))
    stretches = sorted((each.first, each.first + each.count) for each in (*found.probed, *found.held_out))
    assert len(found.probed) == len(found.held_out) == 8
    assert all(end <= start for (_, end), (start, _) in pairwise(stretches))
    assert stretches[0][0] >= 0 and stretches[-1][1] <= 1500
    for each in found.probed:
        assert each.pts == (100 + each.first, 100 + each.first + each.count)
        assert (each.seek == "") == (each.first == 0)
        if each.first:
            assert Fraction(99 + each.first, RATE) < Fraction(each.seek) <= Fraction(100 + each.first, RATE)


def test_a_film_just_too_long_is_still_probed_and_checked():
    count = int(WHOLE_S * RATE) + 30
    found = samples([piece(count)], times(count, keys=(0,)))
    assert len(found.probed) == len(found.held_out) == 5


def test_cells_begin_at_key_frames_where_these_are_near():
    coding = times(1000, keys=(0, 70, 200, 900)).coding
    firsts = [cell.first for cell in cells(coding, 1000, 50)]
    assert firsts[:3] == [0, 70, 120], "the key frame at 70 is near; from 120 the next one is too"
    assert 200 in firsts and 900 in firsts
    assert all(cell.count == 50 for cell in cells(coding, 1000, 50))


def test_a_hard_scene_at_the_end_is_probed_as_much_as_there_is_of_it():
    count = 6000
    hard = [1000] * 4500 + [9000] * 1500
    found = samples([piece(count)], times(count, hard, keys=tuple(range(0, count, 50))))
    for chosen in (found.probed, found.held_out):
        assert sum(each.first >= 4500 for each in chosen) == 2, "a quarter of the film, a quarter of eight windows"


def test_layers_have_the_mean_of_the_film():
    sizes = [500 + 37 * (frame * 7919 % 401) for frame in range(8000)]
    found = cells(times(8000, sizes).coding, 8000, 50)
    probed, held_out = layered(found, 8)
    whole = sum(cell.weight for cell in found) / len(found)
    for chosen in (probed, held_out):
        assert sum(cell.weight for cell in chosen) / len(chosen) == pytest.approx(whole, rel=0.05)
    assert not {cell.first for cell in probed} & {cell.first for cell in held_out}


def test_long_films_get_more_windows_up_to_a_bound():
    hour = samples([piece(3600 * RATE)], times(3600 * RATE))
    assert len(hour.probed) == len(hour.held_out) == 13
    assert len(samples([piece(20000 * RATE)], times(20000 * RATE)).probed) == 16
