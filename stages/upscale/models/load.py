"""From settings to an upscaler that is ready to run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from stages.contract import Failure, StageError
from stages.upscale.models.embedded import SCALES, embedded_spec, load_embedded
from stages.upscale.models.known import known, known_by_digest, names_like
from stages.upscale.models.spec import ModelSpec

if TYPE_CHECKING:
    from stages.upscale.models.upscaler import Upscaler

ModelFacts = ModelSpec
LARGEST_SCALE = 8
_USUAL_SCALE = 2
_PLAIN = {"identity": 1, "lanczos": LARGEST_SCALE, "embedded": max(SCALES)}  # need no weights; their largest scale


class Wanted(Protocol):
    """What of the settings of the group `upscaler` says which model is meant."""

    @property
    def name(self) -> str:
        """embedded, lanczos, realesrgan, onnx or identity."""

    @property
    def scale(self) -> int:
        """Output pixels per input pixel; 0: as the model does."""

    @property
    def weights(self) -> str:
        """A file, or a known name."""

    @property
    def device(self) -> str:
        """auto, cpu, cuda or cuda:<number>."""


def load(
    settings: Wanted, models_dir: str | Path = "", *, progress: Callable[[float], None] = lambda _done: None
) -> Upscaler:
    """The upscaler that the settings name, on the CPU, in fp32 and evaluation mode.

    Args:
        settings: which one.
        models_dir: folder of fetched weights; empty for `~/.cache/reeltune/models`.
        progress: called with 0..1 while weights are fetched.

    Raises:
        StageError: BAD_INPUT when there is none such or it does not fit; NETWORK when its weights cannot be fetched.
    """
    if settings.name in _PLAIN:
        return _plain(settings).eval()
    if settings.name not in ("realesrgan", "onnx"):
        raise _refused("name", f"{settings.name!r} is no upscaler", "use embedded, lanczos, realesrgan or onnx")
    file = _file(settings.weights, settings.name, models_dir, progress)
    model = _from_onnx(file, settings.device) if settings.name == "onnx" else _from_checkpoint(file)
    if settings.scale not in (0, model.spec.scale):
        made = f"{settings.weights} enlarges by {model.spec.scale}, not by {settings.scale}"
        raise _refused("scale", made, f"use {model.spec.scale}, or 0 for the model's own")
    return model.eval()


def facts(
    settings: Wanted, models_dir: str | Path = "", *, progress: Callable[[float], None] = lambda _done: None
) -> ModelFacts:
    """What `load` would give, by its spec. Loads it only where nothing else can tell.

    Raises:
        StageError: as `load` does.
    """
    if settings.name == "embedded":
        return embedded_spec(_scale_of(settings))
    return load(settings, models_dir, progress=progress).spec


def _plain(settings: Wanted) -> Upscaler:
    scale = _scale_of(settings)
    if settings.name == "embedded":
        return load_embedded(scale)
    if settings.name == "lanczos":
        from stages.upscale.models.lanczos import Lanczos

        return Lanczos(scale)
    from stages.upscale.models.identity import Identity

    return Identity()


def _scale_of(settings: Wanted) -> int:
    """The scale of an upscaler without weights of the user's."""
    scale = settings.scale or min(_USUAL_SCALE, _PLAIN[settings.name])
    if settings.name == "embedded" and scale not in SCALES:
        raise _refused("scale", f"the embedded model has no ×{scale}", "use 2 or 4, or upscaler=lanczos")
    if not 1 <= scale <= _PLAIN[settings.name]:
        fits = f"1 to {_PLAIN[settings.name]}" if settings.name == "lanczos" else "1"
        raise _refused("scale", f"{settings.name} has no ×{scale}", f"use {fits}")
    return scale


def _file(weights: str, name: str, models_dir: str | Path, progress: Callable[[float], None]) -> Path:
    """The file that is meant: one that is there, or a known name, fetched when it is not there yet."""
    from stages.upscale.models.fetch import fetch

    if not weights:
        example = "realesr-general-x4v3 or a .pth file" if name == "realesrgan" else "an .onnx file"
        raise _refused("weights", f"upscaler={name} wants weights, and none are named", f"name {example}")
    if Path(weights).is_file():
        return Path(weights)
    spec = known(weights) if name == "realesrgan" else None
    if spec is None:
        like = names_like(weights) if name == "realesrgan" else ""
        raise _refused("weights", f"there is no file {weights!r}{like}", "name a file that is there")
    return fetch(spec, Path(models_dir or Path.home() / ".cache" / "reeltune" / "models"), progress=progress)


def _from_onnx(file: Path, device: str) -> Upscaler:
    from stages.upscale.models.onnx_model import OnnxModel

    return OnnxModel(file, device)


def _from_checkpoint(file: Path) -> Upscaler:
    """The network that fits the weights of a file, with them in it."""
    from stages.upscale.models.checkpoint import read_weights
    from stages.upscale.models.rrdb import Rrdb
    from stages.upscale.models.spandrel_model import by_spandrel
    from stages.upscale.models.srvgg import Srvgg

    weights, digest = read_weights(file)
    net = Srvgg.shaped_for(weights) or Rrdb.shaped_for(weights)
    if net is None:
        return by_spandrel(weights, file).named(sha256=digest)
    try:
        net.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        reason = f"{file} has weights that do not fit the network {net.spec.arch} that they look like"
        raise StageError(
            Failure.BAD_INPUT, f"upscaler.weights: {reason}; name another file", detail=str(error)
        ) from error
    its = known_by_digest(digest)
    told = {"name": its.name, "licence": its.licence, "url": its.url, "note": its.note} if its else {"name": file.stem}
    return net.named(sha256=digest, **told)


def _refused(key: str, reason: str, mend: str) -> StageError:
    return StageError(Failure.BAD_INPUT, f"upscaler.{key}: {reason}; {mend}")
