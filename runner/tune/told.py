"""What came of a search, for people: a short table, `search.json`, and `reeltune tune show`."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from runner.record.measures import said, title_of
from runner.record.rundir import read_json, write_json
from runner.tune.now import Now
from runner.tune.pareto import front
from runner.tune.pick import spread_of
from runner.tune.space import SearchSpace
from runner.tune.trials import Trial

_ROWS = 8
GAIN_SEEN = 0.02  # share below which a gain is not told from none


def table(
    space: SearchSpace,
    trials: Sequence[Trial],
    best: Trial,
    timed: Mapping[int, Sequence[float]],
    shares: Mapping[str, float],
    now: Now | None = None,
) -> str:
    """The pick, what it gains, the front between speed and quality, what mattered, and what could not be."""
    lines = [f"\npick     #{best.number} {_words(best)}: {_figures(space, best, timed)}"]
    lines += [f"before   {told_gain(now, timed.get(best.number) or (), space)}"] if now else []
    others = [trial for trial in _front(space, trials) if trial.number != best.number]
    lines += [f"front    #{trial.number} {_words(trial)}: {_figures(space, trial, timed)}" for trial in others[:_ROWS]]
    told = sorted(((share, key) for key, share in shares.items() if share >= 0.01), reverse=True)
    if told:
        words = ", ".join(f"{key} {100 * share:.0f} %" for share, key in told)
        lines.append(f"matters  for {title_of(space.objective.metric)}: {words}")
    counts = {state: sum(t.state == state for t in trials) for state in dict.fromkeys(t.state for t in trials)}
    lines.append("trials   " + ", ".join([*(f"{count} {state}" for state, count in counts.items()), *_known(trials)]))
    return "\n".join(lines) + "\n"


def told_gain(now: Now, timings: Sequence[float], space: SearchSpace) -> str:
    """What the settings reached before, and how many times better the objective is."""
    ratio = now.gain(timings, space.objective)
    names = [*([space.quality.metric] if space.quality else []), *(also.metric for also in space.also)]
    had = [said(name, now.figures[name]) for name in names if name in now.figures]
    speed = [said(space.objective.metric, statistics.median(now.timings))] if now.timings else []
    told = f"{', '.join([*speed, *had])}; the pick is {ratio:.2f} times that"
    noise = max(spread_of(timings), spread_of(now.timings))
    slight = ratio < 1 + max(noise if noise < 1 else 0.0, GAIN_SEEN)
    return f"{told}: nothing to be gained here" if slight else told


def _known(trials: Sequence[Trial]) -> list[str]:
    """How much of it was not measured here."""
    taken = sum(bool(trial.outcomes[trial.rung].origin) for trial in trials if trial.outcomes)
    unscored = sum(bool(trial.outcomes[trial.rung].quality_origin) for trial in trials if trial.outcomes)
    said = {"taken from what was measured before": taken, "of known quality": unscored}
    return [f"{count} {what}" for what, count in said.items() if count]


def origins(trials: Sequence[Trial]) -> dict[str, dict[str, str]]:
    """Number of a trial → where its result (`trial`), or the quality of it alone (`quality`), was measured."""
    last = {trial.number: trial.outcomes[trial.rung] for trial in trials if trial.outcomes}
    from_where = {number: {"trial": each.origin, "quality": each.quality_origin} for number, each in last.items()}
    said = {str(number): {what: where for what, where in each.items() if where} for number, each in from_where.items()}
    return {number: each for number, each in said.items() if each}


def _front(space: SearchSpace, trials: Sequence[Trial]) -> list[Trial]:
    """Of the trials that worked, floor or not: those that none beats in both speed and quality."""
    goals = [space.objective, *([space.quality] if space.quality else [])]
    having = [t for t in trials if t.state in ("ok", "infeasible") and all(g.metric in t.figures for g in goals)]
    found = front([t.figures for t in having], goals) if having else []
    return [having[n] for n in found]


def _words(trial: Trial) -> str:
    return " ".join(f"{key}={value}" for key, value in trial.point.values)


def _figures(space: SearchSpace, trial: Trial, timed: Mapping[int, Sequence[float]]) -> str:
    goal, values = space.objective, timed.get(trial.number) or ()
    speed = statistics.median(values) if values else trial.figures.get(goal.metric, float("nan"))
    parts = [said(goal.metric, speed)]
    if len(values) > 1:
        parts[0] += f" (median of {len(values)}, ± {100 * spread_of(values):.1f} %)"
    names = [*([space.quality.metric] if space.quality else []), *(also.metric for also in space.also)]
    return ", ".join([*parts, *(said(name, trial.figures[name]) for name in names if name in trial.figures)])


def write_outcome(
    folder: Path,
    space: SearchSpace,
    trials: Sequence[Trial],
    best: Trial | None,
    timed: Mapping[int, Sequence[float]],
    profile: Path | None,
    shares: Mapping[str, float] | None = None,
    now: Now | None = None,
) -> None:
    """Write `search.json`."""
    write_json(folder / "search.json", {
        "space": space.name, "pipeline": space.pipeline, "grid": space.size, "trials": len(trials),
        "objective": space.objective.metric, "quality": space.quality.metric if space.quality else None,
        "floor": space.floor, "states": {state: sum(t.state == state for t in trials) for state in
                                         dict.fromkeys(t.state for t in trials)},
        "pick": None if best is None else {
            "trial": best.number, "settings": best.point.as_dict(), "figures": dict(best.figures),
            "timings": list(timed.get(best.number, ())),
        },
        "timings": {str(number): list(values) for number, values in timed.items()},
        "importance": dict(shares or {}),
        "front": [{"trial": t.number, "settings": t.point.as_dict()} for t in _front(space, trials)],
        "known": origins(trials),
        "now": None if now is None else {
            "figures": dict(now.figures), "timings": list(now.timings),
            "gain": now.gain(timed.get(best.number, ()) if best else (), space.objective),
        },
        "profile": str(profile) if profile else None,
    })  # fmt: skip


def show(outputs: Path, names: Sequence[str]) -> int:
    """Tell what searches under an outputs folder found, newest last; the exit code."""
    told = [line for file in _outcomes(outputs) for line in _outcome(file, names)]
    if not told:
        sys.stderr.write(f"no search has ended under {outputs}: start one with `reeltune tune pipeline=… FILE`\n")
        return 1
    sys.stdout.writelines(f"{line}\n" for line in told)
    return 0


def _outcomes(outputs: Path) -> list[Path]:
    return sorted(outputs.glob("tune/*/search.json"), key=lambda file: file.stat().st_mtime)


def _outcome(file: Path, names: Sequence[str]) -> Iterator[str]:
    found = read_json(file)
    profile = Path(found["profile"]).stem if found.get("profile") else "no profile"
    if names and not set(names) & {profile, found["pipeline"], file.parent.name}:
        return
    yield f"{profile}  ({found['pipeline']}, {found['trials']} of {found['grid']} points, {file.parent})"
    pick = found.get("pick")
    if pick:
        yield "  " + " ".join(f"{key}={value}" for key, value in pick["settings"].items())
        shown = [found["objective"], found["quality"], "size.bytes"]
        yield "  " + ", ".join(said(name, pick["figures"][name]) for name in shown if name in pick["figures"])
    if now := found.get("now"):
        yield f"  {now['gain']:.2f} times what there was before"
    shares = sorted(((share, key) for key, share in found.get("importance", {}).items()), reverse=True)
    if shares:
        yield "  matters: " + ", ".join(f"{key} {100 * share:.0f} %" for share, key in shares if share >= 0.01)
