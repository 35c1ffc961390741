"""Word times by listening: the offline voice laid over another's speech, whose true times are known."""

import wave

import numpy as np
import pytest
from speech_help import speak, wav_of

from stages.caption.align import AlignError, voice_for
from stages.caption.sound import STEP_S
from stages.caption.times import word_times
from stages.caption.tokens import tokens_of
from stages.caption.warp import warp_path

ENGLISH = (
    "Deep under the ice of Antarctica lies a lake that nobody has ever seen. It is called Vostok, and it has been cut "
    "off from the world for fifteen million years. In 2012, after two decades of drilling, engineers finally reached "
    "its surface. What they found changed our idea of where life can exist: bacteria, fungi, even traces of animals!"
)
GERMAN = "Am Anfang war der Wald. Er reichte von Meer zu Meer, und niemand wusste, wo er endet. Im Jahr 1920."


def errors_ms(tmp_path, text, language="", **voice):
    """How far the found start of each word is from the true one."""
    said = speak(tmp_path, text, **voice)
    words = [token.text for token in tokens_of(text)]
    true = word_times(words, said.data["words"], said.files["speech"])
    found = word_times(words, [], said.files["speech"], language)
    assert (true.source, found.source) == ("provider", "aligned")
    return 1000 * np.abs([a[0] - b[0] for a, b in zip(found.spans, true.spans, strict=True)])


@pytest.mark.parametrize(
    ("text", "language", "voice"),
    [
        (ENGLISH, "en", {"voice": "en-us+f3", "rate": -20}),
        (ENGLISH, "en-US", {"voice": "en-gb+m3", "rate": 25, "pitch": 20}),
        (ENGLISH, "", {"voice": "fr-fr", "rate": 0}),
        (GERMAN, "de-DE", {"voice": "de+f2", "rate": 35}),
    ],
)
def test_words_start_where_another_voice_says_them(tmp_path, text, language, voice):
    errors = errors_ms(tmp_path, text, language, **voice)
    assert np.median(errors) <= 40 and np.percentile(errors, 95) <= 120


def test_a_voice_with_other_formants_in_a_noisy_room(tmp_path):
    """Played 18 % faster (pitch and formants rise), with an echo and noise; its own times shrink alike."""
    said = speak(tmp_path, ENGLISH, voice="en-us+f3", rate=-15)
    rate, samples = wav_of(said)
    voice = np.interp(np.arange(0, len(samples), 1.18), np.arange(len(samples)), samples / 32768)
    echo = np.pad(voice, (int(0.06 * rate), 0))[: len(voice)]
    noisy = voice + 0.35 * echo + np.random.default_rng(1).normal(0, 0.01, len(voice))
    other = tmp_path / "other.wav"
    with wave.open(str(other), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((np.clip(noisy, -1, 1) * 32767).astype("<i2").tobytes())
    words = [token.text for token in tokens_of(ENGLISH)]
    true = word_times(words, said.data["words"], said.files["speech"]).spans
    found = word_times(words, None, other, "en").spans
    errors = 1000 * np.abs([a[0] - b[0] / 1.18 for a, b in zip(found, true, strict=True)])
    assert np.median(errors) <= 40 and np.percentile(errors, 95) <= 120


@pytest.mark.parametrize("pause_s", [0.8, 9.0])
def test_a_speaker_who_pauses_where_the_offline_voice_does_not(tmp_path, pause_s):
    """Silence is put in before every sixth word: far more than a band along the diagonal could follow."""
    said = speak(tmp_path, ENGLISH, voice="en-gb+m3", rate=15)
    rate, samples = wav_of(said)
    words = [token.text for token in tokens_of(ENGLISH)]
    true = word_times(words, said.data["words"], said.files["speech"]).spans
    cuts = range(6, len(words), 6)
    places = [int((true[cut][0] - 0.005) * rate) for cut in cuts]
    paused = tmp_path / "paused.wav"
    with wave.open(str(paused), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        hush = np.zeros(int(pause_s * rate), "<i2")
        file.writeframes(np.concatenate([np.append(part, hush) for part in np.split(samples, places)]).tobytes())
    found = word_times(words, None, paused, "en").spans
    shifts = [pause_s * sum(number >= cut for cut in cuts) for number in range(len(words))]
    errors = 1000 * np.abs([a[0] - b[0] - c for a, b, c in zip(found, true, shifts, strict=True)])
    assert np.median(errors) <= 40 and np.percentile(errors, 95) <= 120


def test_a_language_without_a_voice_is_counted_out_and_told(tmp_path):
    said = speak(tmp_path, "One two three, four five. Six seven.")
    words = ["One", "two", "three,", "four", "five.", "Six", "seven."]
    found = word_times(words, [], said.files["speech"], "xx-YY")
    assert found.source == "spread" and "xx-YY" in found.notes[0]
    starts = [start for start, _ in found.spans]
    assert starts == sorted(starts) and starts[0] < 0.15
    assert 0.8 * said.data["duration_s"] < found.spans[-1][1] <= said.data["duration_s"] + STEP_S


def test_counted_words_lie_where_somebody_speaks(tmp_path):
    """Two seconds of silence in the middle hold no word's start."""
    rate, samples = wav_of(speak(tmp_path, "banana banana banana"))
    voice = samples[np.flatnonzero(np.abs(samples) > 300)[0] : np.flatnonzero(np.abs(samples) > 300)[-1]]
    gapped = tmp_path / "gapped.wav"
    with wave.open(str(gapped), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(np.concatenate([voice, np.zeros(2 * rate, "<i2"), voice]).tobytes())
    spans = word_times(["banana"] * 6, [], gapped, "xx").spans
    first, second = len(voice) / rate, len(voice) / rate + 2
    assert not any(first + 0.1 < start < second - 0.1 for start, _ in spans)
    assert sum(start < first for start, _ in spans) == 3 == sum(start >= second - 0.1 for start, _ in spans)


def test_silence_and_a_text_without_words_come_to_an_end(tmp_path):
    silence = tmp_path / "silence.wav"
    with wave.open(str(silence), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(32000))
    for words in (["hello", "there"], ["🎉"]):
        found = word_times(words, [], silence)
        assert len(found.spans) == len(words) and all(0 <= a <= b <= 1.01 for a, b in found.spans)


@pytest.mark.parametrize(
    ("text", "language", "voice"),
    [("x", "pt-BR", "pt-br"), ("x", "zh-CN", "cmn"), ("x", "en-AU", "en-us"), ("x", "fr", "fr-fr"),
     ("Привет", "", "ru"), ("こんにちは世界", "", "ja"), ("你好", "", "cmn"),
     ("שלום", "", "he"), ("hello", "", "en-us")],
)  # fmt: skip
def test_the_voice_of_a_language(text, language, voice):
    assert voice_for(text, language) == voice


def test_a_language_that_nobody_speaks_is_named():
    with pytest.raises(AlignError, match="'xx'"):
        voice_for("x", "xx")


def test_warping_finds_a_known_path():
    """A curve played with a changing speed: each moment is found again, also when seen from afar first."""
    time = np.linspace(0, 1, 3000)
    bent = time + 0.05 * np.sin(2 * np.pi * time)
    curves = lambda t: np.stack([np.sin(60 * t**1.5), np.cos(47 * t), np.sin(31 * t + 1)], axis=1).astype(np.float32)  # noqa: E731
    ends = warp_path(curves(bent), curves(time))
    path = ends.mean(axis=1)
    assert np.all(ends[1:, 0] - ends[:-1, 1] >= 0) and np.all(ends[1:, 0] - ends[:-1, 1] <= 1)
    assert ends[0, 0] == 0 and ends[-1, 1] == 2999
    assert np.abs(path / 2999 - bent).max() < 0.004
