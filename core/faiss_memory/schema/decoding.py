"""Reading messages, with errors that name the field."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

from faiss_memory.errors import InvalidRequest
from faiss_memory.memory import PROJECT_NAME_IN_WORDS
from faiss_memory.schema.fields import CURSOR_PATTERN, NOT_BLANK, PROJECT_PATTERN, SCOPE_PATTERN
from faiss_memory.schema.lenient import NameProject, canonical, described, fitted_project
from faiss_memory.schema.letters import in_whole_letters

M = TypeVar("M", bound=msgspec.Struct)


_IN_WORDS = {
    repr(NOT_BLANK): "must not be empty",
    repr(PROJECT_PATTERN): f"must be {PROJECT_NAME_IN_WORDS}",
    repr(SCOPE_PATTERN): f"must be {PROJECT_NAME_IN_WORDS}, or `*` for all projects",
    repr(CURSOR_PATTERN): "is not one of ours; give the `next_cursor` of the page before",
    "Invalid RFC3339 encoded datetime": "must be a time such as 2026-02-12T10:30:00Z",
}
"""What a person or a model would rather read than a regular expression, or the name of a norm."""

_fields: dict[type[Any], dict[str, msgspec.structs.FieldInfo]] = {}


def fields_of(message: type[Any]) -> dict[str, msgspec.structs.FieldInfo]:
    """Return a message's fields by name. Kept, because msgspec works them out anew each time, which takes 0.6 ms."""
    if message not in _fields:
        _fields[message] = {field.name: field for field in msgspec.structs.fields(message)}
    return _fields[message]


def decode(raw: bytes, message: type[M], name_project: NameProject = fitted_project) -> M:
    """Read a JSON body. Raises InvalidRequest naming the field.

    `name_project` finds the project that is meant where a name has not the form of one.
    """
    try:
        return _read(_decoded(raw), message, name_project)
    except msgspec.DecodeError as error:
        if (field := _out_of_range(raw)) is not None:
            raise InvalidRequest(f"`{field}` is a number beyond what can be told apart", field) from None
        raise InvalidRequest(f"the body is not valid JSON: {error}") from None
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the body is not UTF-8: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise InvalidRequest("the body is nested too deeply") from None


def convert(values: dict[str, Any], message: type[M], name_project: NameProject = fitted_project) -> M:
    """Read parameters, which are text, into a message. Raises InvalidRequest naming the field."""
    try:
        return _read(values, message, name_project)
    except InvalidRequest as error:
        # In an address a plus stands for a space.
        if error.field and re.search(r":[0-9]{2} [0-9]{2}:?[0-9]{2}$", str(values.get(error.field))):
            raise InvalidRequest(f"{error}; in an address write + as %2B", error.field) from None
        raise


def whole(raw: bytes) -> bytes:
    """Return JSON with U+FFFD for each half of a surrogate pair: it stands for nothing, and no reader takes it."""
    if b"\\u" not in raw and b"\xed" not in raw:
        return raw
    with suppress(UnicodeDecodeError):
        raw = in_whole_letters(raw.decode("utf-8", "surrogatepass")).encode()
    return _ESCAPE.sub(lambda match: rb"\ufffd" if match["half"] else match[0], raw)


_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def _decoded(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        if (repaired := whole(raw)) == raw:
            raise
        return msgspec.json.decode(repaired)


def _out_of_range(raw: bytes) -> str | None:
    """Return which field of a JSON object holds a number that no float is, such as 1e999; None if none does."""
    try:
        body = json.loads(raw, parse_int=lambda _: 0)
    except (ValueError, RecursionError):
        return None
    fields = body.items() if isinstance(body, dict) else ()
    return next((name for name, value in fields if _holds_infinity(value)), None)


def _holds_infinity(value: Any) -> bool:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, float) and math.isinf(one):
            return True
        waiting += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
    return False


def _read(values: Any, message: type[M], name_project: NameProject) -> M:
    try:
        return msgspec.convert(canonical(values, described(message), name_project), message)
    except msgspec.ValidationError as error:
        raise _invalid(error, message) from None


def _invalid(error: msgspec.ValidationError, message: type[Any]) -> InvalidRequest:
    text, _, path = str(error).partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    if "unknown field" in text or "missing required field" in text:
        field = ".".join(part for part in (field, text.split("`")[1]) if part)
    if "unknown field" in text:
        text += "; check its spelling, /docs lists the fields"
    elif "Invalid enum value" in text and field in fields_of(message):
        text += f"; it is one of {', '.join(_choices(fields_of(message)[field].type))}"
    return InvalidRequest(f"`{field}`: {in_words(text)}" if field else text, field or None)


def in_words(text: str) -> str:
    """Put what msgspec says into words."""
    return next((words for part, words in _IN_WORDS.items() if part in text), text)


def _choices(kind: Any) -> list[str]:
    """Return the words that a type allows, wherever in it they stand."""
    if get_origin(kind) is Literal:
        return [str(word) for word in get_args(kind)]
    return [word for part in get_args(kind) for word in _choices(part)]
