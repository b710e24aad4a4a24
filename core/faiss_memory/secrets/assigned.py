r"""Secrets that are known by the name before them: `password: …`, `API_KEY=…`, `machine … password …`.

What is given must look like a secret too. A password has a figure or a sign among its letters; a key is long, and not
made of words: `API_KEY=settings.api_key`, `token: prod-db-credentials-2024` and `password: base64` are none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

_QUOTE = r"\\?['\"`]"
_SIGN = r"(?<![:=])(?:=>|:=|[=:])\s{0,4}"
"""Between a name and its value, in JSON, YAML, TOML, shells and code."""
_GIVEN = rf"(?:{_QUOTE})?\]?[ \t]{{0,4}}\Z"
"""Between a name and the sign."""
_PASSWORD = (
    r"(?i:passwords?|passwd|passwort|kennwort|passphrase|pwd|"
    r"(?:db|user|ssh|smtp|mail|admin|root|ftp|http|proxy|become|sudo|mysql|redis|pg|login)[_-]?pass)"
)
_KEY = (
    r"(?i:(?:api|access|auth|secret|private|encryption|signing|account|shared|admin|service|master|session|deploy|app)"
    r"[_. -]?key(?:[_-]base)?|secret|(?<!page)(?<!page[_-])(?<!next)(?<!next[_-])token|client[_-]?key[_-]?data|"
    r"credentials?|_auth)"
)
_FORMS = r"(?=[^\s]{0,300}[0-9!@#$%^*+?~&])"
"""A figure or a sign is among the letters of a password."""


class Shape(NamedTuple):
    """One way to say a secret."""

    kind: str
    beginnings: tuple[str, ...]
    """In small letters: one of them stands in each text that holds such a secret."""
    pattern: str
    holds: Callable[[str], bool] | None = None
    """What the secret must be besides."""
    before: str | None = None
    """What stands before the pattern, which begins with a sign: of these a text has few."""


def is_key(value: str) -> bool:
    """Return whether a value is long and mixed as keys are, and not a name made of words and figures."""
    mixed = any(letter.isdigit() for letter in value) or len(value) >= LONG
    return mixed and not _WORDS.fullmatch(value)


def is_password(value: str) -> bool:
    """Return whether an unquoted value may be a password, and is neither code nor the name of a method."""
    value = value.rstrip(".:")
    return any(letter.isalpha() or not letter.isalnum() for letter in value) and not _NO_PASSWORD.match(value)


LONG = 20
"""A key of so many letters need not have a figure among them."""
_WORDS = re.compile(
    r"(?:(?:[A-Z]?[a-z]{2,}+|[A-Z]+(?![a-z])|(?<![A-Za-z])[a-z](?![a-z]))*+[0-9]{0,8}(?:[-_./:+=%~]++|\Z))++"
)
_NO_PASSWORD = re.compile(
    r"(?i)(?:base|sha|utf|aes|rsa|oauth|hmac|argon|pbkdf|ed|x|k|v)-?[0-9]{1,4}\w{0,3}(?:-[a-z-]+)?$|"
    r"(?:bcrypt|scrypt|md5|varchar|string|char)\b|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+$|\w+\[|"
    r"[a-z_]*(?:password|passwd|pwd|secret|token|field|value|input|var|rules?|page)[a-z_]*[0-9]?$|"
    r"[0-9]+(?:[-.:/x][0-9]+)*$|(?:min|max)[a-z_]*[=:]"
)

ASSIGNED = [
    Shape(
        "password",
        ("pass", "pwd", "kennwort"),
        rf"{_SIGN}(?=(?P<quote>{_QUOTE})(?P<secret>{_FORMS}[^\s'\"`]{{4,200}}?)(?P=quote))",
        before=rf"{_PASSWORD}{_GIVEN}",
    ),
    Shape(
        "password",
        ("pass", "pwd", "kennwort"),
        rf"{_SIGN}(?=(?P<secret>{_FORMS}[^\s'\"`,;&)}}\]<>\\]{{6,200}}))",
        is_password,
        rf"{_PASSWORD}{_GIVEN}",
    ),
    Shape(
        "password",
        ("passw", "passphrase", "kennwort"),
        rf"(?::|\b(?:is|was|ist|to)\b)[ ]{{1,4}}(?P<quote>{_QUOTE})?"
        r"(?=(?P<secret>(?=[^\s]{0,200}[0-9])(?(quote)|(?=[^\s]{0,200}[!@#$%^*+?~&=]))[^\s'\"`,;)}\]<>\\]{6,200}))",
        is_password,
        rf"{_PASSWORD}(?:[ ]{{1,2}}[\w.-]{{1,30}}){{0,4}}[ ]?\Z",
    ),
    Shape(
        "password",
        ("passw", "passphrase"),
        rf"(?:default|value)\s{{0,4}}=\s{{0,4}}(?P<quote>{_QUOTE})(?P<secret>{_FORMS}[^\s'\"]{{4,200}})(?P=quote)",
        before=rf"{_PASSWORD}['\"]?\s{{0,4}}(?:\{{\s{{0,4}})?\Z",
    ),
    Shape(
        "password",
        ("passw",),
        rf"<(?:[\w.]{{1,40}}:)?{_PASSWORD}>\s{{0,8}}(?P<secret>{_FORMS}[^\s<>]{{4,200}})\s{{0,8}}</",
        is_password,
    ),
    Shape(
        "password",
        ("--pass", "requirepass", "masterauth"),
        rf"(?:--pass(?:word|wd|phrase)?|requirepass|masterauth)[ \t]{{1,4}}['\"]?"
        rf"(?P<secret>{_FORMS}[^\s'\"<>]{{4,200}})",
        is_password,
    ),
    Shape(
        "password",
        ("machine", "default"),
        r"password[ \t]{1,4}(?P<secret>[^\s'\"`<>]{3,200})",
        is_password,
        r"(?:machine[ \t]{1,4}[\w.-]{1,200}\.\w{1,20}|default)[\s#*]{1,12}login[ \t]{1,4}[^\s]{1,200}[\s#*]{1,12}\Z",
    ),
    Shape(
        "password",
        ("curl", "wget"),
        r"\b(?:curl|wget)\b[^\n]{0,200}?\s(?:-u|--user|--proxy-user)[ =]{0,3}['\"]?(?![0-9]+:[0-9]+\b)"
        r"[^\s:'\"]{1,100}:(?P<secret>[^\s'\"`]{3,200})",
    ),
    Shape(
        "password",
        ("mysql", "mariadb"),
        r"(?:mysql|mariadb)[\w-]{0,20}\b[^\n|;]{0,120}?\s-p(?P<secret>[^\s'\"`]{4,100})",
    ),
    Shape("password", ("sshpass",), r"sshpass[ ]{1,4}-p[ ]{0,4}['\"]?(?P<secret>[^\s'\"`]{3,100})"),
    Shape(
        "password",
        (":5432:", ":5433:", ":6432:", ":*:"),
        r":(?:5432|5433|6432|\*):[\w.*-]{1,64}:[\w.*-]{1,64}:(?P<secret>[^\s:'\"`]{3,100})",
    ),
    Shape(
        "key",
        ("key", "secret", "token", "credential", "_auth"),
        # (A sign within would be tried from each sign again.)
        rf"{_SIGN}(?=(?:{_QUOTE})?(?P<secret>[A-Za-z0-9_+/.~%!@#$^&*-]{{15,4000}}[A-Za-z0-9_+/]={{0,2}}))",
        is_key,
        rf"{_KEY}{_GIVEN}",
    ),
    Shape(
        "key",
        ("--token", "--api-key", "--secret", "--access-key", "--auth-token", "--access-token"),
        r"--(?:(?:auth|access)-)?(?:token|api-key|secret|access-key)[ \t]{1,4}['\"]?"
        r"(?P<secret>[A-Za-z0-9_+/=.~-]{16,2000})",
        is_key,
    ),
    Shape(
        "registry password",
        ('"auth', "_auth"),
        rf"{_SIGN}(?=(?:{_QUOTE})?(?P<secret>[A-Za-z0-9+/]{{12,1000}}={{0,2}})(?![A-Za-z0-9+/]))",
        is_key,
        rf"(?:\"auth|_auth){_GIVEN}",
    ),
    Shape(
        "session cookie",
        ("cookie",),
        rf"\b(?:[Ss]et-)?[Cc]ookie(?:{_QUOTE})?:[ ]{{0,4}}(?:{_QUOTE})?[\w.-]{{1,60}}="
        rf"(?P<secret>[A-Za-z0-9_+/=.%-]{{20,4000}})",
        is_key,
    ),
]
