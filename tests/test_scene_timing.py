"""Lengths of scenes: whole frames, speech always fits, no error adds up."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.scene.timing import frames_of, rate_of, starts_of

RATES = [Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60)]


@settings(deadline=None)
@given(st.floats(0, 600), st.floats(0, 10), st.sampled_from(RATES))
def test_speech_fits_and_less_than_a_frame_is_added(duration_s, pause_s, fps):
    frames = frames_of(duration_s, pause_s, fps)
    length = Fraction(duration_s) + Fraction(pause_s)
    assert frames / fps >= length - Fraction(1, 1_000_000)
    assert frames == 1 or (frames - 1) / fps < length


@pytest.mark.parametrize(("duration_s", "frames"), [(2.0, 50), (2.04, 51), (2.0400001, 51), (2.0401, 52), (0.0, 1)])
def test_whole_lengths_are_not_rounded_up_by_their_decimals(duration_s, frames):
    assert frames_of(duration_s, 0.0, Fraction(25)) == frames


def test_the_pause_belongs_to_the_scene():
    assert frames_of(1.0, 0.5, Fraction(25)) == 38


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf")])
def test_no_length(bad):
    with pytest.raises(ValueError, match="no length"):
        frames_of(bad, 0.0, Fraction(25))


def test_starts_do_not_drift_over_ten_minutes():
    counts = [37] * 500
    starts = starts_of(counts, Fraction(30000, 1001))
    assert starts[-1] == Fraction(37 * 500 * 1001, 30000)
    assert len(starts) == 501
    assert starts[:2] == [0, Fraction(37 * 1001, 30000)]


@pytest.mark.parametrize(
    ("text", "rate"), [("25", Fraction(25)), ("30000/1001", Fraction(30000, 1001)), ("12.5", Fraction(25, 2))]
)
def test_rates(text, rate):
    assert rate_of(text) == rate


@pytest.mark.parametrize("text", ["", "fast", "0", "-25", "25/0", "1000", "nan", "inf"])
def test_what_is_no_rate(text):
    with pytest.raises(ValueError, match="no frame rate"):
        rate_of(text)
