"""A model's metric: by what its vectors are compared, and what goes by the angle all the same."""

from __future__ import annotations

import hashlib
import random
import re
from io import BytesIO

import numpy as np
import pytest

from faiss_memory import hookimpl
from faiss_memory.app import build_service
from faiss_memory.settings import load
from tests.fakes import FakeEmbedder
from tests.store.oracle import WORDS, until

METRICS = ["cosine", "dot", "euclidean"]
QUERY = "ledger postgres queue"


class LongEmbedder(FakeEmbedder):
    """Words hashed into few dimensions, each with a length of its own: the first ten differ by metric."""

    name, identity, dimension = "long", "long@1", 24

    def __init__(self, metric="dot"):
        self.metric = metric

    def vector(self, text):
        vector = np.full(self.dimension, 1e-2, np.float32)
        for word in re.findall(r"\w+", text.casefold()):
            digest = hashlib.blake2b(word.encode(), digest_size=4).digest()
            vector[digest[0] % self.dimension] += (1 if digest[1] % 2 else -1) * (1 + digest[2] / 40)
        return vector

    def embed_queries(self, texts):
        return np.array([self.vector(text) for text in texts], np.float32).reshape(-1, self.dimension)

    embed_documents = embed_queries


class LongModel:
    """The plugin that brings it; `metric` is the model's own."""

    def __init__(self, metric="dot"):
        self.metric = metric

    @hookimpl
    def open_embedder(self):
        return LongEmbedder(self.metric)


class Home:
    """One data folder, and a service on it."""

    def __init__(self, folder, client_of):
        self.folder, self._client_of, self.service, self.texts = folder, client_of, None, {}

    def start(self, model=None, **settings):
        self.stop()
        given = {"data_dir": str(self.folder), "min_relevance": 0, **settings}
        self.service = build_service(
            load(None, given, {}).settings, lambda _: None, [("long", model or LongModel())]
        )
        self.service.start()
        self.client = self._client_of(self.service)
        until(lambda: self.health().get("model_ready"), "the model answers")  # (503 while it opens)
        return self

    def stop(self):
        if self.service is not None:
            self.service.stop()
            self.service = None

    def until(self, metric):
        until(
            lambda: self.health()["metric"] == metric and not self.health()["rebuilding"], f"{metric} answers"
        )

    def health(self):
        return self.client.get("/health").json

    def add(self, text, **more):
        answer = self.client.post("/memory/add", {"text": text, **more})
        assert answer.status_code in (200, 201), answer.json
        if answer.json["id"] is not None:
            self.texts[answer.json["id"]] = text
        return answer.json

    def fill(self, number=120):
        chance = random.Random(3)
        memories = [" ".join(chance.choices(WORDS, k=chance.randint(2, 30))) for _ in range(number)]
        answer = self.client.post("/memory/add-batch", {"memories": [{"text": text} for text in memories]})
        assert answer.status_code == 201, answer.json
        self.texts |= dict(zip(answer.json["ids"], memories, strict=True))

    def search(self, query=QUERY, **more):
        answer = self.client.post("/search", {"query": query, "mode": "semantic", "k": 10, **more})
        assert answer.status_code == 200, answer.json
        return answer.json

    def by_brute_force(self, metric, query=QUERY):
        """The ids and similarities, best first, by numpy."""
        model = LongEmbedder()
        asked, ids = model.vector(query), sorted(self.texts)
        every = np.array([model.vector(self.texts[key]) for key in ids])
        if metric == "euclidean":
            found = 1 / (1 + np.linalg.norm(every - asked, axis=1))
        else:
            found = every @ asked
            if metric == "cosine":
                found = found / np.linalg.norm(every, axis=1) / np.linalg.norm(asked)
        order = sorted(range(len(ids)), key=lambda n: (-found[n], ids[n]))
        return [(ids[n], float(found[n])) for n in order]

    def assert_answers_by(self, metric, query=QUERY):
        answer = self.search(query)
        expected = self.by_brute_force(metric, query)[:10]
        assert [one["id"] for one in answer["results"]] == [key for key, _ in expected]
        assert [one["similarity"] for one in answer["results"]] == pytest.approx(
            [similarity for _, similarity in expected], abs=2e-4
        )
        assert answer["metric"] == metric


@pytest.fixture
def home(tmp_path, client_of):
    made = Home(tmp_path / "data", client_of)
    yield made
    made.stop()


def test_the_first_ten_are_those_of_brute_force_by_each_metric_and_differ(home):
    home.start(metric="cosine").fill()
    firsts = []
    for metric in METRICS:
        home.start(metric=metric)
        home.until(metric)
        home.assert_answers_by(metric)
        firsts.append([one["id"] for one in home.search()["results"]])
        assert home.client.get("/stats").json["metric"] == metric
        hybrid = home.search(mode="hybrid")
        assert len(hybrid["results"]) == 10
        assert "degraded" not in hybrid
        near = dict(home.by_brute_force(metric))
        for one in [*hybrid["results"], *home.search(mode="keyword")["results"]]:
            assert one["similarity"] == pytest.approx(near[one["id"]], abs=2e-4)
    assert len({tuple(ids) for ids in firsts}) == 3


def test_the_metric_is_the_models_own_unless_one_is_set(home):
    assert home.start(LongModel("euclidean")).health()["metric"] == "euclidean"
    home.start(LongModel("euclidean"), metric="dot")
    home.until("dot")
    home.start(FakePlain())
    home.until("cosine")
    assert (home.health()["metric"], home.health()["model_in_use"]) == ("cosine", "fake@1")


class FakePlain:
    @hookimpl
    def open_embedder(self):
        return FakeEmbedder()


def test_saved_indexes_are_used_again_and_belong_to_their_metric(home):
    home.start(metric="euclidean").fill(40)
    home.start(metric="euclidean")
    home.assert_answers_by("euclidean")
    assert home.health()["model_in_use"] == "long@1+euclidean"
    home.start(metric="dot")
    home.until("dot")
    home.assert_answers_by("dot")
    home.start(metric="euclidean")
    home.until("euclidean")
    home.assert_answers_by("euclidean")


def test_the_similarity_and_the_threshold_are_those_of_the_metric(home):
    home.start(metric="dot").fill(40)
    ranked = home.by_brute_force("dot")
    least = round(ranked[4][1] - 1e-3, 4)
    assert least > 1
    for mode in ("semantic", "hybrid"):
        found = home.search(mode=mode, threshold=least)["results"]
        assert sorted(one["id"] for one in found) == sorted(key for key, _ in ranked[:5])
    assert home.search(threshold=-1e6, k=100)["count"] == 40

    home.start(metric="euclidean")
    home.until("euclidean")
    ranked = home.by_brute_force("euclidean")
    found = home.search(threshold=round(ranked[2][1] - 1e-4, 4))["results"]
    assert [one["id"] for one in found] == [key for key, _ in ranked[:3]]
    assert home.search(next(iter(home.texts.values())))["results"][0]["similarity"] == 1.0
    refused = home.client.post("/search", {"query": QUERY, "threshold": 1.5})
    assert (refused.status_code, refused.json["field"]) == (400, "threshold")


@pytest.mark.parametrize("metric", METRICS)
def test_whether_a_text_is_known_goes_by_the_angle(home, metric):
    home.start(metric=metric)
    text = "the ledger keeps postgres tokens in a cache"
    # Longer, and so nearer by dot to what is asked.
    home.add("ledger " * 9 + text)
    own = home.add(text)["id"]
    answer = home.client.post("/memory/is-novel", {"text": text}).json
    assert (answer["is_novel"], answer["closest_match"]["id"]) == (False, own)
    assert answer["closest_match"]["similarity"] == 1.0
    assert home.client.post("/memory/is-novel", {"text": "an unrelated sentence"}).json["is_novel"] is True
    assert home.add(text, if_novel=0.95)["id"] is None
    both = {
        "memories": [{"text": "zebras graze", "if_novel": 0.9}, {"text": "zebras graze", "if_novel": 0.9}]
    }
    assert home.client.post("/memory/add-batch", both).json["ids"][1] is None
    similar = home.client.get(f"/memory/{own}/similar").json["results"]
    assert all(-1 <= one["similarity"] <= 1 for one in similar)


@pytest.mark.parametrize("metric", METRICS)
def test_duplicates_and_relevance_go_by_the_angle(home, metric):
    home.start(metric=metric)
    home.add("The deploy worker reads its schema from the region cache.")
    home.add("the deploy worker reads its schema from the region cache.")
    home.add("Zebras graze where the grass is green.")
    pairs = home.client.get("/duplicates").json["pairs"]
    assert [(pair["class"], pair["similarity"]) for pair in pairs] == [("identical", 1.0)]
    found = home.search("which schema does the deploy worker read", explain=True)["results"]
    assert all(-1 <= one["evidence"]["similarity"] <= 1 for one in found)
    assert found[0]["relevance"] > 0.5 > found[-1]["relevance"]
    asked = {"query": "how do penguins dive", "only_relevant": True, "min_relevance": 0.3}
    assert home.search(**asked)["results"] == []


def test_an_archive_with_such_vectors_is_taken_in(home):
    home.start(metric="dot").fill(10)
    archive = home.client.get("/archive").content
    home.client.post("/memory/add", {"text": "one more ledger"})
    home.service.engine.restore_archive(BytesIO(archive))
    home.assert_answers_by("dot")


def test_a_metric_that_is_not_known_is_named(home):
    home.service = build_service(
        load(None, {"data_dir": str(home.folder)}, {}).settings,
        lambda _: None,
        [("l", LongModel("manhattan"))],
    )
    home.service.start()
    home.client = home._client_of(home.service)
    until(lambda: home.client.get("/stats").json["model_error"] is not None, "the error is told")
    assert "manhattan" in home.client.get("/stats").json["model_error"]
