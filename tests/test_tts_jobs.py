"""A speech service that takes jobs, on the loopback, and its faults."""

import base64
import time

import pytest
from aiohttp import web
from servers import tones
from servers.json_api import JsonApi
from speech_help import speak, wav_of

from stages.contract import StageError

KEY = "jobs-secret-987654321"
TEXT = "Hello there, this is a test of the service of jobs."


class JobsApi(JsonApi):
    """Jobs are done at the third look, and after `latency` seconds. `looks` are the times at which somebody asked."""

    path = "/{tail:.*}"

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.jobs, self.looks = {}, []

    @property
    def url(self):
        return f"{self.root}/jobs"

    async def answer(self, request):
        if request.path.startswith("/files/"):
            return web.Response(body=tones.wav(TEXT), content_type="audio/wav")
        if request.method == "GET":
            return self.wrong_key(request) or self._look(request)
        return await super().answer(request)

    def text_of(self, body):
        return body["text"]

    async def good(self, request, body, how):
        name = f"job {len(self.jobs)}/x"
        self.jobs[name] = [time.monotonic() + self.latency, how, body["text"], 0]
        return web.json_response({} if how == "nameless" else {"id": name}, status=202)

    def _look(self, request):
        self.looks.append(time.monotonic())
        job = self.jobs[request.path.removeprefix("/jobs/")]
        job[3] += 1
        ready, how, text, looks = job
        if how == "busy" and looks <= 2:
            return web.Response(status=503, headers={"Retry-After": "0.01"})
        if looks < 3 or time.monotonic() < ready:
            return web.json_response({"status": "running"})
        if how == "failed":
            return web.json_response({"status": "failed", "error": "out of voices"})
        if how == "url":
            return web.json_response({"status": "succeeded", "audio_url": f"http://127.0.0.1:{self.port}/files/1.wav"})
        if how == "elsewhere":
            return web.json_response({"status": "succeeded", "audio_url": "http://192.0.2.1/1.wav"})
        audio = "not base64!" if how == "garbage" else base64.b64encode(tones.wav(text)).decode()
        return web.json_response({"status": "done", "audio": audio})


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("JOBS_KEY", KEY)


def quick(server, **settings):
    return {
        "provider": "jobs", "voice": "anna", "url": server.url, "api_key_env": "JOBS_KEY", "backoff_s": 0.02,
        "attempts": 3, "poll_s": 0.1, **settings,
    }  # fmt: skip


@pytest.mark.parametrize("how", ["ok", "url", "busy"])
def test_a_text_is_handed_in_and_asked_for(tmp_path, how):
    with JobsApi(lambda _t, _n: how, key=KEY) as server:
        result = speak(tmp_path, TEXT, **quick(server, rate=25))
    rate, samples = wav_of(result)
    assert len(samples) / rate == pytest.approx(tones.words_with_times(TEXT)[1], abs=0.05)
    assert server.bodies == [{"text": TEXT, "voice": "anna", "speed": 1.25}]
    gaps = [b - a for a, b in zip(server.looks, server.looks[1:], strict=False)]
    assert len(server.looks) >= 3 and min(gaps) >= 0.09


@pytest.mark.parametrize("fault", ["failed", "garbage", "nameless", "elsewhere", "500", "429"])
def test_what_fails_is_handed_in_again(tmp_path, fault):
    with JobsApi(lambda _t, nth: fault if nth == 1 else "ok", retry_after="0.01") as server:
        result = speak(tmp_path, TEXT, **quick(server))
    assert result.metrics["tts.retries"] == 1 and len(server.bodies) == 2


def test_what_never_comes_is_one_sentence_without_the_key(tmp_path):
    with JobsApi(lambda _t, _n: "ok", key=KEY, latency=3600) as server, pytest.raises(StageError) as caught:
        speak(tmp_path, "Hi there.", **quick(server, timeout_s=0.2, attempts=1))
    assert "the job is not done in time" in caught.value.sentence and KEY not in str(caught.value)
    with JobsApi(key="another") as server, pytest.raises(StageError, match="put a valid key into JOBS_KEY"):
        speak(tmp_path, TEXT, **quick(server))
