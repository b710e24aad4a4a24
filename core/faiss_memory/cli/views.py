"""How answers about memories are shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from faiss_memory.cli.output import Output
from faiss_memory.cli.records import Cell, Column, Value, time_cell
from faiss_memory.cli.writing import counted, ending, excerpt, projects_in_words, size, when, words_of

MOST = 320
"""Characters of a text that a table shows."""

_ID = Column("id", style="cyan", right=True)
_SIMILAR = Column("similar", right=True, spare=4)
_LONGEST_SOURCE = 32
_SOURCE = Column("source", most=_LONGEST_SOURCE, style="blue", spare=2)
_TAGS = Column("tags", most=24, style="magenta", spare=5)
_WHEN = Column("when", style="dim", spare=1)
_PROJECT = Column("project", most=24, spare=3)
_TEXT = Column("text", wide=True)


def show_results(out: Output, answer: Mapping[str, Any]) -> None:
    """Show what a search found, with the passage that matched."""
    words = words_of(answer["query"])
    columns = (_ID, _SIMILAR, Column("chance", right=True, style="green"),
               _PROJECT, _SOURCE, _WHEN, _TAGS, _TEXT)  # fmt: skip
    rows = [
        (
            result["id"], result["similarity"], _chance(result["relevance"]), result["project"],
            _source(result["source"]),
            time_cell(result["timestamp"]), ", ".join(result["tags"]), _found_text(result, words),
        )
        for result in answer["results"]
    ]  # fmt: skip
    out.table(columns, rows)
    where = projects_in_words(answer["project"])
    degraded = answer.get("degraded")
    nothing = (
        "Nothing found yet, and not everything was searched," if degraded else "Nothing about that found"
    )
    found = f"{counted(answer['count'], 'memory', 'memories')} found" if rows else nothing
    out.remark(f"{found} in {where} ({answer['mode']}, {answer['took_ms']:.0f} ms)")
    if answer["withheld"]:
        out.remark(f"{counted(answer['withheld'], 'memory', 'memories')} that hardly fit: --all shows them")
    if degraded:
        out.remark(
            f"These could not take part, or not fully: {', '.join(degraded)}; ask again in a moment, or see "
            "`faiss-memory health`"
        )


def show_list(out: Output, pages: Iterable[Mapping[str, Any]]) -> None:
    """Show pages of memories, each as it comes."""
    shown = 0
    page: Mapping[str, Any] = {}
    for page in pages:
        out.table(
            (_ID, _WHEN, _PROJECT, _SOURCE, _TAGS, _TEXT), [_listed(memory) for memory in page["memories"]]
        )
        shown += page["count"]
    count = counted(shown, "memory", "memories") if shown else "No memories"
    more = "; there are more: --limit or --all shows them" if page.get("next_cursor") else ""
    out.remark(f"{count} in {projects_in_words(page['project'])}{more}")


def show_memories(out: Output, memories: Sequence[Mapping[str, Any]]) -> None:
    """Show memories in full, one below the other."""
    for memory in memories:
        out.fields(_fields(memory))
        out.text(memory["text"])


def show_novelty(out: Output, answer: Mapping[str, Any]) -> None:
    """Show whether a text is news, and what comes closest."""
    closest = answer["closest_match"]
    news = answer["is_novel"]
    out.say("This is new." if news else "This is known.", "green" if news else "yellow")
    if closest is not None:
        show_match(out, closest)
        if answer.get("differs_in"):
            out.remark(f"What tells them apart: {'; '.join(answer['differs_in'])}")
    out.remark(f"Compared with {projects_in_words(answer['project'])}")


def tell_masked(out: Output, answer: Mapping[str, Any]) -> None:
    """Say which secrets were masked, if any were."""
    if answer.get("masked"):
        out.say(
            f"Masked: {', '.join(answer['masked'])}; --keep-secrets stores such a text as it is.", "yellow"
        )


def show_secrets(out: Output, findings: Sequence[Mapping[str, Any]]) -> None:
    """Show which memories hold secrets, and not what these are."""
    columns = (
        _ID,
        Column("now", right=True),
        Column("where"),
        _PROJECT,
        Column("in"),
        Column("what", wide=True),
    )
    out.table(
        columns,
        [
            (
                found["id"], found.get("new_id") or "", found["place"], found["project"], ", ".join(found["fields"]),
                ", ".join(found["kinds"]),
            )
            for found in findings
        ],
    )  # fmt: skip


def show_pairs(out: Output, answer: Mapping[str, Any], *, more: bool) -> None:
    """Show pairs of memories that say nearly the same, the newer one first."""
    columns = (_ID, Column("older", style="cyan", right=True), Column("class"), _SIMILAR, _PROJECT,
               Column("differs in", most=32, style="yellow"), _TEXT)  # fmt: skip
    rows = [
        (
            pair["one"]["id"], pair["other"]["id"], pair["class"], pair["similarity"], pair["one"]["project"],
            "; ".join(pair["differs_in"]), Cell(pair["one"]["text"], excerpt(pair["one"]["text"], MOST)),
        )
        for pair in answer["pairs"]
    ]  # fmt: skip
    out.table(columns, rows)
    count = counted(len(rows), "pair", "pairs") if rows else "No pairs"
    compared = counted(answer["compared"], "memory", "memories")
    rest = "; there are more: --limit shows them" if more else ""
    out.remark(f"{count} in {projects_in_words(answer['project'])}, of {compared} compared{rest}")


def show_difference(out: Output, answer: Mapping[str, Any]) -> None:
    """Show the memory that one just stored is nearly the same as, and what to do if it replaces that."""
    older = answer["closest_match"]
    out.remark(f"It says nearly the same as memory {older['id']}, but: {'; '.join(answer['differs_in'])}")
    show_match(out, older)
    out.remark(f"If it replaces that one: faiss-memory forget {older['id']}")


def show_match(out: Output, match: Mapping[str, Any]) -> None:
    """Show the memory that comes closest."""
    columns = (_ID, _SIMILAR, _SOURCE, _TEXT)
    shown = Cell(match["text"], excerpt(match["text"], MOST))
    out.table(columns, [(match["id"], match["similarity"], _source(match["source"]), shown)])


def show_stats(out: Output, answer: Mapping[str, Any]) -> None:
    """Show counts and sizes, of all and of each project."""
    out.fields(
        [
            ("memories", Cell(answer["total_memories"], f"{answer['total_memories']:,}")),
            ("model", answer["model"]),
            ("dimension", answer["dimension"]),
            ("model ready", "yes" if answer["model_ready"] else "no"),
            ("model in use", answer["model_in_use"]),
            ("model error", answer["model_error"]),
            ("created", time_cell(answer["created_at"])),
            ("last change", time_cell(answer["last_updated"])),
            ("index", _size(answer["index_size_bytes"])),
            ("backups", answer["backup_count"]),
            *(line for name, said in sorted(answer["plugins"].items()) for line in _told(f"plugin {name}", said)),
            *((f"project {entry['name']}", _share(entry)) for entry in answer["projects"]),
        ]
    )  # fmt: skip


def show_projects(out: Output, answer: Mapping[str, Any], here: str) -> None:
    """Show the projects, and which one the current folder belongs to."""
    columns = (Column("project", style="cyan"), Column("memories", right=True), Column("created", style="dim"),
               Column("last change", style="dim"))  # fmt: skip
    out.table(
        columns,
        [
            (
                entry["name"],
                entry["memories"],
                time_cell(entry["created_at"]),
                time_cell(entry["last_updated"]),
            )
            for entry in answer["projects"]
        ],
    )
    out.remark(f"{counted(answer['count'], 'project')}; this folder belongs to {here}")


def show_health(out: Output, answer: Mapping[str, Any], url: str) -> None:
    """Show how the service is."""
    out.fields(
        [
            ("status", Cell(answer["status"], answer["status"], style="bold green")),
            ("version", answer["version"]),
            ("address", url),
            ("model", "ready" if answer["model_ready"] else "being loaded"),
            *(
                (f"rebuilding {part['what']}", f"{part['project']}, {part['progress']:.0%} done")
                for part in answer["rebuilding"]
            ),
            *((f"problem: {problem['part']}", problem["reason"]) for problem in answer["problems"]),
        ]
    )


def _listed(memory: Mapping[str, Any]) -> Sequence[Value]:
    text = Cell(memory["text"], excerpt(memory["text"], MOST))
    tags = ", ".join(memory["tags"])
    return (
        memory["id"],
        time_cell(memory["timestamp"]),
        memory["project"],
        _source(memory["source"]),
        tags,
        text,
    )


def _fields(memory: Mapping[str, Any]) -> Iterable[tuple[str, Value]]:
    return (
        ("id", memory["id"]),
        ("project", memory["project"]),
        ("source", memory["source"]),
        ("time", Cell(memory["timestamp"], f"{when(memory['timestamp'])} ({memory['timestamp']})")),
        ("tags", ", ".join(memory["tags"])),
        *(("cue", cue) for cue in memory["cues"]),
        ("metadata", _compact(memory["metadata"])),
        ("supersedes", memory["supersedes"]),
        ("superseded by", memory["superseded_by"]),
        ("written by", ", ".join(one for one in (memory["actor"], memory["by"]) if one)),
        ("uid", memory["uid"]),
    )


def _found_text(result: Mapping[str, Any], words: Sequence[str]) -> Cell:
    """Shorten a text to its best passage, and mark the words that were asked for."""
    passage = result.get("passage")
    shown = passage["text"] if passage else result["text"]
    before = "… " if passage and passage["start"] else ""
    after = " …" if passage and passage["end"] < len(result["text"]) else ""
    return Cell(result["text"], f"{before}{excerpt(shown, MOST, words)}{after}", marked=words)


def _chance(relevance: float | None) -> Value:
    return None if relevance is None else Cell(relevance, f"{relevance:.0%}")


def _size(count: int) -> Cell:
    return Cell(count, size(count))


def _share(entry: Mapping[str, Any]) -> Cell:
    told = counted(entry["memories"], "memory", "memories")
    return Cell(
        entry["memories"], f"{told}, {size(entry['index_size_bytes'])}, {when(entry['last_updated'])}"
    )


def _told(name: str, said: Any) -> list[tuple[str, Cell]]:
    """Show what a plugin says: a line for each group of figures."""
    if isinstance(said, dict) and any(isinstance(value, dict) for value in said.values()):
        return [line for key, value in said.items() for line in _told(f"{name} {key}", value)]
    words = (
        ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in said.items())
        if isinstance(said, dict)
        else ""
    )
    return [(name, Cell(_compact(said), words or _compact(said)))]


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if value else ""


def _source(source: str) -> Cell:
    return Cell(source, ending(source, _LONGEST_SOURCE))
