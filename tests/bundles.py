"""Services that write for themselves, and exchange bundles: what each comes to is compared."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

WORDS = ("ledger", "postgres", "redis", "token", "queue", "deploy", "cookie", "region", "parser", "backup")
TAGS = ("db", "ops", "web")
AT_ONCE = 500


class Place:
    """One service, with a person who changes things at random."""

    def __init__(self, client: Any, seed: int) -> None:
        self.client = client
        self._chance = random.Random(seed)
        self.purged: set[str] = set()
        """The uids that were purged here."""

    # Writing.

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.client.request(method, path, body)
        assert answer.status_code < 300, answer.text
        return answer.json

    def add(self, count: int) -> None:
        """Add memories."""
        for start in range(0, count, AT_ONCE):
            some = [{"text": self._text()} for _ in range(min(AT_ONCE, count - start))]
            self.call("POST", "/memory/add-batch", {"memories": some})

    def act(self, times: int) -> None:
        """Add, edit, forget, bring back, purge, supersede and join memories."""
        ways = (
            *(self._add, self._edit, self._edit, self._edit, self._forget, self._forget),
            *(self._bring_back, self._supersede, self._join),
        )
        for _ in range(times):
            if self._chance.random() < 0.03:
                self.purge()
            else:
                self._chance.choice(ways)()

    def _text(self) -> str:
        return f"{' '.join(self._chance.choices(WORDS, k=4))} {self._chance.random()}"

    def _some(self, *, current: bool = False) -> dict[str, Any]:
        skip = "" if current else "&include_superseded=true"
        found: list[dict[str, Any]] = self.call("GET", f"/memories?project=*&limit=1000{skip}")["memories"]
        return self._chance.choice(found)

    def _add(self) -> None:
        self.call("POST", "/memory/add", {"text": self._text(), "tags": [self._chance.choice(TAGS)]})

    def _edit(self) -> None:
        said: dict[str, Any] = self._chance.choice(
            (
                {"text": self._text()},
                {"tags": [self._chance.choice(TAGS)]},
                {"metadata": {"n": self._chance.randint(1, 3)}},
                {"cues": [self._chance.choice(WORDS)]},
                {"valid_until": f"203{self._chance.randint(0, 9)}-01-01T00:00:00Z"},
                {"forever": True},
            )
        )
        self.call("PATCH", f"/memory/{self._some()['id']}", said)

    def _forget(self) -> None:
        self.call("DELETE", f"/memory/{self._some()['id']}")

    def _bring_back(self) -> None:
        if found := self.call("GET", "/forgotten?limit=20")["memories"]:
            self.call("POST", f"/memory/{self._chance.choice(found)['id']}/restore")

    def purge(self) -> None:
        """Purge one memory."""
        memory = self._some()
        self.purged.add(memory["uid"])
        self.call("POST", "/memory/purge", {"ids": [memory["id"]]})

    def _supersede(self) -> None:
        self.call("POST", "/memory/add", {"text": self._text(), "supersedes": self._some()["id"]})

    def _join(self) -> None:
        keep, other = self._some(current=True), self._some(current=True)
        if keep["id"] != other["id"]:
            self.call("POST", "/memory/merge", {"keep": keep["id"], "ids": [other["id"]]})

    # Exchanging.

    def bundle(self) -> list[dict[str, Any]]:
        """Return the lines of everything."""
        answer = self.client.get("/export?format=jsonl")
        assert answer.status_code == 200, answer.text
        _, *lines = map(json.loads, answer.text.splitlines())
        return lines

    def take(self, lines: Sequence[dict[str, Any]]) -> dict[str, int]:
        """Import lines, as the command line does it: what replaces others first; returns the outcomes."""
        there = {line["uid"] for line in lines if "text" in line}
        counts: dict[str, int] = {}
        for some in (
            [line for line in lines if line.get("superseded_by") is None],
            [line for line in lines if line.get("superseded_by") is not None],
        ):
            told = [
                {key: value for key, value in line.items() if key != "superseded_by" or value not in there}
                for line in some
            ]
            for start in range(0, len(told), AT_ONCE):
                answer = self.call("POST", "/import", {"memories": told[start : start + AT_ONCE]})
                for outcome, count in answer["counts"].items():
                    counts[outcome] = counts.get(outcome, 0) + count
        return counts

    # Comparing.

    def state(self) -> dict[str, Any]:
        """Return everything that must come to the same, by uid."""
        lines = {line["uid"]: line for line in self.bundle()}
        superseding = {line["supersedes"] for line in lines.values() if line.get("supersedes")}
        for line in lines.values():
            line.pop("origin", None)
            if line.pop("superseded_by", None) is not None:  # (of several the last that was stored here)
                assert line["uid"] in superseding
        return lines


def expected(places: Sequence[Place]) -> dict[str, str]:
    """Return for each uid what it must come to after an exchange: there, forgotten or purged."""
    latest: dict[str, tuple[int, bool]] = {}
    purged: set[str] = set()
    for line in (line for place in places for line in place.bundle()):
        if line["state"] == "purged":
            purged.add(line["uid"])
        else:
            state = (line["revision"], line["state"] == "forgotten")
            latest[line["uid"]] = max(state, latest.get(line["uid"], state))
    states = {uid: "forgotten" if is_gone else "there" for uid, (_, is_gone) in latest.items()}
    return states | dict.fromkeys(purged, "purged")


def agree(places: Sequence[Place]) -> dict[str, Any]:
    """Check that all have come to the same, and that nothing that was purged is there; returns it."""
    first, *others = [place.state() for place in places]
    for other in others:
        assert first.keys() == other.keys()
        differing = {uid: (first[uid], other[uid]) for uid in first if first[uid] != other[uid]}
        assert differing == {}
    purged = set().union(*(place.purged for place in places))
    assert {uid: first[uid]["state"] for uid in purged} == dict.fromkeys(purged, "purged")
    links = {line.get("supersedes") for line in first.values()}
    assert all(uid in links for uid, line in first.items() if line["state"] == "superseded")
    return first


def coarse(state: str) -> str:
    """Return a state of a bundle as `expected` has it."""
    return "there" if state in ("active", "superseded") else state
