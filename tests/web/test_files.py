"""The page's files as they are served, and what lies in them: without a browser."""

import gzip
import hashlib
import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from faiss_memory.analyzer import analyze_query
from faiss_memory_plugins.web.joining import joined

WEB = Path(str(files("faiss_memory_plugins") / "web"))
STATIC = WEB / "static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
SERVED = sorted(path for path in STATIC.rglob("*") if path.suffix in TYPES)
OWN = [path for path in SERVED if "vendor" not in path.parts]
VENDORED = [path.relative_to(STATIC).as_posix() for path in SERVED if "vendor" in path.parts]
LOADED = (
    "/ui/icon.svg",
    "/ui/page.css",
    "/ui/first.js",
    "/ui/rest.js",
    *(f"/ui/{name}" for name in VENDORED),
)
"""All that a browser is ever sent."""
LONGEST = 400
MOST_BYTES = 150_000


def _address(path):
    return "/" if path.name == "index.html" else f"/ui/{path.relative_to(STATIC).as_posix()}"


def test_each_file_is_served_with_its_type_and_is_not_sent_twice(client):
    for path in SERVED:
        answer = client.get(_address(path))
        assert answer.content == path.read_bytes()
        assert answer.headers["content-type"] == TYPES[path.suffix]
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["x-content-type-options"] == "nosniff"
        tag = answer.headers["etag"]
        again = client.get(_address(path), headers={"If-None-Match": f'"old", W/{tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert client.get(_address(path), headers={"If-None-Match": '"old"'}).status_code == 200


def test_the_policy_lets_nothing_run_but_the_files(client):
    policy = client.get("/").headers["content-security-policy"].split("; ")
    assert policy == [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ]


@pytest.mark.parametrize(
    "path",
    ["/ui/none.js", "/ui", "/ui/", "/ui/../plugin.py", "/ui/%2e%2e/plugin.py", "/ui/vendor/preact.d.ts"],
)
def test_nothing_else_is_served(client, path):
    assert client.get(path).status_code == 404


def test_the_files_can_only_be_read(client):
    assert client.post("/ui/app.js", {}).status_code == 405
    assert client.post("/", {}).status_code == 405


def test_a_link_on_another_page_may_lead_here(client):
    led = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert client.get("/", headers=led).status_code == 200
    assert client.get("/", headers={**led, "Sec-Fetch-Dest": "iframe"}).status_code == 403


def test_with_a_token_the_page_is_there_and_asks_for_it(make_service, client_of):
    client = client_of(make_service(token="a-token-of-some-length"))
    assert client.get("/").status_code == 200
    assert client.get("/ui/app.js").status_code == 200
    assert client.get("/openapi.json").status_code == 401


def test_where_it_is_switched_off_the_plain_page_is_there(make_service, client_of):
    client = client_of(make_service(**{"plugins.disabled": ["web"]}))
    assert b"/ui/" not in client.get("/").content
    assert client.get("/").status_code == 200
    assert client.get("/ui/app.js").status_code == 404


def test_all_of_it_is_small(client):
    contents = [client.get(address).content for address in ("/", *LOADED)]
    assert sum(len(gzip.compress(content, mtime=0)) for content in contents) <= MOST_BYTES


def test_the_document_holds_no_script_and_no_style_of_its_own():
    html = (STATIC / "index.html").read_text()
    assert not re.search(r"\sstyle\s*=|\son\w+\s*=|<style|javascript:", html)
    assert re.findall(r"<script([^>]*)>(.*?)</script>", html) == [(' type="module" src="/ui/first.js"', "")]
    assert all(address.startswith("/ui/") for address in re.findall(r'(?:src|href)="([^"]*)"', html))


def _modules(client, script):
    """Give the modules of which a script was joined, by its source map: each with its lines as they are served."""
    lines = client.get(f"/ui/{script}").text.split("\n")
    assert lines[-2:] == [f"//# sourceMappingURL={script}.map", ""]
    modules = {}
    for section in client.get(f"/ui/{script}.map").json["sections"]:
        (name,) = section["map"]["sources"]
        mappings = section["map"]["mappings"].split(";")
        assert mappings == ["AAAA"] + ["AACA"] * (len(mappings) - 1)
        modules[name] = lines[section["offset"]["line"] :][: len(mappings)]
    return modules


def test_the_page_comes_as_one_script_and_one_style_sheet(client):
    asked = re.findall(r'<(?:script|link)[^>]* (?:src|href)="([^"]+)"', client.get("/").text)
    assert asked == ["/ui/icon.svg", "/ui/page.css", "/ui/first.js"]
    for address in asked:
        assert client.get(address).status_code == 200
    sheets = [client.get(f"/ui/{name}.css").text for name in ("base", "parts", "screens")]
    assert client.get("/ui/page.css").text == "".join(sheets)


def test_the_other_screens_come_as_a_second_script_and_no_module_comes_twice(client):
    first, rest = _modules(client, "first.js"), _modules(client, "rest.js")
    assert not first.keys() & rest.keys()
    assert {"app.js", "screens/memories.js"} <= first.keys()
    screens = {path.relative_to(STATIC).as_posix() for path in (STATIC / "screens").iterdir()}
    assert screens <= first.keys() | rest.keys()
    assert list(first)[-1] == "app.js"
    assert list(first).index("early.js") < list(first).index("keys.js"), "what is asked early is asked late"


def test_the_source_maps_lead_to_the_lines_of_each_module(client):
    for script in ("first.js", "rest.js"):
        for name, lines in _modules(client, script).items():
            written = (STATIC / name).read_text().split("\n")
            assert len(lines) == len(written)
            changed = [one for joined, one in zip(lines, written, strict=True) if joined != one]
            assert all(re.search(r"\bimport\b|\bexport\b", line) for line in changed), name


@pytest.mark.parametrize(
    ("modules", "said"),
    [
        ({"app.js": 'import { b } from "./b.js";', "b.js": 'import "./app.js";'}, "app.js → b.js → app.js"),
        (
            {"app.js": "export let changes = 1;"},
            "app.js cannot be joined with the others: export let changes",
        ),
        ({"app.js": 'import * as all from "./b.js";'}, "app.js cannot be joined with the others: import"),
    ],
)
def test_what_cannot_be_joined_is_named(tmp_path, modules, said):
    (tmp_path / "screens").mkdir()
    for name, text in modules.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=re.escape(said)):
        joined(tmp_path)


def test_nothing_is_made_of_a_text_but_text():
    for path in OWN:
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|dangerously|\beval\(|new Function|createPolicy",
            path.read_text(),
        ), path
        # As markup, a style would need a policy that lets any style in.
        assert not re.search(r"style=[\"']", path.read_text()), path


def test_each_module_that_is_asked_for_is_there():
    for path in (path for path in SERVED if path.suffix == ".js"):
        for name in re.findall(r"""(?:\bfrom\s*|\bimport\s*\(?\s*)["']([\w./-]+)["']""", path.read_text()):
            assert name.startswith("."), f"{path}: {name}"
            assert (path.parent / name).resolve() in SERVED, f"{path}: {name}"


def test_no_file_of_ours_is_long():
    assert {path.name for path in OWN if len(path.read_text().splitlines()) > LONGEST} == set()


def test_nothing_is_fetched_from_elsewhere():
    for path in OWN:
        found = [one for one in re.findall(r"https?://[\w.-]+", path.read_text()) if "www.w3.org" not in one]
        assert not found, path


def test_what_others_wrote_is_as_the_lock_has_it():
    lock = json.loads((WEB / "vendor.lock").read_text())
    locked = {name: digest for package in lock.values() for name, digest in package["files"].items()}
    there = {
        path.relative_to(STATIC / "vendor").as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (STATIC / "vendor").rglob("*")
        if path.is_file() and not path.name.endswith(".d.ts")
    }
    assert there == locked
    for package in lock.values():
        assert package["licence"] in ("MIT", "Apache-2.0", "BSD-3-Clause")
        assert any("LICENSE" in name for name in package["files"])


def test_looking_at_the_page_counts_for_nothing(client):
    client.post("/memory/add", {"text": "the ledger lies in postgres"})
    client.post("/search", {"query": "ledger"}, headers={"FAISS-Memory-By": "page"})
    client.post("/search", {"query": "nothing of it", "tags": ["none"]}, headers={"FAISS-Memory-By": "page"})
    assert set(client.get("/uses").json["total"]["events"]) <= {"added"}
    assert client.get("/recall/log").json["count"] == 0
    client.post("/search", {"query": "ledger"})
    assert client.get("/uses").json["total"]["events"]["search"] == 1


def test_the_words_that_are_not_marked_are_those_that_a_question_does_not_count():
    (written,) = re.findall(r"const FILLERS = new Set\(`([^`]+)`", (STATIC / "words.js").read_text())
    fillers = written.split()
    assert len(fillers) > 50
    assert all(analyze_query(f"{word} zebra") == analyze_query("zebra") for word in fillers)
