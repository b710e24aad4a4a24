"""Make a recipe for a model: `python -m faiss_memory.embedder.prepare MODEL`, which `make model` runs.

The model is compiled as any other, and each of its weights is looked up among the tensors of its safetensors. What is
written is then followed, and its answers are compared with those of sentence-transformers. Needs what compiling needs.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from faiss_memory.embedder import compile as compiling, rebuild, torch_model
from faiss_memory.embedder.compiled import FACTS_FILE, MODEL_FILE, WEIGHTS_FILE, Shape
from faiss_memory.embedder.model_source import describe, file_facts, find_source
from faiss_memory.embedder.recipe import (
    PREPARED,
    RECIPE_FILE,
    SAFETENSORS,
    Recipe,
    SourceFile,
    Step,
    read_tensors,
)

NOT_LOADED = ("data_config.json", "train_script.py")
"""What models of the hub have beside their files to tell how they were trained."""


def main(model_name: str) -> None:
    """Write the prepared folder of a model, and check it."""
    source = find_source(model_name)
    if source.folder is None:
        raise SystemExit(f"{model_name} is neither a folder nor an installed package")
    with tempfile.TemporaryDirectory() as temporary:
        compiled, written, rebuilt = (Path(temporary) / name for name in ("compiled", "written", "rebuilt"))
        for folder in (compiled, written, rebuilt):
            folder.mkdir()
        compiling.main(source.location, compiled)
        recipe = _recipe(source.model, source.folder, compiled)
        shutil.copyfile(compiled / MODEL_FILE, written / MODEL_FILE)
        (written / RECIPE_FILE).write_bytes(
            msgspec.json.format(msgspec.json.encode(recipe), indent=1) + b"\n"
        )
        rebuild.main(written, source.location, rebuilt)
        compiling.check(torch_model.load_model(source.location), rebuilt, recipe.shape)
        folder = PREPARED / source.model
        folder.mkdir(parents=True, exist_ok=True)
        for name in (MODEL_FILE, RECIPE_FILE):
            shutil.copyfile(written / name, folder / name)
    moved = sum(step.transposed for step in recipe.steps)
    print(f"{folder}: {len(recipe.steps)} tensors, {moved} of them transposed; same as sentence-transformers")


def _recipe(model: str, folder: Path, compiled: Path) -> Recipe:
    shape = msgspec.json.decode((compiled / FACTS_FILE).read_bytes(), type=Shape)
    files = {name: facts for name, facts in describe(folder).items() if name not in NOT_LOADED}
    return Recipe(
        model=model,
        source={name: SourceFile(facts.size, facts.sha256) for name, facts in files.items()},
        not_loaded=list(NOT_LOADED),
        shape=msgspec.structs.replace(shape, folder=""),
        graph=file_facts(compiled / MODEL_FILE).sha256,
        weights=file_facts(compiled / WEIGHTS_FILE).sha256,
        steps=_steps(folder, compiled),
    )


def _steps(folder: Path, compiled: Path) -> list[Step]:
    """Find each piece of the weights file among the model's tensors, in the order of the file."""
    known: dict[str, Step] = {}
    for name, tensor in read_tensors(folder / SAFETENSORS).items():
        known.setdefault(_digest(tensor), Step(name, transposed=False))
        if tensor.ndim == 2:
            known.setdefault(_digest(tensor.T), Step(name, transposed=True))
    weights = np.memmap(compiled / WEIGHTS_FILE, np.uint8, mode="r")
    steps, at = [], 0
    for name, start, length in _pieces(compiled):
        step = known.get(_digest(weights[start : start + length]))
        if step is None or start != at:
            raise SystemExit(f"{name} is none of the model's tensors, or does not follow the one before")
        steps.append(step)
        at += length
    if at != len(weights):
        raise SystemExit(f"the weights file has {len(weights) - at} bytes that belong to nothing")
    return steps


def _pieces(compiled: Path) -> list[tuple[str, int, int]]:
    """List the graph's tensors that lie in the weights file: name, first byte, bytes; by their place."""
    import onnx

    graph = onnx.load(str(compiled / MODEL_FILE), load_external_data=False).graph
    found = []
    for each in graph.initializer:
        if each.external_data:
            place = {entry.key: int(entry.value) for entry in each.external_data if entry.key != "location"}
            found.append((each.name, place["offset"], place["length"]))
    return sorted(found, key=lambda piece: piece[1])


def _digest(tensor: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(tensor).data.cast("B")).hexdigest()


if __name__ == "__main__":
    main(sys.argv[1])
