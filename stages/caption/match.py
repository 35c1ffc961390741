"""Times that somebody told for the words that were spoken, given to the words as they are written.

Who speaks tells other words than the script has: without punctuation, numbers written out, two words as one.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stages.caption.tokens import SAID, SPACELESS

Span = tuple[float, float]  # start and end, s

_ATOMS = re.compile(rf"[{SPACELESS}]|[^\W_{SPACELESS}]+")
_SAID_LENGTH = 3


@dataclass(frozen=True, slots=True)
class _Atom:
    """A word, or part of one, without anything that only writing knows. `size`: letters, its weight in time."""

    text: str
    size: int
    owner: int


def place(written: Sequence[str], spoken: Sequence[tuple[str, float, float]]) -> list[Span]:
    """Start and end of each written word.

    Args:
        written: the words of the text.
        spoken: word, start and end (s) as they were told, in order.

    Returns:
        one span for each written word, starts in order; a word that nobody told of gets what lies between its
        neighbours.
    """
    ours = [atom for owner, word in enumerate(written) for atom in _atoms(word, owner)]
    theirs = [atom for owner, (word, _, _) in enumerate(spoken) for atom in _atoms(word, owner)]
    times = _atom_times(theirs, spoken)
    spans: list[Span | None] = [None] * len(written)
    for atom, span in zip(ours, _matched(ours, theirs, times), strict=True):
        before = spans[atom.owner]
        spans[atom.owner] = span if before is None else (before[0], span[1])
    return _in_order([span or (0.0, 0.0) for span in spans])


def _atoms(word: str, owner: int) -> list[_Atom]:
    plain = unicodedata.normalize("NFKD", word).casefold()
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    found = [_Atom(text, len(text), owner) for text in _ATOMS.findall(plain)]
    said = any(sign in SAID for sign in word)
    return found or [_Atom(f"\0{word}", _SAID_LENGTH if said else 0, owner)]


def _atom_times(atoms: Sequence[_Atom], spoken: Sequence[tuple[str, float, float]]) -> list[Span]:
    """The span of each part of the words that were told, by its share of their letters."""
    totals: dict[int, int] = {}
    for atom in atoms:
        totals[atom.owner] = totals.get(atom.owner, 0) + atom.size
    spans: list[Span] = []
    done, owner = 0, -1
    for atom in atoms:
        done = done if atom.owner == owner else 0
        owner = atom.owner
        _, start, end = spoken[owner]
        each = (end - start) / max(totals[owner], 1)
        spans.append((start + each * done, start + each * (done + atom.size)))
        done += atom.size
    return spans


def _matched(ours: Sequence[_Atom], theirs: Sequence[_Atom], times: Sequence[Span]) -> Iterator[Span]:
    """A span for each of our atoms, in order: equal words first, then what lies between them by shares."""
    matcher = difflib.SequenceMatcher(None, [a.text for a in ours], [a.text for a in theirs], autojunk=False)
    at_ours = at_theirs = 0
    for block in matcher.get_matching_blocks():
        before = times[at_theirs - 1][1] if at_theirs else (times[0][0] if times else 0.0)
        after = times[block.b][0] if block.b < len(times) else (times[-1][1] if times else 0.0)
        yield from _shared(
            ours[at_ours : block.a], times[at_theirs : block.b], theirs[at_theirs : block.b], (before, after)
        )
        yield from times[block.b : block.b + block.size]
        at_ours, at_theirs = block.a + block.size, block.b + block.size


def _shared(ours: Sequence[_Atom], times: Sequence[Span], theirs: Sequence[_Atom], between: Span) -> Iterator[Span]:
    """Words that were told otherwise: letter for letter over the time of what was told, else over the gap."""
    knots, marks = [0.0], [times[0][0] if times else between[0]]
    for (start, end), atom in zip(times, theirs, strict=True):
        knots += [knots[-1], knots[-1] + atom.size]
        marks += [start, end]
    if not times:
        knots, marks = [0.0, 1.0], [between[0], max(between)]
    total = sum(atom.size for atom in ours)
    done = 0
    for atom in ours:
        first, last = (done / total, (done + atom.size) / total) if total else (1.0, 1.0)
        yield _at(first * knots[-1], knots, marks, late=True), _at(last * knots[-1], knots, marks, late=False)
        done += atom.size


def _at(place: float, knots: Sequence[float], marks: Sequence[float], *, late: bool) -> float:
    """The time of a place among letters. At a border of words a start takes the later time, an end the earlier."""
    near = 1e-9
    order = range(len(knots) - 1, -1, -1) if late else range(len(knots))
    for index in order:
        if abs(knots[index] - place) < near:
            return marks[index]
    above = next(index for index, knot in enumerate(knots) if knot > place)
    share = (place - knots[above - 1]) / (knots[above] - knots[above - 1])
    return marks[above - 1] + share * (marks[above] - marks[above - 1])


def _in_order(spans: Sequence[Span]) -> list[Span]:
    floor = 0.0
    ordered: list[Span] = []
    for start, end in spans:
        begin = max(start, floor)
        ordered.append((begin, max(end, begin)))
        floor = begin
    return ordered
