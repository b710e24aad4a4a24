"""A memory that shows nothing is empty, wherever it comes in; one that shows anything is kept as it is."""

from __future__ import annotations

import unicodedata

import pytest

from faiss_memory.schema.limits import is_blank

INVISIBLE = {
    "spaces": " \t\n\u00a0\u2003\u3000",
    "zero width": "\u200b\u200c\u200d\u2060\ufeff",
    "bidi": "\u202a\u202e\u2066\u2069\u200e\u061c",
    "soft hyphen": "\u00ad",
    "tags": "\U000e0001\U000e0041\U000e007f",
    "variation selectors": "\ufe0f\ufe00\U000e0100",
    "fillers": "\u3164\u115f\u1160\uffa0",
    "braille blank": "\u2800\u2800",
    "joiners and vowels": "\u034f\u17b4\u180b\u180e",
    "control": "\x00\x01\x1b\x7f\x9f",
    "musical": "\U0001d173\U0001d17a",
}
VISIBLE = ["a", "é", "e\u0301", "日", "🤖", "👩\u200d💻", "\u200ba\u200b", ".", "\ue000", "\u0301"]
WAYS = {
    "one": ("POST", "/memory/add", lambda text: {"text": text}),
    "a batch": ("POST", "/memory/add-batch", lambda text: {"memories": [{"text": "shown"}, {"text": text}]}),
    "a correction": ("PATCH", "/memory/1", lambda text: {"text": text}),
    "a tag": ("POST", "/memory/add", lambda text: {"text": "shown", "tags": [text]}),
    "a question for news": ("POST", "/memory/is-novel", lambda text: {"text": text}),
}


@pytest.mark.parametrize("text", INVISIBLE.values(), ids=INVISIBLE)
@pytest.mark.parametrize("way", WAYS)
def test_what_shows_nothing_is_refused(client, way, text):
    if way == "a correction":
        client.post("/memory/add", {"text": "shown"})
    method, path, body = WAYS[way]
    answer = client.request(method, path, body(text))
    assert answer.status_code == 400, answer.json
    assert answer.json["field"].startswith(("text", "memories[1].text", "tags"))
    assert client.get("/stats").json["total_memories"] == (1 if way == "a correction" else 0)


@pytest.mark.parametrize("text", VISIBLE)
def test_what_shows_anything_is_kept_as_it_is(client, text):
    made = client.post("/memory/add", {"text": text})
    assert made.status_code == 201, made.json
    assert client.get(f"/memory/{made.json['id']}").json["text"] == text


def test_letters_are_never_blank():
    kept = ("L", "N", "P", "S")
    blank = {
        f"{number:04x}"
        for number in range(0x110000)
        if unicodedata.category(chr(number))[0] in kept and is_blank(chr(number))
    }
    assert blank == {"115f", "1160", "2800", "3164", "ffa0"}, (
        "the fillers, and the braille pattern without dots"
    )
