"""Settings of speech: one schema for all providers, so that a sweep can go over them."""

from __future__ import annotations

from dataclasses import dataclass

from stages.settings import setting
from stages.speech.provider import provider_names


@dataclass(frozen=True, slots=True)
class SpeakSettings:
    """How a text is spoken. What a provider does not have (piper has no pitch) it refuses, if it was asked for."""

    provider: str = setting("espeak", "who speaks: a file in stages/speech/providers", choices=provider_names())
    voice: str = setting("en-us", "voice by the provider's own name; piper: path of the .onnx file")
    rate: int = setting(0, "speed against the voice's own", low=-50, high=100, unit="%")
    pitch: int = setting(0, "pitch against the voice's own; edge takes 1 % as 2 Hz", low=-50, high=50, unit="%")
    volume: int = setting(0, "loudness against the voice's own", low=-90, high=100, unit="%")
    url: str = setting("", "address of the service; empty for the provider's own")
    model: str = setting("", "model of an OpenAI-compatible service")
    response_format: str = setting("wav", "what an OpenAI-compatible service sends", choices=("wav", "mp3"))
    api_key_env: str = setting("", "environment variable that holds the key; empty for none", affects_output=False)
    concurrency: int = setting(32, "requests at once at most", low=1, high=256, affects_output=False)
    begin: int = setting(
        8, "requests at once to begin with; from there it adapts to the service", low=1, high=256, affects_output=False,
        search=(4, 8, 16, 32),
    )  # fmt: skip
    attempts: int = setting(6, "tries of one request before it counts as failed", low=1, high=20, affects_output=False)
    backoff_s: float = setting(
        0.5, "mean wait before the second try; doubles each time", low=0.0, high=60.0, unit="s", affects_output=False
    )
    timeout_s: float = setting(
        30.0,
        "longest wait for one request, plus twice the speech it should give",
        low=0.1,
        high=600.0,
        unit="s",
        affects_output=False,
    )
    poll_s: float = setting(
        15.0, "time between two looks at a job of a service of jobs", low=0.01, high=600.0, unit="s",
        affects_output=False,
    )  # fmt: skip
