"""From text to the terms of the keyword index.

Words are folded (NFKC, case, accents), English suffixes are stripped (Snowball), identifiers give their parts
besides themselves, and scripts written without spaces give overlapping pairs of characters, as Lucene's
CJKAnalyzer does, so that a word is found inside a sentence.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache, lru_cache
from threading import local

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
_PIECE = re.compile(r"\S{1,1024}\s?|\s")

# Words that only build an English question. They are kept in the index, so that a text of nothing else is found,
# and left out of a query that says more: "what did we decide about …" must not find every "what did we".
_FUNCTION_WORDS = """
a about am an and are as at be been being but by can could did do does for from had has have he her him his how i if
in into is it its just me my no not of on or our she should so such than that the their them then there these they
this to too us very was we were what when where which who whom whose why will with would you your
"""


def analyze(text: str) -> Counter[str]:
    """Count the terms of a text. A text without a single letter or digit gives its symbols, such as emoji."""
    terms = Counter(_terms(_normalized(text)))
    return terms or Counter(_SYMBOL.findall(text))


def analyze_query(text: str) -> Counter[str]:
    """Count the terms of a query, function words left out unless there is nothing else."""
    terms = analyze(text)
    telling = Counter({term: count for term, count in terms.items() if term not in _function_terms()})
    return telling or terms


@cache
def _function_terms() -> frozenset[str]:
    return frozenset(_stem(word) for word in _FUNCTION_WORDS.split())


def _normalized(text: str) -> str:
    """Bring a text to NFKC in pieces: the order of accents on one letter takes the square of their number."""
    if unicodedata.is_normalized("NFKC", text):
        return text
    return "".join(unicodedata.normalize("NFKC", piece) for piece in _PIECE.findall(text))


def _terms(text: str) -> Iterator[str]:
    for run in _RUN.findall(text):
        if not run.isascii() and _UNSPACED_START.match(run):
            yield from _pairs(run)
        else:
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
        return (_stem(word),)
    return (_stem(word), *(_stem(part) for part in parts))


_known_word = lru_cache(maxsize=100_000)(_word)


def _stem(word: str) -> str:
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
