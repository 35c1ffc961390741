"""An ONNX file that maps pictures to larger pictures, run by ONNX Runtime, looking like any other upscaler."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from stages.contract import Failure, StageError
from stages.upscale.models.probe import probe
from stages.upscale.models.upscaler import Upscaler

if TYPE_CHECKING:
    import onnxruntime

_TYPES = {"tensor(float)": torch.float32, "tensor(float16)": torch.float16}
_INSTALL = 'pip install "reeltune[onnx]"'


class OnnxModel(Upscaler):
    """One input [N, 3, H, W] and one output [N, 3, s·H, s·W], both float or half; N dynamic or fixed.

    Scale and radius are probed. It computes in the precision of the file, on the CPU or CUDA device that ONNX Runtime
    was given, whatever torch does: what comes in another dtype or from another device goes back in that.

    Args:
        path: the file.
        device: `cpu` keeps ONNX Runtime off a GPU.

    Raises:
        StageError: BAD_INPUT when the file is no such network.
    """

    def __init__(self, path: Path, device: str = "auto") -> None:
        self._path = path
        session, digest = _session(path, device)
        self._input, self._batch, self._dtype = _input_of(path, session)
        super().__init__("onnx", scale=1, radius=0)
        self._session = session
        try:
            found = probe(self.forward)
        except Exception as error:  # ONNX Runtime has a class of its own for every kind of failure, with no parent
            raise _refused(path, f"does not run on RGB pictures ({_line(error)})", str(error)) from error
        self.named(name=path.stem, scale=found.scale, radius=found.radius, sha256=digest)
        if not found.bounded:
            self.named(
                note=f"{path.name} looks further than {found.radius} px: what it makes of tiles may differ a little"
            )

    def forward(self, picture: Tensor) -> Tensor:
        """Run the session, as often as its fixed batch size wants."""
        feed = picture.detach().to("cpu", self._dtype).contiguous()
        parts = [self._run(part) for part in torch.split(feed, self._batch or len(feed))]
        return torch.cat(parts).to(picture.device, picture.dtype)

    def _run(self, part: Tensor) -> Tensor:
        missing = (self._batch or len(part)) - len(part)
        filled = torch.cat([part, part[-1:].expand(missing, -1, -1, -1)]) if missing else part
        made = self._session.run(None, {self._input: filled.numpy()})[0]
        return torch.from_numpy(made)[: len(part)]


def _session(path: Path, device: str) -> tuple[onnxruntime.InferenceSession, str]:
    """The session and the sha256 (hex) of the file."""
    try:
        import onnxruntime
    except ImportError as error:
        sentence = f"upscaler=onnx needs the package onnxruntime, which is not installed; {_INSTALL}"
        raise StageError(Failure.BAD_INPUT, sentence) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4
    wanted = ["CPUExecutionProvider"] if device == "cpu" else ["CUDAExecutionProvider", "CPUExecutionProvider"]
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return onnxruntime.InferenceSession(str(path), options, providers=providers), digest
    except OSError as error:
        raise _refused(path, f"cannot be read ({error.strerror})") from error
    except Exception as error:  # as above: no common parent
        raise _refused(path, "is no ONNX file that ONNX Runtime can load", str(error)) from error


def _input_of(path: Path, session: onnxruntime.InferenceSession) -> tuple[str, int, torch.dtype]:
    """Name, batch size (0: any) and dtype of the one input."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    shape: list[Any] = list(inputs[0].shape) if inputs else []
    if len(inputs) != 1 or len(outputs) != 1 or len(shape) != 4 or inputs[0].type not in _TYPES:
        raise _refused(path, "does not have one input [N, 3, H, W] of floats and one output")
    if shape[1] != 3:
        raise _refused(path, f"wants {shape[1]} channels, and pictures have 3")
    if isinstance(shape[2], int) or isinstance(shape[3], int):
        raise _refused(path, f"takes pictures of {shape[3]} × {shape[2]} only; export it with dynamic height and width")
    return inputs[0].name, shape[0] if isinstance(shape[0], int) else 0, _TYPES[inputs[0].type]


def _refused(path: Path, reason: str, detail: str = "") -> StageError:
    sentence = f"upscaler.weights: {path} {reason}; name another file, or use upscaler=embedded"
    return StageError(Failure.BAD_INPUT, sentence, detail=detail)


def _line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:160]
