"""Makes run folders in the formats of docs/architecture.md, for tests of what is made from them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runner.record.rundir import RunDir, new_run_dir, write_json

EPOCH = 1_790_000_000.0
STAGES = ("speak", "encode", "score")


def write_lines(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def static_fields(run: RunDir, pipeline: str, **fields: Any) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "run_id": run.root.name,
        "pipeline": pipeline,
        "status": "running",
        "exit_code": None,
        "started_at": datetime.fromtimestamp(EPOCH, UTC).isoformat(),
        "requested": {"profile": "fast", "workers.encode": 4, "audio.bitrate": "128k", "tts.api_key": "sk-very-secret"},
        "effective": {"profile": "fast", "workers.encode": 4, "audio.bitrate": "128k"},
        "degraded": False,
        "notes": [],
        "hardware": {"cpu": "Test 6-Core", "cores": 6, "ram_gb": 64, "gpus": [{"name": "None such", "vram_mb": 12288}]},
        "versions": {"reeltune": "0.1.0", "ffmpeg": "9.0.2"},
        "overrides": ["pipeline=narrate", "profile=fast", "workers.encode=4", "input=a.txt"],
        "sweep": None,
        "job": None,
        **fields,
    }


def task(item: str, stage: str, t0: float, t1: float, status: str = "done", **fields: Any) -> dict[str, Any]:
    return {
        "event": "task", "item": item, "stage": stage, "status": status, "t0": t0, "t1": t1, "worker": 0, "attempt": 1,
        "cpu_s": round((t1 - t0) * 0.9, 3), "rss_mb": 120.0, "metrics": {}, "notes": [], "key": "k", **fields,
    }  # fmt: skip


def narrate_events(items: int, failed: int = 0, cached: int = 0) -> list[dict[str, Any]]:
    """Speak → encode → score, one after the other on two lanes each; the last `failed` items fail in encode."""
    dice = random.Random(1)
    events: list[dict[str, Any]] = []
    free = {(stage, lane): 0.0 for stage in STAGES for lane in range(2)}
    for number in range(items):
        item, t = f"story/{number:03d}", 0.0
        for stage, length in zip(STAGES, (0.3, 0.5, 0.1), strict=True):
            lane = min(range(2), key=lambda each, s=stage: free[s, each])
            if number < cached:
                events.append(
                    task(item, stage, 0.0, 0.0, "cached", metrics={"quality.stoi": 0.97} if stage == "score" else {})
                )
                continue
            t0 = max(t, free[stage, lane])
            t = free[stage, lane] = round(t0 + length * dice.uniform(0.7, 1.3), 3)
            if stage == "encode" and number >= items - failed:
                events.append(
                    task(
                        item,
                        stage,
                        t0,
                        t,
                        "failed",
                        failure="encoder",
                        sentence=f"{item}: the encoder gave up",
                        worker=lane,
                    )
                )
                events.append(task(item, "score", t, t, "blocked"))
                break
            metrics = {"speak": {"speech.audio_s": 6.0}, "encode": {"quality.lufs": -16.0 + number % 3}}.get(
                stage, {"quality.stoi": 0.9 + 0.01 * (number % 5), "quality.pesq": 3.5 + 0.1 * (number % 5)}
            )
            events.append(task(item, stage, t0, t, metrics=metrics, worker=lane))
        if number < items - failed:
            events.append(
                {"event": "output", "item": item, "artifact": "audio", "path": f"/r/{number}.m4a", "bytes": 1000}
            )
    return sorted(events, key=lambda event: event.get("t1", 1e9))


def make_run(
    outputs: Path,
    *,
    items: int = 6,
    failed: int = 0,
    cached: int = 0,
    end: str | None = "ok",
    pipeline: str = "narrate",
    extra: Iterable[dict[str, Any]] = (),
    **fields: Any,
) -> RunDir:
    """A run folder as the job leaves it: `run.json` says running, the rest is to be made from the lines."""
    run = new_run_dir(outputs, pipeline)
    events = [*narrate_events(items, failed, cached), *extra]
    wall = max((event.get("t1", 0.0) for event in events), default=0.0) + 0.2
    start = {"event": "start", "epoch": EPOCH, "pid": 7, "pipeline": pipeline, "stages": list(STAGES), "items": items,
             "slots": dict.fromkeys(STAGES, 2)}  # fmt: skip
    ending = [{"event": "end", "status": end, "wall_s": wall, "reason": ""}] if end else []
    write_lines(run.journal, [start, *events, *ending])
    write_lines(run.items_jsonl, ({"key": f"story/{n:03d}", "data": {}} for n in range(items)))
    write_lines(run.samples, map(sample, range(int(wall) + 1)))
    write_lines(run.failures, (failure_of(event) for event in events if event.get("status") == "failed"))
    run.config_yaml.write_text("pipeline: narrate\ntts:\n  api_key: sk-very-secret\n", encoding="utf-8")
    write_json(run.plan_json, {"pipeline": pipeline, "items": items})
    write_json(run.run_json, static_fields(run, pipeline, **fields))
    return run


def sample(t: int) -> dict[str, Any]:
    values = {"resource.cpu_util": 80.0 + t % 5, "resource.rss_mb": 300.0 + t, "resource.ram_util": 20.0,
              "progress.items_done": float(t), "queue.encode": float(t % 4), "running.encode": 2.0}  # fmt: skip
    return {"t": t, "epoch_ms": int((EPOCH + t) * 1000), "m": values}


def failure_of(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "item": event["item"], "stage": event["stage"], "failure": event["failure"], "sentence": event["sentence"],
        "attempts": 2, "settings": {"bitrate": "128k"}, "inputs": {"speech": "ab12"}, "detail": "stderr <tail> & more",
        "replay": f"reeltune replay outputs/x stage={event['stage']} item={event['item']}",
    }  # fmt: skip


def make_sweep(outputs: Path, jobs: Iterable[tuple[list[str], dict[str, float]]], status: str = "ok") -> Path:
    """A sweep folder with one finished run per job: its words and its metrics."""
    folder = outputs / "sweeps" / "2026-11-20" / "10-00-00-abc123"
    folder.mkdir(parents=True)
    lines = []
    for number, (words, metrics) in enumerate(jobs):
        run = new_run_dir(outputs, "narrate")
        fields = {
            "metrics": metrics,
            "wall_s": 12.0 + number,
            "status": "ok",
            "overrides": words,
            "sweep": "abc",
            "job": number,
        }
        write_json(run.run_json, {**static_fields(run, "narrate"), **fields})
        run.report.write_text("<html></html>", encoding="utf-8")
        lines.append({"job": number, "run_dir": str(run.root), "overrides": words})
    write_lines(folder / "jobs.jsonl", lines)
    words = ["pipeline=narrate", "workers.encode=1,4,8", "profile=fast,balanced,quality"]
    started = datetime.fromtimestamp(EPOCH, UTC).isoformat()
    fields = {"id": "abc", "pipeline": "narrate", "overrides": words, "started_at": started, "status": status}
    write_json(folder / "sweep.json", fields)
    return folder


def grid_jobs() -> list[tuple[list[str], dict[str, float]]]:
    """Workers × profiles with figures that make sense."""
    jobs = []
    for workers, speed in ((1, 3.7), (4, 6.1), (8, 6.3)):
        for profile, factor, pesq, size in (
            ("fast", 1.2, 3.9, 4e6),
            ("balanced", 1.0, 4.2, 6e6),
            ("quality", 0.8, 4.35, 8e6),
        ):
            metrics = {
                "throughput.items_per_s": speed * factor,
                "throughput.x_realtime": speed * factor * 6,
                "size.bytes": size,
                "quality.pesq": pesq,
                "quality.stoi": 0.9 + pesq / 100,
                "resource.rss_peak_mb": 200 + 90 * workers,
                "resource.cpu_util": 25 + 9.0 * workers,
                "cache.hit_ratio": 0.0,
            }
            jobs.append(([f"workers.encode={workers}", f"profile={profile}", "pipeline=narrate"], metrics))
    return jobs


def film_jobs() -> list[tuple[list[str], dict[str, float]]]:
    """Encoders × profiles as a transcode sweep measured them."""
    measured = (
        ("x264", "fast", 104.5, 94.7, 93.9, 0.921, 1.51e6),
        ("x264", "balanced", 46.5, 92.3, 89.9, 0.907, 1.02e6),
        ("x265", "fast", 114.8, 85.2, 82.2, 0.836, 0.41e6),
        ("x265", "balanced", 53.4, 87.7, 84.7, 0.852, 0.42e6),
        ("svtav1", "fast", 140.5, 89.8, 85.1, 0.849, 0.53e6),
        ("svtav1", "balanced", 39.9, 90.5, 87.3, 0.851, 0.49e6),
    )
    return [
        (
            [f"encoder={encoder}", f"profile={profile}", "pipeline=transcode"],
            {"throughput.items_per_s": 0.1 + n / 1000, "throughput.x_realtime": 0.6, "throughput.fps": fps,
             "quality.vmaf_mean": vmaf, "quality.vmaf_p1": low, "quality.ssim": ssim, "size.bytes": size},
        )
        for n, (encoder, profile, fps, vmaf, low, ssim, size) in enumerate(measured)
    ]  # fmt: skip
