"""Encoders for tests: fast settings, and an FFmpeg that counts or holds back the encodes it is asked for."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from runner.config.compose import register_schema
from stages.media.encoders.carry import own_config
from stages.media.encoders.settings import EncoderConfig
from stages.media.ffmpeg import ffmpeg_binary

CONF = Path(__file__).parent.parent / "conf" / "encoder"
COUNT = 'echo encode >> "$home/count"'
posix = pytest.mark.skipif(sys.platform == "win32", reason="the wrapped FFmpeg is a shell script")
has_nvidia = Path("/proc/driver/nvidia/version").exists()


def from_yaml(name: str) -> EncoderConfig:
    """An option of the group as composing reads it, with the profile `balanced`."""
    register_schema()
    whole = OmegaConf.create({"profile": {"tier": "balanced"}, "encoder": OmegaConf.load(CONF / f"{name}.yaml")})
    values = OmegaConf.to_container(whole, resolve=True)["encoder"]  # type: ignore[call-overload, index]
    config = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(EncoderConfig), values))
    assert isinstance(config, EncoderConfig)
    return config


def fast(name: str, **changes: object) -> EncoderConfig:
    preset = {"x264": "ultrafast", "x265": "ultrafast", "svtav1": "12"}.get(name, "p1")
    return replace(own_config(name), **{"preset": preset, **changes})  # type: ignore[arg-type]


def wrapped(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> Path:
    """An FFmpeg that does `body` before each encode; `$real` is the true one, `$home` a folder of its own."""
    home = folder / "wrapped"
    home.mkdir()
    script = home / "ffmpeg"
    real = ffmpeg_binary().path
    lines = ["#!/bin/sh", f"real='{real}'", f"home='{home}'", 'case "$*" in *framecrc*)', body, ";; esac"]
    script.write_text("\n".join([*lines, 'exec "$real" "$@"', ""]), encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("REELTUNE_FFMPEG", str(script))
    return home


def encodes(home: Path) -> int:
    return len((home / "count").read_text(encoding="utf-8").splitlines()) if (home / "count").exists() else 0
