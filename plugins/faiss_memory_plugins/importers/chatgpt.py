"""ChatGPT's export: saved memories and custom instructions; what the person wrote, if that is wanted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from faiss_memory import Importer, LeftOut, Record
from faiss_memory_plugins.importers.reading.exports import (
    WrittenInConversations,
    conversations_left,
    items_in,
    looks_like,
)
from faiss_memory_plugins.importers.reading.values import as_json, filled, paragraphs, text_of, when

_MEMORY_TOOL = "bio"
_FORGET = "forget"
_ABOUT = (
    ("about_user_message", "about_model_message"),
    ("user_profile", "user_instructions"),
    ("about_user", "about_model"),
)
"""How the two halves of custom instructions are called: in a message's properties, its content, and a file."""


class ChatGpt(Importer):
    """Saved memories and custom instructions, each once. Conversations stay away."""

    name = "chatgpt"
    title = "ChatGPT's export: saved memories and custom instructions"

    def fits(self, path: Path) -> bool:
        """Return whether it has conversations as ChatGPT writes them, or custom instructions."""
        return looks_like(path, "mapping", *_ABOUT[2])

    def read(self, path: Path) -> Iterator[Record | LeftOut]:
        """Read the documents, by their names."""
        met: set[str] = set()
        conversations = 0
        for document, item in items_in(path):
            if isinstance(item, LeftOut):
                yield LeftOut(f"{document}, {item.key}", item.reason)
                continue
            fields = as_json(item, {})
            conversations += isinstance(fields.get("mapping"), dict)
            for one in _saved(fields, document):
                if one.key not in met:
                    met.add(one.key)
                    yield one
        yield from conversations_left(conversations, ChatGptConversations.name)


class ChatGptConversations(WrittenInConversations):
    """Each conversation as it was at last, without what was edited away."""

    name = "chatgpt-conversations"
    title = "ChatGPT's export: what you wrote in conversations"
    title_field = "title"

    def written(self, conversation: Mapping[str, Any]) -> Iterator[tuple[Any, str, Any]]:
        """Yield the person's messages; without those that ChatGPT hides."""
        for message in _messages(conversation, last_only=True):
            hidden = as_json(message.get("metadata"), {}).get("is_visually_hidden_from_conversation")
            if _role(message) == "user" and not hidden:
                yield message.get("id"), _text(message), message.get("create_time")


def _saved(fields: Mapping[str, Any], document: str) -> Iterator[Record | LeftOut]:
    for message in _messages(fields, last_only=False):
        if message.get("recipient") == _MEMORY_TOOL and _role(message) == "assistant":
            yield _memory(text_of(message.get("id")), _text(message), message.get("create_time"))
        content = as_json(message.get("content"), {})
        if content.get("content_type") == "user_editable_context":
            given = (
                as_json(as_json(message.get("metadata"), {}).get("user_context_message_data"), {}) or content
            )
            yield from _instructions(given, fields.get("create_time"))
    name = document.split("/")[-1]
    if name.startswith("memories"):
        text = next((text_of(fields[key]) for key in ("content", "memory", "text") if fields.get(key)), "")
        made = fields.get("created_at") or fields.get("create_time") or fields.get("created_timestamp")
        yield _memory(text_of(fields.get("id")) or json.dumps([name, text]), text, made)
    elif "mapping" not in fields:
        yield from _instructions(fields, fields.get("updated_at"))


def _memory(key: str, text: str, time: Any) -> Record | LeftOut:
    if not text:
        return LeftOut(key, "it has no text")
    if text.lower().startswith(_FORGET):
        return LeftOut(key, "it says what was to be forgotten")
    return Record(key=key, text=text, tags=("saved-memory",), timestamp=when(time))


def _instructions(fields: Mapping[str, Any], time: Any) -> Iterator[Record]:
    for names in _ABOUT:
        for name in filled(fields, names):
            text = text_of(fields[name])
            if text:
                yield Record(
                    key=json.dumps(["instructions", text]),
                    text=text,
                    tags=("custom-instructions",),
                    timestamp=when(time),
                )


def _messages(fields: Mapping[str, Any], *, last_only: bool) -> Iterator[Mapping[str, Any]]:
    """Yield the messages of a conversation, with `last_only` those that lead to its last one, in their order."""
    nodes = {key: node for key, node in as_json(fields.get("mapping"), {}).items() if isinstance(node, dict)}
    keys = list(nodes)
    at = fields.get("current_node")
    if last_only and at in nodes:
        way: dict[str, None] = {}
        while isinstance(at, str) and at in nodes and at not in way:
            way[at] = None
            at = nodes[at].get("parent")
        keys = list(reversed(way))
    for key in keys:
        message = nodes[key].get("message")
        if isinstance(message, dict):
            yield message


def _role(message: Mapping[str, Any]) -> str:
    return text_of(as_json(message.get("author"), {}).get("role"))


def _text(message: Mapping[str, Any]) -> str:
    """Return the text of a message, without pictures and what else is in it."""
    content = as_json(message.get("content"), {})
    if content.get("content_type") not in ("text", "multimodal_text", "code", None):
        return ""
    parts = [
        part.get("text") if isinstance(part, dict) else part for part in as_json(content.get("parts"), [])
    ]
    return paragraphs(*parts, content.get("text"))
