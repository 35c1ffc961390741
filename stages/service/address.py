"""Addresses of services, checked before any work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from stages.settings import Problem


def ending(url: str, path: str) -> str:
    """The address of one thing that a service does: of the service's own (`…/v1`), or already the whole."""
    url = url.rstrip("/")
    return url if url.endswith(path) else f"{url}{path}"


def address_problems(url: str, key: str, schemes: Sequence[str]) -> Iterable[Problem]:
    """What is wrong with an address; `schemes` are those that the provider can use, the usual one first."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in schemes and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        yield Problem(
            key, f"{url!r} is no address that this provider can use", f"write it like {schemes[0]}://host:port/path"
        )
    elif parts.username or parts.password:
        yield Problem(key, "it holds a name or password, which would be recorded", "take it out of the address")
