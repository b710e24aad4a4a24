"""What is found on PostgreSQL is what the embedded store finds: the same memories, in the same order."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from faiss_memory import Change, Draft, Filter, Search
from faiss_memory.store import EmbeddedStore
from faiss_memory_conformance.store_home import MODEL, Home, embed
from faiss_memory_conformance.store_oracle import EPOCH
from faiss_memory_plugins.postgres.legs import keeping, words_kept
from faiss_memory_plugins.postgres.settings import PostgresSettings
from faiss_memory_plugins.postgres.store import PostgresStore

WORDS = [
    "ledger", "postgres", "redis", "token", "cache", "queue", "retry", "deploy", "schema", "index", "worker", "shard",
    "login", "cookie", "region", "tax", "upload", "acquireLock", "--no-verify", "v2.1.0", "naïve", "東京", "12,500",
    "C++", "the", "of", "and", "is", "in", "for",
]  # fmt: skip
QUERIES = [
    "ledger",
    "redis cache token",
    "acquireLock in the queue",
    "東京 tax",
    "the of",
    "v2.1.0 deploy --no-verify",
    "redis " * 3 + " ".join(f"other{number}" for number in range(300)) + " tax ledger",
]
ROUNDING = 2e-6
FILTERS = [
    Filter(projects=("alpha",)),
    Filter(projects=("beta",), include_superseded=True),
    Filter(projects=None),
    Filter(projects=("alpha", "beta", "nobody"), tags=("red",)),
    Filter(projects=("alpha",), source="docs/*"),
    Filter(projects=None, source="docs/[ab].md#*", tags=("red", "blue"), tags_mode="all"),
    Filter(projects=("gamma",), metadata={"x": 1}),
]
WHERE = dict(
    zip(("one", "old too", "all", "two by tag", "by glob", "by set", "by metadata"), FILTERS, strict=True)
)


def _fill(homes: list[Home]) -> None:
    """The same writes to each: ids are the same where nothing goes wrong."""
    chance, ids = random.Random(11), list[int]()

    def text(most: int) -> str:
        return " ".join(chance.choices(WORDS, k=chance.randint(1, most)))

    for _ in range(14):
        drafts = [
            Draft(
                text=text(60 if chance.random() < 0.2 else 12),
                project=chance.choice(["alpha", "alpha", "beta", "gamma"]),
                source=chance.choice(["", "notes", *(f"docs/{name}.md#{n}" for name in "abc" for n in "12")]),
                tags=tuple(chance.sample(["red", "blue", "green"], chance.randint(0, 2))),
                cues=chance.choice([(), (), ("an upload fails",)]),
                metadata=chance.choice([{}, {"x": 1}, {"x": True}]),
                timestamp=EPOCH,
            )
            for _ in range(25)
        ]
        given = [home.add(*drafts) for home in homes]
        assert given[0] == given[1]
        ids += given[0]
    for home in homes:
        for number, memory_id in enumerate(ids[10:200:17]):
            changed = f"{WORDS[number]} instead of {WORDS[number + 1]}"
            home.store.change(
                memory_id, Change(text=changed, cues=(), source=f"docs/a.md#{number}"), embed(changed)
            )
        home.store.forget(ids[5:300:13])
        old = next(one for one in home.store.get(ids[250:]) if one.project == "alpha")
        home.add(Draft(text="redis cache instead", project="alpha", supersedes=old.id, source="docs/b.md#9"))
        moved = [one for one in ids[::50] if home.store.get([one])]
        home.store.rewrite([], [], {key: Change(project="gamma") for key in moved}, [])


@pytest.fixture(scope="module")
def homes(server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("embedded")
    both = [
        Home(lambda: EmbeddedStore(folder, lambda _: None)),
        Home(lambda: PostgresStore(server.uri, PostgresSettings(schema="ranking"))),
    ]
    _fill(both)
    yield both
    for home in both:
        home.close()


@pytest.mark.parametrize("where", WHERE.values(), ids=WHERE)
@pytest.mark.parametrize("query", QUERIES)
def test_a_search_finds_the_same_as_in_the_embedded_store(homes, query, where):
    named = [3, 40, 77, 10**9]
    asked = Search(
        where=where,
        depth=20,
        vector=embed(query).vectors[0],
        model=MODEL,
        text=query,
        named=named,
        phrases=[query],
    )
    embedded, here = (
        home.store.search(asked, lambda legs: [match.memory_id for match in legs.nearest]) for home in homes
    )
    _assert_alike(here.legs.nearest, embedded.legs.nearest)
    assert [key for key, _ in here.legs.words] == [key for key, _ in embedded.legs.words]
    assert [score for _, score in here.legs.words] == pytest.approx(
        [score for _, score in embedded.legs.words], rel=1e-5
    )
    assert _rounded(sorted(here.legs.matches.values())) == sorted(embedded.legs.matches.values())
    assert set(here.legs.named) == set(embedded.legs.named)
    assert set(here.legs.verbatim) == set(embedded.legs.verbatim)
    ours, theirs = here.legs.scope, embedded.legs.scope
    assert (ours.memories, ours.mean, ours.spread, ours.coverage) == pytest.approx(
        (theirs.memories, theirs.mean, theirs.spread, theirs.coverage), rel=1e-4, abs=1e-5
    )
    assert [replace(one, uid="", timestamp=EPOCH) for one in here.memories] == [
        replace(one, uid="", timestamp=EPOCH) for one in embedded.memories
    ]
    assert {key: set(terms) for key, terms in here.held.items()} == {
        key: set(terms) for key, terms in embedded.held.items()
    }


def _assert_alike(ours, theirs):
    """The same nearest memories in the same order, but for those whose similarities differ by a rounding."""
    assert [one.similarity for one in ours] == pytest.approx([one.similarity for one in theirs], abs=ROUNDING)
    least = theirs[-1].similarity + ROUNDING if theirs else 0.0  # (whichever of equals were cut off)
    mine, other = ({one.memory_id: one for one in some} for some in (ours, theirs))
    for memory_id in {one.memory_id for one in (*ours, *theirs) if one.similarity > least}:
        assert _rounded([mine[memory_id]]) == [other[memory_id]]


def _rounded(matches):
    return [match._replace(similarity=pytest.approx(match.similarity, abs=ROUNDING)) for match in matches]


@pytest.mark.long
def test_a_memory_of_very_many_terms_is_found_by_each_of_them(homes):
    text = " ".join(f"word{number}x" for number in range(20_000))
    for home in homes:
        (memory_id,) = home.add(Draft(text=text, project="huge"))
        where = Filter(projects=("huge",))
        for number in (0, 9_999, 19_999):
            assert home.by_words(f"word{number}x", where) == [memory_id]


def test_of_an_overlong_query_the_rarest_terms_count(homes):
    where, found = Filter(projects=("long",)), []
    for home in homes:
        home.add(
            *(
                Draft(text=" ".join(f"long{n}x" for n in range(first, 300)), project="long")
                for first in (0, 20, 290)
            )
        )
        legs = home.legs(" ".join(f"long{n}x" for n in range(300)) + " nowhere", where).legs
        found.append(([score for _, score in legs.words], legs.scope.coverage))
    (here, coverage), (embedded, wanted) = found
    assert here == pytest.approx(embedded, rel=1e-4)
    assert coverage == pytest.approx(wanted, rel=1e-4)


@pytest.fixture(scope="module")
def frequent(server, tmp_path_factory):
    """Homes whose words are as frequent as words are: some are in most memories, most in a few."""
    folder = tmp_path_factory.mktemp("frequent")
    both = [
        Home(lambda: EmbeddedStore(folder, lambda _: None)),
        Home(lambda: PostgresStore(server.uri, PostgresSettings(schema="frequent"))),
    ]
    chance = random.Random(3)
    shares = [1 / (number + 1) for number in range(200)]
    drafts = [
        Draft(
            text=" ".join(
                f"w{number}" for number in chance.choices(range(200), shares, k=chance.randint(6, 20))
            ),
            project=chance.choice(["alpha", "alpha", "beta"]),
            source=chance.choice(["", "notes", f"docs/a.md#{number % 40}"]),
            tags=("red",) if number % 2 else (),
            timestamp=EPOCH,
        )
        for number in range(500)
    ]
    for home in both:
        home.add(*drafts)
    yield both
    for home in both:
        home.close()


@pytest.mark.parametrize("names", [("alpha",), ("alpha", "beta")], ids=["one project", "two"])
@pytest.mark.parametrize("tags", [(), ("red",)], ids=["all", "by tag"])
@pytest.mark.parametrize("kept_from", [1, 200, 1000], ids=["kept", "one of them kept", "not kept"])
def test_what_is_found_is_the_same_however_a_project_is_searched(
    frequent, monkeypatch, names, tags, kept_from
):
    asked, ask = [], words_kept._is_let_through

    def noted(run, where, ids, *, one_by_one):
        asked.append(one_by_one)
        return ask(run, where, ids, one_by_one=one_by_one)

    monkeypatch.setattr(words_kept, "_is_let_through", noted)
    monkeypatch.setattr(words_kept, "ASKED_ABOUT", 1)
    monkeypatch.setattr(words_kept, "FULLEST", 14)
    monkeypatch.setattr(keeping, "KEPT_FROM", kept_from)
    frequent[1].store._keeping.clear()
    chance, where = random.Random(5), Filter(projects=names, tags=tags)
    for _ in range(12):
        rare = [f"w{chance.randrange(10, 200)}" for _ in range(chance.randint(0, 3))]
        query = " ".join([*rare, *(f"w{chance.randrange(4)}" for _ in range(3)), "unknown"])
        # (What is near by meaning is ranked as well, however low.)
        asks = Search(
            where=where,
            depth=5,
            text=query,
            phrases=[query],
            vector=embed(chance.choice(["w3 w90", "w1"])).vectors[0],
            model=MODEL,
        )
        embedded, here = (
            home.store.search(asks, lambda legs: [key for key, _ in legs.words]) for home in frequent
        )
        assert [key for key, _ in here.legs.words] == [key for key, _ in embedded.legs.words]
        assert [score for _, score in here.legs.words] == pytest.approx(
            [score for _, score in embedded.legs.words], rel=1e-5
        )
        assert here.legs.scope.coverage == pytest.approx(embedded.legs.scope.coverage, abs=1e-5)
        assert set(here.legs.verbatim) == set(embedded.legs.verbatim)
        assert here.held == embedded.held
    is_kept = kept_from == 1 or (kept_from, names) == (200, ("alpha",))
    assert bool(asked) == (is_kept or kept_from == 200)
    if tags and is_kept:
        assert set(asked) == {True, False}, "what is asked about first was always enough, or never"
