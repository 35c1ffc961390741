"""Real footage, coded again, is found to be in step. Runs where REELTUNE_MEDIA names a folder that holds it."""

import os
from pathlib import Path

import pytest
from picture_help import ffmpeg, score

from stages.contract import StageError
from stages.media.frames import timeline, track

MEDIA = os.environ.get("REELTUNE_MEDIA", "")
pytestmark = pytest.mark.skipif(not MEDIA, reason="REELTUNE_MEDIA names no folder with footage")
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "18")


def film(name: str) -> Path:
    path = Path(MEDIA, "video", name)
    if not path.is_file():
        pytest.skip(f"{name} is not there")
    return path


def coded(source: Path, target: Path, *words: str) -> Path:
    picked = ("-map", f"0:{track(source).stream}")
    ffmpeg("-i", source, *picked, "-fps_mode", "passthrough", "-enc_time_base", "demux", *words, *X264, target)
    return target


@pytest.mark.parametrize(
    ("name", "frames"),
    [
        ("sample_edit_list.mp4", 77),  # 10-bit HLG, turned, variable rate; an edit list hides 9 of 86 packets
        ("hlg10-color-test.mp4", 9),
        ("nasa_13013.mp4", 325),  # two videos
        ("nasa_13013_rotated.mp4", 17),
        ("bt601_full_range.mp4", 60),
        ("sample_with_srt.mkv", 30),
        ("test_non_zero_start.mp4", 12),
    ],
)
def test_coded_again_it_is_in_step(tmp_path, name, frames):
    source = film(name)
    video = coded(source, tmp_path / "video.mkv")
    assert timeline(source).count == timeline(video).count == frames
    result = score(source, video, tmp_path / "s")
    assert result.metrics["quality.frames"] == frames
    assert result.metrics["quality.misaligned"] == 0
    assert result.metrics["quality.vmaf_mean"] > 90
    assert not any("compared by index" in note for note in result.notes)  # nor are its times off


@pytest.mark.parametrize("name", ["sample_with_srt.mkv", "realshort.mp4", "carphone_pristine.mp4"])
def test_one_frame_lost_is_found(tmp_path, name):
    source = film(name)
    video = coded(source, tmp_path / "video.mkv", "-vf", "select=not(eq(n\\,9))")
    with pytest.raises(StageError, match=r"1 frame of the reference dropped: index (8|9|10)"):
        score(source, video, tmp_path / "s")
