"""Claude Code: the MCP server, hooks, rules and skills; and all of it as a plugin package."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from faiss_memory import (
    HOOK_SECONDS,
    Adapter,
    ConfigFile,
    Detection,
    HookDialect,
    InstallContext,
    JsonItems,
    JsonMember,
    OwnFile,
    PromptTemplate,
    ToolEvents,
    changed_input,
    endpoint_address,
    find_repository,
    hook_address,
    hook_arguments,
    hook_line,
    nested_context,
)
from faiss_memory_adapters.client_files import items, place_of, read_json, table, trouble_with
from faiss_memory_adapters.hindrances import SERVER, denied, hooks_off, matching, not_trusted, proxied
from faiss_memory_adapters.mcp_entry import arguments, headers, starts_us, token_steps
from faiss_memory_adapters.texts import RULES, is_set, skill_files, template

NAME = "claude-code"
SEARCH_TOOL = f"mcp__{SERVER}__memory_search"
MANAGED = Path(
    {
        "darwin": "/Library/Application Support/ClaudeCode/managed-settings.json",
        "win32": "C:/Program Files/ClaudeCode/managed-settings.json",
    }.get(sys.platform, "/etc/claude-code/managed-settings.json")
)
"""An administrator's settings, which stand above all others."""
PROMPT = PromptTemplate(NAME, RULES)
HOOK = HookDialect(
    session_start="SessionStart",
    prompt="UserPromptSubmit",
    compacted="PostCompact",
    stop="Stop",
    subagent="SubagentStart",
    tools=ToolEvents(
        before="PreToolUse",
        after="PostToolUseFailure",
        delegating=("Agent", "Task"),
        shells=("Bash", "PowerShell"),
        changed=changed_input,
    ),
    notice="systemMessage",
    inside=(("CURSOR_VERSION", "cursor"),),
    context=nested_context,
)


def _server(context: InstallContext) -> dict[str, Any]:
    if starts_us(context):
        return {"type": "stdio", "command": context.command, "args": arguments(context), "alwaysLoad": True}
    if context.scope == "shared":
        context = replace(context, url=f"${{FAISS_MEMORY_URL:-{context.url}}}")
    token = headers(context, f"${{{context.token_variable}}}")
    return {"type": "http", "url": endpoint_address(context, "/mcp"), **token, "alwaysLoad": True}


def _home(context: InstallContext) -> str:
    return context.kept_in("CLAUDE_CONFIG_DIR", "~/.claude")


def _state_file(context: InstallContext) -> str:
    """Name the file of Claude Code's own, which lies beside its folder, or in one that was chosen."""
    home = _home(context)
    return "~/.claude.json" if home == "~/.claude" else f"{home}/.claude.json"


def _server_files(context: InstallContext, settings: str) -> Sequence[ConfigFile]:
    entry = _server(context)
    if context.scope == "user":
        return (JsonMember(_state_file(context), ("mcpServers", SERVER), entry),)
    if context.scope == "personal" and context.folder and context.stands_alone:
        # Claude Code's own place for a server that is one person's in one project: never in git, nothing to approve.
        # It reads the file again before each change of its own, so that ours is kept where it is running.
        folder = context.folder.replace("\\", "/") if context.system == "windows" else context.folder
        return (JsonMember(_state_file(context), ("projects", folder, "mcpServers", SERVER), entry),)
    # The approval counts as soon as the folder is trusted, and not before.
    return (
        JsonMember(".mcp.json", ("mcpServers", SERVER), entry),
        JsonItems(settings, ("enabledMcpjsonServers",), (SERVER,)),
    )


EVENTS = {
    "SessionStart": {"matcher": "startup|resume|clear|compact"},
    "UserPromptSubmit": {},
    "SubagentStart": {},
    "PreToolUse": {"matcher": "Agent|Task"},
    "PostToolUseFailure": {"matcher": "Bash|PowerShell"},
}
"""What our hooks answer, and for which of them."""


def _hooks(context: InstallContext) -> dict[str, dict[str, Any]]:
    events = EVENTS | ({"PostCompact": {}} if is_set(context, "keep_summaries") else {})
    # One person's wish, so that it is not written for others.
    events |= {"Stop": {}} if is_set(context, "suggest") and context.scope != "shared" else {}
    return {event: {**when, "hooks": [_hook(context, event)]} for event, when in events.items()}


def _hook(context: InstallContext, event: str) -> dict[str, Any]:
    # The message is how our entries are known.
    said = {"timeout": 5, "statusMessage": f"asking {SERVER}"}
    if context.hook_command and context.scope != "shared":  # without a shell between
        arguments = hook_arguments(context, NAME, HOOK, event)
        return {"type": "command", "command": context.hook_command, "args": arguments, **said}
    if context.hook_command or event not in ("UserPromptSubmit", "PostCompact"):
        # An HTTP hook for SessionStart is left out without a word, and others would say at each tool that it fails.
        return {"type": "command", "command": hook_line(context, NAME, HOOK, event), **said}
    token = headers(context, f"${context.token_variable}")
    allowed = {"allowedEnvVars": [context.token_variable]} if context.has_token else {}
    return {
        "type": "http",
        "url": hook_address(context, NAME),
        **token,
        **allowed,
        **said,
        "timeout": HOOK_SECONDS,
    }


def _files(context: InstallContext) -> Sequence[ConfigFile]:
    folder = _home(context) if context.scope == "user" else ".claude"
    settings = f"{folder}/settings.local.json" if context.scope == "personal" else f"{folder}/settings.json"
    return (
        *_server_files(context, settings),
        JsonItems(settings, ("permissions", "allow"), (SEARCH_TOOL,)),
        *(JsonItems(settings, ("hooks", event), (hook,)) for event, hook in _hooks(context).items()),
        OwnFile(f"{folder}/rules/faiss-memory.md", RULES),
        *skill_files(f"{folder}/skills", context),
    )


def _package(context: InstallContext) -> Sequence[OwnFile]:
    described = json.loads(template("claude-code/plugin.json")) | {"version": version("faiss-memory")}
    hooks = {event: [hook] for event, hook in _hooks(context).items()}
    tools = (f"mcp__{SERVER}__", f"mcp__plugin_{SERVER}_memory__")
    return (
        OwnFile(".claude-plugin/marketplace.json", template("claude-code/marketplace.json")),
        OwnFile(f"{SERVER}/.claude-plugin/plugin.json", _json(described)),
        OwnFile(f"{SERVER}/.mcp.json", _json({"mcpServers": {"memory": _server(context)}})),
        OwnFile(f"{SERVER}/hooks/hooks.json", _json({"hooks": hooks})),
        OwnFile(f"{SERVER}/README.md", template("claude-code/README.md")),
        *(replace(file, text=file.text.replace(*tools)) for file in skill_files(f"{SERVER}/skills", context)),
    )


def _packaged(context: InstallContext) -> str:
    """Return where our plugin is switched on, from whichever marketplace."""
    for path in _settings(context):
        for name, is_on in table(read_json(path), "enabledPlugins").items():
            if is_on is True and name.partition("@")[0] == SERVER:
                return f"`{name}` is enabled in {path}; `claude plugin uninstall {name}` removes it"
    return ""


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"


def _steps(context: InstallContext) -> Sequence[str]:
    steps = [*token_steps(context, "Claude Code")]
    if context.scope != "user" and not (
        context.folder and _is_trusted(_state(context), Path(context.folder))
    ):
        steps.append("Start Claude Code in the project's folder and trust it.")
    return steps


def _obstacles(context: InstallContext) -> Sequence[str]:
    """Look through the settings of every level, and `~/.claude.json`, which has what was trusted and switched off."""
    state_file = place_of(_state_file(context))
    if trouble := trouble_with(state_file):
        return (trouble,)
    state = read_json(state_file)
    found = [said for path in _settings(context) for said in _switched_off(path, context)]
    given = {
        name: value for path in _settings(context) for name, value in table(read_json(path), "env").items()
    }
    found += proxied(context, given, "The `env` of Claude Code's settings")
    if (url := given.get("FAISS_MEMORY_URL", context.url)) != context.url:
        found.append(f"The `env` of Claude Code's settings has another address of the service: {url}.")
    if SERVER in items(table(state, "projects", context.folder), "disabledMcpServers"):
        found.append(f"The server `{SERVER}` is switched off for {context.folder}: switch it on in /mcp.")
    if context.folder and not _is_trusted(state, Path(context.folder)):
        found.append(not_trusted(context, "Claude Code"))
    return found


def _state(context: InstallContext) -> dict[str, Any]:
    return read_json(place_of(_state_file(context)))


def _switched_off(path: Path, context: InstallContext) -> Iterator[str]:
    settings = read_json(path)
    yield from hooks_off(path, settings, "disableAllHooks", "allowManagedHooksOnly")
    if SERVER in items(settings, "disabledMcpjsonServers"):
        yield f"{path} switches the server `{SERVER}` off (`disabledMcpjsonServers`)."
    yield from denied(path, settings, SEARCH_TOOL, f"mcp__{SERVER}")
    if any(_means_us(entry, context) for entry in items(settings, "deniedMcpServers")):
        yield f"{path} denies the server `{SERVER}` (`deniedMcpServers`)."
    allowed = settings.get("allowedMcpServers")
    if isinstance(allowed, list) and not any(_means_us(entry, context) for entry in allowed):
        yield f"{path} allows other MCP servers only (`allowedMcpServers`)."
    urls = settings.get("allowedHttpHookUrls")
    if (
        not context.hook_command
        and isinstance(urls, list)
        and not matching(urls, hook_address(context, NAME))
    ):
        yield f"{path} allows hooks of other addresses only (`allowedHttpHookUrls`): add {context.url}/*."
    variables = settings.get("httpHookAllowedEnvVars")
    unnamed = isinstance(variables, list) and context.token_variable not in variables
    if not context.hook_command and context.has_token and unnamed:
        yield f"{path} keeps {context.token_variable} from hooks (`httpHookAllowedEnvVars`)."


def _means_us(entry: Any, context: InstallContext) -> bool:
    """Return whether an administrator's entry means our server: by its name, its address, or what starts it."""
    said = table(entry)
    address, started = endpoint_address(context, "/mcp"), [context.command, *arguments(context)]
    return (
        said.get("serverName") == SERVER
        or bool(matching([said.get("serverUrl")], address))
        or said.get("serverCommand") == started
    )


def _settings(context: InstallContext) -> Sequence[Path]:
    """Name the settings that count: the administrator's, one's own, and those of the folder."""
    own = [place_of(f"{_home(context)}/settings.json")]
    names = ("settings.json", "settings.local.json")
    return [MANAGED, *own, *(Path(context.folder, ".claude", name) for name in names if context.folder)]


def _is_trusted(state: dict[str, Any], folder: Path) -> bool:
    """Trusting a folder trusts what is in it too, but for another repository."""
    repository = find_repository(folder)
    for one in (folder, *folder.parents):
        if table(state, "projects", one.as_posix()).get("hasTrustDialogAccepted") is True:
            return True
        if repository is not None and one == repository.top:
            break
    return False


adapter = Adapter(
    name=NAME,
    title="Claude Code",
    marks=(".claude", "CLAUDE.md", ".mcp.json"),
    prompt=PROMPT,
    files=_files,
    hook=HOOK,
    steps=_steps,
    reload="Start Claude Code again where it runs already.",
    obstacles=_obstacles,
    detection=Detection(("~/.claude",), ("claude",), ("CLAUDE_CONFIG_DIR",)),
    package=_package,
    packaged=_packaged,
)
