"""Prompts, which a person chooses from a menu: remember, recall, review, instructions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from faiss_memory import (
    DEFAULT_PROJECT,
    InvalidRequest,
    ListRequest,
    MemoryNotFound,
    PromptRequest,
    SearchRequest,
    Service,
    found_text,
    notes_of,
    whole_notes,
)
from faiss_memory_plugins.mcp.caller import Caller
from faiss_memory_plugins.mcp.settings import McpSettings

REVIEWED = 30
"""How many memories a review looks at: the newest, which is what the last sessions have brought."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt: `argument` is the name of its only one, with what it is for."""

    name: str
    title: str
    description: str
    argument: tuple[str, str] | None
    required: bool
    write: Callable[[str], str]


class Prompts:
    """The prompts that one caller has: none on the public address, whose clients have no menu for them."""

    def __init__(self, service: Service, caller: Caller) -> None:
        self._service = service
        self._caller = caller
        self._tokens = service.settings.of(McpSettings).answer_tokens
        what = ("what", "What to remember; what this conversation has brought, if you leave it out.")
        question = ("question", "What you want to know, in plain words.")
        found = (
            Prompt("remember", "Remember", "Store what lasts of this conversation.", what, False, _remember),
            Prompt("recall", "Recall", "Look up what is remembered.", question, True, self._recall),
            Prompt(
                "review",
                "Review memories",
                "Tidy up this project's newest memories.",
                None,
                False,
                self._review,
            ),
            Prompt(
                "instructions",
                "Instructions",
                "When to search the memory, and what to store in it.",
                ("assistant", f"Whose: {', '.join(one.name for one in service.assistants)}."),
                True,
                self._instructions,
            ),
        )
        self.by_name = {} if caller.public else {prompt.name: prompt for prompt in found}

    def write(self, name: str, arguments: Mapping[str, str]) -> tuple[str, str]:
        """Return a prompt's description and text. Raises InvalidRequest for what it does not know."""
        if name not in self.by_name:
            raise InvalidRequest(
                f"there is no prompt `{name}`; there are {', '.join(self.by_name) or 'none'}"
            )
        prompt = self.by_name[name]
        known = prompt.argument[0] if prompt.argument else ""
        for argument in arguments:
            if argument != known:
                raise InvalidRequest(f"`{argument}` is not an argument of the prompt `{name}`", argument)
        given = arguments.get(known, "").strip()
        if prompt.required and not given:
            raise InvalidRequest(f"the prompt `{name}` needs `{known}`", known)
        return prompt.description, prompt.write(given)

    def _recall(self, question: str) -> str:
        request = self._caller.with_projects(SearchRequest(query=question))
        found = found_text(notes_of(self._service.search(request, self._caller.rights), self._tokens))
        return (
            f"What is remembered about: {question}\n\n{found}\n\nAnswer from this, and name the ids you used."
        )

    def _review(self, _: str) -> str:
        project = self._caller.project or DEFAULT_PROJECT
        memories = self._service.list_memories(
            ListRequest(project=project, limit=REVIEWED), self._caller.rights
        ).memories
        if not memories:
            return f"Project {project} has no memories yet. Say so."
        shown = whole_notes(memories, f"the newest of project {project}", self._tokens)
        return (
            f"{shown}\n\n"
            "Find those that repeat or contradict each other, are out of date, or should not be stored. Propose what "
            "to do with each: memory_update, memory_add with `supersedes`, or memory_forget. Change nothing before I "
            "agree."
        )

    def _instructions(self, name: str) -> str:
        try:
            return self._service.prompt(PromptRequest(name=name, project=self._caller.project)).text
        except MemoryNotFound as error:
            raise InvalidRequest(str(error), "assistant") from None


def _remember(what: str) -> str:
    asked = f"Remember this: {what}" if what else "Remember what this conversation has brought that lasts."
    return (
        f"{asked}\n\nSearch first with memory_search whether it is known. Then store each fact by itself with "
        "memory_add, in one or two sentences that can be understood without this conversation, with its reason; or "
        "correct what is there with memory_update. No secrets. Tell me what you stored."
    )
