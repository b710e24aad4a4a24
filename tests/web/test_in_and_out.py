"""Memories leave as a file and come in from one, in a real browser and by keyboard."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.web.browsing import visited

pytestmark = pytest.mark.web


@pytest.fixture(scope="module")
def there(browser, tmp_path_factory):
    """A page at another machine's service."""
    with visited(browser, tmp_path_factory.mktemp("there") / "data") as visit:
        yield visit


def _exported(visit, **choices):
    """Take memories out by the link; gives what it asks for, and the file."""
    visit.go("inout")
    for label, value in choices.items():
        visit.page.get_by_label(label, exact=True).select_option(value)
    link = visit.page.get_by_role("link", name="Export", exact=True)
    link.focus()
    with visit.page.expect_download() as download:
        visit.press("Enter")
    asked = parse_qs(urlsplit(link.get_attribute("href")).query)
    return asked, download.value.path().read_bytes().decode()


def _chosen(visit, name, text):
    content = {"name": name, "mimeType": "application/octet-stream", "buffer": text.encode()}
    visit.page.get_by_label("Choose a file").set_input_files(content)


def _counted(visit):
    found = visit.page.locator("section[aria-labelledby=import-title] dl.facts")
    found.wait_for()
    names, numbers = found.locator("dt").all_inner_texts(), found.locator("dd").all_inner_texts()
    return dict(zip(names, numbers, strict=True))


def _texts(visit, project):
    answer = visit.service.call("GET", f"/memories?project={project}&include_superseded=true")[1]
    return {one["text"] for one in answer["memories"]}


def test_a_bundle_is_merged_as_it_was_previewed(visit, there):
    old = visit.add("the ledger lies in mysql", project="moved")
    visit.add("the ledger lies in postgres", project="moved", supersedes=old)
    gone = visit.add("lunch is at noon", project="moved")
    for number in range(120):
        visit.add(f"note {number}", project="moved")
    asked, bundle = _exported(visit, **{"From project": "moved"})
    assert (asked["format"], asked["project"]) == (["jsonl"], ["moved"])
    there.go("inout")
    _chosen(there, "memories.jsonl", bundle)
    assert _counted(there) == {"New": "123"}
    assert _texts(there, "moved") == set()
    assert there.page.evaluate("document.activeElement.textContent") == "Import just that"
    there.press("Enter")
    there.said("memories.jsonl is imported.")
    assert _texts(there, "moved") == _texts(visit, "moved")
    found = there.service.call("POST", "/search", {"query": "ledger", "project": "moved"})[1]["results"]
    assert "the ledger lies in mysql" not in {one["text"] for one in found}
    visit.service.call("DELETE", f"/memory/{gone}")
    _, later = _exported(visit, **{"From project": "moved"})
    _chosen(there, "memories.jsonl", later)
    there.page.get_by_text("To be forgotten").wait_for()
    assert _counted(there) == {"To be forgotten": "1", "Known": "122"}
    there.press("Enter")
    there.page.get_by_role("heading", name="Done with memories.jsonl").wait_for()
    assert "lunch is at noon" not in _texts(there, "moved")
    _chosen(there, "memories.jsonl", later)
    there.page.get_by_text("nothing is to be done").wait_for()


def test_what_has_changed_since_the_preview_stops_it(visit, there):
    visit.add("doors close at eight", project="doors")
    _, bundle = _exported(visit, **{"From project": "doors"})
    there.go("inout")
    _chosen(there, "doors.jsonl", bundle)
    assert _counted(there) == {"New": "1"}
    line = json.loads(bundle.split("\n")[1])
    imported = there.service.call("POST", "/import", {"memories": [line]})[1]["results"][0]
    there.service.call("PATCH", f"/memory/{imported['id']}", {"text": "doors close at nine"})
    there.press("Enter")
    there.page.get_by_role("alert").get_by_text("preview").wait_for()
    assert _texts(there, "doors") == {"doors close at nine"}
    there.wrong.clear()  # (the browser notes that it was refused)


def test_what_is_damaged_is_left_out_by_name_and_the_rest_is_taken(visit, there):
    visit.add("windows face north", project="windows")
    visit.add("windows are cleaned in May", project="windows")
    _, bundle = _exported(visit, **{"From project": "windows"})
    head, first, *rest = bundle.split("\n")
    changed = json.dumps({**json.loads(first), "text": "<b>windows face south</b>"})
    there.go("inout")
    _chosen(there, "windows.jsonl", "\n".join([head, changed, "{damaged", *rest]))
    assert _counted(there) == {"New": "1", "Left out": "2"}
    there.page.get_by_text("What is not taken as it is there, and why (2)").click()
    there.page.get_by_text("line 3").wait_for()
    there.page.get_by_text("is not that of the text").wait_for()
    there.page.get_by_role("button", name="Import just that").click()
    there.page.get_by_role("heading", name="Done with windows.jsonl").wait_for()
    assert len(_texts(there, "windows")) == 1
    there.wrong.clear()


@pytest.mark.parametrize("name", ["memories.csv", "two words.json", "a.md"])
def test_what_is_no_bundle_is_left_to_the_command_line(there, name):
    there.go("inout")
    _chosen(there, name, '{"format":"faiss-memory","version":1,"memories":[\n]}')
    there.page.get_by_text("no bundle that a page can merge").wait_for()
    assert name in there.page.locator("section[aria-labelledby=import-title] .command code").inner_text()
    there.go("inout")
    _chosen(there, "later.jsonl", '{"format":"faiss-memory","version":2}\n')
    there.page.get_by_role("alert").get_by_text("version 2").wait_for()


def test_an_export_is_chosen_by_format_and_filter(visit):
    visit.add("tea is green", project="drinks", tags=["tea"])
    visit.add("coffee is black", project="drinks")
    visit.go("inout")
    visit.page.get_by_text("Only some of them").click()
    visit.page.get_by_label("Tags", exact=True).fill("tea, none")
    visit.page.get_by_label("From", exact=True).fill("2020-01-31")
    visit.page.get_by_label("Format").select_option("csv")
    visit.page.get_by_label("From project").select_option("drinks")
    link = visit.page.get_by_role("link", name="Export", exact=True)
    assert parse_qs(urlsplit(link.get_attribute("href")).query) == {
        "format": ["csv"], "project": ["drinks"], "include_superseded": ["true"], "tags": ["tea", "none"],
        "after": ["2020-01-31T00:00:00Z"],
    }  # fmt: skip
    with visit.page.expect_download() as download:
        link.click()
    table = download.value.path().read_text()
    assert ("tea is green" in table, "coffee is black" in table) == (True, False)
