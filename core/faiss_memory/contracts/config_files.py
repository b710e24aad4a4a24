"""What an adapter declares: the files that connect an assistant, each a value. `install/` applies and removes them.

A `path` is relative to the project's folder, begins with `~/` for one in the user's home, or is absolute where the
person's environment says so (`InstallContext.kept_in`); slashes on every system.
`keys` lead from the top of a file to a place in it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Template
from typing import Any, Literal, TypeAlias

Scope: TypeAlias = Literal["personal", "shared", "user"]
"""Whose files are written: a project's, for oneself alone; a project's, meant to be committed; the user's own."""

MARK = "faiss-memory"
"""What every entry of ours contains, so that it is recognised where no record of the installation is left."""


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A file that is wholly ours."""

    path: str
    text: str
    refreshed: bool = False
    """Whether it is written anew while it is in use: then it is ours whatever it says, and one that is there stays."""
    filled_from: str = ""
    """The address, as a path, of a better text, if the service runs when a file that is refreshed is first written."""
    spared: bool = False
    """Whether the rest is installed without it where the person has a file of their own by this name."""


@dataclass(frozen=True, slots=True)
class MarkdownBlock:
    """A marked block inside a Markdown file that also holds the person's own words."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class JsonMember:
    """A member of an object in a JSON file, such as `("mcpServers", "faiss-memory")`; objects on the way are made."""

    path: str
    keys: tuple[str, ...]
    value: Any
    comments: bool = False
    """Whether the file's reader takes comments (JSONC). One that does not drops the whole file for a single one."""


@dataclass(frozen=True, slots=True)
class JsonItems:
    """Items of an array in a JSON file that others share, such as `("hooks", "SessionStart")`."""

    path: str
    keys: tuple[str, ...]
    items: tuple[Any, ...]
    comments: bool = False


@dataclass(frozen=True, slots=True)
class JsonDefault:
    """A member that a JSON file needs beside ours, such as `version: 1`; one that is there stays as it is."""

    path: str
    keys: tuple[str, ...]
    value: Any
    comments: bool = False


@dataclass(frozen=True, slots=True)
class TomlTable:
    """A table of a TOML file, with its sub-tables, such as `("mcp_servers", "faiss-memory")`."""

    path: str
    keys: tuple[str, ...]
    value: dict[str, Any]


@dataclass(frozen=True, slots=True)
class YamlItem:
    """An item of a list in a YAML file; a single value that stands there in place of a list becomes a list."""

    path: str
    keys: tuple[str, ...]
    item: Any


@dataclass(frozen=True, slots=True)
class YamlMember:
    """A member of a mapping in a YAML file."""

    path: str
    keys: tuple[str, ...]
    value: Any


@dataclass(frozen=True, slots=True)
class YamlDefault:
    """A member that a YAML file needs beside ours, such as `version: 1.0.0`; one that is there stays as it is."""

    path: str
    keys: tuple[str, ...]
    value: Any


@dataclass(frozen=True, slots=True)
class Snippet:
    """A text that is only shown, for the person to paste: we never write it anywhere."""

    path: str
    """Where it belongs, as the person would look for it: a file, or a place in an application."""
    text: str
    note: str = ""
    """What to do with it, a sentence or two."""


Written: TypeAlias = (
    OwnFile
    | MarkdownBlock
    | JsonMember
    | JsonItems
    | JsonDefault
    | TomlTable
    | YamlItem
    | YamlMember
    | YamlDefault
)
"""What is written into files."""

ConfigFile: TypeAlias = Written | Snippet


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallContext:
    """What a generated file may speak of."""

    url: str
    """Where the service answers, such as http://127.0.0.1:8900."""
    project: str
    scope: Scope = "personal"
    folder: str = ""
    """The project's folder, absolute; empty for the user's own files, and where the files are only shown."""
    stands_alone: bool = True
    """Whether assistants that keep settings by folder know this one: not a subfolder of a repository, nor a further
    working tree, for which they take those of the first."""
    command: str = "faiss-memory"
    """How to start the command line: an absolute path in personal files, the bare name in shared ones.
    Empty where our package is not installed beside the assistant, and only the service's address can be used."""
    hook_command: str = "faiss-memory-hook"
    """How to start the hook program; empty as above."""
    has_token: bool = False
    """Whether the service asks for a token: then the files name the variable that holds it, never the token."""
    token_variable: str = "FAISS_MEMORY_TOKEN"
    public_url: str = ""
    """The https address of the service, where one is set."""
    system: Literal["linux", "darwin", "windows"] = "linux"
    sections: tuple[Any, ...] = ()
    """The settings of plugins, as they have handed them in."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """The person's environment, on whose machine the files are written; empty where they are only shown."""

    def kept_in(self, variable: str, usual: str) -> str:
        """Return the folder that an assistant keeps its files in: what a variable names, else the usual one.

        The usual one begins with `~/`; the other is absolute.
        """
        given = self.environment.get(variable, "")
        return os.path.abspath(given) if given else usual


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """A text that tells an assistant when to search and when to store; `$url` and `$project` are filled in."""

    name: str
    text: str

    def filled(self, url: str, project: str) -> str:
        """Return the text for a service and a project; any other `$` stays as it is."""
        return Template(self.text).safe_substitute(url=url, project=project)


@dataclass(frozen=True, slots=True)
class Detection:
    """How an assistant is recognised on this machine: by a file or folder that is there, or a command on the PATH."""

    paths: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    """Of the environment, each of which names the folder that it keeps its own files in."""
