"""How much memory a model takes, and how to tell that there was too little."""

from __future__ import annotations

from typing import Any

from stages.upscale.tiles import Tiling, upscaled

_WORDS = (
    "can't allocate memory", "not enough memory", "out of memory", "failed to allocate", "alloc_failed",
    "bad allocation", "bad_alloc",
)  # fmt: skip


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, in the words of torch, CUDA, ONNX Runtime, Python or C++."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(words in str(error).lower() for words in _WORDS)


def activations(model: Any, tiling: Tiling) -> float:
    """Numbers that a model holds at once for each pixel of its input, at most, measured on a small frame.

    What goes into a layer and comes out of it, of the largest layer, twice: something else is kept beside (the input
    of a residual block, a copy in another layout).
    """
    import torch

    side, largest = -(-32 // tiling.multiple) * tiling.multiple, 0

    def look(_module: Any, inputs: Any, output: Any) -> None:
        nonlocal largest
        tensors = [one for one in (*inputs, output) if isinstance(one, torch.Tensor)]
        largest = max(largest, sum(one.numel() for one in tensors))

    leaves = [module for module in model.modules() if not any(True for _ in module.children())]
    hooks = [leaf.register_forward_hook(look) for leaf in leaves]
    try:
        with torch.inference_mode():
            upscaled(model, torch.zeros(1, 3, side, side), tiling)
    finally:
        for hook in hooks:
            hook.remove()
    return 2 * max(largest / side**2, 3.0 + 3 * tiling.scale**2)
