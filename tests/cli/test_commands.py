"""Every command against a running service, through pipes and at a terminal."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.stub import stub

LONG = (
    "Words that say nothing much. " * 60
    + "The zebra crossing is painted blue. "
    + "And so it goes on. " * 60
    + "The end."
)


# Adding.


def test_words_are_joined_and_stored_with_all_that_was_given(repository, running):
    ended = repository(
        "add", "We", "chose", "zebra", "--source", "a.md", "-t", "x", "--tag", "y", "--metadata", "n=5",
        "--metadata", "team=web", "--metadata", 'list=["a"]', "--metadata", "odd=NaN", "--timestamp", "2026-02-12",
    )  # fmt: skip
    found = re.fullmatch(r"Memory (\d+) added to project (\S+)\n", ended.out)
    assert (ended.code, ended.err, found[2]) == (0, "", repository.project)
    memory = running.call("GET", f"/memory/{found[1]}")[1]
    assert memory["text"] == "We chose zebra"
    assert (memory["source"], memory["tags"], memory["project"]) == ("a.md", ["x", "y"], found[2])
    assert memory["metadata"] == {"n": 5, "team": "web", "list": ["a"], "odd": "NaN"}
    assert memory["timestamp"].startswith("2026-02-12T00:00:00")


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_a_text_is_read_from_standard_input(repository, running, arguments):
    id = repository.added(*arguments, input="first line\nsecond line — ü\n")
    assert running.call("GET", f"/memory/{id}")[1]["text"] == "first line\nsecond line — ü"


def test_words_win_over_standard_input(repository, running):
    assert running.call("GET", f"/memory/{repository.added('words', input='piped')}")[1]["text"] == "words"


@pytest.mark.parametrize("name", ["add", "search", "is-novel"])
def test_without_a_text_it_is_said_that_one_is_missing(cli, name):
    for ended in (cli(name, input=""), cli(name, input=" \n"), cli.seen(name)):
        assert ended.code == 2
        assert "is missing" in ended.out + ended.err


def test_standard_input_must_be_text(cli):
    ended = cli("add", input=b"\xff\xfe")
    assert ended.code == 2
    assert "standard input is not UTF-8" in ended.err
    assert cli("add", b"\xff".decode(errors="surrogateescape")).code in (1, 2)


def test_a_twin_is_not_added_if_only_news_is_wanted(repository):
    id = repository.added("the gate opens at nine")
    ended = repository("add", "--if-novel", "0.9", "the gate opens at nine")
    assert (ended.code, ended.out.splitlines()[0][:13]) == (0, "Nothing added")
    assert ended.out.splitlines()[1].split("\t") == [str(id), "1.0", "", "the gate opens at nine"]
    assert "this is known" in repository.seen("add", "--if-novel", "0.9", "the gate opens at nine").shown


def test_a_newer_memory_replaces_an_older_one(repository):
    old = repository.added("the port is 1")
    new = repository.added("--supersedes", old, "the port is 2")
    assert [row[0] for row in repository("list").rows] == [str(new)]
    assert [row[0] for row in repository("list", "--include-superseded").rows] == [str(new), str(old)]
    history = repository("show", new, "--history").rows
    assert [value for name, value in history if name == "text"] == ["the port is 2", "the port is 1"]


def test_a_retry_with_the_same_key_changes_nothing(repository):
    assert repository.added("once", "--idempotency-key", "k1") == repository.added(
        "once", "--idempotency-key", "k1"
    )


def test_at_a_terminal_it_is_said_where_it_went(repository):
    ended = repository.seen("add", "a few words")
    assert ended.code == 0
    assert re.fullmatch(r"Memory \d+ added to project \S+\n", ended.shown)
    assert "\x1b[32m" in ended.out
    assert "\x1b[32m" not in repository.seen("add", "a few words", NO_COLOR="1").out


# Searching.


def test_what_was_added_is_found_a_line_for_each(repository):
    project = repository.project
    id = repository.added("amounts are integer cents", "--source", "a.md", "-t", "money")
    repository.added("nothing of the kind")
    ended = repository("search", "integer", "cents")
    row = ended.rows[0]
    assert (row[0], row[3], row[4], row[6], row[7]) == (
        str(id),
        project,
        "a.md",
        "money",
        "amounts are integer cents",
    )
    assert 0 < float(row[1]) <= 1
    assert 0 <= float(row[2]) <= 1
    assert f"in projects {project}, default (hybrid" in ended.err
    assert repository("search", "-k", "1", input="integer cents").rows[0][0] == str(id)


def test_a_search_takes_the_options_of_the_api(repository):
    id = repository.added("zebra one", "-t", "a", "-t", "b", "--source", "docs/x.md", "--metadata", "n=1",
               "--timestamp", "2025-06-01")  # fmt: skip
    repository.added("zebra two", "-t", "a", "--source", "y.md", "--timestamp", "2026-06-01")
    narrow = [
        ["-t", "a", "-t", "b", "--tags-mode", "all"], ["--source", "docs/*"], ["--metadata", "n=1"],
        ["--before", "2026-01-01"], ["--after", "2025-01-01", "--before", "2025-12-31T00:00:00Z"],
    ]  # fmt: skip
    project = repository.project
    for options in narrow:
        assert [row[0] for row in repository("search", "zebra", "-p", project, *options).rows] == [str(id)], (
            options
        )
    assert len(repository("search", "zebra", "-p", project).rows) == 2
    assert repository("search", "zebra", "-p", project, "--mode", "keyword", "-k", "1").rows != []
    ended = repository("search", "zebra", "-p", project, "--min-relevance", "1")
    assert "Nothing about that found" in ended.err
    assert "2 memories that hardly fit" in ended.err
    assert repository("search", "elephants", "-p", project, "--threshold", "0.99").rows == []
    assert len(repository("search", "zebra", "-p", project, "--threshold", "0").rows) == 2


def test_projects_are_those_given_or_the_repositorys_and_the_shared_one(repository, tmp_path):
    project = repository.project
    marker = f"marker{project[-12:]}"
    for name in (project, "default", "elsewhere"):
        repository.added(f"{marker} of {name}", "-p", name)

    def found(*options, **how):
        rows = repository("search", marker, *options, "--mode", "keyword", **how).rows
        return sorted(
            row[3] for row in rows if row[-1].startswith(f"{marker} of ")
        )  # others share parts of the word

    assert found() == ["default", project]
    assert found("-p", "elsewhere") == ["elsewhere"]
    assert set(found("-p", "elsewhere", "-p", project)) == {"elsewhere", project}
    assert {project, "default", "elsewhere"} <= set(found("-p", "*", "-k", "50"))
    assert found(folder=tmp_path) == ["default"]
    below = repository.folder / "a" / "b"
    below.mkdir(parents=True)
    assert set(found(folder=below)) == {project, "default"}


def test_at_a_terminal_a_search_is_a_table_that_shows_what_matched(repository):
    project = repository.project
    repository.added(LONG, "--source", "zoo.md", "-t", "street", "-p", project)
    ended = repository.seen("search", "zebra", "crossing", "-p", project, width=130)
    assert ended.code == 0
    head, *rest = ended.shown.splitlines()
    assert head.split() == ["id", "similar", "chance", "project", "source", "when", "tags", "text"]
    assert "The zebra crossing is painted blue" in re.sub(r"\s+", " ", ended.shown)
    assert len(ended.shown) < len(LONG)
    assert max(map(len, rest)) <= 130
    assert "just now" in ended.shown
    assert f"1 memory found in project {project} (hybrid" in ended.shown
    assert "\x1b[1;33mzebra" in ended.out
    plain = repository("search", "zebra", "-p", project)
    assert plain.rows[0][7] == LONG


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_a_table_fits_the_terminal_and_shows_the_text(repository, width):
    project = repository.project
    repository.added(
        "the quick brown fox",
        "--source",
        "a/long/path/to/a/file.md",
        "-t",
        "animal",
        "-p",
        project,
    )
    for command in (["list"], ["search", "fox"]):
        shown = repository.seen(*command, "-p", project, width=width).shown
        assert all(len(line) <= width for line in shown.splitlines())
        assert all(word in shown for word in ("quick", "brown", "fox"))


def test_nothing_but_what_was_given_is_sent(alone):
    answer = {
        "results": [],
        "count": 0,
        "mode": "hybrid",
        "project": "default",
        "took_ms": 1,
        "withheld": 0,
        "query": "x",
    }
    with stub(lambda *_: (200, answer)) as service:
        alone("search", "x", "--url", service.url)
        alone("search", "x", "--threshold", "0", "--min-relevance", "0", "--url", service.url)
        alone("search", "x", "-p", "a", "-p", "a", "--after", "2026-01-01", "--url", service.url)
    assert [body for _, _, body, _ in service.asked] == [
        {"query": "x", "only_relevant": True},
        {"query": "x", "only_relevant": True, "threshold": 0, "min_relevance": 0},
        {"query": "x", "only_relevant": True, "project": ["a"], "after": "2026-01-01T00:00:00"},
    ]


# Listing, showing, tags, projects.


def test_a_list_goes_on_page_after_page(repository, running):
    project = repository.project
    memories = [{"text": f"memory {n}", "project": project} for n in range(1000)]
    running.call("POST", "/memory/add-batch", {"memories": memories})
    repository.added("the last one")
    assert len(repository("list").rows) == 50
    ended = repository("list", "--limit", "3", "--order", "oldest")
    assert [row[5] for row in ended.rows] == ["memory 0", "memory 1", "memory 2"]
    assert "there are more: --limit or --all shows them" in ended.err
    ended = repository("list", "--all")
    assert [row[5] for row in ended.rows] == [
        "the last one",
        *(f"memory {n}" for n in reversed(range(1000))),
    ]
    assert f"1,001 memories in project {project}\n" == ended.err
    assert len(repository("list", "--limit", "1001").rows) == 1001
    everything = json.loads(repository("list", "--all", "--json").out)
    assert (everything["count"], len(everything["memories"]), everything["next_cursor"]) == (1001, 1001, None)
    assert json.loads(repository("list", "--limit", "1", "--json").out)["next_cursor"]
    assert "memory 999" in repository.seen("list", "--limit", "2").shown


def test_a_list_can_be_narrowed(repository):
    id = repository.added("alpha beta", "-t", "a", "--source", "docs/x.md", "--timestamp", "2025-06-01")
    repository.added("gamma")
    for options in (["-t", "a"], ["--source", "docs/*"], ["-q", "ALPHA"], ["--before", "2025-06-02"]):
        assert [row[0] for row in repository("list", *options).rows] == [str(id)], options
    ended = repository("list", "-q", "delta")
    assert (ended.code, ended.out) == (0, "")
    assert "No memories in project" in ended.err
    assert str(id) in {row[0] for row in repository("list", "-p", "*", "--all").rows}


def test_a_memory_is_shown_in_full(repository):
    id = repository.added(LONG, "--source", "a.md", "-t", "x", "--metadata", "n=1")
    row = dict(repository("show", id).rows)
    assert (row["id"], row["text"], row["tags"]) == (str(id), LONG, "x")
    assert (row["metadata"], row["superseded by"]) == ('{"n": 1}', "")
    ended = repository.seen("show", id)
    assert LONG in " ".join(ended.shown.split())
    assert "superseded by" not in ended.shown
    assert json.loads(repository("show", id, "--json").out)["id"] == id


def test_cues_are_shown_a_line_each(repository):
    id = repository.added("alpha", "--cue", "adding a migration", "--cue", "an upload fails, with 413")
    assert [row[1] for row in repository("show", id).rows if row[0] == "cue"] == [
        "adding a migration",
        "an upload fails, with 413",
    ]
    assert "an upload fails, with 413" in repository.seen("show", id).shown


def test_memories_without_cues_are_listed_the_newest_first(repository):
    first = repository.added("alpha")
    repository.added("beta", "--cue", "when beta is meant")
    last = repository.added("gamma")
    assert [row[0] for row in repository("cues").rows] == [str(last), str(first)]
    assert [row[0] for row in repository("cues", "--limit", "1").rows] == [str(last)]
    assert json.loads(repository("cues", "--json").out)["count"] == 2
    everywhere = {row[0] for row in repository("cues", "-p", "*", "--all").rows}
    assert {str(first), str(last)} <= everywhere


def test_tags_and_projects_are_counted(repository):
    project = repository.project
    repository.added("one", "-t", "a", "-t", "b")
    repository.added("two", "-t", "a")
    ended = repository("tags")
    assert (ended.rows, ended.err) == ([["a", "2"], ["b", "1"]], f"2 tags in project {project}\n")
    assert ["a", "2"] not in repository("tags", "-p", "nowhere").rows
    assert {"a", "b"} <= {row[0] for row in repository("tags", "-p", "*").rows}
    shown = repository.seen("tags").shown
    assert re.search(r"^a +2 *$", shown, re.MULTILINE)
    rows = {row[0]: row[1] for row in repository("projects").rows}
    assert rows[project] == "2"
    assert f"this folder belongs to {project}" in repository.seen("projects").shown
    assert project in [
        entry["name"] for entry in json.loads(repository("projects", "--json").out)["projects"]
    ]


# News, figures, backups.


def test_whether_a_text_is_news_is_told_by_the_exit_code(repository):
    repository.added("the gate opens at nine")
    known = repository("is-novel", "the gate opens at nine")
    assert (known.code, known.out.splitlines()[0]) == (5, "This is known.")
    assert known.out.splitlines()[1].endswith("the gate opens at nine")
    news = repository("is-novel", input="a giraffe has seven neck bones\n")
    assert (news.code, news.out.splitlines()[0]) == (0, "This is new.")
    assert f"Compared with projects {repository.project}, default" in news.err
    assert repository("is-novel", "the gate opens at ten", "--threshold", "0.5").code == 5
    assert repository("is-novel", "the gate opens at ten", "--threshold", "1").code == 0
    ended = repository("is-novel", "the gate opens at nine", "--json")
    assert (ended.code, json.loads(ended.out)["is_novel"], ended.err) == (5, False, "")
    ended = repository.seen("is-novel", "the gate opens at nine")
    assert (ended.code, "This is known." in ended.shown) == (5, True)


def test_figures_are_a_line_each(repository):
    project = repository.project
    repository.added("one")
    rows = dict(repository("stats", "-p", project).rows)
    assert (rows["memories"], rows["model ready"], rows[f"project {project}"]) == ("1", "yes", "1")
    assert int(dict(repository("stats").rows)["memories"]) >= 1
    assert "1 memory" in repository.seen("stats", "-p", project).shown
    assert json.loads(repository("stats", "--json").out)["dimension"] == 64
    ended = repository("stats", "-p", "nowhere")
    assert (ended.code, ended.err) == (1, "faiss-memory: there is no project `nowhere`\n")


def test_the_health_says_where_the_service_is(cli, running):
    rows = dict(cli("health").rows)
    assert (rows["status"], rows["model"]) == ("ok", "ready")
    assert rows["address"] == f"http://127.0.0.1:{running.port}"
    assert "ok" in cli.seen("health").shown
    assert json.loads(cli("health", "--json").out)["status"] == "ok"


def test_a_backup_is_made(cli, running):
    ended = cli("backup", "--label", "before the move")
    name = re.match(r"Backup (manual_\S+) made: [\d,]+ memor", ended.out)[1]
    assert "to restore it" in ended.err
    assert (running.data / "backups" / name / "base.db").exists()
    assert "before the move" in (running.data / "backups" / name / "manifest.json").read_text()
    assert "Backup manual_" in cli.seen("backup").shown
    assert json.loads(cli("backup", "--json").out)["success"]


# What the person's own machine says.


def test_plugins_are_listed_without_the_service(alone, tmp_path):
    rows = {row[0]: row[1:] for row in alone("plugins").rows}
    assert rows["activity"][0] == "faiss-memory"
    assert rows["activity"][2:] == ["in use", "faiss_memory_plugins.activity:Activity"]
    rows = {row[0]: row for row in alone("plugins", FAISS_MEMORY_PLUGINS_DISABLED="activity,gone").rows}
    assert (rows["activity"][3], rows["generic"][3]) == ("disabled", "in use")
    ended = alone.seen("plugins", FAISS_MEMORY_PLUGINS_DISABLED="activity,gone")
    assert "`gone` is disabled in the settings, but there is no such plugin" in ended.shown
    found = json.loads(alone("plugins", "--json", FAISS_MEMORY_PLUGINS_DISABLED="activity").out)["plugins"]
    assert {"activity": True, "generic": False}.items() <= {
        each["name"]: each["disabled"] for each in found
    }.items()


def test_the_version_is_printed(alone):
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", alone("version").out)
    assert json.loads(alone("version", "--json").out)["version"] == alone("version").out.strip()
    assert alone.seen("version").shown == alone("version").out
