"""Claude's export: what it remembers, projects with their notes, and what the person wrote, if that is wanted."""

from __future__ import annotations

import json
import re
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
from faiss_memory_plugins.importers.reading.sections import sections_of
from faiss_memory_plugins.importers.reading.values import (
    as_json,
    identity_of,
    name_of,
    paragraphs,
    text_of,
    when,
)

_BOLD = re.compile(r"^\*\*([^*\n]+)\*\*[ \t]*$", re.MULTILINE)


class ClaudeAi(Importer):
    """Memories by section, instructions and notes of projects. Conversations stay away."""

    name = "claude-ai"
    title = "Claude's export: memories and projects"

    def fits(self, path: Path) -> bool:
        """Return whether it has conversations, memories or projects as Claude writes them."""
        return looks_like(
            path, "chat_messages", "conversations_memory", "project_memories", "prompt_template"
        )

    def read(self, path: Path) -> Iterator[Record | LeftOut]:
        """Read the documents, by their names."""
        names = {
            text_of(item.get("uuid")): name_of(item.get("name"))
            for _, item in items_in(path)
            if isinstance(item, dict) and "chat_messages" not in item
        }
        conversations = 0
        for document, item in items_in(path):
            if isinstance(item, LeftOut):
                yield LeftOut(f"{document}, {item.key}", item.reason)
            elif isinstance(item, dict):
                conversations += "chat_messages" in item
                yield from _remembered(item, names)
                if "chat_messages" not in item:
                    yield from _project(item)
        yield from conversations_left(conversations, ClaudeAiConversations.name)


class ClaudeAiConversations(WrittenInConversations):
    """Each message as it was sent."""

    name = "claude-ai-conversations"
    title = "Claude's export: what you wrote in conversations"
    title_field = "name"

    def written(self, conversation: Mapping[str, Any]) -> Iterator[tuple[Any, str, Any]]:
        """Yield the person's messages."""
        for message in as_json(conversation.get("chat_messages"), []):
            fields = as_json(message, {})
            parts = [as_json(part, {}).get("text") for part in as_json(fields.get("content"), [])]
            if fields.get("sender") == "human":
                yield (
                    fields.get("uuid"),
                    paragraphs(*parts) or text_of(fields.get("text")),
                    fields.get("created_at"),
                )


def _remembered(item: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[Record]:
    account = identity_of(item.get("account_uuid"))
    yield from _sections(text_of(item.get("conversations_memory")), account, None)
    for uuid, text in as_json(item.get("project_memories"), {}).items():
        yield from _sections(text_of(text), identity_of(uuid), names.get(str(uuid)) or None)
    for number, file in enumerate(as_json(item.get("memory_files"), [])):
        fields = as_json(file, {})
        name = identity_of(fields.get("path")) or identity_of(fields.get("name")) or str(number)
        yield from _sections(text_of(fields.get("content")), f"{account}/{name}", None)


def _sections(text: str, key: str, project: str | None) -> Iterator[Record]:
    """Yield a memory for each section; Claude writes their headings in bold."""
    for section, said in sections_of(_BOLD.sub(r"## \1", text)):
        yield Record(key=json.dumps([key, section, said]), text=said, project=project, tags=("saved-memory",))


def _project(item: Mapping[str, Any]) -> Iterator[Record | LeftOut]:
    name, uuid = name_of(item.get("name")), identity_of(item.get("uuid"))
    told = text_of(item.get("prompt_template"))
    if told:
        yield Record(
            key=f"{uuid}/instructions",
            text=told,
            project=name or None,
            source=name,
            tags=("custom-instructions",),
            timestamp=when(item.get("updated_at")) or when(item.get("created_at")),
        )
    for number, document in enumerate(as_json(item.get("docs"), [])):
        fields = as_json(document, {})
        text, title = text_of(fields.get("content")), name_of(fields.get("filename"))
        key = f"{uuid}/{identity_of(fields.get('uuid')) or number}"
        yield (
            Record(
                key=key,
                text=text,
                project=name or None,
                source=title,
                tags=("project-note",),
                timestamp=when(fields.get("created_at")),
            )
            if text
            else LeftOut(key, "it has no text")
        )
