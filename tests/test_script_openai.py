"""Scripts written by an OpenAI-compatible chat service on the loopback, and its faults."""

import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from script_help import scene_children, script_item, written
from servers.chat_api import ChatApi
from servers.json_api import all_said

from stages.contract import Failure, Item, StageError
from stages.script.author import SCHEMA, brief_of
from stages.script.scenes import Scenes
from stages.script.settings import ScriptSettings
from stages.script.write import WriteScript

KEY = "sk-very-secret-0987654321"
BRIEF = "the tides"


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("CHAT_KEY", f"{KEY}\n")  # files with a key end with a line end


def quick(server, **settings):
    return {
        "provider": "openai", "model": "writer-1", "url": server.url, "api_key_env": "CHAT_KEY", "scenes": 3,
        "backoff_s": 0.02, "attempts": 4, **settings,
    }  # fmt: skip


def brief(text=BRIEF, key="tides"):
    return Item(key, {"source_text": text, "source_format": "md"})


def test_a_script_is_written_and_can_be_used_as_a_file(tmp_path):
    with ChatApi(key=KEY) as server:
        result = written(tmp_path, brief(), **quick(server, words=12, language="pt-BR", temperature=0.5))
    (body,) = server.bodies
    assert (body["model"], body["temperature"]) == ("writer-1", 0.5)
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert body["messages"][1] == {"role": "user", "content": BRIEF}
    for words in ("exactly 3 scenes", "about 12 words", "language pt-BR", json.dumps(SCHEMA)):
        assert words in body["messages"][0]["content"]
    assert result.notes == ()
    assert result.metrics == {"script.requests": 1, "script.retries": 0, "script.backoff_s": 0.0}
    assert (result.data["title"], result.data["language"]) == ("On the tides", "en")
    saved = script_item(tmp_path / "saved.yaml", result.files["script"].read_bytes())
    children = scene_children(tmp_path, saved)
    assert [child.data["text"] for child in children] == [f"Sentence {n} about the tides." for n in (1, 2, 3)]
    assert children[0].data["prompt"] == "picture 1"


def test_the_topic_goes_before_the_file_and_a_temperature_is_only_sent_when_given(tmp_path):
    with ChatApi() as server:
        written(tmp_path, brief("more of it"), **quick(server, topic="The moon."))
    (body,) = server.bodies
    assert body["messages"][1]["content"] == "The moon.\n\nmore of it"
    assert "temperature" not in body
    assert brief_of(ScriptSettings(topic="a"), " ") == "a"


@pytest.mark.parametrize("form", ["fenced", "parts", "extra"])
def test_a_good_answer_in_another_dress_is_taken(tmp_path, form):
    with ChatApi(behave=lambda *_: form) as server:
        result = written(tmp_path, brief(), **quick(server))
    assert [sorted(scene) for scene in result.data["scenes"]] == [["prompt", "text", "title"]] * 3
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("known", "asked"),
    [(("json_object", ""), ["json_schema", "json_object"]), (("",), ["json_schema", "json_object", ""])],
)
def test_a_service_that_knows_no_schema_is_asked_without(tmp_path, known, asked):
    with ChatApi(forms=known) as server:
        result = written(tmp_path, brief(), **quick(server))
    assert [body.get("response_format", {}).get("type", "") for body in server.bodies] == asked
    assert result.notes == tuple(f"the service takes no answer by {form}; asked without" for form in asked[:-1])
    assert len(result.data["scenes"]) == 3


@pytest.mark.parametrize("fault", ["close", "html", "nothing", "empty", "429", "500", "503"])
def test_a_passing_fault_is_asked_for_again(tmp_path, fault):
    with ChatApi(behave=lambda _t, nth: fault if nth <= 2 else "ok", retry_after="0.05") as server:
        begun = time.monotonic()
        result = written(tmp_path, brief(), **quick(server))
    assert server.log.count(fault) == result.metrics["script.retries"] == 2
    if fault.isdigit():
        assert time.monotonic() - begun >= 0.1
    assert len(result.data["scenes"]) == 3


@pytest.mark.parametrize(
    ("fault", "failure", "requests", "words"),
    [
        ("429", Failure.RATE_LIMITED, 4, "answers 429"),
        ("503", Failure.NETWORK, 4, "answers 503"),
        ("close", Failure.NETWORK, 3, "the connection was closed in the middle"),
        ("html", Failure.NETWORK, 4, "the answer is no chat completion"),
        ("400", Failure.BAD_INPUT, 1, "answers 400; see that script.url, script.model"),
        ("401", Failure.BAD_INPUT, 1, "answers 401; put a valid key into CHAT_KEY"),
        ("404", Failure.BAD_INPUT, 1, "answers 404; see that script.url and script.model"),
        ("refused", Failure.BAD_INPUT, 1, "the model refuses (I can't help with that.)"),
        ("filtered", Failure.BAD_INPUT, 1, "the model refuses (its filter stops the answer)"),
    ],
)
def test_what_stays_is_one_sentence_without_the_key(tmp_path, fault, failure, requests, words, caplog):
    caplog.set_level(logging.DEBUG)
    with ChatApi(behave=lambda *_: fault) as server, pytest.raises(StageError) as caught:
        written(tmp_path, brief(), **quick(server))
    error = caught.value
    assert error.failure is failure
    assert len(server.bodies) == requests
    assert error.sentence.startswith(f"tides: {server.url}")
    assert words in error.sentence
    assert "\n" not in error.sentence
    assert KEY not in all_said(error) + caplog.text
    if fault == "401":
        assert "***" in caught.value.detail


def test_a_stall_runs_into_the_timeout(tmp_path):
    begun = time.monotonic()
    with (
        ChatApi(behave=lambda *_: "stall") as server,
        pytest.raises(StageError, match=r"no answer within 0\.1 s") as caught,
    ):
        written(tmp_path, brief(), **quick(server, timeout_s=0.1, attempts=2))
    assert caught.value.failure is Failure.TIMEOUT
    assert time.monotonic() - begun < 20


def test_a_long_wait_is_left_to_the_runner(tmp_path):
    with ChatApi(behave=lambda *_: "429", retry_after=300) as server, pytest.raises(StageError) as caught:
        written(tmp_path, brief(), **quick(server))
    assert caught.value.retry_after_s == 300
    assert len(server.bodies) == 1
    with pytest.raises(StageError, match="the connection failed"):
        written(tmp_path, brief(), provider="openai", model="m", url="http://127.0.0.1:9/v1", attempts=1)


# --- wrong answers -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("prose", "the answer is no JSON"),
        ("half", "the answer is no JSON"),
        ("cut", "cut off at the model's limit"),
        ("shape", "scene 2, text: is 7"),
        ("silent", "scene 2, text: is empty"),
        ("fewer", "there are 2 scenes, not 3"),
    ],
)
def test_a_wrong_answer_is_sent_back_once_with_its_problems(tmp_path, wrong, words):
    with ChatApi(behave=lambda _t, nth: wrong if nth == 1 else "ok") as server:
        result = written(tmp_path, brief(), **quick(server))
    first, second = server.bodies
    assert second["messages"][:2] == first["messages"]
    assert [message["role"] for message in second["messages"][2:]] == ["assistant", "user"]
    assert words in second["messages"][3]["content"]
    assert len(result.data["scenes"]) == 3
    (note,) = result.notes
    assert note.startswith("the model's first answer was wrong and sent back: ")
    assert words in note


def test_every_problem_is_told_to_the_model(tmp_path):
    with ChatApi(behave=lambda _t, nth: "shape" if nth == 1 else "ok") as server:
        written(tmp_path, brief(), **quick(server))
    told = server.bodies[1]["messages"][3]["content"]
    for words in ("title: is a list", "scene 1, text: is empty", "scene 2, text: is 7", "scene 3, text: is a group"):
        assert f"- {words}" in told


@pytest.mark.parametrize("wrong", ["prose", "cut", "shape", "silent"])
def test_what_is_wrong_twice_is_one_sentence(tmp_path, wrong):
    with ChatApi(behave=lambda *_: wrong) as server, pytest.raises(StageError) as caught:
        written(tmp_path, brief(), **quick(server))
    assert len(server.bodies) == 2
    assert caught.value.failure is Failure.BAD_INPUT
    assert "the script of writer-1 is wrong even after a repair (" in caught.value.sentence
    assert caught.value.sentence.endswith("choose another script.model, or write the scenes yourself")
    assert "\n" not in caught.value.sentence


def test_a_script_of_another_length_is_taken_in_the_end(tmp_path):
    with ChatApi(behave=lambda *_: "fewer") as server:
        result = written(tmp_path, brief(), **quick(server))
    assert len(server.bodies) == 2
    assert len(result.data["scenes"]) == 2
    assert result.notes[-1] == "taken though there are 2 scenes, not 3"


def test_many_scripts_at_once(tmp_path):
    with ChatApi(refuse=lambda _n, flying: "429" if flying > 3 else None, latency=0.03, retry_after="0.02") as server:
        settings = quick(server, attempts=15, concurrency=8)
        assert WriteScript.concurrency(ScriptSettings(**settings)) == 8

        def one(number):
            folder = tmp_path / str(number)
            folder.mkdir()
            return written(folder, brief(f"about {number}"), **settings)

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(one, range(12)))
    assert [result.data["title"] for result in results] == [f"On about {n}" for n in range(12)]
    assert server.log.count("ok") == 12


# --- settings ----------------------------------------------------------------------------------


def test_settings_are_checked_without_network(monkeypatch, tmp_path):
    def said(**settings):
        return {p.key: p.sentence() for p in WriteScript.problems(ScriptSettings(**settings), "script")}

    good = {"provider": "openai", "url": "https://h/v1", "model": "m", "api_key_env": "CHAT_KEY"}
    assert not said()
    assert not said(**good)
    assert not said(**good, topic="x", folder=str(tmp_path))
    assert set(said(**{**good, "url": "ftp://h", "model": ""})) == {"script.url", "script.model"}
    assert "would be recorded" in said(**{**good, "url": "https://me:word@h/v1"})["script.url"]
    monkeypatch.setenv("CHAT_KEY", " ")
    assert "the environment has no CHAT_KEY; set CHAT_KEY" in said(**good)["script.api_key_env"]
    assert "say script=openai" in said(topic="x")["script.topic"]
    assert "there is no folder" in said(folder=str(tmp_path / "no"))["script.folder"]


def test_a_brief_may_be_any_text_but_not_none():
    config = ScriptSettings(provider="openai")
    assert WriteScript.item_problem(config, brief("scenes: [broken\n![x](/etc/passwd)").data) is None
    assert "says nothing to write about" in WriteScript.item_problem(config, brief(" \n").data)
    assert "at most 200000" in WriteScript.item_problem(config, brief("x" * 200_001).data)
    assert WriteScript.item_problem(ScriptSettings(provider="openai", topic="x"), brief("").data) is None
    assert Scenes.foresee(config, brief().data) is None
