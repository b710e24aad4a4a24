"""OpenAI Codex: the MCP server, three hooks, skills, and a block in AGENTS.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from faiss_memory import (
    Adapter,
    ConfigFile,
    Detection,
    HookDialect,
    InstallContext,
    JsonItems,
    MarkdownBlock,
    PromptTemplate,
    TomlTable,
    ToolEvents,
    endpoint_address,
    find_repository,
    hook_line,
    nested_context,
)
from faiss_memory_adapters.client_files import items, place_of, read_json, read_toml, table, trouble_with
from faiss_memory_adapters.hindrances import SERVER, TOOL, not_trusted
from faiss_memory_adapters.mcp_entry import arguments, starts_us, token_steps
from faiss_memory_adapters.texts import RULES, is_set, skill_files

NAME = "codex"
REQUIREMENTS = Path("/etc/codex/requirements.toml")
"""An administrator's, which stand above all settings."""
EVENTS: dict[str, dict[str, Any]] = {
    "SessionStart": {"matcher": "startup|resume|clear|compact"},
    "UserPromptSubmit": {},
    "PostToolUse": {"matcher": "Bash"},
}
FINDING = ("FAISS_MEMORY_URL", "FAISS_MEMORY_CONFIG", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME")
"""Variables by which our command finds the service: Codex hands on none that is not named."""
PROMPT = PromptTemplate(NAME, RULES)
HOOK = HookDialect(
    session_start="SessionStart",
    prompt="UserPromptSubmit",
    stop="Stop",
    remember="$remember",
    # A subagent's task comes as a prompt of its own.
    tools=ToolEvents(after="PostToolUse", shells=("Bash",)),
    notice="systemMessage",
    context=nested_context,
)


def _server(context: InstallContext) -> dict[str, Any]:
    entry: dict[str, Any] = {"url": endpoint_address(context, "/mcp")}
    if starts_us(context):
        passed = [context.token_variable, *FINDING]
        entry = {"command": context.command, "args": arguments(context), "env_vars": passed}
    elif context.has_token:
        entry["bearer_token_env_var"] = context.token_variable
    # Otherwise Codex refuses to store anything where nobody can be asked. Forgetting is asked about all the same.
    asked = {"memory_forget": {"approval_mode": "prompt"}}
    return {**entry, "tool_timeout_sec": 30, "default_tools_approval_mode": "approve", "tools": asked}


def _files(context: InstallContext) -> Sequence[ConfigFile]:
    home = context.scope == "user"
    own = _home(context)
    folder = own if home else ".codex"
    # AGENTS.md is everybody's: one person's own files leave it alone, and the skills say when to use them.
    agents = {"personal": (), "shared": ("AGENTS.md",), "user": (f"{own}/AGENTS.md",)}[context.scope]
    return (
        TomlTable(f"{folder}/config.toml", ("mcp_servers", SERVER), _server(context)),
        *(
            JsonItems(f"{folder}/hooks.json", ("hooks", event), ({**when, "hooks": [_hook(context, event)]},))
            for event, when in _events(context).items()
        ),
        *(MarkdownBlock(path, RULES) for path in agents),
        *skill_files(f"{own}/skills" if home else ".agents/skills", context),
    )


def _events(context: InstallContext) -> dict[str, dict[str, Any]]:
    # One person's wish, so that it is not written for others.
    is_wanted = is_set(context, "suggest") and context.scope != "shared"
    return EVENTS | ({HOOK.stop: {}} if is_wanted else {})


def _hook(context: InstallContext, event: str) -> dict[str, Any]:
    command = hook_line(context, NAME, HOOK, event)
    return {"type": "command", "command": command, "timeout": 5, "statusMessage": f"asking {SERVER}"}


def _steps(context: InstallContext) -> Sequence[str]:
    state = read_toml(place_of(f"{_home(context)}/config.toml"))
    hooks = [table(state, "hooks", "state", key) for key in _hook_keys(_hooks_file(context))]
    steps = []
    if not (hooks and all("trusted_hash" in hook for hook in hooks)):
        steps.append("Start Codex and review the hooks in /hooks: until then it leaves them out.")
    if context.scope != "user" and not (context.folder and _is_trusted(state, Path(context.folder))):
        steps.insert(0, "Start Codex in the project's folder and trust it: until then it leaves out .codex/.")
    return [*token_steps(context, "Codex"), *steps]


def _obstacles(context: InstallContext) -> Sequence[str]:
    """Codex notes in `~/.codex/config.toml` which folders are trusted and which hooks were reviewed."""
    own = place_of(f"{_home(context)}/config.toml")
    if trouble := trouble_with(own):
        return (trouble,)
    state = read_toml(own)
    files = [own, *([Path(context.folder, ".codex", "config.toml")] if context.folder else [])]
    features = ((path, table(read_toml(path), "features")) for path in files)
    found = [
        f"{path} switches all hooks off (`features.{name}`)."
        for path, said in features
        for name in ("hooks", "codex_hooks")
        if said.get(name) is False
    ]
    if context.folder and not _is_trusted(state, Path(context.folder)):
        found.append(not_trusted(context, "Codex"))
    for path in (*files, REQUIREMENTS):
        found += _refused(path, read_toml(path))
    file = _hooks_file(context)
    hooks = [table(state, "hooks", "state", key) for key in _hook_keys(file)]
    if any(hook.get("enabled") is False for hook in hooks):
        found.append(
            f"The hooks in {file} are switched off: start Codex there, and switch them on in /hooks."
        )
    elif not all("trusted_hash" in hook for hook in hooks):
        found.append(f"The hooks in {file} were not reviewed: start Codex there, and look through /hooks.")
    return found


def _refused(path: Path, settings: dict[str, Any]) -> Iterator[str]:
    entry = table(settings, "mcp_servers", SERVER)
    if entry.get("enabled") is False:
        yield f"{path} switches the server `{SERVER}` off (`enabled`)."
    if isinstance(entry.get("enabled_tools"), list) and TOOL not in items(entry, "enabled_tools"):
        yield f"{path} leaves out the tool `{TOOL}` (`enabled_tools`)."
    if TOOL in items(entry, "disabled_tools"):
        yield f"{path} leaves out the tool `{TOOL}` (`disabled_tools`)."
    if path == REQUIREMENTS and "mcp_servers" in settings and SERVER not in table(settings, "mcp_servers"):
        yield f"{path} allows other MCP servers only (`mcp_servers`)."


def _home(context: InstallContext) -> str:
    return context.kept_in("CODEX_HOME", "~/.codex")


def _hooks_file(context: InstallContext) -> Path:
    return place_of(".codex/hooks.json" if context.folder else f"{_home(context)}/hooks.json", context.folder)


def _hook_keys(file: Path) -> Iterator[str]:
    """Yield the names under which Codex notes what was said about our hooks: file, event, and their places in it."""
    for event in (*EVENTS, HOOK.stop):
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", event).lower()
        for group, entry in enumerate(items(table(read_json(file), "hooks"), event)):
            for place, hook in enumerate(items(entry, "hooks")):
                if SERVER in str(hook):
                    yield f"{file}:{name}:{group}:{place}"


def _is_trusted(state: dict[str, Any], folder: Path) -> bool:
    """A repository is trusted as a whole, with its worktrees."""
    repository = find_repository(folder)
    tops = [repository.top, repository.shared.parent] if repository else []
    return any(table(state, "projects", str(one)).get("trust_level") == "trusted" for one in (folder, *tops))


adapter = Adapter(
    name=NAME,
    title="OpenAI Codex",
    marks=(".codex", "AGENTS.md"),
    prompt=PROMPT,
    files=_files,
    hook=HOOK,
    steps=_steps,
    reload="Start Codex again where it runs already.",
    obstacles=_obstacles,
    detection=Detection(("~/.codex",), ("codex",), ("CODEX_HOME",)),
)
