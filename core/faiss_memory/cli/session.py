"""What a command that asks the service works with: the client, the output, and the project of the current folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from faiss_memory.address import ServiceAddress, named_address, service_address
from faiss_memory.cli.client import TIMEOUT, Client
from faiss_memory.cli.here import is_first_time, project_here
from faiss_memory.cli.output import Output, open_output
from faiss_memory.cli.writing import as_json, clean, clean_lines
from faiss_memory.project_name import DEFAULT
from faiss_memory.settings import Settings, load_settings

_OTHER_NAMES = {"tags": "tag", "cues": "cue", "ids": "id", "query": "text", "sources": "path"}
"""Fields of the API whose option or argument is called otherwise."""


@dataclass(frozen=True)
class Session:
    """One run of a command."""

    client: Client
    out: Output
    as_json: bool

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        **how: bool,
    ) -> dict[str, Any]:
        """Ask the service, as `Client.call` does."""
        answer = self.client.call(method, path, body, params, **how)
        if answer.get("hint") and not self.as_json:
            self.out.remark(answer["hint"])
        return answer

    def prints_json(self, answer: Mapping[str, Any]) -> bool:
        """Print an answer as JSON if that was asked for, and say whether it was."""
        if self.as_json:
            click.echo(as_json(answer))
        return self.as_json

    @cached_property
    def here(self) -> str:
        """The project of the current folder."""
        try:
            folder = Path.cwd()
        except OSError:  # the folder was removed
            return DEFAULT
        project = project_here(self.client, folder).project
        tells = self.out.for_people and not self.as_json  # what reads a pipe can do nothing about it
        if project == DEFAULT and tells and is_first_time(folder):
            self.out.remark(
                "This folder belongs to no project, so `default` is meant, which every project reads: "
                "`git init` here, or --project NAME, gives it one of its own."
            )
        return project

    def readable(self, given: Sequence[str]) -> str | list[str] | None:
        """Choose the projects a search reads: those given, else this folder's and the shared one."""
        if "*" in given:
            return "*"
        if given:
            return list(dict.fromkeys(given))
        return None if self.here == DEFAULT else [self.here, DEFAULT]

    def single(self, given: str | None) -> str | None:
        """Choose the one project that a command is about: the given one, else this folder's."""
        return given if given is not None else None if self.here == DEFAULT else self.here


def open_session(url: str | None, timeout: float | None, wants_json: bool) -> Session:
    """Find the service; nothing is sent yet. Raises ConfigError for settings or an address that cannot be meant."""
    client = Client(
        find_service(url, load_settings()),
        timeout or TIMEOUT,
        explain=_explain(click.get_current_context().command),
        note=lambda text: click.echo(clean_lines(f"faiss-memory: {text}"), err=True),
    )
    return Session(client, open_output(), wants_json)


def find_service(url: str | None, settings: Settings) -> ServiceAddress:
    """Return where the service is at present: where `--url` says, or else where it is found by itself.

    Raises ConfigError for an address that cannot be meant.
    """
    return named_address(url, "--url", settings) if url else service_address(settings)


def _explain(command: click.Command) -> Any:
    """Make what tells an error answer in words that name the command's own options."""

    def explain(answer: Mapping[str, Any]) -> str:
        said, field = clean(answer["description"]), answer.get("field")
        details = answer.get("details") or []
        if isinstance(field, str) and field:
            said = _named(said, clean(field), command)
        return "\n".join([said, *(f"  {clean(detail)}" for detail in details)])

    return explain


def _named(said: str, field: str, command: click.Command) -> str:
    root = field.replace("[", ".").partition(".")[0]
    wanted = _OTHER_NAMES.get(root, root)
    for param in command.params:
        if param.name == wanted:
            name = max(param.opts, key=len) if isinstance(param, click.Option) else wanted.upper()
            return said.replace(f"`{field}`", name, 1) if f"`{field}`" in said else f"{name}: {said}"
    return said
