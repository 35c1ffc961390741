"""An OpenAI-compatible speech service on the loopback, and its faults."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from servers import tones
from servers.json_api import all_said
from servers.speech_api import SpeechApi
from speech_help import speak, wav_of, work

from stages.contract import Failure, StageError
from stages.service.slots import shared_slots
from stages.speech.speak import Speak, SpeakSettings

KEY = "sk-very-secret-1234567890"
TEXT = "Hello there, this is a test of the speech service. It has two sentences."


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("SPEECH_KEY", KEY)


def quick(server, **settings):
    return {
        "provider": "openai",
        "voice": "alloy",
        "model": "tts-1",
        "url": server.url,
        "api_key_env": "SPEECH_KEY",
        "backoff_s": 0.02,
        "attempts": 4,
        **settings,
    }


@pytest.mark.parametrize("kind", ["wav", "mp3"])
def test_a_text_is_spoken(tmp_path, kind):
    with SpeechApi(key=KEY) as server:
        result = speak(tmp_path, TEXT, **quick(server, response_format=kind, rate=25))
    rate, samples = wav_of(result)
    assert rate == tones.RATE
    assert len(samples) / rate == pytest.approx(tones.words_with_times(TEXT)[1], abs=0.05)
    assert server.bodies == [
        {"model": "tts-1", "input": TEXT, "voice": "alloy", "response_format": kind, "speed": 1.25}
    ]
    assert result.data["words"] == []
    assert any("no word times" in note for note in result.notes)


def test_a_long_text_is_cut_and_joined(tmp_path):
    text = "A sentence of a certain length, said again. " * 110
    with SpeechApi() as server:
        result = speak(tmp_path, text, **quick(server))
    pieces = [body["input"] for body in server.bodies]
    assert len(pieces) == 2
    assert all(len(piece) <= 4096 for piece in pieces)
    assert result.data["duration_s"] == pytest.approx(sum(len(tones.samples(p)) / tones.RATE for p in pieces), abs=0.01)


@pytest.mark.parametrize("fault", ["close", "short", "garbage", "brief", "500", "503", "429"])
def test_a_passing_fault_is_asked_for_again(tmp_path, fault):
    with SpeechApi(behave=lambda _t, nth: fault if nth <= 2 else "ok", retry_after="0.01") as server:
        result = speak(tmp_path, TEXT, **quick(server))
    assert server.log.count(fault) == result.metrics["tts.retries"] == 2
    assert result.data["duration_s"] == pytest.approx(tones.words_with_times(TEXT)[1], abs=0.05)


@pytest.mark.parametrize(
    ("fault", "failure", "requests"),
    [
        ("429", Failure.RATE_LIMITED, 4),
        ("503", Failure.NETWORK, 4),
        ("close", Failure.NETWORK, 3),
        ("400", Failure.BAD_INPUT, 1),
        ("401", Failure.BAD_INPUT, 1),
        ("403", Failure.BAD_INPUT, 1),
        ("404", Failure.BAD_INPUT, 1),
    ],
)
def test_what_stays_is_one_sentence_without_the_key(tmp_path, fault, failure, requests, caplog):
    caplog.set_level(logging.DEBUG)
    with SpeechApi(behave=lambda *_: fault) as server, pytest.raises(StageError) as caught:
        speak(tmp_path, TEXT, **quick(server))
    error = caught.value
    assert error.failure is failure
    assert len(server.log.answers) == requests
    assert "\n" not in error.sentence
    assert server.url in error.sentence
    assert KEY not in all_said(error) + caplog.text
    if fault in ("401", "403"):
        assert "SPEECH_KEY" in caught.value.sentence
        assert "***" in caught.value.detail


def test_a_wrong_key_is_named_by_its_variable(tmp_path):
    with (
        SpeechApi(key="another") as server,
        pytest.raises(StageError, match="answers 401; put a valid key into SPEECH_KEY"),
    ):
        speak(tmp_path, TEXT, **quick(server))


def test_a_server_that_wants_no_key_gets_none(tmp_path):
    with SpeechApi(behave=lambda *_: "400") as server, pytest.raises(StageError) as caught:
        speak(tmp_path, TEXT, **quick(server, api_key_env=""))
    assert caught.value.detail == "refused, you said "


def test_a_stall_runs_into_the_timeout(tmp_path):
    begun = time.monotonic()
    with SpeechApi(behave=lambda *_: "stall") as server, pytest.raises(StageError) as caught:
        speak(tmp_path, "Hi.", **quick(server, timeout_s=0.1, attempts=2))
    assert caught.value.failure is Failure.TIMEOUT
    assert time.monotonic() - begun < 20


def test_nobody_there_and_a_long_wait(tmp_path):
    nobody = {"provider": "openai", "model": "m", "voice": "v", "attempts": 2, "backoff_s": 0.01}
    with pytest.raises(StageError, match="the connection failed"):
        speak(tmp_path, TEXT, url="http://127.0.0.1:9/v1", **nobody)
    with SpeechApi(behave=lambda *_: "429", retry_after=300) as server, pytest.raises(StageError) as caught:
        speak(tmp_path, TEXT, **quick(server))
    assert caught.value.retry_after_s == 300
    assert len(server.log.answers) == 1


def test_thirty_at_once_under_a_limit(tmp_path):
    texts = [f"Text number {n}, one of very many." for n in range(30)]
    limits = []

    def refuse(_number, flying):
        limits.append(shared_slots(f"openai {server.url}", 30).limit)
        return "429" if flying > 3 else None

    with SpeechApi(refuse=refuse, latency=0.03, retry_after="0.02") as server:
        stage = Speak(SpeakSettings(**quick(server, attempts=15, concurrency=30)))
        with ThreadPoolExecutor(30) as pool:
            results = list(pool.map(stage.run, [work(tmp_path, t, f"i{n}") for n, t in enumerate(texts)]))
        stage.close()
        # eight to begin with, and a refusal halves; where the swing stands at the end is chance
        assert min(limits) <= 6 < max(limits)
    assert server.log.count("ok") == 30 > server.log.count("429") > 0
    assert all(result.data["duration_s"] > 1 for result in results)


def test_settings_are_checked_without_network(monkeypatch):
    def said(**settings):
        config = SpeakSettings(
            **{"provider": "openai", "voice": "alloy", "model": "m", "url": "https://h/v1", **settings}
        )
        return {p.key: p.sentence() for p in Speak.problems(config, "tts")}

    assert not said()
    monkeypatch.delenv("SPEECH_KEY")
    assert "the environment has no SPEECH_KEY" in said(api_key_env="SPEECH_KEY")["tts.api_key_env"]
    assert set(said(model="", url="", pitch=5, volume=5)) == {"tts.model", "tts.url", "tts.pitch", "tts.volume"}
    assert "tts.url" in said(url="ws://h/v1")
