"""aider: a context file that it reads. It has neither tools nor hooks; `aider_command` refreshes the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from msgspec import UNSET, Meta

from faiss_memory import (
    DEFAULT_PROJECT,
    Adapter,
    ConfigFile,
    Detection,
    InstallContext,
    ListRequest,
    Message,
    Note,
    OwnFile,
    Page,
    ProjectName,
    PromptTemplate,
    Rights,
    Route,
    SearchRequest,
    Service,
    YamlItem,
    YamlMember,
    clean_line,
    count_tokens,
    framed,
)
from faiss_memory_adapters.client_files import read_yaml
from faiss_memory_adapters.texts import filled, template

PROMPT = PromptTemplate("aider", template("aider/head.md"))
FOLDER = ".faiss-memory"
CONTEXT = f"{FOLDER}/context.md"
LOAD = f"{FOLDER}/load.aider"
CONFIG = ".aider.conf.yml"
TOKENS = 1500
MOST_FOUND, MOST_RECENT = 20, 20
LONGEST_QUERY = 200
"""Characters of it that the file names."""
NOTHING = "Nothing is remembered yet."


class ContextFileRequest(Message):
    """What the file is about, whose it is, and how long it may be."""

    query: Annotated[
        str, Meta(description="What is worked on; without it the newest memories are given.")
    ] = ""
    project: ProjectName | None = None
    tokens: Annotated[int, Meta(ge=300, le=100_000, description="The most that it may cost.")] = TOKENS


def _context(service: Service, request: ContextFileRequest, rights: Rights) -> Page:
    project = request.project or DEFAULT_PROJECT
    projects = list(dict.fromkeys([project, DEFAULT_PROJECT]))
    query = request.query.strip()
    found: list[Any] = []
    why = f"the newest of {' and '.join(projects)}"
    if query:
        found += service.find(SearchRequest(query=query, k=MOST_FOUND, project=projects), rights).results
        about = f"“{clean_line(query, LONGEST_QUERY)}”"
        why = f"first what fits {about}, then {why}" if found else f"nothing about {about}, but {why}"
    for name in projects:
        found += service.list_memories(ListRequest(project=name, limit=MOST_RECENT), rights).memories
    head = filled(PROMPT.text, InstallContext(url="", project=project))
    notes: dict[int, Note] = {}
    for memory in (one for one in found if one.state != "expired"):
        notes.setdefault(memory.id, _note(memory))
    left = request.tokens - count_tokens(f"{head}\n\n")
    text, _ = framed(list(notes.values()), why, left, most_characters=4 * request.tokens, here=project)
    return Page(f"{head}\n{text or NOTHING}\n".encode(), "text/markdown; charset=utf-8")


def _note(memory: Any) -> Note:
    passage = getattr(memory, "passage", UNSET)
    return Note(
        id=memory.id,
        date=memory.timestamp[:10],
        source=memory.source,
        project=memory.project,
        text=memory.text if passage is UNSET else passage.text,
        cut=passage is not UNSET,
    )


def _routes(service: Service) -> Sequence[Route]:
    return (
        Route(
            group="Assistants",
            method="GET", path="/adapters/aider/context.md", summary="Give a context file for aider",
            params=ContextFileRequest, handler=lambda request, rights: _context(service, request, rights),
        ),
    )  # fmt: skip


def _files(context: InstallContext) -> Sequence[ConfigFile]:
    start = filled(PROMPT.text + template("aider/empty.md"), context)
    return (
        _entry_point(context),
        OwnFile(f"{FOLDER}/.gitignore", template("aider/gitignore")),
        OwnFile(CONTEXT, start, refreshed=True, filled_from=_address(context.project)),
        OwnFile(LOAD, template("aider/load.aider"), refreshed=True),
    )


def _address(project: str, query: str = "") -> str:
    return f"/adapters/aider/context.md?{urlencode({'query': query, 'project': project})}"


def _entry_point(context: InstallContext) -> ConfigFile:
    """Return how aider comes to read the file.

    The list of its last configuration file replaces the others, so that a list in the project would put the one in the
    home folder out of force. There a load file does it: what that reads comes on top.
    """
    if context.scope != "personal" or not context.folder:
        return YamlItem(CONFIG, ("read",), CONTEXT)
    at_home, here = read_yaml(Path.home() / CONFIG), read_yaml(Path(context.folder, CONFIG))
    inherits = "read" in at_home and "read" not in _foreign(here)
    if inherits and "load" not in at_home and here.get("load") in (None, LOAD):
        return YamlMember(CONFIG, ("load",), LOAD)
    return YamlItem(CONFIG, ("read",), CONTEXT)


def _foreign(config: dict[str, Any]) -> dict[str, Any]:
    """Leave out a list that holds nothing but our own item."""
    return {
        key: value for key, value in config.items() if not (key == "read" and value in (CONTEXT, [CONTEXT]))
    }


def _steps(context: InstallContext) -> Sequence[str]:
    if not context.command:
        call = f"{context.url}/adapters/aider/context.md?project={context.project}"
        return (f'Before you start aider, refresh the file it reads: `curl -sf "{call}" -o {CONTEXT}`.',)
    return (
        "Start aider with `faiss-memory aider -- ARGUMENTS` in place of `aider ARGUMENTS`: it refreshes the file.",
    )


adapter = Adapter(
    name="aider",
    title="aider",
    marks=(".faiss-memory", ".aider.conf.yml"),
    prompt=PROMPT,
    files=_files,
    routes=_routes,
    scopes=("personal", "shared"),
    steps=_steps,
    probe=lambda context, query: _address(context.project, query),
    detection=Detection(paths=(CONFIG, "~/.aider.conf.yml"), commands=("aider",)),
)
