"""`conf/search/<name>.yaml` → SearchSpace. Every mistake is told at once, each with its key and its mend."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.tune.keys import Reader, Sizes, as_list, is_number, is_whole, read_keys
from runner.tune.space import FALLS, RISES, SAME, SAMPLERS, Goal, Repeats, Samples, SearchSpace
from stages.settings import Problem, nearest

CONF = Path(__file__).resolve().parent.parent.parent / "conf"
__all__ = ["Sizes", "SpaceError", "known_spaces", "read_space"]
_FIELDS = ("pipeline", "objective", "quality", "also", "space", "sampler", "trials", "repeats", "samples", "monotone",
           "words")  # fmt: skip


class SpaceError(ValueError):
    """A search file that cannot be used; `problems` has one sentence for each mistake."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(problem.sentence() for problem in problems))
        self.problems = problems


def _folders(folder: Path | None) -> list[Path]:
    found = [CONF, Path.cwd() / "conf", *([folder] if folder else [])]
    return [path for path in found if path.is_dir()]


def known_spaces(folder: Path | None = None) -> dict[str, Path]:
    """Name → file of every search there is: ours, those of `conf/` of the current folder, those of `folder`."""
    return {file.stem: file for path in _folders(folder) for file in sorted((path / "search").glob("*.yaml"))}


def read_space(
    name: str | Path,
    sizes: Sizes,
    *,
    stages: Mapping[str, Mapping[str, Any]] | None = None,
    folder: Path | None = None,
) -> SearchSpace:
    """Read a search.

    Args:
        name: one of `known_spaces`, or a path of a YAML file.
        sizes: of the machine.
        stages: `pipeline.stages` unresolved, for what is `declared`; None reads the pipeline's own file.
        folder: a further folder of YAML.

    Raises:
        SpaceError: with all that is wrong with it.
    """
    file = _find(name, folder)
    raw = _load(file)
    if stages is None:
        stages = _stages_of(str(raw.get("pipeline", "")), folder)
    reader = Reader(file.name, sizes, stages)
    space = _space(reader, file.stem, raw)
    if reader.problems or space is None:
        raise SpaceError(reader.problems)
    return space


def _find(name: str | Path, folder: Path | None) -> Path:
    known = known_spaces(folder)
    if str(name) in known:
        return known[str(name)]
    if Path(name).suffix in (".yaml", ".yml") and Path(name).is_file():
        return Path(name)
    near = nearest(str(name), list(known))
    raise SpaceError([Problem("search", f"{str(name)!r} is no search{near}", f"use {', '.join(known)} or a YAML file")])


def _load(file: Path) -> dict[str, Any]:
    import yaml  # type: ignore[import-untyped]

    try:
        value = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        reason = " ".join(str(error).split())
        raise SpaceError([Problem(str(file), f"cannot be read: {reason}", "correct the file")]) from error
    if not isinstance(value, dict):
        raise SpaceError([Problem(str(file), "holds no keys", "write pipeline:, objective: and space:")])
    return value


def _stages_of(pipeline: str, folder: Path | None) -> Mapping[str, Mapping[str, Any]]:
    for path in reversed(_folders(folder)):
        file = path / "pipeline" / f"{pipeline}.yaml"
        if pipeline and file.is_file():
            return dict(_load(file).get("pipeline", {}).get("stages", {}))
    return {}


def _space(reader: Reader, name: str, raw: Mapping[str, Any]) -> SearchSpace | None:
    for key in raw:
        if key not in _FIELDS:
            reader.wrong(str(key), f"is no key{nearest(str(key), _FIELDS)}", f"use {', '.join(_FIELDS)}")
    if not isinstance(raw.get("pipeline"), str):
        reader.wrong("pipeline", "is not named", "add pipeline: <its name>")
    monotone = _monotone(reader, raw)
    keys = read_keys(reader, raw.get("space"), monotone)
    objective = _goal(reader, "objective", raw.get("objective"))
    quality, floor = _quality(reader, raw.get("quality"))
    also = tuple(goal for word in as_list(raw.get("also")) if (goal := _goal(reader, "also", word)))
    sampler, trials = str(raw.get("sampler", "model")), raw.get("trials", 0)
    if sampler not in SAMPLERS:
        reader.wrong("sampler", f"{sampler!r} is no sampler{nearest(sampler, SAMPLERS)}", f"use {', '.join(SAMPLERS)}")
    if not is_whole(trials) or trials < 0:
        reader.wrong(
            "trials", f"{trials!r} is no number of trials", "give it a whole number, or 0 for 30 % of the grid"
        )
    repeats, samples = _repeats(reader, raw.get("repeats")), _samples(reader, raw.get("samples"))
    words = _words(reader, raw.get("words"))
    if reader.problems or objective is None:
        return None
    return SearchSpace(
        name, raw["pipeline"], objective, keys, quality, floor, also, sampler, trials, repeats, samples, monotone,
        words,
    )  # fmt: skip


def _words(reader: Reader, raw: Any) -> tuple[str, ...]:
    given = as_list(raw)
    for word in given:
        if not isinstance(word, str) or "=" not in word:
            reader.wrong("words", f"{word!r} is no setting", "write them like [cache.enabled=false]")
    return tuple(str(word) for word in given)


def _goal(reader: Reader, key: str, raw: Any) -> Goal | None:
    if isinstance(raw, str):
        raw = {"metric": raw, "goal": "min" if raw.startswith(("size.", "resource.", "time.")) else "max"}
    if not isinstance(raw, dict) or not isinstance(raw.get("metric"), str):
        reader.wrong(key, "names no metric", f"write {key}: {{metric: throughput.fps, goal: max}}")
        return None
    goal = str(raw.get("goal", "max"))
    if goal not in ("max", "min"):
        reader.wrong(f"{key}.goal", f"{goal!r} is no goal", "use max or min")
    return Goal(raw["metric"], goal)


def _quality(reader: Reader, raw: Any) -> tuple[Goal | None, float | None]:
    if raw is None:
        return None, None
    goal = _goal(reader, "quality", raw)
    floor = raw.get("floor") if isinstance(raw, dict) else None
    if floor is not None and not is_number(floor):
        reader.wrong("quality.floor", f"{floor!r} is no number", "give the least that is good enough, or null")
        floor = None
    return goal, floor


def _monotone(reader: Reader, raw: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    given = raw.get("monotone") or {}
    names = list(raw["space"]) if isinstance(raw.get("space"), dict) else []
    for key, rule in given.items() if isinstance(given, dict) else [("monotone", None)]:
        if key not in names:
            reader.wrong(f"monotone.{key}", f"is not searched{nearest(str(key), names)}", "name a key of space")
        elif not isinstance(rule, dict) or any(
            what not in ("quality", "speed") or how not in (FALLS, RISES, SAME) for what, how in rule.items()
        ):
            reader.wrong(
                f"monotone.{key}", f"{rule!r} says nothing", "write {quality: falls}; or rises, same; or speed:"
            )
    return given if isinstance(given, dict) else {}


def _repeats(reader: Reader, raw: Any) -> Repeats:
    given = {"most": 1, "spread": 0.05, **(raw if isinstance(raw, dict) else {})}
    if not is_whole(given["most"]) or not 1 <= given["most"] <= 100:
        reader.wrong("repeats.most", f"{given['most']!r} is no number of repeats", "give it 1 to 100")
    elif not is_number(given["spread"]) or not 0 < given["spread"] < 1:
        reader.wrong("repeats.spread", f"{given['spread']!r} is no share", "give it a number such as 0.05")
    elif set(given) - {"most", "spread"}:
        reader.wrong("repeats", f"{raw!r} has other keys", "use most and spread")
    else:
        return Repeats(given["most"], given["spread"])
    return Repeats()


def _samples(reader: Reader, raw: Any) -> Samples:
    given = raw if isinstance(raw, dict) else {}
    seconds, items, keep = as_list(given.get("seconds")), as_list(given.get("items")), given.get("keep", 0.34)
    for key, rungs in (("seconds", seconds), ("items", items)):
        rising = all(is_number(n) and n > 0 for n in rungs) and all(a < b for a, b in itertools.pairwise(rungs))
        if not rising:
            reader.wrong(f"samples.{key}", f"{rungs!r} does not grow", "list larger and larger samples")
            return Samples()
    if seconds and items and len(seconds) != len(items):
        reader.wrong("samples", "seconds and items have not as many rungs", "give both as many")
    if not is_number(keep) or not 0 < keep <= 1:
        reader.wrong("samples.keep", f"{keep!r} is no share", "give it a number such as 0.34")
        return Samples()
    return Samples(tuple(seconds), tuple(items), keep)
