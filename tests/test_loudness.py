"""Loudness: the numbers of BS.1770, honest answers for silence, and normalising that never clips."""

from pathlib import Path

import numpy as np
import pytest

from stages.audio.encode import EncodeAudio, EncodeAudioSettings
from stages.audio.levels import gain_to
from stages.media.command import argv, input_file
from stages.media.ffmpeg import ffmpeg_binary
from stages.media.loudness import Loudness, measure_file, measure_pcm
from stages.media.processes import run_process
from tests.audio_material import babble, read_planes, work_on, write_wav

BOTH = pytest.mark.parametrize("backend", ["av", "ffmpeg"])


def sine(db: float, rate: int = 48000, seconds: float = 2.0, hertz: float = 997.0) -> np.ndarray:
    return 10 ** (db / 20) * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize("rate", [16000, 22050, 44100, 48000])
def test_a_full_scale_sine_on_one_channel_is_minus_3_lufs(rate: int):
    """BS.1770, 2.1: a 0 dBFS, 997 Hz sine on one front channel reads −3.01 LKFS."""
    assert measure_pcm(sine(0, rate), rate).lufs == pytest.approx(-3.01, abs=0.1)
    assert measure_pcm(sine(-20, rate), rate).lufs == pytest.approx(-23.01, abs=0.1)


def test_two_channels_and_dual_mono_are_3_lu_louder():
    tone = sine(-20)
    both = measure_pcm(np.stack([tone, tone]), 48000).lufs
    assert both == pytest.approx(-20, abs=0.1)
    assert measure_pcm(tone, 48000, dual_mono=True).lufs == pytest.approx(both, abs=0.01)


def test_silence_between_speech_is_gated_out():
    speech, silence = babble(4.0), np.zeros(22050 * 8)
    alone = measure_pcm(speech, 22050).lufs
    assert measure_pcm(np.concatenate([silence, speech, silence]), 22050).lufs == pytest.approx(alone, abs=0.5)


def test_true_peak_lies_between_the_samples():
    """A sine at a quarter of the rate, sampled 45° off its peaks: samples at −3.01 dBFS, true peak 0 dBTP."""
    samples = np.sin(2 * np.pi * 0.25 * np.arange(96000) + np.pi / 4)
    assert 20 * np.log10(np.abs(samples).max()) == pytest.approx(-3.01, abs=0.01)
    assert measure_pcm(samples * np.hanning(96000), 48000).true_peak_db == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize("where", [0.3, 0.999])
def test_a_peak_anywhere_is_seen_also_in_the_last_tenth_of_a_second(where: float):
    sound = sine(-30, 22050, 1.03)
    at = int(where * len(sound)) - 5
    sound[at : at + 4] = 0.7  # so sharp an edge rings above its samples
    assert measure_pcm(sound, 22050).true_peak_db == pytest.approx(20 * np.log10(0.7), abs=2)


def test_the_meter_agrees_with_the_program_and_with_another_library(tmp_path: Path):
    path = write_wav(tmp_path / "a.wav", babble(3.0, 48000), 48000)
    ours = measure_file(path)
    stream = input_file(path).audio.filter("ebur128", peak="true")
    words = argv(ffmpeg_binary().path, _null(stream), level="info")
    summary = run_process(words).stderr.split("Summary:")[1].split()
    assert ours.lufs == pytest.approx(float(summary[summary.index("I:") + 1]), abs=0.1)
    assert ours.true_peak_db == pytest.approx(float(summary[summary.index("Peak:") + 1]), abs=0.1)
    meter = pytest.importorskip("pyloudnorm").Meter(48000)
    assert ours.lufs == pytest.approx(
        meter.integrated_loudness(read_planes(path, 48000, "mono")[0].astype(float)), abs=0.1
    )


def _null(stream):
    import ffmpeg

    return ffmpeg.output(stream, "pipe:", format="null")


@pytest.mark.parametrize(
    ("sound", "word"), [(np.zeros(48000), "silent"), (np.zeros(10), "shorter"), (sine(-10, seconds=0.3), "shorter")]
)
def test_silent_and_short_sound_has_a_note_and_no_number(sound: np.ndarray, word: str):
    result = measure_pcm(sound, 48000)
    assert result.lufs is None
    assert word in result.note


def test_the_gain_is_linear_until_it_would_pass_the_peak():
    assert gain_to(Loudness(-23.0, -12.0), -16, -1.5).limit_db is None
    limited = gain_to(Loudness(-23.0, -4.0), -16, -1.5)
    assert (limited.db, limited.limit_db) == (7.0, -1.5)
    assert "limiter" in limited.note
    assert gain_to(Loudness(None, None, "silent"), -16, -1.5).db == 0


def normalized(tmp_path: Path, sound: np.ndarray, backend: str, **settings):
    speech = write_wav(tmp_path / "a.wav", sound)
    stage = EncodeAudio(EncodeAudioSettings(normalize=True, backend=backend, **settings))
    work = work_on(tmp_path, speech=speech)
    result = stage.run(work)
    stage.verify(work, result)
    return result, measure_file(result.files["audio"])


@BOTH
@pytest.mark.parametrize("channels", [1, 2])
def test_quiet_speech_reaches_the_target(tmp_path: Path, backend: str, channels: int):
    result, heard = normalized(tmp_path, 0.02 * babble(3.0), backend, channels=channels, target_lufs=-23.0)
    assert heard.lufs == pytest.approx(-23, abs=0.3)
    assert result.metrics["quality.lufs"] == pytest.approx(heard.lufs, abs=0.2)
    assert result.notes == []


@BOTH
@pytest.mark.parametrize("planes", [2, 6])
def test_the_target_holds_after_channels_are_mixed(tmp_path: Path, backend: str, planes: int):
    voice = 0.05 * babble(3.0)
    sides = [0.3 * np.roll(voice, 1000 * n) for n in range(planes - 1)]
    _, heard = normalized(tmp_path, np.stack([voice, *sides]), backend, channels=planes // 3 or 1, target_lufs=-23.0)
    assert heard.lufs == pytest.approx(-23, abs=0.4)


@BOTH
def test_the_gain_is_one_number_for_the_whole_sound(tmp_path: Path, backend: str):
    sound = 0.05 * babble(3.0)
    result, _ = normalized(tmp_path, sound, backend, target_lufs=-24.0)
    plain, loud = read_planes(tmp_path / "a.wav", layout="mono")[0], read_planes(result.files["audio"])[0]
    n = min(len(plain), len(loud))
    ratio = np.dot(plain[:n], loud[:n]) / np.dot(plain[:n], plain[:n])
    assert np.std(loud[:n] - ratio * plain[:n]) < 0.03 * np.std(loud)


@BOTH
def test_peaky_speech_is_limited_not_clipped_and_it_is_said(tmp_path: Path, backend: str):
    result, heard = normalized(tmp_path, babble(3.0), backend, target_lufs=-14.0, true_peak_db=-1.5)
    assert any("limiter" in note for note in result.notes)
    assert heard.true_peak_db < -0.5  # the codec itself may overshoot the limit by some tenths
    assert heard.lufs == pytest.approx(-14, abs=2)
    if backend == "av":
        assert result.metrics["quality.true_peak_db"] <= -1.5 + 0.1


@BOTH
def test_silence_is_left_alone(tmp_path: Path, backend: str):
    result, heard = normalized(tmp_path, np.zeros(44100), backend)
    assert any("level unchanged" in note for note in result.notes)
    assert heard.lufs is None
