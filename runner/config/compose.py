"""Composition by Hydra, and every problem of it at once. Nothing else imports Hydra (but the sweep beside it)."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.config.arguments import override_key, quoted
from stages.settings import Problem, nearest

if TYPE_CHECKING:
    from omegaconf import DictConfig

# An absolute path from this file is the one way that works in a clone, an editable install and a wheel alike.
CONF = Path(__file__).resolve().parent.parent.parent / "conf"
GROUPS = ("pipeline", "hardware", "encoder", "profile", "tts", "upscaler", "script", "images", "schedule")
VERSION_BASE = "1.3"


@dataclass(slots=True)
class Composition:
    """A composed config, or what stood against it.

    Attributes:
        config: the config; None when there are problems.
        rest: with problems, the config without the words that caused them, so that it can be looked at too.
        user_keys: the keys that the user set.
        variables: the keys that came from the environment, and their variables.
    """

    config: DictConfig | None = None
    rest: DictConfig | None = None
    problems: list[Problem] = field(default_factory=list)
    user_keys: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)


@functools.cache
def register_schema() -> None:
    """Hand the typed schema to Hydra, once per process."""
    from hydra.core.config_store import ConfigStore
    from omegaconf import OmegaConf

    from runner.config.schema import Root

    OmegaConf.register_new_resolver("tier_preset", _tier_preset, replace=True)
    base = OmegaConf.structured(Root)
    _soften(base)
    ConfigStore.instance().store(name="base", node=base)


def _tier_preset(encoder: str, *, _root_: Any) -> str:
    """`${tier_preset:x264}`: the preset of an encoder for the tier of the chosen profile."""
    from stages.media.encoders.catalog import adapter

    tiers = adapter(encoder).tiers
    return str(tiers.get(str(_root_.profile.tier), tiers["balanced"]))


def _soften(node: Any) -> None:
    """Frozen dataclasses make read-only nodes; composing has to write into them."""
    from omegaconf import OmegaConf

    node._set_flag("readonly", None)
    for key in list(node.keys()):
        child = node._get_node(key)
        if OmegaConf.is_dict(child) and not child._is_none() and not child._is_missing():
            _soften(child)


def search_paths(config_dir: str | None) -> list[Path]:
    """Further folders of YAML: the one that was named, and `conf/` of the current folder."""
    own = [Path(config_dir)] if config_dir else []
    return [*own, *(p for p in (Path.cwd() / "conf",) if p.is_dir() and p.resolve() != CONF.resolve())]


def search_override(config_dir: str | None) -> list[str]:
    """The override that tells Hydra of them."""
    paths = [quoted(f"file://{path.resolve()}") for path in search_paths(config_dir)]
    return [f"hydra.searchpath=[{','.join(paths)}]"] if paths else []


def options_of(group: str, config_dir: str | None = None) -> list[str]:
    """The options of a group, by file name."""
    folders = [CONF / group, *(path / group for path in search_paths(config_dir))]
    return sorted({file.stem for folder in folders if folder.is_dir() for file in folder.glob("*.yaml")})


def compose(overrides: Sequence[str], environment: Mapping[str, str], config_dir: str | None = None) -> Composition:
    """Compose the config of one job.

    Args:
        overrides: of the command line.
        environment: overrides from the environment → their variable; those the command line sets too are left out.
        config_dir: a further folder of YAML.
    """
    register_schema()
    keys = {override_key(word) for word in overrides}
    from_env = {word: name for word, name in environment.items() if override_key(word) not in keys}
    result = Composition(user_keys={key.lstrip("+") for key in keys if key})
    result.user_keys |= {str(override_key(word)) for word in from_env}
    result.variables = {str(override_key(word)): name for word, name in from_env.items()}
    result.notes = [
        f"{override_key(word)} comes from the environment variable {name}" for word, name in from_env.items()
    ]
    everything = [*search_override(config_dir), *from_env, *overrides]
    config, error = _try(everything)
    if config is None:
        result.problems, good = _apart(everything, from_env, config_dir)
        result.problems = result.problems or [_say(error, "config", "", {})]
        result.rest, _ = _try(good) if good else (None, None)
    result.config = config
    return result


def _try(overrides: Sequence[str]) -> tuple[DictConfig | None, Exception | None]:
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError  # type: ignore[import-untyped]

    try:
        with initialize_config_dir(str(CONF), version_base=VERSION_BASE):
            return hydra_compose("config", overrides=list(overrides)), None
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        return None, error


def _apart(
    overrides: Sequence[str], from_env: Mapping[str, str], config_dir: str | None
) -> tuple[list[Problem], list[str]]:
    """Hydra stops at its first error; each override tried by itself shows them all.

    Returns:
        the problems, and the overrides that have none (empty when the pipeline itself is in doubt).
    """
    choices: list[str] = []
    values: list[str] = []
    problems: list[Problem] = []
    for word in overrides:
        key = override_key(word) or word
        if key in GROUPS:
            problem = _option_problem(key, word.partition("=")[2], config_dir, from_env.get(word))
            problems.extend([problem] if problem else [])
            choices.extend([] if problem else [word])
        else:
            (choices if key.startswith("hydra.searchpath") else values).append(word)
    pipelines = options_of("pipeline", config_dir)
    if not any(override_key(word) == "pipeline" for word in overrides):
        problems.append(Problem("pipeline", "no pipeline is named", f"add pipeline=<one of {', '.join(pipelines)}>"))
    doubtful = not any(override_key(word) == "pipeline" for word in choices)
    if doubtful:
        choices.append(f"pipeline={pipelines[0]}")  # only to look at the other words
    base, error = _try(choices)
    if base is None:
        return problems or [_say(error, "config", "", {})], []
    known = _flat_keys(base)
    good = list(choices)
    for word in values:
        _, error = _try([*choices, word])
        if error is None:
            good.append(word)
        else:
            problems.append(_say(error, override_key(word) or word, word, known, from_env.get(word)))
    return problems, [] if doubtful else good


def _option_problem(group: str, option: str, config_dir: str | None, variable: str | None) -> Problem | None:
    options = options_of(group, config_dir)
    if option.strip("'\"") in options:
        return None
    key = f"{group} (from {variable})" if variable else group
    if "," in option:
        return Problem(key, f"{option!r} is more than one {group}", "add -m to sweep over them, or name one")
    reason = f"{option!r} is no {group}{nearest(option, options)}" if option else "names nothing"
    return Problem(key, reason, f"use one of {', '.join(options)}")


def _flat_keys(config: Any, prefix: str = "") -> dict[str, None]:
    from omegaconf import OmegaConf

    plain: Any = OmegaConf.to_container(config, resolve=False) if OmegaConf.is_config(config) else config
    found: dict[str, None] = {}
    for name, value in plain.items():
        found[f"{prefix}{name}"] = None
        if isinstance(value, dict):
            found |= _flat_keys(value, f"{prefix}{name}.")
    return found


_INSIDE = re.compile(r"In '(.+?)': \w+ raised while composing config:\s*(.+)")
_SAID = (  # Hydra's or OmegaConf's words, our reason, our mend
    ("could not be converted to Integer", "{value!r} is not a whole number", "give it a whole number"),
    ("could not be converted to Float", "{value!r} is not a number", "give it a number"),
    ("is not a valid bool", "{value!r} is not true or false", "give it true or false"),
    ("is not Optional", "cannot be null", "give it a value"),
    ("Cannot assign", "is a group of settings, not {value!r}", "set what is in it: {key}.<name>={value}"),
    ("Ambiguous value", "{value!r} is more than one value", "add -m to sweep over them, or quote the value"),
)


def _say(
    error: Exception | None, key: str, word: str, known: Mapping[str, None], variable: str | None = None
) -> Problem:
    """Hydra's words as ours."""
    if problem := _file_problem(error):
        return problem
    cause = error.__cause__ or error if error else None
    text = str(cause).splitlines()[0] if cause and str(cause) else str(error)
    value = word.partition("=")[2]
    where = f"{key} (from {variable})" if variable else key
    for words, reason, mend in _SAID:
        if words in text or words in str(error):
            return Problem(where, reason.format(value=value), mend.format(key=key, value=value))
    if "is not in struct" in text or " not in '" in text:
        return Problem(where, f"is no key{nearest(key, list(known))}", "`reeltune --cfg job` shows every key")
    if type(error).__name__ == "OverrideParseException":
        return Problem(where, f"{value!r} cannot be read", "put the value in quotes: key='\"…\"'")
    return Problem(where, " ".join(text.split()), "correct it and try again")


def _file_problem(error: Exception | None) -> Problem | None:
    """What is wrong inside a YAML file, by the file's name."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        reason = f"is no YAML at line {mark.line + 1}: {getattr(error, 'problem', '')}"
        return Problem(mark.name, reason, "correct the file")
    inside = _INSIDE.match(str(error))
    return Problem(f"{inside[1]}.yaml", inside[2], "correct the file") if inside else None


def known_roots() -> set[str]:
    """First parts of every key: what makes a word a setting rather than a file."""
    import dataclasses

    from runner.config.schema import Root

    return {f.name for f in dataclasses.fields(Root)} | {"hydra"}
