"""short against services: never more than six pictures in any minute, as fast as that allows, and faults survived."""

import json
import re
from collections import Counter

import pytest
from cli import QUIET, reeltune
from servers.chat_api import ChatApi
from servers.images_api import ImagesApi

SMALL = ("scene.width=384", "scene.height=672", "profile=fast", "encoder=x264")


def services(chat, images):
    return [
        "script=openai", f"script.url={chat.url}", "script.api_key_env=", "script.scenes=8", "script.backoff_s=0.1",
        "images=openai", f"images.url={images.url}", "images.model=flux", "images.api_key_env=", "images.backoff_s=0.1",
    ]  # fmt: skip


def in_any_window(times, seconds):
    """The most arrivals within any so many seconds."""
    return max(sum(0 <= other - first < seconds for other in times) for first in times)


def faults(prompt, nth):
    """The third picture is refused once, the fifth comes as garbage once; all others are good."""
    if nth == 1 and re.search(r"\b3\b", prompt):
        return "503"
    return "html" if nth == 1 and re.search(r"\b5\b", prompt) else "ok"


@pytest.mark.proof
def test_eight_scenes_keep_the_rate_and_the_critical_path(tmp_path):
    (tmp_path / "warm.md").write_text("# W\n\n## A\n\nOne small sentence.\n\n## B\n\nAnother one.", encoding="utf-8")
    (tmp_path / "story.md").write_text(
        "# S\n\n"
        + "\n\n".join(f"## Part {n}\nprompt: picture {n}\n\nSentence number {n} about lamps." for n in range(1, 9)),
        encoding="utf-8",
    )
    with ImagesApi(latency=3.0) as images:
        words = [
            "images=openai",
            f"images.url={images.url}",
            "images.model=flux",
            "images.api_key_env=",
            *SMALL,
            *QUIET,
        ]
        warm = reeltune(tmp_path, "pipeline=short", "warm.md", *words, timeout=300)
        assert warm.code == 0, warm.err
        (tmp_path / "outputs" / "rates").rename(tmp_path / "rates-of-the-warm-up")  # a fresh minute
        images.orders.clear()
        plan = json.loads(reeltune(tmp_path, "plan", "--json", "pipeline=short", "story.md", *words).out)["outlook"]
        done = reeltune(tmp_path, "pipeline=short", "story.md", *words, timeout=300)
    assert done.code == 0, done.err
    assert len(images.orders) == 8, images.orders
    assert in_any_window(images.orders, 60.0) == 6
    assert plan["bound"] == "rate" and plan["guessed"] == []
    assert done.run["wall_s"] <= 1.05 * plan["seconds"], (done.run["wall_s"], plan)


@pytest.mark.proof
def test_services_with_faults_are_asked_again_and_the_rate_holds(tmp_path):
    (tmp_path / "lamps.txt").write_text("shape once: lamps at sea", encoding="utf-8")
    chat_answers = Counter()

    def behave(_brief, _nth):
        chat_answers["asked"] += 1
        return {1: "503", 2: "shape"}.get(chat_answers["asked"], "ok")

    with ChatApi(behave, latency=1.0, retry_after=1) as chat, ImagesApi(faults, latency=2.0) as images:
        done = reeltune(tmp_path, *QUIET, "pipeline=short", "lamps.txt", *services(chat, images), *SMALL, timeout=400)
    assert done.code == 0, done.err
    assert chat_answers["asked"] == 3
    assert len(images.orders) == 10  # eight pictures, two of them asked for twice
    assert in_any_window(images.orders, 60.0) <= 6
    assert len(done.tasks("done", "clip")) == 8
