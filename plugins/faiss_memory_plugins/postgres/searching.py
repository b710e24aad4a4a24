"""One search, in one state of the database: its legs, and the memories that were chosen from them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from faiss_memory import Choose, Closest, Embedding, Filter, Found, Legs, Match, Scope, Search
from faiss_memory_plugins.postgres.comparing import Model, cosine
from faiss_memory_plugins.postgres.database import Transaction
from faiss_memory_plugins.postgres.filters import Condition, condition
from faiss_memory_plugins.postgres.legs.asking import ByWords
from faiss_memory_plugins.postgres.legs.by_meaning import (
    Near,
    count_matching,
    count_replaced,
    nearest,
    similarities,
)
from faiss_memory_plugins.postgres.legs.by_words import MOST_HOLDERS, by_words
from faiss_memory_plugins.postgres.legs.keeping import Keeping, Known
from faiss_memory_plugins.postgres.legs.spreading import Whole
from faiss_memory_plugins.postgres.rows import read


def search(run: Transaction, asked: Search, choose: Choose, keeping: Keeping) -> Found:
    """Find memories by meaning and by words, and read those that `choose` takes."""
    where = condition(run, asked.where)
    model = None if asked.vector is None else known_model(run, asked.model)
    near, vector = Near(), asked.vector
    known = keeping.of(run, where.projects)
    whole = _whole(run, keeping, known, where)
    if vector is not None and model is not None and asked.nearest:
        near = nearest(run, vector, model, where, asked.depth, whole=whole)
    words = ByWords()
    if asked.text is not None:
        met = [match.memory_id for match in near.matches]
        words = by_words(
            run, keeping, known, asked.text, where, asked.depth, met, phrases=bool(asked.phrases)
        )
    named = allowed(run, asked.named, where)
    matches = {match.memory_id: match for match in near.matches}
    if vector is not None and model is not None:
        unknown = ({memory_id for memory_id, _ in words.ranking} | named) - matches.keys()
        matches |= similarities(run, vector, model, unknown)
    memories = near.memories if near.memories is not None else _memories(run, known, where)
    legs = Legs(
        nearest=near.matches,
        words=words.ranking,
        matches=matches,
        named=named,
        scope=Scope(memories, near.mean, near.spread, words.coverage, near.unit),
        verbatim=_verbatim(run, asked.phrases, words.holders),
    )
    chosen = choose(legs)
    return Found(legs, read(run, chosen), _held(asked, chosen, words, matches.keys() - named))


def _memories(run: Transaction, known: Known, where: Condition) -> int:
    """Return how many memories a condition lets through."""
    if where.takes == "some":
        return count_matching(run, where)
    return known.memories - (count_replaced(run, where.projects) if where.takes == "current" else 0)


def _whole(run: Transaction, keeping: Keeping, known: Known, where: Condition) -> Whole | None:
    """Return the one project that is searched, if it is kept, and if no more is asked than what is current."""
    if where.takes == "some" or len(where.projects) != 1 or not known.places:
        return None
    ((project, place),) = known.places.items()
    return Whole(keeping, project, place, _memories(run, known, where), where.takes == "current")


def _held(
    asked: Search, chosen: Sequence[int], words: ByWords, looked_at: Collection[int]
) -> dict[int, frozenset[str]]:
    """Return which terms the chosen memories hold; one that was `looked_at` and stands in no ranking holds none."""
    if asked.text is None:
        return {}
    known = words.held.keys() | looked_at
    return {key: words.held.get(key, frozenset()) for key in chosen if key in known}


def _verbatim(run: Transaction, phrases: Sequence[str], holders: Sequence[int]) -> list[int]:
    folded = [phrase.casefold() for phrase in phrases]
    memories = read(run, holders) if folded and len(holders) <= MOST_HOLDERS else []
    return [one.id for one in memories if any(phrase in one.text.casefold() for phrase in folded)]


def allowed(run: Transaction, ids: Collection[int], where: Condition) -> set[int]:
    """Return those of some memories that are there and that a condition lets through."""
    wanted = [memory_id for memory_id in ids if 0 < memory_id < 2**63]
    if not wanted:
        return set()
    rows = run.run(
        f"select m.id from $.memory m where m.id = any(%(ids)s) and {where.sql}",
        {**where.values, "ids": wanted},
    )
    return {row[0] for row in rows}


def closest(run: Transaction, embedding: Embedding, where: Filter, depth: int) -> list[list[Closest]]:
    """Find for each passage of a text what it is most like, so many memories deep, best first; cues aside."""
    meant, known = condition(run, where), known_model(run, embedding.model)
    if known is None:
        return [[] for _ in embedding.passages]
    each: list[list[Match]] = [
        nearest(run, vector, known, meant, depth, by_angle=True).matches for vector in embedding.of_passages
    ]
    memories = {one.id: one for one in read(run, {match.memory_id for found in each for match in found})}
    return [
        [Closest(memories[match.memory_id], match.similarity, match.passage) for match in found]
        for found in each
    ]


PAIRED_AT_ONCE = 64
"""So many memories are compared with a project in one statement: each of them has to be done in time."""


def older_alike(
    run: Transaction, project: str, ids: Sequence[int], least: float, depth: int
) -> dict[int, list[tuple[int, float]]]:
    """Find for each of some memories of a project those with lower ids that are most like it, best first."""
    model = known_model(run, None)
    alike: dict[int, list[tuple[int, float]]] = {}
    for start in range(0, 0 if model is None else len(ids), PAIRED_AT_ONCE):
        some = list(ids[start : start + PAIRED_AT_ONCE])
        assert model is not None
        values = {"project": project, "ids": some, "least": least, "depth": depth, "model": model.number}
        rows = run.run(_OLDER_ALIKE.format(cosine=cosine(model.metric, "p.vec", "q.vec")), values)
        for memory_id, other, similarity in rows:
            alike.setdefault(memory_id, []).append((other, min(1.0, similarity)))
    return alike


_OLDER_ALIKE = """
select m.id, near.memory, near.similarity
from $.project j
join $.memory m on m.project = j.id and m.id = any(%(ids)s) and m.superseded_by is null
cross join lateral (
    select p.memory, max({cosine}) as similarity
    from $.passage q
    join $.passage p on p.project = m.project and p.model = %(model)s and p.memory < m.id and p.cue is null
    join $.memory o on o.id = p.memory and o.superseded_by is null
    where q.project = m.project and q.model = %(model)s and q.memory = m.id and q.cue is null
      and {cosine} >= %(least)s
    group by p.memory order by similarity desc, p.memory limit %(depth)s
) near
where j.name = %(project)s
order by m.id, near.similarity desc, near.memory
"""
"""One memory after the other: what is held meanwhile is what one of them is like."""


def known_model(run: Transaction, identity: str | None) -> Model | None:
    """Return a model, or the one in use; None if it is not known here."""
    rows = run.run(
        "select id, identity from $.model where (%(identity)s::text is null and in_use) or identity = %(identity)s",
        {"identity": identity},
    )
    return Model.named(*rows[0]) if rows else None
