"""What tells two texts apart that a model takes for nearly the same: another number, name, identifier, or a "not".

A cosine says that two texts are about the same thing. "Port 8080" and "port 8081" are, and so are "do use tabs" and
"do not use tabs" (.91): who corrects a memory writes nearly the same text with another value. So what is near is only
known if nothing that tells apart differs. In doubt two texts differ: then a memory is kept twice, and none is lost.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain, islice

from faiss_memory.analyzer import stem
from faiss_memory.novelty.telling_words import (
    ALSO_WRITTEN,
    EMPHASIZED,
    FRAME_WORDS,
    MONTHS,
    NEGATIONS,
    OPPOSITES,
    SMALL_WORDS,
    SWITCHED_OFF,
    groups,
)
from faiss_memory.novelty.written_out import in_digits

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
_ISO_DATE = re.compile(r"(\d{4})-(0?[1-9]|1[0-2])(?:-(\d{1,2})(?:T(.*))?)?")
_IDENTIFIER = re.compile(
    r"[A-Za-z]-?\d|\d[A-Za-z]|[a-z][A-Z]|^[A-Z]{2,}s?$|[A-Z]{2,}[-_.]|\w[_/\\.:@#=]+\w|^[-@#/~.]+\w|\+\+$|\w#$"
)
_PLAIN_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_LATIN = re.compile(r"[A-Za-z\u00aa-\u024f\u1e00-\u1eff]+")
_OPERATORS = re.compile(
    r"(?<![^\s(\[`])(?:[&|?!<>=+*/%^~]{1,3})(?![^\s)\]`])|<=|>=|==|!=|&&|\|\||[<>\u2264\u2265\u2260]"
)
_USED_TO = re.compile(
    r"(?<!is )(?<!are )(?<!was )(?<!were )(?<!be )(?<!been )(?<!being )\bused to\b", re.IGNORECASE
)
"""What was once, and is not any more; not what something is used to do."""
_SHORT_MONTHS = {month[:3]: month for month in MONTHS}
_MARKS = frozenset({"*", "**", ">", "+", "~", "?", "!", "/", "??", "!!"})
"""Markdown's and prose's own, which say nothing when they stand alone."""


@dataclass
class _Telling:
    """What of a text tells it apart; it is compared with several others, and so worked out once."""

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
    negations: Counter[str]
    """How often it says "not" in any way, and "off" for such ways as have an opposite."""
    beginnings: set[str]
    """Stems of words with a capital letter at the begin of a sentence: perhaps names."""
    symbols: set[str]
    foreign: set[str]
    """Runs of letters of another script than Latin."""

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each word occurs."""
        return Counter(self.words)

    @cached_property
    def known(self) -> frozenset[str]:
        return frozenset(self.words)

    @cached_property
    def forms(self) -> frozenset[str]:
        """Whatever its words are known by."""
        return frozenset(form for word in self.known for form in _forms(word))

    @cached_property
    def plainer(self) -> frozenset[str]:
        """What is left of its words without what makes opposites of them."""
        return frozenset(plain for word in self.known for plain in _plainer(word))


def differences(new: str, old: str) -> list[str]:
    """Return what a text says that another does not, such as "8081, not 8080"; empty if nothing tells them apart.

    What only the older text says is no difference: nothing is lost with the new one. Both are passages, as long as a
    model reads at once.
    """
    if _normal(new) == _normal(old):
        return []
    return _told_apart(_telling(new), _telling(old))


def either_differs(new: str, old: str) -> list[str]:
    """Return what a text says that another does not, or else what the other says that it does not."""
    if _normal(new) == _normal(old):
        return []
    one, other = _telling(new), _telling(old)
    return _told_apart(one, other) or _told_apart(other, one)


def _told_apart(one: _Telling, other: _Telling) -> list[str]:
    found = chain(
        _changed_members(one, other),
        _other_numbers(one, other),
        _other_identifiers(one, other),
        _other_names(one, other),
        _news(one.symbols - other.symbols, other.symbols - one.symbols),
        (run for run in one.foreign if run not in other.foreign),
        ["not"] if one.negations["not"] != other.negations["not"] else [],
    )
    named = list(dict.fromkeys(islice(found, MOST_NAMED)))
    if not named and one.negations.total() != other.negations.total():
        named = ["not"]
    if not named and one.counts == other.counts:
        named = _other_order(one, other)
    return named or _replaced(one, other)


def _news(new: Iterable[str], gone: Iterable[str]) -> list[str]:
    """Name what is new, beside what it stands in the place of if that is plain."""
    fresh, before = sorted(set(new)), sorted(set(gone))
    if len(fresh) == len(before) == 1:
        return [f"{fresh[0]}, not {before[0]}"]
    return fresh


def _changed_members(one: _Telling, other: _Telling) -> Iterator[str]:
    """Name words that exclude what the other text says."""
    new, gone = one.counts - other.counts, other.counts - one.counts
    for group, written in one.members.items():
        rivals = sorted(said for key, said in other.members.get(group, {}).items() if key in gone)
        if rivals:
            yield from (f"{written[key]}, not {rivals[0]}" for key in sorted(written) if key in new)
    for word in one.words:
        if word not in other.known and (word in other.plainer or not other.known.isdisjoint(_plainer(word))):
            yield word


def _plainer(word: str) -> list[str]:
    """Return what is left of a word without a prefix that makes an opposite."""
    if not word.startswith(OPPOSITES):
        return []
    left = (word[len(prefix) :] for prefix in OPPOSITES if word.startswith(prefix))
    return [plain for plain in left if len(plain) >= SAME_START]


def _other_numbers(one: _Telling, other: _Telling) -> list[str]:
    new, gone = one.numbers - other.numbers, other.numbers - one.numbers
    if "one" in one.words:
        gone -= Counter("1")
        if gone and not new and "one" not in other.words:  # alone it may be nobody in particular
            new = Counter(["one"])
    if "one" in other.words:
        new -= Counter("1")
    return _news(new, gone)


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
    """Name what has changed places: "from staging to production" is not "from production to staging".

    Only things of one kind do: a name may come before a date or behind it.
    """
    names = {stem(name) for told in (one, other) for name in (*told.names, *told.spellings)}
    numbers = {word for word in one.words if word[0].isdigit()}
    for kind in (names, numbers, *map(set, one.members.values())):
        before, after = ([word for word in told.words if word in kind] for told in (other, one))
        if before != after:
            return [f"the order: {', '.join(after)}"]
    return []


def _replaced(one: _Telling, other: _Telling) -> list[str]:
    """Name what stands in the place of something else, in texts that are the same otherwise, or of a name."""
    if len(one.words) < LEAST_WORDS:
        return []
    new, gone = _middles(one.words, other.words)
    if len(new) == len(gone) == 1 and not SMALL_WORDS.issuperset((*new, *gone)):
        is_same = set(_forms(new[0])) & set(_forms(gone[0]))
        return [] if is_same else [f"{new[0]}, not {gone[0]}"]
    fresh, before = _only_in(one, other), _only_in(other, one)
    few = 2 * len(new) < len(one.words) and 2 * len(gone) < len(other.words)
    if few and fresh.intersection(new) and before.intersection(gone):
        return [f"{' '.join(new)}, not {' '.join(gone)}"]
    names = {stem(name) for name in other.names | other.spellings.keys()} & before
    may_be = fresh & one.beginnings
    if (
        fresh
        and before
        and (len(fresh) == len(before) == 1 or names or (may_be and before & other.beginnings))
    ):
        return [f"{min(may_be or fresh)}, not {min(names or before)}"]
    return []


def _middles(one: Sequence[str], other: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return what is left of two lists without what they begin and end with alike."""
    start, most = 0, min(len(one), len(other))
    while start < most and one[start] == other[start]:
        start += 1
    end = 0
    while end < most - start and one[-1 - end] == other[-1 - end]:
        end += 1
    return one[start : len(one) - end], other[start : len(other) - end]


def _only_in(one: _Telling, other: _Telling) -> set[str]:
    """Return the words of a text that no word of another one is, however it is written."""
    return {
        word
        for word in one.known.difference(FRAME_WORDS, ("not",), other.known)
        if not word[0].isdigit() and other.forms.isdisjoint(_forms(word))
    }


def _forms(word: str) -> tuple[str, ...]:
    """Return what a word is known by, however it is written: two that have one in common are taken for the same."""
    whole = ALSO_WRITTEN.get(word, word)
    return (whole, f"{word[: SAME_START + 1]}-") if len(word) > SAME_START else (whole,)


@lru_cache(maxsize=500)  # one text is compared with several others
def _telling(text: str) -> _Telling:
    told = _Telling([], Counter(), {}, {}, set(), {}, Counter(), set(), set(), set())
    begins = True
    text = in_digits(unicodedata.normalize("NFKC", text))
    told.negations["not"] += len(_USED_TO.findall(text))
    for chunk in _CHUNK.findall(text):
        core = (
            chunk.strip(_AROUND)
            if not chunk.startswith(("-", "@", "#", "/", "~", "."))
            else chunk.rstrip(_AROUND)
        )
        told.symbols.update(found for found in _OPERATORS.findall(chunk) if found not in _MARKS)
        told.symbols.update(sign for sign in chunk if unicodedata.category(sign) == "So")
        if core:
            _note(told, core, begins=begins)
        begins = bool(_SENTENCE_END.search(chunk)) or (begins and not core)
    told.foreign.update(_foreign(text))
    return told


forget_told = _telling.cache_clear


def _note(told: _Telling, core: str, *, begins: bool) -> None:
    """Take down what stands between two spaces."""
    if _NUMBER.fullmatch(core) or _ISO_DATE.fullmatch(core):
        _note_number(told, core)
        return
    if _IDENTIFIER.search(core) and not _PLAIN_WORD.fullmatch(core[:1] + core[1:].replace("-", "")):
        _note_word(told, core, is_identifier=True)
        return
    for word in _PLAIN_WORD.findall(core):
        small = word.casefold().replace("\u2019", "'")
        if small.replace("'", "") in NEGATIONS or small.endswith("n't"):
            told.negations["not"] += 1
            told.words.append("not")
            continue
        if word[0].isupper() and (small in MONTHS or small in _SHORT_MONTHS):
            told.numbers[_SHORT_MONTHS[small[:3]]] += 1
            continue
        if small in SWITCHED_OFF:
            told.negations["off"] += 1
        has_form = bool(_IDENTIFIER.search(word)) and small not in EMPHASIZED and small not in NEGATIONS
        _note_word(told, word, is_identifier=has_form)
        if word[:1].isupper() and len(word) > 1:
            if begins:
                told.beginnings.add(stem(small))
            else:
                told.names.add(small)
        begins = False


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
        told.numbers[MONTHS[int(date[2]) - 1]] += 1
        core = " ".join(part for part in (date[1], date[3], date[4]) if part)
    for run in _DIGITS.findall(_GROUPED.sub("", core)):
        told.numbers[
            "".join(str(int(part)) if part.isdigit() else part for part in re.split(r"([.:])", run))
        ] += 1


def _is_member(word: str) -> bool:
    return stem(word) in groups()


def _foreign(text: str) -> list[str]:
    """Return the runs of letters that are not Latin; those the model may not know, so they are compared as they are."""
    runs = re.findall(r"[^\W\d_]+", _normal(text))
    return [run for run in runs if not _LATIN.fullmatch(run)]


def _normal(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).split())
