"""A session that ends, another tab that logs out, a service that is started again: one comes back to where one was."""

import pytest

from tests.running import closed_port
from tests.web.browsing import visited

pytestmark = pytest.mark.web
TOKEN = "a-token-of-some-length"
AWAY = "The service does not answer. It is asked again"


def _log_in(page):
    page.get_by_label("Token").fill(TOKEN)
    page.keyboard.press("Enter")
    page.get_by_label("Token").wait_for(state="detached")


@pytest.fixture
def visit(browser, tmp_path):
    """A page that is logged in, at a service that can be started again on its port."""
    with closed_port() as port:
        pass
    with visited(browser, tmp_path / "data", token=TOKEN, port=str(port)) as visit:
        bearing = {"Authorization": f"Bearer {TOKEN}"}
        for number in range(3):
            visit.service.call("POST", "/memory/add", {"text": f"note {number}", "project": "kept"}, bearing)
        visit.page.goto(visit.origin)
        _log_in(visit.page)
        yield visit
        # The browser itself says in its console that requests were refused, or not answered.
        visit.wrong = [one for one in visit.wrong if "401" not in one and "ERR_" not in one]


def test_when_the_session_has_expired_one_logs_in_and_is_where_one_was(visit):
    visit.go("memories?project=kept&id=2&edit=correct")
    text = visit.page.get_by_label("Text", exact=True)
    text.fill("typed before it expired")
    visit.context.clear_cookies()
    visit.press("Control+Enter")
    _log_in(visit.page)
    assert "project=kept&id=2&edit=correct" in visit.page.url
    assert text.input_value() == "typed before it expired"
    assert visit.page.evaluate("document.activeElement.id") == "main"
    visit.page.get_by_role("button", name="Save").click()
    visit.said("Corrected.")


def test_a_dialog_that_is_open_lets_one_log_in(visit):
    visit.go("backups")
    visit.page.get_by_role("button", name="Make a backup").click()
    visit.context.clear_cookies()
    visit.page.get_by_role("dialog").get_by_role("button", name="Make it").click()
    _log_in(visit.page)
    visit.page.get_by_role("heading", name="Backups").wait_for()


def test_who_logs_out_in_one_tab_is_out_in_the_other_and_in_again_in_both(visit):
    other = visit.tab()
    visit.go("memories?project=kept&id=1")
    visit.go("analytics", other)
    other.get_by_role("button", name="Log out").click()
    other.get_by_label("Token").wait_for()
    visit.page.get_by_label("Token").wait_for()
    assert visit.page.get_by_text("note 0").first.is_hidden()
    _log_in(other)
    other.get_by_role("heading", name="Analytics").wait_for()
    visit.page.get_by_role("heading", name="Memory 1").wait_for()
    assert "project=kept&id=1" in visit.page.url


def test_a_service_that_is_started_again_asks_for_the_token_and_goes_on(visit):
    visit.go("memories?project=kept&id=3")
    visit.page.get_by_role("heading", name="Memory 3").wait_for()
    visit.service.kill()
    visit.page.get_by_text(AWAY).wait_for(timeout=15_000)
    visit.service.start(ready=False)
    _log_in(visit.page)
    visit.page.get_by_role("heading", name="Memory 3").wait_for()
    assert not visit.page.get_by_text(AWAY).is_visible()
    assert "project=kept&id=3" in visit.page.url
