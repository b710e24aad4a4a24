"""Editing YAML by splicing: PyYAML says where things stand, all other bytes stay, anchors and comments with them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import yaml

from faiss_memory.contracts.config_files import YamlDefault, YamlItem, YamlMember
from faiss_memory.errors import CannotMerge
from faiss_memory.install.data import (
    ABSENT,
    Presence,
    alike,
    among,
    canonical,
    check,
    emptied,
    has,
    list_of,
    marked_items,
    member,
    presence,
    with_member,
    with_part,
    without_member,
)
from faiss_memory.yaml_errors import YAML_ERRORS

YamlPart = YamlItem | YamlMember | YamlDefault


class _Data(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml is ten times as fast
    """Reads values; those of unknown tags are kept as a tag and a text."""


def _unknown(loader: _Data, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return node.tag, loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return node.tag, loader.construct_sequence(node, deep=True)
    return node.tag, node.value


_Data.add_multi_constructor("", _unknown)


class _Places(yaml.SafeLoader):
    """Reads where things stand; an alias is a node of its own there, not what it refers to."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.get_event()  # type: ignore[no-untyped-call]  # the stubs leave it untyped
            return yaml.ScalarNode("alias", "", event.start_mark, event.end_mark)
        return super().compose_node(parent, index)


def state(text: str, part: YamlPart) -> Presence:
    """Return whether a part is there; one with comments inside counts as another than ours."""
    data = read(text)
    found = presence(data, part)
    if found != "same" or isinstance(part, YamlDefault):
        return found
    start, end = _region(text, part)
    return "other" if _comment_in(text[start:end], snippet(part)) else "same"


def put(text: str, part: YamlPart) -> str:
    """Add a part, or put it in place of what stands there. Raises CannotMerge."""
    data = read(text)
    wanted = with_part(data, part)
    there = member(data, part.keys)
    if isinstance(part, YamlItem):
        if there is not ABSENT and among(part.item, list_of(there, part)):
            return text
        written = _with_new(text, part.keys, [part.item]) if there is ABSENT else _with_item(text, part)
        if _is_open(text, _root(text)):  # then ours may stand before the last item
            found = list_of(member(read(written), part.keys), part)
            ours = [at for at, item in enumerate(found) if alike(item, part.item)]
            if len(ours) == 1 and alike([*found[: ours[0]], *found[ours[0] + 1 :]], list_of(there, part)):
                wanted = with_member(data, part.keys, found)
    elif there is not ABSENT:
        if isinstance(part, YamlDefault) or alike(there, part.value):
            return text
        written = _replaced_member(text, part.keys, part.value)
    else:
        written = _with_new(text, part.keys, part.value)
    _check(written, wanted)
    return written


def take_out(text: str, part: YamlPart, original: str) -> str:
    """Remove a part, and what would be left empty around it. Raises CannotMerge.

    A default goes only with the rest of the file.
    """
    data = read(text)
    found = member(data, part.keys)
    if found is ABSENT:
        return text
    first = read(original)
    if isinstance(part, YamlDefault) and (
        has(first, part.keys) or not alike(data, with_member({}, part.keys, part.value))
    ):
        return text
    place = emptied(data, part.keys, first)[-1]
    if isinstance(part, YamlItem):
        there = list_of(found, part)
        ours = [item for item in there if alike(item, part.item)]
        if not ours:
            return text
        rest = [item for item in there if not alike(item, part.item)]
        if rest or has(first, part.keys):
            return _without_items(text, part, data, ours)
    written, wanted = _removed_member(text, place), without_member(data, place)
    # Nothing is written in the place of no members.
    if len(place) > 1 and member(read(written), place[:-1]) is None:
        wanted = with_member(wanted, place[:-1], None)
    _check(written, wanted)
    return written


def marked(text: str, part: YamlItem) -> list[Any]:
    """List the items with our mark, in the list that a part is for."""
    return marked_items(read(text), part)


def is_blank(text: str) -> bool:
    """Return whether a file holds nothing any more."""
    return re.fullmatch(r"\s*(---)?\s*(\{\s*\})?\s*", text) is not None


def snippet(part: YamlPart) -> str:
    """Write a part as a file of its own."""
    value = [part.item] if isinstance(part, YamlItem) else part.value
    return written(with_member({}, part.keys, value))


def written(data: Any) -> str:
    """Write data as a file of its own."""
    return _block(data)


# Reading.


def read(text: str) -> Any:
    """Read a text as data. Raises CannotMerge."""
    try:
        data = yaml.load(text, Loader=_Data)
    except YAML_ERRORS as error:
        raise CannotMerge(f"it is not valid YAML: {' '.join(str(error).split())}") from None
    if data is not None and not isinstance(data, dict):
        raise CannotMerge("it holds something else than YAML members")
    return data if data is not None else {}


@lru_cache(maxsize=4)
def _root(text: str) -> yaml.Node | None:
    found: yaml.Node | None = yaml.compose(text, Loader=_Places)
    return found


def _entry(text: str, keys: Sequence[str]) -> tuple[yaml.MappingNode, yaml.Node, yaml.Node]:
    """Find a member: the mapping it is in, its key and its value. Raises CannotMerge if it is not written once."""
    node = _root(text)
    for at, key in enumerate(keys):
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = [
            (name, value) for name, value in pairs if isinstance(name, yaml.ScalarNode) and name.value == key
        ]
        if len(found) != 1:
            many = "more than once" if found else "by way of an alias or a merge"
            raise CannotMerge(f"`{'.'.join(keys[: at + 1])}` is there {many}")
        mapping, (name, node) = node, found[0]
    assert isinstance(mapping, yaml.MappingNode)
    assert node is not None
    return mapping, name, node


def _check(text: str, wanted: Any) -> None:
    check(lambda: read(text), wanted, canonical)


def _region(text: str, part: YamlPart) -> tuple[int, int]:
    """Return where a part stands, whole lines."""
    mapping, name, value = _entry(text, part.keys)
    if isinstance(part, YamlItem) and isinstance(value, yaml.SequenceNode):
        there = list_of(member(read(text), part.keys), part)
        item = value.value[next(at for at, one in enumerate(there) if alike(one, part.item))]
        if value.flow_style:  # whose comments are everybody's
            return item.start_mark.index, item.end_mark.index
        return _line_start(text, item.start_mark.index), _after(text, item)
    if isinstance(part, YamlItem):
        return name.end_mark.index, name.end_mark.index
    return name.start_mark.index, value.end_mark.index if mapping.flow_style else _after(text, value)


def _comment_in(text: str, ours: str) -> bool:
    return bool(re.search(r"(^|\s)#", text)) and not re.search(r"(^|\s)#", ours)


# Writing.


def _block(value: Any) -> str:
    written: str = yaml.safe_dump(
        value, sort_keys=False, allow_unicode=True, default_flow_style=False, width=10_000
    )
    return written


def _flow(value: Any) -> str:
    """Write a value in one line: JSON is YAML, and a text that needs no quotes goes without."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z./_][A-Za-z0-9./_-]*", value):
        return value if yaml.safe_load(value) == value else json.dumps(value)
    return json.dumps(value, ensure_ascii=False)


def _with_new(text: str, keys: Sequence[str], value: Any) -> str:
    """Add a member that is not there, in the deepest mapping that leads to it."""
    root, data = _root(text), read(text)
    depth = len(keys) - 1
    while depth and member(data, keys[:depth]) is ABSENT:
        depth -= 1
    fresh = with_member({}, keys[depth:], value)
    if root is None or (isinstance(root, yaml.ScalarNode) and not root.value):
        return _add_lines(text, len(text), _block(fresh), "")
    mapping = _entry(text, keys[:depth])[2] if depth else root
    if isinstance(mapping, yaml.MappingNode) and not mapping.flow_style:
        last = mapping.value[-1][0]
        at = _line_start(text, last.start_mark.index) if _is_open(text, mapping) else _after(text, mapping)
        return _add_lines(text, at, _block(fresh), " " * last.start_mark.column)
    if isinstance(mapping, yaml.MappingNode):
        inner = f"{keys[depth]}: {_flow(fresh[keys[depth]])}"
        return _into_flow(text, mapping, mapping.value[-1][1] if mapping.value else None, inner)
    if depth and mapping.start_mark.index == mapping.end_mark.index:
        return _below(text, keys[:depth], _block(fresh))
    named = ".".join(keys[:depth])
    raise CannotMerge(f"`{named or 'the file'}` is an alias, or a written null, where members should be")


def _with_item(text: str, part: YamlItem) -> str:
    """Add to a list that is there, or make a list of what is there."""
    mapping, name, value = _entry(text, part.keys)
    if isinstance(value, yaml.SequenceNode) and value.flow_style:
        return _into_flow(text, value, value.value[-1] if value.value else None, _flow(part.item))
    if isinstance(value, yaml.SequenceNode):
        dash = text.rfind("-", 0, value.value[-1].start_mark.index)
        indent = " " * (dash - _line_start(text, dash))
        at = _line_start(text, dash) if _is_open(text, value) else _after(text, value)
        return _add_lines(text, at, _block([part.item]), indent)
    if value.tag == "alias":
        raise CannotMerge(f"`{'.'.join(part.keys)}` is an alias of something else")
    start, end = value.start_mark.index, value.end_mark.index
    if member(read(text), part.keys) is None and (start < end or mapping.flow_style):
        return f"{text[:start].rstrip(' ')} {_flow([part.item])}{text[end:]}"
    if start == end:
        return _below(text, part.keys, _block([part.item]))
    if mapping.flow_style:
        return f"{text[:start]}[{text[start:end]}, {_flow(part.item)}]{text[end:]}"
    indent, newline = " " * (name.start_mark.column + 2), _newline(text)
    longer = _add_lines(text, _after(text, value), _block([part.item]), indent)
    colon = text.index(":", name.end_mark.index) + 1
    return f"{longer[:colon]}{newline}{indent}- {longer[start:]}"


def _below(text: str, keys: Sequence[str], block: str) -> str:
    """Write lines below a key that has no value."""
    _, name, _ = _entry(text, keys)
    at = _line_end(text, name.end_mark.index)
    return _add_lines(text, at, block, " " * (name.start_mark.column + 2))


def _into_flow(text: str, container: yaml.Node, last: yaml.Node | None, fresh: str) -> str:
    if last is None:
        at = container.end_mark.index - 1
        return text[:at] + fresh + text[at:]
    at = last.end_mark.index
    return f"{text[:at]}, {fresh}{text[at:]}"


def _add_lines(text: str, at: int, block: str, indent: str) -> str:
    """Add whole lines at the beginning of a line; a file that ended without a line break still does."""
    newline = _newline(text)
    lines = newline.join(indent + line if line else line for line in block.rstrip("\n").split("\n"))
    if at == len(text) and text and not text.endswith("\n"):
        return f"{text}{newline}{lines}"
    return f"{text[:at]}{lines}{newline}{text[at:]}"


def _without_items(text: str, part: YamlItem, data: Any, ours: Sequence[Any]) -> str:
    for item in ours:
        found = list_of(member(data, part.keys), part)
        at = found.index(item)
        data = with_member(data, part.keys, [*found[:at], *found[at + 1 :]])
        _, _, value = _entry(text, part.keys)
        if not isinstance(value, yaml.SequenceNode):
            raise CannotMerge(f"`{'.'.join(part.keys)}` is not a list of its own")
        text = _without_item(text, value, at)
    now = read(text)
    if member(now, part.keys) is None and not list_of(member(data, part.keys), part):
        data = with_member(data, part.keys, None)
    _check(text, data)
    return text


def _without_item(text: str, value: yaml.SequenceNode, at: int) -> str:
    node = value.value[at]
    start, end = node.start_mark.index, node.end_mark.index
    if not value.flow_style:
        return text[: _line_start(text, start)] + text[_after(text, node) :]
    if at:
        return text[: value.value[at - 1].end_mark.index] + text[end:]
    if len(value.value) > 1:
        return text[:start] + text[value.value[1].start_mark.index :]
    return text[:start] + re.sub(r"\A\s*,?", "", text[end:])


def _removed_member(text: str, keys: Sequence[str]) -> str:
    mapping, name, value = _entry(text, keys)
    if not mapping.flow_style:
        start = _line_start(text, name.start_mark.index)
        if text[start : name.start_mark.index].strip():
            raise CannotMerge(f"`{'.'.join(keys)}` does not stand on a line of its own")
        end = _after(text, value)
        if end == len(text) and not text.endswith("\n"):
            start = len(text[:start].removesuffix("\n").removesuffix("\r"))
        return text[:start] + text[end:]
    at = [pair[0] for pair in mapping.value].index(name)
    if at:
        return text[: mapping.value[at - 1][1].end_mark.index] + text[value.end_mark.index :]
    following = mapping.value[1][0].start_mark.index if len(mapping.value) > 1 else mapping.end_mark.index - 1
    return text[: name.start_mark.index] + text[following:]


def _replaced_member(text: str, keys: Sequence[str], fresh: Any) -> str:
    mapping, name, value = _entry(text, keys)
    if mapping.flow_style:
        return f"{text[: name.end_mark.index]}: {_flow(fresh)}{text[value.end_mark.index :]}"
    start, end = _line_start(text, name.start_mark.index), _after(text, value)
    if text[start : name.start_mark.index].strip():
        raise CannotMerge(f"`{'.'.join(keys)}` does not stand on a line of its own")
    return _add_lines(
        text[:start] + text[end:], start, _block({keys[-1]: fresh}), " " * name.start_mark.column
    )


def _is_open(text: str, node: yaml.Node | None) -> bool:
    """Return whether a node ends in a block of text that a line break at the file's end would make longer."""
    while isinstance(node, yaml.CollectionNode) and node.value:
        node = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
    if not isinstance(node, yaml.ScalarNode) or node.style not in ("|", ">"):
        return False
    return bool(node.end_mark.index >= len(text)) and not text.endswith("\n")


def _after(text: str, node: yaml.Node) -> int:
    """Return where the line after a node begins; comments that follow it are not part of it."""
    while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        if isinstance(node, yaml.MappingNode):
            name, node = last
            if node.start_mark.index == node.end_mark.index:
                return _line_end(text, name.end_mark.index)
        else:
            node = last
    end = node.end_mark.index
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        return len(text) if end >= len(text) else _line_start(text, end)
    return _line_end(text, end)


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def _newline(text: str) -> str:
    return "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
