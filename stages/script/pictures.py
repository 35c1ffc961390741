"""Pictures that a script names: files in its folder and nowhere else."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from stages.contract import Json
from stages.settings import nearest

LARGEST_MB = 200
_ADDRESS = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+:")


def assets_of(names: Iterable[str], folder: Path) -> dict[str, dict[str, str]]:
    """Name as written → `path` and `digest` (sha256) of the file, or the `problem` with it in one sentence."""
    return {name: _asset(name, folder) for name in dict.fromkeys(names)}


def asset_problems(images: Iterable[tuple[int, str]], assets: Mapping[str, Json]) -> list[str]:
    """What is wrong with the pictures of scenes: (scene number, name as written) against what was found."""
    missing = {"problem": "was not looked for; run the script from its file"}
    return [
        f"scene {number}, image: {name!r} {problem}"
        for number, name in images
        if (problem := assets.get(name, missing).get("problem", ""))
    ]


def _asset(name: str, folder: Path) -> dict[str, str]:
    try:
        file = (folder / name).resolve()
        if problem := _problem(name, file, folder.resolve()):
            return {"problem": problem}
        with file.open("rb") as opened:
            return {"path": str(file), "digest": hashlib.file_digest(opened, "sha256").hexdigest()}
    except (OSError, RuntimeError) as error:  # a circle of links is a RuntimeError before Python 3.13
        reason = getattr(error, "strerror", None) or "its links lead in a circle"
        return {"problem": f"cannot be read ({reason}); name a picture that can"}


def _problem(name: str, file: Path, folder: Path) -> str:
    if _ADDRESS.match(name) and not file.exists():
        return "is an address, not a file; download the picture into the script's folder and name the file"
    if not file.is_relative_to(folder):
        return f"lies outside the folder {folder}; put the picture there, or say script.folder=<its folder>"
    if not file.exists():
        there = [path.name for path in file.parent.iterdir()] if file.parent.is_dir() else []
        return f"is not in {folder}{nearest(file.name, there)}; put the picture there or mend the name"
    if not file.is_file():
        return "is no file; name a picture"
    if file.stat().st_size > LARGEST_MB * 1_000_000:
        return f"is larger than {LARGEST_MB} MB; make the picture smaller"
    return ""
