"""Sets of notes, and of prompts as people type them: bench/recall_sets/README.md says what is in them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from faiss_memory.memory import Draft

FOLDER = Path(__file__).parent.parent / "recall_sets"
NAMES = ("payments", "lab", "mobile", "platform", "haus")
OTHER_LANGUAGE = "crosslingual"
"""The kind of prompts in another language than their note, which are counted apart."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What somebody typed, and which notes help; `previous` came before it, `variant_of` is it without the paste."""

    id: str
    kind: str
    prompt: str
    gold: frozenset[str]
    previous: str = ""
    variant_of: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether it counts in the rates, and not apart from them."""
        return not self.variant_of and self.kind != OTHER_LANGUAGE


@dataclass(frozen=True, slots=True)
class RecallSet:
    """Notes by their id, as they are stored, and the prompts; `outdated` are notes that others have replaced."""

    name: str
    notes: dict[str, Draft]
    prompts: list[Prompt]
    outdated: frozenset[str]


def read(path: Path, with_cues: bool) -> RecallSet:
    """Read a set, with the cues that lie beside it or without any."""
    given = json.loads(path.read_text("utf-8"))
    cues = json.loads(path.with_name(f"{path.stem}-cues.json").read_text("utf-8")) if with_cues else {}
    name = f"{path.stem}-cues" if with_cues else path.stem
    notes = {
        one["id"]: Draft(
            text=one["text"],
            project=name,
            source=one.get("source", ""),
            tags=tuple(one.get("tags", ())),
            cues=tuple(cues.get(one["id"], ())),
            timestamp=datetime.fromisoformat(one.get("date", "2026-01-01")).replace(tzinfo=UTC),
        )
        for one in given["notes"]
    }
    prompts = [
        Prompt(
            id=one["id"],
            kind=one["kind"],
            prompt=one["prompt"],
            gold=frozenset(one["gold"]),
            previous=one.get("previous") or "",
            variant_of=one.get("variant_of") or "",
        )
        for one in given["prompts"]
    ]
    return RecallSet(
        name, notes, prompts, frozenset(one["id"] for one in given["notes"] if one.get("superseded_by"))
    )
