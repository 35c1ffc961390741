"""Weights that people know by name. The project fetches them where their makers published them, and carries none.

The sha256 of realesr-animevideov3 was taken from the file. Those of the others are what many who published checksums of
these files agree on, not taken from the files by us: a wrong one would refuse a download, never let a wrong file pass.
"""

from __future__ import annotations

from stages.settings import nearest
from stages.upscale.models.spec import ModelSpec

_RELEASES = "https://github.com/xinntao/Real-ESRGAN/releases/download"
_BSD = "BSD-3-Clause"

KNOWN = {
    spec.name: spec
    for spec in (
        ModelSpec(
            "realesr-animevideov3", "srvgg", scale=4, radius=18, licence=_BSD,
            url=f"{_RELEASES}/v0.2.5.0/realesr-animevideov3.pth",
            sha256="b8a8376811077954d82ca3fcf476f1ac3da3e8a68a4f4d71363008000a18b75d",
            note="drawn animation; the fastest of them",
        ),
        ModelSpec(
            "realesr-general-x4v3", "srvgg", scale=4, radius=34, licence=_BSD,
            url=f"{_RELEASES}/v0.2.5.0/realesr-general-x4v3.pth",
            sha256="8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
            note="footage of any kind",
        ),
        ModelSpec(
            "RealESRGAN_x4plus", "rrdb", scale=4, radius=349, licence=_BSD,
            url=f"{_RELEASES}/v0.1.0/RealESRGAN_x4plus.pth",
            sha256="4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
            note="photographs; 29 times the work of realesr-animevideov3",
        ),
        ModelSpec(
            "RealESRGAN_x2plus", "rrdb", scale=2, radius=698, align=2, licence=_BSD,
            url=f"{_RELEASES}/v0.2.1/RealESRGAN_x2plus.pth",
            sha256="49fafd45f8fd7aa8d31ab2a22d14d91b536c34494a5cfe31eb5d89c2fa266abb",
            note="photographs",
        ),
        ModelSpec(
            "RealESRGAN_x4plus_anime_6B", "rrdb", scale=4, radius=94, licence=_BSD,
            url=f"{_RELEASES}/v0.2.2.4/RealESRGAN_x4plus_anime_6B.pth",
            sha256="f872d837d3c90ed2e05227bed711af5671a6fd1c9f7d7e91c911a61f155e99da",
            note="drawn pictures",
        ),
    )
}  # fmt: skip


def known(name: str) -> ModelSpec | None:
    """What is known by a name, with or without `.pth`; None when nothing is."""
    return KNOWN.get(name.removesuffix(".pth"))


def known_by_digest(sha256: str) -> ModelSpec | None:
    """What a file is, from the digest of its content; None when it is none of them."""
    return next((spec for spec in KNOWN.values() if spec.sha256 == sha256), None)


def names_like(name: str) -> str:
    """` (did you mean X?)` when a known name is near, and all of them."""
    return f"{nearest(name, list(KNOWN))}; known names are {', '.join(KNOWN)}"
