"""What a person does most, in a real browser: the short part of `make web-check` that `make test` runs as well."""

import re

import pytest

from tests.web.browsing import SCREENS


def test_a_memory_is_found_as_one_types_corrected_and_superseded_by_keyboard_alone(visit):
    visit.add("the ledger lies in postgres", project="books", tags=["database"])
    visit.add("lunch is at noon", project="books")
    visit.go("memories?project=books")
    visit.press("/")
    visit.page.keyboard.type("ledger")
    visit.page.get_by_role("status").get_by_text("found").wait_for()
    visit.press("ArrowDown")
    visit.page.get_by_role("heading", name="Why it matched").wait_for()
    assert "q=ledger" in visit.page.url

    visit.press("e")
    visit.page.get_by_label("Text", exact=True).fill("the ledger lies in postgres 16")
    visit.press("Control+Enter")
    visit.said("Corrected.")
    number = int(re.search(r"id=(\d+)", visit.page.url)[1])
    assert visit.service.call("GET", f"/memory/{number}")[1]["text"] == "the ledger lies in postgres 16"
    assert visit.page.evaluate("document.activeElement.id") == "memory-title"

    visit.press("s")
    visit.page.get_by_label("Text", exact=True).fill("the ledger lies in mysql")
    visit.press("Control+Enter")
    visit.said(re.compile("supersedes"))
    visit.page.get_by_role("heading", name="History").wait_for()
    visit.page.locator("ins", has_text="mysql").wait_for()
    assert visit.service.call("GET", f"/memory/{number}")[1]["superseded_by"]


def test_what_was_forgotten_comes_back(visit):
    number = visit.add("a note that is missed", project="missed")
    visit.go(f"memories?project=missed&id={number}")
    visit.page.get_by_role("toolbar").wait_for()
    visit.press("#")
    visit.said(re.compile("forgotten"))
    assert visit.service.call("GET", f"/memory/{number}")[0] == 404
    visit.press("z")
    visit.said(f"Memory {number} is back.")
    assert (
        visit.service.call("GET", "/memories?project=missed")[1]["memories"][0]["text"]
        == "a note that is missed"
    )


HOSTILE = [
    "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>",
    "[click](javascript:window.hacked=1) ![x](https://example.com/x.png) <a href='javascript:1'>a</a>",
    "</textarea></title></style><svg onload=window.hacked=1>",
    "\u202egnp.exe\u202c right \u05e9\u05dc\u05d5\u05dd to left \u200b\u200dzero\ufeff width",
    "\x1b[31mred\x1b[0m \x07 ${window.hacked=1} `${window.hacked=1}` {{constructor.constructor('window.hacked=1')()}}",
    "x" * 65_536,
]


def test_a_hostile_text_stays_text_wherever_it_is_shown(visit):
    for text in HOSTILE:
        short = text[:100]
        number = visit.add(
            text, project="hostile", tags=[short], source=short, cues=[short], metadata={short[:60]: short}
        )
        visit.go(f"memories?project=hostile&id={number}")
        visit.page.get_by_role("heading", name="About it").wait_for()
        visit.page.get_by_role("button", name="As it is written").click()
        visit.page.locator("pre.raw").wait_for()
    visit.go("memories?q=window")
    visit.go("recall?project=hostile&prompt=window hacked")
    visit.page.get_by_role("heading", name=re.compile("would be shown")).wait_for()
    visit.go("projects")
    assert visit.page.evaluate("window.hacked") is None
    assert (
        visit.page.locator(
            "script:not([src='/ui/first.js']), img:not([src='/ui/icon.svg']), svg[onload]"
        ).count()
        == 0
    )


def test_letters_that_cannot_be_seen_are_shown(visit):
    number = visit.add("a\u202eb\u200bc", project="unseen")
    visit.go(f"memories?project=unseen&id={number}")
    visit.page.locator(".md", has_text="a⟨202E⟩b⟨200B⟩c").wait_for()


@pytest.mark.parametrize(
    "screens", [SCREENS[:3], pytest.param(SCREENS[3:], marks=pytest.mark.web)], ids=["some", "the others"]
)
def test_every_screen_is_there_without_an_error_on_a_narrow_display_too(visit, screens):
    visit.page.set_viewport_size({"width": 390, "height": 844})
    for screen in screens:
        visit.go(screen)
        assert not visit.is_wide(), screen


def test_enter_opens_the_first_of_what_was_typed_and_none_of_what_was_there_before(visit):
    found = visit.add("the kettle stands in the kitchen", project="early")
    for number in range(3):
        visit.add(f"another thing {number}", project="early")
    visit.page.route("**/search", lambda route: (visit.page.wait_for_timeout(500), route.fallback()))
    visit.go("memories?project=early")
    visit.press("/")
    visit.page.keyboard.type("kettle")
    visit.press("Enter")
    visit.page.get_by_role("heading", name=re.compile("^Memory ")).wait_for()
    assert f"id={found}" in visit.page.url
    visit.page.wait_for_function(f"() => document.activeElement.dataset.row === '{found}'")
    visit.page.unroute_all(behavior="wait")


def test_who_closes_a_memory_goes_on_from_its_row(visit):
    ids = [visit.add(f"on the way {number}", project="way") for number in range(4)]
    visit.go("memories?project=way")
    visit.press("j", "j")
    visit.page.wait_for_function(f"() => document.activeElement.dataset.row === '{ids[2]}'")
    visit.press("Escape")
    visit.page.wait_for_function("() => !location.hash.includes('id=')")
    visit.press("j")
    visit.page.wait_for_function(f"() => document.activeElement.dataset.row === '{ids[1]}'")
