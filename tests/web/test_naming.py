"""A memory is kept where it is meant to be, and once: projects are offered by name, and what says the same is told."""

import re

import pytest

from tests.web.browsing import visited

pytestmark = pytest.mark.web


def test_what_a_memory_says_already_is_told_before_it_is_kept_again(visit):
    number = visit.add("the safe is in the cellar", project="safe")
    visit.go("add?project=safe")
    visit.page.get_by_label("Text", exact=True).fill("the safe is in the cellar")
    visit.press("Control+Enter")
    visit.page.get_by_role("alert").get_by_text("says exactly this").wait_for()
    visit.page.get_by_role("alert").get_by_role("link", name=f"Memory {number}").wait_for()
    assert visit.service.call("GET", "/memories?project=safe")[1]["count"] == 1
    visit.page.get_by_role("button", name="Keep it anyway").click()
    visit.said(re.compile("is kept in safe"))
    assert visit.service.call("GET", "/memories?project=safe")[1]["count"] == 2


def test_what_was_added_is_undone_and_said_to_be_where_it_is(visit):
    visit.go("add")
    visit.page.get_by_label("Text", exact=True).fill("the shop opens at ten")
    visit.page.get_by_label("Project").fill("Web Shop")
    visit.press("Control+Enter")
    visit.said(re.compile("is kept in web-shop \\(as “Web Shop” is written here\\)"))
    visit.page.get_by_role("heading", name=re.compile("^Memory")).wait_for()
    visit.press("z")
    visit.said(re.compile("is forgotten"))
    assert visit.service.call("GET", "/memories?project=web-shop")[1]["count"] == 0
    visit.page.locator(".virtual").get_by_text("the shop opens at ten").wait_for(state="detached")


def test_projects_are_offered_and_none_is_taken_for_granted_that_is_not_there(browser, tmp_path):
    with visited(browser, tmp_path / "data") as visit:
        visit.add("one", project="infra")
        visit.go("add")
        visit.page.locator("input[list]").wait_for()
        assert visit.page.get_by_label("Project").input_value() == "infra"
        visit.add("other", project="web-shop")
        for screen in ("add", "inout"):
            visit.go(screen)
            field = visit.page.get_by_label("Project", exact=True)
            assert field.input_value() == ""
            names = "one => [...one.list.options].map(option => option.value)"
            assert field.evaluate(names) == ["infra", "web-shop"]
        visit.go("add")
        visit.page.get_by_label("Text", exact=True).fill("somewhere")
        visit.press("Control+Enter")
        visit.page.get_by_text("Say in which project").wait_for()


def test_one_project_is_merged_into_another_by_name(browser, tmp_path):
    with visited(browser, tmp_path / "data") as visit:
        visit.add("one", project="infra")
        visit.add("other", project="web-shop")
        visit.go("projects")
        visit.page.get_by_role("button", name="Merge into another: infra").click()
        dialog = visit.page.get_by_role("dialog")
        assert dialog.get_by_role("button", name="Merge").is_disabled()
        assert dialog.locator("option").evaluate_all("all => all.map(one => one.value)") == ["web-shop"]
        dialog.get_by_label("Into").fill("web-shop")
        dialog.get_by_text("infra and web-shop become one").wait_for()
        dialog.get_by_role("button", name="Merge").click()
        visit.said("infra is merged into web-shop, with 1 memory.")
        assert [one["name"] for one in visit.service.call("GET", "/projects")[1]["projects"]] == ["web-shop"]
