"""What others of a team have written is shown as theirs, and leaves half of the room to one's own."""

from __future__ import annotations

from faiss_memory import Note, count_tokens, framed
from tests.test_team import OWNER, Member


def _note(number, by="", words=40):
    return Note(id=number, date="2026-01-01", source="", project="", text=f"word{number} " * words, by=by)


def test_a_note_says_by_whom_it_is_if_not_by_who_asks(make_service, client_of):
    client = client_of(make_service(token="tok-3f9a1c"))
    ana, ben = Member(client, "ana", work="write"), Member(client, "ben", work="write")
    for who, text in (
        (ana, "we deploy on fridays with the blue script"),
        (ben, "we deploy by the green button"),
    ):
        assert who.ask("POST", "/memory/add", {"text": text, "project": "work"}).status_code == 201
    client.post("/memory/add", {"text": "we deploy from main only", "project": "work"}, headers=OWNER)
    asked = {"prompt": "how do we deploy the service to the cluster?", "project": "work", "min_relevance": 0}
    heads = [
        line for line in ana.ask("POST", "/recall/preview", asked).json["text"].splitlines() if line[0] == "["
    ]
    assert sorted("by ben" in head for head in heads) == [False, False, True]
    assert sorted("by owner" in head for head in heads) == [False, False, True]
    assert not any("by ana" in head for head in heads)


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
