"""What this process is told by its surroundings: the environment, and the user's folders.

This is the only file that reads the environment.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import platformdirs

NOT_SETTINGS = {"FAISS_MEMORY_CONFIG", "FAISS_MEMORY_URL", "FAISS_MEMORY_BIND", "FAISS_MEMORY_IMAGE"}
"""Names with our prefix that are no settings: where something is, and which image compose builds."""

_M_ARENA_MAX = -8


def variables() -> Mapping[str, str]:
    """Return the environment."""
    return os.environ


def user_config_file() -> Path:
    """Return where the user's configuration file is, whether it is there or not."""
    return Path(platformdirs.user_config_dir("faiss-memory")) / "faiss-memory.yaml"


def runtime_folder() -> Path:
    """Return where the running service leaves its address for the command line and the hooks.

    Without a runtime folder of the session it is the user's state folder, and never one below /tmp, where anybody
    could leave the address of a service of their own.
    """
    if sys.platform != "linux":
        return Path(platformdirs.user_runtime_dir("faiss-memory"))
    session = os.environ.get("XDG_RUNTIME_DIR")
    return Path(session) / "faiss-memory" if session else Path(platformdirs.user_state_dir("faiss-memory"))


def state_folder() -> Path:
    """Return where it is recorded which files of assistants were written."""
    return Path(platformdirs.user_state_dir("faiss-memory"))


def temporary_folder() -> Path:
    """Return where this machine has its temporary files: not in the data folder, which may be full."""
    return Path(os.environ.get("TMPDIR") or os.environ.get("TEMP") or "/tmp")


def runtime_folders() -> list[Path]:
    """Return where a running service leaves its address: what an application starts may not know the session's."""
    return list(dict.fromkeys([runtime_folder(), state_folder()]))


def address_in_environment() -> str:
    """Return `FAISS_MEMORY_URL`, which says where the service answers; empty if it is not set."""
    return os.environ.get("FAISS_MEMORY_URL", "")


def environment_with(changes: Mapping[str, str]) -> dict[str, str]:
    """Make the environment of a child process: this one's, changed."""
    return {**os.environ, **changes}


def hub_cache_folder() -> str | None:
    """Return where sentence-transformers keeps downloaded models; None means the hub's own default."""
    return os.environ.get("SENTENCE_TRANSFORMERS_HOME")


def prepare_process() -> None:
    """Set what libraries look for when they are imported, and how memory is kept; call before importing faiss."""
    # One query is faster and steadier on one OpenMP thread, and omp_set_num_threads does not reach the other
    # threads of this process: the variable, set before the import, does.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # glibc gives every thread a heap of its own, and none of them shrinks: with two for all, a process that took in
    # 10,000 memories stays 40 to 90 MB smaller, and nothing was measured to be slower.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)
