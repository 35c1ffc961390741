"""One figure for many frames."""

from __future__ import annotations

import math

from stages.contract import Json

PSNR_CAP = 100.0  # dB; what stands for infinity, which JSON and MLflow cannot hold


def pooled(rows: list[dict[str, Json]]) -> dict[str, float]:
    """Figures of all frames: means, the harmonic mean as libvmaf has it, and the 1st percentile.

    Args:
        rows: per frame `vmaf` (0 … 100, None when not measured), `ssim` (None likewise), `psnr` (dB, at most PSNR_CAP)
            and `identical`.
    """
    import numpy as np

    if not rows:
        return {}
    figures = {"quality.psnr": _mean_psnr(rows)}
    if rows[0]["ssim"] is not None:
        figures["quality.ssim"] = float(np.mean([row["ssim"] for row in rows]))
    if rows[0]["vmaf"] is not None:
        vmaf = np.array([row["vmaf"] for row in rows])
        figures["quality.vmaf_mean"] = float(vmaf.mean())
        figures["quality.vmaf_harmonic"] = float(1 / np.mean(1 / (vmaf + 1)) - 1)
        figures["quality.vmaf_p1"] = float(np.percentile(vmaf, 1))
    return figures


def _mean_psnr(rows: list[dict[str, Json]]) -> float:
    """PSNR of the mean squared error of all frames, dB: in a mean of decibels one perfect frame hides a bad one."""
    errors = [0.0 if row["identical"] else 10 ** (-row["psnr"] / 10) for row in rows]
    mean = sum(errors) / len(errors)
    return min(PSNR_CAP, -10 * math.log10(mean)) if mean > 0 else PSNR_CAP
