"""An OpenAI-style picture service on the loopback, and its faults."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from image_help import SCENE, image_of, make_image, scene_work
from servers.images_api import ImagesApi
from servers.json_api import all_said

from stages.contract import EFFECTIVE, Failure, StageError
from stages.image.make import MakeImage
from stages.image.providers.openai import asked_size
from stages.image.service import rate_name
from stages.image.settings import ImageSettings
from stages.rate import Rate

KEY = "sk-very-secret-1234567890"


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("IMAGES_KEY", KEY)


def quick(server, **settings):
    return {
        "provider": "openai", "model": "flux", "url": server.url, "api_key_env": "IMAGES_KEY",
        "backoff_s": 0.02, "attempts": 4, "rate_grants": 1000, "rate_per_s": 1.0, **settings,
    }  # fmt: skip


def test_a_picture_is_asked_for(tmp_path):
    with ImagesApi(key=KEY) as server:
        result = make_image(tmp_path, **quick(server, style="oil on canvas"))
    assert image_of(result).size == (96, 160)
    prompt = "a lighthouse at night, oil on canvas"
    assert server.bodies == [
        {"model": "flux", "prompt": prompt, "n": 1, "size": "96x160", "response_format": "b64_json"}
    ]
    assert result.notes == ()
    assert EFFECTIVE not in result.data
    assert result.metrics["images.requests"] == 1


@pytest.mark.parametrize("how", ["url", "redirect"])
def test_a_picture_behind_an_address_is_fetched_without_the_key(tmp_path, how):
    with ImagesApi(key=KEY, behave=lambda *_: how) as server:
        assert image_of(make_image(tmp_path, **quick(server, response_format="url"))).size == (96, 160)
    assert server.log.faults == []


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({"model": "gpt-image-1"}, {"size": "1024x1536"}),
        ({"response_format": "none"}, {}),
        ({"send_seed": True, "seed": 3, "response_format": "url"}, {"seed": 10, "response_format": "url"}),
        ({"extra": {"steps": 4, "n": 2}, "response_format": "none"}, {"steps": 4, "n": 2}),
    ],
)
def test_the_request_can_be_shaped(tmp_path, settings, fields):
    with ImagesApi() as server:
        make_image(tmp_path, **quick(server, **settings))
    usual = {"model": "flux", "prompt": SCENE["prompt"], "n": 1, "size": "96x160"}
    model = {"model": settings["model"]} if "model" in settings else {}
    assert server.bodies == [{**usual, **model, **fields}]


@pytest.mark.parametrize(
    ("model", "frame", "size"),
    [
        ("flux", (768, 1344), (768, 1344)),
        ("flux", (1080, 1920), (1088, 1920)),
        ("gpt-image-1", (768, 1344), (1024, 1536)),
        ("gpt-image-1-mini", (1344, 768), (1536, 1024)),
        ("gpt-image-1", (800, 800), (1024, 1024)),
        ("dall-e-3", (768, 1344), (1024, 1792)),
    ],
)
def test_the_size_is_as_near_as_the_model_can(model, frame, size):
    assert asked_size(model, frame) == size


@pytest.mark.parametrize(
    "fault", ["429", "500", "503", "close", "cut", "html", "tiny", "flat", "text", "empty", "elsewhere"]
)
def test_a_passing_fault_is_asked_for_again(tmp_path, fault):
    with ImagesApi(behave=lambda _p, nth: fault if nth <= 2 else "ok", retry_after="0.01") as server:
        result = make_image(tmp_path, **quick(server))
    assert server.log.count(fault) == result.metrics["images.retries"] == 2
    assert result.metrics["images.http_429"] == (2 if fault == "429" else 0)
    assert image_of(result).size == (96, 160)


@pytest.mark.parametrize(
    ("fault", "failure", "requests"),
    [
        ("429", Failure.RATE_LIMITED, 4), ("503", Failure.NETWORK, 4), ("html", Failure.NETWORK, 4),
        ("close", Failure.NETWORK, 4), ("400", Failure.BAD_INPUT, 1), ("401", Failure.BAD_INPUT, 1),
        ("402", Failure.BAD_INPUT, 1), ("403", Failure.BAD_INPUT, 1), ("404", Failure.BAD_INPUT, 1),
        ("moderated", Failure.BAD_INPUT, 1),
    ],
)  # fmt: skip
def test_what_stays_is_one_sentence_without_the_key(tmp_path, fault, failure, requests, caplog):
    caplog.set_level(logging.DEBUG)
    retry_after = "0.01" if fault == "429" else None
    with ImagesApi(behave=lambda *_: fault, retry_after=retry_after) as server, pytest.raises(StageError) as caught:
        make_image(tmp_path, **quick(server))
    error = caught.value
    assert error.failure is failure
    assert len(server.orders) == requests
    assert error.sentence.startswith("story/01: ")
    assert server.url in error.sentence
    assert "\n" not in error.sentence
    assert KEY not in all_said(error) + caplog.text
    if fault in ("401", "403"):
        assert "IMAGES_KEY" in caught.value.sentence
        assert "***" in caught.value.detail


def test_a_stall_runs_into_the_timeout(tmp_path):
    with ImagesApi(behave=lambda *_: "stall") as server, pytest.raises(StageError) as caught:
        make_image(tmp_path, **quick(server, timeout_s=0.15, attempts=2))
    assert caught.value.failure is Failure.TIMEOUT
    assert len(server.orders) == 2


@pytest.mark.parametrize("fault", ["503", "html", "moderated", "stall"])
def test_a_card_stands_in_when_asked_for_and_says_so(tmp_path, fault):
    with ImagesApi(behave=lambda *_: fault) as server:
        result = make_image(tmp_path, **quick(server, on_failure="drawn", timeout_s=0.3, attempts=2))
    assert image_of(result).size == (120, 200)
    assert result.data[EFFECTIVE] == {"images.provider": "drawn"}
    assert any("a card is drawn instead" in note and server.url in note for note in result.notes)


@pytest.mark.parametrize("fault", ["401", "402", "403", "404"])
def test_no_card_stands_in_for_a_wrong_key(tmp_path, fault):
    with ImagesApi(behave=lambda *_: fault) as server, pytest.raises(StageError, match=f"answers {fault}"):
        make_image(tmp_path, **quick(server, on_failure="drawn"))


# --- how often, how many at once ---------------------------------------------------------------------


def asked_at_once(stage, tmp_path, count):
    tasks = [scene_work(tmp_path, f"story/{n:02}", seed=n, prompt=f"scene {n}") for n in range(1, count + 1)]
    with ThreadPoolExecutor(MakeImage.concurrency(stage.config)) as pool:
        return list(pool.map(stage.run, tasks))


def most_in(times, window_s):
    return max(sum(start <= at < start + window_s for at in times) for start in times)


def test_the_server_never_sees_more_than_allowed_in_any_window_with_faults_and_retries(tmp_path):
    window_s, faulty = 1.0, {"scene 2": "503", "scene 5": "html", "scene 9": "429"}
    behave = lambda prompt, nth: faulty.get(prompt, "ok") if nth == 1 else "ok"  # noqa: E731
    with ImagesApi(behave=behave, latency=0.25) as server:
        settings = quick(server, rate_grants=6, rate_per_s=window_s, rates_dir=str(tmp_path / "rates"))
        stage = MakeImage(ImageSettings(width=96, height=160, **settings))
        stage.open()
        began = time.monotonic()
        results = asked_at_once(stage, tmp_path, 14)
        wall_s = time.monotonic() - began
    assert len(results) == 14
    assert len(server.orders) == 17
    # a busy machine lets a request arrive late: what set out within a window may be seen a little closer together
    assert most_in(server.orders, 0.6 * window_s) <= 6
    assert server.log.most_at_once <= 8
    least_s = (17 - 1) // 6 * window_s
    assert least_s <= wall_s <= 1.1 * least_s + 0.25 + 8.0
    assert sum(result.metrics["images.limiter_wait_s"] for result in results) > 1


def test_eight_are_under_way_at_once(tmp_path):
    with ImagesApi(latency=0.4) as server:
        stage = MakeImage(ImageSettings(width=96, height=160, **quick(server)))
        stage.open()
        began = time.monotonic()
        asked_at_once(stage, tmp_path, 16)
        wall_s = time.monotonic() - began
    assert server.log.most_at_once == 8
    assert wall_s < 16 * 0.4 * 0.75  # one after the other takes 6.4 s


def test_grants_are_remembered_over_a_restart(tmp_path):
    with ImagesApi(key=KEY) as server:
        settings = quick(server, rate_grants=2, rate_per_s=30.0, rates_dir=str(tmp_path / "rates"))
        for number in range(2):
            make_image(tmp_path, f"story/{number}", **settings)
        name = rate_name(server.url, KEY)
        another_run = Rate(2, 30.0, tmp_path / "rates" / f"{name}.json")
        assert 25 < another_run.wait_s() <= 30
    assert KEY not in name and KEY not in (tmp_path / "rates" / f"{name}.json").read_text()
    assert rate_name(server.url, "another key") != name


def test_a_service_that_asks_to_wait_holds_the_others_back_too(tmp_path):
    behave = lambda prompt, nth: "429" if prompt == "scene 1" and nth == 1 else "ok"  # noqa: E731
    with ImagesApi(behave=behave, retry_after="0.8") as server:
        settings = quick(server, rates_dir=str(tmp_path / "rates"), concurrency=1)
        stage = MakeImage(ImageSettings(width=96, height=160, **settings))
        stage.open()
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(stage.run, scene_work(tmp_path, "story/1", prompt="scene 1"))
            time.sleep(0.2)
            second = pool.submit(stage.run, scene_work(tmp_path, "story/2", prompt="scene 2"))
            first.result(), second.result()
    assert server.orders[1] - server.orders[0] >= 0.8


# --- before any work ------------------------------------------------------------------------------------


def problems_of(**settings):
    config = ImageSettings(**{"provider": "openai", "model": "flux", "url": "https://x.y/v1", **settings})
    return {problem.key: problem.sentence() for problem in MakeImage.problems(config, "images")}


def test_what_is_missing_is_said_with_the_mend(tmp_path, monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    (tmp_path / "file").write_text("")
    found = problems_of(api_key_env="NO_SUCH_KEY", model="", url="ftp://x", rates_dir=str(tmp_path / "file"))
    assert set(found) == {"images.api_key_env", "images.model", "images.url", "images.rates_dir"}
    assert "set NO_SUCH_KEY" in found["images.api_key_env"]
    assert problems_of() == {}


def test_an_empty_prompt_is_refused_before_any_request():
    config = ImageSettings(provider="openai")
    assert "prompt is empty" in MakeImage.item_problem(config, {**SCENE, "prompt": " "})
    assert MakeImage.item_problem(config, SCENE) is None
    assert MakeImage.item_problem(ImageSettings(), {**SCENE, "prompt": ""}) is None
