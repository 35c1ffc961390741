"""`run.json` as a pure function of the run's folder, so that whoever comes next can finish a killed run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from runner.record.figures import journal_metrics, last_sample_t, resource_metrics
from runner.record.itemstates import COMPLETE, FAILED, SEEN, ItemStates
from runner.record.jsonl import read_lines
from runner.record.masking import mask, mask_words
from runner.record.rundir import EXIT_CODES, SCHEMA_VERSION, RunDir, read_json
from runner.record.tally import Tally
from stages.platform.files import beside, flush_to_disk

_WORSE = ("ok", "partial", "failed", "killed")


def is_owned(run: RunDir) -> bool:
    """True while a living process holds the run's lock."""
    try:
        with FileLock(run.lock, timeout=0):
            return False
    except Timeout:
        return True


def finish_run(
    run: RunDir, *, status: str | None = None, exit_code: int | None = None, reason: str = ""
) -> dict[str, Any]:
    """Write `run.json` from journal, samples and its own static fields.

    Args:
        run: the folder.
        status: the last word of the run's owner; without it the journal decides. A journal without an
            `end` event means killed, or running when somebody still holds the lock.
        exit_code: the process's exit code; else it follows from the status.
        reason: one sentence for a run that did not end by itself.

    Returns:
        what was written, without `outputs` (which may be long).
    """
    static = _without_secrets(read_json(run.run_json))
    static.pop("outputs", None)
    part = beside(run.run_json)
    try:
        with part.open("w+", encoding="utf-8") as members:
            tally = _tally(run, members)
            summary = static | _summary(run, static, tally, status, exit_code, reason)
            _write(run.run_json, summary, members)
    finally:
        part.unlink(missing_ok=True)
    return summary


def _without_secrets(static: dict[str, Any]) -> dict[str, Any]:
    words = mask_words(static.get("overrides") or ())
    settings = {name: mask(static.get(name) or {}) for name in ("requested", "effective")}
    return {**static, **settings, "overrides": words}


def _tally(run: RunDir, members: IO[str]) -> Tally:
    """Stream the journal once; output files go to `members` as lines of a JSON object."""
    separator = ""

    def on_output(item: str, path: str) -> None:
        nonlocal separator
        members.write(f"{separator}    {_text(item)}: {_text(path)}")
        separator = ",\n"

    tally = Tally(ItemStates(_item_keys(run)), on_output)
    for _, event in read_lines(run.journal):
        tally.take(event)
    return tally


def _text(value: str) -> str:
    """A JSON string; file names that are no UTF-8 (lone surrogates) are escaped, others stay readable."""
    return json.dumps(value, ensure_ascii=any("\ud800" <= letter <= "\udfff" for letter in value))


def _item_keys(run: RunDir) -> Iterator[str]:
    """Keys of the frozen items; without that file those that the first stage saw."""
    if run.items_jsonl.is_file():
        yield from (item["key"] for _, item in read_lines(run.items_jsonl) if item and "key" in item)
        return
    first = ""
    for _, event in read_lines(run.journal):
        if event and event.get("event") == "start":
            first = next(iter(event.get("stages") or [""]))
        elif event and event.get("event") == "task" and event["stage"] == first:
            yield event["item"]


def _summary(
    run: RunDir, static: dict[str, Any], tally: Tally, status: str | None, exit_code: int | None, reason: str
) -> dict[str, Any]:
    ended = tally.end.get("status")
    clean = (status or ended) in ("ok", "partial") and not tally.end.get("reason")  # a reason: it was stopped early
    counts = _counts(tally, clean=clean)
    status = status or _status(run, ended, counts)
    wall_s = tally.end.get("wall_s") or max(tally.last_t, last_sample_t(run.samples))
    known = (static.get("known") or {}).get("figures") or {}
    metrics = known | journal_metrics(tally, counts["ok"], wall_s) | resource_metrics(run.samples)
    degraded = bool(static.get("degraded") or tally.degrades)
    return {
        "schema_version": static.get("schema_version", SCHEMA_VERSION),
        "status": status,
        "exit_code": EXIT_CODES.get(status) if exit_code is None else exit_code,
        "reason": reason or tally.end.get("reason") or static.get("reason") or "",
        "started_at": static.get("started_at") or _iso(tally.start.get("epoch")),
        "wall_s": round(wall_s, 3),
        "counts": counts,
        "metrics": {name: round(value, 6) for name, value in metrics.items()},
        "effective": _effective(static, tally),
        "degraded": degraded,
        "notes": list(_notes(static.get("notes") or (), tally)),
        **_tracked(run),
    }


def _counts(tally: Tally, *, clean: bool) -> dict[str, int]:
    """Items and tasks. After a clean end an item without failures is ok; else it must have been completed."""
    tasks = [stage.tasks for stage in tally.stages.values()]
    cached = sum(t["cached"] for t in tasks)
    return {
        "items": max(int(tally.start.get("items") or 0), len(tally.items)),
        "ok": tally.items.count(having=SEEN if clean else COMPLETE, without=FAILED),
        "failed": tally.items.count(having=FAILED),
        "tasks": cached + sum(t["done"] + t["failed"] for t in tasks),
        "tasks_cached": cached,
    }


def _status(run: RunDir, ended: str | None, counts: dict[str, int]) -> str:
    """The worse of what the job said at its end and what its journal shows."""
    if ended is None:
        return "running" if is_owned(run) else "killed"
    shown = "ok" if not counts["failed"] else "partial" if counts["ok"] else "failed"
    return max(ended, shown, key=_WORSE.index)


def _iso(epoch: float | None) -> str | None:
    return None if epoch is None else datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds")


def _effective(static: dict[str, Any], tally: Tally) -> dict[str, Any]:
    """What was really used: asked, then what the ladder changed, then the workers at the end."""
    effective = dict(static.get("effective") or {})
    known = [*effective, *(static.get("requested") or {})]
    for event in tally.degrades:
        for name, value in (event.get("changes") or {}).items():
            effective[_full_key(known, event["stage"], name)] = value
    for key, values in tally.used.items():  # items may differ: a film of 10 bit is coded otherwise than one of 8
        effective[key] = values[0] if len(values) == 1 else ", ".join(map(str, values))
    return effective | {f"workers.{stage}": count for stage, count in tally.workers.items()}


def _full_key(known: Iterable[str], stage: str, name: str) -> str:
    tail = f"stages.{stage}.settings.{name}"
    return next((key for key in known if key.endswith(tail)), f"pipeline.{tail}")


def _notes(before: Iterable[str], tally: Tally) -> Iterator[str]:
    said = dict.fromkeys(before)
    for text, count in tally.notes.items():
        said[text if count == 1 else f"{text} (×{count})"] = None
    for event in tally.degrades:
        changes = ", ".join(f"{name}={value}" for name, value in (event.get("changes") or {}).items())
        said[f"{event['stage']}: went on with {changes}: {event.get('reason', '')}"] = None
    yield from said
    if tally.notes_left_out:
        yield f"{tally.notes_left_out} more notes are in journal.jsonl"
    if tally.damaged:
        yield f"{tally.damaged} damaged lines of journal.jsonl could not be read"


def _tracked(run: RunDir) -> dict[str, Any]:
    tracking = read_json(run.tracking)
    return {"mlflow_run_id": tracking.get("run_id"), "tracking_uri": tracking.get("uri")}


def _write(path: Path, summary: dict[str, Any], members: IO[str]) -> None:
    """Copy `members` into the object's `outputs` without holding them; whole or not at all."""
    temp = beside(path)
    try:
        with temp.open("w", encoding="utf-8") as file:
            file.write(json.dumps(summary, indent=2, ensure_ascii=False).removesuffix("\n}"))
            file.write(',\n  "outputs": {\n')
            members.seek(0)
            for line in members:
                file.write(line)
            file.write("\n  }\n}\n")
        flush_to_disk(temp)
        temp.replace(path)
    finally:
        temp.unlink(missing_ok=True)
