"""One form for quantities that can be written in several: in digits or words, with or without a space, of a clock."""

from __future__ import annotations

import re

from faiss_memory.novelty.telling_words import UNITS

_ONES = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen
"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = """
third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth
seventeenth eighteenth nineteenth twentieth
"""
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_VALUES = (
    {word: value for value, word in enumerate(_ONES.split())}
    | {word: value * 10 for value, word in enumerate(_TENS.split(), 2)}
    | {word: value for value, word in enumerate(_ORDINALS.split(), 3)}
    | {"thirtieth": 30}
)
_INSIDE = {"first": 1, "second": 2}
"""Numbers only behind a ten, as in "twenty-first": alone "first" is an order, and "second" also a unit."""
_LEFT = {"one", *_INSIDE}
_ANY = "|".join(sorted([*_VALUES, *_INSIDE, *_SCALES], key=len, reverse=True))
_RUN = re.compile(rf"\b(?:{_ANY})(?:(?:[\s-]+and)?[\s-]+(?:{_ANY}))*\b", re.IGNORECASE)
_WORD = re.compile(r"[a-z]+")
_CLOCK = re.compile(r"(?<![\w:.])(\d{1,2})(?::(\d\d))?\s*([ap])(?:\.m\.|m\b)", re.IGNORECASE)
_PERCENT = re.compile(r"(?<=\d)\s*(?:%|per\s?cent\b|pct\b)", re.IGNORECASE)
_SHORT = re.compile(
    rf"(?<![\w.-])(\d[\d.,]*)\s*({'|'.join(sorted(UNITS, key=len, reverse=True))})\b(?![-_./:@]\w)",
    re.IGNORECASE,
)


def in_digits(text: str) -> str:
    """Write numbers in digits, times by 24 hours, and units behind numbers as words."""
    text = _CLOCK.sub(_time, _RUN.sub(_number, text))
    return _SHORT.sub(
        lambda found: f"{found[1]} {UNITS[found[2].casefold()]}", _PERCENT.sub(" percent", text)
    )


def _number(found: re.Match[str]) -> str:
    """Write a run of numbers in digits; a lone "one" stays, which is also nobody in particular."""
    words = [word for word in _WORD.findall(found[0].casefold()) if word != "and"]
    if len(words) == 1 and (words[0] in _LEFT or found.string[max(found.start() - 2, 0)].isdigit()):
        return found[0]
    numbers: list[int] = []
    whole, part, room = 0, 0, _SCALES["billion"]
    for word in words:
        if word in _SCALES:
            scale = _SCALES[word]
            whole, part = (whole, (part or 1) * scale) if scale == 100 else (whole + (part or 1) * scale, 0)
            room = scale
            continue
        value = _VALUES.get(word, _INSIDE.get(word, 0))
        if value >= room:  # the one before is whole
            numbers.append(whole + part)
            whole = part = 0
        part += value
        room = 10 if value >= 20 else 0
    return " ".join(map(str, [*numbers, whole + part]))


def _time(found: re.Match[str]) -> str:
    hour, minutes, half = int(found[1]), found[2] or "00", found[3].casefold()
    if not 1 <= hour <= 12:
        return found[0]
    return f"{hour % 12 + (12 if half == 'p' else 0):02}:{minutes}"
