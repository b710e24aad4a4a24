"""The requests of the README's quick start, use cases and reference, word for word, to a real service."""

import re
from datetime import datetime, timedelta

import pytest

from tests.running import RunningService


@pytest.fixture(scope="module")
def fresh(tmp_path_factory, model_cache):
    """A service of its own, empty at first, because these requests name no project."""
    with RunningService(tmp_path_factory.mktemp("brief") / "data", cache=model_cache) as running:
        yield running


@pytest.fixture(scope="module")
def known(fresh):
    """The ids of what the quick start and the use cases store, by the source they give."""
    requests = [
        {"text": "FAISS Memory is a local semantic search system", "source": "readme.md"},
        {
            "text": "Use React Query for API calls, not Redux Toolkit Query",
            "source": "architecture-decisions.md",
        },
        {
            "text": "For error handling, use custom Error classes with specific codes",
            "source": "code-standards.md",
        },
        {
            "text": "Fixed: Docker health checks fail with 'localhost' on some systems. Use 127.0.0.1 instead",
            "source": "bug-fixes.md",
        },
        {
            "text": "Always use TypeScript strict mode",
            "source": "typescript.md",
            "metadata": {"type": "guideline", "priority": "high"},
        },
    ]
    ids = {}
    for request in requests:
        status, answer = fresh.call("POST", "/memory/add", request)
        assert status == 201
        assert answer["success"] is True
        assert answer["message"] == "Memory added successfully"
        assert type(answer["id"]) is int
        ids[request["source"]] = answer["id"]
    return ids


def in_utc(time):
    moment = datetime.fromisoformat(time)
    assert moment.utcoffset() == timedelta(0)
    return moment


def test_health_says_that_the_service_answers(fresh):
    status, answer = fresh.call("GET", "/health")
    assert status == 200
    assert answer["status"] == "ok"
    assert answer["model_ready"] is True
    assert answer["rebuilding"] == []
    assert type(answer["version"]) is str


def test_the_first_memory_is_found_by_the_first_search(fresh, known):
    status, answer = fresh.call("POST", "/search", {"query": "What is FAISS Memory?", "k": 3})
    assert status == 200
    assert answer["query"] == "What is FAISS Memory?"
    assert answer["count"] == len(answer["results"]) == 3
    assert answer["results"][0]["id"] == known["readme.md"]


@pytest.mark.parametrize(
    ("query", "source", "says"),
    [
        ("What should I use for API calls?", "architecture-decisions.md", "Use React Query for API calls"),
        ("How should I handle errors?", "code-standards.md", "custom Error classes"),
        ("Docker health check not working", "bug-fixes.md", "Use 127.0.0.1 instead"),
    ],
)
def test_the_use_cases_find_what_they_stored(fresh, known, query, source, says):
    status, answer = fresh.call("POST", "/search", {"query": query})
    assert status == 200
    best = answer["results"][0]
    assert best["id"] == known[source]
    assert best["source"] == source
    assert says in best["text"]


def test_a_search_answers_with_the_documented_fields(fresh, known):
    request = {"query": "How do we handle authentication?", "k": 5, "threshold": 0.3}
    status, answer = fresh.call("POST", "/search", request)
    assert status == 200
    assert answer["query"] == request["query"]
    assert answer["count"] == len(answer["results"])
    assert all(found["similarity"] >= 0.3 for found in answer["results"])
    _, answer = fresh.call("POST", "/search", {"query": "TypeScript strict mode", "k": 1, "threshold": 0.3})
    (found,) = answer["results"]
    assert found["id"] == known["typescript.md"]
    assert found["text"] == "Always use TypeScript strict mode"
    assert found["metadata"] == {"type": "guideline", "priority": "high"}
    assert found["project"] == "default"
    assert -1 <= found["similarity"] <= 1
    assert found["similarity"] == round(found["similarity"], 4)
    assert 0 <= found["relevance"] <= 1
    in_utc(found["timestamp"])


def test_five_results_are_given_where_nothing_is_asked(fresh, known):
    fresh.call("POST", "/memory/add", {"text": "Deploys go out on Tuesdays", "source": "deploys.md"})
    _, answer = fresh.call("POST", "/search", {"query": "what did we decide"})
    assert answer["count"] == 5


@pytest.mark.parametrize(
    ("text", "is_novel"),
    [
        ("Use React Query for API calls", False),
        ("For API calls use React Query rather than Redux Toolkit Query", False),
        ("The office coffee machine is descaled every first Monday", True),
    ],
)
def test_is_novel_tells_a_paraphrase_from_news(fresh, known, text, is_novel):
    status, answer = fresh.call("POST", "/memory/is-novel", {"text": text, "threshold": 0.75})
    assert status == 200
    assert answer["is_novel"] is is_novel
    closest = answer["closest_match"]
    assert set(closest) >= {"id", "text", "source", "similarity"}
    assert (closest["similarity"] < 0.75) is is_novel
    if not is_novel:
        assert closest["id"] == known["architecture-decisions.md"]


def test_the_duplicate_check_knows_what_was_stored_and_only_that(real_service):
    request = {"text": "We use Tailwind CSS for styling", "threshold": 0.85, "project": "brief-styling"}
    status, answer = real_service.call("POST", "/memory/is-novel", request)
    assert (status, answer["is_novel"], answer["closest_match"]) == (200, True, None)
    real_service.call(
        "POST", "/memory/add", {"text": "Styling is done with Tailwind CSS", "project": "brief-styling"}
    )
    _, answer = real_service.call("POST", "/memory/is-novel", request)
    assert answer["is_novel"] is False
    assert answer["closest_match"]["text"] == "Styling is done with Tailwind CSS"


def test_the_duplicate_check_works_as_written(fresh, known):
    request = {"text": "We use Tailwind CSS for styling", "threshold": 0.85}
    assert fresh.call("POST", "/memory/is-novel", request)[1]["is_novel"] is True
    fresh.call("POST", "/memory/add", {"text": request["text"]})
    status, answer = fresh.call("POST", "/memory/is-novel", request)
    assert (status, answer["is_novel"]) == (200, False)


def test_a_batch_is_stored_in_order(fresh):
    request = {
        "memories": [
            {"text": "Memory 1", "source": "file1.md"},
            {"text": "Memory 2", "source": "file2.md"},
        ]
    }
    status, answer = fresh.call("POST", "/memory/add-batch", request)
    assert status == 201
    assert (answer["success"], answer["count"]) == (True, 2)
    sources = [fresh.call("GET", f"/memory/{memory_id}")[1]["source"] for memory_id in answer["ids"]]
    assert sources == ["file1.md", "file2.md"]


def test_stats_tell_counts_and_the_model(fresh, known):
    before = fresh.call("GET", "/stats")[1]
    fresh.call("POST", "/memory/add", {"text": "Counted once"})
    status, answer = fresh.call("GET", "/stats")
    assert status == 200
    assert answer["total_memories"] == before["total_memories"] + 1
    assert (answer["dimension"], answer["model"]) == (384, "all-MiniLM-L6-v2")
    assert answer["index_size_bytes"] > before["index_size_bytes"] > 0
    assert in_utc(answer["created_at"]) < in_utc(before["last_updated"]) < in_utc(answer["last_updated"])


def test_a_backup_is_made_and_counted(fresh, known):
    before = fresh.call("GET", "/stats")[1]
    status, answer = fresh.call("POST", "/backup")
    assert status == 200
    assert answer["success"] is True
    assert answer["memories"] == before["total_memories"]
    assert re.fullmatch(r"manual_\d{8}_\d{6}(_\d+)?", answer["backup"])
    assert (fresh.data / "backups" / answer["backup"]).is_dir()
    assert fresh.call("GET", "/stats")[1]["backup_count"] == before["backup_count"] + 1


def test_the_data_folder_holds_the_documented_files(tmp_path):
    with RunningService(tmp_path / "data", fake=True) as running:
        running.call("POST", "/memory/add", {"text": "lies in a file"})
        running.call("POST", "/backup", {"label": "evening"})
        assert running.stop() == 0
    names = {path.name for path in running.data.iterdir()}
    assert {"index.faiss", "metadata.json", "backups"} <= names


LAST = "The invoice archive is copied to the tape library in Rotterdam every second Thursday."


def test_a_fact_in_the_last_paragraph_of_a_long_memory_is_found_and_shown(real_service):
    topics = [
        "the colour of buttons",
        "the rhythm of meetings",
        "the names of branches",
        "the order of imports",
    ]
    paragraphs = [
        f"Paragraph {n} is about {topics[n % 4]}: it was discussed at length and nothing came of it, so everyone "
        "keeps to what they did before and writes down what surprised them."
        for n in range(180)
    ]
    text = "\n\n".join([*paragraphs, LAST])
    assert len(text.split()) > 5000
    _, stored = real_service.call("POST", "/memory/add", {"text": text, "project": "brief-long"})
    for n in range(5):
        request = {"text": f"Meeting {n} was about lunch and furniture", "project": "brief-long"}
        real_service.call("POST", "/memory/add", request)
    query = {"query": "Where do copies of our invoices go?", "project": "brief-long"}
    for mode in ("hybrid", "semantic"):
        _, answer = real_service.call("POST", "/search", {**query, "mode": mode})
        best = answer["results"][0]
        assert best["id"] == stored["id"]
        passage = best["passage"]
        assert LAST in passage["text"]
        assert text[passage["start"] : passage["end"]] == passage["text"]
        assert len(passage["text"]) < len(text) / 4


@pytest.fixture(scope="module")
def languages(real_service):
    """The ids of one memory in each language."""
    texts = {
        "english": "The staging database is restored from production every night",
        "chinese": "我们决定使用数据库连接池来减少延迟",
        "japanese": "認証にはトークンを使用し、有効期限は十五分です",
        "russian": "Для обработки ошибок используем собственные классы исключений",
        "arabic": "نستخدم الحاويات لتشغيل الخدمة على خادم الاختبار",
        "korean": "배포는 매주 화요일에 진행합니다",
    }
    memories = [{"text": text, "project": "brief-languages"} for text in texts.values()]
    _, answer = real_service.call("POST", "/memory/add-batch", {"memories": memories})
    return dict(zip(texts, answer["ids"], strict=True))


@pytest.mark.parametrize(
    ("query", "language"),
    [
        ("连接池", "chinese"),
        ("数据库", "chinese"),
        ("トークン", "japanese"),
        ("有効期限", "japanese"),
        ("исключений", "russian"),
        ("الحاويات", "arabic"),
        ("화요일에", "korean"),
        ("database restored", "english"),
    ],
)
@pytest.mark.parametrize("mode", ["keyword", "hybrid"])
def test_words_of_any_script_find_their_memory(real_service, languages, query, language, mode):
    request = {"query": query, "mode": mode, "project": "brief-languages"}
    status, answer = real_service.call("POST", "/search", request)
    assert status == 200
    assert answer["results"][0]["id"] == languages[language]


@pytest.mark.parametrize(
    "query",
    [
        "the of and to a in is it",
        "a",
        "?",
        "🚀",
        "👩‍👩‍👧‍👦 🇳🇱",
        "for (let i = 0; i < n; i++) { xs[i]?.y ??= null } // $^*",
        "SELECT * FROM memories WHERE text LIKE '%\"%' --",
        "\u200b",
        "x" * 65536,
        "restore the database " * 3120,
    ],
    ids=[
        "stop words",
        "a letter",
        "a mark",
        "emoji",
        "joined emoji",
        "code",
        "sql",
        "nothing seen",
        "64 KB",
        "64 KB of words",
    ],
)
@pytest.mark.parametrize("mode", ["hybrid", "semantic", "keyword"])
def test_a_query_without_much_sense_gets_a_sensible_answer(real_service, languages, query, mode):
    request = {"query": query, "mode": mode, "project": "brief-languages", "k": 10}
    status, answer = real_service.call("POST", "/search", request)
    assert status == 200
    assert answer["query"] == query
    scores = [found["score"] for found in answer["results"]]
    assert scores == sorted(scores, reverse=True)
    assert all(found["similarity"] is not None for found in answer["results"])
    # Meaning can compare anything with anything; words can also match nothing.
    assert mode == "keyword" or answer["count"] == len(languages)
    assert mode != "keyword" or answer["count"] <= len(languages)


def test_a_long_query_is_understood(real_service, languages):
    request = {"query": "restore the database " * 3120, "project": "brief-languages", "k": 1}
    assert real_service.call("POST", "/search", request)[1]["results"][0]["id"] == languages["english"]
