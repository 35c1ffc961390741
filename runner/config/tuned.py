"""Whether a tuned profile still holds: it was found on one machine, with versions of its tools, for one pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WATCHED = ("reeltune", "ffmpeg", "av")  # versions that speed or quality hang on


def watched(versions: Mapping[str, str]) -> dict[str, str]:
    """Those versions that a tuned profile hangs on."""
    return {name: versions[name] for name in _WATCHED if name in versions}


def mismatches(tuned: Mapping[str, Any], pipeline: str, machine: str, versions: Mapping[str, str]) -> list[str]:
    """Sentences on why a tuned profile may not be the best here; [] when it was found in the same place."""
    if not tuned:
        return []
    said = []
    if tuned.get("pipeline") != pipeline:
        said.append(f"the profile was tuned for {tuned.get('pipeline')}, and this is {pipeline}")
    if tuned.get("machine") != machine:
        said.append(f"the profile was tuned on another machine ({tuned.get('cpu')}): run `reeltune tune` here")
    old = {name: (was, versions[name]) for name, was in (tuned.get("versions") or {}).items()
           if name in versions and versions[name] != was}  # fmt: skip
    if old:
        words = ", ".join(f"{name} {was} (now {now})" for name, (was, now) in old.items())
        said.append(f"the profile was tuned with {words}: run `reeltune tune` again")
    return said
