"""By which metric a model's vectors are compared: as the settings say, else as its own files do, else the cosine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from faiss_memory.embedder.compiled import Shape
from faiss_memory.errors import EmbedderError
from faiss_memory.memory import COSINE, METRICS, Metric

CONFIG_FILE = "config_sentence_transformers.json"
MODULES_FILE = "modules.json"
_SPELLINGS = {"cos_sim": COSINE, "dot_product": "dot", "dot_score": "dot"}


def stated_metric(folder: Path) -> str | None:
    """Return the `similarity_fn_name` in the files of a model; None if they have none."""
    config = _read(folder / CONFIG_FILE)
    found = config.get("similarity_fn_name") if isinstance(config, dict) else None
    return None if found is None else str(found)


def normalises(folder: Path) -> bool:
    """Return whether the last module in the files of a model is the one that normalises."""
    modules = _read(folder / MODULES_FILE)
    last = modules[-1] if isinstance(modules, list) and modules else None
    return isinstance(last, dict) and str(last.get("type")).rpartition(".")[2] == "Normalize"


def _read(path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def choose_metric(name: str, shape: Shape, wanted: Metric | None) -> Metric:
    """Return the metric that is wanted, or else that of the model's files, which `shape` may be older than.

    Raises EmbedderError for a model that is made for a metric we do not have.
    """
    folder = Path(shape.folder)
    stated = stated_metric(folder) if folder.is_dir() else shape.metric
    if wanted is not None or stated is None:
        return wanted or COSINE
    found = _SPELLINGS.get(stated, stated)
    for metric in METRICS:
        if found == metric:
            return metric
    raise EmbedderError(
        f"the model {name} is made for the metric `{stated}`, which is not there: set `metric` to one of "
        f"{', '.join(METRICS)}"
    )


def serves(shape: Shape, metric: Metric) -> bool:
    """Return whether a compiled form gives the vectors that a metric compares: those that the model itself makes."""
    if metric == COSINE or shape.unit is not None or shape.problem is not None:
        return True
    # It is of a time when every graph normalised; that is as good if the model does so itself.
    return normalises(Path(shape.folder))
