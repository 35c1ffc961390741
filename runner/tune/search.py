"""Ask and tell: what to try next, until as many points as wanted were tried and the best proved on larger samples.

The book is the truth: a search that was stopped goes on from it, and two at once share it. What is asked is a function
of the book and the seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.tune.choose import next_point
from runner.tune.pareto import front
from runner.tune.pick import judge
from runner.tune.sight import Sight, Tried
from runner.tune.space import Point, SearchSpace
from runner.tune.trials import Trial, TrialBook


@dataclass(frozen=True, slots=True)
class Ask:
    """A trial to make: its number, its point, and the rung, which says how large a sample to take."""

    number: int
    point: Point
    rung: int


class Search:
    """One search over a space.

    Args:
        space: what is searched.
        book: what was tried already, and what will be.
        sampler: instead of the space's own.
        total: how many points to try, counting all that the book has; 0: as the space says.
        seed: the same seed and the same results give the same questions.
        rungs: how many samples of growing size there really are; 0: as many as the space names.
    """

    def __init__(
        self,
        space: SearchSpace,
        book: TrialBook,
        *,
        sampler: str | None = None,
        total: int = 0,
        seed: int = 0,
        rungs: int = 0,
    ) -> None:
        self.space = space
        self.book = book
        self.sampler = sampler or space.sampler
        self.total = min(total, space.size) if total else space.size if self.sampler == "grid" else space.total
        self.seed = seed
        self.rungs = rungs or space.samples.rungs
        self._numbers = {point.digest: number for number, point in enumerate(space.grid())}

    @property
    def finished(self) -> bool:
        """Whether nothing is left to ask of anybody; False while others are at the last ones."""
        trials = self._trials()
        first = sum(0 in trial.outcomes for trial in trials)
        return first >= self.total and not self._rising(trials)

    def ask(self) -> Ask | None:
        """The next trial, claimed for this process; None when all are done, or held by others (see `finished`)."""
        while True:
            trials = self._trials()
            wanted = self._left_over(trials) or self._next(trials) or self._risen(trials)
            if wanted is None:
                return None
            point, rung = wanted
            number = self.book.claim(point, rung, most=self.total + self._strangers())
            if number is not None:
                return Ask(number, point, rung)

    def tell(
        self,
        number: int,
        state: str,
        figures: Mapping[str, float],
        *,
        reason: str = "",
        rung: int = 0,
        repeats: Sequence[float] = (),
        quality_key: str = "",
        speed_key: str = "",
        **where: str,
    ) -> bool:
        """How a trial came out. An `ok` that misses the floor becomes infeasible, one without the figures failed.

        What is not a finite number was not measured. `where`: `cause`, `origin` and `quality_origin` of the outcome.

        Returns:
            False when that was told already: the first word stands.
        """
        figures = {name: value for name, value in figures.items() if math.isfinite(value)}
        if state == "ok":
            state, judged = judge(self.space, figures)
            reason = judged or reason
        return self.book.tell(
            number, state, figures, reason=reason, rung=rung, repeats=repeats, quality_key=quality_key,
            speed_key=speed_key, **where,
        )  # fmt: skip

    # --- what is left --------------------------------------------------------------------------

    def _trials(self) -> list[Trial]:
        """Those of the book whose points are of this space."""
        return [trial for trial in self.book.trials() if trial.point.digest in self._numbers]

    def _strangers(self) -> int:
        """Trials of the book that are of another space: they do not count."""
        return sum(trial.point.digest not in self._numbers for trial in self.book.trials())

    def _left_over(self, trials: Sequence[Trial]) -> tuple[Point, int] | None:
        """A trial of the first rung whose holder is gone."""
        for trial in trials:
            if 0 not in trial.outcomes and not trial.busy(0, self.book.folder):
                return trial.point, 0
        return None

    def _next(self, trials: Sequence[Trial]) -> tuple[Point, int] | None:
        """A new point."""
        if len(trials) >= self.total:
            return None
        number = next_point(self._sight(trials), self.sampler)
        return None if number is None else (self.space.grid()[number], 0)

    def _sight(self, trials: Sequence[Trial]) -> Sight:
        told = {self._numbers[t.point.digest]: t.outcomes[0] for t in trials if 0 in t.outcomes}
        pending = frozenset(self._numbers[t.point.digest] for t in trials if 0 not in t.outcomes)
        tried = {number: Tried(outcome.state, outcome.figures) for number, outcome in told.items()}
        return Sight(self.space, tried, pending, self.seed, self.total)

    # --- successive halving --------------------------------------------------------------------

    def _risen(self, trials: Sequence[Trial]) -> tuple[Point, int] | None:
        """A trial that is to go on to a larger sample and that nobody is at."""
        free = (pair for pair in self._rising(trials) if not pair[0].busy(pair[1], self.book.folder))
        return next(((trial.point, rung) for trial, rung in free), None)

    def _rising(self, trials: Sequence[Trial]) -> list[tuple[Trial, int]]:
        """(trial, rung) of all that is still to be done above the first rung, once the rung below is done."""
        if sum(0 in trial.outcomes for trial in trials) < self.total:
            return []
        for rung in range(1, self.rungs):
            if left := self._due(trials, rung):
                return [(trial, rung) for trial in left]
        return []

    def _due(self, trials: Sequence[Trial], rung: int) -> list[Trial]:
        """The best of the rung below that were not tried on this one; more of them while none of these is good."""
        below = [t for t in trials if rung - 1 in t.outcomes]
        best = self._ranked([t for t in below if t.outcomes[rung - 1].state == "ok"], rung - 1)
        chosen = best[: max(1, math.ceil(self.space.samples.keep * len(below)))]
        due = [trial for trial in chosen if rung not in trial.outcomes]
        if due or any(trial.outcomes[rung].state == "ok" for trial in best if rung in trial.outcomes):
            return due
        return [trial for trial in best if rung not in trial.outcomes][:1]

    def _ranked(self, trials: list[Trial], rung: int) -> list[Trial]:
        """Best objective first; by NSGA-II, whose aim is the front, those of the front before the others."""
        space, goal = self.space, self.space.objective
        rows = [trial.outcomes[rung].figures for trial in trials]
        goals = [each for each in (goal, space.quality, *space.also) if each]
        first = set(front(rows, goals)) if self.sampler == "nsga2" else set()
        order = sorted(range(len(trials)), key=lambda n: (n not in first, -goal.sign * rows[n][goal.metric], n))
        return [trials[n] for n in order]
