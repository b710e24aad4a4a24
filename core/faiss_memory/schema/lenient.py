"""From a value that is nearly right to the canonical one, wherever only one reading exists.

Everything is derived from the types of a message's fields, so it holds for every call, and for those of guests as well.
What cannot be read stays as it was given: whoever validates it refuses it by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec
from msgspec import NODEFAULT, inspect

from faiss_memory.errors import InvalidRequest
from faiss_memory.schema.fields import PROJECT_PATTERN, SCOPE_PATTERN, Choice
from faiss_memory.schema.names import fitted_name

NameProject: TypeAlias = Callable[[str, bool], str]
"""Finds the project that is meant by a name that has not the form of one; with True only among those that there are."""

_SPACE = " \t\r\n"
_NUMBER = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,3})?")
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}
_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(
    rf"(?P<date>{_DATE.pattern})[Tt ](?P<clock>[0-9]{{2}}:[0-9]{{2}})(?P<rest>:[0-9]{{2}}(\.[0-9]+)?)?"
    "(?P<offset>[Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)
_EMPTY: tuple[Any, ...] = (None, "", [], {})
_EMPTIES: dict[type[inspect.Type], Callable[[], Any]] = {
    inspect.ListType: list,
    inspect.DictType: dict,
    inspect.StrType: str,
}
"""What a field of a type says when it is cleared."""


@lru_cache(maxsize=256)
def described(message: type[Any]) -> inspect.StructType:
    """Return a message's fields with their types, as msgspec sees them."""
    kind = inspect.type_info(message)
    assert isinstance(kind, inspect.StructType)
    return kind


def fitted_project(written: str, must_exist: bool) -> str:
    """Name a project where nobody knows which there are."""
    return written if must_exist else fitted_name(written)


def canonical(value: Any, kind: inspect.Type, name_project: NameProject, *, chooses: bool = False) -> Any:
    """Return a value as its type has it, where it can be read so, else as it was given.

    `chooses` says that the value is part of a `Choice`.
    Raises InvalidRequest where a call that forgets, moves or goes back is given an empty choice.
    """
    kind = _plain(kind)
    if isinstance(kind, inspect.UnionType):
        kind = _chosen(value, kind)
    if isinstance(kind, inspect.StructType):
        value = _from_json(value, dict)
        return _struct(value, kind, name_project) if isinstance(value, dict) else value
    if isinstance(kind, inspect.DictType):
        return _from_json(value, dict)
    if isinstance(kind, inspect.ListType):
        return _list(value, kind, name_project)
    if isinstance(kind, inspect.StrType):
        is_name = kind.pattern in (PROJECT_PATTERN, SCOPE_PATTERN)
        if is_name and isinstance(value, str) and not re.match(kind.pattern or "", value):
            return name_project(value, chooses)
        return value
    read = _READ.get(type(kind))
    return value if read is None else read(value)


def _plain(kind: inspect.Type) -> inspect.Type:
    """Return a type without what is only said about it, and without null."""
    if isinstance(kind, inspect.Metadata):
        return _plain(kind.type)
    if isinstance(kind, inspect.UnionType):
        types = [_plain(one) for one in kind.types if not isinstance(one, inspect.NoneType)]
        return types[0] if len(types) == 1 else inspect.UnionType(tuple(types))
    return kind


def _chosen(value: Any, kind: inspect.UnionType) -> inspect.Type:
    """Return which of several types a value is meant to have."""
    listed = isinstance(_from_json(value, list), list)
    wanted = (inspect.ListType,) if listed else (inspect.StrType,) if isinstance(value, str) else ()
    return next((one for one in kind.types if isinstance(one, wanted)), inspect.AnyType())


def _struct(values: dict[str, Any], kind: inspect.StructType, name_project: NameProject) -> dict[str, Any]:
    fields = {field.encode_name: field for field in kind.fields}
    chooses = issubclass(kind.cls, Choice)
    found = {}
    for name, value in values.items():
        field = fields.get(name)
        if field is None or field.required:
            if field is not None:
                value = canonical(value, field.type, name_project, chooses=chooses)
            found[name] = value
            continue
        is_unset = field.default is NODEFAULT and field.default_factory is NODEFAULT
        if chooses and is_unset and value in _EMPTY:
            raise InvalidRequest(f"`{name}` is empty: leave it out, or say what is meant", name)
        if value is None or (value == "" and not is_unset):
            continue
        if is_unset and value in ("", []):
            # There is no other way to write that a field is to be cleared.
            value = _EMPTIES.get(type(_plain(field.type)), lambda given=value: given)()
        found[name] = canonical(value, field.type, name_project, chooses=chooses)
    # Whoever gives nothing but null is told so by the name of the field.
    return found if found or not any(value is None for value in values.values()) else _nulls(values, fields)


def _nulls(values: dict[str, Any], fields: dict[str, inspect.Field]) -> dict[str, Any]:
    """Keep the nulls of a message in which no field says what it is without one."""
    unset = [
        f.default is NODEFAULT and f.default_factory is NODEFAULT and not f.required for f in fields.values()
    ]
    return values if all(unset) else {}


def _list(value: Any, kind: inspect.ListType, name_project: NameProject) -> Any:
    value = _from_json(value, list)
    item = _plain(kind.item_type)
    if isinstance(value, list):
        return [canonical(one, item, name_project) for one in value]
    if value in ("", None):
        return value
    one = canonical(value, item, name_project)
    return [one] if _is_one(one, item) else value


def _is_one(value: Any, item: inspect.Type) -> bool:
    """Return whether a value is one of those that a list holds."""
    kinds = {inspect.StrType: str, inspect.IntType: int, inspect.StructType: dict, inspect.DictType: dict}
    kind = kinds.get(type(item))
    return kind is not None and isinstance(value, kind) and not isinstance(value, bool)


def _from_json(value: Any, kind: type) -> Any:
    """Read a list or an object that was written as JSON into a string."""
    if isinstance(value, str) and value.strip(_SPACE)[:1] == ("[" if kind is list else "{"):
        try:
            read = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            return value
        return read if isinstance(read, kind) else value
    return value


def _number(value: Any) -> Any:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:  # a number out of reach, or with a zero before it
            return value
    return value


def _integer(value: Any) -> Any:
    value = _number(value)
    # JSON knows one kind of number, and some clients write all of them with a point.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _truth(value: Any) -> Any:
    return _TRUTHS.get(value.lower(), value) if isinstance(value, str) else value


def _moment(value: Any) -> Any:
    """Complete a date or a time: midnight, no seconds, UTC."""
    if not isinstance(value, str):
        return value
    if _DATE.fullmatch(value):
        return f"{value}T00:00:00Z"
    found = _TIME.fullmatch(value)
    if found is None:
        return value
    return f"{found['date']}T{found['clock']}{found['rest'] or ':00'}{found['offset'] or 'Z'}"


_READ: dict[type[inspect.Type], Callable[[Any], Any]] = {
    inspect.IntType: _integer,
    inspect.FloatType: _number,
    inspect.BoolType: _truth,
    inspect.DateTimeType: _moment,
}
