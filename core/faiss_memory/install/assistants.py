"""The assistants that something can be installed for: adapters, and plugins that hand in files without one."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Sequence
from pathlib import Path

from faiss_memory.adapter.adapter import Adapter
from faiss_memory.contracts.config_files import ConfigFile, InstallContext, Snippet, Written
from faiss_memory.errors import InstallError
from faiss_memory.plugin_host import PluginHost
from faiss_memory.settings import environment_with


class Assistants:
    """Knows them by name. Each method raises InstallError, with the names there are, for one that is not there."""

    def __init__(self, plugins: PluginHost) -> None:
        self._plugins = plugins
        self.adapters = plugins.adapters

    def files(self, name: str, context: InstallContext) -> Sequence[Written]:
        """Return an assistant's files, without what is only shown. Raises InstallError if it has none of this scope."""
        return [file for file in self.declared(name, context) if not isinstance(file, Snippet)]

    def declared(self, name: str, context: InstallContext) -> Sequence[ConfigFile]:
        """Return all that an assistant declares. Raises InstallError if it has nothing of this scope."""
        adapter = self.adapters.get(name)
        if adapter is not None:
            if context.scope not in adapter.scopes:
                raise InstallError(f"{name} has none of the {_IN_WORDS[context.scope]}: {_offered(adapter)}")
            return adapter.files(context)
        others: list[str] = []
        for given in self._plugins.hook.register_config_files(context=context):
            if name in given:
                found: Sequence[ConfigFile] = given[name]
                return found
            others += given
        raise InstallError(_unknown(name, sorted({*others, *self.adapters})))

    def steps(self, name: str, context: InstallContext) -> Sequence[str]:
        """Return what the person still has to do; nothing for an assistant that is no longer there."""
        adapter = self.adapters.get(name)
        return adapter.steps(context) if adapter is not None else ()

    def reload(self, name: str) -> str:
        """Return what makes a running assistant read its files anew."""
        return self.adapters[name].reload if name in self.adapters else ""

    def title(self, name: str) -> str:
        """Name an assistant as people call it."""
        return self.adapters[name].title if name in self.adapters else name

    def detected(self, context: InstallContext) -> list[str]:
        """List the assistants that are on this machine, have files of this scope, and have not got us as a package."""
        return [
            name
            for name, adapter in sorted(self.adapters.items())
            if context.scope in adapter.scopes
            and _is_here(adapter, context.folder)
            and not adapter.packaged(context)
        ]

    def packaged(self, context: InstallContext) -> dict[str, str]:
        """Return the assistants that have us as a package of their own plugin system, and where that is said."""
        found = {name: adapter.packaged(context) for name, adapter in sorted(self.adapters.items())}
        return {name: where for name, where in found.items() if where}


_IN_WORDS = {
    "personal": "files for oneself in a project",
    "shared": "files that a project shares",
    "user": "user's own files",
}
_OPTIONS = {"personal": "neither --shared nor --user", "shared": "--shared", "user": "--user"}


def _offered(adapter: Adapter) -> str:
    return "give " + ", or ".join(_OPTIONS[scope] for scope in adapter.scopes)


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(known)}"
    return f"there is no assistant `{name}`; {hint}"


def _is_here(adapter: Adapter, folder: str) -> bool:
    for path in adapter.detection.paths:
        place = _in_home(path) if path.startswith("~/") else Path(folder, path) if folder else None
        if place is not None and place.exists():
            return True
    environment = environment_with({})
    kept = (environment.get(variable) for variable in adapter.detection.variables)
    return any(path and Path(path).is_dir() for path in kept) or any(
        shutil.which(command) for command in adapter.detection.commands
    )


def _in_home(path: str) -> Path:
    configured = environment_with({}).get("XDG_CONFIG_HOME")
    if configured and path.startswith("~/.config/"):
        return Path(configured, path.removeprefix("~/.config/"))
    return Path.home() / path[2:]
