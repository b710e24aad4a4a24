"""An assistant's package for its own plugin system: what an adapter declares, zipped or written to a folder."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from faiss_memory.contracts.config_files import InstallContext
from faiss_memory.errors import Conflict, MemoryNotFound
from faiss_memory.plugin_host import PluginHost
from faiss_memory.safe_files import located, write_file

_TIME = (1980, 1, 1, 0, 0, 0)
"""The same files give the same archive."""


def package_files(plugins: PluginHost, name: str, context: InstallContext) -> dict[str, str]:
    """Return a package's texts by path. Raises MemoryNotFound for an adapter that is not there, or has no package."""
    packages = {known: adapter.package(context) for known, adapter in plugins.adapters.items()}
    if not packages.get(name):
        known = ", ".join(sorted(known for known, files in packages.items() if files)) or "no adapter"
        raise MemoryNotFound(f"there is no package of an adapter `{name}`; {known} has one")
    return {file.path: file.text for file in packages[name]}


def zipped(files: Mapping[str, str]) -> bytes:
    """Put files into a zip archive."""
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path, _TIME), text)
    return raw.getvalue()


def write_package(files: Mapping[str, str], folder: Path) -> None:
    """Write a package into a folder of its own, in the place of an earlier one.

    Raises Conflict for a folder that holds anything else, and OSError.
    """
    top = located(folder)
    there = [path for path in top.rglob("*") if path.is_symlink() or not path.is_dir()]
    foreign = [path for path in there if path.relative_to(top).as_posix() not in files]
    if foreign:
        raise Conflict(
            f"{folder} holds other files, such as {foreign[0]}; give an empty folder, or a new one"
        )
    for name, text in files.items():
        write_file(top / name, text.encode())
