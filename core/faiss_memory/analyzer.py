"""From text to the terms of the keyword index.

Words are folded (NFKC, case, accents), English suffixes are stripped (Snowball), identifiers give their parts and each
pair of neighbouring parts besides themselves, and scripts written without spaces give overlapping pairs of characters,
as Lucene's CJKAnalyzer does, so that a word is found inside a sentence.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain, pairwise, zip_longest
from threading import local
from typing import NamedTuple

import Stemmer

# Han, Hiragana, Katakana, Hangul, Thai, Lao, Khmer, Myanmar: written without spaces, or with particles joined on.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
    "\uf900-\ufaff\U00020000-\U0003134f"
)
_RUN = re.compile(rf"[{_UNSPACED}]+|[^\W{_UNSPACED}]+(?:['\u2019][^\W\d_]+)?")
_UNSPACED_START = re.compile(rf"[{_UNSPACED}]")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")
_SYMBOL = re.compile(r"[^\w\s]")
LONGEST_TERM = 64
_LONGEST_WORD = 256
"""Characters; a longer run is cut, and one longer than a term is not kept for the next text that holds it."""
MOST_PARTS = 24
"""An identifier of more parts is something else, such as encoded data."""
_CHUNK = re.compile(r"\S{2,256}")
_LONGEST_CHUNK = 64
"""Characters; a longer run without white space is looked at anew in each text, since few texts share it."""
_BESIDE_A_WORD = ".,;:!?()[]{}\"'`*_"
_GROUPED = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3}){1,6}(?![\d,])")
"""Numbers with their thousands set apart: 12,500 is 12500."""
_SIGNED_NAME = re.compile(r"(?<!\w)[A-Za-z](?:\+\+|#)(?!\w)")
"""C++, C#, F#: not the letter alone."""
_OPERATOR = re.compile(
    r"(?<![^\w\s`'\"()\[\]{},;])(?!--|\.\.|\*\*|~~|[?!]{2})[&|?!<>=+*/%^~:.@$-]{2,3}(?![^\w\s`'\"()\[\]{},;])"
)
"""Operators such as `&&`, `?.` and `=>`; longer runs are rules and frames, and some are marks of Markdown or prose."""
_PICTURE = re.compile(r"[^\x00-\x7f\w\s]")
_PIECE = re.compile(r"\S{1,1024}\s?|\s")

# Words that only build an English question. They are kept in the index, so that a text of nothing else is found,
# and left out of a query that says more: "what did we decide about …" must not find every "what did we".
_FUNCTION_WORDS = """
a about am an and are as at be been being but by can could did do does for from had has have he her him his how i if
in into is it its just me my no not of on or our she should so such than that the their them then there these they
this to too us very was we were what when where which who whom whose why will with would you your
"""


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a memory with how often each occurs, and how long its text is, in words."""

    counts: Counter[str]
    length: int


def analyze(text: str, beside: str = "") -> Terms:
    """Return the terms of a memory: its text, and what it can be found by `beside`, such as its tags.

    Pairs of an identifier's parts, symbols and what stands beside are found, and add nothing to the length: a memory
    is not to rank lower for them.
    """
    text, beside = _normalized(text), _normalized(beside)
    # A text without a word is found by its symbols, each a term.
    counts = Counter(_terms(text)) or Counter(_SYMBOL.findall(text))
    length = counts.total()
    counts.update(chain(_extra_terms(text), _terms(beside), _extra_terms(beside)))
    return Terms(counts, length)


def analyze_query(text: str) -> Counter[str]:
    """Count the terms of a query. Function words count only inside identifiers, or if there is nothing else."""
    return _analyzed_query(text).copy()


@lru_cache(maxsize=32)  # one search looks at its query from several sides
def _analyzed_query(text: str) -> Counter[str]:
    text = _normalized(text)
    all_terms = Counter(_terms(text))
    terms = Counter({term: count for term, count in all_terms.items() if term not in _function_terms()})
    for parts in _identifiers(text):
        for part, count in Counter(parts).items():  # (`|=` would walk through all terms, for each identifier)
            terms[part] = max(terms[part], count)
    terms.update(_extra_terms(text))
    return terms or all_terms or Counter(_SYMBOL.findall(text))


def forget_texts() -> None:
    """Keep nothing of what was analyzed: neither queries, nor single words and runs, which may be secrets."""
    for kept in (_analyzed_query, _known_word, _known_beside):
        kept.cache_clear()


def is_identifier(text: str) -> bool:
    """Return whether a query is a single identifier, such as `--no-verify`, `v2.1.0` or `acquireLock`."""
    chunk = text.strip()
    return not re.search(r"\s", chunk) and any(True for _ in _identifiers(chunk))


class _Beside(NamedTuple):
    """What a run without white space is found by beside its words."""

    identifier: tuple[str, ...]
    """The stemmed parts of an identifier such as `schema.token`; none of anything else."""
    extra: tuple[str, ...]
    """What tells near doubles apart: neighbouring parts of the identifier, numbers in one piece, symbols."""


def _identifiers(text: str) -> Iterator[tuple[str, ...]]:
    return (beside.identifier for beside in _besides(text) if beside.identifier)


def _extra_terms(text: str) -> Iterator[str]:
    return chain.from_iterable(beside.extra for beside in _besides(text))


def _besides(text: str) -> Iterator[_Beside]:
    """Yield what the runs of a text are found by beside their words, of those that have any."""
    chunks = text.split()
    if len(max(chunks, key=len, default="")) > _LONGEST_CHUNK:
        return (found for chunk in chunks for found in _beside_long(chunk) if found)
    return filter(None, map(_known_beside, chunks))


def _beside_long(chunk: str) -> Iterator[_Beside | None]:
    if len(chunk) <= _LONGEST_CHUNK:
        yield _known_beside(chunk)
        return
    yield _Beside((), tuple(_symbols(chunk)))
    for piece in _CHUNK.findall(chunk):
        identifier = _identifier(piece)
        yield _Beside(identifier, _neighbours(identifier))


def _beside(chunk: str) -> _Beside | None:
    identifier = _identifier(chunk)
    extra = (*_neighbours(identifier), *_symbols(chunk))
    return _Beside(identifier, extra) if extra else None


_known_beside = lru_cache(maxsize=100_000)(_beside)


def _identifier(chunk: str) -> tuple[str, ...]:
    """Return the stemmed parts of a run that has several."""
    word = chunk.strip(_BESIDE_A_WORD)
    # (A plain word, as most are, has one part.)
    if len(chunk) < 2 or not chunk.isascii() or (word.isalpha() and (word.islower() or word[1:].islower())):
        return ()
    parts = [part for run in _RUN.findall(chunk) for part in _PARTS.findall(run.split("'")[0])]
    # The same version is written v2.1.0 and 2.1.0.
    parts = [
        part
        for part, following in zip_longest(parts, parts[1:], fillvalue="")
        if not (part in ("v", "V") and following.isdigit())
    ]
    return tuple(map(stem, parts)) if 2 <= len(parts) <= MOST_PARTS else ()


def _neighbours(identifier: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{one} {other}" for one, other in pairwise(identifier))


def _symbols(chunk: str) -> Iterator[str]:
    """Yield the numbers that are written in groups, the names with signs and the symbols of a run."""
    for number in _GROUPED.findall(chunk):
        yield number.replace(",", "")
    for name in _SIGNED_NAME.findall(chunk):
        yield name.casefold()
    yield from _OPERATOR.findall(chunk)
    yield from (
        symbol for symbol in _PICTURE.findall(chunk) if unicodedata.category(symbol) in ("So", "Sk", "Sm")
    )


@cache
def _function_terms() -> frozenset[str]:
    return frozenset(stem(word) for word in _FUNCTION_WORDS.split())


def _normalized(text: str) -> str:
    """Bring a text to NFKC in pieces: the order of accents on one letter takes the square of their number."""
    if unicodedata.is_normalized("NFKC", text):
        return text
    return "".join(unicodedata.normalize("NFKC", piece) for piece in _PIECE.findall(text))


def _terms(text: str) -> Iterator[str]:
    runs = _RUN.findall(text)
    if text.isascii() and len(max(runs, key=len, default="")) <= LONGEST_TERM:
        return chain.from_iterable(map(_known_word, runs))
    return chain.from_iterable(map(_any_run, runs))


def _any_run(run: str) -> Iterator[str]:
    if not run.isascii() and _UNSPACED_START.match(run):
        yield from _pairs(run)
        return
    for start in range(0, len(run), _LONGEST_WORD):
        piece = run[start : start + _LONGEST_WORD]
        yield from _known_word(piece) if len(piece) <= LONGEST_TERM else _word(piece)


def _pairs(run: str) -> Iterator[str]:
    yield from run  # single characters too: many words are one character long, and so are some queries
    for start in range(len(run) - 1):
        yield run[start : start + 2]


def _word(word: str) -> tuple[str, ...]:
    parts = _PARTS.findall(re.split("['\u2019]", word)[0])
    if len(parts) < 2:
        return (stem(word),)
    return (stem(word), *(stem(part) for part in parts))


_known_word = lru_cache(maxsize=100_000)(_word)


def stem(word: str) -> str:
    """Return a word without its English suffix, in small letters and without accents."""
    plain = word.casefold()
    if not plain.isascii():
        folded = unicodedata.normalize("NFKD", plain).replace("\u2019", "'")
        plain = "".join(char for char in folded if not unicodedata.combining(char))
    stem: str = _stemmer().stemWord(plain)
    return stem[:LONGEST_TERM]


_of_thread = local()


def _stemmer() -> Stemmer.Stemmer:
    # A stemmer keeps the word it works on inside itself, so each thread needs its own.
    if not hasattr(_of_thread, "stemmer"):
        _of_thread.stemmer = Stemmer.Stemmer("english")
    return _of_thread.stemmer
