"""`make vendor`: fetch the libraries that the page is served with, and check them by `vendor.lock`.

`--update` takes what the registry has for the versions below, and writes the lock anew.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
import tarfile
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FOLDER = HERE / "static" / "vendor"
LOCK = HERE / "vendor.lock"
REGISTRY = "https://registry.npmjs.org"


@dataclass(frozen=True, slots=True)
class Package:
    """A package of npm, and which of its files are taken, each under which name."""

    name: str
    version: str
    licence: str
    files: dict[str, str]
    edits: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Of a file here: what is replaced once, and by what; an empty first part means the end of the file."""


PACKAGES = (
    Package(
        "preact",
        "11.2.0",
        "MIT",
        {"dist/preact.mjs": "preact.js", "hooks/dist/hooks.mjs": "hooks.js", "LICENSE": "preact.LICENSE"},
        # A bare name would need an import map, which would be an inline script.
        {"hooks.js": ('from"preact"', 'from"./preact.js"')},
    ),
    Package("htm", "3.1.1", "Apache-2.0", {"dist/htm.mjs": "htm.js", "LICENSE": "htm.LICENSE"}),
    Package(
        "uplot",
        "1.6.32",
        "MIT",
        {
            "dist/uPlot.iife.min.js": "uplot.js",
            "dist/uPlot.min.css": "uplot.css",
            "LICENSE": "uplot.LICENSE",
        },
        # Its ES module is three times as long as its script.
        {"uplot.js": ("", "\nexport default uPlot;\n")},
    ),
    Package(
        "diff",
        "9.0.0",
        "BSD-3-Clause",
        {
            "libesm/diff/base.js": "jsdiff/diff/base.js",
            "libesm/diff/word.js": "jsdiff/diff/word.js",
            "libesm/util/string.js": "jsdiff/util/string.js",
            "LICENSE": "jsdiff/LICENSE",
        },
    ),
)


def main(arguments: list[str]) -> int:
    """Write the files; return 1, with nothing written, if any differs from the lock."""
    files: dict[str, bytes] = {}
    lock: dict[str, Any] = {}
    for package in PACKAGES:
        tarball = _fetched(package)
        taken = _taken(package, tarball)
        files |= taken
        lock[package.name] = {
            "version": package.version,
            "licence": package.licence,
            "integrity": "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode(),
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in taken.items()},
        }
    if "--update" in arguments:
        LOCK.write_text(json.dumps(lock, indent=2) + "\n")
    elif lock != json.loads(LOCK.read_text()):
        print("What the registry has differs from vendor.lock; nothing was written.", file=sys.stderr)
        return 1
    for name, content in files.items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    print(f"{len(files)} files of {len(PACKAGES)} packages, as vendor.lock has them.")
    return 0


def _fetched(package: Package) -> bytes:
    address = f"{REGISTRY}/{package.name}/-/{package.name}-{package.version}.tgz"
    with urllib.request.urlopen(address, timeout=60) as answer:
        content: bytes = answer.read()
    return content


def _taken(package: Package, tarball: bytes) -> dict[str, bytes]:
    taken = {}
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        for inside, name in package.files.items():
            member = archive.extractfile(f"package/{inside}")
            if member is None:
                raise FileNotFoundError(f"{package.name} {package.version} has no file {inside}")
            text = member.read().decode()
            before, after = package.edits.get(name, ("", ""))
            if before not in text:
                raise ValueError(f"{name} does not hold {before!r}")
            taken[name] = (text.replace(before, after, 1) if before else text + after).encode()
    return taken


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
