"""Settings of pictures: one schema for all providers, so that a sweep can go over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stages.image.looks import LOOKS
from stages.registry import provider_names
from stages.settings import setting


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """Where the pictures of scenes come from."""

    provider: str = setting(
        "drawn", "who makes pictures: a file in stages/image/providers", choices=provider_names("image")
    )
    width: int = setting(768, "width of the frame that a picture is for", low=64, high=4096, unit="px")
    height: int = setting(1344, "height of the frame", low=64, high=4096, unit="px")
    look: str = setting("auto", "how drawn cards look; auto: by each scene's seed", choices=("auto", *sorted(LOOKS)))
    seed: int = setting(0, "another number, other pictures of the same scenes", low=0, high=2**31 - 1)
    style: str = setting("", "words added to every prompt, such as: oil painting, soft light")
    folder: str = setting("", "folder of pictures, for images=folder")
    url: str = setting("", "address of the service")
    model: str = setting("", "model of the service")
    api_key_env: str = setting("", "environment variable that holds the key; empty for none", affects_output=False)
    response_format: str = setting(
        "auto",
        "how an OpenAI-style service is asked to answer; none leaves the field out",
        choices=("auto", "b64_json", "url", "none"),
        affects_output=False,
    )
    send_seed: bool = setting(False, "send the scene's seed to an OpenAI-style service; OpenAI itself refuses it")
    extra: dict[str, Any] = setting({}, "more fields of the request, such as {steps: 28}")
    concurrency: int = setting(8, "pictures asked for at once at most", low=1, high=64, affects_output=False)
    rate_grants: int = setting(
        6, "requests in any window of rate_per_s at most", low=1, high=100_000, affects_output=False
    )
    rate_per_s: float = setting(60.0, "length of that window", low=0.01, high=86_400, unit="s", affects_output=False)
    rates_dir: str = setting(
        "", "folder where requests are counted over runs; empty: this process counts alone", affects_output=False
    )
    attempts: int = setting(4, "tries of one picture before it counts as failed", low=1, high=20, affects_output=False)
    backoff_s: float = setting(
        1.0, "mean wait before the second try; doubles each time", low=0.0, high=60.0, unit="s", affects_output=False
    )
    timeout_s: float = setting(
        180.0, "longest wait for one picture", low=0.1, high=3600.0, unit="s", affects_output=False
    )
    poll_s: float = setting(
        15.0,
        "longest time between two looks at a job; the first come sooner",
        low=0.01,
        high=600.0,
        unit="s",
        affects_output=False,
    )
    on_failure: str = setting(
        "fail",
        "a picture that cannot be had: fail its scene, or take a drawn card",
        choices=("fail", "drawn"),
        affects_output=False,
    )

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frame, pixels."""
        return self.width, self.height
