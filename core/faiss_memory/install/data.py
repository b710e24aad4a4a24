"""What a declaration means for the data in a file, whatever its syntax: the measure that every edited text is held to.

Nothing is changed in place: a YAML alias makes one list stand in two places, and only one of them is meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from faiss_memory.contracts.config_files import (
    MARK,
    JsonDefault,
    JsonItems,
    JsonMember,
    TomlTable,
    YamlDefault,
    YamlItem,
    YamlMember,
)
from faiss_memory.errors import CannotMerge

Keyed: TypeAlias = JsonMember | JsonItems | JsonDefault | TomlTable | YamlItem | YamlMember | YamlDefault
"""The declarations that lead to a place in a file by keys."""

Presence: TypeAlias = Literal["absent", "same", "other"]
"""Whether a part of ours is in a file: as declared, or as something else."""

ABSENT = object()


def items_of(part: JsonItems | YamlItem) -> tuple[Any, ...]:
    """Return the items that a declaration brings into a list."""
    return part.items if isinstance(part, JsonItems) else (part.item,)


def member(data: Any, keys: Sequence[str]) -> Any:
    """Look a place up; ABSENT if it is not there. Raises CannotMerge where something else is in its way."""
    for at, key in enumerate(keys):
        if data is None and at:
            return ABSENT
        if not isinstance(data, Mapping):
            raise CannotMerge(f"`{'.'.join(keys[:at]) or 'the file'}` holds {_kind(data)}, not members")
        data = data.get(key, ABSENT)
        if data is ABSENT:
            return ABSENT
    return data


def with_member(data: Any, keys: Sequence[str], value: Any) -> Any:
    """Set a place; what leads there is made."""
    if not keys:
        return value
    inner = (data or {}).get(keys[0])
    return {**(data or {}), keys[0]: with_member(inner, keys[1:], value)}


def without_member(data: Any, keys: Sequence[str]) -> Any:
    """Leave out a place that is there."""
    if len(keys) == 1:
        return {key: value for key, value in data.items() if key != keys[0]}
    return {**data, keys[0]: without_member(data[keys[0]], keys[1:])}


def with_part(data: Any, part: Keyed) -> Any:
    """Return what the data must be once a part is there."""
    found = member(data, part.keys)
    if isinstance(part, JsonDefault | YamlDefault):
        return data if found is not ABSENT else with_member(data, part.keys, part.value)
    if isinstance(part, JsonItems | YamlItem):
        there = list_of(found, part)
        more = [item for item in items_of(part) if not among(item, there)]
        return with_member(data, part.keys, [*there, *more])
    return with_member(data, part.keys, part.value)


def list_of(found: Any, part: JsonItems | YamlItem) -> list[Any]:
    """Read what stands where a list should be. Raises CannotMerge for what cannot become one."""
    if found is ABSENT or found is None:
        return []
    if isinstance(found, list):
        return found
    if isinstance(part, YamlItem) and isinstance(found, str):
        return [found]
    raise CannotMerge(f"`{'.'.join(part.keys)}` holds {_kind(found)}, not a list")


def presence(data: Any, part: Keyed) -> Presence:
    """Return whether a part is in the data. Of a list, it is only known whether the items are there as declared."""
    found = member(data, part.keys)
    if found is ABSENT:
        return "absent"
    if isinstance(part, JsonDefault | YamlDefault):
        return "same"
    if isinstance(part, JsonItems | YamlItem):
        there = list_of(found, part)
        return "same" if all(among(item, there) for item in items_of(part)) else "absent"
    return "same" if alike(found, part.value) else "other"


def canonical(value: Any) -> Any:
    """Make data comparable as what it says: a client that writes a file anew may order keys, and write 30 as 30.0."""
    if isinstance(value, Mapping):
        pairs = [(canonical(key), canonical(inner)) for key, inner in value.items()]
        return "members", sorted(pairs, key=repr)
    if isinstance(value, list | tuple):
        return "list", [canonical(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return "int", int(value)
    return type(value).__name__, value if isinstance(value, int) else repr(value)


def alike(one: Any, other: Any) -> bool:
    """Return whether two values say the same."""
    return bool(canonical(one) == canonical(other))


def among(item: Any, items: Sequence[Any]) -> bool:
    """Return whether one of some items says the same."""
    return any(alike(item, other) for other in items)


def marked_items(data: Any, part: JsonItems | YamlItem) -> list[Any]:
    """List the items that contain our mark, in the list that a part is for: those there and older forms of them."""
    found = member(data, part.keys)
    return [] if found is ABSENT else [item for item in list_of(found, part) if is_marked(item)]


def is_marked(item: Any) -> bool:
    """Return whether one of an item's texts names a command or server of ours; a name like ours is not enough."""
    if isinstance(item, Mapping):
        return any(is_marked(inner) for inner in item.values())
    if isinstance(item, list | tuple):
        return any(is_marked(inner) for inner in item)
    return isinstance(item, str) and _OURS.search(item) is not None


_OURS = re.compile(rf"(?<![A-Za-z0-9.-]){MARK}(-hook)?(\.exe)?(?![A-Za-z0-9./\\-])")


def emptied(data: Any, keys: Sequence[str], original: Any) -> list[Sequence[str]]:
    """List the places that a removal may reach up to: the last one and, as long as they would be empty, those above.

    What the original has stays, empty or not.
    """
    places: list[Sequence[str]] = [keys]
    while len(places[-1]) > 1:
        above = places[-1][:-1]
        if len(member(data, above)) > 1 or has(original, above):
            break
        places.append(above)
    return places


def has(data: Any, keys: Sequence[str]) -> bool:
    """Return whether a place is in data that may be of another shape."""
    try:
        return member(data, keys) is not ABSENT
    except CannotMerge:
        return False


def _kind(value: Any) -> str:
    kinds = {dict: "members", list: "a list", str: "a text", bool: "true or false", type(None): "nothing"}
    return kinds.get(type(value), "a single value")


def check(read: Callable[[], Any], wanted: Any, compared: Callable[[Any], Any] = repr) -> None:
    """Hold an edited text to what it must say. Raises CannotMerge if it says something else, or nothing any more."""
    try:
        is_as_wanted = compared(read()) == compared(wanted)
    except CannotMerge:
        is_as_wanted = False
    if not is_as_wanted:
        raise CannotMerge("it is laid out in a way that cannot be edited safely")
