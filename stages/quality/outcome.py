"""What a scored pair leaves: the scores of each frame, their figures, the plot, and what is worth telling."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from stages.contract import Json, Result, Work
from stages.media.frames import Timeline
from stages.media.pooling import PSNR_CAP, pooled
from stages.media.score import Scoring
from stages.quality.misfit import Misfit
from stages.quality.scoreplot import Sheet, draw_scores, draw_sentence

_SHOWN = {"vmaf": "VMAF", "ssim": "SSIM", "psnr": "PSNR"}
Rows = list[dict[str, Json]]


def scored(
    work: Work, scoring: Scoring, times: Timeline, rows: Rows, found: Misfit | None, notes: Iterable[str]
) -> Result:
    """The result of a pair that was compared.

    Args:
        work: the task.
        scoring: what was run.
        times: when the frames of the reference are shown.
        rows: scores by frame: `index`, `pts_s`, `vmaf`, `ssim`, `psnr`, `identical`.
        found: frames out of step; `rows` end before them.
        notes: what was said before.
    """
    identical = sum(row["identical"] for row in rows)
    data = {
        "metrics": list(scoring.wanted) if rows else [],
        "vmaf_model": scoring.model,
        "frames": len(rows),
        "identical_frames": identical,
        "psnr_infinite": bool(rows) and identical == len(rows),
        "misaligned": found.sentence if found else "",
        "not_compared": "",
    }
    figures = pooled(rows)
    plot = work.scratch / "plot.png"
    draw_scores(rows, _sheet(work, scoring, times, found), figures, plot)
    metrics = {"quality.frames": len(rows), "quality.misaligned": found.frames if found else 0, **figures}
    files = {"scores": _written(work, data, rows), "plot": plot}
    return Result(files=files, data={"quality": data}, metrics=metrics, notes=[*notes, *_said(data, rows, found)])


def not_compared(work: Work, reason: str) -> Result:
    """The result of a pair whose frames do not belong together, and were never meant to."""
    said = f"VMAF not measured: {reason}; neither were SSIM and PSNR"
    data = {
        "metrics": [],
        "vmaf_model": "",
        "frames": 0,
        "identical_frames": 0,
        "psnr_infinite": False,
        "misaligned": "",
        "not_compared": reason,
    }
    plot = work.scratch / "plot.png"
    draw_sentence(work.item.key, said, plot)
    return Result(files={"scores": _written(work, data, []), "plot": plot}, data={"quality": data}, notes=[said])


def _written(work: Work, data: Mapping[str, Json], rows: Rows) -> Path:
    file = work.scratch / "scores.json"
    file.write_text(json.dumps({**data, "scores": rows}, ensure_ascii=False), encoding="utf-8")
    return file


def _said(data: Mapping[str, Json], rows: Rows, found: Misfit | None) -> list[str]:
    said = []
    if found:
        said += [found.sentence, f"only the {len(rows)} frames before index {found.index} were scored"]
    if data["psnr_infinite"]:
        said.append(f"all {len(rows)} frames are identical: PSNR is infinite, written as {PSNR_CAP:g} dB")
        said += ["libvmaf gives 97.4 to identical frames in which nothing moves"] if data["vmaf_model"] else []
    return said


def _sheet(work: Work, scoring: Scoring, times: Timeline, found: Misfit | None) -> Sheet:
    """What is written on the plot. A misfit is marked at the time of its first frame."""
    main = _SHOWN[scoring.wanted[0]]
    what = f"{main} ({scoring.model})" if scoring.model else main
    timed, count = bool(times.pts), times.count

    def place(index: int) -> float:
        return times.seconds(min(index, count - 1)) if timed else float(index)

    mark = place(found.index) if found else None
    remark = f"Out of step from index {found.index} on: {found.sentence}" if found else ""
    return Sheet(f"{work.item.key} · {what}", place(count - 1), timed, mark, remark)
