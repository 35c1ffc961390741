"""Encodes at once are counted by running them, with the FFmpeg that is used or one that carries few."""

from __future__ import annotations

from pathlib import Path

import pytest
from encoder_help import COUNT, encodes, fast, has_nvidia, posix, wrapped

from stages.contract import Failure, StageError
from stages.media.encoders.carry import own_config
from stages.media.encoders.memory import TrialMemory
from stages.media.encoders.sessions import count_sessions


def test_software_is_not_limited() -> None:
    assert count_sessions(fast("x264"), 64, 64, 1) == 0


def test_encodes_at_once_are_counted() -> None:
    assert count_sessions(fast("x264"), 64, 64, 1, most=3, software_too=True) == 3


@posix
def test_a_limit_is_found_and_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An FFmpeg that lets two in at once and refuses the others in the words of NVIDIA's driver."""
    body = f"""{COUNT}
if mkdir "$home/a" 2>/dev/null; then slot=a; elif mkdir "$home/b" 2>/dev/null; then slot=b; else
echo "OpenEncodeSessionEx failed: out of memory (10): (no details)" >&2; exit 1; fi
"$real" "$@"; status=$?; rmdir "$home/$slot"; exit $status"""
    home = wrapped(tmp_path, monkeypatch, body)
    memory = TrialMemory(tmp_path / "trials.json", "one")
    for _ in range(2):
        assert count_sessions(fast("x264"), 64, 64, 1, most=4, memory=memory, software_too=True) == 2
        assert encodes(home) == 4


@posix
def test_encodes_one_after_the_other_are_no_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An FFmpeg that lets each wait for its turn: every encode works, never two at once."""
    body = """while ! mkdir "$home/turn" 2>/dev/null; do sleep 0.05; done
"$real" "$@"; status=$?; rmdir "$home/turn"; exit $status"""
    wrapped(tmp_path, monkeypatch, body)
    assert count_sessions(fast("x264"), 64, 64, 1, most=2, software_too=True) == 1


@pytest.mark.skipif(has_nvidia, reason="a machine with the driver may have sessions")
def test_no_session_at_all_is_an_error_with_the_reason() -> None:
    with pytest.raises(
        StageError, match=r"encoder=nvenc_h264 cannot encode here: no NVIDIA driver: \S+ is missing; "
    ) as e:
        count_sessions(own_config("nvenc_h264"), 640, 360, 1, most=2)
    assert e.value.failure is Failure.ENCODER
