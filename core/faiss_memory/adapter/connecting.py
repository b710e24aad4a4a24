"""How the files of an assistant reach the service: addresses and commands that carry the project's name."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence

from faiss_memory.contracts.config_files import MARK, InstallContext
from faiss_memory.contracts.dialect import HookDialect

HOOK_SECONDS = 0.25
"""How long a hook may keep a prompt waiting for the service: what is not there by then is left out."""


def endpoint_address(context: InstallContext, path: str) -> str:
    """Return an address of the service, such as `…/mcp?project=website`.

    The user's own files carry no project: there the folder that is worked in decides.
    """
    return context.url + path + ("" if context.scope == "user" else f"?project={context.project}")


def hook_address(context: InstallContext, name: str) -> str:
    """Return the address that takes the hooks of an assistant, for one who waits no longer than HOOK_SECONDS."""
    address = endpoint_address(context, f"/adapters/{name}/hook")
    # What is too late to be read is not to be taken for shown.
    return f"{address}{'&' if '?' in address else '?'}within_ms={int(1000 * HOOK_SECONDS)}"


def hook_arguments(context: InstallContext, name: str, dialect: HookDialect, event: str = "") -> list[str]:
    """Return what the hook program is started with; empty where it is not installed beside the assistant.

    The event is named where it is one that is answered otherwise than a prompt.
    """
    if not context.hook_command:
        return []
    project = [] if context.scope == "user" else ["--project", context.project]
    answer = dialect.context(dialect.prompt, _TEXT)
    if dialect.tools and event and event == dialect.tools.before:
        answer = dialect.tools.changed(event, {dialect.tools.task: _TEXT})
    place = ".".join(_place(answer) or ())
    notice = ["--notice", f"{dialect.session_start}:{dialect.notice}"] if dialect.notice else []
    if event and event == dialect.stop:  # a word to the person is all that it brings
        place, notice = dialect.notice, []
    inside = [word for pair in dialect.inside for word in ("--inside", ":".join(pair))]
    form = ["--print", "text"] if dialect.prints_text else []
    return [name, *project, "--context", place, *form, *notice, *inside]


_TEXT = "\0"


def _place(answer: object) -> list[str] | None:
    """Return the keys that lead to the context in an answer; None where it does not stand by itself."""
    if not isinstance(answer, Mapping):
        return [] if answer == _TEXT else None
    for key, value in answer.items():
        if (found := _place(value)) is not None:
            return [key, *found]
    return None


def hook_line(context: InstallContext, name: str, dialect: HookDialect, event: str = "") -> str:
    """Return the shell command of a hook: the hook program, or curl where only the service can be reached.

    It ends with 0 whatever happens, because some assistants take anything else for a refusal.
    """
    if context.hook_command:
        line = _joined([context.hook_command, *hook_arguments(context, name, dialect, event)], context)
        if context.scope != "shared":
            return line
        # Somebody whom it is shared with need not have the program, and the shell would say so at every prompt.
        nowhere = "nul" if context.system == "windows" else "/dev/null"
        return f"{line} 2>{nowhere} || exit 0"
    headers = ['-H "Content-Type: application/json"']
    if context.has_token:
        variable = context.token_variable
        value = f"%{variable}%" if context.system == "windows" else f"${variable}"
        headers.append(f'-H "Authorization: Bearer {value}"')
    # Double quotes and `exit` mean the same to sh and to cmd. With -f an error's text is never taken for an answer.
    return (
        f"curl -sf -m {HOOK_SECONDS} -A {MARK} {' '.join(headers)} --data-binary @- "
        f'"{hook_address(context, name)}" || exit 0'
    )


def _joined(words: Sequence[str], context: InstallContext) -> str:
    return subprocess.list2cmdline(words) if context.system == "windows" else shlex.join(words)
