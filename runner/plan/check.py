"""Everything wrong with a composed config, at once: ranges, choices, combinations, wiring, inputs, folders."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.config.schema import PipelineConfig, Root
from runner.config.typed import read_settings
from runner.hardware.config import hardware_problems
from runner.plan.graph import Graph, Node, build_graph
from stages.media.encoders.check import encoder_problems
from stages.platform.files import can_write
from stages.registry import UnknownTypeError, source_class
from stages.settings import Problem, range_problems
from stages.source import Source

if TYPE_CHECKING:
    from omegaconf import DictConfig

MAX_WORKERS = 256
_STORES = ("sqlite:///", "http://", "https://", "postgresql", "mysql", "mssql", "databricks")


@dataclass(slots=True)
class Checked:
    """A config that was looked at: typed, wired, with what is wrong and where each setting came from."""

    root: Root
    graph: Graph
    settings: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    user_set: dict[str, tuple[str, ...]] = field(default_factory=dict)
    user_keys: frozenset[str] = frozenset()


def check(config: DictConfig, user_keys: set[str]) -> Checked:
    """Look at everything that can be seen before any work."""
    root, origins, problems = _typed(config)
    if root is None:
        return Checked(Root(), Graph(), problems=problems)
    checked = Checked(root, Graph(), problems=problems, user_keys=frozenset(user_keys))
    used = {origin.partition(".")[0] for origin in origins.values()}
    asked = {key.partition(".")[0] for key in user_keys}
    problems.extend(_group_problems(root, used | asked))
    try:
        source = source_class(str(root.pipeline.source.get("type")))
    except UnknownTypeError as error:
        problems.append(Problem("pipeline.source.type", str(error), "name a source, such as text.lines"))
        return checked
    problems.extend(_source_problems(root, source))
    checked.graph, wiring = build_graph(root.pipeline.stages, source)
    told = {problem.key for problem in problems}  # a bad value shows at its group and at the stage that takes it
    found = [dataclasses.replace(problem, key=_origin(problem.key, origins)) for problem in wiring]
    for node in checked.graph.nodes.values():
        found.extend(_stage_problems(node, origins, checked))
        checked.user_set[node.name] = _chosen(node, origins, user_keys)
    problems.extend(problem for problem in found if problem.key not in told)
    problems.extend(_worker_problems(root, [str(name) for name in root.pipeline.stages]))
    problems.extend(_session_problems(root, _coding(checked.graph)))
    problems.extend(_folder_problems(root))
    checked.problems = list(dict.fromkeys(problems))
    return checked


# --- typing --------------------------------------------------------------------------------


def _typed(config: DictConfig) -> tuple[Root | None, dict[str, str], list[Problem]]:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        unset = sorted(OmegaConf.missing_keys(config))
        if unset:
            return None, {}, [Problem(key, "is not set", f"choose one: {key.partition('.')[0]}=…") for key in unset]
        plain = OmegaConf.to_container(config, resolve=True)
        raw = OmegaConf.to_container(config.pipeline, resolve=False)
    except OmegaConfBaseException as error:
        key = str(getattr(error, "full_key", "") or "config")
        return None, {}, [Problem(key, str(error).splitlines()[0], "correct the reference")]
    assert isinstance(plain, dict) and isinstance(raw, dict)
    values = {str(k): v for k, v in plain.items()}
    root, problems = read_nested(Root, {k: v for k, v in values.items() if k != "pipeline"}, "")
    if root is not None:
        root.pipeline = PipelineConfig(**values["pipeline"])
    return root, origins_of(raw["stages"]), problems


def read_nested(config_class: type[Any], values: Mapping[str, Any], key: str) -> tuple[Any, list[Problem]]:
    """`read_settings` for dataclasses that hold dataclasses. Only types are looked at here, not ranges."""
    import typing

    hints = typing.get_type_hints(config_class)
    flat: dict[str, Any] = dict(values)
    problems: list[Problem] = []
    for name, value in values.items():
        hint = hints.get(name)
        if isinstance(hint, type) and dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
            flat[name], wrong = read_nested(hint, value, f"{key}{name}.")
            problems.extend(wrong)
            if flat[name] is None:  # told already; the default stands in, so that the rest can be looked at
                del flat[name]
    built, wrong = read_settings(config_class, flat, key.rstrip("."))
    types_only = [p for p in wrong if built is None]
    return built, problems + types_only


def origins_of(stages: Mapping[str, Any]) -> dict[str, str]:
    """Full key of a stage's setting → the key it is taken from (`${profile.audio.bitrate}`)."""
    origins: dict[str, str] = {}
    for name, raw in stages.items():
        words = raw if isinstance(raw, Mapping) else {}
        settings = words.get("settings")
        said = {f".{word}": value for word, value in words.items()}
        if isinstance(settings, Mapping):
            said |= {f".settings.{word}": value for word, value in settings.items()}
        for word, value in said.items():
            if isinstance(value, str) and value.startswith("${") and value.endswith("}"):
                origins[f"pipeline.stages.{name}{word}"] = value[2:-1]
    return origins


def _origin(key: str, origins: Mapping[str, str]) -> str:
    """The key that a person would set."""
    if key in origins:
        return origins[key]
    head, _, last = key.rpartition(".")
    return f"{origins[head]}.{last}" if head in origins else key


# --- problems --------------------------------------------------------------------------------


def _group_problems(root: Root, used: set[str]) -> Iterator[Problem]:
    yield from range_problems(root)
    for group in dataclasses.fields(root):
        value = getattr(root, group.name)
        if dataclasses.is_dataclass(value) and group.name not in ("hardware", "pipeline"):
            yield from range_problems(value, group.name)
    yield from range_problems(root.profile.audio, "profile.audio")
    yield from hardware_problems(root.hardware)
    if "encoder" in used:
        yield from encoder_problems(root.encoder)
    for meter in ("cpu", "ram"):
        if getattr(root.adapt, f"{meter}_low") > getattr(root.adapt, f"{meter}_high"):
            yield Problem(f"adapt.{meter}_low", f"is above adapt.{meter}_high", "keep a gap between them")
    yield from _rate_problems(root)
    yield from _store_problems(root.tracking.uri)
    sample = root.quality.sample
    if sample not in ("auto", "all") and not sample.isdigit():
        yield Problem("quality.sample", f"{sample!r} is no number of items", "use a number, all or auto")
    reference = root.quality.reference
    if reference and not Path(reference).exists():
        yield Problem("quality.reference", f"there is no file or folder {reference!r}", "name one, or leave it empty")


def _store_problems(uri: str | None) -> Iterator[Problem]:
    if uri is not None and not uri.startswith(_STORES):
        yield Problem("tracking.uri", f"{uri!r} is no store that MLflow takes", f"begin it with {', '.join(_STORES)}")


def _rate_problems(root: Root) -> Iterator[Problem]:
    for name, rate in root.rates.items():
        pair = list(rate) if isinstance(rate, list | tuple) else []
        numbers = [n for n in pair if isinstance(n, int | float) and not isinstance(n, bool)]
        if len(pair) != 2 or numbers != pair or numbers[0] < 1 or numbers[0] != int(numbers[0]) or numbers[1] <= 0:
            yield Problem(f"rates.{name}", f"{rate!r} is no rate", "write [grants, seconds], such as [6, 60]")


def _source_problems(root: Root, source: type[Source[Any]]) -> list[Problem]:
    settings = root.pipeline.source.get("settings") or {}
    if not isinstance(settings, Mapping):
        mend = "write `name: value`, one a line"
        return [Problem("pipeline.source.settings", f"{settings!r} is no list of settings", mend)]
    return read_settings(source.config_class, settings, "pipeline.source.settings")[1]


def _stage_problems(node: Node, origins: Mapping[str, str], checked: Checked) -> Iterator[Problem]:
    key = _origin(f"pipeline.stages.{node.name}.settings", origins)
    config, problems = read_settings(node.stage.config_class, node.settings, key)
    checked.settings[node.name] = config
    if config is not None and not problems:
        problems = [*node.stage.problems(config, key), *_unknown_rate(node, config, checked.root)]
    for problem in problems:
        yield dataclasses.replace(problem, key=_origin(problem.key, origins))


def _unknown_rate(node: Node, config: Any, root: Root) -> Iterator[Problem]:
    rate = node.stage.needs(config).rate
    if rate and rate not in root.rates:
        yield Problem(
            f"rates.{rate}", f"is not set, and the stage {node.name} draws from it", f"add +rates.{rate}=[6,60]"
        )


def _chosen(node: Node, origins: Mapping[str, str], user_keys: set[str]) -> tuple[str, ...]:
    """The settings of a stage that the user set, by any name they have."""
    names = [f.name for f in dataclasses.fields(node.stage.config_class)]
    key = f"pipeline.stages.{node.name}.settings"
    return tuple(n for n in names if {f"{key}.{n}", _origin(f"{key}.{n}", origins)} & user_keys)


def _worker_problems(root: Root, stages: list[str]) -> Iterator[Problem]:
    places: dict[str, Mapping[str, Any]] = {
        "workers": root.workers, "profile.workers": root.profile.workers, "profile.begin": root.profile.begin
    }  # fmt: skip
    for place, counts in places.items():
        for stage, count in counts.items():
            key = f"{place}.{stage}"
            whole = isinstance(count, int) and not isinstance(count, bool)
            if place == "workers" and stage not in stages:
                yield Problem(key, f"this pipeline has no stage {stage!r}", f"its stages are {', '.join(stages)}")
            elif count != "auto" and (not whole or not 1 <= count <= MAX_WORKERS):
                yield Problem(key, f"{count!r} is no number of workers", f"use 1 to {MAX_WORKERS}, or auto")


def _coding(graph: Graph) -> list[str]:
    """The stages that encode pictures: those with the settings of the encoder, and those that such a one tells."""
    given = [name for name, node in graph.nodes.items() if "encoder" in node.settings]
    return [
        name for name, node in graph.nodes.items()
        if not node.optional and (name in given or (not node.gather and set(node.sources) & set(given)))
    ]  # fmt: skip


def _session_problems(root: Root, stages: Sequence[str]) -> Iterator[Problem]:
    """More encodes at once than a hardware encoder is good for are refused unless they are asked for."""
    most = root.encoder.sessions
    if most is None:
        return
    for stage in stages:
        count = root.workers.get(stage, "auto")
        if isinstance(count, int) and not isinstance(count, bool) and count > most:
            reason = f"{count} encodes at once on {root.encoder.name}, which is meant for {most}"
            yield Problem(f"workers.{stage}", reason, f"lower it, or set encoder.sessions={count} if that is meant")


def _folder_problems(root: Root) -> Iterator[Problem]:
    folders = {
        "outputs_dir": root.outputs_dir,
        "output": root.output,
        "temp_dir": root.temp_dir,
        "cache.dir": root.cache.dir,
    }
    for key, folder in folders.items():
        if folder is not None:
            reason = can_write(Path(folder))
            if reason:
                yield Problem(key, f"cannot write to {folder}: {reason}", "name a folder that you may write to")
