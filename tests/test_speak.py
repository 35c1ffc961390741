"""The offline voice, and what the stage says about texts and settings, without the runner."""

import dataclasses
import hashlib
import subprocess
import sys

import numpy as np
import pytest
from omegaconf import OmegaConf
from speech_help import sane_words, speak, texts_of, wav_of, work

from stages.contract import Failure, StageError
from stages.platform.limits import usable_cpus
from stages.registry import stage_class
from stages.settings import output_settings, range_problems
from stages.speech import espeak_ng
from stages.speech.provider import provider_class, provider_names
from stages.speech.settings import SpeakSettings
from stages.speech.speak import Speak
from stages.speech.wav import WavWriter


def problems(**settings):
    return {p.key: p for p in Speak.problems(SpeakSettings(**settings), "tts")}


def level(samples, rate, start, end):
    part = samples[int(start * rate) : int(end * rate)].astype(float)
    return float(np.sqrt(np.mean(part**2)))


def test_the_registry_finds_it_and_all_providers():
    assert stage_class("speech.speak") is Speak
    assert provider_names() == ("edge", "espeak", "jobs", "openai", "piper")
    assert all(provider_class(name).__module__.endswith(name) for name in provider_names())
    with pytest.raises(LookupError):
        provider_class("../espeak")


def test_unused_providers_are_not_imported():
    code = (
        "import sys; from stages.speech.speak import Speak; from stages.speech.settings import SpeakSettings;"
        "s = Speak(SpeakSettings()); s.open(); Speak.tools(s.config);"
        "print([m for m in sys.modules if m.split('.')[0] in ('aiohttp', 'edge_tts', 'piper', 'av', 'onnxruntime')"
        " or m.endswith(('providers.edge', 'providers.openai', 'providers.piper'))])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_a_text_becomes_a_wav_with_word_times(tmp_path):
    result = speak(tmp_path, "Hello world. This is a well-known test, isn't it?")
    rate, samples = wav_of(result)
    assert rate == 22050
    assert result.data["duration_s"] == pytest.approx(len(samples) / rate, abs=1e-3)
    assert result.data["voice"] == "en-us"
    assert texts_of(result) == ["Hello", "world", "This", "is", "a", "well-known", "test", "isn't", "it"]
    assert result.metrics["speech.audio_s"] == pytest.approx(result.data["duration_s"], abs=1e-3)
    assert 5 < result.metrics["speech.chars_per_s"] < 25
    assert not result.notes


def test_word_times_are_where_the_sound_is(tmp_path):
    result = speak(tmp_path, "One. Two. Three.")
    rate, samples = wav_of(result)
    rows = sane_words(result)
    for (_, start, end), following in zip(rows, [*rows[1:], None], strict=True):
        assert level(samples, rate, start, end) > 500
        if following:  # the pause after the full stop is no part of the word
            assert following[1] - end > 0.1
            assert level(samples, rate, end + 0.05, following[1] - 0.02) < 100


def test_the_same_text_gives_the_same_samples(tmp_path):
    def digest(text, key):
        return hashlib.sha256(speak(tmp_path, text, key).files["speech"].read_bytes()).hexdigest()

    first = digest("A sentence with some words in it.", "a")
    other = digest("Something else, in between, changes nothing.", "b")
    assert digest("A sentence with some words in it.", "c") == first != other


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Emoji 😀 and more", ["Emoji", "😀", "and", "more"]),
        ("a < b & c > d <b>bold</b> &amp; done", ["a", "b", "&", "c", "d", "b>bold</b", "amp", "done"]),
        ("[[h@l'oU]] \\ {x} $(rm) `ls`", None),
        ("tab\there\r\n\r\nnew\u2028line\x07 end", ["tab", "here", "new", "line", "end"]),
        ("Straße café naïve 1,234.56 dollars", ["Straße", "café", "naïve", "1,234.56", "dollars"]),
        ("combining e\u0301 and \U0001f468\u200d\U0001f469\u200d\U0001f467 family", None),
    ],
)
def test_any_unicode_is_spoken(tmp_path, text, words):
    result = speak(tmp_path, text)
    sane_words(result)
    assert words is None or texts_of(result) == words


def test_a_language_without_spaces(tmp_path):
    result = speak(tmp_path, "你好世界，今天很好。", voice="cmn")
    assert "".join(texts_of(result)) == "你好世界今天很好"
    assert len(sane_words(result)) >= 6
    assert texts_of(speak(tmp_path, "日本語 mixed", "b")) == ["日本語", "mixed"]


def test_a_long_text(tmp_path):
    text = "The quick brown fox jumps over the lazy dog near the river bank. " * 120
    assert len(text) > 5000
    result = speak(tmp_path, text)
    assert texts_of(result) == text.replace(".", "").split()
    assert sane_words(result)[-1][2] > result.data["duration_s"] - 1
    assert result.data["duration_s"] > 300


def test_rate_pitch_and_volume_do_what_they_say(tmp_path):
    text = "This is a sentence of a certain length, spoken in a certain way."
    plain = speak(tmp_path, text, "a")
    slow = speak(tmp_path, text, "b", data={"rate": -50})
    fast = speak(tmp_path, text, "c", rate=100)
    assert slow.data["duration_s"] > 1.5 * plain.data["duration_s"] > 2.2 * fast.data["duration_s"]
    rate, samples = wav_of(plain)
    seconds = plain.data["duration_s"]
    quiet = wav_of(speak(tmp_path, text, "d", volume=-50))[1]
    assert level(quiet, rate, 0, seconds) < 0.7 * level(samples, rate, 0, seconds)
    assert pitch_of(wav_of(speak(tmp_path, text, "e", pitch=40))[1], rate) > 1.15 * pitch_of(samples, rate)


def pitch_of(samples, rate):
    """Middle of the pitches of loud pieces, by autocorrelation, Hz."""
    size, found = rate // 20, []
    for place in range(0, len(samples) - size, size):
        part = samples[place : place + size].astype(float)
        if np.sqrt(np.mean(part**2)) < 2000:
            continue
        echo = np.correlate(part, part, "full")[size:]
        low, high = rate // 350, rate // 60
        found.append(rate / (low + int(np.argmax(echo[low:high]))))
    return float(np.median(found))


def test_a_row_may_name_its_own_voice(tmp_path):
    result = speak(tmp_path, "hola que tal", data={"voice": "es", "rate": 0}, rate=50)
    assert result.data["voice"] == "es"


@pytest.mark.parametrize("text", ["...", "—", "\u200b"])
def test_a_text_without_words_is_refused_by_name(tmp_path, text):
    with pytest.raises(StageError) as caught:
        speak(tmp_path, text, "story/003".replace("/", "-"))
    assert caught.value.failure is Failure.BAD_INPUT
    assert "story-003" in caught.value.sentence


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"text": ""}, "empty"),
        ({"text": " \n"}, "empty"),
        ({"text": 5}, "empty"),
        ({"text": "a\0b"}, "NUL"),
        ({"text": "half \ud83d"}, "half a character"),
        ({"text": "x", "voice": "spanich"}, "no voice 'spanich'"),
        ({"text": "x", "rate": 500}, "use -50 to 100"),
        ({"text": "x", "rate": "fast"}, "no change in percent"),
    ],
)
def test_items_that_can_never_be_spoken_are_known_before(tmp_path, data, words):
    said = Speak.item_problem(SpeakSettings(), data)
    assert words in said
    with pytest.raises(StageError, match="item: "):
        Speak(SpeakSettings()).run(
            dataclasses.replace(w := work(tmp_path, "x"), item=dataclasses.replace(w.item, data=data))
        )


def test_good_items_have_no_problem():
    for voice in ("en-us", "ES", "English (America)", "en-gb+f3", None):
        assert Speak.item_problem(SpeakSettings(), {"text": "x", "voice": voice, "rate": None}) is None


def test_an_unknown_voice_is_named_with_the_nearest():
    assert "did you mean en-us?" in problems(voice="en-uss")["tts.voice"].sentence()
    assert "did you mean f3?" in problems(voice="en-us+f33")["tts.voice"].sentence()
    assert not problems()


def test_an_unknown_provider_is_named_with_the_nearest():
    config = SpeakSettings(provider="espaek")
    assert "did you mean espeak?" in next(iter(range_problems(config, "tts"))).sentence()
    assert not problems(provider="espaek")


def test_settings_suit_a_structured_config_and_the_cache():
    config = OmegaConf.merge(OmegaConf.structured(SpeakSettings), {"rate": 10})
    assert OmegaConf.to_object(config) == SpeakSettings(rate=10)
    keyed = set(output_settings(SpeakSettings()))
    assert {"provider", "voice", "rate", "pitch", "volume", "model"} <= keyed
    assert not keyed & {"concurrency", "attempts", "timeout_s", "api_key_env", "backoff_s"}


@pytest.mark.parametrize("name", provider_names())
def test_every_provider_has_a_config_that_fits_the_schema(name):
    chosen = OmegaConf.merge(OmegaConf.structured(SpeakSettings), OmegaConf.load(f"conf/tts/{name}.yaml"))
    config = OmegaConf.to_object(chosen)
    assert config.provider == name
    assert not list(range_problems(config, "tts"))
    if name in ("espeak", "edge"):  # the others want a file or a key first
        assert not problems(**dataclasses.asdict(config))


def test_tools_and_needs():
    assert Speak.tools(SpeakSettings()) == {"espeak-ng": espeak_ng.version()}
    assert Speak.concurrency(SpeakSettings()) == 1
    assert Speak.concurrency(SpeakSettings(provider="edge", concurrency=17)) == 17
    assert Speak.needs(SpeakSettings()).cpu_threads == 1.0
    assert Speak.needs(SpeakSettings(provider="edge")).cpu_threads == 0  # it waits, and keeps no core from others
    assert Speak.needs(SpeakSettings(provider="piper")).cpu_threads == len(usable_cpus())  # one at a time


def test_an_error_while_writing_is_not_lost_in_the_library(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(WavWriter, "write", full)
    with pytest.raises(OSError, match="No space left"):
        speak(tmp_path, "Hello there.")
    monkeypatch.undo()
    assert speak(tmp_path, "Hello again.").data["duration_s"] > 0.5
