"""The networks that come with the project: trained by `tools/train_upscaler.py`, on images that it made itself."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from stages.contract import Failure, StageError
from stages.upscale.models.spec import ModelSpec

if TYPE_CHECKING:
    from stages.upscale.models.srvgg import Srvgg

SCALES = (2, 4)
_HOME = files("stages.upscale") / "weights"


@cache
def embedded_facts(scale: int) -> dict[str, Any]:
    """How the weights of a scale came to be, as training wrote it: seed, steps, gains over bicubic (dB), sha256."""
    found: dict[str, Any] = json.loads((_HOME / f"embedded_x{scale}.json").read_text(encoding="utf-8"))
    return found


def embedded_spec(scale: int) -> ModelSpec:
    """What is known of the embedded network of a scale, without loading it."""
    facts = embedded_facts(scale)
    return ModelSpec(
        "embedded", "srvgg", scale, radius=int(facts["convs"]) + 2, sha256=facts["sha256"], licence=facts["licence"],
        note="small and fast; trained on made-up images alone",
    )  # fmt: skip


def load_embedded(scale: int) -> Srvgg:
    """The embedded network, ready to run.

    Args:
        scale: 2 or 4.

    Raises:
        StageError: BUG when the weights are not those that were trained: the installation is damaged.
    """
    from stages.upscale.models.srvgg import Srvgg
    from stages.upscale.models.tensors import tensors_in

    spec = embedded_spec(scale)
    data = (_HOME / f"embedded_x{scale}.safetensors").read_bytes()
    if hashlib.sha256(data).hexdigest() != spec.sha256:
        raise StageError(Failure.BUG, f"the embedded weights for ×{scale} are damaged; install reeltune again")
    facts = embedded_facts(scale)
    net = Srvgg(facts["features"], facts["convs"], scale)
    net.load_state_dict(tensors_in(data)[0], strict=True)
    net.spec = spec
    return net.eval()
