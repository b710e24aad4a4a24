"""Options that several commands share. Only click is imported here: what costs time waits until a command runs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from faiss_memory.cli.session import Session

Command = Callable[..., Any]

NAMES_QUICKLY = 0.5
"""Seconds that the service may take to name what completes a word."""


def service_options(command: Command) -> Command:
    """Return a command with `--url`, `--timeout` and `--json`, as `opened` takes them."""
    url = click.option("--url", metavar="URL", help="The service's address; found by itself otherwise.")
    timeout = click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="How long to wait for an answer [120].",
    )
    wants_json = click.option(
        "--json", "wants_json", is_flag=True, help="Print the service's answer as JSON."
    )
    return url(timeout(wants_json(command)))


def opened(*, url: str | None, timeout: float | None, wants_json: bool) -> Session:
    """Find the service, by a command's options or those before it. Raises ConfigError."""
    from faiss_memory.cli.session import open_session

    whole = click.get_current_context().find_root().params
    return open_session(url or whole.get("url"), timeout or whole.get("timeout"), wants_json)


def asks_service(command: Command) -> Command:
    """Return a command with these options, and a Session as its first argument."""

    @service_options
    @wraps(command)
    def asking(*, url: str | None, timeout: float | None, wants_json: bool, **given: Any) -> Any:
        return command(opened(url=url, timeout=timeout, wants_json=wants_json), **given)

    return asking


def complete_project(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a project's name from the running service; without one there is nothing to complete."""
    return _known_to_the_service(
        ctx,
        incomplete,
        lambda session: [
            entry["name"] for entry in session.call("GET", "/projects", patient=False)["projects"]
        ],
    )


def complete_tag(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete a tag that is in use, the most frequent first: in the projects given, else anywhere."""
    given = ctx.params.get("project") or "*"
    projects = [given] if isinstance(given, str) else given

    def tags(session: Session) -> list[str]:
        answers = [session.call("GET", "/tags", params={"project": name}, patient=False) for name in projects]
        return [entry["tag"] for answer in answers for entry in answer["tags"]]

    return _known_to_the_service(ctx, incomplete, tags)


def complete_assistant(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of an assistant that there is an adapter for."""
    from faiss_memory.errors import MemoryServiceError
    from faiss_memory.plugin_host import PluginHost
    from faiss_memory.settings import load_settings

    try:
        known = PluginHost(load_settings().plugins.disabled).adapters
    except MemoryServiceError:  # which any command says in words
        return []
    typed = ctx.params.get(param.name or "") or ()
    return [name for name in sorted(known) if name.startswith(incomplete) and name not in typed]


def _known_to_the_service(
    ctx: click.Context, incomplete: str, names: Callable[[Session], list[str]]
) -> list[str]:
    """Ask the running service for names that begin so; nothing, and not a word, where none answers at once."""
    from faiss_memory.cli.session import open_session
    from faiss_memory.errors import MemoryServiceError

    try:
        url = ctx.params.get("url") or ctx.find_root().params.get("url")
        with ctx:
            found = names(open_session(url, NAMES_QUICKLY, False))
        return [name for name in dict.fromkeys(found) if name.startswith(incomplete)]
    except (MemoryServiceError, click.ClickException, KeyError, TypeError, AttributeError):
        return []


def project_option(help: str) -> Command:
    """Make `--project` for one project."""
    return click.option("--project", "-p", metavar="NAME", help=help, shell_complete=complete_project)


def projects_option(help: str) -> Command:
    """Make `--project` for any number of projects."""
    return click.option(
        "--project", "-p", multiple=True, metavar="NAME", help=help, shell_complete=complete_project
    )


def tag_option(help: str) -> Command:
    """Make `--tag`, which may be given several times."""
    return click.option("--tag", "-t", multiple=True, metavar="TAG", help=help, shell_complete=complete_tag)


def cue_option(help: str) -> Command:
    """Make `--cue`, which may be given several times."""
    return click.option("--cue", multiple=True, metavar="PHRASE", help=help)


def metadata_option(help: str) -> Command:
    """Make `--metadata`, whose pairs become one object."""
    return click.option("--metadata", multiple=True, metavar="KEY=VALUE", callback=_read_metadata, help=help)


def time_option(name: str, help: str) -> Command:
    """Make an option for a time as the API takes it, or for a date, which is its midnight in UTC."""

    def read(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
        # Whatever else is wrong with it, the service says.
        return f"{value}T00:00:00" if re.fullmatch(r"\d{4}-\d\d-\d\d", value or "") else value

    return click.option(name, metavar="TIME", callback=read, help=help)


def time_options(command: Command) -> Command:
    """Return a command with `--after` and `--before`."""
    told = "A date, or a time such as 2026-02-12T10:30:00; without an offset it is UTC."
    command = time_option("--before", f"Only what is older. {told}")(command)
    return time_option("--after", f"Only from this time on. {told}")(command)  # type: ignore[no-any-return]


def text_argument(what: str) -> Command:
    """Make the argument for a text: words, `-` for standard input, or nothing if something is piped in."""

    def read(ctx: click.Context, param: click.Parameter, words: Sequence[str]) -> str:
        if list(words) != ["-"] and words:
            return " ".join(words)
        if ctx.resilient_parsing:
            return ""
        if not words and sys.stdin.isatty():
            raise click.UsageError(f"{what} is missing: give it as words, or pipe it in.", ctx)
        return read_stdin(what)

    return click.argument("text", nargs=-1, callback=read, metavar="[TEXT]...")


def read_stdin(what: str) -> str:
    """Read a text from standard input, without the line break at its end."""
    try:
        text = sys.stdin.buffer.read().decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"standard input is not UTF-8 text (byte {error.start}).") from None
    if not text.strip():
        raise click.UsageError(f"{what} is missing: standard input is empty.")
    return text


def given_only(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what was not given, so that the service's own defaults hold."""
    return {
        key: value
        for key, value in values.items()
        if value is not None and value is not False and value not in ((), [], {})  # 0 is a value
    }


def _read_metadata(ctx: click.Context, param: click.Parameter, pairs: Sequence[str]) -> dict[str, Any] | None:
    if list(pairs) == [""]:
        return {}
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{pair}: write KEY=VALUE, such as team=web", ctx, param)
        found[key] = _json_or_text(value)
    return found or None


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return value


def _no_constant(name: str) -> Any:
    raise ValueError(name)  # NaN and Infinity are not JSON
