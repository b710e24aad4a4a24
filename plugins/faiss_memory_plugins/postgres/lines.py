"""Rules over several memories: no uid is there twice, and memories that replace each other never form a circle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from faiss_memory import Conflict, Draft, Link, Memory, MemoryNotFound, relinked
from faiss_memory_plugins.postgres.database import Transaction
from faiss_memory_plugins.postgres.locks import lock
from faiss_memory_plugins.postgres.reading import known as known_uids


def check_uids(run: Transaction, drafts: Sequence[Draft]) -> None:
    """Raise Conflict if a uid that a draft brings along is that of another memory."""
    brought = [draft.uid for draft in drafts if draft.uid is not None]
    if not brought:
        return
    lock(run, "uids", [""])  # whoever brings the same ones waits
    if known := known_uids(run, brought):
        uid, standing = next(iter(known.items()))
        raise _known_uid(uid, f"that of memory {standing.memory_id}")
    if repeated := [uid for uid, count in Counter(brought).items() if count > 1]:
        raise _known_uid(repeated[0], "that of another memory of the same call")


def _known_uid(uid: str, whose: str) -> Conflict:
    return Conflict(f"the uid {uid} is known: it is {whose}", "uid")


def check_supersedes(
    run: Transaction, replaced: Sequence[tuple[int, str]], projects: Mapping[str, int]
) -> None:
    """Raise MemoryNotFound if memories that are to be superseded, by id, are not in the projects given."""
    wanted = {older for older, _ in replaced}
    if not wanted:
        return
    rows = run.run(
        "select id, project from $.memory where id = any(%(ids)s) order by id for no key update",
        {"ids": [key for key in wanted if 0 < key < 2**63]},
    )
    there = {row[0]: row[1] for row in rows}
    for older, project in replaced:
        if there.get(older) != projects[project]:
            raise MemoryNotFound(
                f"`supersedes` names memory {older}, which is not in project `{project}`; "
                "use the id of a memory of the same project",
                "supersedes",
            )


def check_end(run: Transaction, memory: Memory) -> None:
    """Raise Conflict if a memory supersedes itself, also by others between."""
    (is_circle,) = run.one(
        "with recursive line as (select %(older)s::bigint as id union select m.supersedes from line"
        " join $.memory m on m.id = line.id where m.supersedes is not null)"
        " select exists (select from line where id = %(id)s)",
        {"older": memory.supersedes, "id": memory.id},
    )
    if is_circle:
        raise Conflict(f"memory {memory.supersedes} supersedes memory {memory.id}, not the other way round")


def note_newer(run: Transaction, older: Sequence[int | None]) -> None:
    """Note beside memories which one supersedes them now."""
    run.run(
        "update $.memory o set superseded_by = (select max(n.id) from $.memory n where n.supersedes = o.id)"
        " where o.id = any(%(ids)s)",
        {"ids": [one for one in older if one is not None]},
    )


def uids_of(run: Transaction, ids: Collection[int]) -> dict[int, str]:
    """Return the uids of memories that are there or were, by id."""
    if not ids:
        return {}
    wanted = {"ids": [key for key in ids if 0 < key < 2**63]}
    rows = run.run(
        "select memory, uid::text from $.removed where memory = any(%(ids)s)"
        " union all select id, uid::text from $.memory where id = any(%(ids)s)",
        wanted,
    )
    return dict((key, uid) for key, uid in rows)


_LINKS = "select m.id, m.uid::text, m.project, m.supersedes, m.older::text from $.memory m"
_UNFOLLOWED = "join $.memory o on o.uid = m.older where m.older is not null and m.supersedes is null"


def relinking(run: Transaction, ids: Collection[int]) -> dict[int, tuple[int | None, int | None]]:
    """Return which memories are to supersede others than before, now that some were written, by id: before and then."""

    def read(where: str, **values: object) -> list[Link]:
        return [Link(*row) for row in run.run(f"{_LINKS} {where}", values)]

    def find(uid: str) -> Link | int | None:
        for link in read("where m.uid = %(uid)s", uid=uid):
            return link
        rows = run.run("select memory from $.removed where uid = %(uid)s", {"uid": uid})
        return rows[0][0] if rows else None

    concerned = read(_UNFOLLOWED)
    if ids:
        own = read("where m.id = any(%(ids)s)", ids=list(ids))
        concerned += [*own, *read("where m.older = any(%(uids)s::uuid[])", uids=[one.uid for one in own])]
    before = {one.id: one.supersedes for one in concerned}
    return {key: (before.get(key), older) for key, older in relinked(concerned, find).items()}
