"""Type name → class, without importing what is not used.

A type is `<kind>.<operation>` and names the file `stages/<kind>/<operation>.py`. Only a class that is
defined in that file and is a Stage or a Source can be had, so a config cannot name other code. Providers (who
speaks, who paints) are found in the same way: `stages/<kind>/providers/<name>.py`.
"""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

from stages.contract import Stage
from stages.settings import nearest
from stages.source import Source

_TYPE = re.compile(r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")
_HOME = Path(__file__).parent
_GROUND = {"media", "platform", "service"}  # what stages stand on, not stages


class UnknownTypeError(LookupError):
    """The type names no stage; the message lists what is there."""


def known_types() -> list[str]:
    """Every type name that has a file, found by name alone."""
    return sorted(
        f"{file.parent.name}.{file.stem}"
        for file in _HOME.glob("*/*.py")
        if not file.stem.startswith("_") and file.parent.name not in _GROUND and _declares(file)
    )


def _declares(file: Path) -> bool:
    return re.search(r"^class \w+\((Stage|Source)\[", file.read_text(encoding="utf-8"), re.MULTILINE) is not None


def stage_class(type_name: str) -> type[Stage[Any]]:
    """The stage class of a type.

    Raises:
        UnknownTypeError: when there is none.
    """
    found = _class_of(type_name, Stage)
    assert issubclass(found, Stage)
    return found


def source_class(type_name: str) -> type[Source[Any]]:
    """The source class of a type.

    Raises:
        UnknownTypeError: when there is none.
    """
    found = _class_of(type_name, Source)
    assert issubclass(found, Source)
    return found


def _class_of(type_name: str, base: type) -> type:
    kind, _, operation = str(type_name).partition(".")
    if not _TYPE.match(str(type_name)) or kind in _GROUND or not (_HOME / kind / f"{operation}.py").is_file():
        raise UnknownTypeError(f"{type_name!r} names no stage{nearest(str(type_name), known_types())}")
    found = _defined_in(f"stages.{kind}.{operation}", base)
    if found is None:
        raise UnknownTypeError(f"{type_name!r} holds no {base.__name__.lower()}")
    return found


def _defined_in(module_name: str, base: type) -> type | None:
    """The first class of a module that is a kind of `base`, whole, and no import."""
    module = importlib.import_module(module_name)
    for value in vars(module).values():
        if not inspect.isclass(value) or value.__module__ != module.__name__:
            continue
        found: type = value
        if issubclass(found, base) and not inspect.isabstract(found):
            return found
    return None


def provider_names(kind: str) -> tuple[str, ...]:
    """Every provider of a kind of stages that has a file."""
    files = (_HOME / kind / "providers").glob("*.py")
    return tuple(sorted(file.stem for file in files if not file.stem.startswith("_")))


def provider_class(kind: str, name: str, base: type[Any]) -> type[Any]:
    """The provider of that name; only its own file is imported.

    Raises:
        LookupError: when there is none.
    """
    if name not in provider_names(kind):
        raise LookupError(f"{name!r} is not one of {', '.join(provider_names(kind))}")
    found = _defined_in(f"stages.{kind}.providers.{name}", base)
    assert found is not None, f"stages/{kind}/providers/{name}.py holds no {base.__name__}"
    return found
