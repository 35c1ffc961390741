"""Probing: what a file holds, in integers, and one clear sentence about what is wrong with it."""

import struct
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from stages.contract import Failure, StageError
from stages.media.audio_io import count_samples, open_sound, read_mono
from stages.media.command import argv, input_file, output_file
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.mp4 import is_faststart, outer_boxes
from stages.media.probe import count_packets, damage, probe
from stages.media.processes import run_process
from tests.audio_material import babble, write_wav


@pytest.fixture
def film(tmp_path: Path) -> Path:
    import ffmpeg

    picture = ffmpeg.input("testsrc2=s=64x48:r=30000/1001:d=1.001", f="lavfi")
    tone = ffmpeg.input("sine=440:r=44100:d=1", f="lavfi")
    path = tmp_path / "film.mp4"
    output = output_file(
        [picture, tone], path, vcodec="libx264", acodec="aac", movflags="+faststart", metadata="title=Ünï"
    )
    run_process(argv(ffmpeg_binary().path, output), timeout_s=30)
    return path


def test_streams_and_tags(film: Path):
    info = probe(film)
    video, audio = info.first("video"), info.first("audio")
    assert (video.codec, video.width, video.height) == ("h264", 64, 48)
    assert (audio.codec, audio.rate, audio.channels, audio.layout) == ("aac", 44100, 1, "mono")
    assert info.tags["title"] == "Ünï"
    assert info.seconds(video) == Fraction(1001, 1000)


def test_packets_are_counted_exactly(film: Path):
    video = count_packets(film)[0]
    assert (video.count, video.seconds, video.disorder) == (30, Fraction(30 * 1001, 30000), 0)


def test_a_missing_kind_is_named(tmp_path: Path):
    with pytest.raises(StageError, match=r"a\.wav: holds no video"):
        probe(write_wav(tmp_path / "a.wav", babble(0.5))).first("video")


def test_samples_are_counted_exactly(tmp_path: Path):
    path = write_wav(tmp_path / "a.wav", np.zeros(12345))
    assert count_samples(path) == (12345, 22050)
    with open_sound(path) as sound:
        assert sound.expected == 12345
        stamps = [(frame.pts, frame.samples) for frame in sound.frames()]
    assert stamps[0][0] == 0
    assert all(a[0] + a[1] == b[0] for a, b in pairwise(stamps))


def test_reading_is_bounded_and_keeps_the_level(tmp_path: Path):
    tone = 0.5 * np.sin(np.arange(44100 * 2) * 0.05)
    path = write_wav(tmp_path / "a.wav", np.stack([tone, tone]), 44100)
    samples = read_mono(path, 16000, seconds=1.0)
    assert samples.shape == (16000,)
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.01)


def refuse(path: Path) -> str:
    with pytest.raises(StageError) as caught:
        probe(path)
    assert caught.value.failure is Failure.BAD_INPUT
    assert "\n" not in caught.value.sentence
    assert path.name in caught.value.sentence
    return caught.value.sentence


def test_what_is_no_media_is_said_in_a_sentence(tmp_path: Path, film: Path):
    (tmp_path / "text.mp4").write_text("hello " * 100)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "cut.mp4").write_bytes(film.read_bytes()[:40])
    assert "no media file" in refuse(tmp_path / "text.mp4")
    assert "empty" in refuse(tmp_path / "empty.mp4")
    assert "cut off" in refuse(tmp_path / "cut.mp4")
    assert "no such file" in refuse(tmp_path / "gone.mp4")
    assert "folder" in refuse(tmp_path)


def test_a_recording_that_never_got_its_index_is_recognised(tmp_path: Path, film: Path):
    data = film.read_bytes()
    boxes = [box for box in outer_boxes(film) if box.name in {"ftyp", "mdat"}]
    (tmp_path / "noindex.mp4").write_bytes(b"".join(data[box.start : box.start + box.size] for box in boxes))
    assert "moov" in refuse(tmp_path / "noindex.mp4")


def test_a_whole_file_has_no_damage(film: Path):
    assert damage(film) == []


def test_a_file_cut_off_after_its_index_is_told(film: Path):
    film.write_bytes(film.read_bytes()[:-500])
    assert any("is cut off, 500 bytes of 'mdat'" in sentence for sentence in damage(film))


def test_damage_inside_is_counted(film: Path):
    data = bytearray(film.read_bytes())
    mdat = next(box for box in outer_boxes(film) if box.name == "mdat")
    data[mdat.start + mdat.size // 3 : mdat.start + mdat.size * 2 // 3] = b"\xff" * (mdat.size // 3)
    film.write_bytes(data)
    assert any("cannot be decoded" in sentence for sentence in damage(film))


def test_an_unknown_codec_is_named(film: Path):
    film.write_bytes(film.read_bytes().replace(b"mp4a", b"zzzz").replace(b"esds", b"free"))
    assert any("no known codec" in sentence for sentence in damage(film))


def test_faststart_is_told_from_the_boxes(tmp_path: Path, film: Path):
    slow = tmp_path / "slow.mp4"
    run_process(argv(ffmpeg_binary().path, output_file([input_file(film)], slow, c="copy")), timeout_s=20)
    assert is_faststart(film)
    assert not is_faststart(slow)


def test_boxes_with_64_bit_sizes_and_to_the_end_of_the_file(tmp_path: Path):
    ftyp, moov = struct.pack(">I4s8s", 16, b"ftyp", b"isom0000"), struct.pack(">I4s", 8, b"moov")
    path = tmp_path / "big.mp4"
    path.write_bytes(
        ftyp + moov + struct.pack(">I4sQ", 1, b"free", 24) + b"12345678" + struct.pack(">I4s", 0, b"mdat") + b"xyz"
    )
    assert [(box.name, box.size) for box in outer_boxes(path)] == [
        ("ftyp", 16),
        ("moov", 8),
        ("free", 24),
        ("mdat", 11),
    ]
    assert is_faststart(path)


def test_a_file_that_ends_inside_a_box_is_refused(tmp_path: Path, film: Path):
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(film.read_bytes()[:-10])
    with pytest.raises(StageError, match="10 bytes of 'mdat' are missing"):
        is_faststart(cut)
