"""Settings of scripts: one schema for those from a file and those that a service writes."""

from __future__ import annotations

from dataclasses import dataclass

from stages.settings import setting


@dataclass(frozen=True, slots=True)
class ScriptSettings:
    """Where the scenes of a film come from, and what is asked of a service that writes them."""

    provider: str = setting(
        "file", "file: FILE is the script; openai: FILE tells what it is about", choices=("file", "openai")
    )
    folder: str = setting("", "where scripts look for their pictures; empty: each in its own folder")
    language: str = setting("", "language such as en or pt-BR where a script names none; openai: of what it writes")
    topic: str = setting("", "openai: what the film is about, said before the text of FILE")
    scenes: int = setting(8, "openai: how many scenes are written", low=1, high=100)
    words: int = setting(25, "openai: words that a scene says, about", low=3, high=500)
    url: str = setting("", "openai: address of the service, up to and with /v1")
    model: str = setting("", "openai: model that writes")
    temperature: float | None = setting(
        None, "openai: 0 is sober, 2 is wild; null leaves it to the service", low=0.0, high=2.0
    )
    api_key_env: str = setting(
        "", "openai: environment variable that holds the key; empty for none", affects_output=False
    )
    concurrency: int = setting(4, "openai: scripts that are written at once", low=1, high=64, affects_output=False)
    attempts: int = setting(
        5, "openai: tries of one request before it counts as failed", low=1, high=20, affects_output=False
    )
    backoff_s: float = setting(
        1.0, "openai: mean wait before the second try; doubles each time",
        low=0.0, high=60.0, unit="s", affects_output=False,
    )  # fmt: skip
    timeout_s: float = setting(
        180.0, "openai: longest wait for one whole answer", low=0.1, high=3600.0, unit="s", affects_output=False
    )
