"""The words of a command line: which are files, which are settings. No quoting rules to learn."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

COMMANDS = ("run", "plan", "doctor", "tune", "ui", "replay", "sync", "cache")
PATH_KEYS = ("input", "output", "outputs_dir", "temp_dir", "cache.dir")
_OVERRIDE = re.compile(r"^(?:~|\+{1,2})?([A-Za-z_][\w/@.:-]*)=", re.DOTALL)
_INTERPOLATION = re.compile(r"(\\*)\$\{")
_CLOSED_BY = {"'": "'", '"': '"', "[": "]"}
_QUOTES = re.compile(r"(\\*)('|\Z)")
_FLAGS_WITH_VALUE = ("--cfg", "-c", "--config-dir", "-cd", "--package", "-p", "--info", "-i")


@dataclass(slots=True)
class Arguments:
    """A command line, sorted."""

    command: str = "run"
    files: list[str] = field(default_factory=list)
    overrides: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    multirun: bool = False
    config_dir: str | None = None
    flags: list[str] = field(default_factory=list)


def override_key(word: str) -> str | None:
    """The key of `key=value`, or None when the word has no such shape."""
    match = _OVERRIDE.match(word)
    return match[1] if match else None


def sort_words(words: Sequence[str], roots: Collection[str]) -> Arguments:
    """Sort the words after the program's name.

    A word is a setting when its key begins with one of ours (`roots`); otherwise an existing path is a file, however
    it is spelt (`a=b, (1).mp4`); what then still looks like `key=value` is taken for a setting, and the check names it.
    """
    arguments = Arguments(words=list(words))
    rest = list(words)
    if rest and rest[0] in COMMANDS:
        arguments.command = rest.pop(0)
    only_files = False
    while rest:
        word = rest.pop(0)
        if only_files:
            arguments.files.append(word)
        elif word == "--":
            only_files = True
        elif word in ("-m", "--multirun"):
            arguments.multirun = True
        elif word.startswith("-") and len(word) > 1 and not Path(word).exists():
            _take_flag(arguments, word, rest)
        elif _is_setting(word, roots):
            arguments.overrides.append(quote_path(word))
        else:
            arguments.files.append(word)
    return arguments


def _take_flag(arguments: Arguments, word: str, rest: list[str]) -> None:
    flag, _, value = word.partition("=")
    if flag in ("--config-dir", "-cd") and (value or rest):
        arguments.config_dir = value or rest.pop(0)
        return
    arguments.flags.append(word)
    if word in _FLAGS_WITH_VALUE and rest:
        arguments.flags.append(rest.pop(0))


def _is_setting(word: str, roots: Collection[str]) -> bool:
    key = override_key(word)
    if key is None:
        return word.startswith("~") and word[1:].partition(".")[0] in roots
    root = re.split(r"[./@]", key, maxsplit=1)[0]
    return root in roots or not _exists(word)


def _exists(word: str) -> bool:
    try:
        return Path(word).exists()
    except (OSError, ValueError):  # too long for a name, or a NUL: no path
        return False


def quoted(text: str) -> str:
    """A text as Hydra's grammar wants it, whatever it holds, and safe from interpolation."""
    text = _INTERPOLATION.sub(lambda m: m[1] * 2 + "\\${", text)
    return "'" + _QUOTES.sub(lambda m: m[1] * 2 + ("\\'" if m[2] else ""), text) + "'"


def quote_path(word: str) -> str:
    """`input=my film (1).mp4` → with the value quoted, for keys whose values are paths. Lists and quotes stay."""
    key, _, value = word.partition("=")
    closed = len(value) > 1 and _CLOSED_BY.get(value[0]) == value[-1]
    plain = value and not (closed and not _exists(value))
    return f"{key}={quoted(value)}" if key.lstrip("+") in PATH_KEYS and plain else word
