"""Which packages an installation needs, as `pip install -r` takes them: `python docker/packages.py PART`.

serving     what the service runs on: the dependencies in pyproject.toml, without those below
compiling   what only compiling a model needs
model       the default model's files
postgres    what a store on PostgreSQL needs besides
light       requirements-light.txt: serving, for pip
overrides   overrides-light.txt: compiling, ruled out, for uv
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

COMPILING = ("torch", "sentence-transformers", "onnx")
"""Left out of a light installation and of the default image: the default model needs none of them."""

HEADS = {
    "light": "# A light installation has these: the default model is served without torch. `make docs` writes this\n"
    "# file from pyproject.toml.",
    "overrides": "# What a light installation goes without, for uv's --overrides. `make docs` writes this file from "
    "pyproject.toml.",
}

PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def packages(part: str) -> list[str]:
    """Give the lines of a part. Raises KeyError for one that does not exist."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    stated = {name_of(requirement): requirement for requirement in project["dependencies"]}
    serving = [requirement for name, requirement in stated.items() if name not in COMPILING]
    return {
        "serving": serving,
        "compiling": [stated[name] for name in COMPILING],
        "model": project["optional-dependencies"]["model"],
        "postgres": project["optional-dependencies"]["postgres"],
        "light": [HEADS["light"], *serving],
        "overrides": [HEADS["overrides"], *(f"{name}; python_version < '3'" for name in COMPILING)],
    }[part]


def name_of(requirement: str) -> str:
    """Give the package's name: `torch` of `torch>=2.4`, in the one spelling that counts."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()


if __name__ == "__main__":
    print("\n".join(packages(sys.argv[1])))
