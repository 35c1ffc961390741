"""Values that nobody must read: masked before they are written or sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

MASK = "***"
_SECRET_WORDS = {"key", "apikey", "token", "secret", "password", "passwd", "passphrase", "credential", "credentials"}
_IN_TEXT = re.compile(
    r"""(?<![\w.-])(?P<name>["']?[\w.-]*"""
    r"""(?:api_?key|access_?key|token|secret|passw(?:or)?d|passphrase|credential)["']?[ \t]*[:=][ \t]*)"""
    r"""(?P<value>"(?:[^"\\]|\\.)+"|'(?:[^'\\]|\\.)+'|[^\s"',}\[{]+)""",
    re.IGNORECASE,
)


def is_secret(key: str) -> bool:
    """True for `tts.openai.api_key`, `HF_TOKEN`, `password`; not for `max_tokens`, `keyint`.

    `api_key_env` only names the environment variable that holds the secret.
    """
    words = re.split(r"[^a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", key).lower())
    return words[-1] != "env" and not _SECRET_WORDS.isdisjoint(words)


def mask(values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with secret values masked; empty ones stay, for they tell that nothing was set."""
    return {key: MASK if value not in (None, "") and is_secret(key) else value for key, value in values.items()}


def mask_words(words: Iterable[str]) -> list[str]:
    """Command-line words with the value of `key=value` masked where the key is secret."""
    hidden = (f"{word.partition('=')[0]}={MASK}" if "=" in word and _hides(word) else word for word in words)
    return [mask_logins(word) for word in hidden]


def _hides(word: str) -> bool:
    return is_secret(word.partition("=")[0])


def mask_text(text: str) -> str:
    """YAML or JSON text with secret scalars masked (`api_key: abc` → `api_key: ***`)."""
    return mask_logins(_IN_TEXT.sub(_masked, text))


def _masked(match: re.Match[str]) -> str:
    value = match["value"]
    if value in ("null", "~", "''", '""', MASK):
        return match[0]
    quote = value[0] if value[0] in "\"'" else '"' if match["name"].lstrip().startswith('"') else ""
    return f"{match['name']}{quote}{MASK}{quote}"


_LOGIN = re.compile(r"(?<=://)[^/\s@'\"]+(?=@)")


def mask_logins(text: str) -> str:
    """A text with `user:password` in its addresses masked (`http://me:pw@host` → `http://***@host`)."""
    return _LOGIN.sub(MASK, text)


def without_credentials(uri: str) -> tuple[str, dict[str, str]]:
    """A tracking URI without user and password, and the environment variables that give them to MLflow."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return uri, {}
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return bare, {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password}
