"""What stages and encoders themselves say can be searched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from runner.tune.space import Value
from stages.media.encoders.catalog import adapter, known_encoders
from stages.registry import stage_class
from stages.settings import Rule, rules_of

_ALONE = re.compile(r"^\$\{([\w.]+)\}$")
BELOW, ABOVE, STEP = 8, 10, 2  # quality numbers around an encoder's own
CORES = ("cores/2", "cores", "threads")  # of which the machine makes numbers


def declared_keys(stages: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[Value, ...]]:
    """Config key → values, for all that the stages of a pipeline say can be searched.

    Args:
        stages: `pipeline.stages` as written, with its `${some.key}` unresolved.

    Returns:
        keys whose setting names values (`setting(search=…)`), and `workers.<stage>` for each stage.
    """
    found: dict[str, tuple[Value, ...]] = {}
    for name, stage in stages.items():
        for key, rule in _settings(stage):
            if rule.search:
                found.setdefault(key, rule.search)
        found[f"workers.{name}"] = (1, 2, *CORES)
    return found


def _settings(stage: Mapping[str, Any]) -> Iterator[tuple[str, Rule]]:
    """(config key, rule) of every setting that is taken from the config as it is."""
    rules = rules_of(stage_class(str(stage["type"])).config_class)
    given = stage.get("settings") or {}
    if isinstance(given, str):  # a whole group: settings: ${tts}
        match = _ALONE.match(given)
        yield from ((f"{match[1]}.{name}", rule) for name, rule in rules.items()) if match else ()
        return
    for name, value in given.items():
        match = _ALONE.match(value) if isinstance(value, str) else None
        if match and name in rules:
            yield match[1], rules[name]


def declared_of_encoder(key: str, encoder: str) -> tuple[Value, ...]:
    """What an encoder says of `encoder.preset` or `encoder.quality`; () of anything else, and of no encoder.

    Presets go from the fastest to that of tier `quality`: slower ones are for those who name them. Quality numbers lie
    around the encoder's own.
    """
    if encoder not in known_encoders():
        return ()
    found = adapter(encoder)
    if key == "encoder.preset":
        slowest = found.presets.index(found.tiers["quality"])
        return tuple(reversed(found.presets[slowest:]))
    if key == "encoder.quality":
        low = max(found.quality_low, found.quality_default - BELOW)
        high = min(found.quality_high, found.quality_default + ABOVE)
        return tuple(range(int(low), int(high) + 1, STEP))
    return ()
