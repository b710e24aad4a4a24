"""Stores of other programs, and files of ours, that hold the texts that a test asks for: one for each importer."""

from __future__ import annotations

import csv
import json
import sqlite3
import zipfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from faiss_memory.service.export_formats import HEADER
from faiss_memory.uids import new_uid
from tests.importing_stores import CLAUDE_MEM, ENGRAM, MCP_MEMORY_SERVICE, MEMPALACE_OWN, OPEN_MEMORY

NOON = "2026-01-02T03:04:05+00:00"


def _rows(path: Path, script: str, insert: str, rows: Iterable[tuple[Any, ...]]) -> Path:
    """Write a database by a script, and rows besides."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(f"PRAGMA synchronous = OFF; BEGIN; {script}; COMMIT;")
        database.executemany(insert, rows)
        database.commit()
    return path


def _title(text: str) -> str:
    """Return the first part of a text: a title that is cut anywhere may end in the middle of a secret."""
    return text.partition("; ")[0]


def _lines(path: Path, values: Iterable[object]) -> Path:
    path.write_text("".join(f"{json.dumps(value)}\n" for value in values))
    return path


def _document(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value))
    return path


def _files(folder: Path, suffix: str, texts: Iterable[str], head: str = "") -> None:
    folder.mkdir(parents=True)
    for number, text in enumerate(texts):
        (folder / f"{number}{suffix}").write_text(f"{head.format(number=number)}{text}\n")


def _ours(texts: Sequence[str]) -> list[dict[str, object]]:
    return [{"uid": new_uid(), "text": text, "revision": 1, "project": "default"} for text in texts]


def _bundle(folder: Path, texts: Sequence[str]) -> Path:
    return _lines(folder / "bundle.jsonl", [HEADER, *_ours(texts)])


def _json(folder: Path, texts: Sequence[str]) -> Path:
    return _document(folder / "export.json", {**HEADER, "memories": _ours(texts)})


def _table(folder: Path, texts: Sequence[str]) -> Path:
    path = folder / "table.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["text", "source"], *([text, _title(text)] for text in texts)])
    return path


def _notes(folder: Path, texts: Sequence[str]) -> Path:
    for number, text in enumerate(texts):
        (folder / f"{number}.md").write_text(f"---\ntitle: {json.dumps(_title(text))}\n---\n\n{text}\n")
    return folder


def _rules(folder: Path, texts: Sequence[str]) -> Path:
    path = folder / "CLAUDE.md"
    path.write_text("".join(f"# Rule {number}\n\n{text}\n\n" for number, text in enumerate(texts)))
    return path


def _claude_mem(folder: Path, texts: Sequence[str]) -> Path:
    return _rows(
        folder / "claude-mem.db", CLAUDE_MEM,
        "INSERT INTO observations (memory_session_id, project, type, title, narrative, facts, created_at, "
        f"created_at_epoch) VALUES ('s', 'p', 'note', ?, ?, ?, '{NOON}', 1767323045000)",
        [(_title(text), text, json.dumps([text])) for text in texts],
    )  # fmt: skip


def _mcp_memory_service(folder: Path, texts: Sequence[str]) -> Path:
    return _rows(
        folder / "sqlite_vec.db", MCP_MEMORY_SERVICE,
        "INSERT INTO memories (content_hash, content, tags, memory_type, metadata, created_at) "
        "VALUES (?, ?, 'a,b', 'note', ?, 1767323045.5)",
        [(f"k{number}", text, json.dumps({"said": text})) for number, text in enumerate(texts)],
    )  # fmt: skip


def _engram(folder: Path, texts: Sequence[str]) -> Path:
    return _rows(
        folder / "engram.db", ENGRAM,
        "INSERT INTO observations (session_id, type, title, content, project, created_at) "
        "VALUES ('s', 'note', ?, ?, 'shop', '2026-01-02 03:04:05')",
        [(_title(text), text) for text in texts],
    )  # fmt: skip


def _open_memory(folder: Path, texts: Sequence[str]) -> Path:
    return _rows(
        folder / "openmemory.db", OPEN_MEMORY,
        "INSERT INTO memories VALUES (?, 'u', '00000000000000000000000000000001', ?, NULL, ?, 'active', "
        "'2026-01-02 03:04:05', NULL, NULL, NULL)",
        [(f"{number:032x}", text, json.dumps({"said": text})) for number, text in enumerate(texts, 0xB00)],
    )  # fmt: skip


def _mempalace(folder: Path, texts: Sequence[str]) -> Path:
    return _rows(
        folder / "sqlite_exact.sqlite3", MEMPALACE_OWN,
        "INSERT INTO documents VALUES (1, ?, ?, ?, x'00', 4, '', '')",
        [
            (f"drawer_{number}", text, json.dumps({"wing": "shop", "room": "notes", "source_file": _title(text)}))
            for number, text in enumerate(texts)
        ],
    )  # fmt: skip


def _mem0(folder: Path, texts: Sequence[str]) -> Path:
    found = [
        {
            "id": str(number),
            "memory": text,
            "metadata": {"said": text},
            "created_at": NOON,
            "user_id": "alice",
        }
        for number, text in enumerate(texts)
    ]
    return _document(folder / "all.json", {"results": found})


def _server_memory(folder: Path, texts: Sequence[str]) -> Path:
    entities = [
        {"type": "entity", "name": f"{number} {_title(text)}", "entityType": "note", "observations": [text]}
        for number, text in enumerate(texts)
    ]
    return _lines(folder / "memory.jsonl", entities)


def _chatgpt(folder: Path, texts: Sequence[str]) -> Path:
    path = folder / "chatgpt.zip"
    saved = [{"id": str(number), "content": text, "created_at": NOON} for number, text in enumerate(texts)]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("memories.json", json.dumps(saved))
        archive.writestr("custom_instructions.json", json.dumps({"about_user": texts[0], "enabled": True}))
        archive.writestr("conversations.json", "[]")
        archive.writestr("user.json", '{"id": "u"}')
    return path


def _claude_ai(folder: Path, texts: Sequence[str]) -> Path:
    path = folder / "claude.zip"
    documents = [
        {"uuid": str(number), "filename": f"{_title(text)}.md", "content": text}
        for number, text in enumerate(texts)
    ]
    projects = [
        {"uuid": "p", "name": "P", "prompt_template": texts[0], "created_at": NOON, "docs": documents}
    ]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("projects.json", json.dumps(projects))
        archive.writestr("conversations.json", "[]")
        archive.writestr("users.json", '[{"uuid": "u", "full_name": "Alice"}]')
    return path


def _claude_code(folder: Path, texts: Sequence[str]) -> Path:
    head = "---\nname: n{number}\ndescription: a note\ntype: feedback\n---\n\n"
    _files(folder / ".claude/projects/-shop/memory", ".md", texts, head)
    return folder / ".claude"


def _codex(folder: Path, texts: Sequence[str]) -> Path:
    _files(folder / ".codex/memories/rollout_summaries", ".md", texts)
    return folder / ".codex"


def _copilot(folder: Path, texts: Sequence[str]) -> Path:
    memories = folder / "User/globalStorage/github.copilot-chat/memory-tool/memories"
    memories.mkdir(parents=True)
    _lines(memories / "facts.jsonl", [{"subject": _title(text), "fact": text} for text in texts])
    return folder / "User"


def _basic_memory(folder: Path, texts: Sequence[str]) -> Path:
    head = "---\ntitle: T{number}\ntype: note\npermalink: main/t{number}\n---\n\n"
    _files(folder / "notes", ".md", (f"- [decision] {text}" for text in texts), head)
    return folder / "notes"


WRITTEN: dict[str, Callable[[Path, Sequence[str]], Path]] = {
    "jsonl": _bundle, "json": _json, "csv": _table, "markdown": _notes, "rules": _rules, "claude-mem": _claude_mem,
    "mcp-memory-service": _mcp_memory_service, "engram": _engram, "openmemory": _open_memory, "mempalace": _mempalace,
    "mem0": _mem0, "server-memory": _server_memory, "chatgpt": _chatgpt, "claude-ai": _claude_ai,
    "claude-code": _claude_code, "codex": _codex, "copilot": _copilot, "basic-memory": _basic_memory,
}  # fmt: skip
"""By the importer, or the form where it is ours: each writes texts into an empty folder, and returns what to import."""
