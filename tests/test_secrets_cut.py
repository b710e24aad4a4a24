"""A secret that a cut goes through has no shape left: texts are cut beside it, or masked first."""

from __future__ import annotations

import logging

import pytest

from faiss_memory import Masker, cut_before_secret
from faiss_memory.logs import LogFile, MaskedLine
from faiss_memory.uids import new_uid
from tests.growth import assert_linear, repeated
from tests.secret_samples import SECRETS

PART = 8
"""So many characters of a secret are told apart from chance."""
LONG = {name: parts for name, parts in SECRETS.items() if len(parts[1]) >= 2 * PART}
TOKEN = SECRETS["github"][1]
KEY = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA75Kz\n" * 90 + "-----END RSA PRIVATE KEY-----"

CODE = "    a_line_of_code = compute(1)\n" * 60


def parts_of(text):
    return {text[at : at + PART] for at in range(len(text) - PART + 1)}


def parts_in(text, secret):
    return sorted(parts_of(text) & parts_of(secret))


def test_a_beginning_ends_before_a_secret_that_it_would_cut():
    for before, value, after in LONG.values():
        text = f"used here: {before}{value}{after} and then more"
        first = text.index(value)
        for most in {len("used here: "), *range(first, first + len(value) + 2, 1 + len(value) // 12)}:
            short = cut_before_secret(text, most)
            assert len(short) <= most
            assert text.startswith(short)
            assert value in short or parts_in(short, value) == []
    assert cut_before_secret("nothing of that kind", 7) == "nothing"


def test_time_for_a_beginning_does_not_grow_with_the_text():
    assert_linear(lambda text: cut_before_secret(text, 100), repeated("password: a1!b2c3d4 "), most=4000)


def files_around(name, before, value, after):
    """Texts of which a build cuts each where the secret stands."""
    said = f"{before}{value}{after}"
    fill = "x" * (690 - len(before) - min(len(value), 400) // 2)
    yield f"{name}.md", f"# One\n\n{fill};{said};{'y' * 900}\n"
    lines = "\n".join(f"line {number} of them" for number in range(34))
    yield f"{name}.txt", f"{lines}\n{said}\n{lines}\n"
    if "\n" not in said:
        fill = "h" * (198 - len(before) - min(len(value), 150) // 2)
        yield f"{name}-heading.md", f"# {fill} {said}\n\nWhat stands below.\n"
        yield f"{name}-definition.py", f"class {fill} {said}:\n{CODE}"


def test_no_build_stores_a_part_of_a_secret(make_service, client_of, tmp_path):
    client = client_of(make_service(**{"plugins.ingest.roots": [str(tmp_path)]}))
    notes = tmp_path / "notes"
    notes.mkdir()
    for number, (before, value, after) in enumerate([*LONG.values(), ("", KEY, "")]):
        for name, text in files_around(str(number), before, value, after):
            (notes / name).write_text(text)
    for number, length in enumerate((100, 120, 127, 180)):
        (notes / f"front-{number}.md").write_text(
            f"---\ntags: [{'t' * length}-{TOKEN}]\ncues: ['{'c' * length} {TOKEN}']\n---\n\nText {number}.\n"
        )
    client.post("/index/build", {"sources": [str(notes)]})
    found = client.get("/export?format=jsonl").text
    held = parts_of(found)
    assert [name for name, (_, value, _) in LONG.items() if parts_of(value) & held] == []
    assert "MIIEpAIBAAKCAQEA75Kz" not in found
    assert found.count("[masked: ") > len(LONG)


def test_lines_of_parts_are_told_right_around_a_secret_of_many_lines(make_service, client_of, tmp_path):
    client = client_of(make_service(**{"plugins.ingest.roots": [str(tmp_path)]}))
    place = tmp_path / "key.py"
    place.write_text(f"before = 1\n{KEY}\n" + "".join(f"value_{n} = {n}\n" for n in range(80)))
    client.post("/index/build", {"sources": [str(place)]})
    memories = client.get("/memories?limit=100").json["memories"]
    lines = place.read_text().split("\n")
    for memory in memories:
        first, last = map(int, memory["source"].rpartition(":")[2].split("-"))
        if "masked" not in memory["text"]:
            assert memory["text"].endswith("\n".join(lines[first - 1 : last]).strip())
    assert sum("masked: private key" in memory["text"] for memory in memories) == 1


def test_what_one_field_repeats_of_a_secret_in_another_is_masked(client):
    memories, values = [], []
    for name, parts in LONG.items():
        said = "".join(parts)
        if "-----BEGIN" in said:
            continue  # how it begins and ends is no secret
        found = Masker().found(said)[0]
        value = said[found.start : found.end]
        half, little, nearly = (value[:most] for most in (len(value) // 2 + 4, PART + 6, len(value) - 1))
        memories.append(
            {
                "text": f"{name}: {said}",
                "source": f"about {little}...",
                "tags": [f"{half[:120]}…"],
                "metadata": {"title": [nearly], "again": value},
            }
        )
        values.append(parts_of(value) & parts_of(parts[1]))
    client.post("/memory/add-batch", {"memories": memories})
    held = parts_of(client.get("/export?format=jsonl").text)
    assert all(values)
    assert [value & held for value in values if value & held] == []


def test_who_says_to_have_written_it_is_masked_too(client):
    uid = new_uid()
    imported = {"uid": uid, "text": "a", "by": f"mcp:{TOKEN}", "actor": f"x {TOKEN}"}
    assert client.post("/import", {"memories": [imported]}).json["masked"] == ["GitHub token"]
    assert parts_in(client.get("/export?format=jsonl").text, TOKEN) == []


@pytest.mark.parametrize("length", [100, 150, 160, 170, 185, 199, 1990, 3990])
def test_a_prompt_that_a_memory_is_not_for_is_kept_without_a_part_of_a_secret(client, length):
    memory_id = client.post("/memory/add", {"text": "the harbour opens at six"}).json["id"]
    prompt = f"{'why is it so ' * (length // 13)}{'y' * (length % 13)} {TOKEN} and not something else?"
    kept = client.post("/recall/never", {"id": memory_id, "prompt": prompt})
    assert kept.status_code == 200
    assert parts_in(kept.text, TOKEN) == []
    assert parts_in(client.get(f"/memory/{memory_id}").text, TOKEN) == []


def test_the_log_quotes_no_secret_of_a_path_or_an_error(tmp_path):
    handler = LogFile(tmp_path / "x.log")
    handler.setFormatter(MaskedLine(["quiet-orchard-lamp-42"]))
    log = logging.getLogger("tests.secrets")
    log.addHandler(handler)
    try:
        log.error("%s cannot be read with quiet-orchard-lamp-42", f"/home/{TOKEN}/notes")
        try:
            raise ValueError(f"not understood: {TOKEN}")
        except ValueError:
            log.exception("a plugin failed")
    finally:
        log.removeHandler(handler)
        handler.close()
    written = (tmp_path / "x.log").read_text()
    assert parts_in(written, TOKEN) == []
    assert "quiet-orchard" not in written
    assert written.count("[masked: GitHub token]") == 2
