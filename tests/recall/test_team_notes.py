"""What others of a team have written is shown as theirs, and leaves half of the room to one's own."""

from __future__ import annotations

from faiss_memory import Note, count_tokens, framed
from tests.test_team import OWNER, Member


def _note(number, by="", words=40):
    return Note(id=number, date="2026-01-01", source="", project="", text=f"word{number} " * words, by=by)


def test_a_note_says_by_whom_it_is_if_not_by_who_asks(make_service, client_of):
    client = client_of(make_service(token="tok-3f9a1c"))
    ana, ben = Member(client, "ana", work="write"), Member(client, "ben", work="write")
    texts = {
        "ana": "fridays are for deploys",
        "ben": "the green button rolls back",
        "owner": "main is protected",
    }
    ana.ask("POST", "/memory/add", {"text": texts["ana"], "project": "work"})
    ben.ask("POST", "/memory/add", {"text": texts["ben"], "project": "work"})
    client.post("/memory/add", {"text": texts["owner"], "project": "work"}, headers=OWNER)
    for name, text in texts.items():
        asked = {"prompt": f"What is it with {text}?", "project": "work", "min_relevance": 0}
        shown = ana.ask("POST", "/recall/preview", asked).json["text"]
        head = next(line for line in shown.splitlines() if line[0] == "[")
        assert (f"by {name}" in head) == (name != "ana"), head


def test_others_take_half_of_the_room_at_most_while_there_is_ones_own():
    others, own = (
        [_note(number, "ben") for number in range(1, 9)],
        [_note(number) for number in range(11, 15)],
    )
    tokens = 5 * count_tokens("word1 " * 40)
    _, shown = framed([*others, *own], "found", tokens)
    mine = [one for one in shown if not one.by]
    assert len(mine) >= len(shown) - len(mine) > 0
    assert shown == sorted(shown, key=[*others, *own].index)
    _, alone = framed(others, "found", tokens)
    assert len(alone) >= len(shown) - 1
    _, few = framed([*others, own[0]], "found", tokens)
    assert own[0] in few
    assert len(few) >= len(shown) - 1


def test_a_team_that_writes_much_does_not_keep_ones_own_out(make_service, client_of):
    client = client_of(make_service(token="tok-3f9a1c"))
    ana, ben = Member(client, "ana", work="write"), Member(client, "ben", work="write")
    texts = [f"the deploy of the service needs step {number} of the release list" for number in range(30)]
    ben.ask("POST", "/memory/add-batch", {"memories": [{"text": text, "project": "work"} for text in texts]})
    mine = ana.ask("POST", "/memory/add", {"text": "deploy on friday is forbidden", "project": "work"}).json[
        "id"
    ]
    asked = {
        "prompt": "which step of the release list does the deploy of the service need?",
        "project": "work",
    }
    shown = ana.ask("POST", "/recall/preview", {**asked, "min_relevance": 0}).json
    found = {one["id"] for one in (*shown["shown"], *shown["withheld"])}
    assert mine in found
