"""Reading JSON, with or without comments: tree-sitter says where things stand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tree_sitter_json
from tree_sitter import Language, Node, Parser

from faiss_memory.errors import CannotMerge

_PARSER = Parser(Language(tree_sitter_json.language()))


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed text; `commas` are the places of trailing commas, which only some readers take."""

    raw: bytes
    root: Node
    commas: tuple[int, ...]


def filled(text: str, comments: bool) -> str:
    """Return a text with an object in it: one that holds nothing, or comments alone, gets an empty one at its end."""
    if not text.strip():
        return "{}"
    root = _PARSER.parse(text.encode()).root_node if comments else None
    if root is None or root.has_error or any(node.type != "comment" for node in root.named_children):
        return text
    return f"{text}{'' if text.endswith(chr(10)) else newline_of(text.encode()).decode()}{{}}"


def parse(text: str, comments: bool) -> Document:
    """Parse a text. Raises CannotMerge for what its readers would not take."""
    raw = text.encode()
    if not comments:
        try:
            json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CannotMerge(f"it is not valid JSON: {error}") from None
    masked, commas = bytearray(raw), []
    tree = _PARSER.parse(bytes(masked))
    while tree.root_node.has_error and (more := _trailing_commas(tree.root_node, masked)):
        commas += more
        for at in more:
            masked[at] = ord(" ")
        tree = _PARSER.parse(bytes(masked))
    values = [node for node in tree.root_node.named_children if node.type != "comment"]
    if tree.root_node.has_error or len(values) != 1:
        raise CannotMerge("it is not valid JSON, even with comments and trailing commas allowed")
    if values[0].type != "object":
        raise CannotMerge("it holds something else than a JSON object")
    return Document(raw, values[0], tuple(commas))


def _trailing_commas(node: Node, raw: bytearray) -> list[int]:
    """Find commas before a closing bracket: the grammar has none, and takes them for an error or a missing value."""
    found: list[int] = []
    for child in node.children:
        if child.is_error and raw[child.start_byte : child.end_byte] == b"," and _closes(child.next_sibling):
            found.append(child.start_byte)
        elif child.is_missing and child.prev_sibling is not None:
            before: Node | None = child.prev_sibling
            while before is not None and before.type == "comment":
                before = before.prev_sibling
            if before is not None and before.type == "," and _closes(child.next_sibling):
                found.append(before.start_byte)
        elif child.has_error:
            found += _trailing_commas(child, raw)
    return found


def _closes(node: Node | None) -> bool:
    while node is not None and node.type == "comment":
        node = node.next_sibling
    return node is not None and node.type in "]}"


def data_of(node: Node) -> Any:
    """Return what a value says."""
    if node.type == "object":
        return {key_of(pair): data_of(value_of(pair)) for pair in elements_of(node)}
    if node.type == "array":
        return [data_of(item) for item in elements_of(node)]
    try:
        return json.loads(node.text or b"")
    except ValueError as error:
        raise CannotMerge(f"it is not valid JSON: {error}") from None


def elements_of(container: Node) -> list[Node]:
    """Return the members of an object, or the items of an array."""
    return [node for node in container.named_children if node.type != "comment"]


def key_of(pair: Node) -> str:
    """Return a member's key."""
    node = pair.child_by_field_name("key")
    key: str = json.loads(node.text or b"") if node is not None else ""
    return key


def value_of(pair: Node) -> Node:
    """Return a member's value."""
    node = pair.child_by_field_name("value")
    if node is None:
        raise CannotMerge("it is not valid JSON: a member has no value")
    return node


def pair_at(root: Node, keys: Sequence[str]) -> Node:
    """Return the member at a place."""
    container = find(root, keys[:-1])
    found = [pair for pair in elements_of(container) if key_of(pair) == keys[-1]]
    if len(found) != 1:
        raise CannotMerge(f"`{'.'.join(keys)}` is there {'twice' if found else 'no more'}")
    return found[0]


def find(root: Node, keys: Sequence[str]) -> Node:
    """Return the value at a place."""
    return value_of(pair_at(root, keys)) if keys else root


def has_comment(node: Node) -> bool:
    """Return whether a comment stands in a node."""
    return node.type == "comment" or any(has_comment(child) for child in node.children)


def newline_of(raw: bytes) -> bytes:
    """Return how lines end."""
    return b"\r\n" if raw.count(b"\r\n") * 2 > raw.count(b"\n") else b"\n"
