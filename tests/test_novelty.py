"""What is news: nearly the same text with another value is, a paraphrase is not. The model is the real one."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given, settings, strategies as st

from faiss_memory.novelty.differences import differences

CORRECTIONS = [
    ("Do not use tabs here", "Do use tabs here"),
    ("The flag new_checkout is off", "The flag new_checkout is on"),
    ("The release is on the 16th of March", "The release is on the 15th of March"),
    ("Meeting on 2026-02-21", "Meeting on 2026-02-20"),
    ("The server listens on port 8081", "The server listens on port 8080"),
    ("Fixed ABC-1007 by retrying", "Fixed ABC-1001 by retrying"),
    ("id 6f9619ff-8b86-d011-b42d-00c04fc964fe", "id 6f9619ff-8b86-d011-b42d-00c04fc964ff"),
    ("set LOG_LEVEL to debug", "set LOG_LEVEL to DEBUG"),
    ("ใช้ฐานข้อมูลใหม่", "ใช้ฐานข้อมูลเก่า"),
    ("Use == for comparison", "Use === for comparison"),
    ("Retry at most 3 times", "Retry at least 3 times"),
    ("Timeout is 30 minutes", "Timeout is 30 seconds"),
    ("Timeout is 30ms", "Timeout is 30s"),
    ("Never deploy on Mondays", "Never deploy on Fridays"),
    ("The cache is Memcached now", "The cache is Redis now"),
    ("copy data from staging to production", "copy data from production to staging"),
    ("Use version 2.1.0 of the client", "Use version 2.0.1 of the client"),
    ("Use version 2.1 of the client", "Use version 2.10 of the client"),
    ("Prefer spaces to tabs", "Prefer tabs to spaces"),
    ("deploys go to prod first", "deploys go to staging first"),
    ("We don't review docs", "We review docs"),
    ("The status is 🔴", "The status is 🟢"),
    ("Alice owns billing", "Bob owns billing"),
    ("The path is /etc/app/conf.d", "The path is /etc/app/conf"),
    ("run with --no-verify", "run with --verify"),
    ("Uninstall the agent first", "Install the agent first"),
    ("if x <= 3 retry", "if x >= 3 retry"),
    ("the limit is two hours", "the limit is three hours"),
    ("The budget is $12,500", "The budget is $12,000"),
    ("paging uses offset", "paging uses cursors"),
    ("数据库使用九号端口", "数据库使用八号端口"),
    ("set acks=1", "set acks=all"),
    ("the field userId is required", "the field userID is required"),
    ("Sign with RS256", "Sign with HS256"),
    ("the job runs at 03:00 UTC", "the job runs at 04:00 UTC"),
    ("the header is X-Request-Id", "the header is X-Trace-Id"),
    ("cookies are SameSite=Lax", "cookies are SameSite=Strict"),
    ("we support python 3.12", "we support python 3.11"),
    ("the region is eu-west-1", "the region is eu-west-2"),
    ("temperature is 0.2", "temperature is 0.7"),
    ("the color is teal", "the color is mauve"),
    ("The limit is one hour", "The limit is two hours"),
    ("At 3 pm the backup starts", "The backup starts at 3 am"),
    ("On 2026-05-03 the certificate expires", "The certificate expires on 2026-03-05"),
    ("March 5 is when it expires", "It expires on May 3"),
    ("Use yarn to install the app", "The app is installed with bun"),
    ("Start it with --strict", "Use --fast to start it"),
    ("Oslo is where the team sits", "The team sits in Lisbon"),
    ("The app used to keep its data in Kafka", "The app keeps its data in Kafka"),
    ("Retrying is disabled in the app", "The app is retrying"),
    ("In development we run the staging cluster", "The staging cluster runs in staging"),
    ("The shipping tracker was released in May", "The checkout form was released in May"),
    ("Carla approves releases", "Releases are approved by nobody"),
]
"""What a person writes who corrects a memory, and the memory."""
PARAPHRASES = [
    ("We use PostgreSQL 15 in production", "Production runs on PostgreSQL 15"),
    ("The API listens on port 8080", "Port 8080 is what the API listens on"),
    ("Never deploy on Fridays", "Do not deploy on a Friday"),
    ("Tests are run with pytest", "We run our tests with pytest"),
    ("Use UTC everywhere", "All times are in UTC"),
    (
        "Authentication uses JWT tokens that expire after 15 minutes",
        "JWT tokens with a lifetime of 15 minutes are used for authentication",
    ),
    ("Amounts are stored in integer cents", "We store money as integer cents"),
    ("The release is on March 15", "The release date is the 15th of March"),
    ("Feature flags live in config/flags.yaml", "config/flags.yaml is where the feature flags are kept"),
    ("Logs go to stdout as JSON", "We log JSON to stdout"),
    ("Postgres is our main database", "Our primary database is PostgreSQL"),
    ("Retry failed webhooks five times", "Failed webhooks are retried 5 times"),
    ("We decided to use Redis for caching", "Redis was chosen as our cache"),
    ("Squash merges only", "Always squash when merging"),
    ("Don't use tabs", "Never use tabs"),
    ("Use spaces for indentation, not tabs", "Indent with spaces instead of tabs"),
    ("The staging server is restarted nightly", "Staging gets restarted every night"),
    ("Every pull request needs two approvals", "PRs require 2 approvals"),
    ("Error messages must name the field", "An error message always names the field"),
    ("The frontend is written in TypeScript with React", "React and TypeScript are used for the frontend"),
    ("Backups run every day at 03:00", "We back up daily at 3:00"),
    ("API keys are rotated every 90 days", "We rotate the API keys every 90 days"),
    ("Images are resized before they are uploaded", "Before upload, images are resized"),
    ("Secrets are kept in Vault", "Vault holds our secrets"),
    ("Dates are formatted as ISO 8601", "ISO 8601 is our date format"),
    ("The rate limit is 100 requests per minute", "We allow 100 requests per minute"),
    ("Migrations are run by the deploy job", "The deploy job runs the migrations"),
    ("We moved from Jenkins to GitHub Actions", "CI was moved from Jenkins to GitHub Actions"),
    ("Kafka is used for events", "We send events through Kafka"),
    ("Users are soft deleted", "We soft delete users"),
    ("Run make lint before you push", "Before pushing, run make lint"),
    ("The session cookie is HttpOnly", "Session cookies are set as HttpOnly"),
    ("Prefer composition over inheritance", "Composition is preferred to inheritance"),
    ("The mobile app supports iOS 15 and later", "iOS 15 is the oldest version that the app supports"),
    ("Search is powered by Elasticsearch", "We use Elasticsearch for search"),
    ("Do not log personal data", "Personal data must not be logged"),
    ("The default timeout is 30 seconds", "By default requests time out after 30 s"),
    ("Uploads larger than 10 MB are rejected", "We reject uploads over 10MB"),
    (
        "Deployments need approval by the on-call engineer",
        "The on-call engineer has to approve each deployment",
    ),
    ("Use environment variables for configuration", "Configuration comes from environment variables"),
    ("At 8pm the backup starts", "The backup starts at 20:00"),
    ("Sessions last forty-two minutes", "A session lasts 42 min"),
    ("It expires on 2026-03-05", "It expires on the fifth of March 2026"),
    ("It alerts at 72 %", "It alerts at 72 percent"),
    ("The limit is 16GB", "The limit is 16 GB"),
    ("The flag is off", "The flag is disabled"),
    ("Redis is used to cache sessions", "We use Redis to cache sessions"),
    ("Ask Carla before you deploy", "Before you deploy, ask Carla"),
]

SENTENCES = [
    "The ledger service listens on {} in the data centre",
    "We decided to set the limit to {} for every tenant",
    "Set {} before the nightly job is started by the scheduler",
]
VALUES = {
    "number": st.integers(2, 99_999).map(str),
    "version": st.tuples(*[st.integers(0, 30)] * 3).map(lambda parts: "v" + ".".join(map(str, parts))),
    "ticket": st.integers(100, 9_999).map(lambda number: f"PAY-{number}"),
    "date": st.dates().map(lambda day: day.isoformat()),
    "uuid": st.uuids().map(str),
    "path": st.text("abcdef", min_size=3, max_size=6).map(lambda name: f"/srv/{name}/current"),
    "flag": st.text("abcdefgh", min_size=3, max_size=8).map(lambda name: f"--{name}-mode"),
    "name": st.text("abcdefgh", min_size=4, max_size=8).map(lambda name: f"user_{name}"),
}


@pytest.mark.parametrize(("new", "old"), CORRECTIONS)
def test_what_corrects_a_memory_differs_from_it(new, old):
    assert differences(new, old)
    assert differences(old, new)


def test_paraphrases_differ_in_nothing_that_tells_apart():
    known = [pair for pair in PARAPHRASES if not differences(*pair)]
    assert len(known) >= 0.9 * len(PARAPHRASES)


@pytest.mark.parametrize("kind", VALUES)
@given(st.data())
@settings(max_examples=30)
def test_another_value_tells_two_sentences_apart(kind, data):
    one, other = data.draw(VALUES[kind]), data.draw(VALUES[kind])
    sentence = data.draw(st.sampled_from(SENTENCES))
    found = differences(sentence.format(one), sentence.format(other))
    assert bool(found) == (one != other), (one, other)


@given(st.text(), st.text())
@settings(max_examples=100)
def test_any_texts_can_be_compared(one, other):
    assert differences(one, one) == []
    assert all(isinstance(word, str) and word for word in differences(one, other))


def test_differences_are_named_with_what_they_replace():
    assert differences("It listens on 8081", "It listens on 8080") == ["8081, not 8080"]
    assert differences("Do not use tabs", "Do use tabs") == ["not"]
    assert differences("The flag is off", "The flag is on") == ["off, not on"]


@pytest.fixture
def project():
    return f"novelty-{uuid.uuid4().hex[:12]}"


def add(service, project, text, **fields):
    status, answer = service.call("POST", "/memory/add", {"text": text, "project": project, **fields})
    assert status in (200, 201), answer
    return answer


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Do use tabs here", "Do not use tabs here"),
        ("The flag new_checkout is on", "The flag new_checkout is off"),
        ("The release is on the 15th of March", "The release is on the 16th of March"),
        ("The server listens on port 8080", "The server listens on port 8081"),
        ("Fixed ABC-1001 by retrying the upload", "Fixed ABC-1007 by retrying the upload"),
        ("set LOG_LEVEL to DEBUG", "set LOG_LEVEL to debug"),
        ("ใช้ฐานข้อมูลเก่า", "ใช้ฐานข้อมูลใหม่"),
    ],
)
def test_a_correction_is_stored_and_says_what_differs(real_service, project, old, new):
    first = add(real_service, project, old)
    answer = add(real_service, project, new, if_novel=0.85)
    assert answer["success"]
    assert answer["differs_in"]
    assert answer["closest_match"]["id"] == first["id"]
    assert f'"supersedes": {first["id"]}' in answer["message"]
    again = add(real_service, project, new, if_novel=0.85)
    assert not again["success"]
    assert again["closest_match"]["id"] == answer["id"]


def test_is_novel_keeps_its_threshold_and_says_what_differs(real_service, project):
    add(real_service, project, "The server listens on port 8080")
    body = {"text": "The server listens on port 8081", "project": project, "threshold": 0.85}
    status, answer = real_service.call("POST", "/memory/is-novel", body)
    assert status == 200
    assert answer["is_novel"] is False
    assert answer["differs_in"] == ["8081, not 8080"]


def test_of_a_batch_each_counts_for_those_after_it(real_service, project):
    texts = ["Port 8080 is for the API", "Port 8081 is for the API", "Port 8081 is for the API"]
    memories = [{"text": text, "project": project, "if_novel": 0.85} for text in texts]
    status, answer = real_service.call("POST", "/memory/add-batch", {"memories": memories})
    assert status == 201
    assert [memory_id is not None for memory_id in answer["ids"]] == [True, True, False]


def test_most_paraphrases_above_the_threshold_are_known(real_service, project):
    memories = [{"text": old, "project": project} for old, _ in PARAPHRASES[:20]]
    status, _ = real_service.call("POST", "/memory/add-batch", {"memories": memories})
    assert status == 201
    known = []
    for _, new in PARAPHRASES[:20]:
        body = {"text": new, "project": project, "threshold": 0.8}
        _, novel = real_service.call("POST", "/memory/is-novel", body)
        if not novel["is_novel"]:
            known.append("differs_in" not in novel)
    assert len(known) >= 10
    assert sum(known) >= 0.8 * len(known)
