"""The end of a search: finalists timed, one taken, its profile and the outcome written, all of it told."""

from __future__ import annotations

import dataclasses
import statistics
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from runner.record.rundir import read_json
from runner.tune.importance import importance
from runner.tune.now import NOW, Now, replaced_now
from runner.tune.pick import Pick, pick, spread_of
from runner.tune.profile import Origin, profile_name, write_profile
from runner.tune.quest import Quest
from runner.tune.space import Goal, SearchSpace
from runner.tune.study import FINALISTS, Study
from runner.tune.told import table, told_gain, write_outcome
from runner.tune.trials import Trial
from stages.contract import StageError

Timed = Mapping[int, Sequence[float]]


def finish(quest: Quest, study: Study) -> int:
    """Conclude from all trials; the exit code: 1 when none keeps the floor."""
    space, trials = study.space, study.book.trials()
    found = pick(trials, space)
    if found is None:
        bound = f"{space.quality.metric} ≥ {space.floor:g}" if space.quality and space.floor else "the floor"
        mend = "keep what there is, or" if quest.request.as_good_as_now else "lower it, or"
        sys.stderr.write(f"no trial kept {bound}: {mend} let the space hold better qualities\n")
        write_outcome(quest.folder, space, trials, None, {}, None)
        return 1
    finalists = _finalists(found, trials, space, len(study.samples) - 1)
    before = read_json(quest.folder / "search.json").get("timings") or {}
    now = _now(quest, study)
    timed = study.finals(finalists, {int(number): values for number, values in before.items()}, now)
    now = replaced_now(quest.folder, now, timed.pop(NOW)) if now else None
    best = _fastest(finalists, timed, space.objective)
    profile = _keep(quest, study, best, timed[best.number], now)
    shares = importance(trials, space, space.objective.metric)
    write_outcome(quest.folder, space, trials, best, timed, profile, shares, now)
    sys.stdout.write(table(space, trials, best, timed, shares, now))
    _tell_noise(space, timed)
    sys.stdout.write(f"profile  {profile}\nuse it   profile={profile.stem}\n")
    return 0


def _now(quest: Quest, study: Study) -> Now | None:
    """What the settings reach as they are; None where nothing is timed again, or where they cannot be run."""
    if study.space.repeats.most < 2 and not quest.request.as_good_as_now:
        return None
    try:
        return quest.now(study.runner, study.samples)
    except StageError as error:
        sys.stdout.write(f"note: no gain can be told: {error.sentence}\n")
        return None


def _finalists(found: Pick, trials: Sequence[Trial], space: SearchSpace, rung: int) -> list[Trial]:
    """The pick, the fastest that keep the floor, and what cannot be told from the pick."""
    goal = space.objective
    feasible = [t for t in trials if t.state == "ok" and goal.metric in t.figures and t.rung == rung]
    feasible.sort(key=lambda t: goal.sign * t.figures[goal.metric], reverse=True)
    named = [found.trial, *found.alike, *feasible[:FINALISTS]]
    return list({trial.number: trial for trial in named}.values())[: FINALISTS + 1]


def _fastest(finalists: Sequence[Trial], timed: Timed, goal: Goal) -> Trial:
    having = [trial for trial in finalists if timed.get(trial.number)]
    return max(having, key=lambda trial: goal.sign * statistics.median(timed[trial.number]))


def _tell_noise(space: SearchSpace, timed: Timed) -> None:
    limit = space.repeats.spread
    if any(len(values) > 1 and spread_of(values) > limit for values in timed.values()):
        percent = f"{100 * limit:.0f} %"
        sys.stdout.write(f"note: timings spread by more than {percent}: this machine is busy with other work\n")


# --- the profile -----------------------------------------------------------------------------


def _keep(quest: Quest, study: Study, best: Trial, values: Sequence[float], now: Now | None) -> Path:
    """Write the profile that was found."""
    root, machine = quest.prepared.checked.root, quest.prepared.machine
    said = _said(quest, study, best, values)
    if now:
        said |= {"before": told_gain(now, values, study.space)}
    origin = Origin(quest.pipeline, machine.fingerprint, machine.cpu.model, quest.versions, said)
    name = quest.request.name or profile_name(root.hardware.name, origin.pipeline)
    base = dataclasses.asdict(root.profile)
    return write_profile(Path.cwd() / "conf" / "profile", name, base, best.point.as_dict(), origin)


def _said(quest: Quest, study: Study, best: Trial, values: Sequence[float]) -> dict[str, str]:
    """What the head of the profile tells of its search."""
    space, figures = study.space, best.figures
    names = ", ".join(file.name for file in quest.files[:5])
    tracked = read_json(quest.folder / "sweep.json").get("mlflow_run_id")
    return {
        "objective": _measure(space.objective.metric, values),
        "floor": f"{space.quality.metric} >= {space.floor:g}" if space.quality and space.floor is not None else "none",
        "reached": ", ".join(f"{name}={figures[name]:.4g}" for name in _shown(space) if name in figures),
        "data": f"{names} ({study.samples[-1].amount}, digest {quest.content[:16]})",
        "trials": f"{len(study.book.trials())} of {space.size} points",
        "when": datetime.now().astimezone().isoformat(timespec="seconds"),
        "versions": ", ".join(f"{name} {version}" for name, version in quest.versions.items()),
        "MLflow run": str(tracked or "not tracked"),
        "search": str(quest.folder),
    }


def _measure(metric: str, values: Sequence[float]) -> str:
    spread = f" ± {100 * spread_of(values):.1f} %" if len(values) > 2 else ""
    return f"{metric} {statistics.median(values):.4g}{spread} (median of {len(values)})"


def _shown(space: SearchSpace) -> list[str]:
    quality = [space.quality.metric] if space.quality else []
    return [space.objective.metric, *quality, *(goal.metric for goal in space.also)]
