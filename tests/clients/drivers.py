"""How each real client is brought to ask the stub model: its package, its settings, its command."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.clients.models import Call


@dataclass(frozen=True)
class Client:
    """One client: the name of its adapter, its package on npm, and how it is run."""

    name: str
    package: str
    command: Sequence[str]
    prepare: Callable[[Path, Path, int], Mapping[str, str]]
    """Of the home, the project and the model's port: write its settings; gives its environment."""
    before: Sequence[Call] = field(default=())
    """What it does before it uses our tool, where its servers start beside the first answer."""
    shows: str = ""
    """What the model has then, where it cannot use a tool at once that it has looked up; else the note."""
    scopes: Sequence[str] = ("personal", "shared")
    recalls: bool = True
    """Whether it gives the model what a hook answers to a prompt."""
    fails: Call | None = None
    """How its model runs a command that fails, where its hooks hear of that."""
    delegates: Sequence[Call] = ()
    """How its model gives a task to a subagent, and waits, where its hooks hear of that."""
    logs: str = ""
    """How it begins the line that repeats what a hook tells the person, where it logs that besides showing it."""
    ends: Sequence[str] = ()
    """What ends the programs that it leaves running."""


TASK = "Find where amounts of money are rounded"
_COMMAND = "python3 -c 'import zebrafish'"


def _written(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def _claude(home: Path, project: Path, port: int) -> dict[str, str]:
    trusted = {str(project): {"hasTrustDialogAccepted": True}}
    _written(home / ".claude.json", {"hasCompletedOnboarding": True, "projects": trusted})
    return {"ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}", "ANTHROPIC_API_KEY": "none", "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}  # fmt: skip


def _codex(home: Path, project: Path, port: int) -> dict[str, str]:
    (home / ".codex").mkdir()
    (home / ".codex/config.toml").write_text(
        'model = "gpt-5.5"\nmodel_provider = "stub"\napproval_policy = "never"\nsandbox_mode = "danger-full-access"\n'
        f'[model_providers.stub]\nname = "stub"\nbase_url = "http://127.0.0.1:{port}/v1"\nwire_api = "responses"\n'
        f'env_key = "OPENAI_API_KEY"\n[projects."{project}"]\ntrust_level = "trusted"\n'
    )
    return {"OPENAI_API_KEY": "none"}


def _gemini(home: Path, project: Path, port: int) -> dict[str, str]:
    quiet = {"telemetry": {"enabled": False}, "privacy": {"usageStatisticsEnabled": False}}
    auth = {"security": {"auth": {"selectedType": "gemini-api-key"}}, "general": {"disableAutoUpdate": True}}
    _written(home / ".gemini/settings.json", {**auth, **quiet})
    _written(home / ".gemini/trustedFolders.json", {str(project): "TRUST_FOLDER"})
    return {"GEMINI_API_KEY": "none", "GOOGLE_GEMINI_BASE_URL": f"http://127.0.0.1:{port}"}


def _qwen(home: Path, project: Path, port: int) -> dict[str, str]:
    quiet = {"telemetry": {"enabled": False}, "privacy": {"usageStatisticsEnabled": False}}
    auth = {"security": {"auth": {"selectedType": "openai"}}, "general": {"disableAutoUpdate": True}}
    _written(home / ".qwen/settings.json", {**auth, **quiet})
    return {
        "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "OPENAI_MODEL": "stub",
    }


def _opencode(home: Path, project: Path, port: int) -> dict[str, str]:
    options = {"baseURL": f"http://127.0.0.1:{port}/v1", "apiKey": "none"}
    provider = {"npm": "@ai-sdk/openai-compatible", "options": options, "models": {"stub": {}}}
    settings = {"provider": {"stub": provider}, "model": "stub/stub", "permission": {"*": "allow"}}
    _written(home / ".config/opencode/opencode.json", settings)
    return {
        f"OPENCODE_DISABLE_{name}": "1"
        for name in ("AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD", "DEFAULT_PLUGINS")
    }


def _copilot(home: Path, project: Path, port: int) -> dict[str, str]:
    _written(home / ".copilot/config.json", {"trustedFolders": [str(project)]})
    return {"COPILOT_PROVIDER_BASE_URL": f"http://127.0.0.1:{port}/v1", "COPILOT_PROVIDER_API_KEY": "none",
            "COPILOT_MODEL": "stub", "COPILOT_AUTO_UPDATE": "false", "COPILOT_OFFLINE": "true"}  # fmt: skip


def _cline(home: Path, project: Path, port: int) -> dict[str, str]:
    settings = {"provider": "openai-compatible", "apiKey": "none", "model": "stub",
                "baseUrl": f"http://127.0.0.1:{port}/v1"}  # fmt: skip
    provider = {"settings": settings, "updatedAt": "2026-11-30T00:00:00.000Z", "tokenSource": "manual"}
    providers = {"version": 1, "lastUsedProvider": "openai-compatible", "modes": {},
                 "providers": {"openai-compatible": provider}}  # fmt: skip
    _written(home / ".cline/data/settings/providers.json", providers)
    return {}


CLIENTS = (
    Client(
        "claude-code", "@anthropic-ai/claude-code@2.1.332", ("claude", "--allowedTools=Bash,Agent", "-p"), _claude,
        fails=("^Bash$", {"command": _COMMAND, "description": "try"}),
        delegates=(("^Agent$", {"prompt": TASK, "description": "look", "subagent_type": "general-purpose"}),),
    ),
    Client(
        "codex", "@openai/codex@0.171.0",
        ("codex", "exec", "--dangerously-bypass-hook-trust", "--skip-git-repo-check"), _codex,
        before=(("^exec_command$", {"cmd": "sleep 5"}),),
        fails=("^exec_command$", {"cmd": _COMMAND}),
        delegates=(("^spawn_agent$", {"message": TASK}), ("^exec_command$", {"cmd": "sleep 9"})),
    ),
    Client(
        "gemini", "@google/gemini-cli@0.61.0", ("gemini", "--approval-mode", "yolo", "-p"), _gemini,
        logs="Hook system message: ",
    ),
    # Its model looks up a tool, and asks for it by another one.
    Client("qwen", "@qwen-code/qwen-code@0.24.4", ("qwen", "--yolo", "-p"), _qwen, shows="Search what is remembered"),
    Client("opencode", "opencode-ai@1.18.33", ("opencode", "run"), _opencode),
    Client(
        "copilot", "@github/copilot@1.0.102",
        ("copilot", "--allow-all-tools", "--disable-builtin-mcps", "-p"), _copilot,
    ),
    # Another program of its own goes on in the background, for its next run.
    Client(
        "cline", "cline@3.0.65", ("cline",), _cline, scopes=("user",), recalls=False, ends=("cline", "hub", "stop"),
    ),
)  # fmt: skip
