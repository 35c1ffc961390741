"""What became of each input item, in nine bytes an item."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from hashlib import blake2b
from itertools import chain

SEEN = 1  # a task of it was journaled
COMPLETE = 2  # it was published, or reached the last stage
FAILED = 4  # a task of it failed or was blocked by one that did
NAMED = 8  # it has a file in `outputs`


def _digest(key: str) -> int:
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


class ItemStates:
    """Flags of items by key. A fanned-out child (`story/003/2`) counts for the input above it (`story/003`).

    Keys are kept as sorted 64-bit digests, so that a million items take megabytes; keys that no known
    item is a prefix of (rows that could not be read) are kept as they are.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._digests = array("Q", sorted(array("Q", (_digest(key) for key in keys))))
        self._flags = bytearray(len(self._digests))
        self._others: dict[str, int] = {}
        self._children_named: set[int] = set()

    def __len__(self) -> int:
        return len(self._digests) + len(self._others)

    def mark(self, key: str, flags: int) -> None:
        """Add flags to the input item that the key belongs to."""
        at = self._index_above(key)
        if at is None:
            self._others[key] = self._others.get(key, 0) | flags
        else:
            self._flags[at] |= flags

    def first_name(self, key: str) -> bool:
        """True the first time it is asked for exactly this key."""
        at = self._index(key)
        if at is None:
            digest = _digest(key)
            first = digest not in self._children_named
            self._children_named.add(digest)
            return first
        first = not self._flags[at] & NAMED
        self._flags[at] |= NAMED
        return first

    def count(self, *, having: int, without: int = 0) -> int:
        """Items that have all of `having` and none of `without`."""
        states = chain(self._flags, self._others.values())
        return sum(1 for flags in states if flags & having == having and not flags & without)

    def _index(self, key: str) -> int | None:
        digest = _digest(key)
        at = bisect_left(self._digests, digest)
        return at if at < len(self._digests) and self._digests[at] == digest else None

    def _index_above(self, key: str) -> int | None:
        while key:
            at = self._index(key)
            if at is not None:
                return at
            key = key.rpartition("/")[0]
        return None
