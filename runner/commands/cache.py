"""`reeltune cache [prune|verify|clear]`: the store of finished work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runner.plan.index import Index
from runner.plan.store import digest_of
from stages.contract import Artifact

if TYPE_CHECKING:
    from rich.console import Console

_GB = 1024**3


def cache(words: Sequence[str], console: Console) -> int:
    """Show the store, cut it to `cache.max_gb=` (prune), look at every file (verify), or empty it (clear)."""
    actions = [w for w in words if "=" not in w]
    values = dict(w.split("=", 1) for w in words if "=" in w)
    root = Path(values.get("cache.dir") or Path(values.get("outputs_dir", "outputs")) / "cache")
    if not root.is_dir():
        console.print(f"there is no cache at {root}", soft_wrap=True)
        return 0
    action = actions[0] if actions else "show"
    act = {"show": _show, "prune": _prune, "verify": _verify, "clear": _clear}.get(action)
    if act is None:
        console.print(f"{action!r} is nothing to do with a cache; use prune, verify or clear")
        return 2
    index = Index(root)
    try:
        return act(index, console, values)
    except ValueError:
        console.print(f"max_gb={values.get('max_gb')!r} is no number; write it like max_gb=20")
        return 2
    finally:
        index.close()


def _show(index: Index, console: Console, _values: dict[str, str]) -> int:
    whole = 0
    for stage, tasks, size in index.stages():
        whole += size or 0
        console.print(f"{stage:24} {tasks:8} tasks  {(size or 0) / _GB:8.3f} GB")
    console.print(f"{index.store.root}: {whole / _GB:.3f} GB", soft_wrap=True)
    return 0


def _prune(index: Index, console: Console, values: dict[str, str]) -> int:
    """Forget what was not used for longest until the rest fits; then remove files that nothing refers to."""
    limit = float(values.get("max_gb") or values.get("cache.max_gb") or "50") * _GB
    entries = list(index.oldest())
    kept: set[Path] = set()
    size = 0.0
    dropped: list[str] = []
    for key, outcome in reversed(entries):
        new = {a.path: a.size for a in outcome.files() if a.path not in kept}
        if size + sum(new.values()) > limit:
            dropped.append(key)
        else:
            size += sum(new.values())
            kept.update(new)
    index.forget(dropped)
    freed = _remove_unused(index, kept)
    console.print(f"dropped {len(dropped)} tasks, freed {freed / _GB:.3f} GB, kept {size / _GB:.3f} GB")
    return 0


def _remove_unused(index: Index, kept: set[Path]) -> int:
    freed = 0
    for file in (index.store.root / "objects").glob("*/*"):
        if file not in kept:
            freed += file.stat().st_size
            file.unlink()
    return freed


def _verify(index: Index, console: Console, _values: dict[str, str]) -> int:
    """Digest every file; forget the tasks whose files are damaged, so that they are done again."""
    bad = [key for key, outcome in index.oldest() if not all(_whole(artifact) for artifact in outcome.files())]
    index.forget(bad)
    console.print(
        f"{len(bad)} damaged tasks forgotten; they are done again when needed" if bad else "all files are whole"
    )
    return 0


def _whole(artifact: Artifact) -> bool:
    return artifact.path.is_file() and digest_of(artifact.path) == artifact.digest


def _clear(index: Index, console: Console, _values: dict[str, str]) -> int:
    keys = [key for key, _ in index.oldest()]
    index.forget(keys)
    freed = _remove_unused(index, set())
    console.print(f"dropped {len(keys)} tasks, freed {freed / _GB:.3f} GB")
    return 0
