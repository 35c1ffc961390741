"""Networks of other shapes, by the library spandrel where it is installed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from stages.contract import Failure, StageError
from stages.upscale.models.probe import probe
from stages.upscale.models.upscaler import Upscaler

_INSTALL = 'pip install "reeltune[spandrel]"'


class SpandrelModel(Upscaler):
    """A network that spandrel recognised; radius found by probing.

    Args:
        descriptor: spandrel's ImageModelDescriptor.
        path: the file it came from.
    """

    def __init__(self, descriptor: Any, path: Path) -> None:
        super().__init__("spandrel", int(descriptor.scale), radius=0, align=_multiple(descriptor))
        self.network = descriptor.model  # so that `.to` and `.eval` reach the weights
        self._descriptor = descriptor
        found = probe(self.forward)
        self.named(
            name=path.stem, radius=found.radius, note=f"recognised by spandrel as {descriptor.architecture.name}"
        )
        if not found.bounded:
            self.named(note=f"{self.spec.note}; looks further than {found.radius} px, so tiles may differ a little")

    def forward(self, picture: Tensor) -> Tensor:
        """Each frame alone, as the library promises no more; fills up sizes that the network cannot take."""
        return (
            picture.new_tensor([]) if not len(picture) else _stacked([self._descriptor(one[None]) for one in picture])
        )


def _stacked(parts: list[Tensor]) -> Tensor:
    import torch

    return torch.cat(parts)


def _multiple(descriptor: Any) -> int:
    return max(1, int(descriptor.size_requirements.multiple_of))


def by_spandrel(weights: Mapping[str, Tensor], path: Path) -> SpandrelModel:
    """A network for weights that are neither of the two kinds that the project has itself.

    Raises:
        StageError: BAD_INPUT when spandrel is not there, does not know them either, or they are for no RGB upscaler.
    """
    try:
        import spandrel
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision that is not of the installed torch
        reason = (
            f"upscaler.weights: {path} is of no kind known here, and spandrel, which knows more, cannot be imported"
        )
        raise StageError(Failure.BAD_INPUT, f"{reason}; {_INSTALL}", detail=str(error)) from error
    try:
        found = spandrel.ModelLoader().load_from_state_dict(dict(weights))
    except Exception as error:  # its own error, or any from building a network that does not fit
        sentence = f"upscaler.weights: {path} is of no kind that spandrel knows; name another file"
        raise StageError(Failure.BAD_INPUT, sentence, detail=str(error)) from error
    if not isinstance(found, spandrel.ImageModelDescriptor) or (found.input_channels, found.output_channels) != (3, 3):
        sentence = f"upscaler.weights: {path} is a network for something else than RGB pictures; name another file"
        raise StageError(Failure.BAD_INPUT, sentence)
    return SpandrelModel(found, path)
