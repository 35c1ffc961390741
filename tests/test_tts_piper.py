"""Piper with a voice file: a tiny one made here, in the format and with the shapes of the real ones."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from speech_help import speak, wav_of
from tiny_voice import RATE, write_voice

from stages.contract import Failure, StageError
from stages.speech.speak import Speak, SpeakSettings

pytest.importorskip("piper", reason="the optional package piper-tts is not installed")


@pytest.fixture
def voice(tmp_path):
    return str(write_voice(tmp_path / "tiny voice.onnx"))


def said(**settings):
    return {p.key: p.sentence() for p in Speak.problems(SpeakSettings(provider="piper", **settings), "tts")}


def test_a_text_is_spoken(tmp_path, voice):
    result = speak(tmp_path, "hello there, this is a test.", provider="piper", voice=voice)
    rate, samples = wav_of(result)
    assert rate == RATE
    assert len(samples) > RATE
    assert np.abs(samples).max() > 3000
    assert result.data["words"] == []
    assert result.data["voice"] == voice
    assert any("no word times" in note for note in result.notes)


def test_rate_and_volume_do_what_they_say(tmp_path, voice):
    def samples(key, **settings):
        return wav_of(speak(tmp_path, "hello there.", key, provider="piper", voice=voice, **settings))[1]

    plain, fast, slow, quiet = samples("a"), samples("b", rate=100), samples("c", rate=-50), samples("d", volume=-50)
    assert len(slow) == 2 * len(plain) == 4 * len(fast)
    assert np.abs(quiet).max() == pytest.approx(np.abs(plain).max() / 2, rel=0.02)


def test_a_row_may_name_its_own_voice(tmp_path, voice):
    other = str(write_voice(tmp_path / "other.onnx"))
    assert speak(tmp_path, "hello.", provider="piper", voice=voice, data={"voice": other}).data["voice"] == other
    config = SpeakSettings(provider="piper", voice=voice)
    assert "no voice file" in Speak.item_problem(config, {"text": "x", "voice": "gone.onnx"})


def test_the_voice_is_part_of_the_key(tmp_path, voice):
    config = SpeakSettings(provider="piper", voice=voice)
    before = Speak.tools(config)["piper-voice"]
    assert before == Speak.tools(config)["piper-voice"]
    assert len(before) == len(hashlib.sha256().hexdigest())
    Path(voice).write_bytes(Path(voice).read_bytes() + b"\0")
    assert Speak.tools(config)["piper-voice"] != before


def test_settings_are_checked_before_any_work(tmp_path, voice):
    assert not said(voice=voice)
    assert "no voice file is named" in said(voice="")["tts.voice"]
    assert "there is no voice file" in said(voice="gone.onnx")["tts.voice"]
    assert "cannot change the pitch" in said(voice=voice, pitch=5)["tts.pitch"]
    lonely = tmp_path / "lonely.onnx"
    lonely.write_bytes(b"x")
    assert "lonely.onnx.json is missing" in said(voice=str(lonely))["tts.voice"]


def test_a_damaged_voice_is_one_sentence(tmp_path, voice):
    Path(voice).write_bytes(b"not a network")
    with pytest.raises(StageError, match=r"tiny voice\.onnx: is no voice that piper can read") as caught:
        speak(tmp_path, "hello.", provider="piper", voice=voice)
    assert caught.value.failure is Failure.BAD_INPUT


def test_without_the_package_it_says_how_to_get_it(tmp_path, voice, monkeypatch):
    import sys

    for name in [name for name in sys.modules if name.split(".")[0] == "piper"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if "site-packages" not in entry])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    assert 'pip install "reeltune[piper]"' in said(voice=voice)["tts.provider"]
    with pytest.raises(StageError, match=r"tts=piper needs the package piper-tts.*pip install"):
        speak(tmp_path, "hello.", provider="piper", voice=voice)
