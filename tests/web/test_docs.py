"""`/docs` in a real browser: found, tried out, and with a token."""

import re

import pytest

from tests.web.browsing import AXE, Visit, visited

pytestmark = pytest.mark.web
TOKEN = "a-token-of-some-length"


def _open(visit, name):
    visit.page.goto(f"{visit.origin}/docs")
    call = visit.page.locator(".call", has=visit.page.locator(f"#{name}"))
    call.get_by_text("Try it", exact=True).click()
    return call


def test_a_call_is_found_and_tried_out(visit):
    number = visit.add("tried out", tags=["docs"])
    visit.page.goto(f"{visit.origin}/docs")
    visit.page.get_by_label("Find a call").fill("one memory read")
    visit.page.get_by_role("link", name="GET /memory/{id}", exact=True).click()
    assert visit.page.url.endswith("#get_memory_id")
    call = _open(visit, "get_memory_id")
    call.get_by_label("id (required)").fill(str(number))
    call.get_by_role("button", name="Send").click()
    call.get_by_text(re.compile("^200 OK in")).wait_for()
    assert "tried out" in call.get_by_label("The answer").inner_text()
    call = _open(visit, "post_search")
    call.get_by_label("Body, as JSON").fill('{"query": "tried", "tags": ["docs"]}')
    call.get_by_role("button", name="Send").click()
    call.get_by_label("The answer").get_by_text("tried out").wait_for()
    call = _open(visit, "delete_memory_id")
    call.get_by_label("id (required)").fill(str(number))
    call.get_by_role("button", name="Send").click()
    assert visit.service.call("GET", f"/memory/{number}")[0] == 200  # not before it is confirmed
    call.get_by_role("checkbox").check()
    call.get_by_role("button", name="Send").click()
    call.get_by_text(re.compile("^200 OK in")).wait_for()
    assert visit.service.call("GET", f"/memory/{number}")[0] == 404


def test_with_a_token_it_is_asked_for_and_kept_nowhere(browser, tmp_path):
    with visited(browser, tmp_path / "data", token=TOKEN) as visit:
        call = _open(visit, "get_projects")
        call.get_by_role("button", name="Send").click()
        call.get_by_label(re.compile("asks for its token")).fill("wrong")
        visit.press("Enter")
        call.get_by_role("alert").get_by_text("not the token").wait_for()
        call.get_by_label(re.compile("asks for its token")).fill(TOKEN)
        visit.press("Enter")
        call.get_by_text(re.compile("^200 OK in")).wait_for()
        assert TOKEN not in visit.page.evaluate(
            "JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.cookie + location.href"
            " + document.documentElement.outerHTML"
        )
        call = _open(visit, "get_stats")  # the session goes on
        call.get_by_role("button", name="Send").click()
        call.get_by_text(re.compile("^200 OK in")).wait_for()
        visit.wrong = [one for one in visit.wrong if "401" not in one]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_it_is_legible_and_accessible(browser, running, scheme, width):
    visit = Visit(browser, running, color_scheme=scheme, viewport={"width": width, "height": 900})
    _open(visit, "post_memory_add")
    assert not visit.is_wide()
    if AXE.is_file():
        assert not visit.findings()
    visit.close()
