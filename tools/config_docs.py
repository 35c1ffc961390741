"""The tables of docs/configuration.md, from the same rules that the command line checks with.

    python tools/config_docs.py            writes them anew
    python tools/config_docs.py --check    says whether they are up to date; exit 1 when not

A table stands between `<!-- table: NAME -->` and `<!-- end -->`; all other text of the page is written by hand.
"""

from __future__ import annotations

import dataclasses
import re
import sys
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from runner.config.compose import compose, options_of
from runner.config.schema import Root
from runner.plan.check import origins_of
from stages.media.encoders.catalog import adapter
from stages.registry import source_class, stage_class
from stages.settings import Rule, rules_of

HOME = Path(__file__).resolve().parent.parent
PAGE = HOME / "docs" / "configuration.md"
_SLOT = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
_KINDS = {"dict": "a map", "str": "text"}


class Tables:
    """Every table of the page, for the pipeline narrate with the options that are chosen when nobody chooses."""

    def __init__(self) -> None:
        from omegaconf import OmegaConf

        config = compose(["pipeline=narrate"], {}).config
        assert config is not None
        plain: Any = OmegaConf.to_container(config, resolve=True)
        raw: Any = OmegaConf.to_container(config.pipeline, resolve=False)
        self._plain: dict[str, Any] = plain
        self._taken = taken_by_stages(raw["stages"])
        for name in options_of("pipeline"):
            further: Any = compose([f"pipeline={name}"], {}).config
            found = taken_by_stages(OmegaConf.to_container(further.pipeline, resolve=False)["stages"])  # type: ignore[call-overload,index]
            self._taken = found | self._taken

    def table(self, name: str) -> str:
        """A table by its name: a group's keys, `top`, `encoders`, `options:<group>` or `stages`."""
        if name.startswith("options:"):
            return _markdown(*_options(name.partition(":")[2]))
        special: dict[str, Callable[[], str]] = {
            "top": lambda: self._keys(Root, "", self._plain),
            "encoders": lambda: _markdown(*_encoders()),
            "stages": self._stages,
            "profile": lambda: self._keys(_class_at("profile"), "profile.", self._plain["profile"], inner=True),
        }
        return special.get(name, lambda: self._keys(_class_at(name), f"{name}.", self._plain[name]))()

    def _keys(self, config_class: type, prefix: str, values: Mapping[str, Any], *, inner: bool = False) -> str:
        rows = list(self._rows(config_class, prefix, values))
        if inner:
            rows += self._rows(_class_at("profile.audio"), f"{prefix}audio.", values["audio"])
        return _markdown(("key", "default", "values", "a change redoes", "what it is"), rows)

    def _rows(self, config_class: type, prefix: str, values: Mapping[str, Any]) -> Iterator[Sequence[str]]:
        hints = typing.get_type_hints(config_class)
        for name, rule in rules_of(config_class).items():
            key = f"{prefix}{name}"
            stage, stage_rule = self._taken.get(key, ("", rule))
            merged = narrower(rule, stage_rule)
            redoes = "" if not stage else stage if stage_rule.affects_output else "nothing"
            yield f"`{key}`", _default(values.get(name)), _values(merged, hints[name]), redoes, rule.help

    def _stages(self) -> str:
        """Settings of narrate's stages that no shorter key reaches."""
        pipeline = self._plain["pipeline"]
        places: list[tuple[str, type[Any]]] = [("source", source_class(pipeline["source"]["type"]))]
        places += [(f"stages.{name}", stage_class(stage["type"])) for name, stage in pipeline["stages"].items()]
        rows: list[Sequence[str]] = []
        for place, kind in places:
            hints = typing.get_type_hints(kind.config_class)
            defaults = kind.config_class()
            for name, rule in rules_of(kind.config_class).items():
                key = f"pipeline.{place}.settings.{name}"
                if key not in self._taken:
                    value = _default(getattr(defaults, name))
                    rows.append((f"`+{key}`", value, _values(rule, hints[name]), rule.help))
        return _markdown(("key", "default", "values", "what it is"), rows)


def taken_by_stages(stages: Mapping[str, Any]) -> dict[str, tuple[str, Rule]]:
    """Key → the stage that takes its value, and the stage's own rule; both by the short and by the long key."""
    origins = origins_of(stages)
    taken: dict[str, tuple[str, Rule]] = {}
    for name, stage in stages.items():
        for field, rule in rules_of(stage_class(stage["type"]).config_class).items():
            whole = f"pipeline.stages.{name}.settings"
            origin = origins.get(f"{whole}.{field}") or (f"{origins[whole]}.{field}" if whole in origins else "")
            if origin:
                taken[origin] = taken[f"{whole}.{field}"] = (name, rule)
    return taken


def narrower(one: Rule, other: Rule) -> Rule:
    """What passes both: the check asks both."""
    lows = [r.low for r in (one, other) if r.low is not None]
    highs = [r.high for r in (one, other) if r.high is not None]
    return dataclasses.replace(
        one,
        low=max(lows, default=None),
        high=min(highs, default=None),
        choices=other.choices or one.choices,
        unit=one.unit or other.unit,
    )


def _class_at(path: str) -> type:
    found: Any = Root
    for part in path.split("."):
        found = typing.get_type_hints(found)[part]
    assert isinstance(found, type)
    return found


def _default(value: Any) -> str:
    if value is None:
        return "none"
    if value in ("", {}, []):
        return "empty"
    if isinstance(value, dict):
        return ", ".join(f"`{name}: {inner}`" for name, inner in value.items())
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _values(rule: Rule, hint: Any) -> str:
    """What it may hold, in words."""
    if hint is bool:
        return "true, false"
    unit = f" {rule.unit}" if rule.unit else ""
    if rule.choices:
        return ", ".join(str(choice) for choice in rule.choices) + unit
    if rule.low is None and rule.high is None:
        return next((word for kind, word in _KINDS.items() if kind in str(hint)), "any")
    low, high = (_number(n, bitrate=rule.bitrate) for n in (rule.low, rule.high))
    return f"{low} or more{unit}" if rule.high is None else f"{low} to {high}{unit}"


def _number(value: float | None, *, bitrate: bool) -> str:
    if value is None:
        return ""
    if bitrate:
        return f"{value / 1e6:g}M" if value >= 1e6 else f"{value / 1e3:g}k"
    return f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"


def _options(group: str) -> tuple[Sequence[str], list[Sequence[str]]]:
    """One row per YAML file of a group, one column per key that some file sets."""
    said = {file.stem: _flat(_loaded(file)) for file in sorted((HOME / "conf" / group).glob("*.yaml"))}
    columns = [key for key in dict.fromkeys(key for values in said.values() for key in values) if key != "name"]
    rows = [(f"`{name}`", *(_cell(values.get(key)) for key in columns)) for name, values in said.items()]
    return (group, *columns), [tuple(row) for row in rows]


def _loaded(file: Path) -> dict[str, Any]:
    from omegaconf import OmegaConf

    plain: Any = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    return dict(plain)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def _cell(value: Any) -> str:
    return "" if value in (None, "") else str(value).lower() if isinstance(value, bool) else str(value)


def _encoders() -> tuple[Sequence[str], list[Sequence[str]]]:
    rows: list[Sequence[str]] = []
    for name in options_of("encoder"):
        if name == "auto":
            continue
        found = adapter(name)
        quality = f"{found.quality_low:g} (best) to {found.quality_high:g}"
        tiers = ", ".join(f"{tier} {preset}" for tier, preset in found.tiers.items())
        rows.append((f"`{name}`", found.codec, ", ".join(found.presets), tiers, quality, ", ".join(found.tunes)))
    return ("encoder", "codec", "presets, best first", "preset of each tier", "quality", "tunes"), rows


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def page(text: str) -> str:
    """The page with every table as the code has it now."""
    tables = Tables()
    return _SLOT.sub(lambda slot: slot[1] + tables.table(slot[2]) + slot[3], text)


def main(words: Sequence[str]) -> int:
    """Write or check; the exit code."""
    before = PAGE.read_text(encoding="utf-8")
    after = page(before)
    if "--check" in words:
        if before == after:
            return 0
        sys.stderr.write(f"{PAGE.relative_to(HOME)} is out of date: run python tools/config_docs.py\n")
        return 1
    PAGE.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
