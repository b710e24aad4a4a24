"""What is in force: settings, plugins, what goes wrong, and which assistants are connected."""

from __future__ import annotations

from dataclasses import replace

from faiss_memory.adapter.adapter import Adapter
from faiss_memory.engine.engine import MemoryEngine
from faiss_memory.install import Assistants, RecordFile, report
from faiss_memory.plugin_host import PluginHost
from faiss_memory.schema import ProblemEntry, tending
from faiss_memory.settings import Origin, Settings, effective

HIDDEN = "(set)"
"""What is shown of a secret."""


class InForce:
    """Tells the person how the service is set up; raises what the service raises."""

    def __init__(self, settings: Settings, engine: MemoryEngine, plugins: PluginHost, version: str) -> None:
        self._settings = settings
        self._engine = engine
        self._plugins = plugins
        self._version = version
        self.origins: tuple[Origin, ...] = ()
        """Where each setting comes from, as whoever read them knows; else only what is no default is told."""

    def overview(self) -> tending.OverviewAnswer:
        """Return what is in force. Raises InstallError when the record of what is installed cannot be read."""
        return tending.OverviewAnswer(
            version=self._version,
            settings=[_shown(origin) for origin in self.origins or self._compared()],
            plugins=[
                tending.PluginEntry(name=name, kind="adapter" if isinstance(part, Adapter) else "plugin")
                for name, part in self._plugins.plugins
                if part is not None
            ],
            disabled=list(self._settings.plugins.disabled),
            problems=self._problems(),
            assistants=self._assistants(),
        )

    def _compared(self) -> list[Origin]:
        types = self._plugins.section_types()
        defaults = {one.key: one.value for one in effective(Settings(), {}, {})}
        return [
            one if defaults.get(one.key, one.value) == one.value else replace(one, origin="set")
            for one in effective(self._settings, types, {})
        ]

    def _problems(self) -> list[ProblemEntry]:
        engine = self._engine
        found = [ProblemEntry(part=one.part, reason=one.reason) for one in engine.problems.all()]
        errors = {"store": engine.store_error or engine.write_error, "model": engine.model_error}
        return found + [
            ProblemEntry(part=part, reason=str(error)) for part, error in errors.items() if error is not None
        ]

    def _assistants(self) -> list[tending.AssistantEntry]:
        return [
            tending.AssistantEntry(
                name=one.owner.assistant,
                title=one.title,
                scope=one.owner.scope,
                project=one.project,
                files=[tending.InstalledFile(path=file.path, state=file.state) for file in one.files],
                steps=list(one.steps),
            )
            for one in report(RecordFile().load(), Assistants(self._plugins), self._settings)
        ]


def _shown(origin: Origin) -> tending.SettingEntry:
    value = (HIDDEN if origin.value else "") if origin.is_secret else origin.value
    return tending.SettingEntry(key=origin.key, value=value, origin=origin.origin)
