"""The store of finished files: each one named by the digest of its content."""

from __future__ import annotations

import hashlib
from pathlib import Path

from stages.contract import Artifact
from stages.platform.files import move_durably


def digest_of(path: Path) -> str:
    """sha256 of a file's content, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Store:
    """Files by content under one folder. Safe for many processes: a name is only ever given to a whole file."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: str, suffix: str) -> Path:
        """Where a file of this content lies."""
        return self.root / "objects" / digest[:2] / f"{digest}{suffix}"

    def adopt(self, file: Path, kind: str) -> Artifact:
        """Take a finished file over: digest, flush, rename. The file is gone from where it was."""
        digest = digest_of(file)
        home = self.path(digest, file.suffix)
        if home.is_file() and digest_of(home) == digest:
            file.unlink()
        else:
            move_durably(file, home)
        stat = home.stat()
        return Artifact(path=home, kind=kind, digest=digest, size=stat.st_size, mtime_ns=stat.st_mtime_ns)

    def drop(self, artifact: Artifact) -> bool:
        """Remove a file that is as it was; whether there was one. Finished files that are links to it stay."""
        if not self.holds(artifact):
            return False
        artifact.path.unlink(missing_ok=True)
        return True

    def holds(self, artifact: Artifact) -> bool:
        """True when the file is there as it was: a truncated or edited one does not count.

        Finished files may be hard links to the store, so an edit in place reaches it; the time gives it away.
        """
        try:
            stat = artifact.path.stat()
        except OSError:
            return False
        return (stat.st_size, stat.st_mtime_ns) == (artifact.size, artifact.mtime_ns)
