"""What is known of an upscaler."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """An upscaler as it was loaded, or as it is known by name.

    Attributes:
        name: `embedded`, a known name, or the stem of the user's file.
        arch: `srvgg`, `rrdb`, `onnx`, `lanczos`, `identity` or `spandrel`.
        scale: output pixels per input pixel along each side.
        radius: how far an output pixel looks, in input pixels along each side: the least overlap of exact tiles.
        align: tiles are exact only where their first row and column are multiples of this (networks that first fold
            `align` × `align` pixels into one).
        sha256: digest (hex) of the weights. Of a known name: what must be met, or empty where it is not known.
        licence: SPDX name of the licence of the weights; empty where nobody said.
        url: where the weights are had.
        note: what a user should know.
    """

    name: str
    arch: str
    scale: int
    radius: int
    align: int = 1
    sha256: str = ""
    licence: str = ""
    url: str = ""
    note: str = ""
