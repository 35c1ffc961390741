"""What a search may take from what is known, instead of measuring it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.config.compose import Composition
from runner.tune.identity import Identity
from runner.tune.known import MEMORY, Keys, Known, Taken
from runner.tune.space import SearchSpace

# Speeds count the time in which something was made (see `runner.record.figures`): whether a trial is scored after that
# has no say in them.
_WITHOUT_SCORING = "throughput."


@dataclass(frozen=True, slots=True)
class Memory:
    """Looks up trials of one search.

    Args:
        space: what is searched: its metrics must be known.
        identity: of what all trials have in common.
        known: what was measured before; None to measure everything anew.
        after: whether trials are scored when all else is done, as they are unless the user's words say otherwise.
    """

    space: SearchSpace
    identity: Identity
    known: Known | None
    after: bool

    def keys(self, composition: Composition, rung: int) -> Keys:
        """Under what the result of a trial is remembered."""
        return self.identity.keys(composition, rung)

    def trial(self, keys: Keys) -> Taken | None:
        """All that this search wants to know of a trial, from this machine; None when it has to be run."""
        found = self.known.trial(keys.speed, unscored=self._scored_after) if self.known else None
        return found if found and (found.cause == MEMORY or self._enough(found.figures)) else None

    def quality(self, keys: Keys) -> Taken | None:
        """What the result of a trial is like; None when it has to be scored, or scoring has a say in the objective."""
        goal = self.space.quality
        if self.known is None or goal is None or not self._scored_after:
            return None
        found = self.known.quality(keys.quality)
        return found if found and goal.metric in found.figures else None

    @property
    def _scored_after(self) -> bool:
        """Whether scoring begins when all that is timed has ended."""
        return self.after and self.space.objective.metric.startswith(_WITHOUT_SCORING)

    def _enough(self, figures: Mapping[str, float]) -> bool:
        goals = [self.space.objective, *([self.space.quality] if self.space.quality else [])]
        return all(goal.metric in figures for goal in goals)
