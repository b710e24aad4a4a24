"""The assistants' adapters, and the files that connect an assistant."""

from __future__ import annotations

from collections.abc import Sequence

from faiss_memory import schema
from faiss_memory.adapter.adapter import Adapter
from faiss_memory.address import settled_address
from faiss_memory.contracts.config_files import ConfigFile, InstallContext, Scope, Snippet
from faiss_memory.contracts.http import Page, Route
from faiss_memory.errors import MemoryNotFound
from faiss_memory.install import KINDS, by_path, snippet, whole_file
from faiss_memory.install.packages import package_files, zipped
from faiss_memory.memory import DEFAULT_PROJECT
from faiss_memory.service.memories import MemoryService


class AssistantFiles:
    """The calls about adapters; `routes` are the calls that guests have brought. Raises what the service raises."""

    def __init__(self, service: MemoryService, routes: Sequence[Route]) -> None:
        self._service = service
        self._settings = service.settings
        self._plugins = service.plugins
        self._paths = [route.path for route in routes]

    def adapters(self) -> schema.AdaptersAnswer:
        """List the assistants' adapters."""
        found = [
            schema.AdapterEntry(
                name=adapter.name,
                title=adapter.title,
                routes=self._routes_of(adapter),
                marks=list(adapter.marks),
            )
            for adapter in self._plugins.adapters.values()
        ]
        return schema.AdaptersAnswer(adapters=found, count=len(found))

    def _routes_of(self, adapter: Adapter) -> list[str]:
        own = [route.path for route in adapter.routes(self._service)]
        below = [path for path in self._paths if path.startswith(f"/adapters/{adapter.name}/")]
        return list(dict.fromkeys([*own, *below]))

    def files(self, request: schema.FilesRequest) -> schema.FilesAnswer | Page:
        """Return what connects an assistant, as JSON or a zip. Raises MemoryNotFound for an unknown adapter."""
        project = request.project or DEFAULT_PROJECT
        files = self._config_files(request.name, self._context(project, request.scope))
        if request.format == "zip":
            return _zip(files)
        entries = [_entry(file) for file in files]
        return schema.FilesAnswer(
            adapter=request.name, files=entries, count=len(entries), project=project, scope=request.scope
        )

    def _config_files(self, name: str, context: InstallContext) -> Sequence[ConfigFile]:
        adapter = self._plugins.adapters.get(name)
        if adapter is not None:
            if context.scope not in adapter.scopes:
                offered = ", ".join(adapter.scopes)
                raise MemoryNotFound(f"`scope`: {name} has no such files; there are {offered}", "scope")
            return adapter.files(context)
        for given in self._plugins.hook.register_config_files(context=context):
            if name in given:
                found: Sequence[ConfigFile] = given[name]
                return found
        known = ", ".join(self._plugins.adapters)
        raise MemoryNotFound(f"there is no adapter `{name}`; there are {known}")

    def package(self, name: str) -> Page:
        """Return an assistant's package, zipped. Raises MemoryNotFound for an adapter that has none."""
        files = package_files(self._plugins, name, self._context(DEFAULT_PROJECT, "user"))
        return Page(zipped(files), "application/zip")

    def _context(self, project: str, scope: Scope) -> InstallContext:
        # Whoever asks may have the service in a container, and our package nowhere: no command of ours is named.
        return InstallContext(
            url=settled_address(self._settings),
            project=project,
            scope=scope,
            command="",
            hook_command="",
            has_token=bool(self._settings.token),
            public_url=self._settings.public_url,
            sections=tuple(self._settings.plugins.sections),
        )


def _entry(file: ConfigFile) -> schema.FileEntry:
    keys = list(getattr(file, "keys", ()))
    kind = "to paste" if isinstance(file, Snippet) else KINDS[type(file)]
    return schema.FileEntry(path=file.path, kind=kind, keys=keys, text=snippet(file))


def _zip(files: Sequence[ConfigFile]) -> Page:
    """Pack files; those of the user's own lie in a folder `home`."""
    written = by_path(file for file in files if not isinstance(file, Snippet))
    names = {path: f"home/{path[2:]}" if path.startswith("~/") else path for path in written}
    return Page(
        zipped({names[path]: whole_file(parts) for path, parts in written.items()}), "application/zip"
    )
