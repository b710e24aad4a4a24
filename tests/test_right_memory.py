"""The right memory first, and only when it helps: with the real model, by the public surface."""

from __future__ import annotations

import re
import uuid

import pytest

NOTES = [
    "API calls go through React Query, because it caches and retries by itself.",
    "Postgres 16 is the only database; MongoDB was ruled out because reporting needs joins.",
    "Users log in with JWT access tokens of 15 minutes and refresh tokens in an http-only cookie.",
    "For error handling, raise our own subclasses of AppError; never a bare Exception.",
    "We use pnpm, not npm or yarn: the lock file broke twice in CI.",
    "Deployments go out on Tuesdays and Thursdays, never on Fridays.",
    "An upload fails with 413 when nginx's client_max_body_size is left at its default of 1m; we set 20m.",
    "Feature flags live in Unleash; a flag is removed two weeks after it is fully on.",
    "Logs are JSON lines with a trace id; never log an e-mail address.",
    "Colours come from the tokens in packages/ui, never as literals.",
]


class Project:
    """A project of its own in the service that all tests share."""

    def __init__(self, service) -> None:
        self._service = service
        self.name = f"right-{uuid.uuid4().hex[:12]}"

    def add(self, *texts, **fields):
        memories = [{"text": text, "project": self.name, **fields} for text in texts]
        status, answer = self._service.call("POST", "/memory/add-batch", {"memories": memories})
        assert status == 201, answer
        return answer["ids"]

    def search(self, query, **fields):
        status, answer = self._service.call(
            "POST", "/search", {"query": query, "project": self.name, **fields}
        )
        assert status == 200, answer
        return answer

    def first(self, query, **fields):
        return self.search(query, **fields)["results"][0]["text"]

    def prompt(self, text, session=None):
        """Fire the prompt hook of Claude Code; returns the ids that are shown, and the whole text."""
        body = {
            "hook_event_name": "UserPromptSubmit",
            "session_id": session or uuid.uuid4().hex,
            "cwd": "/tmp",
            "prompt": text,
        }
        status, answer = self._service.call("POST", f"/adapters/claude-code/hook?project={self.name}", body)
        assert status == 200, answer
        shown = answer.get("hookSpecificOutput", {}).get("additionalContext", "")
        return [int(number) for number in re.findall(r"^\[memory (\d+) \|", shown, re.MULTILINE)], shown


@pytest.fixture
def project(real_service):
    return Project(real_service)


@pytest.fixture
def notes(project):
    """The ids of NOTES, in their order, in a project of their own."""
    return project, project.add(*NOTES)


# Ranking.


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("which database do we use", 1),
        ("How do we handle authentication?", 2),
        ("What did we decide about API calls, and why?", 0),
        ("which package manager", 4),
        ("may I deploy on friday", 5),
    ],
)
def test_a_question_finds_its_note_first(notes, query, place):
    project, _ = notes
    assert project.first(query) == NOTES[place]


DOUBLES = [
    ("--no-verify", "Commits with --no-verify are refused by the server", "Use --verify to check the signatures"),
    ("C++", "The codec is written in C++ and wrapped by pybind", "The firmware is written in C with no heap"),
    ("config.yaml", "Defaults are read from config.yaml", "Production reads config.prod.yaml instead"),
    ("2025-12-20", "The cluster is frozen from 2025-12-20 on", "The budget for 2025 has 12 items and 20 owners"),
    ("12500", "A page holds at most 12,500 rows", "The index holds 125,000 rows in 12 parts"),
    ("3.1.9", "The driver was pinned to 3.1.9", "The driver of the old host stays at 3.9.1"),
    ("v2.1.0", "The client broke with 2.1.0", "The client works with v1.2.0 again"),
    ("v22.41.20", "Agents run 22.41.20", "Agents ran 22.20.41 before"),
    ("LockRoute", "acquireLockRoute must be called before a write", "The route is locked by a guard"),
    ("BucketCoupon", "widgetBucketCoupon is called before the close", "BUCKET_COUPON_SCHEMA is read at the start"),
    ("schema.token", "The claim lies in schema.token", "The token has a schema of its own"),
    ("tenant-queue", "Start workers with --tenant-queue=585", "Each tenant may have one worker on the queue"),
    ("src/api/users.py", "Pagination lives in src/api/users.py", "src/web/users.py has the views of the api"),
    ("node.js", "The edge runs node.js 22", "Each node loads its js from the CDN"),
    ("TENANT_CACHE_TTL", "TENANT_CACHE_TTL is 30 seconds in staging", "The cache of a tenant has a TTL"),
    ("E_AUTH_EXPIRED", "E_AUTH_EXPIRED means that the client must refresh", "Auth has expired after an hour of work"),
    ("what does && do in our scripts", "In hooks, && joins steps that stop at a failure", "Steps are joined by ; here"),
    ("where may ?. be used", "?. is allowed only in templates", "Optional fields are allowed only in forms"),
    ("🚀", "A release is announced with 🚀 in the channel", "A release is announced in the channel by the bot"),
    ('"retry budget"', "The gateway keeps a retry budget of ten percent", "We budget one retry for each gateway call"),
    ("to_be or not", "The flag to_be or not_to_be is set by ops", "Whether it is to happen is set by ops"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "right", "near"), DOUBLES, ids=[query for query, *_ in DOUBLES])
def test_identifiers_and_symbols_are_found_as_such(project, query, right, near):
    project.add(near, right, near.replace(" the ", " a ", 1) + " as well", *NOTES[:4])
    assert project.first(query) == right


def test_the_only_memory_that_holds_the_query_word_for_word_is_first(project):
    right = "Run make seed-demo before the demo"
    project.add("The demo is seeded by make, before each run", right, "Run make demo-seed before the demo")
    assert project.first("Make Seed-Demo before the demo") == right


def test_a_turn_is_found_by_the_words_of_those_beside_it(project):
    turns = ["Where does the invoice archive live?", "In the attic room, left shelf.", "And who has the key?"]
    project.add(*turns, source="talk/session_4")
    project.add("The archive of tapes is downstairs", "The attic is dry", source="chat")
    found = [
        one["text"]
        for one in project.search("where does the invoice archive live", mode="keyword")["results"]
    ]
    assert found[:2] == turns[:2]


def test_a_long_memory_about_something_comes_before_a_short_one_that_mentions_it(project):
    passing = [f"The {place} has a boiler and {thing}" for place, thing in
               (("cellar", "wine"), ("attic", "tapes"), ("kitchen", "a sink"), ("garage", "tools"))]  # fmt: skip
    steps = ["Bleed the boiler first", "Then check that the pressure of the boiler is right", "Wait for ten minutes",
             "The boiler hums while it fills", "A boiler that is silent has no power"]  # fmt: skip
    chapter = ". ".join(2 * steps)
    project.add(*passing, chapter, *NOTES)
    assert project.first("boiler", mode="keyword") == chapter
    assert project.first("boiler in the cellar", mode="keyword") == passing[0]


def test_of_two_values_the_newer_one_is_first(project):
    old, new = "The staging database runs on port 8080", "The staging database runs on port 8081"
    project.add(old, timestamp="2026-01-02T12:00:00Z")
    project.add(new, timestamp="2026-03-02T12:00:00Z")
    assert project.first("which port does the staging database run on") == new
    assert project.first("the staging database on port 8080") == old
    ids, shown = project.prompt("which port does the staging database run on?")
    assert len(ids) == 1
    assert new in shown
    assert "newer than a note of 2026-01-02 with another value" in shown


def test_the_same_text_is_shown_once_and_listed_by_rest_each_time(project):
    text = "Money is kept as integer cents, with the currency beside it"
    project.add(*[text, text.upper(), f"{text} ", text, text.replace(" ", "  "), text], NOTES[1])
    listed = project.search("how is money kept", k=6)["results"]
    assert [" ".join(one["text"].casefold().split()) for one in listed] == [text.casefold()] * 6
    once = project.search("how is money kept", k=6, only_relevant=True, min_relevance=0)["results"]
    assert [one["text"] for one in once][1:] == [NOTES[1]]
    ids, _ = project.prompt("how do we store money?")
    assert len(ids) == 1


# Only when it helps.


@pytest.mark.parametrize(
    ("prompt", "place"),
    [
        ("What did we decide about API calls, and why?", 0),
        ("which db do we use here", 1),
        ("uploading the big video fails with 413", 6),
        ("can we deploy this on friday?", 5),
    ],
)
def test_a_prompt_brings_its_note(notes, prompt, place):
    project, ids = notes
    assert project.prompt(prompt)[0][:1] == [ids[place]]


PASTED = {
    "code": (
        "def total(items):\n    result = 0\n    for item in items:\n        result += item.price * item.count\n"
        "    return result\n\n"
    )
    * 12,
    "log": "2026-03-10 10:00:01,123 INFO  worker.queue: job 8821 done in 12 ms (attempt 1)\n" * 40,
    "trace": (
        'Traceback (most recent call last):\n  File "/srv/app/main.py", line 88, in <module>\n    run(queue)\n'
        '  File "/srv/app/queue.py", line 12, in run\n    job.start()\n'
    )
    * 8,
    "diff": (
        "diff --git a/app/x.py b/app/x.py\nindex 12ab34c..98fe76d 100644\n--- a/app/x.py\n+++ b/app/x.py\n"
        "@@ -1,4 +1,4 @@\n-    old = compute(1)\n+    new = compute(2)\n"
    )
    * 12,
}


@pytest.mark.parametrize("kind", PASTED)
@pytest.mark.parametrize("before", [True, False])
def test_what_is_pasted_beside_a_question_does_not_drown_it(notes, kind, before):
    project, ids = notes
    question = "which database do we use for reporting?"
    parts = [PASTED[kind], question] if before else [question, PASTED[kind]]
    assert project.prompt("\n\n".join(parts))[0][:1] == [ids[1]]


@pytest.mark.parametrize(
    "prompt",
    [
        "yes", "run the tests", "try again", "what did you change?", "commit this", "looks good, go on",
        "write a regex that matches ISO dates", "center a div", "hello, how are you?", "/compact",
        "<task-notification>which database do we use</task-notification>",
    ],
)  # fmt: skip
def test_what_no_note_is_meant_by_brings_none(notes, prompt):
    project, _ = notes
    assert project.prompt(prompt) == ([], "")


@pytest.mark.parametrize("tag", ["pinned", "decision"])
def test_a_prompt_is_no_start_of_a_session(project, tag):
    project.add(*NOTES, tags=[tag])
    for prompt in ("run the tests", "thanks, that works", "How tall is the Eiffel tower?"):
        assert project.prompt(prompt) == ([], "")


def test_a_note_whose_cue_is_what_anybody_could_ask_is_meant(project):
    prompt = "how should I write the commit message?"
    project.add(*NOTES)
    assert project.prompt(prompt) == ([], "")
    (memory_id,) = project.add(
        "Imperative, at most 50 characters, no full stop.", cues=["writing a commit message"]
    )
    assert project.prompt(prompt)[0] == [memory_id]


def test_a_follow_up_is_asked_with_the_prompt_before_it(notes):
    project, ids = notes
    session = uuid.uuid4().hex
    project.prompt("how does a user log in to the app?", session)
    alone = project.prompt("and how long do the tokens live?")[0]
    again = project.prompt("and for errors?", session)[0]
    assert ids[3] in again
    assert alone in ([], [ids[2]])


def test_a_cue_brings_a_note_whose_words_are_others(project):
    (memory_id,) = project.add(
        "Kysely everywhere, Prisma was too slow at start-up.",
        cues=["adding a database query", "which library talks to the database", "writing a repository class"],
    )
    project.add(*NOTES[4:])
    assert project.prompt("write a query that loads the open orders of a customer from the database")[0] == [
        memory_id
    ]
    found = project.search("which library talks to the database")["results"][0]
    assert (found["id"], found["matched"]) == (memory_id, "cue")


FOREIGN = [
    "今日の天気はどうですか", "Pythonでリストを並べ替える方法は", "冗談を言ってください",
    "今天天气怎么样", "写一首关于春天的诗", "再试一次", "วันนี้อากาศเป็นอย่างไร", "เขียนฟังก์ชันเรียงลำดับ",
    "ما هي عاصمة مصر؟", "اكتب قصيدة عن البحر", "आज मौसम कैसा है?", "एक कविता लिखो", "오늘 날씨 어때?", "농담 하나 해줘",
    "😀", "👍🏽",
]  # fmt: skip
IN_SCRIPTS = {
    "ja": ("会員データはPostgreSQLに置き、Excelからの取り込みは禁止", "会員データはどこに置きますか"),
    "zh": ("发布前必须先在测试环境运行导入脚本", "发布前要运行什么脚本"),
    "th": ("ไฟล์สำรองข้อมูลเก็บไว้บนเซิร์ฟเวอร์ชื่อเมฆ", "ไฟล์สำรองข้อมูลเก็บไว้ที่ไหน"),
    "ar": ("نسخ قاعدة البيانات تحفظ كل ليلة على الخادم القديم", "أين تحفظ نسخ قاعدة البيانات"),
    "hi": ("बैकअप हर रात पुराने सर्वर पर रखा जाता है", "बैकअप कहाँ रखा जाता है"),
    "ko": ("결제 실패는 세 번까지만 다시 시도한다", "결제 실패는 몇 번 다시 시도하나요"),
}


def test_scripts_that_the_model_does_not_know_are_searched_by_words(project):
    ids = dict(zip(IN_SCRIPTS, project.add(*(text for text, _ in IN_SCRIPTS.values())), strict=True))
    project.add(*NOTES)
    for language, (_, question) in IN_SCRIPTS.items():
        assert project.search(question)["results"][0]["id"] == ids[language], language
    brought = [prompt for prompt in FOREIGN if project.prompt(prompt)[0]]
    assert len(brought) <= len(FOREIGN) // 10, brought


def test_nothing_about_that_is_an_answer(notes, real_service):
    project, _ = notes
    query = "recipe for tomato soup"
    asked = {"query": query, "project": project.name}
    assert real_service.call("POST", "/search", asked)[1]["count"] == 5, "REST brings what was asked for"
    answer = project.search(query, only_relevant=True)
    assert (answer["results"], answer["withheld"]) == ([], 5)
    (item,) = real_service.call(
        "POST", f"/adapters/continue/context?project={project.name}", {"query": query, "fullInput": query}
    )[1]
    assert "Nothing is remembered about" in item["content"]
