"""The sanity set of scores: the same is perfect, and what is out of step is named, never scored low in silence."""

import pytest
from picture_help import LOSSLESS, PICTURES, footage, recoded, rows_of, score

from stages.contract import Failure, StageError
from stages.media.pooling import PSNR_CAP

STAMP = "setpts=N/25/TB"
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-pix_fmt", "yuv420p")
FAULTS = {
    "one dropped": ("select=not(eq(n\\,17))", "1 frame of the reference dropped: index 17", 17),
    "one doubled": ("loop=loop=1:size=1:start=17", "1 frame doubled or put in: index 17", 17),
    "two dropped": ("select=not(between(n\\,8\\,9))", "2 frames of the reference dropped: index 8", 8),
    "last missing": ("trim=end_frame=39", "has 39 frames, the reference 40: it ends after index 38", 39),
    "first missing": ("trim=start_frame=1", "has 39 frames, the reference 40: frames are out of step", 0),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("sanity")


@pytest.fixture(scope="module")
def reference(home):
    return footage(home / "reference.mkv", 40)


@pytest.fixture(scope="module")
def good(home, reference):
    return score(reference, recoded(reference, home / "good.mp4", *X264), home / "good").metrics


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv420p10le"])
def test_identical_footage_that_moves(tmp_path, pixels):
    film = footage(tmp_path / "film.mkv", 60, PICTURES.replace("160x96", "320x180"), (*LOSSLESS, "-pix_fmt", pixels))
    result = score(film, film, tmp_path / "s")
    assert result.metrics["quality.vmaf_mean"] >= 99.9
    assert result.metrics["quality.ssim"] == 1.0
    assert result.metrics["quality.psnr"] == PSNR_CAP
    assert result.data["quality"]["psnr_infinite"] is True
    assert any("PSNR is infinite" in note for note in result.notes)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_in_a_lossy_encode(reference, good, tmp_path, fault):
    filters, sentence, index = FAULTS[fault]
    video = recoded(reference, tmp_path / "video.mp4", "-vf", f"{filters},{STAMP}", *X264)
    with pytest.raises(StageError) as refused:
        score(reference, video, tmp_path / "fail")
    assert refused.value.failure is Failure.BAD_INPUT
    assert sentence in refused.value.sentence
    told = score(reference, video, tmp_path / "report", on_misaligned="report")
    assert told.metrics["quality.misaligned"] > 0
    assert sentence in told.data["quality"]["misaligned"]
    rows = rows_of(told)
    assert abs(len(rows) - index) <= 1
    if rows:
        assert told.metrics["quality.vmaf_mean"] > good["quality.vmaf_mean"] - 3
    else:
        assert "quality.vmaf_mean" not in told.metrics


@pytest.mark.parametrize(
    ("first", "said"), [(3, "1 frame ahead"), (4, "2 frames ahead"), (1, "1 frame behind"), (0, "2 frames behind")]
)
def test_a_shift_from_the_start_is_named(tmp_path, first, said):
    film = footage(tmp_path / "film.mkv", 44)
    trim = "trim=start_frame={0}:end_frame={1}," + STAMP
    reference = recoded(film, tmp_path / "reference.mkv", "-vf", trim.format(2, 42), *LOSSLESS)
    video = recoded(film, tmp_path / "video.mp4", "-vf", trim.format(first, first + 40), *X264)
    with pytest.raises(StageError, match=f"it is {said} from its first frame on"):
        score(reference, video, tmp_path / "s")
    told = score(reference, video, tmp_path / "t", on_misaligned="report")
    assert rows_of(told) == []
    assert "quality.vmaf_mean" not in told.metrics


def test_a_fault_between_windows_is_named_where_it_is_seen(tmp_path):
    film = footage(tmp_path / "film.mkv", 120)
    filters = f"select=not(eq(n\\,40)),tpad=stop_mode=clone:stop=1,{STAMP}"
    video = recoded(film, tmp_path / "video.mp4", "-vf", filters, *X264)
    with pytest.raises(StageError, match=r"1 frame ahead at index 8[0-9], since that or an earlier one"):
        score(film, video, tmp_path / "s", windows=2, window_s=0.6)


def test_the_same_frames_at_a_variable_rate_are_compared_by_index(reference, tmp_path):
    uneven = recoded(reference, tmp_path / "vfr.mkv", "-vf", "setpts=(N+0.6*mod(N\\,3))/25/TB", *LOSSLESS)
    for number, (left, right) in enumerate(((reference, uneven), (uneven, reference))):
        result = score(left, right, tmp_path / str(number))
        assert result.metrics["quality.psnr"] == PSNR_CAP
        assert any("compared by index" in note for note in result.notes)


@pytest.mark.parametrize(
    "change",
    [
        "crop=156:92,scale=160:96",  # a slight zoom that nobody told of
        "crop=152:96:8:0,scale=160:96",
        "scale=in_range=limited:out_range=full",  # another range, and not tagged so
        "scale=in_range=full:out_range=limited",
        "eq=brightness=0.08:contrast=0.9",
        "gblur=sigma=2",
    ],
)
def test_what_looks_different_is_not_called_out_of_step(reference, good, tmp_path, change):
    words = ("-vf", change, *X264, "-color_range", "tv")
    result = score(reference, recoded(reference, tmp_path / "video.mkv", *words), tmp_path / "s")
    assert result.metrics["quality.misaligned"] == 0
    assert result.metrics["quality.frames"] == 40
    assert result.metrics["quality.psnr"] < good["quality.psnr"]
