"""Compiled models that the installation brings without their weights, and how the weights are made of a model's own.

A folder below `prepared/` has a graph and a recipe: which tensor of the model's safetensors stands where in the weights
file, as it is or transposed. numpy is enough to follow it. `make model` writes both.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from faiss_memory.embedder.compiled import MODEL_FILE, WEIGHTS_FILE, Shape
from faiss_memory.embedder.model_source import FileFacts, ModelSource, model_files
from faiss_memory.errors import EmbedderError

PREPARED = Path(__file__).parent / "prepared"
RECIPE_FILE = "recipe.json"
SAFETENSORS = "model.safetensors"

_TYPES = {"F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4"}
Tensor = npt.NDArray[np.generic]


class Step(msgspec.Struct, frozen=True, array_like=True):
    """What comes next in the weights file."""

    tensor: str
    transposed: bool


class SourceFile(msgspec.Struct, frozen=True):
    """A file of the model, as it has to be."""

    size: int
    sha256: str


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """How a compiled model is made again from the model's files, without the libraries that compiled it."""

    model: str
    """The name under which the compiled model is kept."""
    source: dict[str, SourceFile]
    """All that the model is loaded from, relative to its folder. A model with any other file is another model."""
    not_loaded: list[str]
    """Files that may lie beside these: nothing reads them when the model is loaded."""
    shape: Shape
    graph: str
    """The graph's sha256."""
    weights: str
    """The sha256 of the weights file, when it is done."""
    steps: list[Step]

    def resembles(self, folder: Path) -> bool:
        """Return whether a folder has the same files, by their names and sizes; none of them is read."""
        found = set(model_files(folder)) - set(self.not_loaded)
        return found == set(self.source) and all(
            (folder / name).stat().st_size == file.size for name, file in self.source.items()
        )

    def fits(self, files: Mapping[str, FileFacts]) -> bool:
        """Return whether these are the files of the model, by their content."""
        found = {name: facts.sha256 for name, facts in files.items() if name not in self.not_loaded}
        return found == {name: file.sha256 for name, file in self.source.items()}


def recipe_for(source: ModelSource) -> Path | None:
    """Find the prepared folder for a model, by its files where they are here, else by its name. None if none fits."""
    for path in sorted(PREPARED.glob(f"*/{RECIPE_FILE}")):
        recipe = read_recipe(path.parent)
        same = recipe.model == source.model if source.folder is None else recipe.resembles(source.folder)
        if same:
            return path.parent
    return None


def read_recipe(prepared: Path) -> Recipe:
    """Read the recipe in a prepared folder. Raises EmbedderError if the installation is damaged."""
    try:
        return msgspec.json.decode((prepared / RECIPE_FILE).read_bytes(), type=Recipe)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EmbedderError(f"{prepared / RECIPE_FILE} cannot be read: {error}. Install anew.") from error


def write_weights(recipe: Recipe, model: Path, folder: Path) -> None:
    """Write the weights file of a recipe into a folder, from the model in another.

    Raises EmbedderError if it does not come out as the recipe says.
    """
    tensors = read_tensors(model / SAFETENSORS)
    digest = hashlib.sha256()
    with (folder / WEIGHTS_FILE).open("wb") as file:
        for step in recipe.steps:
            tensor = tensors[step.tensor]
            content = np.ascontiguousarray(tensor.T if step.transposed else tensor).data.cast("B")
            digest.update(content)
            file.write(content)
    _prove(folder / WEIGHTS_FILE, digest.hexdigest(), recipe.weights)


def copy_graph(recipe: Recipe, prepared: Path, folder: Path) -> None:
    """Copy the graph of a prepared folder. Raises EmbedderError if it is not the recipe's."""
    content = (prepared / MODEL_FILE).read_bytes()
    _prove(prepared / MODEL_FILE, hashlib.sha256(content).hexdigest(), recipe.graph)
    (folder / MODEL_FILE).write_bytes(content)


def _prove(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise EmbedderError(f"{path} has sha256 {found}, expected {expected}")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Map the tensors of a safetensors file into memory, by name; those of types that are not known are left out.

    Raises EmbedderError for anything else than such a file.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
        content = np.memmap(path, np.uint8, mode="r", offset=8 + length)
        return dict(_tensors(header, content))
    except (OSError, ValueError, KeyError, TypeError, MemoryError, OverflowError) as error:
        raise EmbedderError(f"{path} is no safetensors file: {error}") from error


def _tensors(header: Mapping[str, Mapping[str, object]], content: Tensor) -> Iterator[tuple[str, Tensor]]:
    for name, entry in header.items():
        if (kind := _TYPES.get(str(entry.get("dtype")))) is None:
            continue
        start, end = _numbers(entry["data_offsets"])
        shape = _numbers(entry["shape"])
        if end - start != math.prod(shape) * np.dtype(kind).itemsize:
            raise ValueError(f"{name} has {end - start} bytes")
        yield name, content[start:end].view(kind).reshape(shape)


def _numbers(value: object) -> Sequence[int]:
    return msgspec.convert(value, tuple[int, ...])
