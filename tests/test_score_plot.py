"""The plot of scores: read back as pixels, since what was drawn is what counts."""

import math
import time

import numpy as np
import pytest
from picture_help import LOSSLESS, footage, recoded, score

from stages.quality.scorecurve import reduced
from stages.quality.scoreplot import Sheet, clock, draw_scores, draw_sentence, numeral, sums, ticks

BLUE, RED = (0x3B, 0x7D, 0xDD), (0xB4, 0x23, 0x18)
FIGURES = {"quality.vmaf_mean": 90.0, "quality.vmaf_harmonic": 89.5}


def rows(indices, vmaf=lambda index: 90.0):
    return [
        {"index": i, "pts_s": i / 25, "vmaf": vmaf(i), "ssim": 0.98, "psnr": 40.0, "identical": False} for i in indices
    ]


def pixels(file):
    from matplotlib.image import imread

    return np.round(imread(file)[..., :3] * 255).astype(int)


def where(file, colour, tolerance=25):
    """Places (row, column) of a colour, as parts of the picture's height and width."""
    picture = pixels(file)
    found = np.argwhere(np.abs(picture - np.array(colour)).max(axis=2) <= tolerance)
    return found / np.array(picture.shape[:2])


def test_a_scored_film_has_a_plot(tmp_path):
    film = footage(tmp_path / "film.mkv", 20)
    result = score(film, film, tmp_path / "s")
    plot = result.files["plot"]
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert pixels(plot).shape[1] == 960
    assert len(where(plot, BLUE)) > 300


def test_windows_that_were_not_scored_stay_blank(tmp_path):
    file = tmp_path / "plot.png"
    parts = [*range(0, 250), *range(750, 1000)]
    draw_scores(rows(parts, lambda i: 90 + 3 * math.sin(i)), Sheet("film", 40.0), FIGURES, file)
    columns = {round(float(x), 2) for _, x in where(file, BLUE)}
    left, right = 0.075, 0.965
    assert not [x for x in columns if left + 0.27 * (right - left) < x < left + 0.73 * (right - left)]
    assert [x for x in columns if x < 0.28] and [x for x in columns if x > 0.78]


def test_the_frame_where_it_goes_wrong_is_marked(tmp_path):
    file = tmp_path / "plot.png"
    draw_scores(rows(range(500)), Sheet("film", 40.0, True, 20.0, "Out of step from index 500 on"), FIGURES, file)
    marked = where(file, RED, 15)
    across = marked[marked[:, 0] > 0.2][:, 1]
    assert across == pytest.approx(0.075 + 0.5 * 0.89, abs=0.01)
    assert len(marked[marked[:, 0] < 0.12]) > 50  # the sentence above
    draw_scores(rows(range(500)), Sheet("film", 40.0), FIGURES, file)
    assert len(where(file, RED, 15)) == 0


def test_lines_lie_at_their_figures(tmp_path):
    values = [60 + 0.04 * i for i in range(1000)]
    drawn = rows(range(1000), lambda i: values[i])
    low = float(np.percentile(values, 1))
    found = sums(drawn, "vmaf", FIGURES)
    assert found == pytest.approx({"mean": 90.0, "harmonic mean": 89.5, "1 % low": low})
    assert sums(drawn, "ssim", FIGURES) == pytest.approx({"mean": 0.98, "1 % low": 0.98})
    draw_scores(drawn, Sheet("film", 40.0), FIGURES, tmp_path / "plot.png")
    dark = where(tmp_path / "plot.png", (0x34, 0x40, 0x54), 60)
    across = dark[(dark[:, 0] > 0.15) & (dark[:, 0] < 0.5) & (dark[:, 1] > 0.1) & (dark[:, 1] < 0.4)]
    height = pixels(tmp_path / "plot.png").shape[0] / 100
    # the axis goes from 101.6 down by 44.8 in 2.7 inches, below 0.7 inches of titles
    assert across[:, 0] == pytest.approx((0.7 + 2.7 * 11.6 / 44.8) / height, abs=0.006)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.97, 1.0, ["0.97", "0.98", "0.99", "1.00"]), (81, 101, ["85", "90", "95", "100"]), (0.0, 0.4, None)],
)
def test_numbers_of_an_axis_are_round(low, high, said):
    places = ticks(low, high, 5)
    assert said is None or [numeral(place, places) for place in places] == said
    assert all(low <= place <= high for place in places)
    assert len({numeral(place, places) for place in places}) == len(places) > 2


def test_a_hundred_thousand_frames_are_quick_and_small(tmp_path):
    file = tmp_path / "plot.png"
    many = rows(range(100_000), lambda i: 95 + 4 * math.sin(i * 0.37) - (30 if i == 77_777 else 0))
    began = time.process_time()
    draw_scores(many, Sheet("film", 4000.0), FIGURES, file)
    assert time.process_time() - began < 3
    assert file.stat().st_size < 400_000
    curve = reduced(many, "vmaf", True)
    assert len(curve.x) < 1000
    assert np.nanmin(curve.low) == pytest.approx(min(row["vmaf"] for row in many))  # a single bad frame is not lost
    assert np.nanmean(curve.mean) == pytest.approx(95, abs=0.1)


def test_few_frames_are_drawn_as_they_are():
    curve = reduced(rows([3, 4, 5, 9], lambda i: 80.0 + i), "vmaf", False)
    assert np.array_equal(curve.x, [3, 4, 5, np.nan, 9, 9, np.nan], equal_nan=True)
    assert np.array_equal(curve.mean, [83, 84, 85, np.nan, 89, 89, np.nan], equal_nan=True)
    assert curve.lone


def test_one_frame_is_seen(tmp_path):
    draw_scores(rows([0]), Sheet("film", 0.0), FIGURES, tmp_path / "plot.png")
    assert len(where(tmp_path / "plot.png", BLUE, 60)) > 5


def test_without_vmaf_ssim_is_drawn_large(tmp_path):
    plain = [{**row, "vmaf": None} for row in rows(range(50))]
    draw_scores(plain, Sheet("film · SSIM", 2.0), {}, tmp_path / "two.png")
    draw_scores(rows(range(50)), Sheet("film · VMAF", 2.0), FIGURES, tmp_path / "three.png")
    draw_scores([{**row, "ssim": None} for row in plain], Sheet("film", 2.0), {}, tmp_path / "one.png")
    heights = [pixels(tmp_path / f"{name}.png").shape[0] for name in ("one", "two", "three")]
    assert heights == sorted(set(heights))


def test_no_scores_make_a_small_plot_with_the_reason(tmp_path):
    draw_scores([], Sheet("film", 0.0, remark="it is 1 frame ahead"), {}, tmp_path / "a.png")
    draw_sentence("a/" + "very long key/" * 30, "VMAF not measured: $x_1 is {odd}% " * 40, tmp_path / "b.png")
    for name in "ab":
        picture = pixels(tmp_path / f"{name}.png")
        assert picture.shape[0] <= 110
        assert (picture[:, -4:] == 255).all()  # nothing runs out of the picture
        assert (picture < 128).any()


def test_a_misfit_reported_by_the_stage_is_in_its_plot(tmp_path):
    film = footage(tmp_path / "film.mkv", 40)
    video = recoded(film, tmp_path / "v.mkv", "-vf", "select=not(eq(n\\,17)),setpts=N/25/TB", *LOSSLESS)
    plot = score(film, video, tmp_path / "s", on_misaligned="report").files["plot"]
    marked = where(plot, RED, 15)
    across = marked[marked[:, 0] > 0.25][:, 1]
    assert across == pytest.approx(0.075 + 17 / 39 * 0.89, abs=0.01)


@pytest.mark.parametrize(
    ("seconds", "length", "said"),
    [(4.5, 10, "4.5 s"), (65, 120, "1:05"), (3750, 4000, "1:02:30"), (0, 4000, "0:00:00"), (600, 1200, "10:00")],
)
def test_the_clock(seconds, length, said):
    assert clock(seconds, length) == said
