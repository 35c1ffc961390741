"""Edge TTS against a loopback server that speaks its protocol, and misbehaves."""

import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from importlib.metadata import version

import numpy as np
import pytest
from servers import tones
from servers.edge_server import EdgeServer
from speech_help import sane_words, speak, texts_of, wav_of, work

from stages.contract import Failure, StageError
from stages.service.slots import shared_slots
from stages.speech.speak import Speak, SpeakSettings

VOICE = "en-US-EmmaMultilingualNeural"
TEXT = "Hello there, this is a test of the speech service. It has two sentences."


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def quick(server, **settings):
    return {"provider": "edge", "voice": VOICE, "url": server.url, "backoff_s": 0.02, "attempts": 4, **settings}


def speak_many(tmp_path, server, texts, threads=0, **settings):
    """All texts at once, as a worker would: one stage, a thread for each request it may have."""
    stage = Speak(SpeakSettings(**quick(server, **settings)))
    stage.open()
    tasks = [work(tmp_path, text, f"item-{n}") for n, text in enumerate(texts)]
    with ThreadPoolExecutor(threads or Speak.concurrency(stage.config)) as pool:
        results = list(pool.map(stage.run, tasks))
    stage.close()
    return results


def first_tries(behaviour, times=1):
    return lambda _text, nth: behaviour if nth <= times else "ok"


def slots_of(server, cap=32):
    return shared_slots(f"edge {server.url}", cap)


def test_a_text_is_spoken_with_the_words_of_the_service(tmp_path):
    with EdgeServer() as server:
        result = speak(tmp_path, TEXT, **quick(server, rate=10, pitch=-5, volume=20))
    rate, samples = wav_of(result)
    words, seconds = tones.words_with_times(TEXT)
    assert rate == 24000
    assert result.data["duration_s"] == pytest.approx(seconds, abs=0.05)
    assert len(samples) == round(result.data["duration_s"] * rate)
    for (word, start, end), (told, begun, ended) in zip(words, sane_words(result), strict=True):
        assert (word, pytest.approx(start, abs=2e-3), pytest.approx(end, abs=2e-3)) == (told, begun, ended)
    assert result.metrics["tts.requests"] == 1
    assert result.metrics["tts.retries"] == 0
    assert not result.notes
    assert not server.log.faults
    assert server.ssml == [
        ("Microsoft Server Speech Text to Speech Voice (en-US, EmmaMultilingualNeural)", "-10Hz", "+10%", "+20%")
    ]


def test_the_sound_is_where_the_words_are(tmp_path):
    with EdgeServer() as server:
        result = speak(tmp_path, TEXT, **quick(server))
    rate, samples = wav_of(result)
    loud = np.abs(samples.astype(float)) > 3000
    delay = 0.05  # of the MP3 coder
    for _, start, end in result.data["words"]:
        inside = loud[int((start + delay) * rate) : int((end + delay - 0.03) * rate)]
        assert inside.mean() > 0.5


def test_a_long_text_is_cut_at_sentences_and_joined_in_time(tmp_path):
    text = "This sentence is one of very many & has <signs> in it. " * 110
    assert len(text) > 4096
    with EdgeServer() as server:
        result = speak(tmp_path, text, **quick(server))
    assert server.log.count("ok") == 2
    assert not server.log.faults
    assert all(piece.endswith("it.") for _, _, piece in server.log.answers)
    assert texts_of(result) == tones.re.findall(r"\w+", text)
    pieces = [piece for _, _, piece in server.log.answers]
    offset, first = len(tones.mp3(pieces[0])) / 6000, len(tones.words_with_times(pieces[0])[0])
    assert sane_words(result)[first][1] == pytest.approx(offset + 0.1, abs=2e-3)
    assert result.data["duration_s"] == pytest.approx(sum(len(tones.mp3(p)) for p in pieces) / 6000, abs=0.01)


@pytest.mark.parametrize("fault", ["close", "drop", "cut", "hole", "mute", "nothing"])
def test_audio_that_is_not_whole_is_seen_and_asked_for_again(tmp_path, fault):
    text = "This is a somewhat longer text, so that a part of it can be missing. " * 6
    with EdgeServer(behave=first_tries(fault, 2)) as server:
        result = speak(tmp_path, text, **quick(server))
    assert server.log.count(fault) == 2
    assert result.metrics["tts.retries"] == 2
    assert result.data["duration_s"] == pytest.approx(tones.words_with_times(text)[1], abs=0.05)
    assert texts_of(result) == [word for word, _, _ in tones.words_with_times(text)[0]]


def test_a_piece_that_never_comes_whole_is_spoken_in_halves(tmp_path):
    text = "The first sentence is here. The second one follows it. And a third. And the fourth."
    with EdgeServer(behave=lambda asked, _nth: "close" if len(asked) > 60 else "ok") as server:
        result = speak(tmp_path, text, **quick(server))
    assert [asked for _, given, asked in server.log.answers if given == "ok"] == [
        "The first sentence is here. The second one follows it.",
        "And a third. And the fourth.",
    ]
    assert texts_of(result) == tones.re.findall(r"\w+", text)
    sane_words(result)
    assert any("halves" in note for note in result.notes)


def test_what_stays_broken_is_one_sentence(tmp_path):
    with EdgeServer(behave=lambda *_: "close") as server, pytest.raises(StageError) as caught:
        speak(tmp_path, TEXT, **quick(server))
    assert caught.value.failure is Failure.NETWORK
    assert caught.value.sentence == (
        "item: Edge TTS: the connection was closed in the middle; try again later, or use tts=espeak"
    )
    assert len(server.log.answers) == 3 * 3  # the text, its first half, and the first quarter


@pytest.mark.parametrize(
    ("status", "retry_after", "failure"),
    [(403, None, Failure.NETWORK), (429, "0.05", Failure.RATE_LIMITED), (503, None, Failure.NETWORK)],
)
def test_refusals_are_waited_out_and_then_named(tmp_path, status, retry_after, failure):
    with EdgeServer(refuse=lambda n, _f: str(status) if n <= 3 else None, retry_after=retry_after) as server:
        result = speak(tmp_path, TEXT, **quick(server))
        assert result.metrics["tts.retries"] == (1 if status == 403 else 3)  # the client itself repeats a 403
    with (
        EdgeServer(refuse=lambda *_: str(status), retry_after=retry_after) as server,
        pytest.raises(StageError) as caught,
    ):
        speak(tmp_path, TEXT, **quick(server))
    assert caught.value.failure is failure
    assert str(status) in caught.value.sentence


def test_retry_after_is_honoured(tmp_path):
    with EdgeServer(refuse=lambda n, _f: "429" if n == 1 else None, retry_after=1) as server:
        speak(tmp_path, TEXT, **quick(server))
        (refused,), (spoken,) = server.log.times("429"), server.log.times("ok")
    assert spoken - refused >= 1


def test_a_long_retry_after_is_handed_to_the_runner(tmp_path):
    with EdgeServer(refuse=lambda *_: "429", retry_after=600) as server, pytest.raises(StageError) as caught:
        speak(tmp_path, TEXT, **quick(server))
    assert caught.value.retry_after_s == 600
    assert server.connections == 1


def test_a_service_that_stalls_runs_into_the_timeout(tmp_path):
    begun = time.monotonic()
    with EdgeServer(behave=first_tries("stall")) as server:
        result = speak(tmp_path, "Hi.", **quick(server, timeout_s=0.3))
        assert result.metrics["tts.retries"] == 1
    with EdgeServer(behave=lambda *_: "stall") as server, pytest.raises(StageError) as caught:
        speak(tmp_path, "Hi.", **quick(server, timeout_s=0.1, attempts=2))
    assert caught.value.failure is Failure.TIMEOUT
    assert time.monotonic() - begun < 30


def test_a_voice_that_gives_nothing_is_named(tmp_path):
    with EdgeServer(behave=lambda *_: "nothing") as server, pytest.raises(StageError, match=f"the voice {VOICE}"):
        speak(tmp_path, TEXT, **quick(server, attempts=2))


def test_nobody_there_is_one_sentence(tmp_path):
    with pytest.raises(StageError) as caught:
        speak(tmp_path, TEXT, provider="edge", voice=VOICE, url="ws://127.0.0.1:9/x", attempts=2, backoff_s=0.01)
    assert caught.value.failure is Failure.NETWORK
    assert "the connection failed" in caught.value.sentence


def test_forty_texts_at_once_each_over_its_own_connection(tmp_path):
    texts = [f"This is text number {n}, and it is not like the others." for n in range(40)]
    with EdgeServer(latency=0.1) as server:
        results = speak_many(tmp_path, server, texts)
        limit = slots_of(server).limit
    for text, result in zip(texts, results, strict=True):
        assert texts_of(result) == [word for word, _, _ in tones.words_with_times(text)[0]]
    assert len(set(server.ids)) == server.connections == 40
    assert not server.log.faults
    assert 8 <= server.log.most_at_once <= limit
    assert limit > 8  # forty successes


@pytest.mark.parametrize("status", ["429", "503"])
def test_the_load_goes_down_when_the_service_has_enough_and_up_again_after(tmp_path, status):
    """The service takes four at once for a while, then as many as come."""
    easy, limits = [False], []

    def refuse(_number, flying):
        limits.append(slots_of(server).limit)
        return status if flying > 4 and not easy[0] else None

    texts = [f"Short text number {n} of the load." for n in range(30)]
    with EdgeServer(refuse=refuse, latency=0.03, retry_after=0.02) as server:
        results = speak_many(tmp_path, server, texts, attempts=12)
        refused, left = server.log.count(status), slots_of(server).limit
        assert refused > 0
        # eight to begin with, and a refusal halves; where the swing stands at the end is chance
        assert min(limits) <= 6 < max(limits)
        assert refused < server.log.count("ok")
        easy[0] = True
        results += speak_many(tmp_path, server, texts, attempts=12)
        assert slots_of(server).limit > left
        assert server.log.count(status) == refused
    assert all(result.data["duration_s"] > 0.5 for result in results)


def test_others_go_on_while_one_waits(tmp_path):
    """With one slot: an item that waits for three seconds lets the others through."""
    texts = ["Wait for me."] + [f"Number {n} goes on." for n in range(3)]
    with EdgeServer(refuse=lambda n, _f: "429" if n == 1 else None, retry_after=3) as server:
        speak_many(tmp_path, server, texts, threads=4, concurrency=1)
        refused = server.log.times("429")[0]
    # the refused one may be any of them, as they start together; three others were answered within that time
    assert sum(1 for at in server.log.times("ok") if at - refused < 2.7) == 3
    assert server.log.most_at_once == 1


def test_a_wrong_clock_is_corrected_once_for_all(tmp_path, monkeypatch):
    """Requests that are refused together must not add up their corrections."""
    from edge_tts.drm import DRM

    monkeypatch.setattr(DRM, "clock_skew_seconds", 0.0)
    ahead = formatdate(time.time() + 3600, usegmt=True)
    with EdgeServer(refuse=lambda n, _f: "403" if n <= 8 else None, date=ahead, latency=0.05) as server:
        speak_many(tmp_path, server, [f"Text number {n} to say." for n in range(8)], attempts=8)
    assert DRM.clock_skew_seconds == pytest.approx(3600, abs=30)


def test_two_addresses_in_one_process_and_the_package_left_as_it_is(tmp_path):
    import edge_tts.communicate

    before = edge_tts.communicate.WSS_URL
    with EdgeServer() as one, EdgeServer() as two:
        speak(tmp_path, "To the first.", "a", **quick(one))
        speak(tmp_path, "To the second.", "b", **quick(two))
        assert (one.connections, two.connections) == (1, 1)
    assert before == edge_tts.communicate.WSS_URL


def test_texts_that_the_service_cannot_speak(tmp_path):
    with EdgeServer() as server:
        with pytest.raises(StageError, match="the text has none") as caught:
            speak(tmp_path, "😀 — …", **quick(server))
        assert caught.value.failure is Failure.BAD_INPUT
        assert server.connections == 0
        result = speak(tmp_path, 'Ünïcode & <tags> "quotes" \x0b 你好 😀 end', "b", **quick(server))
    assert texts_of(result) == ["Ünïcode", "tags", "quotes", "你好", "end"]
    assert not server.log.faults


def test_settings_are_checked_without_network():
    def said(**settings):
        config = SpeakSettings(provider="edge", **settings)
        return {p.key: p.sentence() for p in Speak.problems(config, "tts")}

    assert not said(voice=VOICE)
    assert not said(voice="zh-CN-liaoning-XiaobeiNeural", url="ws://127.0.0.1:1/x")
    assert "en-US-EmmaMultilingualNeural" in said(voice="en-us")["tts.voice"]
    for url in ("http://x/y", "ws://", "127.0.0.1:80", "ws://h:99999/", "ws://[bad"):
        assert "tts.url" in said(voice=VOICE, url=url)
    secret = said(voice=VOICE, url="wss://me:secret@host/x")["tts.url"]
    assert "password" in secret
    assert "secret" not in secret
    assert Speak.tools(SpeakSettings(provider="edge")) == {"edge-tts": version("edge-tts")}
    assert "no name of an Edge voice" in Speak.item_problem(
        SpeakSettings(provider="edge"), {"text": "x", "voice": "es"}
    )
