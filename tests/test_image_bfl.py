"""Black Forest Labs' picture service on the loopback: ordered, looked for, fetched; and its faults."""

import time

import pytest
from image_help import SCENE, image_of, make_image
from servers.images_api import ImagesApi

from stages.contract import EFFECTIVE, Failure, StageError
from stages.image.make import MakeImage
from stages.image.providers.bfl import BlackForestLabs
from stages.image.settings import ImageSettings

KEY = "bfl-secret-42"


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("BFL_KEY", KEY)


def quick(server, **settings):
    return {
        "provider": "bfl", "model": "flux-pro-1.1", "url": server.root, "api_key_env": "BFL_KEY", "poll_s": 0.05,
        "backoff_s": 0.02, "attempts": 3, "rate_grants": 1000, "rate_per_s": 1.0, "width": 300, "height": 512,
        **settings,
    }  # fmt: skip


@pytest.mark.parametrize("tail", ["", "/", "/v1", "/v1/"])
def test_a_picture_is_ordered_and_looked_for(tmp_path, tail):
    with ImagesApi(key=KEY, behave=lambda *_: "slow") as server:
        result = make_image(tmp_path, **quick(server, url=server.root + tail, seed=2, extra={"safety_tolerance": 2}))
    assert image_of(result).size == (320, 512)
    asked = {"prompt": SCENE["prompt"], "width": 320, "height": 512, "seed": 9, "output_format": "png"}
    assert server.bodies == [{**asked, "safety_tolerance": 2}]
    assert server.log.faults == []
    assert len(server.looks) == 3
    assert result.metrics["images.requests"] == 1


def test_a_picture_is_there_soon_after_it_is_ready(tmp_path):
    """Looks come often at first and then as a share of the time waited, whatever `poll_s` allows."""
    with ImagesApi(latency=1.3) as server:
        began = time.monotonic()
        make_image(tmp_path, **quick(server, poll_s=15))
        assert time.monotonic() - began < 10  # a look every `poll_s` would come after 15
    assert len(server.looks) <= 4
    provider = BlackForestLabs(ImageSettings(provider="bfl", poll_s=15))
    assert [provider._pause(waited) for waited in (0, 4, 40, 80, 1000)] == [0.5, 0.5, 5, 10, 15]


def test_a_look_that_fails_orders_nothing_again(tmp_path):
    with ImagesApi(behave=lambda *_: "busy", retry_after="0.05") as server:
        result = make_image(tmp_path, **quick(server))
    assert len(server.orders) == 1
    assert result.metrics["images.http_429"] == 1


@pytest.mark.parametrize("fault", ["lost", "error", "html", "flat", "503", "empty"])
def test_a_job_that_failed_is_ordered_again(tmp_path, fault):
    with ImagesApi(behave=lambda _p, nth: fault if nth <= 2 else "ok") as server:
        result = make_image(tmp_path, **quick(server))
    assert len(server.orders) == 3
    assert result.metrics["images.retries"] == 2


@pytest.mark.parametrize("fault", ["moderated", "401"])
def test_a_refusal_is_not_asked_for_again(tmp_path, fault):
    words = {
        "moderated": "will not show this .Content Moderated.; write another prompt",
        "401": "valid key into BFL_KEY",
    }
    with ImagesApi(behave=lambda *_: fault) as server, pytest.raises(StageError, match=words[fault]) as caught:
        make_image(tmp_path, **quick(server))
    assert caught.value.failure is Failure.BAD_INPUT
    assert len(server.orders) == 1
    assert KEY not in caught.value.detail


def test_a_moderated_scene_gets_a_card_when_asked_for(tmp_path):
    with ImagesApi(behave=lambda *_: "moderated") as server:
        result = make_image(tmp_path, **quick(server, on_failure="drawn"))
    assert result.data[EFFECTIVE] == {"images.provider": "drawn"}
    assert image_of(result).size == (375, 640)


def test_a_job_that_is_never_ready_runs_into_the_timeout(tmp_path):
    with ImagesApi(behave=lambda *_: "stall") as server, pytest.raises(StageError, match="not ready after") as caught:
        make_image(tmp_path, **quick(server, timeout_s=0.3, attempts=2))
    assert caught.value.failure is Failure.TIMEOUT
    assert len(server.orders) == 2


def test_the_key_goes_to_no_other_host(tmp_path):
    with ImagesApi(behave=lambda *_: "elsewhere") as server, pytest.raises(StageError, match="must not get the key"):
        make_image(tmp_path, **quick(server))
    assert server.looks == []


def test_an_address_that_is_none_is_said_before_any_work():
    config = ImageSettings(provider="bfl", url="api.bfl.ai", model="flux", api_key_env="BFL_KEY")
    assert [problem.key for problem in MakeImage.problems(config, "images")] == ["images.url"]
