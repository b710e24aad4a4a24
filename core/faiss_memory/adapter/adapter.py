"""An assistant's adapter as a value: its name, its files, its routes and its prompt template."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from faiss_memory.contracts.config_files import (
    ConfigFile,
    Detection,
    InstallContext,
    OwnFile,
    PromptTemplate,
    Scope,
)
from faiss_memory.contracts.dialect import HookDialect
from faiss_memory.contracts.hooks import hookimpl
from faiss_memory.contracts.http import Route
from faiss_memory.contracts.service import Service


def _no_files(context: InstallContext) -> Sequence[ConfigFile]:
    return ()


def _no_package(context: InstallContext) -> Sequence[OwnFile]:
    return ()


def _no_steps(context: InstallContext) -> Sequence[str]:
    return ()


def _nowhere(context: InstallContext) -> str:
    return ""


def _no_routes(service: Service) -> Sequence[Route]:
    return ()


_NOT_DETECTED = Detection()


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """One assistant. The hooks are implemented here, once; an adapter only declares."""

    name: str
    """As in the command line and in `/adapters/NAME/…`."""
    title: str
    """As people call the assistant."""
    prompt: PromptTemplate
    files: Callable[[InstallContext], Sequence[ConfigFile]] = _no_files
    routes: Callable[[Service], Sequence[Route]] = _no_routes
    scopes: tuple[Scope, ...] = ("personal", "shared", "user")
    """Whose files it can write."""
    steps: Callable[[InstallContext], Sequence[str]] = _no_steps
    """What the person still has to do once the files are there, a sentence each, such as trusting the folder.

    What is done already, as far as the assistant's own files tell, is left out."""
    reload: str = ""
    """What makes a running one read its files anew, a sentence; told whenever they have changed."""
    detection: Detection = _NOT_DETECTED
    obstacles: Callable[[InstallContext], Sequence[str]] = _no_steps
    """What keeps the assistant from using its files at present, as far as its own files tell: a sentence each."""
    probe: Callable[[InstallContext, str], str] | None = None
    """The address, as a path, of what it is given about a query; for one that has neither hooks nor MCP."""
    hook: HookDialect | None = None
    """How its hooks speak, if it has any: they are then answered at `POST /adapters/NAME/hook`."""
    package: Callable[[InstallContext], Sequence[OwnFile]] = _no_package
    """The files of a package for the assistant's own plugin system; their paths begin at the package's folder."""
    packaged: Callable[[InstallContext], str] = _nowhere
    """Where such a package is switched on, in words, for all projects or the folder; empty where it is not."""

    marks: tuple[str, ...] = ()
    """Files and folders of the assistant's own, by which a folder without git is known for a project: `CLAUDE.md`."""

    @hookimpl
    def register_routes(self, service: Service) -> Sequence[Route]:
        """Hand in the adapter's own calls."""
        return self.routes(service)

    @hookimpl
    def register_config_files(self, context: InstallContext) -> Mapping[str, Sequence[ConfigFile]]:
        """Hand in the adapter's files."""
        return {self.name: self.files(context)}

    @hookimpl
    def register_prompt_templates(self) -> Sequence[PromptTemplate]:
        """Hand in the adapter's prompt template."""
        return (self.prompt,)
