"""The packages that only compiling a model needs: a small installation, such as a container image, goes without."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from faiss_memory.errors import EmbedderError

COMPILING = ("torch", "sentence-transformers", "onnx")
"""Not needed for the default model, nor for one that has been compiled."""


class MissingPackages(EmbedderError):
    """A model that cannot be compiled in this installation."""

    def __init__(self, model: str, names: Sequence[str]) -> None:
        super().__init__(
            f"the model {model} cannot be compiled: {', '.join(names)} not installed here. To install what is missing: "
            f"faiss-memory compile {model}; in a checkout: make serve MODELS=1; with Docker, which then builds the "
            "image `full`: echo FAISS_MEMORY_IMAGE=full >> .env && docker compose up -d --build. Or set MODEL_NAME "
            "back."
        )
        self.names = names


def missing_packages() -> list[str]:
    """Name the packages that compiling needs and that are not installed; none is imported."""
    return [name for name in COMPILING if importlib.util.find_spec(name.replace("-", "_")) is None]
