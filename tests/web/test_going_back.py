"""Going back to a state of before, and to the state that was left for it."""

import re

import pytest

from tests.web.browsing import visited

pytestmark = pytest.mark.web


@pytest.fixture
def visit(browser, tmp_path):
    with visited(browser, tmp_path / "data") as visit:
        yield visit


def _texts(visit):
    return {one["text"] for one in visit.service.call("GET", "/memories?project=*")[1]["memories"]}


def _restore(visit, name):
    visit.page.get_by_role("button", name=f"Restore {name}", exact=True).click()
    visit.page.get_by_role("button", name="Restore", exact=True).click()


def test_after_a_restore_one_is_at_its_result_and_comes_back_to_the_state_before(visit):
    old = visit.add("the ledger lies in mysql")
    name = visit.service.call("POST", "/backup")[1]["backup"]
    visit.add("the ledger lies in postgres", supersedes=old)
    visit.go("backups?part=forgotten")
    visit.page.locator("#forgotten-title:focus").wait_for()
    for way in ("Go back to the state before", re.compile("^Undo")):
        visit.page.get_by_role("button", name=f"Restore {name}", exact=True).click()
        visit.page.get_by_text("Added since: 1 memory will be gone").click()
        visit.page.get_by_text(f"Memory {old}, which it supersedes, will hold again.").wait_for()
        visit.page.get_by_role("button", name="Restore", exact=True).click()
        visit.said(re.compile("Restored: 1 memory"))
        visit.page.locator(".note:focus", has_text="Restored: 1 memory").wait_for()
        visit.page.wait_for_load_state("networkidle")
        assert visit.page.locator(".note:focus").count()
        assert _texts(visit) == {"the ledger lies in mysql"}
        visit.page.get_by_role("button", name=way).click()
        visit.said("As it was before: 2 memories.")
        assert _texts(visit) == {"the ledger lies in postgres"}


def test_the_state_before_is_that_of_then_after_several_restores_too(visit):
    names = []
    for text in ("one", "other"):
        visit.add(text)
        names.append(visit.service.call("POST", "/backup", {"label": text})[1]["backup"])
    number = visit.add("third")
    visit.service.call("DELETE", f"/memory/{number}")
    visit.go("backups")
    for name, texts in ((names[0], {"one"}), (names[1], {"one", "other"})):
        _restore(visit, name)
        visit.said(re.compile(f"Restored: {len(texts)} memor"))
        visit.page.get_by_role("dialog").wait_for(state="detached")
        assert _texts(visit) == texts
    visit.press("z")
    visit.said("As it was before: 1 memory.")
    assert _texts(visit) == {"one"}


def test_how_far_back_one_can_go_is_said_before_one_types_and_when_it_is_too_far(visit):
    visit.go("backups")
    visit.page.get_by_text("No write has made a backup yet.").wait_for()
    assert visit.page.get_by_role("button", name="Go back…").is_disabled()
    visit.add("the first")
    visit.go("backups")
    visit.page.get_by_text("at the earliest").wait_for()
    field = visit.page.get_by_label("The state of")
    assert field.get_attribute("min")
    field.evaluate("one => one.removeAttribute('min')")
    field.fill("2020-01-01T10:00:00")
    visit.page.get_by_role("button", name="Go back…").click()
    dialog = visit.page.get_by_role("dialog")
    dialog.get_by_text("No backup reaches back to that time").wait_for()
    assert dialog.get_by_role("button", name="Restore").is_disabled()
    assert not dialog.get_by_role("button", name="Try again").count()
    visit.wrong.clear()  # (the browser notes that there is none)


def test_backups_of_the_same_minute_can_be_told_apart_on_a_narrow_display(visit):
    visit.page.set_viewport_size({"width": 390, "height": 844})
    visit.add("kept")
    for _ in range(2):
        visit.service.call("POST", "/backup")
    visit.go("backups")
    visit.page.get_by_role("heading", name="Download everything").wait_for()
    rows = visit.page.locator("td.any .quiet")
    times = [row.inner_text() for row in rows.all()]
    assert len(times) >= 2
    for time in times:  # (a minute may have ended between them)
        alike = [other for other in times if other.startswith(time.rsplit(":", time.count(":") - 1)[0])]
        assert len(alike) == 1 or re.search(r"\d+:\d\d:\d\d$", time)
