"""A project's folder with a record of its own, and what is in it."""

from __future__ import annotations

import os
from pathlib import Path

from faiss_memory.install import Assistants, Installer, RecordFile
from faiss_memory.plugin_host import PluginHost
from faiss_memory.settings import Settings
from tests.install.assistants import ALL


class Place:
    """A project, its installer, and everything that can be seen of it."""

    def __init__(self, folder: Path, adapters=ALL, scope="personal", settings=None):
        self.folder = folder / "project"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.records = RecordFile(folder / "state")
        self.settings = settings or Settings()
        self.scope = scope
        self.use(adapters)

    def use(self, adapters):
        host = PluginHost(extra=[(f"made-up-{adapter.name}", adapter) for adapter in adapters])
        self.assistants = Assistants(host)
        self.installer = Installer(self.settings, self.assistants, self.scope, self.folder, self.records)

    def write(self, files):
        for name, raw in files.items():
            if raw is not None:
                path = self.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(raw)

    def install(self, *names, **how):
        with self.installer.at_work() as problems:
            plan = self.installer.plan_install(names, **how)
            return plan, problems + self.installer.carry_out(plan)

    def uninstall(self, *names, **how):
        with self.installer.at_work() as problems:
            plan = self.installer.plan_uninstall(names, **how)
            return plan, problems + self.installer.carry_out(plan)

    def seen(self):
        """Every file and folder of the project: bytes, and modes."""
        found = {}
        for top, folders, files in os.walk(self.folder):
            for name in folders:
                found[os.path.relpath(os.path.join(top, name), self.folder)] = "folder"
            for name in files:
                path = Path(top, name)
                link = os.readlink(path) if path.is_symlink() else None
                found[str(path.relative_to(self.folder))] = (
                    path.read_bytes(),
                    path.stat().st_mode & 0o777,
                    link,
                )
        return found

    def read(self, name):
        return (self.folder / name).read_text()


def repository(folder: Path) -> Path:
    """Make a folder a git repository, as far as we look at it."""
    git = folder / ".git"
    (git / "info").mkdir(parents=True, exist_ok=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "config").write_text("[core]\n")
    return git / "info" / "exclude"
