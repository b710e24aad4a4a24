"""ChatGPT: a document for Actions of a custom GPT, with their limits kept, a privacy page, and instructions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from faiss_memory import (
    Adapter,
    AddAnswer,
    AddRequest,
    ErrorAnswer,
    InstallContext,
    MemoryNotFound,
    NovelAnswer,
    NovelRequest,
    Page,
    PromptTemplate,
    Route,
    ScopeRequest,
    SearchAnswer,
    SearchRequest,
    Service,
    Snippet,
    StatsAnswer,
    message_schema,
)
from faiss_memory_adapters.texts import template

PROMPT = PromptTemplate("chatgpt", template("chatgpt/instructions.md"))
DOCUMENT, PRIVACY = "/adapters/chatgpt/openapi.json", "/adapters/chatgpt/privacy"


class Action(NamedTuple):
    """A call as a custom GPT sees it: the name of the function, and the fields that a model has use for."""

    name: str
    method: str
    path: str
    summary: str
    request: type[Any]
    fields: tuple[str, ...]
    answers: dict[int, type[Any]]


# What a model on the web has no use for is left out: each field costs tokens in every conversation.
ACTIONS = (
    Action(
        "searchMemory", "POST", "/search",
        "Search what was remembered: decisions, conventions, fixes, preferences. Ask in plain words, before answering "
        "about earlier work.",
        SearchRequest, ("query", "k", "project", "tags", "after", "before", "min_relevance"), {200: SearchAnswer},
    ),
    Action(
        "addMemory", "POST", "/memory/add",
        "Remember one lasting fact in one or two sentences that stand alone: a decision with its reason, a convention, "
        "a fix, a preference.",
        AddRequest, ("text", "cues", "source", "project", "tags", "supersedes", "if_novel"),
        {201: AddAnswer, 200: AddAnswer},
    ),
    Action(
        "isNovel", "POST", "/memory/is-novel", "Say whether something is already remembered, and what comes closest.",
        NovelRequest, ("text", "threshold", "project"), {200: NovelAnswer},
    ),
    Action(
        "memoryStats", "GET", "/stats", "Tell how many memories there are, and in which projects.",
        ScopeRequest, ("project",), {200: StatsAnswer},
    ),
)  # fmt: skip


def _document(service: Service) -> Page:
    settings = service.settings
    if not settings.public_url:
        raise MemoryNotFound(
            "there is no document for ChatGPT yet: set `public_url` to the https address by which ChatGPT reaches this "
            "service, `public_token` to the token that it shall send, and `token` to another for this machine"
        )
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "FAISS Memory",
            "version": service.version,
            "description": "What was decided, agreed on, fixed and preferred in earlier conversations.",
        },
        "servers": [{"url": settings.public_url.rstrip("/")}],
        "paths": {action.path: {action.method.lower(): _operation(action, service)} for action in ACTIONS},
        "components": {"schemas": {}, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    }
    return Page(msgspec.json.format(msgspec.json.encode(document)), "application/json")


def _operation(action: Action, service: Service) -> dict[str, Any]:
    limits = service.settings.limits
    request = _asked(message_schema(action.request, limits), action.fields)
    answers: dict[str, type[Any]] = {
        **{str(status): message for status, message in action.answers.items()},
        "default": ErrorAnswer,
    }
    operation = {
        "operationId": action.name,
        "summary": action.summary,
        # Otherwise ChatGPT asks the person before every call that is not a GET; so they may allow it for good.
        "x-openai-isConsequential": False,
        "responses": {
            status: _content(_told(message_schema(message, limits)), _first_line(message))
            for status, message in answers.items()
        },
    }
    if action.method == "GET":
        operation["parameters"] = [
            {"name": name, "in": "query", "required": name in request.get("required", ()), "schema": field}
            for name, field in request["properties"].items()
        ]
    else:
        operation["requestBody"] = {"required": True, **_content(request)}
    return operation


def _content(schema: dict[str, Any], description: str = "") -> dict[str, Any]:
    content = {"content": {"application/json": {"schema": schema}}}
    return {"description": description, **content} if description else content


def _first_line(message: type[Any]) -> str:
    return (message.__doc__ or message.__name__).strip().splitlines()[0]


def _asked(schema: dict[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """Choose fields of a request, each with one type: what may be null can also be left out."""
    chosen = {name: _without_null(schema["properties"][name]) for name in fields}
    return {**schema, "properties": chosen}


def _without_null(field: dict[str, Any]) -> dict[str, Any]:
    options = [option for option in field.get("anyOf", ()) if option != {"type": "null"}]
    if not options:
        return field
    rest = {key: value for key, value in field.items() if key not in ("anyOf", "default")}
    return {**_without_null(options[0]), **rest}


def _told(schema: Any) -> Any:
    """Leave out of an answer what Actions do not take: objects whose properties are not known beforehand."""
    if isinstance(schema, list):
        return [_told(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    told = {key: _told(value) for key, value in schema.items() if key not in ("properties", "required")}
    if "properties" in schema:
        told["properties"] = {
            name: _told(field) for name, field in schema["properties"].items() if not _is_open(field)
        }
        told["required"] = [name for name in schema.get("required", ()) if name in told["properties"]]
    return told


def _is_open(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "object" and "properties" not in schema


def _routes(service: Service) -> Sequence[Route]:
    page = Page(template("chatgpt/privacy.html").encode(), "text/html; charset=utf-8")
    return (
        Route(
            group="Assistants",
            method="GET", path=DOCUMENT, summary="The calls for a custom GPT, as OpenAPI for Actions",
            handler=lambda rights: _document(service), public=True,
        ),
        Route(
            group="Assistants",
            method="GET", path=PRIVACY, summary="The privacy page that a custom GPT must name",
            handler=lambda rights: page, public=True, open=True, static=True,
        ),
    )  # fmt: skip


def _files(context: InstallContext) -> Sequence[Snippet]:
    return (
        Snippet(
            "ChatGPT, Configure, Instructions", PROMPT.text, "Paste it into the instructions of your GPT."
        ),
    )


def _steps(context: InstallContext) -> Sequence[str]:
    public = context.public_url.rstrip("/") or "https://YOUR-ADDRESS"
    address = () if context.public_url else (
        "Open a tunnel, and set public_url to its https address, public_token to a new token and token to another for "
        "this machine: ChatGPT cannot reach it otherwise.",
    )  # fmt: skip
    return (
        *address,
        f"In ChatGPT, make a GPT, and under Actions paste what `curl -s {context.url}{DOCUMENT}` gives.",
        "As authentication choose API key, Bearer, and paste the public token.",
        f"As privacy policy give the address {public}{PRIVACY}.",
    )


adapter = Adapter(name="chatgpt", title="ChatGPT", prompt=PROMPT, files=_files, routes=_routes, steps=_steps)
