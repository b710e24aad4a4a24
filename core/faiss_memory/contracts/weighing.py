"""What a search by words counts, whichever store keeps the words: so that every store ranks alike.

BM25 as in Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with Lucene's idf,
which is never negative: ln(1 + (n - h + ½) / (h + ½)) of n memories of a project, of which h hold the term. Where it
divides by a text's length, as 1 - b + b · length / average, here is (length / average) to the power of LENGTH_POWER. A
short memory of a session or a file borrows its neighbours' words: it is understood only beside them (docs/ranking.md).
"""

from __future__ import annotations

import re
import zlib
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from faiss_memory.memory import Memory

BM25_K1 = 1.2
LENGTH_POWER = 0.75
"""A long memory must not win by its length alone. But a long one is long for two reasons: it uses more words for the
same, or speaks of more; and it is no less about one thing for speaking of another. So it is divided by less than its
length; measured in docs/ranking.md."""
MOST_QUERY_TERMS = 256
"""Of an overlong query only so many count, the rarest."""
NO_SEQUENCE = 0
NEIGHBOUR = 0.5
HALF_LENGTH = 30
"""A memory of so many words takes its neighbours' words at half of NEIGHBOUR."""

_PLACE = re.compile(r"#.*|:\d+(?:-\d+)?$", re.DOTALL)
_NAMES_A_PLACE = re.compile(r"[\d./\\]")
Length = TypeVar("Length")


def words_of(memory: Memory) -> tuple[str, str]:
    """Return what a memory can be found by: its text with its source; and what stands beside them, tags and cues."""
    return f"{memory.text}\n{memory.source}", "\n".join((*memory.tags, *memory.cues))


def sequence_of(source: str) -> int:
    """Return the number of the session or file that a source names; NO_SEQUENCE if it names none.

    A source that is only a name, such as an assistant's, holds what has nothing to do with each other.
    """
    whole = _PLACE.sub("", source)
    return zlib.crc32(whole.encode("utf-8", "surrogatepass")) if _NAMES_A_PLACE.search(whole) else NO_SEQUENCE


def borrowed_share(length: Length) -> Length:
    """Return the weight at which a memory of so many words counts its neighbours' words; of one, or of an array."""
    return NEIGHBOUR * HALF_LENGTH / (HALF_LENGTH + length)  # type: ignore[operator, no-any-return]


def length_norms(lengths: npt.NDArray[np.floating], average: float) -> npt.NDArray[np.float32]:
    """Return what BM25 adds to a term's frequency, for memories of so many words; shape of `lengths`.

    It is wanted for all memories after each write. Two roots are what LENGTH_POWER is, in a tenth of a power's time.
    """
    relative = np.asarray(lengths / average, np.float32)
    return np.float32(BM25_K1) * np.sqrt(relative * np.sqrt(relative))
