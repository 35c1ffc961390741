"""Weights from a file, without ever running what is in it."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.contract import Failure, StageError
from stages.upscale.models.tensors import NotTensorsError, tensors_in

if TYPE_CHECKING:
    import torch

LARGEST = 2 * 1024**3  # bytes; the largest official checkpoint has 67 MB
_INNER = ("params_ema", "params", "state_dict")  # where trainers put the weights; the averaged ones first


def read_weights(path: Path) -> tuple[dict[str, torch.Tensor], str]:
    """Weights by name in fp32 on the CPU, and the sha256 (hex) of the file they came from.

    Args:
        path: a PyTorch checkpoint (`.pth`, `.pt`) or a safetensors file, told apart by content.

    Raises:
        StageError: BAD_INPUT when the file cannot be read, holds code, or holds no weights.
    """
    data = _bytes_of(path)
    found = _from_torch(path, data) if data[:2] in (b"PK", b"\x80\x02") else _from_safetensors(path, data)
    return found, hashlib.sha256(data).hexdigest()


def _bytes_of(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise _refused(path, "is far too large for an upscaler's weights")
        return path.read_bytes()
    except OSError as error:
        raise _refused(path, f"cannot be read ({error.strerror})") from error


def _from_safetensors(path: Path, data: bytes) -> dict[str, torch.Tensor]:
    try:
        return tensors_in(data)[0]
    except NotTensorsError as error:
        raise _refused(path, "is neither a PyTorch checkpoint nor a safetensors file", str(error)) from error


def _from_torch(path: Path, data: bytes) -> dict[str, torch.Tensor]:
    import torch

    try:
        held = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refused(path, "holds more than weights, and code from a file is never run", str(error)) from error
    except Exception as error:  # a damaged file ends in an error of any class, from zip reader to storage
        raise _refused(path, "is damaged", str(error)) from error
    return _weights_in(path, held)


def _weights_in(path: Path, held: Any) -> dict[str, torch.Tensor]:
    import torch

    for inner in _INNER:
        if isinstance(held, Mapping) and isinstance(held.get(inner), Mapping):
            held = held[inner]
    if not isinstance(held, Mapping) or not held or not all(isinstance(v, torch.Tensor) for v in held.values()):
        raise _refused(path, "holds no weights by name")
    return {str(name).removeprefix("module."): value.float() for name, value in held.items()}


def _refused(path: Path, reason: str, detail: str = "") -> StageError:
    sentence = f"upscaler.weights: {path} {reason}; name another file, or use upscaler=embedded"
    return StageError(Failure.BAD_INPUT, sentence, detail=detail)
