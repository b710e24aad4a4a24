"""Reading git's configuration, as git does; git itself is not run, and other files are not included."""

from __future__ import annotations

import re
from collections.abc import Iterator


def read_config(text: str) -> Iterator[tuple[str, str, str, str]]:
    """Read git's configuration: section, subsection, key and value of each entry."""
    section = subsection = ""
    for line in _CONTINUED.sub(r"\1", text).split("\n"):
        rest = line.strip(_SPACE)
        header = _HEADER.match(rest)
        if header:
            section, subsection = header["section"].lower(), _unquoted(header["quoted"] or "")
            if header["dotted"]:
                subsection = header["dotted"].lower()
            rest = rest[header.end() :].strip(_SPACE)
        entry = _ENTRY.match(rest)
        if entry:
            yield section, subsection, entry["key"].lower(), _value(entry["value"])


_CONTINUED = re.compile(r"(?<!\\)((?:\\\\)*)\\\r?\n")
_SPACE = " \t\r\f\v"
_HEADER = re.compile(
    r'\[\s*(?P<section>[A-Za-z0-9-]+)(?:\.(?P<dotted>[^\]"\s]*)|\s+"(?P<quoted>(?:\\.|[^"\\])*)")?\s*\]'
)
_ENTRY = re.compile(r"(?P<key>[A-Za-z][A-Za-z0-9-]*)[ \t]*=[ \t]*(?P<value>.*)", re.DOTALL)
_VALUE_PART = re.compile(
    r'"(?P<quoted>(?:\\.|[^"\\])*)"?|(?P<comment>[#;].*)|(?P<plain>(?:\\.|[^"#;\\])+)|\\'
)


def _value(raw: str) -> str:
    value = ""
    for part in _VALUE_PART.finditer(raw):
        if part["comment"] is not None:
            return value.rstrip(_SPACE)
        value += _unquoted(part["quoted"] if part["quoted"] is not None else part["plain"] or "")
    return value if raw.endswith('"') else value.rstrip(_SPACE)


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: {"n": "\n", "t": "\t"}.get(match[1], match[1]), text)
