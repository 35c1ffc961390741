"""Every frame keeps its time, to the unit of the file's own clock, whole and in chunks, by every encoder."""

import pytest
from film_help import SVTAV1, X264, X265, apart, film, held, transcode, vfr

B_FRAMES = ("-c:v", "libx264", "-bf", "3", "-g", "12", "-c:a", "aac")


def sources(folder):
    return {
        "b-frames.mp4": lambda p: film(p, *B_FRAMES),
        "ntsc.mp4": lambda p: film(p, *B_FRAMES, rate="30000/1001"),
        "film.mkv": lambda p: film(p, *B_FRAMES, rate="24000/1001"),
        "vfr.mp4": lambda p: vfr(p, "-c:v", "libx264", "-video_track_timescale", "1000", "-g", "10"),
        "vfr.mkv": lambda p: vfr(p, "-c:v", "libx264", "-g", "10"),
        "late.mp4": lambda p: film(p, *B_FRAMES, "-output_ts_offset", "5"),
        "fast.mp4": lambda p: film(p, *B_FRAMES, rate="240", seconds=0.5),
        "slow.mp4": lambda p: film(p, *B_FRAMES, rate="1", seconds=6),
        "intra.mov": lambda p: film(p, "-c:v", "prores", "-c:a", "pcm_s16le"),
        "old.avi": lambda p: film(p, "-c:v", "mpeg4", "-c:a", "libmp3lame"),
    }


@pytest.mark.parametrize("chunks", ["off", "1"])
@pytest.mark.parametrize("name", sources(None))
def test_every_frame_and_every_sound_keeps_its_time(tmp_path, name, chunks):
    source = sources(tmp_path)[name](tmp_path / name)
    made = transcode(source, tmp_path / "work", chunks=chunks)
    before, after = held(source), held(made.path)
    limit = 0.501 if made.path.suffix == ".mkv" else 0.0  # Matroska rounds to whole milliseconds
    assert apart(before.of("video")[0], after.of("video")[0]) <= limit
    assert after.kinds == before.kinds
    for sound, copied in zip(before.of("audio"), after.of("audio"), strict=True):
        assert apart(sound, copied) <= limit


@pytest.mark.parametrize("encoder", [X264, X265, SVTAV1], ids=["x264", "x265", "svtav1"])
def test_chunks_join_without_drift(tmp_path, encoder):
    source = film(tmp_path / "film.mp4", *B_FRAMES, seconds=9, rate="30000/1001")
    made = transcode(source, tmp_path / "work", encoder, chunks="2")
    assert len(made.pieces) >= 3
    assert apart(held(source).of("video")[0], held(made.path).of("video")[0]) == 0.0
    assert all(piece["seek"] for piece in made.pieces[1:]), "each chunk begins where it begins, not at the start"


def test_the_clock_of_a_transport_stream_begins_anywhere(tmp_path):
    source = film(tmp_path / "film.ts", "-c:v", "libx264", "-c:a", "mp2", "-muxdelay", "2")
    made = transcode(source, tmp_path / "work")
    before, after = held(source), held(made.path)
    assert after.of("video")[0][0] < 1 < before.of("video")[0][0]
    gap_before = before.of("audio")[0][0] - before.of("video")[0][0]
    gap_after = after.of("audio")[0][0] - after.of("video")[0][0]
    assert abs(gap_before - gap_after) < 0.001, "sound and picture stay together"


def test_frames_that_an_edit_list_hides_stay_hidden(tmp_path):
    whole = film(tmp_path / "whole.mp4", "-c:v", "libx264", "-g", "50", "-c:a", "aac")
    cut = tmp_path / "cut.mp4"
    from picture_help import ffmpeg

    ffmpeg("-ss", "0.6", "-i", whole, "-c", "copy", cut)
    before = held(cut)
    made = transcode(cut, tmp_path / "work")
    assert len(before.of("video")[0]) == 35
    assert apart(before.of("video")[0], held(made.path).of("video")[0]) == 0.0
