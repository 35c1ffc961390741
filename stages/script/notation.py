"""Scripts and front matter as YAML: words stay words (`no`, `1.10`), a field given twice is an error."""

from __future__ import annotations

from functools import cache
from typing import Any

from stages.contract import Json
from stages.script.model import Script, ScriptError

_KEPT = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")
_HEAD = "# A script of reeltune: edit it and give it as FILE again.\n"
_PICTURES = (
    "# Its pictures are named from the folder of the script; put this file there, or say script.folder=<that folder>.\n"
)


def load(text: str) -> Json:
    """Plain data of a YAML text, all scalars but null as they are written.

    Raises:
        ScriptError: naming the line.
    """
    import yaml  # type: ignore[import-untyped]

    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506 - a SafeLoader with fewer types
    except yaml.MarkedYAMLError as error:
        raise ScriptError([_marked(error)]) from error
    except yaml.YAMLError as error:  # a character that YAML does not allow
        reason = " ".join(str(error).split("\n")[0].split())
        raise ScriptError([f"the YAML cannot be read ({reason}); delete that character"]) from error
    except (RecursionError, ValueError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}" if not isinstance(error, RecursionError) else "nested too deeply"
        raise ScriptError([f"the YAML cannot be read ({reason}); write plain fields and texts"]) from error


def dump(script: Script) -> str:
    """The script as people edit it: UTF-8, texts of several paragraphs as blocks."""
    import yaml

    text: str = yaml.dump(script.as_data(), Dumper=_dumper(), allow_unicode=True, sort_keys=False, width=100)
    pictures = _PICTURES if any(scene.image for scene in script.scenes) else ""
    return f"{_HEAD}{pictures}{text}"


def _marked(error: Any) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    reason = " ".join(str(error.problem or error.context).split())
    return f"{where}{reason}; mend that line (a text with `: ` or `#` in it goes into quotes)"


@cache
def _loader() -> Any:
    """Made when it is needed: the library is heavy."""
    import yaml

    every = yaml.SafeLoader.yaml_implicit_resolvers.items()
    kept = {first: [rule for rule in rules if rule[0] in _KEPT] for first, rules in every}

    class Words(yaml.SafeLoader):  # type: ignore[misc]
        """Scalars stay texts, so that `no` is a word and `1.10` keeps its nought."""

        yaml_implicit_resolvers = kept

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            _refuse_twice(node)
            return super().construct_mapping(node, deep=deep)

    return Words


def _refuse_twice(node: Any) -> None:
    """YAML keeps the last of two equal fields, and a scene would be lost without a word."""
    import yaml

    seen: set[str] = set()
    for key, _value in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != _KEPT[1]:
            if key.value in seen:
                problem = f"{key.value[:40]!r} is given twice; begin another scene with a dash, or keep one"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)


@cache
def _dumper() -> Any:
    import yaml

    class Readable(yaml.SafeDumper):  # type: ignore[misc]
        """Several paragraphs as a block; nothing by reference."""

        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
            return True

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Readable.add_representer(str, text)
    return Readable
