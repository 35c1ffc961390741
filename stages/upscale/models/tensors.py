"""Named tensors in a file that cannot hold code: the safetensors format, read and written.

Format: https://huggingface.co/docs/safetensors: 8 bytes length of the header (little-endian), a JSON header with dtype,
shape and byte range per tensor and texts under `__metadata__`, then the bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

LONGEST_HEADER = 16 * 1024 * 1024


class NotTensorsError(ValueError):
    """The file is not in this format, or damaged; the message says in what."""


def _dtypes() -> dict[str, torch.dtype]:
    import torch

    return {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], texts: Mapping[str, str]) -> None:
    """Write tensors in the order of their names, so that equal content gives equal bytes."""
    names = {dtype: name for name, dtype in _dtypes().items()}
    header: dict[str, Any] = {"__metadata__": dict(sorted(texts.items()))} if texts else {}
    parts: list[bytes] = []
    at = 0
    for name, tensor in sorted(tensors.items()):
        data = tensor.detach().cpu().contiguous().reshape(-1).view(_byte()).numpy().tobytes()
        span = [at, at + len(data)]
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": span}
        parts.append(data)
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(parts))


def tensors_in(data: bytes) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors by name in fp32 from the bytes of a file, and the texts beside them.

    Raises:
        NotTensorsError: when the bytes are in another format or damaged.
    """
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(len(data) - 8, LONGEST_HEADER):
        raise NotTensorsError("it has no safetensors header")
    try:
        header = json.loads(data[8 : 8 + length])
        texts = header.pop("__metadata__", {})
        body = data[8 + length :]
        return {name: _tensor(entry, body) for name, entry in header.items()}, dict(texts)
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise NotTensorsError(f"its safetensors header or data are damaged ({error})") from error


def _tensor(entry: Mapping[str, Any], body: bytes) -> torch.Tensor:
    import torch

    start, end = entry["data_offsets"]
    if not 0 <= start <= end <= len(body):
        raise ValueError(f"bytes {start} to {end} of {len(body)}")
    raw = torch.frombuffer(bytearray(body[start:end]), dtype=_dtypes()[entry["dtype"]])
    return raw.reshape(entry["shape"]).float()


def _byte() -> torch.dtype:
    import torch

    return torch.uint8
