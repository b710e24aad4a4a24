"""The team's screen, for those who may see it; and the page for a member, who is offered nothing of the owner's."""

import re

import pytest

from tests.web.browsing import AXE, visited

pytestmark = pytest.mark.web
OWNER = "a-token-of-some-length"


def _log_in(visit, token):
    visit.page.goto(visit.origin)
    visit.page.get_by_label("Token").fill(token)
    visit.press("Enter")
    visit.page.get_by_role("navigation", name="Screens").wait_for()


def test_the_team_is_seen_by_who_looks_after_it_and_members_see_what_is_theirs(browser, tmp_path):
    with visited(browser, tmp_path / "data", token=OWNER) as visit:
        bearing = {"Authorization": f"Bearer {OWNER}"}

        def call(method, path, body=None, headers=bearing):
            return visit.service.call(method, path, body, headers)[1]

        number = call("POST", "/memory/add", {"text": "the ledger lies in postgres", "project": "books"})[
            "id"
        ]
        _log_in(visit, OWNER)
        screens = visit.page.get_by_role("navigation", name="Screens")
        assert not screens.get_by_role("link", name="Team").count()
        call("POST", "/team", {"name": "ana"})
        call("POST", "/team/ana/grant", {"project": "books", "can": "write"})
        token = call("POST", "/team/ana/token", {})["token"]
        visit.page.reload()
        screens.get_by_role("link", name="Team").click()
        ana = visit.page.get_by_role("region", name="ana")
        ana.get_by_role("link", name="books").wait_for()
        ana.get_by_text("good").wait_for()
        log = visit.page.get_by_role("region", name="What was done")
        log.get_by_text("member added").wait_for()
        log.get_by_role("combobox").select_option("ana")
        log.get_by_text("Nothing yet.").wait_for()
        if AXE.is_file():
            assert not visit.findings()
        visit.page.set_viewport_size({"width": 390, "height": 844})
        assert not visit.is_wide()
        visit.page.set_viewport_size({"width": 1440, "height": 900})
        visit.page.get_by_role("button", name="Log out").click()
        visit.page.get_by_label("Token").wait_for()
        visit.wrong = [one for one in visit.wrong if "401" not in one]

        _log_in(visit, token)
        screens.get_by_role("link", name="Memories").wait_for()
        visit.page.get_by_role("button", name="Log out ana").wait_for()
        assert not screens.get_by_role("link", name=re.compile("Team|Backups")).count()
        for screen in ("recall", "review", "projects", "analytics", "assistants", "inout", "settings"):
            visit.go(screen)
            assert not visit.page.get_by_role("alert").count(), screen
        visit.go(f"memories?project=books&id={number}")
        visit.page.get_by_role("toolbar").wait_for()
        visit.press("#")
        visit.said(re.compile("forgotten"))
        visit.press("z")
        visit.said(re.compile("is back, as number"))
        texts = [one["text"] for one in call("GET", "/memories?project=books")["memories"]]
        assert texts == ["the ledger lies in postgres"]
        visit.wrong = [one for one in visit.wrong if "401" not in one]
