"""What the tools do: a model's arguments become a message of the service, its answer a text and a structure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from faiss_memory import (
    DEFAULT_PROJECT,
    TOOLS,
    AddAnswer,
    AddRequest,
    Answer,
    ForgetAnswer,
    ForgetRequest,
    ListRequest,
    MemoryNotFound,
    MemoryServiceError,
    Notes,
    NotReady,
    PatchRequest,
    SearchRequest,
    Service,
    Tool,
    added_text,
    clean_line,
    clean_text,
    found_text,
    newest_notes,
    newest_text,
    notes_of,
)
from faiss_memory_plugins.mcp.caller import Caller
from faiss_memory_plugins.mcp.retrying import add_once
from faiss_memory_plugins.mcp.settings import McpSettings

log = logging.getLogger("faiss_memory.mcp")

ON_THE_PUBLIC_ADDRESS = ("memory_search", "memory_add")


class Updated(Answer):
    """Confirms that a memory was corrected."""

    success: bool
    id: int
    project: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call gives: a text for the model, and the same as a structure. An error has the text alone."""

    text: str
    structure: dict[str, Any] | None = None

    @property
    def is_error(self) -> bool:
        """Whether the call failed; the text then says why, and what to do."""
        return self.structure is None


@dataclass(frozen=True, slots=True)
class Call:
    """A tool, the struct it answers with, and what it does."""

    tool: Tool[Any]
    answer: type[Answer]
    do: Callable[[Any], tuple[str, Answer]]


class Calls:
    """The tools that one caller has."""

    def __init__(self, service: Service, caller: Caller, more: Mapping[str, Call]) -> None:
        self._service = service
        self._caller = caller
        self._tokens = service.settings.of(McpSettings).answer_tokens
        done: dict[str, tuple[type[Answer], Callable[[Any], tuple[str, Answer]]]] = {
            "memory_search": (Notes, self._search),
            "memory_recent": (Notes, self._recent),
            "memory_add": (AddAnswer, self._add),
            "memory_update": (Updated, self._update),
            "memory_forget": (ForgetAnswer, self._forget),
        }
        self.by_name = {
            tool.name: Call(tool, *done[tool.name])
            for tool in TOOLS
            if not caller.public or tool.name in ON_THE_PUBLIC_ADDRESS
        } | dict(more)

    def call(self, name: str, arguments: Mapping[str, Any]) -> Outcome:
        """Call a tool. Whatever goes wrong is told to the model, which can do something about it."""
        if name not in self.by_name:
            return Outcome(f"There is no tool `{clean_line(name)}`; there are {', '.join(self.by_name)}.")
        call = self.by_name[name]
        try:
            names = partial(self._service.project_named, rights=self._caller.rights)
            text, answer = call.do(call.tool.read(arguments, names))
        except NotReady as error:
            return Outcome(f"{str(error).rstrip('.')}. Try again in {error.retry_after} seconds.")
        except MemoryNotFound as error:
            return Outcome(clean_text(f"{name}: {error}; give an id that a search has shown."))
        except MemoryServiceError as error:
            return Outcome(clean_text(f"{name}: {self._caller.rights.told(error)}"))
        except Exception:  # a model can go on without a memory; the log has what a person needs
            log.exception("an error nobody foresaw, in %s", name)
            return Outcome("The memory service met an error nobody foresaw; its log says more.")
        return Outcome(text, msgspec.to_builtins(answer))

    def _search(self, request: SearchRequest) -> tuple[str, Answer]:
        is_hint_wanted = request.project is not None or request.tags
        found = self._service.find(self._caller.with_projects(request), self._caller.rights)
        if not is_hint_wanted:
            found.hint = msgspec.UNSET  # its own project may be new: the model has not named it
        notes = notes_of(found, self._tokens)
        return found_text(notes), notes

    def _recent(self, request: ListRequest) -> tuple[str, Answer]:
        request.project = request.project or self._caller.project or DEFAULT_PROJECT
        listed = self._service.list_memories(request, self._caller.rights).memories
        notes = newest_notes(listed, request.project, self._tokens)
        return newest_text(notes), notes

    def _add(self, request: AddRequest) -> tuple[str, Answer]:
        answer = add_once(self._service, self._caller.with_projects(request), self._caller.rights)
        return added_text(answer, self._tokens), answer

    def _update(self, request: Any) -> tuple[str, Answer]:
        fields = {name: getattr(request, name) for name in PatchRequest.__struct_fields__}
        memory = self._service.patch(request.id, PatchRequest(**fields), self._caller.rights_by_id)
        answer = Updated(success=True, id=memory.id, project=memory.project)
        return f"Memory {memory.id} in project {memory.project} is corrected.", answer

    def _forget(self, request: ForgetRequest) -> tuple[str, Answer]:
        answer = self._service.forget(request, self._caller.rights_by_id)
        ids = ", ".join(str(one) for one in answer.ids)
        said = "Would forget" if answer.dry_run else "Forgot"
        text = f"{said} {answer.count} {'memory' if answer.count == 1 else 'memories'}{f': {ids}' if ids else ''}."
        if answer.missing:
            text += f" Not there: {', '.join(str(one) for one in answer.missing)}."
        return text, answer
