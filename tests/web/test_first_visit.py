"""What somebody sees who has never seen the page: what was done is said, and leads on."""

import re

import pytest

from tests.web.browsing import Visit, visited

pytestmark = pytest.mark.web


def test_what_was_masked_is_said_and_of_what_kind(visit):
    token = "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"
    visit.go("add?project=masked")
    visit.page.get_by_label("Text", exact=True).fill(f"the board's token is {token}")
    visit.press("Control+Enter")
    visit.said(re.compile(r"is kept in masked\. Masked, and kept nowhere: GitHub token\."))
    visit.press("e")
    visit.page.get_by_label("Text", exact=True).fill(f"it is {token}, as before")
    visit.press("Control+Enter")
    visit.said(re.compile("Corrected. Masked, and kept nowhere: GitHub token"))


def test_what_supersedes_stays_in_the_search_and_is_undone(visit):
    old = visit.add("releases happen on mondays", project="superseding")
    visit.go(f"memories?project=superseding&q=releases&id={old}")
    visit.press("s")
    visit.page.get_by_role("heading", name=f"Supersede memory {old}").wait_for()
    visit.page.get_by_label("Text", exact=True).fill("releases happen on tuesdays")
    visit.press("Control+Enter")
    visit.said(re.compile(f"supersedes {old}"))
    assert "project=superseding" in visit.page.url
    assert "q=releases" in visit.page.url
    visit.press("z")
    visit.said(f"Memory {old} holds again.")
    assert visit.service.call("GET", f"/memory/{old}")[1]["superseded_by"] is None


def test_what_held_before_is_named_when_what_replaced_it_is_forgotten(visit):
    old = visit.add("the door is green", project="doors")
    new = visit.add("the door is blue", project="doors", supersedes=old)
    visit.go(f"memories?project=doors&id={new}")
    visit.page.get_by_role("toolbar").wait_for()
    visit.press("#")
    visit.said(f"Memory {new} is forgotten. Memory {old}, which it had superseded, holds again.")


def test_those_between_are_selected_with_shift_and_all_of_them_at_once(visit):
    for number in range(12):
        visit.add(f"range {number}", project="ranges")
    visit.go("memories?project=ranges")
    boxes = visit.page.get_by_role("checkbox")
    boxes.nth(0).click()
    boxes.nth(4).click(modifiers=["Shift"])
    visit.page.get_by_text("5 selected").wait_for()
    boxes.nth(2).click()
    visit.page.get_by_text("4 selected").wait_for()
    visit.page.get_by_role("button", name="Select all 12").click()
    visit.page.get_by_text("12 selected").wait_for()


def test_what_was_forgotten_is_led_to(visit):
    number = visit.add("a note to come back", project="led")
    visit.service.call("DELETE", f"/memory/{number}")
    visit.go("memories?project=led")
    visit.page.get_by_role("link", name="Forgotten ones").click()
    visit.page.locator("#forgotten-title:focus").wait_for()
    visit.page.get_by_role("button", name=f"Bring back memory {number}").click()
    visit.said(f"Memory {number} is back.")


def test_what_became_of_the_memory_that_one_asks_about_is_said(visit):
    number = visit.add("the ledger lies in postgres", project="asked")
    visit.go(f"memories?project=asked&id={number}")
    visit.page.get_by_role("link", name=re.compile("Why did it not come")).click()
    visit.page.get_by_text(re.compile("Write a prompt that")).wait_for()
    visit.page.get_by_label("What somebody would write").fill("where do the ledgers of the twins lie")
    visit.page.locator(".asked").get_by_role("link", name=f"Memory {number}").wait_for()


def test_more_than_the_first_page_is_listed_at_once(visit):
    texts = [{"text": f"one of many {number}", "project": "many"} for number in range(90)]
    visit.service.call("POST", "/memory/add-batch", {"memories": texts})
    visit.go("memories?project=many")
    visit.page.get_by_role("status").get_by_text("90 memories, newest first").wait_for()


def test_what_speaks_of_a_changed_file_is_still_true_by_a_key_and_not_asked_about_again(visit):
    file = visit.service.data.parent / "spoken.py"
    file.write_text("three times")
    number = visit.add("retries are three", project="spoken", metadata={"anchors": [str(file)]})
    file.write_text("three times, and more")

    def stale():
        files = visit.service.call("GET", "/review/stale?project=spoken")[1]["files"]
        return [one["memory"]["id"] for one in files]

    assert stale() == [number]
    visit.go("review?queue=stale")
    visit.page.get_by_role("article").get_by_role("link", name=f"Memory {number}").wait_for()
    visit.press("t")
    visit.said(re.compile(f"Memory {number} is still true"))
    assert stale() == []
    visit.press("z")
    visit.said("As it was before.")
    assert stale() == [number]
    visit.go(f"memories?project=spoken&id={number}")
    visit.page.get_by_role("button", name="It is still true").click()
    visit.said(re.compile(f"Memory {number} is still true"))
    assert stale() == []


def test_a_prompt_is_tried_where_most_memories_are(visit):
    visit.add("one alone", project="a-small-one")
    texts = [{"text": f"one of the most {number}", "project": "the-largest"} for number in range(120)]
    visit.service.call("POST", "/memory/add-batch", {"memories": texts})
    visit.go("recall")
    visit.page.locator("select", has=visit.page.locator("option", has_text="a-small-one")).wait_for()
    assert visit.page.get_by_label("Project").input_value() == "the-largest"
    visit.go("recall?project=a-small-one")
    assert visit.page.get_by_label("Project").input_value() == "a-small-one"


SAID = """async () => {
  const { ago, brief, count, exactly } = await import("/ui/words.js");
  const { finder } = await import("/ui/markdown.js");
  const before = (seconds) => new Date(Date.now() - 1000 * seconds).toISOString();
  const times = [20, 90, 3600, 2 * 86_400, 86_400].map(before);
  return {
    counts: [7, 1234, 1234567].map(count),
    ago: times.map((time) => ago(time)),
    narrow: times.map((time) => ago(time, true)),
    marked: "Users use what is used, and uses it; because of databases".match(finder(["use", "database"])),
    brief: [brief("notes.md"), brief("/home/me/shop/docs/a.md", 12), brief("/home/me/a.md#A long heading", 12)],
    dates: [ago("2024-02-29T12:00:00"), exactly("2024-02-29T09:05:00"), ago("never")],
  };
}"""


def test_times_and_numbers_are_said_as_people_say_them(visit):
    visit.go()
    assert visit.page.evaluate(SAID) == {
        "counts": ["7", "1,234", "1,234,567"],
        "ago": ["just now", "2 minutes ago", "1 hour ago", "2 days ago", "yesterday"],
        "narrow": ["just now", "2m ago", "1h ago", "2d ago", "yesterday"],
        "marked": ["use", "use", "database"],
        "brief": ["notes.md", "…/docs/a.md", "…/a.md#A long …"],
        "dates": ["Feb 29, 2024", "Feb 29, 2024, 9:05", ""],
    }


def test_where_nothing_matches_that_is_said_and_what_is_less_likely_stands_apart(browser, tmp_path):
    with visited(browser, tmp_path / "data", min_relevance="0.2") as visit:
        visit.add("the walrus sleeps on the ice")
        visit.add("a train leaves at the hour")
        visit.go("memories?q=xyzzy quantum banana")
        status = visit.page.locator(".list-head").get_by_role("status")
        status.get_by_text("Nothing matches; the nearest, all under 20%:").wait_for()
        rows = visit.page.locator(".memory-row")
        assert visit.page.locator(".memory-row.less").count() == rows.count() == 2
        assert not visit.page.locator(".divider").count()
        visit.go("memories?q=the walrus sleeps on the ice")
        status.get_by_text("1 memory found, 1 less likely").wait_for()
        assert [row.locator(".divider").count() for row in rows.all()] == [0, 1]


def test_words_that_only_build_a_sentence_are_not_marked_nor_listed(visit):
    number = visit.add("the network is slow in the evening", project="fillers")
    visit.go(f"memories?project=fillers&q=when is the network slow&id={number}")
    why = visit.page.get_by_label("Why it matched")
    why.get_by_text("network, slow", exact=True).wait_for()
    assert set(visit.page.locator(".md mark").all_inner_texts()) == {"network", "slow"}


def test_what_did_not_come_is_shown_and_comes_up_for_the_prompt_by_a_cue(visit):
    number = visit.add("the turbine is serviced in spring", project="cued")
    visit.go(f"recall?project=cued&id={number}")
    asked = visit.page.locator(".asked")
    asked.get_by_text("the turbine is serviced in spring").wait_for()
    visit.page.get_by_label("What somebody would write").fill("when do we shut down the plant")
    asked.get_by_role("button", name="Add this prompt as a cue").click()
    visit.said(re.compile(f"Memory {number} comes up for that prompt"))
    assert visit.service.call("GET", f"/memory/{number}")[1]["cues"] == ["when do we shut down the plant"]
    asked.get_by_text("is among those that would be shown").wait_for()
    visit.press("z")
    asked.get_by_role("button", name="Add this prompt as a cue").wait_for()
    assert visit.service.call("GET", f"/memory/{number}")[1]["cues"] == []


def test_each_number_is_a_share_of_a_hundred(visit):
    visit.add("a barge is at the pier", project="shares")
    number = visit.add("a barge is at the old pier", project="shares")
    visit.go(f"memories?project=shares&q=barge&id={number}")
    visit.page.get_by_label("Why it matched").get_by_text(re.compile(r"^\d+%$")).first.wait_for()
    visit.page.get_by_label("Similar ones").get_by_text(re.compile(r"\d+% close in meaning")).wait_for()
    visit.go("recall?project=shares&prompt=what is for lunch")
    visit.page.get_by_text(re.compile("Least relevance: ")).wait_for()
    assert not re.search(r"\b0\.\d\d\b", visit.page.locator("main").inner_text())


def test_what_is_superseded_is_said_with_the_numbers_that_count_it(browser, tmp_path):
    with visited(browser, tmp_path / "data") as visit:
        old = visit.add("the fee is seven", project="fees")
        visit.add("the fee is eight", project="fees", supersedes=old)
        for screen, part in (("analytics", ".figures"), ("settings", "#main"), ("projects", ".named")):
            visit.go(screen)
            visit.page.locator(part).get_by_text("2, 1 of them superseded").first.wait_for()


def test_every_way_to_go_is_seen_in_the_palette(visit):
    visit.go()
    visit.press("Control+k")
    shown = visit.page.get_by_role("listbox")
    shown.wait_for()
    assert shown.evaluate("one => one.scrollHeight <= one.clientHeight")


def test_filters_are_left_by_a_button_and_keys_are_not_named_on_a_narrow_display(browser, running):
    visit = Visit(browser, running, viewport={"width": 390, "height": 844})
    number = visit.add("seen on a telephone", project="narrow")
    visit.go("memories?project=narrow")
    visit.page.get_by_role("button", name=re.compile("Filters")).click()
    visit.page.get_by_role("button", name="Done").click()
    visit.page.get_by_role("complementary", name="Filters").wait_for(state="hidden")
    visit.go("add")
    assert not visit.page.locator("kbd:visible").count()
    visit.go(f"memories?project=narrow&id={number}")
    assert not visit.page.locator("kbd:visible").count()
    visit.close()
