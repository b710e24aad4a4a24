"""Globs, matched in linear time: a text is gone through once, with all readings of the glob followed side by side.

Globs and texts are written by others. A matcher that tries one reading after another takes time that doubles with each
star, and a regular expression lets no other thread run meanwhile.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from operator import xor
from typing import NamedTuple

LONGEST = 4096
"""Characters of a glob: no path and no source is longer."""
ANY_DEPTH = "**"
_CHARACTERS_KEPT = 1024


class InvalidGlob(ValueError):
    """A glob that is too long, or ends in the middle of something; the message says which."""


class Glob:
    """A glob over one text: `*` stands for any characters, `?` for one, `[a-z]` and `[!a-z]` for one of a set.

    A `[` without an end stands for itself. With `escapes`, as in a .gitignore, such a `[` is refused, and a backslash
    makes the next character stand for itself. Raises InvalidGlob.
    """

    __slots__ = ("_accepting", "_around", "_end", "_known", "_loops", "_sets", "like", "prefix")

    def __init__(self, written: str, *, escapes: bool = False) -> None:
        if len(written) > LONGEST:
            raise InvalidGlob(f"it is longer than {LONGEST:,} characters")
        self._accepting: dict[str, int] = {}
        """By character, the places in the glob where it stands, as bits."""
        sets: list[tuple[int, _Set]] = []
        """The places, each as a bit, where one of a set stands."""
        self._loops = place = 0
        """The places that a star stands before."""
        literal = [""]
        steps = list(_steps(written, escapes))
        self.like = _like(steps)
        """The same as a pattern of SQL's LIKE, which `\\` escapes in; None if that cannot say it."""
        for step in steps:
            if step is None:
                self._loops |= 1 << place
                literal.append("")
                continue
            if isinstance(step, str):
                self._accepting[step] = self._accepting.get(step, 0) | 1 << place
                literal[-1] += "" if sets else step
            else:
                sets.append((1 << place, step))
            place += 1
        self._end = 1 << place
        self._sets = _Sets(sets)
        self._known: dict[str, int] = {}
        self._around = literal if not sets and len(literal) < 3 else None
        """The texts around the star, of a glob of no more than one star and no set."""
        self.prefix = literal[0]
        """What every text that fits begins with."""

    def fits(self, text: str) -> bool:
        """Return whether a text fits as a whole."""
        if not text.startswith(self.prefix):
            return False
        if self._around is not None:
            end = self._around[-1]
            if len(self._around) == 1:
                return text == end
            return len(text) >= len(self.prefix) + len(end) and text.endswith(end)
        reached, loops, known = 1, self._loops, self._known
        for character in text:
            accepting = known.get(character)
            if accepting is None:
                accepting = self._accepting_of(character)
            reached = (reached & accepting) << 1 | reached & loops
            if not reached:
                return False
        return bool(reached & self._end)

    def _accepting_of(self, character: str) -> int:
        """Return the places that a character can stand at, as bits."""
        found = self._accepting.get(character, 0) | self._sets.holding(character)
        if len(self._known) < _CHARACTERS_KEPT:
            self._known[character] = found
        return found


class PathGlob:
    """A glob over the names in a path, each of which one of `globs` stands for, and `**` for any number of names.

    Raises InvalidGlob.
    """

    __slots__ = ("_globs",)

    def __init__(self, globs: Iterable[str], *, escapes: bool = False) -> None:
        self._globs: list[Glob | None] = []
        """None stands for `**`; two of them in a row are one."""
        for written in globs:
            glob = None if written == ANY_DEPTH else Glob(written, escapes=escapes)
            if glob is not None or not self._globs or self._globs[-1] is not None:
                self._globs.append(glob)

    @property
    def steps(self) -> int:
        """How many of its globs each name of a path may be held against."""
        return 1 if self._is_about_a_name else len(self._globs)

    @property
    def _is_about_a_name(self) -> bool:
        return len(self._globs) == 2 and self._globs[0] is None

    def fits(self, names: Sequence[str]) -> bool:
        """Return whether a path fits as a whole."""
        if self._is_about_a_name and self._globs[1] is not None:
            return bool(names) and self._globs[1].fits(names[-1])
        *_, places = self._followed(names)
        return len(self._globs) in places

    def takes(self, names: Sequence[str]) -> bool:
        """Return whether a path fits, or a folder above it does."""
        return any(len(self._globs) in places for places in self._followed(names))

    def leads_on(self, names: Sequence[str]) -> bool:
        """Return whether something in this folder may fit."""
        return all(self._followed(names)) or self.takes(names)

    def _followed(self, names: Sequence[str]) -> Iterator[set[int]]:
        """Yield the places in the glob that can be reached, before the first name and after each."""
        places = self._over_any_depth({0})
        yield places
        for name in names:
            reached = set()
            for place in places - {len(self._globs)}:
                glob = self._globs[place]
                if glob is None:
                    reached.add(place)
                elif glob.fits(name):
                    reached.add(place + 1)
            places = self._over_any_depth(reached)
            yield places

    def _over_any_depth(self, places: set[int]) -> set[int]:
        """Add the place behind each `**`, which may stand for no name at all."""
        return places | {place + 1 for place in places if self._globs[place : place + 1] == [None]}


class _Set(NamedTuple):
    """One character out of ranges, or out of all others."""

    ranges: tuple[tuple[str, str], ...]
    others: bool

    def turns(self) -> Iterator[int]:
        """Yield the characters, by their numbers, from which on it holds what it did not, or no longer what it did."""
        end = -1
        for first, last in sorted(self.ranges):
            if ord(last) >= max(ord(first), end):
                if ord(first) > end:
                    yield from (end, ord(first)) if end >= 0 else (ord(first),)
                end = ord(last) + 1
        if end >= 0:
            yield end


_ANY_ONE = _Set((), others=True)


class _Sets:
    """Which of many sets hold a character, found without asking each of them."""

    __slots__ = ("_holding", "_turns")

    def __init__(self, sets: Iterable[tuple[int, _Set]]) -> None:
        changes = {0: 0}
        """By character, by its number, the sets that from there on hold what they did not, or no longer: as bits."""
        for place, one_of in sets:
            changes[0] ^= place if one_of.others else 0
            for turn in one_of.turns():
                changes[turn] = changes.get(turn, 0) ^ place
        self._turns = sorted(changes)
        self._holding: list[int] = list(accumulate((changes[turn] for turn in self._turns), xor))

    def holding(self, character: str) -> int:
        """Return the places of the sets that hold a character, as bits."""
        return self._holding[bisect_right(self._turns, ord(character)) - 1]


def _steps(written: str, escapes: bool) -> Iterator[str | _Set | None]:
    """Yield what a glob consists of: characters that stand for themselves, sets, and None for stars."""
    at, last_end = 0, written.rfind("]")
    while at < len(written):
        character = written[at]
        at += 1
        if character == "*":
            yield None
        elif character == "?":
            yield _ANY_ONE
        elif character == "\\" and escapes:
            if at == len(written):
                raise InvalidGlob("it ends in a backslash")
            yield written[at]
            at += 1
        elif character == "[" and (escapes or at < last_end):
            end = _end_of_set(written, at, escapes)
            yield _set(written[at:end], escapes) if end else character
            at = end + 1 if end else at
        else:
            yield character


def _like(steps: Iterable[str | _Set | None]) -> str | None:
    pattern = []
    for step in steps:
        if isinstance(step, _Set) and step is not _ANY_ONE:
            return None
        if isinstance(step, str):
            pattern.append(f"\\{step}" if step in "%_\\" else step)
        else:
            pattern.append("%" if step is None else "_")
    return "".join(pattern)


def _end_of_set(written: str, at: int, escapes: bool) -> int:
    """Return where the `]` stands that ends a set; 0 if there is none. A `]` in the first place is one of the set."""
    first = at + (written[at : at + 1] in ("!", "^"))
    end = first
    while end < len(written) and (written[end] != "]" or end == first):
        end += 2 if escapes and written[end] == "\\" else 1
    if end < len(written):
        return end
    if escapes:
        raise InvalidGlob("a `[` in it has no `]`")
    return 0


def _set(inside: str, escapes: bool) -> _Set:
    others = inside[0] in "!^"
    rest = list(inside[1:] if others else inside)
    ranges = []
    at = 0
    while at < len(rest):
        first, at = _one_of_set(rest, at, escapes)
        last = first
        if at + 1 < len(rest) and rest[at] == "-":
            last, at = _one_of_set(rest, at + 1, escapes)
        ranges.append((first, last))
    return _Set(tuple(ranges), others)


def _one_of_set(rest: Sequence[str], at: int, escapes: bool) -> tuple[str, int]:
    if escapes and rest[at] == "\\" and at + 1 < len(rest):
        at += 1
    return rest[at], at + 1
