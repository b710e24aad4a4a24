"""What the service offers by MCP, told to the official SDK. The only file that imports it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp_types.version import is_version_at_least

from faiss_memory import (
    INSTRUCTIONS,
    Limits,
    MemoryAnswer,
    MemoryServiceError,
    Service,
    clean_line,
    clean_text,
    message_schema,
    title_of,
    whole_notes,
)
from faiss_memory_plugins.mcp import confirming
from faiss_memory_plugins.mcp.bridge import Application, Event
from faiss_memory_plugins.mcp.caller import Caller
from faiss_memory_plugins.mcp.calls import Call, Calls
from faiss_memory_plugins.mcp.connector import connector_calls
from faiss_memory_plugins.mcp.prompts import Prompts
from faiss_memory_plugins.mcp.resources import TEMPLATE, Resources, uri_of

# It tells of each request's beginning and end, which the service's own log does in one line.
logging.getLogger("mcp").setLevel(logging.WARNING)

Context = ServerRequestContext[Any, Any]
Page = types.PaginatedRequestParams | None

ANSWERS_ASK = "2026-07-28"
"""The first revision in which a call can be answered by a question to the person."""
AN_HOUR = CacheHint(ttl_ms=60 * 60 * 1000, scope="private")
"""Tools and prompts change with a release, and with who asks."""


class Offer:
    """Answers each request by a server of its own, made for who asks. Making one takes a fraction of a millisecond."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._described: dict[tuple[bool, bool], list[types.Tool]] = {}

    def to(self, caller: Caller) -> Application:
        """Return the ASGI application for one request of a caller."""
        server = self._server(caller)

        async def app(
            scope: MutableMapping[str, Any],
            receive: Callable[[], Awaitable[Event]],
            send: Callable[[Event], Awaitable[None]],
        ) -> None:
            manager = StreamableHTTPSessionManager(
                server,
                json_response=True,
                stateless=True,
                max_request_body_size=self._service.settings.limits.body_bytes,
            )
            async with manager.run():
                await manager.handle_request(scope, receive, send)

        return app

    def _server(self, caller: Caller) -> Server[Any]:
        calls = Calls(self._service, caller, connector_calls(self._service, caller))
        kind = (caller.public, caller.reads_structure)
        if kind not in self._described:  # schemas take ten times as long as all the rest
            limits = self._service.settings.limits
            self._described[kind] = [
                _described(call, limits, caller.reads_structure) for call in calls.by_name.values()
            ]
        tools = _Tools(calls, self._described[kind], caller.reads_structure)
        prompts = _Prompts(Prompts(self._service, caller))
        resources = _Resources(Resources(self._service, caller))
        return Server(
            "faiss-memory",
            version=self._service.version,
            title="FAISS Memory",
            instructions=INSTRUCTIONS,
            get_tool_input_schema=lambda name: (
                None
            ),  # it is asked for arguments that come as headers: ours do not
            cache_hints={"tools/list": AN_HOUR, "prompts/list": AN_HOUR},
            on_list_tools=tools.list,
            on_call_tool=tools.call,
            on_list_prompts=prompts.list,
            on_get_prompt=prompts.get,
            on_list_resources=resources.list,
            on_list_resource_templates=resources.list_templates,
            on_read_resource=resources.read,
        )


class _Tools:
    # What these methods call may block: the event loop is this request's alone.

    def __init__(self, calls: Calls, described: list[types.Tool], with_structure: bool) -> None:
        self._calls = calls
        self._described = described
        self._with_structure = with_structure

    async def list(self, context: Context, params: Page) -> types.ListToolsResult:
        return types.ListToolsResult(tools=self._described)

    async def call(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        ids = confirming.asked_about(params.name, params.arguments or {})
        if ids and params.name in self._calls.by_name and _can_be_asked(context):
            question = _question(ids)
            (key,) = question
            answer = (params.input_responses or {}).get(key)
            if not isinstance(answer, types.ElicitResult):
                return types.InputRequiredResult(input_requests=question)
            if answer.action != "accept":
                said = types.TextContent(type="text", text=confirming.refusal(len(ids)))
                return types.CallToolResult(content=[said], is_error=True)
        outcome = self._calls.call(params.name, params.arguments or {})
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=outcome.text)],
            structured_content=outcome.structure if self._with_structure else None,
            is_error=outcome.is_error,
        )


def _can_be_asked(context: Context) -> bool:
    """Return whether the client speaks the revision in which an answer can be a question, and shows forms to a person.

    One that names no kind of elicitation means forms.
    """
    if not is_version_at_least(context.protocol_version, ANSWERS_ASK):
        return False
    can = context.session.client_capabilities
    elicitation = can.elicitation if can is not None else None
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def _question(ids: Collection[int]) -> types.InputRequests:
    """Return the question whether to forget memories. Its key names them: an answer is to this question alone."""
    named = " ".join(str(one) for one in sorted(ids))
    form = types.ElicitRequestFormParams(
        message=confirming.question(len(ids)), requested_schema=confirming.NO_FIELDS
    )
    key = f"forget-{hashlib.sha256(named.encode()).hexdigest()[:16]}"
    return {key: types.ElicitRequest(params=form)}


def _described(call: Call, limits: Limits, with_structure: bool) -> types.Tool:
    tool = call.tool
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.listed_schema(limits),
        output_schema=message_schema(call.answer, limits) if with_structure else None,
        annotations=types.ToolAnnotations.model_validate(tool.annotations),
    )


class _Prompts:
    def __init__(self, prompts: Prompts) -> None:
        self._prompts = prompts

    async def list(self, context: Context, params: Page) -> types.ListPromptsResult:
        return types.ListPromptsResult(
            prompts=[
                types.Prompt(
                    name=prompt.name,
                    title=prompt.title,
                    description=prompt.description,
                    arguments=[
                        types.PromptArgument(name=name, description=text, required=prompt.required)
                        for name, text in ([prompt.argument] if prompt.argument else [])
                    ],
                )
                for prompt in self._prompts.by_name.values()
            ]
        )

    async def get(self, context: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        try:
            description, text = self._prompts.write(params.name, params.arguments or {})
        except MemoryServiceError as error:
            raise _refusal(error) from None
        message = types.PromptMessage(role="user", content=types.TextContent(type="text", text=text))
        return types.GetPromptResult(description=description, messages=[message])


class _Resources:
    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def list(self, context: Context, params: Page) -> types.ListResourcesResult:
        try:
            memories, following = self._resources.page(params.cursor if params else None)
        except MemoryServiceError as error:
            raise _refusal(error) from None
        return types.ListResourcesResult(
            resources=[
                types.Resource(
                    uri=uri_of(memory.id),
                    name=f"memory-{memory.id}",
                    title=title_of(memory),
                    description=" · ".join(
                        part
                        for part in (memory.timestamp[:10], clean_line(memory.source), memory.project)
                        if part
                    ),
                    mime_type="text/markdown",
                    size=len(_content(memory).encode()),
                )
                for memory in memories
            ],
            next_cursor=following,
        )

    async def list_templates(self, context: Context, params: Page) -> types.ListResourceTemplatesResult:
        template = types.ResourceTemplate(
            uri_template=TEMPLATE, name="memory", title="A memory, by its id", mime_type="text/markdown"
        )
        return types.ListResourceTemplatesResult(resource_templates=[template])

    async def read(
        self, context: Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        try:
            memory = self._resources.read(params.uri)
        except MemoryServiceError as error:
            raise _refusal(error) from None
        content = types.TextResourceContents(uri=params.uri, mime_type="text/markdown", text=_content(memory))
        return types.ReadResourceResult(contents=[content])


def _content(memory: MemoryAnswer) -> str:
    return whole_notes([memory], "the one that this address names")


def _refusal(error: MemoryServiceError) -> MCPError:
    return MCPError(types.INVALID_PARAMS, clean_text(str(error)))
