"""The calls of a report. They change nothing, and what they search is counted nowhere."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from faiss_memory import (
    DEFAULT_PROJECT,
    TRIAL_SESSION,
    CommandFailed,
    Refused,
    Step,
    count_tokens,
    generic_prompts,
    new_uid,
)
from faiss_memory_plugins.report.card import Card, Duplicates, Foreign, FoundBy, Stale, Start
from faiss_memory_plugins.report.questions import RULES, Question, questions_of, sampled, spread

if TYPE_CHECKING:
    from faiss_memory import Session

EVERY = "*"
MODES = ("hybrid", "semantic", "keyword")
PAGE, MOST_PAGES = 1000, 20
"""Memories that are listed at once; only those of the newest pages are asked about."""
AMONG = 5
MOST_STALE = 1000
DAYS = 90
_UNCOUNTED = {"FAISS-Memory-By": "page"}
"""Who looks after memories: that something is found so says nothing of its use."""


class Asking:
    """Makes one report. Raises CommandFailed, as the client does."""

    def __init__(self, session: Session, project: str, sample: int, of: str | None = None) -> None:
        """`of` says where the memories are, if the session has another program's."""
        self._session, self._project, self._sample, self._of = session, project, sample, of
        self.step = Step("listing", 0, 0, "")
        """How far it is."""

    def card(self) -> Card:
        """Ask everything."""
        projects = self._projects()
        listed = [*self._memories()]
        chosen = sampled(listed, self._sample)
        questions = [question for memory in chosen for question in questions_of(memory)]
        self._wait_for_the_model()
        return Card(
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            of=self._of,
            project=self._project,
            memories=sum(projects.values()),
            sampled=len(chosen),
            found=self._found(questions),
            foreign=[*self._foreign(list(projects))],
            duplicates=self._duplicates(),
            stale=self._stale(),
            secrets=self._secrets(),
            session_start=self._start(max(projects, key=lambda name: projects[name])),
        )

    def _projects(self) -> dict[str, int]:
        """Return the projects that it is about, with how many memories each has."""
        there = {one["name"]: one["memories"] for one in self._session.call("GET", "/projects")["projects"]}
        if self._project == EVERY:
            found = {name: count for name, count in there.items() if count}
        else:
            found = {name: count for name, count in there.items() if name == self._project and count}
        if not found:
            raise CommandFailed("There are no memories to report on.")
        return found

    def _memories(self, project: str = "") -> Iterator[Mapping[str, Any]]:
        asked: dict[str, Any] = {"project": project or self._project, "limit": PAGE}
        for _ in range(MOST_PAGES):
            answer = self._session.call("GET", "/memories", params=asked)
            yield from answer["memories"]
            if answer["next_cursor"] is None:
                return
            asked["cursor"] = answer["next_cursor"]

    def _wait_for_the_model(self) -> None:
        """Ask what needs the model, and only that, for as long as a command waits."""
        self._session.call("POST", "/memory/is-novel", {"text": "whether the model is ready"})

    # What is found.

    def _found(self, questions: Sequence[Question]) -> list[FoundBy]:
        found = []
        for rule in RULES:
            own = [question for question in questions if question.rule == rule]
            for mode in MODES if own else ():
                places = []
                for number, question in enumerate(own):
                    self.step = Step(f"finding by {rule}, {mode}", number, len(own), "")
                    places.append(self._place(question, mode))
                found.append(
                    FoundBy(
                        rule=rule,
                        mode=mode,
                        questions=len(own),
                        first=places.count(0) / len(own),
                        among_five=sum(place < AMONG for place in places) / len(own),
                    )
                )
        return found

    def _place(self, question: Question, mode: str) -> int:
        """Return at which place the memory comes, or another with the same text."""
        memory = question.memory
        asked = {"query": question.text, "mode": mode, "k": AMONG, "project": memory["project"]}
        status, raw = self._session.client.send("/search", json.dumps(asked).encode(), _UNCOUNTED)
        if status != 200:
            raise CommandFailed(f"The service cannot search at present (status {status}); its log says why.")
        results = json.loads(raw)["results"]
        places = (n for n, one in enumerate(results) if memory["text"] == one["text"])
        return next(places, AMONG)

    def _foreign(self, projects: Sequence[str]) -> Iterator[Foreign]:
        generic = spread(generic_prompts(), self._sample)
        yield self._shown("generic prompts", [(prompt, projects) for prompt in generic])
        elsewhere = (one for one in self._memories(EVERY) if one["project"] != DEFAULT_PROJECT)
        strange = []
        for memory in sampled(elsewhere, self._sample):
            others = [name for name in projects if name not in (memory["project"], DEFAULT_PROJECT)]
            text = next((one.text for one in questions_of(memory)), "")
            if others and text:
                strange.append((text, others))
        if strange:
            yield self._shown("questions of other projects", strange)

    def _shown(self, kind: str, prompts: Sequence[tuple[str, Sequence[str]]]) -> Foreign:
        """Ask each prompt in one of its projects, these by turns."""
        shown = 0
        for number, (prompt, projects) in enumerate(prompts):
            self.step = Step(kind, number, len(prompts), "")
            asked = {"prompt": prompt, "project": projects[number % len(projects)]}
            shown += bool(self._session.call("POST", "/recall/preview", asked)["shown"])
        return Foreign(kind=kind, asked=len(prompts), shown=shown)

    # What is there.

    def _duplicates(self) -> Duplicates:
        asked: dict[str, Any] = {"project": self._project, "limit": 1000}
        pairs: Counter[str] = Counter()
        while True:
            answer = self._session.call("GET", "/duplicates", params=asked, endless=True)
            pairs.update(pair["class"] for pair in answer["pairs"])
            self.step = Step("comparing", self.step.done, self.step.done + answer["left"], "")
            if answer["next_cursor"] is None:
                return Duplicates(
                    identical=pairs["identical"], similar=pairs["similar"], differs=pairs["differs"]
                )
            asked["cursor"] = answer["next_cursor"]

    def _stale(self) -> Stale:
        asked = {"project": self._project, "days": DAYS, "limit": MOST_STALE}
        answer = self._session.call("GET", "/review/stale", params=asked, endless=True)
        reasons = Counter(file["reason"] for file in answer["files"])
        return Stale(
            gone=reasons["gone"],
            changed=reasons["changed"],
            never_recalled=len(answer["never_recalled"]) if self._of is None else None,
            since=answer["since"],
            most=MOST_STALE,
        )

    def _secrets(self) -> dict[str, int]:
        answer = self._session.call("POST", "/scan", {"project": self._project}, endless=True)
        counted = Counter(kind for finding in answer["findings"] for kind in finding["kinds"])
        return dict(sorted(counted.items()))

    def _start(self, project: str) -> Start:
        """Begin a session that is not counted, as Claude Code does; other assistants are brought the same."""
        event = {"hook_event_name": "SessionStart", "session_id": f"{TRIAL_SESSION}{new_uid()}"}
        try:
            answer = self._session.call(
                "POST", "/adapters/claude-code/hook", event, params={"project": project}
            )
        except Refused:
            return Start(project=project, tokens=None)
        text = answer.get("hookSpecificOutput", {}).get("additionalContext", "")
        return Start(project=project, tokens=count_tokens(text))
