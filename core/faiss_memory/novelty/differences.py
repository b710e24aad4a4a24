"""What tells two texts apart that a model takes for nearly the same: another number, name, identifier, or a "not".

A cosine says that two texts are about the same thing. "Port 8080" and "port 8081" are, and so are "do use tabs" and
"do not use tabs" (.91): who corrects a memory writes nearly the same text with another value. So what is near is only
known if nothing that tells apart differs. In doubt two texts differ: then a memory is kept twice, and none is lost.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import NamedTuple

from faiss_memory.analyzer import stem
from faiss_memory.novelty.telling_words import (
    ALSO_WRITTEN,
    EMPHASIZED,
    MONTHS,
    NEGATIONS,
    NUMBERS,
    OPPOSITES,
    SMALL_WORDS,
    UNITS,
    groups,
)

MOST_NAMED = 5
"""So many differences are named, at most."""
LEAST_WORDS = 3
"""Of two texts that are the same but for one word, at least so long, the one word is what was changed."""
SAME_START = 4
"""Characters that two spellings of one word begin with, such as Postgres and PostgreSQL."""

_CHUNK = re.compile(r"\S+")
_AROUND = ".,;:!?()[]{}\"'`*\u201c\u201d\u2018\u2019\u00ab\u00bb"
_SENTENCE_END = re.compile(r"[.!?:]['\")\]]*$|^[-*#>]+$")
_NUMBER = re.compile(
    r"[~<>=\u2264\u2265$\u20ac\u00a3+-]*v?\.?\d[\d.,:]*(?:st|nd|rd|th|%|[a-z]{1,3})?", re.IGNORECASE
)
_DIGITS = re.compile(r"\d+(?:[.:]\d+)*")
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_ISO_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:T.*)?")
_UNIT = re.compile(r"\d(ms|s|sec|m|min|h|d|kb|mb|gb|tb|kib|mib|gib)$", re.IGNORECASE)
_IDENTIFIER = re.compile(
    r"[A-Za-z]-?\d|\d[A-Za-z]|[a-z][A-Z]|^[A-Z]{2,}s?$|[A-Z]{2,}[-_.]|\w[_/\\.:@#=]+\w|^[-@#/~.]+\w|\+\+$|\w#$"
)
_PLAIN_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_LATIN = re.compile(r"[A-Za-z\u00aa-\u024f\u1e00-\u1eff]+")
_OPERATORS = re.compile(
    r"(?<![^\s(\[`])(?:[&|?!<>=+*/%^~]{1,3})(?![^\s)\]`])|<=|>=|==|!=|&&|\|\||[<>\u2264\u2265\u2260]"
)
_SHORT_MONTHS = {month[:3]: number for month, number in MONTHS.items()}
_MARKS = frozenset({"*", "**", ">", "+", "~", "?", "!", "/", "??", "!!"})
"""Markdown's and prose's own, which say nothing when they stand alone."""


class _Telling(NamedTuple):
    """What of a text tells it apart."""

    words: list[str]
    """Stems of its words, in order; of numbers and identifiers as well."""
    numbers: Counter[str]
    spellings: dict[str, set[str]]
    """How each word is spelt that is an identifier by its form, by the word in small letters."""
    plain: dict[str, set[str]]
    """The same of all words."""
    names: set[str]
    """Words with a capital letter inside a sentence, in small letters."""
    members: dict[int, dict[str, str]]
    """By group of words that exclude each other, the stems that occur, as they are written."""
    negations: int
    symbols: set[str]
    foreign: set[str]
    """Runs of letters of another script than Latin."""


def differences(new: str, old: str) -> list[str]:
    """Return what a text says that another does not, such as "8081, not 8080"; empty if nothing tells them apart.

    What only the older text says is no difference: nothing is lost with the new one. Both are passages, as long as a
    model reads at once.
    """
    if _normal(new) == _normal(old):
        return []
    one, other = _telling(new), _telling(old)
    found = chain(
        _changed_members(one, other),
        _news(one.numbers - other.numbers, other.numbers - one.numbers),
        _other_identifiers(one, other),
        _other_names(one, other),
        _news(one.symbols - other.symbols, other.symbols - one.symbols),
        (run for run in one.foreign if run not in other.foreign),
        ["not"] if one.negations != other.negations else [],
    )
    named = list(dict.fromkeys(islice(found, MOST_NAMED)))
    if not named and Counter(one.words) == Counter(other.words):
        named = _other_order(one, other)
    return named or _one_word(one, other)


def _news(new: Iterable[str], gone: Iterable[str]) -> list[str]:
    """Name what is new, beside what it stands in the place of if that is plain."""
    fresh, before = sorted(set(new)), sorted(set(gone))
    if len(fresh) == len(before) == 1:
        return [f"{fresh[0]}, not {before[0]}"]
    return fresh


def _changed_members(one: _Telling, other: _Telling) -> Iterator[str]:
    """Name words that exclude what the other text says."""
    for group, written in one.members.items():
        before = other.members.get(group, {})
        for key in sorted(written.keys() - before.keys()):
            rivals = sorted(before[rival] for rival in before.keys() - written.keys())
            if rivals:
                yield f"{written[key]}, not {rivals[0]}"
    known = set(other.words)
    for word in one.words:
        for prefix in OPPOSITES:
            plain = word.removeprefix(prefix)
            if (plain != word and len(plain) >= SAME_START and plain in known and word not in known) or (
                word not in known and prefix + word in known and len(word) >= SAME_START
            ):
                yield word


def _other_identifiers(one: _Telling, other: _Telling) -> Iterator[str]:
    for key in sorted(one.plain):
        written, known = one.plain[key], other.plain.get(key)
        is_identifier = key in one.spellings
        if known is None:
            if is_identifier and not _is_member(key) and not _is_known_otherwise(key, other):
                yield sorted(written)[0]
        elif not written & known and (is_identifier or key in other.spellings) and key not in EMPHASIZED:
            yield f"{sorted(written)[0]}, not {sorted(known)[0]}"


def _other_names(one: _Telling, other: _Telling) -> Iterator[str]:
    for name in sorted(one.names - other.plain.keys()):
        if (
            name not in one.spellings
            and stem(name) not in other.words
            and not _is_known_otherwise(name, other)
        ):
            yield sorted(one.plain[name])[0]


def _is_known_otherwise(word: str, other: _Telling) -> bool:
    """Return whether a text has another spelling of a word, or an abbreviation of it."""
    if re.search(r"\d", word):
        return False  # of two versions one begins as the other does
    same = ALSO_WRITTEN.get(word, word)
    return any(
        same == ALSO_WRITTEN.get(known, known)
        or (min(len(word), len(known)) >= SAME_START and (word.startswith(known) or known.startswith(word)))
        for known in other.plain
        if not re.search(r"[\d_/.:\\-]", known)
    )


def _other_order(one: _Telling, other: _Telling) -> list[str]:
    """Name what has changed places: "from staging to production" is not "from production to staging"."""
    telling = one.spellings.keys() | one.names | one.numbers.keys()
    telling |= {word for written in one.members.values() for word in written}
    before = [word for word in other.words if word in telling or word in {stem(name) for name in telling}]
    after = [word for word in one.words if word in before]
    return [f"the order: {', '.join(after)}"] if after != before else []


def _one_word(one: _Telling, other: _Telling) -> list[str]:
    """Name the only word in which two texts differ that are the same otherwise."""
    if len(one.words) != len(other.words) or len(one.words) < LEAST_WORDS:
        return []
    changed = [(new, old) for new, old in zip(one.words, other.words, strict=True) if new != old]
    if len(changed) != 1:
        return []
    ((new, old),) = changed
    if new in SMALL_WORDS and old in SMALL_WORDS:
        return []
    alike = min(len(new), len(old), SAME_START + 1)
    if ALSO_WRITTEN.get(new, new) == ALSO_WRITTEN.get(old, old) or (
        alike > SAME_START and new[:alike] == old[:alike]
    ):
        return []
    return [f"{new}, not {old}"]


def _telling(text: str) -> _Telling:
    told = _Telling([], Counter(), {}, {}, set(), {}, 0, set(), set())
    negations, begins = 0, True
    for chunk in _CHUNK.findall(unicodedata.normalize("NFKC", text)):
        core = (
            chunk.strip(_AROUND)
            if not chunk.startswith(("-", "@", "#", "/", "~", "."))
            else chunk.rstrip(_AROUND)
        )
        told.symbols.update(found for found in _OPERATORS.findall(chunk) if found not in _MARKS)
        told.symbols.update(sign for sign in chunk if unicodedata.category(sign) == "So")
        if core:
            negations += _note(told, core, begins=begins)
        begins = bool(_SENTENCE_END.search(chunk)) or (begins and not core)
    told.foreign.update(_foreign(text))
    return told._replace(negations=negations)


def _note(told: _Telling, core: str, *, begins: bool) -> int:
    """Take down one word; returns 1 for one that negates."""
    if _NUMBER.fullmatch(core) or _ISO_DATE.fullmatch(core):
        _note_number(told, core)
        return 0
    if _IDENTIFIER.search(core) and not _PLAIN_WORD.fullmatch(core.replace("-", "")):
        _note_word(told, core, is_identifier=True)
        return 0
    negations = 0
    for word in _PLAIN_WORD.findall(core):
        small = word.casefold().replace("\u2019", "'")
        if small.replace("'", "") in NEGATIONS or small.endswith("n't"):
            negations += 1
            told.words.append("not")
            continue
        if small in NUMBERS:
            told.numbers[NUMBERS[small]] += 1
            continue
        if word[0].isupper() and (small in MONTHS or small in _SHORT_MONTHS):
            told.numbers[str(_SHORT_MONTHS[small[:3]])] += 1
            continue
        has_form = bool(_IDENTIFIER.search(word)) and small not in EMPHASIZED and small not in NEGATIONS
        _note_word(told, word, is_identifier=has_form)
        if word[:1].isupper() and not begins and len(word) > 1:
            told.names.add(small)
        begins = False
    return negations


def _note_word(told: _Telling, word: str, *, is_identifier: bool) -> None:
    small = word.casefold()
    told.plain.setdefault(small, set()).add(word)
    if is_identifier:
        told.spellings.setdefault(small, set()).add(word)
    root = stem(small)
    told.words.append(root)
    for group in groups().get(root, ()):
        told.members.setdefault(group, {})[root] = small


def _note_number(told: _Telling, core: str) -> None:
    told.words.append(core.casefold())
    date = _ISO_DATE.fullmatch(core)
    if date:
        told.numbers.update(str(int(part)) for part in date.groups())
        return
    for run in _DIGITS.findall(_GROUPED.sub("", core)):
        told.numbers[
            "".join(str(int(part)) if part.isdigit() else part for part in re.split(r"([.:])", run))
        ] += 1
    unit = _UNIT.search(core)
    if unit:
        word = UNITS.get(unit[1].casefold(), unit[1].casefold())
        for group in groups().get(stem(word), ()):
            told.members.setdefault(group, {})[stem(word)] = word


def _is_member(word: str) -> bool:
    return stem(word) in groups()


def _foreign(text: str) -> list[str]:
    """Return the runs of letters that are not Latin; those the model may not know, so they are compared as they are."""
    runs = re.findall(r"[^\W\d_]+", _normal(text))
    return [run for run in runs if not _LATIN.fullmatch(run)]


def _normal(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).split())
