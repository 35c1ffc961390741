"""What is installed beside the machine: offline voice, optional packages, tracking store. Asked, not assumed."""

from __future__ import annotations

import contextlib
import ctypes
import sqlite3
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

_HEALTH_S = 1.0


def package_version(distribution: str) -> str | None:
    """Version of an installed package; None when it is not there. Nothing is imported."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def voice_library() -> tuple[str | None, str]:
    """Version of the embedded espeak-ng, found by loading it and asking; or None and the reason."""
    try:
        import espeakng_loader

        library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = Path(espeakng_loader.get_data_path())
    except (ImportError, OSError, RuntimeError) as error:
        return None, str(error)
    if not (data / "phontab").is_file():
        return None, f"its voices are not in {data}"
    library.espeak_Info.restype = ctypes.c_char_p
    return library.espeak_Info(None).decode(), ""


def store_problem(uri: str) -> str | None:
    """Why a tracking store cannot be used now, or None. A SQLite file that is not there yet is no problem.

    Args:
        uri: `sqlite:///…` or the address of a server (`http://…`).
    """
    if uri.startswith("sqlite:///"):
        return _sqlite_problem(Path(uri.removeprefix("sqlite:///")))
    if uri.startswith(("http://", "https://")):
        return _server_problem(uri)
    return f"{shown_uri(uri)} is neither sqlite:/// nor http(s)://"


def shown_uri(uri: str) -> str:
    """The address without user and password."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _sqlite_problem(file: Path) -> str | None:
    if not file.exists():
        return None
    try:
        with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=1)) as store:
            store.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.Error as error:
        return f"{file} is no MLflow store ({error})"
    return None


def _server_problem(uri: str) -> str | None:
    """MLflow servers answer at `/health`, without a password; anything else means that runs would not get through."""
    import http.client
    import urllib.error
    import urllib.request

    address = shown_uri(uri).rstrip("/")
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=_HEALTH_S):  # noqa: S310 - http(s) only, see above
            return None
    except urllib.error.HTTPError as error:
        return f"{address} answers {error.code} {error.reason}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"{address} cannot be reached ({getattr(error, 'reason', None) or error})"
