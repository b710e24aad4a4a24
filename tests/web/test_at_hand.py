"""What one has in hand stays there: what was typed, where the focus is, what has come back."""

import re

import pytest

from tests.web.browsing import visited

pytestmark = pytest.mark.web

SOMEWHERE = "() => document.activeElement !== document.body"
HEADING = "() => document.activeElement.id === 'memory-title'"


def _text(visit):
    return visit.page.get_by_label("Text", exact=True)


def test_a_correction_that_was_not_saved_is_a_draft_wherever_one_goes(visit):
    first, second = (visit.add(f"draft of {name}", project="drafts") for name in ("one", "other"))
    visit.go(f"memories?project=drafts&id={first}&edit=correct")
    _text(visit).fill("half of a sen")
    visit.page.locator(f"[data-row='{second}']").click()
    visit.page.get_by_role("heading", name=f"Memory {second}").wait_for()
    assert "edit" not in visit.page.url
    visit.page.get_by_role("link", name="Analytics").click()
    visit.page.get_by_role("heading", name="Analytics").wait_for()
    visit.page.get_by_role("link", name="Memories", exact=True).click()
    visit.page.locator(f"[data-row='{first}']").click()
    visit.page.get_by_text("There is a draft of a correction").wait_for()
    visit.page.get_by_role("button", name="Go on with it").click()
    visit.page.get_by_text("This is a draft").wait_for()
    assert _text(visit).input_value() == "half of a sen"
    visit.page.get_by_role("button", name="Drop it").click()
    assert _text(visit).input_value() == "draft of one"
    visit.press("Escape")
    visit.page.get_by_text("There is a draft of a correction").wait_for(state="detached")


def test_what_another_has_changed_since_is_not_overwritten_by_a_draft_unseen(visit):
    number = visit.add("as it was", project="later")
    visit.go(f"memories?project=later&id={number}&edit=correct")
    _text(visit).fill("by a draft")
    visit.press("Escape")
    visit.service.call("PATCH", f"/memory/{number}", {"text": "by another"})
    visit.page.get_by_role("button", name="Go on with it").click()
    visit.press("Control+Enter")
    visit.page.get_by_text(re.compile("Somebody else has changed it")).wait_for()
    assert visit.service.call("GET", f"/memory/{number}")[1]["text"] == "by another"
    visit.press("Control+Enter")
    visit.said("Corrected.")
    visit.press("e")
    assert not visit.page.get_by_text("This is a draft").count()


def test_a_new_one_that_was_not_kept_is_a_draft_and_escape_leaves_the_form(visit):
    visit.go("memories?project=drafted")
    visit.press("n")
    _text(visit).fill("half of a new one")
    visit.page.get_by_label("Project").fill("elsewhere")
    visit.press("Escape")
    visit.page.get_by_role("heading", name="Memories").wait_for()
    visit.press("n")
    visit.page.get_by_text("This is a draft").wait_for()
    assert _text(visit).input_value() == "half of a new one"
    assert visit.page.get_by_label("Project").input_value() == "elsewhere"
    visit.press("Control+Enter")
    visit.said(re.compile("is kept"))
    visit.press("n")
    _text(visit).wait_for()
    assert _text(visit).input_value() == ""


RUNS = """async ([before, after]) => {
  const { runs } = await import("/ui/diff.js");
  const { diffWords } = await import("/ui/vendor/jsdiff/diff/word.js");
  return runs(diffWords(before, after)).map((one) => [one.kept, one.removed, one.added].join("|"));
}"""


def test_a_rewritten_sentence_is_compared_in_runs_that_can_be_read(visit):
    before = "Decision: we stay on PostgreSQL 14 for the shop database until the end of the year."
    after = "Decision: the shop database moves to PostgreSQL 16 in January; 14 is out of support."
    number = visit.add(before, project="runs")
    visit.go(f"memories?project=runs&id={visit.add(after, project='runs', supersedes=number)}")
    assert visit.page.evaluate(RUNS, [before, after]) == [
        "Decision: |we stay on PostgreSQL 14 for |",
        "the shop database |until the end of the year|moves to PostgreSQL 16 in January; 14 is out of support",
        ".||",
    ]
    removed = visit.page.locator(".history del", has_text="until")
    removed.wait_for()
    gap = removed.evaluate("one => one.nextSibling.nodeType === 3 && one.nextSibling.data")
    assert gap == " "


def test_after_what_is_done_to_a_memory_the_focus_is_somewhere(visit):
    number = visit.add("the focus lies here", project="focus", tags=["focused"])
    visit.add("and another", project="focus")
    visit.go(f"memories?project=focus&id={number}")
    visit.press("s")
    _text(visit).fill("the focus lies there")
    visit.press("Control+Enter")
    visit.said(re.compile(f"{number}"))
    visit.page.wait_for_function(HEADING)
    visit.press("z")
    visit.said(f"Memory {number} holds again.")
    visit.page.wait_for_function(SOMEWHERE)
    visit.press("x")
    visit.page.get_by_role("button", name="Move…").click()
    visit.page.get_by_label("Project", exact=True).fill("moved-there")
    visit.press("Enter")
    visit.said(re.compile("moved to moved-there"))
    visit.page.get_by_role("dialog").wait_for(state="detached")
    visit.page.wait_for_function(SOMEWHERE)


def test_after_names_are_put_in_order_the_focus_is_at_their_heading(browser, tmp_path):
    with visited(browser, tmp_path / "data") as visit:
        visit.add("one", project="here", tags=["old-tag"])
        visit.add("other", project="there")
        visit.go("projects")
        for name, to, says, title in (
            ("Rename old-tag", "new-tag", "new-tag", "tags-title"),
            ("Rename here", "there", "there", "projects-title"),
        ):
            visit.page.get_by_role("button", name=name).click()
            visit.page.get_by_label("New name").fill(to)
            visit.press("Enter")
            visit.said(re.compile(says))
            visit.page.get_by_role("button", name=name).wait_for(state="detached")
            visit.page.wait_for_function(f"() => document.activeElement.id === '{title}'")


def test_after_a_decision_and_its_undo_the_focus_is_at_what_is_to_be_decided(visit):
    for text in ("the kiosk opens at nine", "the kiosk opens at nine o'clock"):
        visit.add(text, project="kiosk")
    visit.go("review?queue=duplicates")
    forget = visit.page.get_by_role("button", name=re.compile("^Forget")).first
    forget.click()
    visit.said(re.compile("is forgotten"))
    visit.page.wait_for_function(SOMEWHERE)
    visit.page.get_by_role("button", name=re.compile("^Undo")).click()
    visit.said(re.compile("is back"))
    visit.page.wait_for_function(SOMEWHERE)


def test_what_comes_back_is_opened_and_named_however_it_is_undone(visit):
    ids = [visit.add(f"comes back {number}", project="back") for number in range(3)]
    visit.go(f"memories?project=back&id={ids[1]}")
    for undo in (lambda: visit.press("z"), lambda: visit.page.get_by_role("button", name="Undo").click()):
        visit.page.get_by_role("button", name=re.compile("^Forget")).click()
        visit.said(re.compile(f"Memory {ids[1]} is forgotten"))
        undo()
        visit.said(f"Memory {ids[1]} is back.")
        visit.page.get_by_role("heading", name=f"Memory {ids[1]}").wait_for()
        visit.page.wait_for_function(f"() => document.activeElement.dataset.row === '{ids[1]}'")


def test_where_nothing_is_there_are_ways_to_begin_and_where_something_is_it_is_counted(browser, tmp_path):
    with visited(browser, tmp_path / "data") as visit:
        visit.go("memories")
        for way in ("Add a memory", "Build a folder", "Connect an assistant"):
            visit.page.locator(".finding").get_by_role("link", name=way).wait_for()
        assert not visit.page.get_by_text("go through the list").count()
        visit.go("start")
        visit.page.get_by_text("Nothing is kept yet").wait_for()
        visit.add("one")
        visit.go("start")
        visit.page.get_by_text("1 memory is kept by now").wait_for()
