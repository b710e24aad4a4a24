"""Which packages an image installs, as `pip install -r` takes them: `python docker/packages.py PART`.

serving     what the service runs on: the dependencies in pyproject.toml, without those below
compiling   what only compiling a model needs
model       the default model's files
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

COMPILING = ("torch", "sentence-transformers", "onnx")
"""Left out of the default image, which carries its model compiled."""

PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def packages(part: str) -> list[str]:
    """Give the requirements of a part. Raises KeyError for one that does not exist."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    stated = {name_of(requirement): requirement for requirement in project["dependencies"]}
    return {
        "serving": [requirement for name, requirement in stated.items() if name not in COMPILING],
        "compiling": [stated[name] for name in COMPILING],
        "model": project["optional-dependencies"]["model"],
    }[part]


def name_of(requirement: str) -> str:
    """Give the package's name: `torch` of `torch>=2.4`, in the one spelling that counts."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()


if __name__ == "__main__":
    print("\n".join(packages(sys.argv[1])))
