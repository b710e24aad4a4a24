"""Reading messages, with errors that name the field."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

from faiss_memory.errors import InvalidRequest
from faiss_memory.schema.fields import CURSOR_PATTERN, NOT_BLANK, PROJECT_PATTERN, SCOPE_PATTERN

M = TypeVar("M", bound=msgspec.Struct)


_NAME_IN_WORDS = (
    "a name of at most 64 characters out of a-z, 0-9, `.`, `_` and `-`, beginning with a letter or digit"
)
_IN_WORDS = {
    repr(NOT_BLANK): "must not be empty",
    repr(PROJECT_PATTERN): f"must be {_NAME_IN_WORDS}",
    repr(SCOPE_PATTERN): f"must be {_NAME_IN_WORDS}, or `*` for all projects",
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


def decode(raw: bytes, message: type[M]) -> M:
    """Read a JSON body. Raises InvalidRequest naming the field."""
    try:
        try:
            return msgspec.json.decode(raw, type=message)
        except msgspec.ValidationError as error:
            if "`, got `float`" not in str(error):
                raise
            return msgspec.convert(_with_integers(msgspec.json.decode(raw)), message)
    except msgspec.ValidationError as error:
        raise _invalid(error, message) from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}") from None
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the body is not UTF-8: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise InvalidRequest("the body is nested too deeply") from None


def _with_integers(value: Any) -> Any:
    """Write 5.0 as 5: JSON knows one kind of number, and some clients write all of them with a point."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _with_integers(inner) for key, inner in value.items()}
    return [_with_integers(inner) for inner in value] if isinstance(value, list) else value


def convert(values: dict[str, Any], message: type[M]) -> M:
    """Read parameters, which are text, into a message. Raises InvalidRequest naming the field."""
    try:
        found = msgspec.convert(values, message, strict=False)
        for field in fields_of(message).values():
            read = getattr(found, field.name)
            # Text is read loosely: `0` would pass for a time, and the word `null` for nothing at all.
            if field.name in values and (read is None or isinstance(read, datetime)):
                setattr(found, field.name, _strictly(values[field.name], field))
    except msgspec.ValidationError as error:
        raise _invalid(error, message) from None
    return found


def _strictly(value: str, field: msgspec.structs.FieldInfo) -> Any:
    try:
        return msgspec.convert(value, field.type)
    except msgspec.ValidationError as error:
        hint = "; in an address write + as %2B" if "datetime" in str(error) else ""
        raise InvalidRequest(f"`{field.name}`: {in_words(str(error))}{hint}", field.name) from None


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
