"""quality.speech: the scores mean what they should, whatever the delay, and say why when there is none."""

import importlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages.audio.encode import EncodeAudio, EncodeAudioSettings
from stages.contract import Result, StageError
from stages.quality.speech import ScoreSpeech, ScoreSpeechSettings, delay
from tests.audio_material import babble, work_on, write_wav

RATE = 22050
needs_pesq = pytest.mark.skipif(importlib.util.find_spec("pesq") is None, reason="pesq is optional")


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    return babble(4.0)


def score(tmp_path: Path, speech: Path, audio: Path, **settings) -> Result:
    return ScoreSpeech(ScoreSpeechSettings(**settings)).run(work_on(tmp_path, speech=speech, audio=audio))


def encoded(tmp_path: Path, speech: Path, bitrate: str, backend: str) -> Path:
    work = replace(work_on(tmp_path, speech=speech), scratch=tmp_path / bitrate)
    work.scratch.mkdir()
    return EncodeAudio(EncodeAudioSettings(bitrate=bitrate, backend=backend)).run(work).files["audio"]


@needs_pesq
def test_identical_files_score_full(tmp_path: Path, voice: np.ndarray):
    file = write_wav(tmp_path / "a.wav", voice)
    result = score(tmp_path, file, file)
    assert result.metrics["quality.pesq"] == pytest.approx(4.644, abs=0.01)
    assert result.metrics["quality.stoi"] == pytest.approx(1.0, abs=1e-4)
    assert result.metrics["quality.delay_ms"] == 0
    assert result.notes == []


@needs_pesq
@pytest.mark.parametrize("backend", ["av", "ffmpeg"])
def test_a_higher_bitrate_scores_higher(tmp_path: Path, voice: np.ndarray, backend: str):
    speech = write_wav(tmp_path / "a.wav", voice)
    low = score(tmp_path, speech, encoded(tmp_path, speech, "24k", backend)).metrics
    high = score(tmp_path, speech, encoded(tmp_path, speech, "192k", backend)).metrics
    assert low["quality.pesq"] < high["quality.pesq"] - 0.2
    assert low["quality.stoi"] < high["quality.stoi"]
    assert high["quality.pesq"] > 4.5
    assert abs(high["quality.delay_ms"]) < 1


@needs_pesq
def test_a_delay_changes_no_score(tmp_path: Path, voice: np.ndarray):
    noisy = voice + 0.01 * np.random.default_rng(3).standard_normal(len(voice))
    speech = write_wav(tmp_path / "a.wav", voice)
    prompt, late = write_wav(tmp_path / "b.wav", noisy), np.concatenate([np.zeros(int(0.05 * RATE)), noisy])
    first = score(tmp_path, speech, prompt).metrics
    second = score(tmp_path, speech, write_wav(tmp_path / "c.wav", late)).metrics
    assert first["quality.pesq"] < 4
    assert second["quality.pesq"] == pytest.approx(first["quality.pesq"], abs=0.05)
    assert second["quality.stoi"] == pytest.approx(first["quality.stoi"], abs=0.005)
    assert second["quality.delay_ms"] == pytest.approx(50, abs=1)


@pytest.mark.parametrize("milliseconds", [-120, -3, 0, 1, 23, 48.5, 400])
def test_the_delay_is_found_within_a_millisecond(voice: np.ndarray, milliseconds: float):
    shift = round(milliseconds * 16)
    sound = babble(3.0, 16000, seed=5).astype(np.float32)
    other = np.concatenate([np.zeros(shift, np.float32), sound]) if shift >= 0 else sound[-shift:]
    other = other * 0.3 + 0.002 * np.random.default_rng(1).standard_normal(len(other)).astype(np.float32)
    found, match = delay(sound, other, 8000)
    assert found / 16 == pytest.approx(milliseconds, abs=1)
    assert match > 0.9


def test_a_sound_that_is_not_this_speech_is_not_scored(tmp_path: Path, voice: np.ndarray):
    speech = write_wav(tmp_path / "a.wav", voice)
    other = write_wav(tmp_path / "b.wav", 0.2 * np.random.default_rng(2).standard_normal(len(voice)))
    result = score(tmp_path, speech, other)
    assert result.metrics == {}
    assert "do not sound alike" in result.notes[0]


@pytest.mark.parametrize(("sound", "word"), [(np.zeros(RATE * 2), "silent"), (0.1 * np.ones(RATE // 4), "shorter")])
def test_silent_or_short_speech_gives_a_note_and_no_score(tmp_path: Path, sound: np.ndarray, word: str):
    file = write_wav(tmp_path / "a.wav", sound)
    result = score(tmp_path, file, file)
    assert result.metrics == {}
    assert word in result.notes[0]


def test_hardly_any_speech_gives_notes_not_numbers_out_of_range(tmp_path: Path):
    sound = np.zeros(RATE)
    sound[5000:6500] = 0.3 * np.sin(np.arange(1500) * 0.1)
    file = write_wav(tmp_path / "a.wav", sound)
    result = score(tmp_path, file, file)
    assert "quality.stoi" not in result.metrics
    assert any(note.startswith("quality.stoi unavailable") for note in result.notes)
    assert all(np.isfinite(value) for value in result.metrics.values())


def test_without_pesq_the_other_scores_are_there_and_it_is_said(tmp_path: Path, voice: np.ndarray, monkeypatch):
    monkeypatch.setitem(sys.modules, "pesq", None)  # what an import finds where the package is not installed
    file = write_wav(tmp_path / "a.wav", voice)
    result = score(tmp_path, file, file)
    assert "quality.pesq" not in result.metrics
    assert result.metrics["quality.stoi"] == pytest.approx(1.0, abs=1e-4)
    assert result.notes[0].startswith("quality.pesq unavailable: ")


@needs_pesq
def test_long_speech_is_scored_on_a_window(tmp_path: Path, voice: np.ndarray):
    sound = np.concatenate([np.zeros(RATE * 4), voice, np.zeros(RATE * 4)])
    spoiled = sound.copy()
    spoiled[: RATE * 3] = 0.2 * np.random.default_rng(2).standard_normal(RATE * 3)
    speech, audio = write_wav(tmp_path / "a.wav", sound), write_wav(tmp_path / "b.wav", spoiled)
    assert score(tmp_path, speech, audio, window_s=4).metrics["quality.pesq"] > 4.6
    assert score(tmp_path, speech, audio, window_s=12).metrics["quality.pesq"] < 4


def test_what_is_no_sound_is_one_sentence(tmp_path: Path, voice: np.ndarray):
    (tmp_path / "b.wav").write_text("no sound")
    with pytest.raises(StageError, match=r"b\.wav"):
        score(tmp_path, write_wav(tmp_path / "a.wav", voice), tmp_path / "b.wav")
