"""What a memory's standing is: until when it is true, which of two stands for both, and why one did not come."""

import re

import pytest

pytestmark = pytest.mark.web


def test_until_when_it_is_true_is_said_changed_and_taken_away(visit):
    visit.go("add?project=standing")
    visit.page.get_by_label("Text", exact=True).fill("the freeze holds")
    visit.page.get_by_label("True to the end of").fill("2199-01-31")
    visit.press("Control+Enter")
    visit.said(re.compile("is kept"))
    visit.page.get_by_text("to the end of Jan 31, 2199").wait_for()
    number = int(re.search(r"id=(\d+)", visit.page.url)[1])

    def ends():
        return visit.service.call("GET", f"/memory/{number}")[1].get("valid_until", "")[:10]

    assert ends() in ("2199-01-31", "2199-02-01")  # (the day ends where the browser is)
    visit.press("e")
    assert visit.page.get_by_label("True to the end of").input_value() == "2199-01-31"
    visit.page.get_by_label("True to the end of").fill("")
    visit.press("Control+Enter")
    visit.said("Corrected.")
    assert ends() == ""
    visit.press("z")
    visit.said("As it was before.")
    assert ends() in ("2199-01-31", "2199-02-01")


def test_what_is_over_is_shown_as_such_found_alone_and_may_be_true_all_the_same(visit):
    over = visit.add("the sale is on", project="over", valid_until="2020-05-01T00:00:00Z")
    visit.add("the sale was nice", project="over")
    visit.go("memories?project=over")
    visit.page.locator(".memory-row").nth(1).wait_for()
    assert visit.page.locator(".memory-row .badge").all_inner_texts() == ["over"]
    visit.page.get_by_role("button", name=re.compile("Only what is over")).click()
    visit.page.get_by_text("1 memory, newest first").wait_for()
    visit.page.get_by_label("Search memories").fill("sale")
    visit.page.get_by_role("status").get_by_text("1 memory found").wait_for()
    visit.press("ArrowDown")
    visit.page.get_by_text(re.compile("It was true to the end of|It was true until")).wait_for()
    visit.page.get_by_role("button", name="It is still true").click()
    visit.said("It is true without an end.")
    assert "valid_until" not in visit.service.call("GET", f"/memory/{over}")[1]
    visit.press("z")
    visit.page.get_by_role("button", name="It is still true").wait_for()
    assert visit.service.call("GET", f"/memory/{over}")[1]["state"] == "expired"


def test_what_is_over_in_any_project_is_reviewed(visit):
    visit.add("the fair is on", project="fair", valid_until="2020-05-01T00:00:00Z")
    visit.go("review?queue=stale")
    visit.page.get_by_role("article").get_by_text("It was true").first.wait_for()


def test_of_two_that_say_the_same_one_stands_for_both_by_keyboard_and_not_any_more(visit):
    old = visit.add("the ledger of the twins lies in postgres", project="twins", tags=["kept"])
    new = visit.add("the ledger of the twins lies in postgres 16", project="twins")
    visit.go("review?queue=duplicates")
    visit.page.get_by_role("article").get_by_role("link", name=f"Memory {new}").wait_for()
    visit.press("m")
    visit.said(re.compile(f"Memory {new} stands for {old}"))
    assert visit.service.call("GET", f"/memory/{old}")[1]["superseded_by"] == new
    visit.press("z")
    visit.said("As it was before.")
    assert visit.service.call("GET", f"/memory/{old}")[1]["superseded_by"] is None
    visit.page.get_by_role("article").get_by_role("link", name=f"Memory {old}").wait_for()


def test_steps_with_lines_between_them_keep_their_numbers(visit):
    number = visit.add("3. first\n\n4. second", project="steps")
    visit.go(f"memories?id={number}")
    visit.page.locator(".md ol").nth(1).wait_for()
    assert visit.page.locator(".md ol").evaluate_all("all => all.map(one => one.start)") == [3, 4]


def test_what_was_corrected_is_what_is_edited_next_however_quick_one_is(visit):
    number = visit.add("as it was", project="quick")
    visit.page.route(
        re.compile(rf"/memory/{number}$"),
        lambda route: route.fallback() if route.request.method != "GET" else _late(visit, route),
    )
    visit.go(f"memories?id={number}&edit=correct")
    visit.page.get_by_label("Text", exact=True).fill("as it is")
    visit.press("Control+Enter")
    visit.said("Corrected.")
    visit.press("s")
    assert visit.page.get_by_label("Text", exact=True).input_value() == "as it is"
    visit.page.unroute_all(behavior="wait")


def _late(visit, route):
    visit.page.wait_for_timeout(400)
    route.fallback()


def test_after_one_is_forgotten_the_next_has_the_focus(visit):
    for number in range(4):
        visit.add(f"in a row {number}", project="row")
    visit.go("memories?project=row")
    visit.press("j", "j")
    gone = visit.page.evaluate("document.activeElement.dataset.row")
    visit.press("#")
    visit.said(re.compile(f"Memory {gone} is forgotten"))
    visit.page.get_by_text("3 memories, newest first").wait_for()
    here = re.search(r"id=(\d+)", visit.page.url)[1]
    assert (here != gone, visit.page.evaluate("document.activeElement.dataset.row")) == (True, here)


def test_a_project_counts_what_the_list_shows_of_it(visit):
    old = visit.add("the tariff is seven", project="tariffs")
    visit.add("the tariff is eight", project="tariffs", supersedes=old)
    project = visit.page.locator("section.facet").get_by_role("button", name=re.compile("tariffs"))
    visit.go("memories?project=tariffs")
    visit.page.get_by_text("1 memory, newest first").wait_for()
    assert project.locator(".number").inner_text() == "1"
    visit.page.get_by_role("button", name=re.compile("Superseded ones too")).click()
    visit.page.get_by_text("2 memories, newest first").wait_for()
    project.get_by_text("2", exact=True).wait_for()


def test_each_filter_counts_what_choosing_it_would_show(visit):
    for way, tag in (("cli", "pump"), ("cli", "valve"), ("hook", "pump")):
        given = {"text": f"{tag} by {way}", "project": "counted", "tags": [tag], "source": f"{way}.md"}
        visit.service.call("POST", "/memory/add", given, {"FAISS-Memory-By": way})
    visit.go("memories?project=counted&tag=pump")
    visit.page.get_by_text("2 memories, newest first").wait_for()
    facet = visit.page.locator("section.facet")
    for name, number in (("the command line", 1), ("a hook", 1), ("cli.md", 1), ("valve", 1), ("pump", 2)):
        facet.get_by_role("button", name=re.compile(name)).get_by_text(str(number), exact=True).wait_for()
    facet.get_by_role("button", name=re.compile("^a hook")).click()
    visit.page.get_by_text("1 memory, newest first").wait_for()
    facet.get_by_role("button", name=re.compile("^valve")).wait_for(state="detached")


def test_what_a_question_finds_at_most_is_not_taken_for_all_there_is(visit):
    drafts = [{"text": f"the parcel {n} is on its way", "project": "parcels"} for n in range(51)]
    visit.service.call("POST", "/memory/add-batch", {"memories": drafts})
    visit.go("memories?project=parcels&q=parcel")
    visit.page.get_by_role("status").get_by_text("The 50 nearest memories").wait_for()


def test_what_is_added_right_after_the_page_was_opened_is_shown_by_itself(visit):
    visit.add("the first of the arrivals", project="arrivals")
    visit.go("memories?project=arrivals")
    visit.page.get_by_text("1 memory, newest first").wait_for()
    visit.page.wait_for_load_state("networkidle")
    visit.add("the second of the arrivals", project="arrivals")
    visit.page.get_by_text("2 memories, newest first").wait_for()
