"""The index of finished work: task key → what the task made. One SQLite file, safe for many processes."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runner.plan.store import Store, digest_of
from stages.contract import Artifact

_SCHEMA = """
create table if not exists done (key text primary key, stage text, made real, used real, bytes integer, outcome text)
    without rowid;
create table if not exists digests (path text primary key, size integer, mtime_ns integer, digest text) without rowid;
create table if not exists last (task text primary key, digest text, inputs text) without rowid;
create table if not exists said (digest text primary key, said text) without rowid;
create table if not exists spent (key text primary key, gone integer) without rowid;
"""
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Found:
    """A child item as it is kept: its name, data and files."""

    name: str
    data: Mapping[str, Any]
    artifacts: Mapping[str, Artifact]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a task left behind."""

    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    notes: Sequence[str] = ()
    children: Sequence[Found] = ()

    def files(self) -> Iterator[Artifact]:
        """Every file of it."""
        yield from self.artifacts.values()
        for child in self.children:
            yield from child.artifacts.values()


def pack(outcome: Outcome) -> dict[str, Any]:
    """An outcome as JSON; files by digest and suffix, so that the cache folder can be moved."""
    packed: dict[str, Any] = {"files": _pack_files(outcome.artifacts), "data": dict(outcome.data)}
    if outcome.metrics:
        packed["metrics"] = dict(outcome.metrics)
    if outcome.notes:
        packed["notes"] = list(outcome.notes)
    if outcome.children:
        packed["children"] = [
            {"name": c.name, "data": dict(c.data), "files": _pack_files(c.artifacts)} for c in outcome.children
        ]
    return packed


def unpack(packed: Mapping[str, Any], store: Store) -> Outcome:
    """The other way round."""
    return Outcome(
        artifacts=_unpack_files(packed["files"], store),
        data=packed["data"],
        metrics=packed.get("metrics", {}),
        notes=packed.get("notes", ()),
        children=[Found(c["name"], c["data"], _unpack_files(c["files"], store)) for c in packed.get("children", ())],
    )


def _pack_files(files: Mapping[str, Artifact]) -> dict[str, Any]:
    return {name: [a.digest, a.path.suffix, a.kind, a.size, a.mtime_ns] for name, a in files.items()}


def _unpack_files(packed: Mapping[str, Any], store: Store) -> dict[str, Artifact]:
    return {
        name: Artifact(store.path(digest, suffix), kind, digest, size, mtime_ns)
        for name, (digest, suffix, kind, size, mtime_ns) in packed.items()
    }


class Index:
    """Finished work by key. `get` answers only for work whose files are all there, whole in size."""

    def __init__(self, root: Path) -> None:
        from filelock import FileLock

        root.mkdir(parents=True, exist_ok=True)
        self.store = Store(root)
        self._db = sqlite3.connect(root / "index.db", timeout=60, isolation_level=None, check_same_thread=False)
        with FileLock(root / "index.lock"):  # SQLite does not wait when two processes turn a new file to WAL at once
            self._db.execute("pragma journal_mode=wal")
            self._db.executescript(_SCHEMA)
        # normal: a crash of ours loses nothing; a power cut may lose the last seconds, which are then done again
        self._db.execute("pragma synchronous=normal")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def get(self, key: str, *, spent: bool = False) -> Outcome | None:
        """What the task of this key made, or None when it has to be done.

        Args:
            key: of the task.
            spent: its files may be gone, where they were let go (see `runner.plan.transient`).
        """
        row = self._db.execute("select outcome, used from done where key = ?", (key,)).fetchone()
        if row is None:
            return None
        outcome = unpack(json.loads(row[0]), self.store)
        if not all(self.store.holds(artifact) for artifact in outcome.files()) and not (spent and self._spent(key)):
            return None
        if time.time() - row[1] > _DAY_S:
            self._db.execute("update done set used = ? where key = ?", (time.time(), key))
        return outcome

    def put(self, key: str, stage: str, outcome: Outcome) -> None:
        """Remember finished work; its files must be in the store already."""
        size = sum(artifact.size for artifact in outcome.files())
        text = json.dumps(pack(outcome), ensure_ascii=False, separators=(",", ":"))
        now = time.time()
        with self._db:
            self._db.execute("insert or replace into done values (?,?,?,?,?,?)", (key, stage, now, now, size, text))
            self._db.execute("delete from spent where key = ?", (key,))

    def spend(self, keys: Sequence[str]) -> None:
        """Note that the files of these tasks may be let go."""
        self._db.executemany("insert or ignore into spent values (?, 0)", [(key,) for key in keys])

    def let_go(self, but: Collection[str] = ()) -> None:
        """Remove the files that may be let go, `but` those of some tasks; nobody else must work with them."""
        rows = self._db.execute("select key, outcome from done join spent using (key) where gone = 0").fetchall()
        going = [(key, text) for key, text in rows if key not in but]
        for _, text in going:
            for artifact in unpack(json.loads(text), self.store).files():
                self.store.drop(artifact)
        self._db.executemany("update spent set gone = 1 where key = ?", [(key,) for key, _ in going])

    def _spent(self, key: str) -> bool:
        return self._db.execute("select 1 from spent where key = ?", (key,)).fetchone() is not None

    def remember(self, task: str, digest: str, inputs: str) -> None:
        """Note what a task (`pipeline/item/stage`) was last made from, so that a plan can say why it must run again."""
        self._db.execute("insert or replace into last values (?,?,?)", (task, digest, inputs))

    def last(self, task: str) -> tuple[str, str] | None:
        """(stage digest, input digest) that a task was last made from."""
        row = self._db.execute("select digest, inputs from last where task = ?", (task,)).fetchone()
        return (row[0], row[1]) if row else None

    def say(self, digest: str, said: Mapping[str, Any]) -> None:
        """Keep what a stage digest stands for: its settings, tools, version."""
        self._db.execute("insert or ignore into said values (?,?)", (digest, json.dumps(said, default=str)))

    def said(self, digest: str) -> dict[str, Any]:
        """What a stage digest stands for; {} when unknown."""
        row = self._db.execute("select said from said where digest = ?", (digest,)).fetchone()
        return dict(json.loads(row[0])) if row else {}

    def digest(self, path: Path) -> str:
        """Digest of a file outside the store, remembered for as long as its size and time stay the same."""
        stat = path.stat()
        name = str(path.resolve())
        row = self._db.execute("select size, mtime_ns, digest from digests where path = ?", (name,)).fetchone()
        if row and (row[0], row[1]) == (stat.st_size, stat.st_mtime_ns):
            return str(row[2])
        digest = digest_of(path)
        self._db.execute(
            "insert or replace into digests values (?,?,?,?)", (name, stat.st_size, stat.st_mtime_ns, digest)
        )
        return digest

    def stages(self) -> list[tuple[str, int, int]]:
        """(stage, tasks, bytes) of everything kept."""
        rows = (
            "select stage, count(*), sum(case when gone then 0 else bytes end)"
            " from done left join spent using (key) group by stage order by stage"
        )
        return list(self._db.execute(rows))

    def oldest(self) -> Iterator[tuple[str, Outcome]]:
        """Everything kept, least recently used first; of what was let go without its files."""
        rows = "select key, outcome, gone from done left join spent using (key) order by used, key"
        for key, text, gone in self._db.execute(rows).fetchall():
            outcome = unpack(json.loads(text), self.store)
            yield key, replace(outcome, artifacts={}, children=()) if gone else outcome

    def forget(self, keys: Sequence[str]) -> None:
        """Drop entries (their files are the caller's business)."""
        with self._db:
            self._db.executemany("delete from done where key = ?", [(key,) for key in keys])
            self._db.executemany("delete from spent where key = ?", [(key,) for key in keys])
