"""Which memories are shared, each as it is written; and what must not be."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from faiss_memory import (
    SHARED,
    CommandFailed,
    Exported,
    Masker,
    Memory,
    file_name,
    load_settings,
    markdown_of,
)

if TYPE_CHECKING:
    from faiss_memory import Session
    from faiss_memory_plugins.sharing.folder import SharedFile

_FIELDS = ("text", "source", "tags", "cues", "metadata")


@dataclass
class Chosen:
    """What is to be written, by file name, and what is left out, each with its reason."""

    files: dict[str, str] = field(default_factory=dict)
    replaced: list[str] = field(default_factory=list)
    """Files of memories that one of these supersedes."""
    left_out: list[tuple[str, str]] = field(default_factory=list)


def by_ids(session: Session, ids: Sequence[int], project: str) -> list[dict[str, Any]]:
    """Return memories by their ids, as an export has them. Raises CommandFailed for one that cannot be meant."""
    found = []
    for memory_id in dict.fromkeys(ids):
        memory = session.call("GET", f"/memory/{memory_id}")
        if memory["project"] != project:
            raise CommandFailed(
                f"Memory {memory_id} is of project {memory['project']}, and this repository's is {project}; "
                f"--project {memory['project']} shares it here all the same."
            )
        if memory["superseded_by"] is not None:
            raise CommandFailed(
                f"Memory {memory_id} is superseded by {memory['superseded_by']}; share that one."
            )
        older = memory["supersedes"]
        uid = None if older is None else session.call("GET", f"/memory/{older}")["uid"]
        found.append({**memory, "supersedes": uid})
    return found


def by_conditions(session: Session, conditions: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the current memories that meet every condition, the oldest first."""
    asked = {**conditions, "format": "json", "include_superseded": "false"}
    memories: list[dict[str, Any]] = session.call("GET", "/export", params=asked)["memories"]
    return memories


def chosen(
    memories: Sequence[Mapping[str, Any]], there: Sequence[SharedFile], top: Path, *, named: bool
) -> Chosen:
    """Return what is to be written. Raises CommandFailed if any holds a secret, or cannot be shared and was `named`."""
    found = Chosen()
    names = {file.uid: file.name for file in there if file.uid is not None}
    secrets = []
    for one in memories:
        called = f"Memory {one.get('id') or one['uid']}"
        if reason := _reason_against(one, top):
            if named:
                raise CommandFailed(f"{called} {reason}.")
            found.left_out.append((called, reason))
            continue
        memory = _memory(one, top)
        if kinds := _secrets(memory):
            secrets.append(f"{called}: {kinds}")
        exported = Exported(memory, one["supersedes"])
        found.files[names.get(memory.uid) or PurePath(file_name(memory)).name] = markdown_of(exported)
        if one["supersedes"] in names:
            found.replaced.append(names[one["supersedes"]])
    if secrets:
        lines = "\n".join(f"  {line}" for line in secrets)
        raise CommandFailed(
            f"Nothing was shared, because there are secrets in what was chosen:\n{lines}\n"
            "Correct these with `faiss-memory edit`, or choose others."
        )
    return found


def _reason_against(one: Mapping[str, Any], top: Path) -> str:
    if one["by"] == SHARED:
        return "is shared already: it was read from .memory"
    if one["by"] == "build" and _below(one["source"], top) is not None:
        return "was built from a file of this repository, which others have"
    return ""


def _memory(one: Mapping[str, Any], top: Path) -> Memory:
    """Return a memory as others may have it: a path of this machine tells them nothing."""
    source = one["source"]
    return Memory(
        id=0,
        text=one["text"],
        project=one["project"],
        source=(_below(source, top) or "") if os.path.isabs(source) else source,
        tags=tuple(one["tags"]),
        metadata=one["metadata"],
        timestamp=datetime.fromisoformat(one["timestamp"]),
        cues=tuple(one["cues"]),
        uid=one["uid"],
        by=one["by"],
    )


def _below(source: str, top: Path) -> str | None:
    prefix = f"{top}{os.sep}"
    return source.removeprefix(prefix) if source.startswith(prefix) else None


def _secrets(memory: Memory) -> str:
    """Return of which kinds the secrets in a memory are, and where they stand; an empty text if there are none."""
    own, told = load_settings().own_tokens, []
    for name in _FIELDS:
        masker = Masker(own)
        masker.value(getattr(memory, name))
        if masker.kinds:
            told.append(f"{' and '.join(sorted(masker.kinds))} in its {name}")
    return ", ".join(told)
