"""The known shapes of secrets: a table of our own, after what providers publish about their keys.

Each shape has beginnings that a text must hold before its pattern is tried, so a text without any costs a few look-ups.
What is masked is the pattern's group `secret`, or all of it where there is none.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from faiss_memory.secrets.assigned import ASSIGNED, Shape, is_key
from faiss_memory.secrets.providers import TOKENS

MOST_BEFORE = 250
"""So many characters before a sign may say what is given after it."""
LEAST_VARIED = 12
"""A secret of so many characters is no repetition of a few."""


class FoundSecret(NamedTuple):
    """A secret in a text, from `start` to `end`; what it is known by goes from `shape_start` to `shape_end`."""

    kind: str
    start: int
    end: int
    shape_start: int
    shape_end: int


_WORD = re.compile(r"\S{0,300}")
"""What follows a secret without a space, by which it may be known as well."""
_ALONE = r"(?<![A-Za-z0-9_])"
"""Nothing that a longer word would go on with stands before."""
_ENDS = r"(?![A-Za-z0-9_])"


def _is_basic(value: str) -> bool:
    """Return whether a value says a name and a password, as HTTP's Basic has it."""
    try:
        return b":" in b64decode(value + "=" * (-len(value) % 4))
    except ValueError:
        return False


_OTHERS = [
    Shape(
        "private key",
        ("-----begin",),
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!----)){0,20000}+"
        r"(?:-----END [A-Z0-9 ]{0,60}-----)?",
    ),
    Shape(
        "password",
        ("://",),
        r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{0,40}://[^\s/:@'\"<>]{0,100}:(?P<secret>[^\s/'\"<>`]{1,200})@[A-Za-z0-9\[_$-]",
    ),
    Shape("Azure key", ("accountkey=",), r"AccountKey=(?P<secret>[A-Za-z0-9+/]{60,100}={0,2})"),
    Shape("Azure key", ("sharedaccesskey=",), r"SharedAccessKey=(?P<secret>[A-Za-z0-9+/]{40,60}={0,2})"),
    Shape(
        "AWS secret key",
        ("aws", "secret"),
        r"(?i:aws|secret)[A-Za-z_ .-]{0,40}['\"]?\s{0,4}(?:=|:|=>)\s{0,4}['\"]?"
        r"(?P<secret>(?=[A-Za-z0-9/+]{0,39}[G-Zg-z/+])[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
    ),
    Shape(
        "authorization",
        ("authorization", "bearer"),
        r"(?i:(?:authorization\\?['\"]?\s{0,4}[:=]\s{0,4}\\?['\"]?)?(?:bearer)|"
        r"authorization\\?['\"]?\s{0,4}[:=]\s{0,4}\\?['\"]?token)[ \t]{1,4}"
        r"(?P<secret>[A-Za-z0-9._~+/-]{20,2000}={0,2})",
        is_key,
    ),
    Shape(
        "authorization",
        ("basic ",),
        r"(?i:authorization\\?['\"]?\s{0,4}[:=]\s{0,4}\\?['\"]?basic)[ \t]{1,4}"
        r"(?P<secret>[A-Za-z0-9+/]{8,2000}={0,2})",
        _is_basic,
    ),
    Shape("Azure signature", ("sig=",), r"[?&]sig=(?P<secret>[A-Za-z0-9%+/]{40,60}(?:%3D|=){1,2})"),
    Shape(
        "password",
        ("@",),
        r"https?://(?P<secret>[A-Za-z0-9_-]{20,100})(?::x-oauth-basic)?@(?!o[0-9]+\.ingest)[A-Za-z0-9-]{1,100}\.",
        is_key,
    ),
    Shape(
        "private key",
        ("private-lines:",),
        r"Private-Lines: [0-9]{1,4}\s{1,4}(?P<secret>(?:[A-Za-z0-9+/=]{1,100}+\s{1,4}+){1,200}+)",
    ),
]  # fmt: skip

_PLACEHOLDER = re.compile(
    r"(?i)example|your|placeholder|redacted|masked|dummy|change_?me|replace_?me|x{4,}|\*{2,}|\.{3}|\u2026|^[<$%{\[/~]|"
    r"1234567890|0123456789|abcdefghij|^\w[\w.]*\(|^!(?:secret|vault|ref|sub|getatt|env)|^enc[\[(]|"
    r"^(?:op|vault|file|ssm|arn|aws|gcp|kms|keyring|keychain|bao|akv|https?):|^projects/|"
    r"^(?:import\.meta|process\.env|os\.|env\.|config\.|settings\.|self\.|this\.|secrets?\.|vars\.)|"
    r"^(?:pass(?:word|wd)?|secret|token|user|none|null|undefined|true|false|string|str|test|admin|root|postgres)$"
)
"""What manuals and templates write where a secret would stand, and where it is kept instead."""
_PUBLISHED = (
    "4eC39HqLyjWDarjtT1zdp7dc", "eyJzdWIiOiIxMjM0NTY3ODkw", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErC",
)  # fmt: skip
"""In keys that everybody knows: of Stripe's manual, of jwt.io and of Azure's emulator."""


SHAPES = [
    *(Shape(kind, beginnings, f"{_ALONE}(?:{token}){_ENDS}") for kind, beginnings, token in TOKENS),
    *_OTHERS,
    *ASSIGNED,
]
"""Those first that say most: of two that begin at one place the first gives the name."""


def find_secrets(text: str) -> list[FoundSecret]:
    """Return the secrets in a text, in order; those that overlap as one, named after the one that begins first."""
    small = text.casefold() if text.isascii() else text.lower()
    apart: list[FoundSecret] = []
    for one in sorted(_found(text, small), key=lambda one: one.start):
        if apart and one.start < apart[-1].end:
            last = apart[-1]
            apart[-1] = last._replace(
                end=max(one.end, last.end),
                shape_start=min(one.shape_start, last.shape_start),
                shape_end=max(one.shape_end, last.shape_end),
            )
        else:
            apart.append(one)
    return apart


def _found(text: str, small: str) -> Iterator[FoundSecret]:
    for shape in SHAPES:
        for beginning in shape.beginnings:  # (`any` would cost more, by its generator, than the look-ups)
            if beginning in small:
                yield from secrets_of(shape, text)
                break


def secrets_of(shape: Shape, text: str) -> Iterator[FoundSecret]:
    """Yield those of one shape in a text that holds one of its beginnings."""
    pattern = _compiled(shape.pattern)
    before = None if shape.before is None else _compiled(shape.before)
    group = "secret" if "secret" in pattern.groupindex else 0
    for match in pattern.finditer(text):
        first, end, value = match.start(), match.end(group), match[group]
        if before is not None:
            name = before.search(text, max(0, first - MOST_BEFORE), first)
            if name is None:
                continue
            first = name.start()
        if shape.kind == "private key" or not (
            _is_placeholder(value) or (shape.holds and not shape.holds(value))
        ):
            follows = _WORD.match(text, max(end, match.end()))
            last = follows.end() if follows else end
            yield FoundSecret(shape.kind, match.start(group), end, first, last)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern when it is first needed: compiling all of them would take a twentieth of a start."""
    return re.compile(pattern)


def _is_placeholder(value: str) -> bool:
    """Return whether a text only shows where a secret would stand."""
    if _PLACEHOLDER.search(value) or any(known in value for known in _PUBLISHED):
        return True
    return len(value) >= LEAST_VARIED and len(set(value)) < 5
