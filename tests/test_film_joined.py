"""Recordings that were joined, and sound of old cameras: times in order, or one sentence with the mend."""

import subprocess

import pytest
from film_help import film, held, survey, transcode
from picture_help import ffmpeg

from stages.contract import Failure, StageError
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.probe import count_packets

TS = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "12", "-c:a", "aac")


def appended(path, *parts):
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def mended(path, target):
    """As the sentence says."""
    words = [ffmpeg_binary().path, "-v", "error", "-i", path.name, "-map", "0", "-c", "copy", target.name]
    subprocess.run(words, cwd=path.parent, check=True, stdin=subprocess.DEVNULL)
    return target


@pytest.mark.parametrize("ahead_s", [0, 3000])
def test_a_clock_that_jumps_is_named_and_the_mend_mends_it(tmp_path, ahead_s):
    first = film(tmp_path / "first.ts", *TS, seconds=1)
    second = film(tmp_path / "second.ts", *TS, "-output_ts_offset", str(ahead_s), seconds=1)
    joined = appended(tmp_path / "joined.ts", first, second)
    with pytest.raises(StageError) as refused:
        survey(joined, tmp_path / "a")
    assert refused.value.failure is Failure.BAD_INPUT
    assert refused.value.sentence.startswith("joined.ts: its clock jumps from 2.")
    assert refused.value.sentence.endswith("ffmpeg -i 'joined.ts' -map 0 -c copy mended.mkv")
    made = transcode(mended(joined, tmp_path / "mended.mkv"), tmp_path / "b")
    (pictures,) = held(made.path).of("video")
    assert len(pictures) == 50
    assert pictures[-1] - pictures[0] < 2.2


def test_a_clock_that_runs_over_is_no_jump(tmp_path):
    """Times of a transport stream have 33 bits at 90 kHz: they begin anew after 26.5 hours."""
    source = film(tmp_path / "over.ts", *TS, "-output_ts_offset", "95443", seconds=2)
    made = transcode(source, tmp_path / "made")
    assert len(held(made.path).of("video")[0]) == 50
    assert not any("moved" in note for note in made.notes)


def test_a_gap_in_a_film_is_kept(tmp_path):
    source = tmp_path / "gap.mp4"
    film(source, "-c:v", "libx264", "-vf", "setpts='PTS+if(gte(N,25),20,0)/TB'", "-fps_mode", "vfr", "-an", seconds=2)
    made = transcode(source, tmp_path / "made")
    (pictures,) = held(made.path).of("video")
    assert len(pictures) == 50 and pictures[25] - pictures[24] > 20


@pytest.mark.parametrize("suffix", ["ts", "mp4"])
def test_sound_that_overlaps_itself_is_put_in_order(tmp_path, suffix):
    """Two recordings joined at the frame: the sound of the first is a little longer than its pictures."""
    parts = [film(tmp_path / f"{name}.ts", *TS, seconds=1) for name in "ab"]
    joined = mended(appended(tmp_path / "joined.ts", *parts), tmp_path / "mended.ts")
    made = transcode(joined, tmp_path / "made", container="mp4" if suffix == "mp4" else "auto")
    (sound,), (before,) = held(made.path).of("audio"), held(joined).of("audio")
    assert len(sound) == len(before)
    assert count_packets(joined)[1].disorder > 0
    assert count_packets(made.path)[1].disorder == 0
    assert any("times of its sound or subtitles go back" in note for note in made.notes)


@pytest.mark.parametrize(
    ("name", "words", "codec"),
    [
        ("talk.wmv", ("-c:v", "wmv2", "-c:a", "wmav2"), "aac"),
        ("phone.avi", ("-c:v", "mpeg4", "-c:a", "adpcm_ms"), "aac"),
        ("disc.vob", ("-c:v", "mpeg2video", "-c:a", "pcm_dvd", "-ar", "48000", "-f", "vob"), "flac"),
    ],
)
def test_sound_of_old_kinds(tmp_path, name, words, codec):
    source = film(tmp_path / name, *words)
    made = transcode(source, tmp_path / "made")
    there = held(made.path)
    assert there.codecs[there.kinds.index("audio")] == codec
    assert any(f"was converted to {codec}: mkv holds no" in note for note in made.notes)
    assert len(there.of("video")[0]) == len(held(source).of("video")[0])
    if codec == "flac":
        assert _sound(made.path) == _sound(source)


def _sound(path):
    words = ["-v", "error", "-i", str(path), "-map", "0:a", "-f", "s16le", "-"]
    return subprocess.check_output([ffmpeg_binary().path, *words])


def test_speech_of_a_phone_stays_in_mp4(tmp_path):
    source = tmp_path / "phone.3gp"
    words = ("-c:v", "h263", "-s", "176x144", "-c:a", "libopencore_amrnb", "-ar", "8000", "-ac", "1", "-b:a", "12.2k")
    try:
        ffmpeg("-f", "lavfi", "-i", "testsrc2=r=25:d=1", "-f", "lavfi", "-i", "sine=d=1", *words, source)
    except subprocess.CalledProcessError:
        pytest.skip("this FFmpeg codes no AMR")
    made = transcode(source, tmp_path / "made")
    assert made.path.suffix == ".mp4" and held(made.path).codecs == ["h264", "aac"]
