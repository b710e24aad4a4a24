"""Installing what only compiling a model needs, into the environment that this program runs in."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Sequence

from faiss_memory.errors import EmbedderError

TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
"""On Linux the usual build of torch brings gigabytes of CUDA, which are never used here."""


def can_install() -> bool:
    """Return whether pip is here and may write: never into the system's own Python, nor into an image."""
    own = sys.prefix != sys.base_prefix and os.access(sysconfig.get_path("purelib"), os.W_OK)
    return own and importlib.util.find_spec("pip") is not None


def install(names: Sequence[str]) -> None:
    """Install packages that this program states, in the versions that it states. Raises EmbedderError."""
    wanted = _stated(names)
    torch, others = (
        [each for each in wanted if (_name(each) == "torch") == first] for first in (True, False)
    )
    if torch and not (sys.platform == "linux" and _pip(*torch, "--index-url", TORCH_CPU_INDEX) == 0):
        others = [*torch, *others]
    if others and (status := _pip(*others)) != 0:
        raise EmbedderError(
            f"{', '.join(names)} could not be installed into {sys.prefix}: pip ended with status {status}, and says "
            "why above. Install them yourself."
        )
    importlib.invalidate_caches()


def _stated(names: Sequence[str]) -> list[str]:
    """Return the requirements by which this program's own metadata names packages."""
    stated = {_name(each): each for each in importlib.metadata.requires("faiss-memory") or []}
    return [stated[name] for name in names]


def _name(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()


def _pip(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "pip", "install", *arguments], check=False).returncode
