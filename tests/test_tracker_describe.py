"""Names, parameters and tags as MLflow takes them; secrets never among them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.record.describe import closing_tags, git_commit, key_of, params, run_name, tags
from runner.record.masking import is_secret, mask_text, mask_words, without_credentials

SUMMARY: dict[str, Any] = {
    "pipeline": "narrate",
    "run_id": "x",
    "started_at": "2026-11-20T14:03:22+00:00",
    "requested": {"profile": "fast"},
    "overrides": ["pipeline=narrate", "workers.encode=4", "my film (1), part=2.mp4", "input=x"],
}


def test_a_single_run_is_named_by_what_was_asked_and_when() -> None:
    assert run_name(SUMMARY) == "narrate fast workers.encode=4 14:03:22"


def test_a_job_is_named_by_its_number() -> None:
    assert run_name({**SUMMARY, "sweep": "s", "job": 3}) == "narrate fast workers.encode=4 #3"


def test_the_profile_is_not_said_twice() -> None:
    assert run_name({**SUMMARY, "overrides": ["profile=fast"], "sweep": "s", "job": 0}) == "narrate fast #0"


def test_params_are_short_text() -> None:
    found = params({"requested": {"a": None, "b": True, "c": [1], "d": "x" * 900, "e": 1.5}})
    assert found == {"a": "null", "b": "true", "c": "[1]", "d": "x" * 500, "e": "1.5"}


def test_keys_that_become_alike_are_kept_apart() -> None:
    assert params({"requested": {"a[0]": 1, "a{0}": 2, "a_0_": 3}}) == {"a_0_": "1", "a_0__2": "2", "a_0__3": "3"}


@settings(deadline=None)
@given(st.text(max_size=300))
def test_every_key_is_one_that_mlflow_takes(name: str) -> None:
    from mlflow.utils.validation import _validate_metric_name, _validate_param, _validate_tag

    key = key_of(name)
    _validate_metric_name(key)
    _validate_param(key, "x")
    _validate_tag(key, "x")


def test_only_settings_that_differ_are_effective_tags() -> None:
    asked, used = {"a": 1, "b": 2, "key": "s"}, {"a": 1, "b": 3, "key": "s", "c": 4}
    found = closing_tags({"status": "ok", "requested": asked, "effective": used, "counts": {"ok": 1, "items": 1}})
    assert {k: v for k, v in found.items() if k.startswith("effective.")} == {"effective.b": "3", "effective.c": "4"}
    assert found["degraded"] == "false"


def test_hardware_and_versions_are_tags() -> None:
    found = tags(
        {**SUMMARY, "hardware": {"gpus": [{"name": "X"}], "ram": 1}, "versions": {"ffmpeg": "9"}}, {"host": "h"}
    )
    assert found["hardware.gpus.0.name"] == "X"
    assert found["version.ffmpeg"] == "9"
    assert found["host"] == "h"


@pytest.mark.parametrize("key", ["tts.openai.api_key", "HF_TOKEN", "password", "client-secret", "apiKey", "db.passwd"])
def test_secret_keys(key: str) -> None:
    assert is_secret(key)
    assert mask_words([f"{key}=abc", f"+{key}=abc"]) == [f"{key}=***", f"+{key}=***"]


@pytest.mark.parametrize("key", ["max_tokens", "encoder.keyint", "tts.api_key_env", "monkey", "tokenizer", "secretary"])
def test_other_keys(key: str) -> None:
    assert not is_secret(key)


def test_secrets_in_yaml_and_json_text() -> None:
    yaml = "tts:\n  api_key: sk-1\n  voice: en\n  password: 'a b'\n  token:\nmax_tokens: 5\n"
    assert mask_text(yaml) == "tts:\n  api_key: ***\n  voice: en\n  password: '***'\n  token:\nmax_tokens: 5\n"
    text = '{"api_key": "a\\"b", "HF_TOKEN": 5, "key": "3f2a", "x": {"secret": null}}'
    assert mask_text(text) == '{"api_key": "***", "HF_TOKEN": "***", "key": "3f2a", "x": {"secret": null}}'


def test_logins_leave_the_uri() -> None:
    bare, login = without_credentials("https://anna:pass@host:8/x?y")
    assert bare == "https://host:8/x?y"
    assert login == {"MLFLOW_TRACKING_USERNAME": "anna", "MLFLOW_TRACKING_PASSWORD": "pass"}
    assert without_credentials("sqlite:////a@b/c.db") == ("sqlite:////a@b/c.db", {})


def test_the_commit_is_what_git_says(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert git_commit(tmp_path) is None
    git("init", "-q")
    assert git_commit(tmp_path) is None
    git("commit", "-q", "--allow-empty", "-m", "x")
    assert git_commit(tmp_path) == git("rev-parse", "HEAD")
    git("pack-refs", "--all")
    assert git_commit(tmp_path) == git("rev-parse", "HEAD")
    git("checkout", "-q", "--detach")
    assert git_commit(tmp_path) == git("rev-parse", "HEAD")
    git("worktree", "add", "-q", str(tmp_path / "tree"), "-b", "other")
    assert git_commit(tmp_path / "tree") == git("rev-parse", "HEAD")
