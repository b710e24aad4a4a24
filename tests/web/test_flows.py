"""Every screen in a real browser: in light, in dark and on a narrow display, by keyboard, and when things go wrong."""

import os
import re
from pathlib import Path

import pytest

from tests.running import closed_port
from tests.web.browsing import AXE, SCREENS, Visit, visited

pytestmark = pytest.mark.web

LOOKS = {
    "light": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
    "narrow-dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
    "wide": {"viewport": {"width": 3840, "height": 2160}, "color_scheme": "light"},
}
TEXTS = [
    "# Ledger\n\nThe ledger lies in **postgres 16**, not in redis.\n\n"
    "- one row per posting\n- `amount` in cents\n\n```sql\nSELECT 1;\n```",
    "Our API paginates with cursors, never with offsets.",
    "Uploads larger than 10 MB fail with 413 because of client_max_body_size.",
    "The deploy token is: password = hunter2hunter2",
]


def _filled(service):
    for place, text in enumerate(TEXTS):
        service.call(
            "POST", "/memory/add",
            {"text": text, "project": ("shop", "books")[place % 2], "tags": ["decision", "api"],
             "cues": ["adding an endpoint"],
             "source": "docs/notes.md", "metadata": {"ticket": f"A-{place}"}},
            {"FAISS-Memory-By": "hook"},
        )  # fmt: skip
    service.call(
        "POST",
        "/memory/add",
        {"text": "Our API has cursors of 100 rows.", "supersedes": 2, "project": "books"},
    )
    for prompt in ("How does the API paginate with cursors?", "what is for lunch"):
        event = {
            "hook_event_name": "UserPromptSubmit",
            "prompt": prompt,
            "session_id": prompt[:4],
            "cwd": "/tmp",
        }
        service.call("POST", "/adapters/claude-code/hook?project=books", event)
    service.call("POST", "/backup", {"label": "before the move"})


@pytest.mark.parametrize("look", LOOKS)
def test_every_screen_is_legible_and_accessible(browser, tmp_path, look):
    if not AXE.is_file():
        pytest.skip("no axe-core: `make web-check` installs it")
    shots = Path(os.environ.get("WEB_SHOTS", tmp_path))
    more = [
        "memories?q=API&id=5",
        "memories?id=1",
        "memories?id=1&edit=correct",
        "review?queue=superseded",
        "recall?project=books&prompt=How does the API paginate",
    ]
    with visited(browser, tmp_path / "data", options=LOOKS[look]) as visit:
        _filled(visit.service)
        found = []
        for address in (*SCREENS, *more):
            visit.go(address)
            visit.page.wait_for_timeout(300)
            found += [f"{address}: {one}" for one in visit.findings()]
            assert not visit.is_wide(), address
            visit.page.screenshot(path=shots / f"{look}-{re.sub(r'[^a-z0-9]+', '-', address.lower())}.png")
        for key in ("?", "Control+k"):
            visit.go()
            visit.press(key)
            visit.page.get_by_role("dialog").wait_for()
            found += [f"{key}: {one}" for one in visit.findings()]
        assert not found, "\n\n".join(found)


def test_everything_in_the_list_is_done_by_keyboard_alone(visit):
    ids = [visit.add(f"note {number} about keys", project="keys") for number in range(6)]
    visit.go("memories?project=keys")
    visit.press("j", "j")
    visit.page.wait_for_function(f"() => location.hash.includes('id={ids[-2]}')")
    visit.press("k")
    visit.page.wait_for_function(f"() => location.hash.includes('id={ids[-1]}')")
    visit.page.wait_for_function(f"() => document.activeElement.dataset.row === '{ids[-1]}'")
    visit.press("Enter")
    visit.page.wait_for_function("() => document.activeElement.closest('main') !== null")
    visit.press("x", "j", "x")
    visit.page.get_by_text("2 selected").wait_for()
    visit.page.get_by_role("button", name="Tag…", exact=True).focus()
    visit.press("Enter")
    visit.page.keyboard.type("kept, by hand")
    visit.press("Enter")
    visit.said(re.compile("2 memories tagged"))
    assert visit.service.call("GET", f"/memory/{ids[-1]}")[1]["tags"] == ["kept", "by hand"]
    visit.press("z")
    visit.said("As it was before.")
    assert visit.service.call("GET", f"/memory/{ids[-1]}")[1]["tags"] == []

    visit.press("?")
    visit.page.get_by_role("dialog").get_by_text("Supersede").wait_for()
    visit.press("Escape")
    visit.page.get_by_role("dialog").wait_for(state="detached")
    visit.press("Control+k")
    visit.page.keyboard.type("backu")
    visit.press("Enter")
    visit.page.get_by_role("heading", name="Backups").wait_for()
    assert visit.page.evaluate("document.activeElement.tagName") == "H1"
    visit.page.go_back()
    visit.page.get_by_role("heading", name=re.compile("^Memory ")).wait_for()

    visit.press("n")
    visit.page.get_by_label("Text", exact=True).wait_for()
    visit.page.keyboard.type("added by keyboard")
    visit.press("Control+Enter")
    visit.said(re.compile("is kept"))


def test_many_are_forgotten_and_come_back(visit):
    for number in range(4):
        visit.add(f"several {number}", project="several")
    visit.go("memories?project=several")
    visit.press("j", "x", "j", "x", "j", "x", "#")
    visit.said(re.compile("3 memories are forgotten"))
    assert visit.service.call("GET", "/memories?project=several")[1]["count"] == 1
    visit.press("z")
    visit.said("3 memories are back.")
    assert visit.service.call("GET", "/memories?project=several")[1]["count"] == 4


def test_a_purge_wants_a_typed_word_and_leaves_nothing(visit):
    number = visit.add("a secret of nobody's business", project="purged")
    visit.go(f"memories?project=purged&id={number}")
    visit.page.get_by_role("button", name="Purge…").click()
    act = visit.page.get_by_role("button", name="Purge", exact=True)
    assert act.is_disabled()
    visit.page.get_by_label(re.compile("Type .purge.")).fill("purge")
    act.click()
    visit.said(re.compile("nothing is left"))
    assert visit.service.call("GET", f"/memory/{number}")[0] == 404


def test_a_wrong_value_is_told_at_its_field(visit):
    number = visit.add("properties are JSON", project="fields")
    visit.go(f"memories?id={number}&edit=correct")
    visit.page.get_by_text("Properties", exact=True).click()
    visit.page.get_by_label("Properties, as JSON").fill("{not json")
    visit.press("Control+Enter")
    visit.page.get_by_text(re.compile("not JSON")).wait_for()
    assert visit.page.get_by_label("Properties, as JSON").get_attribute("aria-invalid") == "true"


def test_what_was_written_by_whom_is_picked_by_its_facet_and_reviewed(visit):
    for way in ("hook", "cli"):
        visit.service.call(
            "POST", "/memory/add", {"text": f"written by {way}", "project": "ways"}, {"FAISS-Memory-By": way}
        )
    visit.go("memories?project=ways")
    visit.page.get_by_role("button", name="the command line").click()
    visit.page.locator(".virtual").get_by_text("written by hook").wait_for(state="detached")
    visit.page.locator(".virtual").get_by_text("written by cli").wait_for()
    assert "by=cli" in visit.page.url
    visit.page.get_by_label("Search memories").fill("written")
    visit.page.get_by_role("status").get_by_text("1 memory found").wait_for()
    visit.go("review?queue=assistants")
    visit.page.get_by_role("article").get_by_text("written by hook").wait_for()


def test_a_change_in_one_tab_is_seen_in_the_other_and_not_overwritten_unseen(visit):
    number = visit.add("as it was", project="tabs")
    other = visit.tab()
    visit.go(f"memories?project=tabs&id={number}")
    visit.go(f"memories?project=tabs&id={number}&edit=correct", other)
    other.get_by_label("Text", exact=True).fill("by the other")
    visit.page.get_by_role("button", name="Correct").click()
    visit.page.get_by_label("Text", exact=True).fill("by the one")
    visit.press("Control+Enter")
    visit.said("Corrected.")
    other.get_by_role("button", name="Save").click()
    other.get_by_text(re.compile("Somebody else has changed it")).wait_for()
    assert visit.service.call("GET", f"/memory/{number}")[1]["text"] == "by the one"
    visit.service.call("POST", "/memory/add", {"text": "from elsewhere", "project": "tabs"})
    visit.page.locator(".virtual").get_by_text("from elsewhere").wait_for(timeout=15_000)


def test_a_backup_is_made_and_restored_with_a_question_before(browser, tmp_path):
    with visited(browser, tmp_path / "data") as visit:
        visit.add("kept")
        visit.go("backups")
        visit.page.get_by_role("button", name="Make a backup").click()
        visit.page.get_by_label("A note for you").fill("first")
        visit.press("Enter")
        visit.said(re.compile("holds 1 memory"))
        visit.add("too much")
        visit.service.call("PATCH", "/memory/1", {"text": "kept and corrected"})
        visit.go("backups")
        visit.page.get_by_role("button", name=re.compile("Restore manual")).click()
        dialog = visit.page.get_by_role("dialog")
        dialog.get_by_text("2 memories").wait_for()
        dialog.get_by_text("Added since: 1 memory will be gone").click()
        dialog.get_by_text("too much").wait_for()
        dialog.get_by_text("Changed since: 1 memory will be as it was").click()
        dialog.locator("del", has_text="and corrected").wait_for()
        dialog.get_by_text("Forgotten since: none").wait_for()
        if AXE.is_file():
            assert not visit.findings()
        visit.page.get_by_role("button", name="Restore", exact=True).click()
        visit.said(re.compile("Restored: 1 memory"))
        assert visit.service.call("GET", "/stats")[1]["total_memories"] == 1


def test_the_first_start_shows_three_ways_to_begin(browser, tmp_path):
    with visited(browser, tmp_path / "data") as visit:
        visit.page.goto(visit.origin)
        for way in ("Connect an assistant", "Build a folder", "Add one yourself"):
            visit.page.get_by_role("heading", name=way).wait_for()
        visit.page.get_by_role("button", name=re.compile("Copy: faiss-memory install")).click()
        visit.page.get_by_text("Copied").wait_for()
        notes = tmp_path / "notes"
        notes.mkdir()
        (notes / "one.md").write_text("# Ledger\n\nThe ledger lies in postgres.\n")
        visit.page.get_by_role("link", name="Choose a folder").click()
        visit.page.get_by_label("Files, folders or globs").fill(str(notes))
        visit.page.get_by_role("button", name="Build", exact=True).click()
        visit.page.get_by_text(re.compile("Files: 1 added")).wait_for()


def test_recall_says_why_a_note_did_not_come_and_what_another_bar_would_bring(browser, tmp_path):
    with visited(browser, tmp_path / "data", min_relevance="0.99") as visit:
        _filled(visit.service)
        visit.go("recall?project=books&prompt=How does the API paginate with cursors")
        visit.page.get_by_role("heading", name="Nothing would be shown").wait_for()
        visit.page.get_by_text("not relevant enough").first.wait_for()
        slider = visit.page.get_by_role("slider")
        slider.focus()
        visit.press("Home")
        visit.page.get_by_role("heading", name=re.compile("would be shown$")).get_by_text(
            re.compile(r"^\d")
        ).wait_for()
        words = visit.page.get_by_label("The exact words")
        words.get_by_text("> Our API has cursors of 100 rows").wait_for()
        assert words.inner_text().startswith("<faiss-memory-notes>\nPast notes")
        visit.page.get_by_role("button", name="As it is set").click()
        visit.page.get_by_role("heading", name="Nothing would be shown").wait_for()


def test_who_comes_with_the_token_is_let_in_until_the_log_out(browser, tmp_path):
    with visited(browser, tmp_path / "data", token="a-token-of-some-length") as visit:
        visit.page.goto(visit.origin)
        visit.page.get_by_label("Token").fill("wrong")
        visit.press("Enter")
        visit.page.get_by_role("alert").wait_for()
        visit.page.get_by_label("Token").fill("a-token-of-some-length")
        visit.press("Enter")
        visit.page.get_by_role("navigation", name="Screens").wait_for()
        assert "a-token" not in visit.page.evaluate(
            "JSON.stringify(localStorage) + document.cookie + location.href"
        )
        visit.go("add")
        visit.page.get_by_label("Text", exact=True).fill("written with a cookie")
        visit.press("Control+Enter")
        visit.said(re.compile("is kept"))
        visit.page.get_by_role("button", name="Log out").click()
        visit.page.get_by_label("Token").wait_for()
        # The browser itself says in its console that a request was answered 401.
        visit.wrong = [one for one in visit.wrong if "401" not in one]


def test_the_page_outlives_a_restart_of_the_service(browser, tmp_path):
    with closed_port() as port:
        pass
    with visited(browser, tmp_path / "data", port=str(port)) as visit:
        number = visit.add("it is still there")
        visit.go(f"memories?id={number}&edit=correct")
        visit.page.get_by_label("Text", exact=True).fill("typed before")
        visit.service.kill()
        visit.press("Control+Enter")
        visit.page.get_by_text("The service does not answer. It is asked again").wait_for()
        visit.service.start()
        visit.page.get_by_text("The service does not answer. It is asked again").wait_for(state="detached")
        assert visit.page.get_by_label("Text", exact=True).input_value() == "typed before"
        visit.press("Control+Enter")
        visit.said("Corrected.")
        visit.wrong = [one for one in visit.wrong if "ERR_" not in one]


def test_ten_thousand_are_in_the_list_and_few_in_the_document(browser, tmp_path):
    with visited(browser, tmp_path / "data", **{"limits.batch": "2000"}) as visit:
        for part in range(5):
            batch = [
                {"text": f"note {part * 2000 + number} of many", "project": "many"} for number in range(2000)
            ]
            assert visit.service.call("POST", "/memory/add-batch", {"memories": batch})[0] == 201
        visit.go("memories?project=many")
        rows = visit.page.locator(".memory-row")
        rows.first.wait_for()
        visit.page.wait_for_function(
            "() => { const box = document.querySelector('.virtual'); box.scrollTop = box.scrollHeight;"
            " return box.innerText.includes('note 0 of many'); }",
            timeout=120_000,
        )
        assert rows.count() < 60


def test_a_page_that_nobody_sees_asks_for_nothing(visit):
    visit.go()
    visit.page.evaluate(
        "() => { Object.defineProperty(document, 'visibilityState', {value: 'hidden'});"
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    asked = []
    visit.page.on("request", lambda request: asked.append(request.url))
    visit.page.wait_for_timeout(9000)
    assert asked == []


@pytest.mark.parametrize("width", [390, 1280, 1440])
def test_what_is_known_of_a_memory_is_not_cut_off_in_the_list(browser, running, width):
    visit = Visit(browser, running, viewport={"width": width, "height": 900})
    visit.add(
        "short", project="a-project-with-a-rather-long-name", tags=["a-long-tag", "another-long-tag", "third"]
    )
    visit.add("a note with facts", project="facts", tags=["decision", "api"])
    for address in ("memories", "memories?q=note with facts"):
        visit.go(address)
        visit.page.locator(".row-facts").first.wait_for()
        over = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.innerText)"
        assert visit.page.locator(".memory-row .row-facts").evaluate_all(over) == []
        assert not visit.page.get_by_text("0% likely", exact=True).count()
    visit.close()


def test_light_and_dark_are_chosen_and_kept(visit):
    visit.go()
    visit.page.get_by_role("button", name="Dark").click()
    visit.page.wait_for_function("() => document.documentElement.dataset.theme === 'dark'")
    visit.page.reload()
    visit.page.wait_for_function("() => document.documentElement.dataset.theme === 'dark'")
